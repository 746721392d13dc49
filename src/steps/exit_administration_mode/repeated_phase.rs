//! Repeats a phase that an earlier step began with, to find what appeared since then.

use async_trait::async_trait;

use crate::engine::{Barrier, Change, Failure, JournalView, Note, Phase, Survey, Work};

/// The survey of a phase, after an earlier step that has the same phase.
pub(super) struct RepeatedPhase {
    survey: Box<dyn Survey>,
    phase: &'static str,
    /// The earlier step.
    step: String,
}

impl RepeatedPhase {
    /// The same phase, after this earlier step. A phase that captures keeps its seal anyway.
    pub(super) fn repeat(phase: Phase, step: &str) -> Phase {
        let Work::Changes(survey) = phase.work else {
            return phase;
        };
        let again = Self {
            survey,
            phase: phase.name,
            step: step.to_owned(),
        };
        Phase {
            work: Work::Changes(Box::new(again)),
            ..phase
        }
    }
}

#[async_trait]
impl Survey for RepeatedPhase {
    /// A plan lists the changes at the earlier step, which makes them. What a person waived there
    /// stays waived.
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        if journal.is_planning() {
            return Ok(Vec::new());
        }
        let mut changes = self.survey.survey(journal).await?;
        if journal.is_waived(&format!("{}/{}", self.step, self.phase)) {
            changes.retain(|change| !change.is_manual());
        }
        Ok(changes)
    }

    async fn barrier(&self, journal: &JournalView) -> Result<Barrier, Failure> {
        self.survey.barrier(journal).await
    }

    /// The earlier step has noted what it left.
    async fn notes(&self, journal: &JournalView) -> Result<Vec<Note>, Failure> {
        if journal.has_phase_ended(&self.step, self.phase) {
            return Ok(Vec::new());
        }
        self.survey.notes(journal).await
    }
}
