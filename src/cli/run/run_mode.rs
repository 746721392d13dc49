//! What a call of `run` does (begin, resume, survey again, repair), and how it is prepared.

use std::path::Path;
use std::sync::Arc;

use super::run_binding::require_same_binding;
use super::{PreparedRun, RunArguments, begin, finished_run, repair, resume};
use crate::base::remote_copy::RemoteCopy;
use crate::cli::connect::Connected;
use crate::cli::exit_code::DONE;
use crate::cli::session::Session;
use crate::engine::Failure;
use crate::journal::{CaptureCopy, LockedStateFile};

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
    /// The remote copy.
    pub(super) remote_copy: Option<Arc<dyn RemoteCopy>>,
}

/// What follows the guards.
pub(super) enum Prepared {
    /// The steps run.
    Run(PreparedRun),
    /// No step runs; the exit code.
    Ended(u8),
}

impl RunMode {
    /// The mode of a call with these arguments, and with this state file if there is one.
    pub(super) fn of(
        arguments: &RunArguments,
        locked: Option<LockedStateFile>,
    ) -> Result<Self, Failure> {
        if let Some(step) = &arguments.only {
            let state = locked.as_ref().map(LockedStateFile::state);
            repair::require_begun(state.as_deref(), step)?;
        }
        Ok(match (locked, &arguments.only) {
            (Some(locked), Some(step)) => Self::Repair(locked, step.clone()),
            (Some(locked), None) if !arguments.fresh => {
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
        copies: Vec<CaptureCopy>,
    ) -> Result<Prepared, Failure> {
        let prepared = match self {
            Self::Begin(replaced) => {
                let place = begin::Place {
                    path: place.path,
                    replaced,
                    remote_copy: place.remote_copy,
                };
                begin::prepare(session, arguments, connected, place, copies).await?
            }
            Self::Resume(locked) => {
                require_same_binding(&locked.state(), connected)?;
                resume::prepare(session, arguments, connected, locked, copies).await?
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
