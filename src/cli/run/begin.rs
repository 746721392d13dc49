//! A new run, up to its open state file.

use std::path::Path;
use std::sync::Arc;

use super::confirm_target::{Scope, confirm_target, require_target_name};
use super::forecast::step_forecasts;
use super::run_binding::new_began_record;
use super::{PreparedRun, RunArguments, archive, preflight_gate, reopen};
use crate::base::remote_copy::RemoteCopy;
use crate::base::text::count;
use crate::checks::preflight;
use crate::cli::common_arguments::Output;
use crate::cli::connect::Connected;
use crate::cli::plan_file;
use crate::cli::session::Session;
use crate::engine::{Failure, JournalView, Plan};
use crate::journal::{self, CaptureCopy, LockedStateFile, OpenStateFile, Planned, Record};

/// Where the state of a new run is kept.
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    /// The run whose place it takes.
    pub(super) replaced: Option<LockedStateFile>,
    /// The remote copy.
    pub(super) remote_copy: Option<Arc<dyn RemoteCopy>>,
}

/// Preflight, plan, confirmation; then the state file. The new run takes the place of the replaced
/// one, whose state file is archived once no guard can refuse the run any more.
pub(super) async fn prepare(
    session: &Session,
    arguments: &RunArguments,
    connected: &Connected,
    place: Place<'_>,
    copies: Vec<CaptureCopy>,
) -> Result<PreparedRun, Failure> {
    let refresh = &connected.refresh;
    let runbook = &refresh.runbook;
    if arguments.provider.is_some() {
        return Err(reopen::not_finished());
    }
    // A wrong name is refused before anything is read.
    let target = &runbook.target.name.value;
    let given = arguments.confirm_target.as_deref();
    require_target_name(given, target)?;
    if session.shows_progress_bar() {
        let note = "reading both environments, for the checks and the plan; nothing is changed yet";
        session.printer.info(note);
    }
    preflight_gate::require_no_failure(session, &preflight(refresh).await?)?;
    let plan = Plan::make(&connected.steps, JournalView::empty()).await?;
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
    let scope = Scope::Refresh;
    let confirmed = confirm_target(session, given, target, &plan, &digest, scope).await?;
    Ok(PreparedRun {
        state_file: open_state_file(session, connected, place).await?,
        records: vec![
            Record::from(Planned {
                digest,
                steps: step_forecasts(&plan),
                names: connected.refresh.known_names.all(),
            }),
            Record::from(confirmed),
        ],
        copies,
    })
}

/// Creates the state file; the one that it replaces is archived.
async fn open_state_file(
    session: &Session,
    connected: &Connected,
    place: Place<'_>,
) -> Result<OpenStateFile, Failure> {
    let Place {
        path,
        replaced,
        remote_copy,
    } = place;
    let (clock, began) = (connected.clock.clone(), new_began_record(connected));
    let Some(replaced) = replaced else {
        return Ok(journal::begin_with_copy(path, clock, began, remote_copy)?);
    };
    let archived = archive::free_archive_path(path, &replaced.state().run.to_string());
    let state_file = replaced.replace(&archived, clock, began).await?;
    session
        .printer
        .info(&format!("archived: {}", archived.display()));
    Ok(state_file)
}
