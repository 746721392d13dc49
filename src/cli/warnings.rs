//! Findings of a process that did not stop it. Each warning is shown when it is found, and
//! recorded in the state file at the end, so that a report can show it again.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::base::sync::lock;
use crate::domain::containment::figures::is_forecast;
use crate::domain::seals;
use crate::engine::{Event, EventKind, Listener};
use crate::journal::State;

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
/// recorded what the target really has. A stopped or killed process does not change that.
pub(super) fn is_answered(state: &State) -> impl Fn(&str) -> bool + use<> {
    let has_surfaces = state.verified_seal(seals::SURFACES).is_some();
    move |warning| has_surfaces && is_forecast(warning)
}

impl Listener for Warnings {
    fn on_event(&self, event: &Event) {
        if let EventKind::Noted { step, message } = &event.kind {
            self.add(format!("{step}: {message}"), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::domain::containment::figures::forecast;
    use crate::domain::containment::kind::KINDS;
    use crate::journal::testing::{open, phase_began, step_began};
    use crate::journal::{RowToSeal, read_state_file};

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
}
