//! The confirmation: the operator names the target.

use std::io::{BufRead, BufReader, Read};

use tokio::sync::oneshot;

use super::actor::who;
use super::session::Session;
use crate::base::cancellation::Cancellation;
use crate::base::text::count;
use crate::engine::{Failure, FailureKind, Plan};
use crate::journal::Confirmed;
use crate::report::expected;

/// Refuses a `--confirm-target` that names another target. Exit code 5.
pub(super) fn require_name(given: Option<&str>, target: &str) -> Result<(), Failure> {
    match given {
        Some(name) if name != target => Err(Failure::refused(format!(
            "--confirm-target says '{name}', and the runbook's target is '{target}'"
        ))
        .with_help("give the target's display name exactly")),
        _ => Ok(()),
    }
}

/// Asks for the target's name, or takes it from the flag. Takes the plan that is confirmed and its
/// digest; returns the record of the confirmation.
pub(super) async fn confirm(
    session: &Session,
    given: Option<&str>,
    target: &str,
    plan: &Plan,
    digest: &str,
) -> Result<Confirmed, Failure> {
    require_name(given, target)?;
    let how = match given {
        Some(_) => "--confirm-target",
        None if Session::can_ask() => {
            ask(session, target, plan).await?;
            "typed"
        }
        None => {
            return Err(Failure::new(
                FailureKind::Unconfirmed,
                format!(
                    "'{target}' will be overwritten, {} cannot be undone, and there is no terminal to ask at",
                    count(plan.destructive_keys().len(), "change")
                ),
            )
            .with_help(format!("look at `iomcopy plan`, then run with --confirm-target \"{target}\"")));
        }
    };
    if session.cancellation.asked() {
        return Err(stopped());
    }
    Ok(Confirmed {
        who: who(),
        how: how.to_owned(),
        target: target.to_owned(),
        digest: digest.to_owned(),
        destructive: plan.destructive_keys(),
        repeats: Vec::new(),
    })
}

async fn ask(session: &Session, target: &str, plan: &Plan) -> Result<(), Failure> {
    session.printer.complain(&format!(
        "This overwrites '{target}': {}, of which {} cannot be undone (`iomcopy plan` lists them).\n\
         {}.",
        count(plan.len(), "change"),
        plan.destructive_keys().len(),
        expected(plan)
    ));
    session.printer.ask("Type the target's name to begin: ");
    let answer = read_line(std::io::stdin(), &session.cancellation).await?;
    if answer.is_none_or(|answer| answer.trim() != target) {
        return Err(Failure::refused(
            "the name that was typed is not the target's; nothing was begun",
        ));
    }
    Ok(())
}

/// One line from `input`; none where it cannot be read. A request to stop ends the wait at once:
/// what is typed after it has no effect.
///
/// A blocking read cannot be cancelled, so a thread does it. Nothing waits for that thread, and it
/// ends with the process.
pub(super) async fn read_line(
    input: impl Read + Send + 'static,
    cancellation: &Cancellation,
) -> Result<Option<String>, Failure> {
    let (answer, answered) = oneshot::channel();
    let reading = std::thread::Builder::new()
        .name("prompt".to_owned())
        .spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(input).read_line(&mut line);
            // Nobody listens any more where the program was asked to stop.
            drop(answer.send(read.ok().map(|_| line)));
        });
    reading.map_err(|error| Failure::failed(format!("the prompt cannot be read: {error}")))?;
    tokio::select! {
        biased;
        () = cancellation.on_ask() => Err(stopped()),
        line = answered => Ok(line.unwrap_or_default()),
    }
}

/// The operator stopped the program before the confirmation took effect.
fn stopped() -> Failure {
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
            cancellation.ask();
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
    async fn a_request_to_stop_goes_before_a_name_that_is_typed() {
        let cancellation = Cancellation::new();
        cancellation.ask();
        let answer = read_line(&b"Contoso UAT\n"[..], &cancellation).await;
        assert_eq!(answer.unwrap_err().kind, FailureKind::Interrupted);
    }

    #[tokio::test]
    async fn a_line_is_read_and_an_end_is_an_empty_line() {
        let cancellation = Cancellation::new();
        let typed = read_line(&b"Contoso UAT\nmore"[..], &cancellation).await;
        assert_eq!(typed.unwrap().as_deref(), Some("Contoso UAT\n"));
        let closed = read_line(std::io::empty(), &cancellation).await;
        assert_eq!(closed.unwrap().as_deref(), Some(""));
        let unreadable = read_line(&[0xff, b'\n'][..], &cancellation).await;
        assert_eq!(unreadable.unwrap(), None);
    }
}
