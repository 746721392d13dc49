//! What a call of `run` is for, and how it is prepared.

use std::path::Path;
use std::sync::Arc;

use super::run_binding::require_same_binding;
use super::{PreparedRun, RunArguments, begin, finished_run, repair, resume};
use crate::base::elsewhere::CopyElsewhere;
use crate::cli::connect::Connected;
use crate::cli::exit_code::DONE;
use crate::cli::session::Session;
use crate::engine::Failure;
use crate::journal::{CaptureCopy, LockedStateFile};

/// What a call of `run` is for.
pub(super) enum Purpose {
    /// To begin a run. It takes the place of the run in this state file, if there is one.
    Begin(Option<LockedStateFile>),
    /// To resume a run, or to reopen a finished one for a provider.
    Resume(LockedStateFile),
    /// To survey a finished run again, with reads only.
    SurveyAgain(LockedStateFile),
    /// To repair this step of a finished run.
    Repair(LockedStateFile, String),
}

/// Where the state of a run is kept.
pub(super) struct StatePlace<'a> {
    pub(super) path: &'a Path,
    /// The copy elsewhere.
    pub(super) elsewhere: Option<Arc<dyn CopyElsewhere>>,
}

/// What follows the guards.
pub(super) enum Prepared {
    /// The steps run.
    Run(PreparedRun),
    /// No step runs; the exit code.
    Ended(u8),
}

impl Purpose {
    /// The purpose of a call with these arguments, and with this state file if there is one.
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
        place: StatePlace<'_>,
        copies: Vec<CaptureCopy>,
    ) -> Result<Prepared, Failure> {
        let prepared = match self {
            Self::Begin(replaced) => {
                let place = begin::Place {
                    path: place.path,
                    replaced,
                    elsewhere: place.elsewhere,
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
