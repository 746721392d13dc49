//! A new run, up to its open state file.

use std::path::Path;
use std::sync::Arc;

use super::confirm_target::{Scope, confirm_target};
use super::run_binding::new_began_record;
use super::{PreparedRun, RunArguments, archive, preflight_gate, seal_backups};
use crate::base::remote_state::RemoteState;
use crate::base::text::count;
use crate::checks::preflight;
use crate::cli::common_arguments::Output;
use crate::cli::connect::Connected;
use crate::cli::expectations::Expectations;
use crate::cli::plan_file;
use crate::cli::session::Session;
use crate::engine::{Failure, JournalView, Plan};
use crate::journal::{self, LockedStateFile, OpenStateFile, Planned, Record, SealBackup};
use crate::report::expected_steps;

/// Where the state of a new run is kept.
pub(super) struct NewStateLocation<'a> {
    pub(super) path: &'a Path,
    /// The run whose place it takes.
    pub(super) replaced: Option<LockedStateFile>,
    /// The remote state.
    pub(super) remote_state: Option<Arc<dyn RemoteState>>,
}

/// Preflight, plan, confirmation; then the state file. The new run takes the place of the replaced
/// one, whose state file is archived once no guard can refuse the run any more.
pub(super) async fn prepare(
    session: &Session,
    arguments: &RunArguments,
    connected: &Connected,
    place: NewStateLocation<'_>,
    backups: Vec<SealBackup>,
) -> Result<PreparedRun, Failure> {
    let refresh = &connected.refresh;
    let runbook = &refresh.runbook;
    let target = &runbook.target.name.value;
    let given = arguments.confirm_target.as_deref();
    if session.shows_live_table() {
        let note = "reading both environments, for the checks and the plan; nothing is changed yet";
        session.printer.info(note);
    }
    preflight_gate::require_no_failure(session, &preflight(refresh).await?)?;
    let journal = seal_backups::with_backups(JournalView::empty(), &backups);
    let plan = Plan::make(&connected.steps, journal).await?;
    let digest = plan.digest(&runbook.pinned_digest());
    if let Some(approved) = &arguments.plan {
        plan_file::require_approved(approved, &plan, &digest)?;
    }
    if session.output == Output::Human {
        let (by_hand, all) = (plan.by_hand(), plan.len());
        session.printer.info(&format!(
            "{} for '{target}', {} automatic and {by_hand} by hand",
            count(all, "change"),
            all - by_hand
        ));
    }
    let last_run = Expectations::of(place.path).steps_of_last_run();
    let expected = expected_steps(&plan, &last_run);
    let scope = Scope::Refresh(&expected);
    let confirmed = confirm_target(session, given, runbook, &plan, &digest, scope).await?;
    Ok(PreparedRun {
        state_file: open_state_file(session, connected, place).await?,
        records: vec![
            Record::from(Planned {
                digest,
                steps: expected,
                names: connected.refresh.known_names.all(),
            }),
            Record::from(confirmed),
        ],
        backups,
    })
}

/// Creates the state file; the one that it replaces is archived.
async fn open_state_file(
    session: &Session,
    connected: &Connected,
    place: NewStateLocation<'_>,
) -> Result<OpenStateFile, Failure> {
    let NewStateLocation {
        path,
        replaced,
        remote_state,
    } = place;
    let (clock, began) = (connected.clock.clone(), new_began_record(connected));
    let Some(replaced) = replaced else {
        return Ok(journal::begin_with_copy(path, clock, began, remote_state)?);
    };
    let archived = archive::free_archive_path(path, &replaced.state().run.to_string());
    let state_file = replaced.replace(&archived, clock, began).await?;
    session
        .printer
        .info(&format!("archived: {}", archived.display()));
    Ok(state_file)
}
