//! Findings of a process that did not stop it. Each warning is shown when it is found, and
//! recorded in the state file at the end, so that a report can show it again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use crate::base::sync::lock;
use crate::checks::repeated_by;
use crate::domain::containment::figures::is_forecast;
use crate::domain::seals;
use crate::engine::{Event, EventKind, Listener};
use crate::journal::{State, StepOutcome};
use crate::runbook::Keyword as _;

/// The warnings of this process, in order, without duplicates.
#[derive(Default)]
pub(super) struct Warnings(Mutex<Found>);

#[derive(Default)]
struct Found {
    texts: Vec<String>,
    /// What to do about a warning, by its text.
    remedies: BTreeMap<String, String>,
}

impl Warnings {
    /// Adds a warning, and what to do about it if that is known.
    pub(super) fn add(&self, warning: String, remedy: Option<&str>) {
        let mut found = lock(&self.0);
        if let Some(remedy) = remedy.filter(|remedy| !remedy.is_empty()) {
            found.remedies.insert(warning.clone(), remedy.to_owned());
        }
        if !found.texts.contains(&warning) {
            found.texts.push(warning);
        }
    }

    pub(super) fn all(&self) -> Vec<String> {
        let found = lock(&self.0);
        found.texts.clone()
    }

    /// What to do about these warnings, by their texts, as far as it is known.
    pub(super) fn remedies_of(&self, warnings: &[String]) -> BTreeMap<String, String> {
        let mut remedies = lock(&self.0).remedies.clone();
        remedies.retain(|warning, _| warnings.contains(warning));
        remedies
    }
}

/// Which warnings a run has answered: the forecasts of preflight about the copy, once step 2 has
/// recorded what the target really has, and what a step has noted for each thing since. A stopped or
/// killed process does not change that.
pub(super) fn is_answered(state: &State) -> impl Fn(&str) -> bool + use<> {
    let has_surfaces = state.verified_seal(seals::SURFACES).is_some();
    let steps = state.steps.iter();
    let done = steps.filter(|step| step.outcome == Some(StepOutcome::Done));
    let done: BTreeSet<String> = done.map(|step| step.step.clone()).collect();
    move |warning| {
        let problem = warning.strip_prefix("warning: ").and_then(repeated_by);
        has_surfaces && is_forecast(warning)
            || problem.is_some_and(|step| done.contains(step.keyword()))
    }
}

impl Listener for Warnings {
    fn on_event(&self, event: &Event) {
        if let EventKind::Noted {
            step,
            message,
            remedy,
        } = &event.kind
        {
            self.add(format!("{step}: {message}"), remedy.as_deref());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::domain::containment::figures::forecast;
    use crate::domain::containment::kind::KINDS;
    use crate::journal::testing::{open, phase_began, step_began, step_ended};
    use crate::journal::{RowToSeal, read_state_file};
    use crate::runbook::StepName;

    #[tokio::test]
    async fn a_forecast_is_answered_once_the_surfaces_are_recorded_whether_or_not_a_process_works()
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.iomcopy.jsonl");
        let opening = open(&path, &Clock::new(1.0));
        let forecast = format!("warning: {}", forecast(KINDS[0].title()));
        let answered = || {
            let state = read_state_file(&path).unwrap().state;
            let is_answered = is_answered(&state);
            (is_answered(&forecast), is_answered("warning: look"))
        };
        assert_eq!(answered(), (false, false));
        let begun = vec![step_began("s"), phase_began("s", "p")];
        opening.journal.append_all(begun).await.unwrap();
        let row = RowToSeal {
            key: "surface/x".to_owned(),
            etag: None,
            text: "{}".to_owned(),
        };
        let sealed = opening.journal.seal(seals::SURFACES, vec![row]).await;
        sealed.unwrap();
        assert_eq!(answered(), (true, false), "it works");
        opening
            .journal
            .close("interrupted", 130, None)
            .await
            .unwrap();
        assert_eq!(answered(), (true, false), "it was stopped");
    }

    #[tokio::test]
    async fn what_a_step_notes_for_each_thing_is_not_listed_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.iomcopy.jsonl");
        let opening = open(&path, &Clock::new(1.0));
        let warning = "warning: flows with an HTTP trigger get another URL in the target (affects \
                       step activate-flows): 'A'";
        let answered = || {
            let state = read_state_file(&path).unwrap().state;
            is_answered(&state)(warning)
        };
        let step = StepName::ActivateFlows.keyword();
        opening.journal.append(step_began(step)).await.unwrap();
        assert!(!answered());
        let ended = step_ended(step, StepOutcome::Done);
        opening.journal.append(ended).await.unwrap();
        assert!(answered());
    }
}
