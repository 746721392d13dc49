//! `iomcopy run`: preflight, confirm, run or go on. Running it again is resuming.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::arguments::{Output, RunArguments};
use super::confirm::{confirm, require_name};
use super::connect::{self, Connected};
use super::ending::{close, figures, tell_end};
use super::pinned::{began, same_target};
use super::session::Session;
use super::summary::leave_summary;
use super::target_lock::TargetLock;
use super::{again, document, fresh, overwrite, preflight as probes, repeat, saved};
use crate::base::clock::Clock;
use crate::base::text::{count, escape, redact};
use crate::checks::{Finding, Verdict, preflight};
use crate::engine::{
    Context, EventKind, Executor, Failure, FailureKind, Known, Listener, Narrator, Plan, StepLine,
};
use crate::journal::{
    self, CaptureCopy, Held, LaunchOutcome, Opening, Planned, Record, Resume, RunbookChanged, State,
};
use crate::report::{Annotated, Lines, Terminal};
use crate::runbook::Runbook;
use crate::steps;

/// Runs a runbook, or goes on with it; then leaves the report where a pipeline shows it.
pub(super) async fn run(session: &Session, arguments: &RunArguments) -> Result<u8, Failure> {
    let runbook = document::read(&arguments.runbook)?;
    let path = session.state_path(&arguments.runbook, &runbook.name.value);
    let result = locked(session, arguments, runbook, &path).await;
    leave_summary(session, &arguments.runbook, &path);
    result
}

/// The part of a run that holds the state file and the target. Both locks come first: a second
/// process learns who holds them before it asks anybody anything. Nothing is written yet: a command
/// that is refused leaves every file as it was.
async fn locked(
    session: &Session,
    arguments: &RunArguments,
    runbook: Runbook,
    path: &Path,
) -> Result<u8, Failure> {
    let held = if journal::exists(path) {
        let now = Clock::new(1.0).time_of_day();
        let decided = Resume {
            takeover: arguments.takeover,
            copies: &arguments.from_capture,
        };
        Some(journal::hold_with(path, now, decided)?)
    } else {
        None
    };
    let state = held.as_ref().map(Held::state);
    overwrite::require_detected(&arguments.confirm_overwrite, state.as_deref())?;
    if let Some(held) = held.as_ref().filter(|_| arguments.fresh) {
        fresh::require_replaceable(&held.state(), arguments.abandon_captures)?;
    }
    let copies = fresh::read_copies(&arguments.from_capture)?;
    let is_given = copies
        .iter()
        .any(|copy| copy.seal == crate::domain::seals::BEFORE_COPY);
    let accepts_traces = arguments.abandon_captures || is_given;
    let mut target = TargetLock::take(session, &runbook, path)?;
    let looks_again = held
        .as_ref()
        .is_some_and(|held| looks_again(arguments, held));
    if !accepts_traces && !looks_again {
        target.require_put_back(held.as_ref().map(Held::state).as_deref())?;
    }
    let mut connected =
        connect::connect(session, runbook, |clock| narrator(session, clock)).await?;
    // Nobody else holds it yet; if somebody did, what is found would be refused.
    if let Some(refresh) = Arc::get_mut(&mut connected.refresh) {
        refresh.accepts_traces = accepts_traces;
    }
    let ready = ready(session, arguments, &connected, path, held, copies).await;
    let result = match ready {
        Ok(Next::Run(ready)) => carry_out(session, arguments, &connected, ready, &mut target).await,
        Ok(Next::Ended(exit)) => Ok(exit),
        Err(failure) => Err(failure),
    };
    connected.stop().await;
    result
}

/// Does this call only look at a run that has finished?
fn looks_again(arguments: &RunArguments, held: &Held) -> bool {
    !arguments.fresh && arguments.provider.is_none() && held.state().finished.is_some()
}

/// What follows the guards.
enum Next {
    /// The steps.
    Run(Ready),
    /// Nothing: this run has finished, and was looked at again, with this exit code.
    Ended(u8),
}

/// Asks every guard and the operator; only then opens the state file.
async fn ready(
    session: &Session,
    arguments: &RunArguments,
    connected: &Connected,
    path: &Path,
    held: Option<Held>,
    copies: Vec<CaptureCopy>,
) -> Result<Next, Failure> {
    let ready = match held {
        Some(held) if !arguments.fresh => {
            same_target(&held.state(), connected)?;
            if looks_again(arguments, &held) {
                let exit = again::look_again(session, connected, held).await?;
                return Ok(Next::Ended(exit));
            }
            go_on(session, arguments, connected, held, copies).await?
        }
        held => begin(session, arguments, connected, path, held, copies).await?,
    };
    Ok(Next::Run(ready))
}

/// A run that every guard has let through: its state file is open, and from here on is changed.
struct Ready {
    opening: Opening,
    /// What is recorded first.
    records: Vec<Record>,
    /// What is sealed first.
    copies: Vec<CaptureCopy>,
}

/// Records what was confirmed, and runs the steps.
async fn carry_out(
    session: &Session,
    arguments: &RunArguments,
    connected: &Connected,
    ready: Ready,
    target: &mut TargetLock,
) -> Result<u8, Failure> {
    let opening = &ready.opening;
    target.began(session, &opening.journal.state());
    let prepared = async {
        if !ready.records.is_empty() {
            opening.journal.append_all(ready.records).await?;
        }
        fresh::adopt(session, opening, ready.copies).await
    };
    if let Err(failure) = prepared.await {
        close(session, opening, Err(&failure), None).await;
        return Err(failure);
    }
    let result = execute(session, arguments, connected, opening, opening.resumed).await;
    target.ended(&opening.journal.state());
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

/// A new run: preflight, plan, confirmation, state file, steps. It takes the place of `replaced`,
/// the run that is archived, once nothing can refuse it any more.
async fn begin(
    session: &Session,
    arguments: &RunArguments,
    connected: &Connected,
    path: &Path,
    replaced: Option<Held>,
    copies: Vec<CaptureCopy>,
) -> Result<Ready, Failure> {
    let refresh = &connected.refresh;
    let runbook = &refresh.runbook;
    if arguments.provider.is_some() {
        return Err(again::not_finished());
    }
    check(session, &preflight(refresh).await?)?;
    let plan = Plan::make(
        &steps::all(refresh, crate::checks::questions),
        Known::nothing(),
    )
    .await?;
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
    let given = arguments.confirm_target.as_deref();
    let confirmed = confirm(session, given, target, &plan, &digest).await?;
    let (clock, began) = (connected.clock.clone(), began(connected));
    let opening = match replaced {
        Some(replaced) => {
            let archived = fresh::archive_name(path, &replaced.state().run.to_string());
            let opening = replaced.replace(&archived, clock, began).await?;
            session
                .printer
                .remark(&format!("archived: {}", archived.display()));
            opening
        }
        None => journal::begin(path, clock, began)?,
    };
    Ok(Ready {
        opening,
        records: vec![Record::from(Planned { digest }), Record::from(confirmed)],
        copies,
    })
}

/// A run that goes on: a finished one only for a provider that is installed again.
async fn go_on(
    session: &Session,
    arguments: &RunArguments,
    connected: &Connected,
    held: Held,
    copies: Vec<CaptureCopy>,
) -> Result<Ready, Failure> {
    let copies = fresh::lacking(&held.state(), copies)?;
    let refresh = &connected.refresh;
    let reopened = match &arguments.provider {
        Some(provider) => again::reopened(refresh, &held.state(), provider).await?,
        None => None,
    };
    let state = match &reopened {
        Some(reopened) => again::as_reopened(&held.state(), reopened)?,
        None => held.state(),
    };
    let mut records = Vec::new();
    let digest = refresh.runbook.digest();
    if state.runbook_digest != digest {
        session
            .printer
            .remark("note: the runbook has changed since this run began; that is recorded");
        records.push(Record::from(RunbookChanged {
            digest,
            difference: Vec::new(),
        }));
    }
    records.extend(reopened.map(Record::from));
    // From then on the target is not what it was: what the steps find is what counts.
    if !crate::domain::environments::has_begun(refresh, &Known::from_journal(Arc::clone(&state))) {
        check(session, &preflight(refresh).await?)?;
    }
    // A wrong name is refused before any other question is asked.
    require_name(
        arguments.confirm_target.as_deref(),
        &refresh.runbook.target.name.value,
    )?;
    let repeats = repeat::confirm(
        session,
        arguments.confirm_repeat.as_deref(),
        &arguments.runbook,
        &refresh.runbook.target.name.value,
        &state,
    )
    .await?;
    if must_confirm(&state) || arguments.confirm_target.is_some() || !repeats.is_empty() {
        let known = Known::from_journal(Arc::clone(&state)).for_planning();
        let (plan, unread) =
            Plan::as_far_as_readable(&steps::all(refresh, crate::checks::questions), known).await?;
        if let Some(unread) = unread {
            session.printer.remark(&format!(
                "note: {unread}; this and what follows is looked at in its turn, and what was \
                 confirmed of it before stays so"
            ));
        }
        let digest = plan.digest(&refresh.runbook.pinned_digest());
        let target = &refresh.runbook.target.name.value;
        let given = arguments.confirm_target.as_deref();
        let mut confirmed = confirm(session, given, target, &plan, &digest).await?;
        confirmed.repeats = repeats;
        confirmed.destructive.extend(earlier(&state));
        confirmed.destructive.sort();
        confirmed.destructive.dedup();
        records.push(Record::from(confirmed));
    }
    records.extend(overwrite::confirmations(
        &arguments.confirm_overwrite,
        &state,
    ));
    let opening = held.open(Clock::new(1.0))?;
    session.warn(&opening.warnings);
    if let Some(repair) = &opening.repair {
        session.printer.remark(&format!(
            "note: the last record was not written whole; its {} bytes are kept in {}",
            repair.bytes,
            repair.saved_to.display()
        ));
    }
    Ok(Ready {
        opening,
        records,
        copies,
    })
}

/// Was nothing confirmed yet, or did a launch that was confirmed fail, or never begin?
fn must_confirm(state: &State) -> bool {
    let confirmed = earlier(state);
    let failed = state.launches.iter().any(|(key, launch)| {
        let has_failed = matches!(
            launch.outcome(),
            Some(LaunchOutcome::Failed | LaunchOutcome::Absent)
        );
        has_failed && confirmed.iter().any(|c| **c == **key)
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
        return match probes::away(findings) {
            Some(away) => Err(Failure::temporary(format!(
                "a service was away, so not every question is answered; nothing was begun: {}",
                away.read
            ))
            .with_help("run again when the service answers")),
            None => Ok(()),
        };
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
    let list = steps::all(refresh, crate::checks::questions);
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
        shown: Mutex::default(),
    };
    let result = tokio::select! {
        result = executor.run() => result,
        // Asked twice: what is under way is left where it is; the journal says how far it came.
        () = session.cancellation.on_insist() => Err(Failure::interrupted()),
    };
    let result = result.map_err(|failure| {
        let target = &refresh.runbook.target.name.value;
        let state = opening.journal.state();
        repeat::explained(failure, session, &arguments.runbook, target, &state)
    });
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
