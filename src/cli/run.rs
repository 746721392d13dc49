//! `iomcopy run`: preflight, confirm, run or go on. Running it again is resuming.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::arguments::{Output, RunArguments};
use super::confirm::{confirm, who};
use super::connect::{self, Connected};
use super::ending::{close, figures, tell_end};
use super::exit::{DONE, FAILED};
use super::pinned::{began, same_target};
use super::session::Session;
use super::summary::leave_summary;
use super::{document, fresh, preflight as probes, saved};
use crate::clock::Clock;
use crate::engine::{
    Context, EventKind, Executor, Failure, FailureKind, Known, Listener, Narrator, Plan, StepLine,
};
use crate::journal::{
    self, Closed, LaunchOutcome, Opening, Planned, Record, Reopened, RunbookChanged, State,
};
use crate::report::{Annotated, Lines, Terminal, plan_text};
use crate::runbook::Runbook;
use crate::steps::{self, Finding, Verdict, preflight};
use crate::text::{count, escape, redact};

/// Runs a runbook, or goes on with it; then leaves the report where a pipeline shows it.
pub(super) async fn run(session: &Session, arguments: &RunArguments) -> Result<u8, Failure> {
    let runbook = document::read(&arguments.runbook)?;
    let path = session.state_path(&arguments.runbook, &runbook.name.value);
    let result = locked(session, arguments, runbook, &path).await;
    leave_summary(session, &arguments.runbook, &path);
    result
}

/// The part of a run that holds the state file.
async fn locked(
    session: &Session,
    arguments: &RunArguments,
    runbook: Runbook,
    path: &Path,
) -> Result<u8, Failure> {
    if arguments.fresh {
        fresh::archive(session, path, arguments.abandon_captures).await?;
    }
    // The lock comes first: a second process is told who holds it before it asks anybody anything.
    let opening = if journal::exists(path) {
        Some(journal::resume(path, Clock::new(1.0), arguments.takeover)?)
    } else {
        None
    };
    let result = connected(session, arguments, path, opening.as_ref(), runbook).await;
    let Err(failure) = &result else { return result };
    if let Some(opening) = &opening {
        close(session, opening, Err(failure), None).await;
    }
    result
}

/// The part of a run that needs the services.
async fn connected(
    session: &Session,
    arguments: &RunArguments,
    path: &Path,
    opening: Option<&Opening>,
    runbook: Runbook,
) -> Result<u8, Failure> {
    let connected = connect::connect(session, runbook, |clock| narrator(session, clock)).await?;
    let result = match opening {
        Some(opening) => go_on(session, arguments, &connected, path, opening).await,
        None => begin(session, arguments, &connected, path).await,
    };
    connected.stop().await;
    result
}

/// Who hears of a run: JSON for a program, a bar at a terminal, lines elsewhere.
fn narrator(session: &Session, clock: Clock) -> Narrator {
    let printer = Arc::clone(&session.printer);
    let listener: Box<dyn Listener> = match session.output {
        Output::Json => Box::new(Arc::clone(&session.events)),
        Output::Human if session.draws() => Box::new(Terminal::new(printer)),
        Output::Human => match &session.annotations {
            Some(annotations) => {
                Box::new(Annotated::new(Lines::new(printer), Arc::clone(annotations)))
            }
            None => Box::new(Lines::new(printer)),
        },
    };
    Narrator::new(clock, vec![listener, Box::new(Arc::clone(&session.notes))])
}

/// A new run: preflight, plan, confirmation, state file, steps.
async fn begin(
    session: &Session,
    arguments: &RunArguments,
    connected: &Connected,
    path: &Path,
) -> Result<u8, Failure> {
    let refresh = &connected.refresh;
    let runbook = &refresh.runbook;
    check(session, &preflight(refresh).await?)?;
    let plan = Plan::make(&steps::all(refresh), Known::nothing()).await?;
    let digest = plan.digest(&runbook.pinned_digest());
    if let Some(approved) = &arguments.plan {
        saved::require_approved(approved, &plan, &digest)?;
    }
    let target = &runbook.target.name.value;
    if session.output == Output::Human {
        let (by_hand, all) = (plan.by_hand(), plan.len());
        session.printer.remark(&format!(
            "{} for '{target}', {} automatic and {by_hand} by hand",
            count(all, "change"),
            all - by_hand
        ));
    }
    let confirmed = confirm(
        session,
        arguments.confirm_target.as_deref(),
        target,
        &plan,
        &digest,
    )?;
    let opening = journal::begin(path, connected.clock.clone(), began(connected))?;
    let records = vec![Record::from(Planned { digest }), Record::from(confirmed)];
    opening.journal.append_all(records).await?;
    fresh::adopt(session, &opening, &arguments.from_capture).await?;
    execute(session, arguments, connected, &opening, false).await
}

/// A run that goes on, or one that has finished and is looked at again.
async fn go_on(
    session: &Session,
    arguments: &RunArguments,
    connected: &Connected,
    path: &Path,
    opening: &Opening,
) -> Result<u8, Failure> {
    if let Some(repair) = &opening.repair {
        session.printer.remark(&format!(
            "note: the last record was not written whole; its {} bytes are kept in {}",
            repair.bytes,
            repair.saved_to.display()
        ));
    }
    let refresh = &connected.refresh;
    let state = opening.journal.state();
    same_target(&state, connected)?;
    let state = match &arguments.provider {
        Some(provider) => reopen(opening, &state, provider).await?,
        None => state,
    };
    if state.finished.is_some() {
        return look_again(session, connected, path, opening).await;
    }
    let digest = refresh.runbook.digest();
    if state.runbook_digest != digest {
        session
            .printer
            .remark("note: the runbook has changed since this run began; that is recorded");
        let changed = RunbookChanged {
            digest,
            difference: Vec::new(),
        };
        opening.journal.append(Record::from(changed)).await?;
    }
    // From then on the target is not what it was: what the steps find is what counts.
    if !steps::has_begun(refresh, &Known::from_journal(Arc::clone(&state))) {
        check(session, &preflight(refresh).await?)?;
    }
    if must_confirm(&state) || arguments.confirm_target.is_some() {
        let known = Known::from_journal(Arc::clone(&state)).for_planning();
        let (plan, unread) = Plan::as_far_as_readable(&steps::all(refresh), known).await?;
        if let Some(unread) = unread {
            session.printer.remark(&format!(
                "note: {unread}; this and what follows is looked at in its turn, and what was \
                 confirmed of it before stays so"
            ));
        }
        let digest = plan.digest(&refresh.runbook.pinned_digest());
        let target = &refresh.runbook.target.name.value;
        let given = arguments.confirm_target.as_deref();
        let mut confirmed = confirm(session, given, target, &plan, &digest)?;
        confirmed.destructive.extend(earlier(&state));
        confirmed.destructive.sort();
        confirmed.destructive.dedup();
        opening.journal.append(Record::from(confirmed)).await?;
    }
    execute(session, arguments, connected, opening, true).await
}

/// Opens steps 5 to 7 again for one provider; what they remove is sealed and confirmed anew.
async fn reopen(opening: &Opening, state: &State, provider: &str) -> Result<Arc<State>, Failure> {
    if state.finished.is_none() {
        return Err(
            Failure::refused("this run has not finished; --again is for one that has")
                .with_help("run without --again first"),
        );
    }
    let reopened = Reopened {
        provider: provider.to_owned(),
        seals: steps::RESEALED.map(str::to_owned).to_vec(),
        who: who(),
    };
    opening.journal.append(reopened).await?;
    Ok(opening.journal.state())
}

/// Was nothing confirmed yet, or did a launch that was confirmed fail?
fn must_confirm(state: &State) -> bool {
    let confirmed = earlier(state);
    let failed = state.launches.iter().any(|(key, launch)| {
        launch.outcome() == Some(LaunchOutcome::Failed) && confirmed.iter().any(|c| **c == **key)
    });
    state.confirmed.is_none() || failed
}

fn earlier(state: &State) -> Vec<String> {
    state
        .confirmed
        .as_ref()
        .map(|c| c.destructive.clone())
        .unwrap_or_default()
}

/// A finished run surveys every phase again and sends only reads.
async fn look_again(
    session: &Session,
    connected: &Connected,
    path: &Path,
    opening: &Opening,
) -> Result<u8, Failure> {
    let refresh = &connected.refresh;
    let known = Known::from_journal(opening.journal.state()).for_planning();
    let plan = Plan::make(&steps::all(refresh), known).await?;
    let exit = if plan.is_empty() { DONE } else { FAILED };
    if session.output == Output::Human {
        let target = &refresh.runbook.target.name.value;
        let line = if plan.is_empty() {
            format!(
                "This run has finished, and nothing is left to do: '{target}' is as it should be."
            )
        } else {
            plan_text(&plan, target, session.data_palette())
        };
        session.printer.data(line.trim_end());
    }
    let message = (!plan.is_empty())
        .then(|| format!("{} since it finished", count(plan.len(), "difference")));
    // A process that was killed after the run's last record has left no figures.
    let closed = Closed {
        figures: figures(connected, opening).map(|figures| json!(figures)),
        ..Closed::new("finished", exit, message.clone())
    };
    opening.journal.append(closed).await?;
    connected.narrator.tell(EventKind::RunEnded {
        outcome: "finished".to_owned(),
        exit,
        message,
        help: None,
        kind: None,
        diagnostics: Vec::new(),
        summary: json!({ "changes": plan.len() }),
    });
    if exit == FAILED {
        session.printer.remark(&format!(
            "This run has finished, and the target has changed since. Nothing was changed now.\n\
             help: `--fresh` archives {} and begins a new refresh",
            path.display()
        ));
    }
    Ok(exit)
}

/// Shows every finding; a run stops before the copy for what is provably impossible.
fn check(session: &Session, findings: &[Finding]) -> Result<(), Failure> {
    let failed: Vec<&Finding> = findings
        .iter()
        .filter(|f| f.verdict == Verdict::Fail)
        .collect();
    for finding in findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Unknown)
    {
        let task = finding.task.as_ref();
        let task = task.map(|task| format!("; the run will wait for a person at {task}"));
        let told = format!(
            "unknown: {} ({}){}",
            finding.probe,
            finding.read,
            task.unwrap_or_default()
        );
        session.printer.remark(&escape(&redact(&told)));
        session.notes.take(told);
    }
    probes::annotate(session, findings);
    let Some(first) = failed.first() else {
        return Ok(());
    };
    let lines: Vec<String> = failed
        .iter()
        .map(|finding| {
            let remedy = finding.remedy.as_deref().unwrap_or_default();
            format!(
                "\n  - not so: {}\n    read: {}\n    help: {remedy}",
                finding.probe, finding.read
            )
        })
        .collect();
    let kinds: BTreeSet<u8> = failed
        .iter()
        .map(|finding| session.code(finding.kind))
        .collect();
    let kind = if kinds.len() == 1 {
        first.kind
    } else {
        FailureKind::Refused
    };
    Err(Failure::new(
        kind,
        format!("a run cannot succeed; nothing was begun{}", lines.concat()),
    ))
}

/// Runs the steps, closes the state file and tells how it ended.
async fn execute(
    session: &Session,
    arguments: &RunArguments,
    connected: &Connected,
    opening: &Opening,
    resumed: bool,
) -> Result<u8, Failure> {
    let refresh = &connected.refresh;
    let list = steps::all(refresh);
    connected.narrator.tell(EventKind::RunBegan {
        run: opening.journal.state().run.to_string(),
        resumed,
        target: refresh.runbook.target.name.value.clone(),
        steps: list
            .iter()
            .map(|s| StepLine {
                name: s.name.to_owned(),
                skip: s.skip.clone(),
            })
            .collect(),
    });
    let executor = Executor {
        context: Context {
            journal: opening.journal.clone(),
            clock: connected.clock.clone(),
            cancellation: session.cancellation.clone(),
            narrator: connected.narrator.clone(),
            attended: Session::can_ask(),
        },
        steps: list,
        until: arguments.until.clone(),
        confirmed: earlier(&opening.journal.state()).into_iter().collect(),
    };
    let result = tokio::select! {
        result = executor.run() => result,
        // Asked twice: what is under way is left where it is; the journal says how far it came.
        () = session.cancellation.on_insist() => Err(Failure::interrupted()),
    };
    let outcome = result.as_ref().map(|outcome| *outcome);
    let figures = figures(connected, opening);
    let exit = close(session, opening, outcome, figures.as_ref()).await;
    tell_end(
        session, arguments, connected, opening, outcome, figures, exit,
    );
    if let Err(failure) = &result {
        session.tell(failure);
    }
    Ok(exit)
}
