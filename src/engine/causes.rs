//! Several failures as text: a cause that many changes share is there once, with their names.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Failure;
use crate::base::text::{REQUEST_ID, list_first};

/// How many changes with the same cause are named.
const NAMED: usize = 50;

/// What is known of a change that failed.
#[derive(Clone, Copy)]
pub struct FailedChange<'a> {
    /// The change's name.
    pub name: Option<&'a str>,
    /// What failed. It may begin with the name.
    pub message: &'a str,
    /// What to do.
    pub help: Option<&'a str>,
}

/// Changes that failed for the same reason and need the same help.
pub struct Cause<'a> {
    /// The message; of several changes the reason, without the ids of rows and requests, and on
    /// another line their names.
    pub text: String,
    /// What to do.
    pub help: Option<&'a str>,
    /// The indexes of the changes.
    pub members: Vec<usize>,
}

/// A line for each failure, and one for its help. Changes with the same cause are one line with the
/// cause and one with their names; their requests are in the state file. The same help for several in
/// a row is shown once, after the last of them.
pub(super) fn lines<'a>(failures: impl IntoIterator<Item = &'a Failure>) -> String {
    let failed: Vec<FailedChange<'_>> = failures.into_iter().map(of_failure).collect();
    let mut text = String::new();
    let mut alike = 0;
    let mut causes = causes(&failed).into_iter().peekable();
    while let Some(cause) = causes.next() {
        text += &format!("\n  - {}", cause.text.replace('\n', "\n  "));
        alike += cause.members.len();
        let Some(help) = cause.help else {
            alike = 0;
            continue;
        };
        if causes.peek().is_some_and(|next| next.help == Some(help)) {
            continue;
        }
        let those = match alike {
            1 => String::new(),
            number => format!(" for these {number}"),
        };
        text += &format!("\n    help{those}: {help}");
        alike = 0;
    }
    text
}

fn of_failure(failure: &Failure) -> FailedChange<'_> {
    let name = match failure.each() {
        [single] => single.location.as_deref().and_then(|at| at.name.as_deref()),
        _ => None,
    };
    FailedChange {
        name,
        message: &failure.message,
        help: failure.help.as_deref(),
    }
}

/// The causes of these failures, in the order of their first one. A failure without a name stays
/// alone.
pub fn causes<'a>(failed: &[FailedChange<'a>]) -> Vec<Cause<'a>> {
    let mut groups: BTreeMap<(usize, String, Option<&str>), Vec<usize>> = BTreeMap::new();
    let mut first: BTreeMap<(String, Option<&str>), usize> = BTreeMap::new();
    for (index, change) in failed.iter().enumerate() {
        let reason = change.reason();
        let alone = reason.is_none().then_some(index);
        let key = (reason.unwrap_or_default(), change.help);
        let at = alone.unwrap_or_else(|| *first.entry(key.clone()).or_insert(index));
        groups.entry((at, key.0, key.1)).or_default().push(index);
    }
    let causes = groups.into_iter().map(|((at, reason, help), members)| {
        let names: Vec<&str> = members.iter().filter_map(|it| failed[*it].name).collect();
        let text = match members.len() {
            1 => failed[at].message.to_owned(),
            number => format!("{reason}\n  {number} changes: {}", list_names(&names)),
        };
        Cause {
            text,
            help,
            members,
        }
    });
    causes.collect()
}

impl FailedChange<'_> {
    /// The message without the change's name, the ids of rows and the id of the request; `None` if it
    /// does not begin with the name.
    fn reason(&self) -> Option<String> {
        let rest = self.message.strip_prefix(self.name?)?.strip_prefix(": ")?;
        Some(without_request_ids(&without_ids(rest)))
    }
}

fn without_ids(text: &str) -> String {
    const LENGTH: usize = 36;
    let mut rest = text;
    let mut shown = String::new();
    while let Some(next) = rest.chars().next() {
        let id = rest.get(..LENGTH).filter(|it| it.contains('-'));
        if id.is_some_and(|id| Uuid::try_parse(id).is_ok()) {
            shown.push('…');
            rest = &rest[LENGTH..];
        } else {
            shown.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    shown
}

fn without_request_ids(text: &str) -> String {
    let mut parts = text.split(REQUEST_ID);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown += part.split_once(')').map_or("", |(_, rest)| rest);
    }
    shown
}

/// The names in one line. The words before the quoted names are there once if all begin with the same.
fn list_names(names: &[&str]) -> String {
    let split = names.iter().map(|name| {
        let (words, quoted) = name.split_once(" '")?;
        quoted
            .ends_with('\'')
            .then_some((words, format!("'{quoted}")))
    });
    let Some(split) = split.collect::<Option<Vec<_>>>() else {
        return list_first(names, NAMED, ", ");
    };
    let first = split.first().map_or("", |(words, _)| *words);
    if split.iter().any(|(words, _)| *words != first) {
        return list_first(names, NAMED, ", ");
    }
    let quoted: Vec<&String> = split.iter().map(|(_, quoted)| quoted).collect();
    format!("{first} {}", list_first(&quoted, NAMED, ", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Location;

    fn failed(name: &str, why: &str, help: &str) -> Failure {
        let location = Location {
            name: Some(name.to_owned()),
            ..Location::default()
        };
        Failure::failed(why)
            .with_help(help)
            .during(name)
            .located(location)
    }

    #[test]
    fn a_cause_that_many_changes_share_is_there_once_with_their_names() {
        let refused = |name: &str, row: u128, help: &str| {
            let id = Uuid::from_u128(row);
            let why = format!("PATCH /rows({id}): 403 ü no. (request id {id})");
            failed(&format!("connect '{name}'"), &why, help)
        };
        let failures = [
            refused("a", 1, "give it a role"),
            refused("b", 2, "click"),
            failed("stop 'x'", "it runs", "wait"),
            refused("c", 3, "give it a role"),
        ];
        let id = Uuid::from_u128(2);
        let expected = format!(
            "\n  - PATCH /rows(…): 403 ü no.\n    2 changes: connect 'a', 'c'\n    \
             help for these 2: give it a role\n  - connect 'b': PATCH /rows({id}): 403 ü no. \
             (request id {id})\n    help: click\n  - stop 'x': it runs\n    help: wait"
        );
        assert_eq!(lines(&failures), expected);
        let whole = failures[0].each()[0].message.clone();
        assert!(whole.contains("request id"), "{whole}");
    }

    #[test]
    fn names_with_other_words_are_whole() {
        assert_eq!(
            list_names(&["stop 'a'", "clear 'a'"]),
            "stop 'a', clear 'a'"
        );
        assert_eq!(list_names(&["stop 'a' now", "wait"]), "stop 'a' now, wait");
    }
}
