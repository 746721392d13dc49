//! What a call of `run` does (begin, resume, survey again, repair), and how it is prepared.

use std::path::Path;
use std::sync::Arc;

use super::run_binding::{require_same_binding, require_same_runbook};
use super::{PreparedRun, RunArguments, begin, finished_run, reopen, repair, resume};
use crate::base::remote_state::RemoteState;
use crate::cli::connect::Connected;
use crate::cli::exit_code::DONE;
use crate::cli::new_refresh::Decision;
use crate::cli::session::Session;
use crate::engine::Failure;
use crate::journal::{LockedStateFile, SealBackup};
use crate::runbook::Runbook;

/// What a call of `run` does.
pub(super) enum RunMode {
    /// Begins a run. It replaces the run in this state file, if there is one.
    Begin(Option<LockedStateFile>),
    /// Resumes a run, or reopens a finished one for a provider.
    Resume(LockedStateFile),
    /// Surveys a finished run again, with reads only.
    SurveyAgain(LockedStateFile),
    /// Repairs this step of a finished run.
    Repair(LockedStateFile, String),
}

/// Where the state of a run is kept.
pub(super) struct StateLocation<'a> {
    pub(super) path: &'a Path,
    /// The remote state.
    pub(super) remote_state: Option<Arc<dyn RemoteState>>,
}

/// What follows the guards.
pub(super) enum Prepared {
    /// The steps run.
    Run(PreparedRun),
    /// No step runs; the exit code.
    Ended(u8),
}

impl RunMode {
    /// The mode of a call with these arguments, and with this state file if there is one; `decision`
    /// says whether a new refresh replaces its run. Refuses what the runbook and the state file alone
    /// show to be wrong: nothing was sent yet.
    pub(super) fn of(
        arguments: &RunArguments,
        decision: &Decision,
        runbook: &Runbook,
        locked: Option<LockedStateFile>,
    ) -> Result<Self, Failure> {
        let state = locked.as_ref().map(LockedStateFile::state);
        let state = state.as_deref().filter(|_| !decision.is_new());
        if let Some(step) = &arguments.only {
            repair::require_begun(state, step)?;
        }
        if arguments.provider.is_some() {
            reopen::require_finished(state)?;
        }
        if let Some(state) = state {
            require_same_runbook(state, runbook)?;
        }
        Ok(match (locked, &arguments.only) {
            (Some(locked), Some(step)) => Self::Repair(locked, step.clone()),
            (Some(locked), None) if !decision.is_new() => {
                if arguments.provider.is_none() && locked.state().finished.is_some() {
                    Self::SurveyAgain(locked)
                } else {
                    Self::Resume(locked)
                }
            }
            (replaced, _) => Self::Begin(replaced),
        })
    }

    /// Guards, preflight and the confirmation; last, the state file is opened.
    pub(super) async fn prepare(
        self,
        session: &Session,
        arguments: &RunArguments,
        connected: &Connected,
        place: StateLocation<'_>,
        backups: Vec<SealBackup>,
    ) -> Result<Prepared, Failure> {
        let prepared = match self {
            Self::Begin(replaced) => {
                let place = begin::NewStateLocation {
                    path: place.path,
                    replaced,
                    remote_state: place.remote_state,
                };
                begin::prepare(session, arguments, connected, place, backups).await?
            }
            Self::Resume(locked) => {
                require_same_binding(&locked.state(), connected)?;
                resume::prepare(session, arguments, connected, locked, backups).await?
            }
            Self::SurveyAgain(locked) => {
                require_same_binding(&locked.state(), connected)?;
                if arguments.plan.is_some() {
                    let note = "note: --plan has no effect: this run has finished, and is only \
                                surveyed again";
                    session.printer.info(note);
                }
                let files = &arguments.files;
                let survey = finished_run::survey_again(session, files, connected, locked);
                return Ok(Prepared::Ended(Box::pin(survey).await?));
            }
            Self::Repair(locked, step) => {
                require_same_binding(&locked.state(), connected)?;
                let repair = repair::prepare(session, arguments, connected, locked, &step);
                let Some(prepared) = repair.await? else {
                    return Ok(Prepared::Ended(DONE));
                };
                prepared
            }
        };
        Ok(Prepared::Run(prepared))
    }
}
