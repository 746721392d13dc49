//! The user confirms a run by naming its target (`--confirm-target`, or the prompt).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use tokio::sync::oneshot;

use crate::base::cancellation::Cancellation;
use crate::base::platform;
use crate::base::shell::quote_argument;
use crate::base::text::{count, escape};
use crate::cli::actor::current_actor;
use crate::cli::plan_notes;
use crate::cli::session::Session;
use crate::engine::{Failure, FailureKind, Plan};
use crate::journal::{Confirmed, State, StepForecast};
use crate::report::expected_duration;
use crate::runbook::Runbook;

/// How much of the refresh is confirmed.
#[derive(Clone, Copy)]
pub(super) enum Scope<'a> {
    /// All that is left of it, with how long its steps should take.
    Refresh(&'a BTreeMap<String, StepForecast>),
    /// One step of a finished run, which is repaired (`--only`).
    Step(&'a str),
    /// One provider of a finished run, which is reinstalled (`--again`): its definition.
    Provider(&'a str),
}

impl<'a> Scope<'a> {
    /// What is left of the run in this state, with how long its steps should take. A run that was
    /// opened again for one step or one provider has finished everything else.
    pub(super) fn of(state: &'a State, expected: &'a BTreeMap<String, StepForecast>) -> Self {
        let provider = state.reopened.last().map(|last| last.provider.as_str());
        match (&state.repair, provider) {
            (Some(repair), _) => Self::Step(&repair.step),
            (None, Some(provider)) => Self::Provider(provider),
            (None, None) => Self::Refresh(expected),
        }
    }
}

/// Refuses a `--confirm-target` that names another target than the runbook.
pub(super) fn require_target_name(given: Option<&str>, runbook: &Runbook) -> Result<(), Failure> {
    let target = &runbook.target.name.value;
    match given {
        Some(name) if name != target => Err(Failure::refused(format!(
            "--confirm-target names '{}', but the runbook's target is '{}'",
            escape(name),
            escape(target)
        ))
        .with_help(one_is_wrong(runbook))),
        _ => Ok(()),
    }
}

/// What to do about a name that is not the runbook's: either can have the mistake.
fn one_is_wrong(runbook: &Runbook) -> String {
    let place = runbook.place(runbook.target.name.span);
    format!(
        "one of the two is wrong: give the target's display name exactly, or correct it in the \
         runbook: {place}"
    )
}

/// Prompts for the name of the runbook's target, unless the flag gives it. Takes the plan that is
/// confirmed and its digest, and how much of the refresh it is; returns the record of the confirmation.
pub(super) async fn confirm_target(
    session: &Session,
    given: Option<&str>,
    runbook: &Runbook,
    plan: &Plan,
    digest: &str,
    scope: Scope<'_>,
) -> Result<Confirmed, Failure> {
    require_target_name(given, runbook)?;
    let target = runbook.target.name.value.as_str();
    let how = match given {
        Some(_) => "--confirm-target",
        None if Session::can_prompt() => {
            prompt(session, runbook, &describe(target, plan, scope)).await?;
            "typed"
        }
        None => return Err(unconfirmed(&session.command_line, target, plan, scope)),
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

/// The refusal without a terminal. The flags of this command decide what it would do, so only the same
/// command, as the user gave it, shows that.
fn unconfirmed(command: &str, target: &str, plan: &Plan, scope: Scope<'_>) -> Failure {
    let changes = count(plan.len(), "change");
    let what = match scope {
        Scope::Step(step) => format!("{step} will be repaired in '{target}' with {changes}"),
        Scope::Provider(provider) => format!(
            "'{}' will be reinstalled in '{target}' with {changes}",
            escape(provider)
        ),
        Scope::Refresh(_) => format!(
            "'{target}' will be overwritten, {} cannot be undone",
            count(plan.destructive_changes().count(), "change")
        ),
    };
    Failure::new(
        FailureKind::Unconfirmed,
        format!("{what}, and there is no terminal to confirm at"),
    )
    .with_help(format!(
        "look at `{command} --dry-run`, then: {command} --confirm-target {}",
        quote_argument(target)
    ))
}

/// What the user confirms, in words. What cannot be undone of a whole refresh is listed by
/// `--dry-run`; of a step or a provider, here.
fn describe(target: &str, plan: &Plan, scope: Scope<'_>) -> String {
    let changes = count(plan.len(), "change");
    let destructive: Vec<String> = plan
        .destructive_changes()
        .map(|change| format!("\n  ! {}", escape(&change.name)))
        .collect();
    let what = match scope {
        Scope::Refresh(expected) => {
            let lost = plan_notes::lost_providers(plan).line;
            let lost = lost.map(|line| format!("{line}.\n"));
            let lost = lost.unwrap_or_default();
            return format!(
                "This overwrites '{target}': {changes}, of which {} cannot be undone \
                 (the same command with --dry-run lists them).\n{lost}{}.",
                destructive.len(),
                expected_duration(plan, expected)
            );
        }
        Scope::Step(step) => format!("This repairs {step} in '{target}': {changes}"),
        Scope::Provider(provider) => format!(
            "This reinstalls '{}' in '{target}' (from detach-provider-actions to \
             restore-provider-actions): {changes}",
            escape(provider)
        ),
    };
    if destructive.is_empty() {
        return format!("{what}.");
    }
    format!(
        "{what}, of which {} cannot be undone:{}",
        destructive.len(),
        destructive.concat()
    )
}

async fn prompt(session: &Session, runbook: &Runbook, question: &str) -> Result<(), Failure> {
    session.printer.error(question);
    let answer = ask(session, "Type the target's name to begin: ").await?;
    require_answer(answer.as_deref(), runbook)
}

/// Refuses an answer that is not the target's name. At the end of input there is none, as without a
/// terminal.
fn require_answer(answer: Option<&str>, runbook: &Runbook) -> Result<(), Failure> {
    let target = &runbook.target.name.value;
    if answer == Some("") {
        return Err(Failure::new(
            FailureKind::Unconfirmed,
            "nothing was typed: the input ended; nothing was begun",
        )
        .with_help(format!(
            "run again and type the target's name, or run with --confirm-target \"{target}\""
        )));
    }
    if answer.is_none_or(|answer| answer.trim() != target) {
        let message = format!(
            "this is not the name of the runbook's target, '{}'; nothing was begun",
            escape(target)
        );
        return Err(Failure::refused(message).with_help(one_is_wrong(runbook)));
    }
    Ok(())
}

/// Asks for a confirmation at the terminal. Discards what was typed before the question.
pub(super) async fn ask(session: &Session, question: &str) -> Result<Option<String>, Failure> {
    let input = std::io::stdin();
    platform::discard_typed_ahead(&input);
    session.activity.set_asking(true);
    session.printer.prompt(question);
    let answer = read_line(input, &session.cancellation).await;
    session.activity.set_asking(false);
    answer
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

    use serde_json::json;

    use super::*;
    use crate::base::clock::Clock;
    use crate::cli::runbook_file::read_runbook;
    use crate::cli::testing::{began, runbook_text};
    use crate::journal::{self, Finished, Reopened, RepairBegan};

    /// A plan that deletes a provider and installs it again.
    fn plan() -> Plan {
        let change = |name: &str, key: &str, kind: &str, destructive: bool| {
            json!({
                "phase": "delete", "key": key, "kind": kind, "name": name, "before": null,
                "after": null, "destructive": destructive, "expected-seconds": 1,
            })
        };
        let steps = json!([{ "name": "reinstall-providers", "changes": [
            change("delete provider 'FedEx'", "provider/1/delete", "ask", true),
            change("install provider 'FedEx'", "provider/new/1", "set", false),
        ] }]);
        Plan {
            steps: serde_json::from_value(steps).unwrap(),
        }
    }

    #[test]
    fn what_cannot_be_undone_is_listed_where_the_plan_of_a_finished_run_does_not_list_it() {
        let of = |scope| describe("UAT", &plan(), scope);
        for (scope, what) in [
            (Scope::Provider("msdyn_fedex"), "reinstalls 'msdyn_fedex'"),
            (Scope::Step("activate-flows"), "repairs activate-flows"),
        ] {
            let question = of(scope);
            assert!(question.contains(what), "{question}");
            assert!(
                question.ends_with("\n  ! delete provider 'FedEx'"),
                "{question}"
            );
            assert!(!question.contains("install provider"), "{question}");
            assert!(!question.contains("iomcopy plan"), "{question}");
            let refused = unconfirmed("iomcopy run uat.yaml", "UAT", &plan(), scope);
            assert_eq!(refused.kind, FailureKind::Unconfirmed);
            let help = refused.help.unwrap_or_default();
            assert!(help.contains("--dry-run"), "{help}");
        }
        let expected = BTreeMap::new();
        let question = of(Scope::Refresh(&expected));
        assert!(
            question.contains("same command with --dry-run lists them"),
            "{question}"
        );
        let command = "iomcopy run uat.yaml --until activate-flows";
        let scope = Scope::Refresh(&expected);
        let help = unconfirmed(command, "My UAT", &plan(), scope).help;
        assert_eq!(
            help.unwrap_or_default(),
            format!("look at `{command} --dry-run`, then: {command} --confirm-target \"My UAT\"")
        );
    }

    #[test]
    fn a_name_that_differs_may_be_wrong_in_the_runbook_too() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("uat.yaml");
        std::fs::write(&file, runbook_text("public", "")).unwrap();
        let runbook = read_runbook(&file, None).unwrap();
        let name = runbook.target.name.value.clone();
        assert!(require_target_name(Some(&name), &runbook).is_ok());
        let refused = require_target_name(Some("Contoso UAX"), &runbook).unwrap_err();
        assert_eq!(refused.kind, FailureKind::Refused);
        let place = runbook.place(runbook.target.name.span);
        assert!(place.starts_with(&*file.to_string_lossy()), "{place}");
        let help = refused.help.unwrap_or_default();
        assert!(help.starts_with("one of the two is wrong"), "{help}");
        let of = |answer: Option<&str>| require_answer(answer, &runbook);
        let typed = format!(" {name} \r\n");
        assert!(of(Some(&typed)).is_ok());
        for wrong in [Some("Contoso UAX\n"), Some("\n"), None] {
            assert_eq!(of(wrong).unwrap_err().kind, FailureKind::Refused);
        }
        // The end of input is not a wrong name.
        let ended = of(Some("")).unwrap_err();
        assert_eq!(ended.kind, FailureKind::Unconfirmed);
        assert!(ended.message.contains("nothing was typed"), "{ended}");
        assert!(help.ends_with(&place), "{help}");
    }

    #[test]
    fn the_prompt_names_the_providers_that_are_not_reinstalled() {
        let mut plan = plan();
        plan.steps[0].changes[0].name =
            "delete provider 'FedEx 1' (not reinstalled: it is not active)".to_owned();
        let question = describe("UAT", &plan, Scope::Refresh(&BTreeMap::new()));
        let line = "\n1 provider is deleted and not reinstalled: 'FedEx 1' (it is not active).\n";
        assert!(question.contains(line), "{question}");
    }

    #[tokio::test]
    async fn a_run_that_was_opened_again_is_confirmed_for_what_it_was_opened_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let open = journal::begin(&path, Clock::new(1.0), began()).unwrap();
        let none = BTreeMap::new();
        assert!(matches!(
            Scope::of(&open.journal.state(), &none),
            Scope::Refresh(_)
        ));
        open.journal.append(Finished {}).await.unwrap();
        let reopened = Reopened {
            provider: "msdyn_fedex".to_owned(),
            seals: Vec::new(),
            steps: Vec::new(),
            who: "a".to_owned(),
        };
        open.journal.append(reopened).await.unwrap();
        let state = open.journal.state();
        assert!(matches!(
            Scope::of(&state, &none),
            Scope::Provider("msdyn_fedex")
        ));
        open.journal.append(Finished {}).await.unwrap();
        let repair = RepairBegan {
            step: "activate-flows".to_owned(),
            who: "a".to_owned(),
        };
        open.journal.append(repair).await.unwrap();
        let state = open.journal.state();
        assert!(matches!(
            Scope::of(&state, &none),
            Scope::Step("activate-flows")
        ));
    }

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
