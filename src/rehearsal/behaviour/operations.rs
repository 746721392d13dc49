//! Long-running operations of environments, and their stages.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::rehearsal::clock::Moment;
use crate::rehearsal::faults::FailureMode;
use crate::rehearsal::world::names;
use crate::rehearsal::world::store::Draft;

/// A long-running operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Operation {
    pub(crate) id: String,
    /// The environment that it changes.
    pub(crate) environment: String,
    /// What it does: `Copy` or `Edit`.
    pub(crate) kind: String,
    pub(crate) state: State,
    /// When it began.
    pub(crate) began: Moment,
    /// When it ends, or has ended.
    pub(crate) ends: Moment,
    /// The object id of the requester.
    pub(crate) requested_by: String,
    pub(crate) request: Value,
    /// How it fails, if it does.
    #[serde(default, rename = "fate", skip_serializing_if = "Option::is_none")]
    pub(crate) failure_mode: Option<FailureMode>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    Running,
    Succeeded,
    Failed,
}

/// The key of how the operation that this request starts fails, if a fault applies. It exists only
/// while the request is handled.
pub(crate) const FAILURE_MODE: &str = "fate";

/// How the operation that this request starts fails, if a fault applies.
pub(crate) fn failure_mode(draft: &Draft<'_>) -> Option<FailureMode> {
    draft.load(FAILURE_MODE)
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    /// When it began, if it has.
    pub(crate) began: Option<Moment>,
    /// When it ended, if it has.
    pub(crate) ended: Option<Moment>,
}

/// The stages, and the percentage of the operation at which each ends. The names are those of
/// recorded lifecycle operations of the admin API.
const STAGES: [(&str, u64); 4] = [
    ("Validate", 2),
    ("Prepare", 10),
    ("Run", 95),
    ("Finalize", 100),
];

impl Operation {
    /// Starts an operation of an environment.
    pub(crate) fn begin(
        draft: &mut Draft<'_>,
        environment: &str,
        kind: &str,
        duration: Duration,
        requested_by: &str,
        request: Value,
    ) -> Self {
        let number = draft.count(&format!("operations/{environment}"));
        let id = names::identifier(&["operation", environment, &number.to_string()]);
        let operation = Self {
            id,
            environment: environment.to_owned(),
            kind: kind.to_owned(),
            state: State::Running,
            began: draft.now(),
            ends: draft.now() + duration,
            requested_by: requested_by.to_owned(),
            request,
            failure_mode: failure_mode(draft),
        };
        operation.save(draft);
        operation
    }

    /// Ends the operation with success.
    pub(crate) fn succeed(mut self, draft: &mut Draft<'_>) {
        self.state = State::Succeeded;
        self.save(draft);
    }

    /// Ends the operation with a failure.
    pub(crate) fn fail(mut self, draft: &mut Draft<'_>) {
        self.state = State::Failed;
        self.save(draft);
    }

    fn save(&self, draft: &mut Draft<'_>) {
        draft.save(names::operation(&self.id), self);
    }

    pub(crate) fn stages(&self, now: Moment) -> Vec<Stage> {
        let duration = self.ends.milliseconds() - self.began.milliseconds();
        let at = |percent: u64| {
            Moment::from_milliseconds(self.began.milliseconds() + duration * percent / 100)
        };
        let mut from = self.began;
        STAGES
            .iter()
            .map(|(name, percent)| {
                let (began, ended) = (from, at(*percent));
                from = ended;
                let is_over = self.state == State::Succeeded || (ended < self.ends && ended <= now);
                Stage {
                    name,
                    began: (self.state == State::Succeeded || began <= now).then_some(began),
                    ended: is_over.then_some(ended),
                }
            })
            .collect()
    }
}

pub(crate) fn operation(draft: &Draft<'_>, id: &str) -> Option<Operation> {
    draft.load(&names::operation(&id.to_lowercase()))
}

/// The operations of an environment, the newest first.
pub(crate) fn of_environment(draft: &Draft<'_>, environment: &str) -> Vec<Operation> {
    let mut operations: Vec<Operation> = draft.load_under("operation/");
    operations.retain(|operation| operation.environment == environment);
    operations.sort_by(|one, other| other.began.cmp(&one.began).then(other.id.cmp(&one.id)));
    operations
}

/// The running operation of an environment.
pub(crate) fn ongoing(draft: &Draft<'_>, environment: &str) -> Option<Operation> {
    let operations = of_environment(draft, environment);
    let mut running = operations.into_iter();
    running.find(|operation| operation.state == State::Running)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::rehearsal::world::store::Objects;

    #[test]
    fn stages_follow_each_other_until_the_end() {
        let objects = Objects::new();
        let mut draft = Draft::new(&objects, Moment::default());
        let duration = Duration::from_secs(100);
        let operation = Operation::begin(&mut draft, "e", "Copy", duration, "x", Value::Null);
        let at = |seconds: u64| {
            let stages = operation.stages(Moment::default() + Duration::from_secs(seconds));
            let ended = stages.iter().filter(|stage| stage.ended.is_some()).count();
            let began = stages.iter().filter(|stage| stage.began.is_some()).count();
            (began, ended)
        };
        assert_eq!(
            [at(0), at(2), at(50), at(96)],
            [(1, 0), (2, 1), (3, 2), (4, 3)]
        );
        // The last stage ends with the operation, not before.
        assert_eq!(at(1000), (4, 3));
        assert!(ongoing(&draft, "e").is_some());
        operation.clone().succeed(&mut draft);
        assert!(ongoing(&draft, "e").is_none());
        let operation = super::operation(&draft, &operation.id).unwrap();
        assert_eq!(
            operation.stages(operation.ends)[3].ended,
            Some(operation.ends)
        );
    }
}
