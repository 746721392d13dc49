//! Failures that a waived manual task may have caused.

use super::worksheet::{ThingState, things};
use super::{Change, Failure};
use crate::base::text::escape;
use crate::journal::{State, TaskState};

/// The same failure of this change. If a waived thing has the same name in quotation marks as the
/// change or its failure, the help names the task, who waived it and why, and what is not proved.
pub(super) fn with_waiver(failure: Failure, change: &Change, state: &State) -> Failure {
    let reopened = state.reopened.last().map_or(0, |again| again.number);
    let text = format!("{}: {}", change.name, failure.message);
    let mentions = state.tasks.values().filter_map(|task| {
        let waiver = task.completed.as_ref().filter(|it| it.number > reopened)?;
        let reason = waiver.waived.as_deref()?;
        let things = waived_things(state, task, &text);
        (!things.is_empty()).then(|| {
            format!(
                "the manual task {} was waived by {} ({}), and nothing shows that this is done: {}",
                escape(&task.waiting.task),
                escape(&waiver.who),
                escape(reason),
                escape(&things.join("; "))
            )
        })
    });
    let mut parts: Vec<String> = mentions.collect();
    if parts.is_empty() {
        return failure;
    }
    parts.extend(failure.help.clone());
    failure.with_help(parts.join(". "))
}

/// The waived things of a task that are about something this text names.
fn waived_things(state: &State, task: &TaskState, text: &str) -> Vec<String> {
    let waived = things(state, task).into_iter();
    let waived = waived.filter(|thing| thing.state == ThingState::Waived);
    waived
        .map(|thing| thing.name)
        .filter(|name| shares_name(name, text))
        .collect()
}

/// Is a name in quotation marks in the name of a thing also in quotation marks in this text?
fn shares_name(thing: &str, text: &str) -> bool {
    quoted(thing).any(|quoted| text.contains(quoted))
}

/// The names in quotation marks in the name of a thing, with the marks. A mark within a word belongs to
/// the name: `'O'Brien'`.
fn quoted(name: &str) -> impl Iterator<Item = &str> {
    let is_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let mut begin = None;
    name.match_indices('\'').filter_map(move |(at, mark)| {
        let (before, after) = (
            name[..at].chars().next_back(),
            name[at + 1..].chars().next(),
        );
        match begin {
            None => {
                begin = (!is_word(before)).then_some(at);
                None
            }
            Some(_) if is_word(before) && is_word(after) => None,
            Some(from) => {
                begin = None;
                Some(&name[from..at + mark.len()]).filter(|quoted| quoted.len() > 2)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::base::clock::Clock;
    use crate::engine::{Action, ManualTask};
    use crate::journal::testing::open;
    use crate::journal::{Completed, Waiting};

    fn change(name: &str) -> Change {
        Change {
            key: name.to_owned(),
            name: name.to_owned(),
            before: Value::Null.into(),
            after: Value::Null.into(),
            follows: Vec::new(),
            action: Action::ManualTask(ManualTask {
                instructions: Vec::new(),
                evidence: String::new(),
                ..ManualTask::default()
            }),
        }
    }

    #[test]
    fn only_the_whole_name_in_quotation_marks_is_the_same() {
        for (thing, text, is_same) in [
            ("deactivate provider 'A'", "delete provider 'A': no", true),
            (
                "deactivate provider 'A'",
                "An active provider 'B': no",
                false,
            ),
            (
                "deactivate provider 'A'",
                "delete provider 'A Orders'",
                false,
            ),
            ("close 'O'Brien'", "delete 'O'Brien': no", true),
            (
                "close 'O'Brien'",
                "delete 'O'Hara' of the customer 'O'",
                false,
            ),
            ("move 'A' to 'B'", "delete 'B'", true),
            ("the owner's task 'A'", "delete 'A'", true),
            ("look at ''", "'' is missing", false),
            ("look at it", "it is missing", false),
        ] {
            assert_eq!(shares_name(thing, text), is_same, "{thing} / {text}");
        }
    }

    #[tokio::test]
    async fn a_failure_about_what_was_waived_names_the_waiver() {
        let folder = tempfile::tempdir().unwrap();
        let opening = open(&folder.path().join("s.iomcopy.jsonl"), &Clock::new(1.0));
        let things = ["A", "B"].map(|name| {
            let name = format!("deactivate provider '{name} Orders'");
            json!({ "key": name, "name": name })
        });
        let waiting = Waiting {
            task: "s/deactivate".to_owned(),
            worksheet: json!({ "changes": things }),
        };
        opening.journal.append(waiting).await.unwrap();
        let waiver = Completed {
            task: "s/deactivate".to_owned(),
            evidence: json!("waived"),
            who: "ada".to_owned(),
            waived: Some("seen".to_owned()),
        };
        opening.journal.append(waiver).await.unwrap();
        let state = opening.journal.state();
        let help = |name: &str| {
            let failure = Failure::failed("it is active").with_help("correct it");
            with_waiver(failure, &change(name), &state).help.unwrap()
        };
        assert_eq!(
            help("delete provider 'A Orders'"),
            "the manual task s/deactivate was waived by ada (seen), and nothing shows that this is \
             done: deactivate provider 'A Orders'. correct it"
        );
        assert_eq!(help("delete provider 'C Orders'"), "correct it");
    }
}
