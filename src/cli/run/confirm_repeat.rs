//! A destructive launch that is sent again: the user confirms this one attempt
//! (`--confirm-repeat`).
//!
//! A pipeline's `--confirm-target` is constant, so it does not show that anyone has seen how the
//! last attempt ended. The token names the run and the attempt, so it changes with every attempt.

use std::collections::BTreeSet;

use super::confirm_target::ask;
use crate::base::redaction::redact;
use crate::base::shell::quote_argument;
use crate::base::text::escape;
use crate::cli::common_arguments::RunFiles;
use crate::cli::session::Session;
use crate::engine::{Failure, FailureKind};
use crate::journal::{self, LaunchOutcome, LaunchState, Occupancy, State, StateFileContents};
use crate::report::{SuggestedCommands, TaskCommands};

/// The launches that may be sent again, and the token that confirms them.
pub(super) struct Repeats {
    token: String,
    /// The target's display name.
    target: String,
    keys: Vec<String>,
    /// One description for each launch.
    lines: Vec<String>,
    /// Does the run need the confirmation to continue? If not, an outcome is unknown and the
    /// user may confirm.
    is_required: bool,
}

/// The launches of this state that need their own confirmation to be sent again.
fn find_repeats(state: &State) -> Option<Repeats> {
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
        .filter(|(key, launch)| needs_own_confirmation(launch) && !is_confirmed(key, launch))
        .collect();
    let is_required = !ended.is_empty();
    if !is_required {
        ended = launches()
            .filter(|(_, launch)| launch.verified.is_none() && !has_failed_or_is_absent(launch))
            .collect();
    }
    if ended.is_empty() {
        return None;
    }
    let attempts: u32 = launches().map(|(_, launch)| launch.attempt).sum();
    let run: String = state.run.to_string().chars().take(8).collect();
    Some(Repeats {
        token: format!("{run}-{}", attempts + 1),
        target: state.began.pinned.target.name.clone(),
        keys: ended.iter().map(|(key, _)| key.to_string()).collect(),
        lines: ended
            .iter()
            .map(|(_, launch)| describe_repeat(launch))
            .collect(),
        is_required,
    })
}

/// Did the launch fail, or was it never found after a request in doubt? A launch that the service
/// refused started nothing, so the target's name is enough.
fn needs_own_confirmation(launch: &LaunchState) -> bool {
    has_failed_or_is_absent(launch) && !launch.was_refused()
}

fn has_failed_or_is_absent(launch: &LaunchState) -> bool {
    matches!(
        launch.outcome(),
        Some(LaunchOutcome::Failed | LaunchOutcome::Absent)
    )
}

/// Names the launch, and how its last attempt ended.
fn describe_repeat(launch: &LaunchState) -> String {
    let why = launch.ended.as_ref().map_or_else(
        || "its outcome is unknown".to_owned(),
        |ended| {
            let text = |member: &str| ended.detail.get(member)?.as_str().map(redact);
            match (ended.outcome, text("why").or_else(|| text("answer"))) {
                (LaunchOutcome::Failed, Some(why)) => format!("it failed: {why}"),
                (LaunchOutcome::Failed, None) => "it failed".to_owned(),
                (LaunchOutcome::Absent, Some(why)) => format!("it did not begin: {why}"),
                (LaunchOutcome::Absent, None) => "it did not begin".to_owned(),
                (LaunchOutcome::GivenUp, _) => {
                    "its outcome is unknown, and a person waived its proof".to_owned()
                }
                (LaunchOutcome::Succeeded, _) => {
                    "the service reports success, but the target does not show it".to_owned()
                }
            }
        },
    );
    format!(
        "attempt {} of: {}\n  the last attempt: {}",
        launch.attempt + 1,
        escape(&launch.intent.name),
        escape(&why)
    )
}

impl Repeats {
    /// Refuses a token that names another run or attempt. Takes the command with the valid token.
    fn require_token(&self, token: &str, command: &str) -> Result<(), Failure> {
        if token == self.token {
            return Ok(());
        }
        let lines = self.lines.join("\n  ");
        Err(Failure::refused(format!(
            "--confirm-repeat {token} names another run or attempt"
        ))
        .with_help(format!("{lines}\n  to send it again: {command}")))
    }

    /// The command that sends the launches again.
    fn command(&self, files: &RunFiles) -> String {
        format!(
            "iomcopy run {} --confirm-target {} --confirm-repeat {}",
            files.as_arguments(),
            quote_argument(&self.target),
            self.token
        )
    }
}

/// Refuses a token that confirms nothing of the run in this state file.
pub(super) fn require_known(token: &str, files: &RunFiles, state: &State) -> Result<(), Failure> {
    match find_repeats(state) {
        Some(repeats) => repeats.require_token(token, &repeats.command(files)),
        None => Err(nothing_to_repeat(token)),
    }
}

fn nothing_to_repeat(token: &str) -> Failure {
    Failure::refused(format!(
        "--confirm-repeat {token}: no launch of this run waits to be sent again"
    ))
    .with_help("run again without --confirm-repeat")
}

/// Prompts for the token, unless the flag gives it; returns the keys that may be sent again.
pub(super) async fn confirm_repeat(
    session: &Session,
    given: Option<&str>,
    files: &RunFiles,
    state: &State,
) -> Result<Vec<String>, Failure> {
    let Some(repeats) = find_repeats(state) else {
        return match given {
            None => Ok(Vec::new()),
            Some(token) => Err(nothing_to_repeat(token)),
        };
    };
    let command = repeats.command(files);
    match given {
        Some(token) => {
            repeats.require_token(token, &command)?;
            Ok(repeats.keys)
        }
        None if !repeats.is_required => Ok(Vec::new()),
        None if Session::can_prompt() => {
            prompt(session, &repeats).await?;
            Ok(repeats.keys)
        }
        None => Err(Failure::new(
            FailureKind::Unconfirmed,
            format!(
                "sending it again overwrites '{}' once more, which needs a confirmation of this attempt\n  {}",
                repeats.target,
                repeats.lines.join("\n  ")
            ),
        )
        .with_help(format!("find the cause, then run: {command}"))),
    }
}

async fn prompt(session: &Session, repeats: &Repeats) -> Result<(), Failure> {
    session.printer.error(&repeats.lines.join("\n"));
    let question = format!("Type {} to send it again: ", repeats.token);
    let answer = ask(session, &question).await?;
    if answer.is_none_or(|answer| answer.trim() != repeats.token) {
        return Err(Failure::refused(
            "this is not the token of the attempt; nothing was sent",
        ));
    }
    Ok(())
}

/// Adds the command that sends the launch again to the help of a failure that needs it.
pub(super) fn explain_repeat(failure: Failure, files: &RunFiles, state: &State) -> Failure {
    let Some(repeats) = find_repeats(state) else {
        return failure;
    };
    if !repeats.is_required && failure.kind != FailureKind::Waiting {
        return failure;
    }
    let command = repeats.command(files);
    let offer = if repeats.is_required {
        format!("remove the cause, then send it again: {command}")
    } else {
        format!("if it did not begin, send it again: {command}")
    };
    let help = match &failure.help {
        Some(help) => format!("{help}\n  {offer}"),
        None => offer,
    };
    failure.with_help(help)
}

/// The commands to suggest for the run in this state file. The next one checks a run that has
/// finished, waives a manual task that has no evidence, watches a run that is working, and otherwise
/// continues the run, with the token of a launch that must be sent again, and on another machine than
/// the one that left it open.
pub(in crate::cli) fn suggested_commands(
    files: &RunFiles,
    contents: &StateFileContents,
) -> SuggestedCommands {
    let arguments = files.as_arguments();
    let required = find_repeats(&contents.state).filter(|repeats| repeats.is_required);
    let is_finished = contents.state.finished.is_some();
    let is_free = contents.occupancy == Occupancy::Free;
    let takeover =
        is_free && !is_finished && journal::left_open_elsewhere(&contents.state).is_some();
    let task = TaskCommands::of_waiting(&arguments, &contents.state);
    let waiver = task.filter(|task| task.needs_waiver() && !takeover);
    let next = match (required, waiver) {
        _ if is_finished => format!("iomcopy verify {arguments}"),
        (_, Some(waiver)) => waiver.next().to_owned(),
        _ if !is_free => format!("iomcopy status {arguments} --follow"),
        (Some(repeats), None) => repeats.command(files),
        (None, None) => format!("iomcopy run {arguments}"),
    };
    let next = match &contents.lost {
        // To continue the run is refused.
        Some(lost) => lost.check().to_owned(),
        None if takeover => format!("{next} --takeover"),
        None => next,
    };
    SuggestedCommands {
        arguments,
        next,
        ran: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::clock::Clock;
    use crate::base::platform;
    use crate::cli::testing::began;
    use crate::journal::Waiting;

    #[tokio::test]
    async fn the_next_command_watches_a_run_that_is_working_and_resumes_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let open = journal::begin(&path, Clock::new(1.0), began()).unwrap();
        let files = RunFiles {
            runbook: "uat.yaml".into(),
            values: None,
            state: None,
        };
        let mut contents = journal::read_state_file(&path).unwrap();
        let next = suggested_commands(&files, &contents).next;
        assert_eq!(next, "iomcopy status uat.yaml --follow");
        contents.occupancy = Occupancy::Free;
        let next = suggested_commands(&files, &contents).next;
        assert_eq!(next, "iomcopy run uat.yaml");
        // Another machine left it open: `run` alone would be refused.
        let opened = contents.state.opened.as_mut().unwrap();
        Arc::make_mut(&mut opened.payload).host = "another-machine".to_owned();
        let next = suggested_commands(&files, &contents).next;
        assert_eq!(next, "iomcopy run uat.yaml --takeover");
        let opened = contents.state.opened.as_mut().unwrap();
        Arc::make_mut(&mut opened.payload).host = platform::host_name();
        // Neither another run nor a look continues a task that nothing in the tenant shows to be done.
        let task = Waiting {
            task: "call/by-hand".to_owned(),
            worksheet: serde_json::json!({ "changes": [{ "key": "a", "needs-waiver": true }] }),
        };
        open.journal.append(task).await.unwrap();
        let waiting = journal::read_state_file(&path).unwrap().state;
        contents.state.tasks = waiting.tasks;
        for occupancy in [Occupancy::HeldByUnknown, Occupancy::Free] {
            contents.occupancy = occupancy;
            let next = suggested_commands(&files, &contents).next;
            let waive = "iomcopy complete uat.yaml call/by-hand --waive \"who, when\"";
            assert_eq!(next, waive);
        }
        // Nothing is left to run, for a text and for a document.
        contents.state.finished = Some(contents.state.last_time);
        let next = suggested_commands(&files, &contents).next;
        assert_eq!(next, "iomcopy verify uat.yaml");
    }

    #[test]
    fn only_the_token_of_this_attempt_confirms_it() {
        let repeats = Repeats {
            token: "1a2b3c4d-3".to_owned(),
            target: "UAT".to_owned(),
            keys: vec!["copy".to_owned()],
            lines: vec!["attempt 3 of: copy".to_owned()],
            is_required: true,
        };
        assert!(repeats.require_token("1a2b3c4d-3", "").is_ok());
        for token in ["1a2b3c4d-2", "1a2b3c4d-4", "00000000-3", "1a2b3c4d", ""] {
            let refused = repeats.require_token(token, "iomcopy run").unwrap_err();
            assert_eq!(refused.kind, FailureKind::Refused, "{token}");
            let help = refused.help.unwrap_or_default();
            assert!(
                help.contains("attempt 3 of: copy") && help.contains("iomcopy run"),
                "{help}"
            );
        }
    }
}
