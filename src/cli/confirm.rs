//! The confirmation: the operator names the target.

use std::io::BufRead as _;

use super::session::{Session, variable};
use crate::engine::{Failure, FailureKind, Plan};
use crate::journal::Confirmed;
use crate::report::expected;
use crate::text::count;

/// Asks for the target's name, or takes it from the flag. Takes the plan that is confirmed and its
/// digest; returns the record of the confirmation.
pub(super) fn confirm(
    session: &Session,
    given: Option<&str>,
    target: &str,
    plan: &Plan,
    digest: &str,
) -> Result<Confirmed, Failure> {
    let how = match given {
        Some(name) if name == target => "--confirm-target",
        Some(name) => {
            return Err(Failure::refused(format!(
                "--confirm-target says '{name}', and the runbook's target is '{target}'"
            ))
            .with_help("give the target's display name exactly"));
        }
        None if Session::can_ask() => {
            ask(session, target, plan)?;
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
    Ok(Confirmed {
        who: who(),
        how: how.to_owned(),
        target: target.to_owned(),
        digest: digest.to_owned(),
        destructive: plan.destructive_keys(),
    })
}

fn ask(session: &Session, target: &str, plan: &Plan) -> Result<(), Failure> {
    session.printer.complain(&format!(
        "This overwrites '{target}': {}, of which {} cannot be undone (`iomcopy plan` lists them).\n\
         {}.",
        count(plan.len(), "change"),
        plan.destructive_keys().len(),
        expected(plan)
    ));
    session.printer.ask("Type the target's name to begin: ");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if read.is_err() || answer.trim() != target {
        return Err(Failure::refused(
            "the name that was typed is not the target's; nothing was begun",
        ));
    }
    Ok(())
}

/// Who is at the keyboard, as the system knows.
pub(super) fn who() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| variable(name))
        .unwrap_or_else(|| "unknown".to_owned())
}
