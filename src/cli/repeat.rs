//! A launch that destroys, requested again: a person confirms the very attempt.
//!
//! A pipeline's `--confirm-target` is always the same, so that it cannot say that somebody has seen how
//! the last attempt ended. The token names run and attempt, and changes with every attempt.

use std::collections::BTreeSet;
use std::path::Path;

use super::confirm::read_line;
use super::session::Session;
use crate::base::text::{escape, redact};
use crate::engine::{Failure, FailureKind};
use crate::journal::{LaunchOutcome, LaunchState, State};

/// What may be requested again, and the token that confirms it.
pub(super) struct Repeats {
    token: String,
    keys: Vec<String>,
    /// What would happen, a line each.
    lines: Vec<String>,
    /// Must it be confirmed before the run goes on? Else a person may, where an end stays unknown.
    is_required: bool,
}

/// Reads from the state which launches need a confirmation of their own; none where none does.
pub(super) fn repeats(state: &State) -> Option<Repeats> {
    let confirmed = state.confirmed.as_ref()?;
    let destructive: BTreeSet<&str> = confirmed.destructive.iter().map(String::as_str).collect();
    let launches = || {
        let all = state.launches.iter();
        all.filter(|(key, _)| destructive.contains(&***key))
    };
    let is_confirmed = |key: &str, launch: &LaunchState| {
        let ended = launch.ended.as_ref().map_or(0, |ended| ended.number);
        confirmed.number > ended && confirmed.repeats.iter().any(|repeat| repeat == key)
    };
    let mut ended: Vec<_> = launches()
        .filter(|(key, launch)| needs_confirmation(launch) && !is_confirmed(key, launch))
        .collect();
    let is_required = !ended.is_empty();
    if !is_required {
        ended = launches()
            .filter(|(_, launch)| launch.verified.is_none() && !has_ended_badly(launch))
            .collect();
    }
    if ended.is_empty() {
        return None;
    }
    let attempts: u32 = launches().map(|(_, launch)| launch.attempt).sum();
    let run: String = state.run.to_string().chars().take(8).collect();
    Some(Repeats {
        token: format!("{run}-{}", attempts + 1),
        keys: ended.iter().map(|(key, _)| key.to_string()).collect(),
        lines: ended.iter().map(|(_, launch)| described(launch)).collect(),
        is_required,
    })
}

/// Did it fail, or was it never found after a request in doubt? A clear refusal started nothing, and
/// needs no more than the target's name.
fn needs_confirmation(launch: &LaunchState) -> bool {
    has_ended_badly(launch) && !launch.was_refused()
}

fn has_ended_badly(launch: &LaunchState) -> bool {
    matches!(
        launch.outcome(),
        Some(LaunchOutcome::Failed | LaunchOutcome::Absent)
    )
}

/// What would be requested again, and why the last attempt ended.
fn described(launch: &LaunchState) -> String {
    let why = launch.ended.as_ref().map_or_else(
        || "its end is unknown".to_owned(),
        |ended| {
            let text = |member: &str| ended.detail.get(member)?.as_str().map(redact);
            match (ended.outcome, text("why").or_else(|| text("answer"))) {
                (LaunchOutcome::Failed, Some(why)) => format!("it failed: {why}"),
                (LaunchOutcome::Failed, None) => "it failed".to_owned(),
                (LaunchOutcome::Absent, Some(why)) => format!("it did not begin: {why}"),
                (LaunchOutcome::Absent, None) => "it did not begin".to_owned(),
                (LaunchOutcome::Succeeded, _) => {
                    "the service says that it ended well, and the target does not show it"
                        .to_owned()
                }
            }
        },
    );
    format!(
        "attempt {} of: {}\n  the last one ended so: {}",
        launch.attempt + 1,
        escape(&launch.intent.name),
        escape(&why)
    )
}

impl Repeats {
    /// Refuses a token that names another run or attempt. Takes the command that confirms this one.
    fn require(&self, token: &str, command: &str) -> Result<(), Failure> {
        if token == self.token {
            return Ok(());
        }
        let lines = self.lines.join("\n  ");
        Err(Failure::refused(format!(
            "--confirm-repeat {token} names another run or attempt"
        ))
        .with_help(format!("{lines}\n  to send it again: {command}")))
    }

    /// The command that confirms it.
    fn command(&self, session: &Session, runbook: &Path, target: &str) -> String {
        let state = session.given_state().map_or_else(String::new, |path| {
            format!(" --state {}", quoted(&path.display().to_string()))
        });
        format!(
            "iomcopy run {}{state} --confirm-target {} --confirm-repeat {}",
            quoted(&runbook.display().to_string()),
            quoted(target),
            self.token
        )
    }
}

/// Takes the token from the flag or asks for it; returns the keys that may be requested again.
pub(super) async fn confirm(
    session: &Session,
    given: Option<&str>,
    runbook: &Path,
    target: &str,
    state: &State,
) -> Result<Vec<String>, Failure> {
    let Some(repeats) = repeats(state) else {
        return match given {
            None => Ok(Vec::new()),
            Some(token) => Err(Failure::refused(format!(
                "--confirm-repeat {token}: nothing of this run waits to be sent again"
            ))
            .with_help("run again without it")),
        };
    };
    let command = || repeats.command(session, runbook, target);
    match given {
        Some(token) => {
            repeats.require(token, &command())?;
            Ok(repeats.keys)
        }
        None if !repeats.is_required => Ok(Vec::new()),
        None if Session::can_ask() => {
            ask(session, &repeats).await?;
            Ok(repeats.keys)
        }
        None => Err(Failure::new(
            FailureKind::Unconfirmed,
            format!(
                "sending it again overwrites '{target}' once more, and needs a confirmation that names \
                 the attempt\n  {}",
                repeats.lines.join("\n  ")
            ),
        )
        .with_help(format!("once you have seen why: {}", command()))),
    }
}

async fn ask(session: &Session, repeats: &Repeats) -> Result<(), Failure> {
    session.printer.complain(&repeats.lines.join("\n"));
    session
        .printer
        .ask(&format!("Type {} to send it again: ", repeats.token));
    let answer = read_line(std::io::stdin(), &session.cancellation).await?;
    if answer.is_none_or(|answer| answer.trim() != repeats.token) {
        return Err(Failure::refused(
            "what was typed does not name the attempt; nothing was sent",
        ));
    }
    Ok(())
}

/// The failure with the command that sends it again, where only a person may.
pub(super) fn explained(
    failure: Failure,
    session: &Session,
    runbook: &Path,
    target: &str,
    state: &State,
) -> Failure {
    let Some(repeats) = repeats(state) else {
        return failure;
    };
    if !repeats.is_required && failure.kind != FailureKind::Waiting {
        return failure;
    }
    let command = repeats.command(session, runbook, target);
    let offer = if repeats.is_required {
        format!("to send it again, once the cause is removed: {command}")
    } else {
        format!("if it did not begin, send it again: {command}")
    };
    let help = match &failure.help {
        Some(help) => format!("{help}\n  {offer}"),
        None => offer,
    };
    failure.with_help(help)
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_of_this_very_attempt_confirms_it() {
        let repeats = Repeats {
            token: "1a2b3c4d-3".to_owned(),
            keys: vec!["copy".to_owned()],
            lines: vec!["attempt 3 of: copy".to_owned()],
            is_required: true,
        };
        assert!(repeats.require("1a2b3c4d-3", "").is_ok());
        for token in ["1a2b3c4d-2", "1a2b3c4d-4", "00000000-3", "1a2b3c4d", ""] {
            let refused = repeats.require(token, "iomcopy run").unwrap_err();
            assert_eq!(refused.kind, FailureKind::Refused, "{token}");
            let help = refused.help.unwrap_or_default();
            assert!(
                help.contains("attempt 3 of: copy") && help.contains("iomcopy run"),
                "{help}"
            );
        }
    }

    #[test]
    fn a_word_is_quoted_where_a_shell_would_split_it() {
        for (word, expected) in [
            ("uat.yaml", "uat.yaml"),
            ("Contoso UAT", "'Contoso UAT'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
