//! The operator confirms a run by naming its target (`--confirm-target`, or the prompt).

use std::io::{BufRead, BufReader, Read};

use tokio::sync::oneshot;

use crate::base::cancellation::Cancellation;
use crate::base::platform;
use crate::base::text::count;
use crate::cli::actor::current_actor;
use crate::cli::session::Session;
use crate::engine::{Failure, FailureKind, Plan};
use crate::journal::Confirmed;
use crate::report::expected_duration;

/// Refuses a `--confirm-target` that names another target.
pub(super) fn require_target_name(given: Option<&str>, target: &str) -> Result<(), Failure> {
    match given {
        Some(name) if name != target => Err(Failure::refused(format!(
            "--confirm-target names '{name}', but the runbook's target is '{target}'"
        ))
        .with_help("give the target's display name exactly")),
        _ => Ok(()),
    }
}

/// Prompts for the target's name, unless the flag gives it. Takes the plan that is confirmed and
/// its digest, and the step that is repaired if it is a repair; returns the record of the
/// confirmation.
pub(super) async fn confirm_target(
    session: &Session,
    given: Option<&str>,
    target: &str,
    plan: &Plan,
    digest: &str,
    repaired: Option<&str>,
) -> Result<Confirmed, Failure> {
    require_target_name(given, target)?;
    let how = match given {
        Some(_) => "--confirm-target",
        None if Session::can_prompt() => {
            prompt(session, target, &describe(target, plan, repaired)).await?;
            "typed"
        }
        None => {
            return Err(Failure::new(
                FailureKind::Unconfirmed,
                match repaired {
                    Some(step) => format!(
                        "{step} will be repaired in '{target}' with {}, and there is no terminal to confirm at",
                        count(plan.len(), "change")
                    ),
                    None => format!(
                        "'{target}' will be overwritten, {} cannot be undone, and there is no terminal to confirm at",
                        count(plan.destructive_changes().count(), "change")
                    ),
                },
            )
            .with_help(format!("look at `iomcopy plan`, then run with --confirm-target \"{target}\"")));
        }
    };
    if session.cancellation.is_stop_requested() {
        return Err(stopped_before_confirmation());
    }
    Ok(Confirmed {
        who: current_actor(),
        how: how.to_owned(),
        target: target.to_owned(),
        digest: digest.to_owned(),
        destructive: plan.destructive_keys(),
        repeats: Vec::new(),
    })
}

/// What the operator confirms, in words.
fn describe(target: &str, plan: &Plan, repaired: Option<&str>) -> String {
    let (changes, time) = (count(plan.len(), "change"), expected_duration(plan));
    let destructive = plan.destructive_changes().count();
    match repaired {
        Some(step) if destructive == 0 => {
            format!("This repairs {step} in '{target}': {changes}.")
        }
        Some(step) => format!(
            "This repairs {step} in '{target}': {changes}, of which {destructive} cannot be undone."
        ),
        None => format!(
            "This overwrites '{target}': {changes}, of which {destructive} cannot be undone \
             (`iomcopy plan` lists them).\n{time}."
        ),
    }
}

async fn prompt(session: &Session, target: &str, question: &str) -> Result<(), Failure> {
    session.printer.error(question);
    let answer = ask(session, "Type the target's name to begin: ").await?;
    if answer.is_none_or(|answer| answer.trim() != target) {
        return Err(Failure::refused(
            "this is not the target's name; nothing was begun",
        ));
    }
    Ok(())
}

/// Asks for a confirmation at the terminal. Discards what was typed before the question.
pub(super) async fn ask(session: &Session, question: &str) -> Result<Option<String>, Failure> {
    let input = std::io::stdin();
    platform::discard_typed_ahead(&input);
    session.printer.prompt(question);
    read_line(input, &session.cancellation).await
}

/// Reads one line from `input`; `None` if it cannot be read. A request to stop ends the wait at
/// once, and a line that is typed after it has no effect.
///
/// A blocking read cannot be cancelled, so a separate thread reads. Nothing waits for that thread,
/// and it ends with the process.
pub(in crate::cli) async fn read_line(
    input: impl Read + Send + 'static,
    cancellation: &Cancellation,
) -> Result<Option<String>, Failure> {
    let (answer, answered) = oneshot::channel();
    let reading = std::thread::Builder::new()
        .name("prompt".to_owned())
        .spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(input).read_line(&mut line);
            // The receiver is gone if the program was asked to stop.
            drop(answer.send(read.ok().map(|_| line)));
        });
    reading.map_err(|error| Failure::failed(format!("the prompt cannot be read: {error}")))?;
    tokio::select! {
        biased;
        () = cancellation.wait_for_stop_request() => Err(stopped_before_confirmation()),
        line = answered => Ok(line.unwrap_or_default()),
    }
}

fn stopped_before_confirmation() -> Failure {
    Failure::interrupted().with_help("nothing was changed; run again to confirm")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[tokio::test]
    async fn a_request_to_stop_ends_the_prompt_at_once() {
        let (input, mut keyboard) = std::io::pipe().unwrap();
        let cancellation = Cancellation::new();
        let stop = async {
            tokio::task::yield_now().await;
            cancellation.request_stop();
        };
        // Nothing is typed: a read that blocks the program would never return.
        let (answer, ()) = tokio::join!(read_line(input, &cancellation), stop);
        assert_eq!(answer.unwrap_err().kind, FailureKind::Interrupted);
        // The name that is typed afterwards has no effect, and the next prompt does not see it.
        keyboard.write_all(b"Contoso UAT\n").unwrap();
        let late = read_line(std::io::empty(), &cancellation).await;
        assert_eq!(late.unwrap_err().kind, FailureKind::Interrupted);
    }

    #[tokio::test]
    async fn a_request_to_stop_takes_precedence_over_a_typed_name() {
        let cancellation = Cancellation::new();
        cancellation.request_stop();
        let answer = read_line(&b"Contoso UAT\n"[..], &cancellation).await;
        assert_eq!(answer.unwrap_err().kind, FailureKind::Interrupted);
    }

    #[tokio::test]
    async fn a_line_is_read_and_closed_input_is_an_empty_line() {
        let cancellation = Cancellation::new();
        let typed = read_line(&b"Contoso UAT\nmore"[..], &cancellation).await;
        assert_eq!(typed.unwrap().as_deref(), Some("Contoso UAT\n"));
        let closed = read_line(std::io::empty(), &cancellation).await;
        assert_eq!(closed.unwrap().as_deref(), Some(""));
        let unreadable = read_line(&[0xff, b'\n'][..], &cancellation).await;
        assert_eq!(unreadable.unwrap(), None);
    }
}
