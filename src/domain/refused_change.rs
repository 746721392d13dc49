//! A change that the program makes, and that becomes a manual task if the service refuses it for
//! good. If the caller lacked a permission, each later process tries once more before it asks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::engine::{
    Action, Change, Failure, FailureKind, JournalView, ManualTask, Progress, Reading, Set,
    WriteError, Written,
};

/// What a failed attempt adds to the service's own help.
const NEXT: &str = "run again: it becomes a manual task";

/// The same if a permission is missing, which somebody may give.
const NEXT_ATTEMPT: &str =
    "the next run tries once more; if it is refused again, it becomes a manual task";

/// The change as a set. If the service has refused it for good, a person makes it instead: the
/// task has the same key, so the same reading proves it.
pub(crate) fn by_hand_where_refused(
    change: Change,
    journal: &JournalView,
    by_hand: ManualTask,
) -> Change {
    if journal.permanent_failure(&change.key).is_none() {
        return announcing_task(change);
    }
    Change {
        action: Action::ManualTask(by_hand),
        ..change
    }
}

/// The change, for which a later survey asks a person if the service refuses it for good: then the
/// refusal says so.
pub(crate) fn announcing_task(change: Change) -> Change {
    let action = match change.action {
        Action::Set(set) => Action::Set(with_refusal(set, announced)),
        other => other,
    };
    Change { action, ..change }
}

/// A refusal that says that a person can make the change.
fn announced(failure: Failure) -> Failure {
    if failure.retryable || failure.ends_the_run() {
        return failure;
    }
    let is_permission = failure.kind == FailureKind::NotAllowed;
    let help = match (&failure.help, is_permission) {
        (Some(help), true) => format!("{help}; {NEXT_ATTEMPT}"),
        (None, true) => NEXT_ATTEMPT.to_owned(),
        (Some(help), false) => format!("{help}; or {NEXT}"),
        (None, false) => NEXT.to_owned(),
    };
    failure.with_help(help)
}

/// The same set, but a refusal of its write is what this function makes of it.
pub(crate) fn with_refusal(
    set: Arc<dyn Set>,
    refused: impl Fn(Failure) -> Failure + Send + Sync + 'static,
) -> Arc<dyn Set> {
    Arc::new(WithRefusal { set, refused })
}

struct WithRefusal<F> {
    set: Arc<dyn Set>,
    refused: F,
}

#[async_trait]
impl<F: Fn(Failure) -> Failure + Send + Sync> Set for WithRefusal<F> {
    async fn read(&self) -> Result<Reading, Failure> {
        self.set.read().await
    }

    fn surveyed(&self) -> Option<Reading> {
        self.set.surveyed()
    }

    async fn write(&self, reading: &Reading) -> Result<Written, WriteError> {
        let written = self.set.write(reading).await;
        written.map_err(|error| match error {
            WriteError::Refused(failure) => WriteError::Refused((self.refused)(failure)),
            other => other,
        })
    }

    async fn poll(&self, operation: &Value) -> Result<Progress, Failure> {
        self.set.poll(operation).await
    }

    fn report(&self) -> Option<Value> {
        self.set.report()
    }

    fn only_people_write(&self, member: &str) -> bool {
        self.set.only_people_write(member)
    }

    fn is_destructive(&self) -> bool {
        self.set.is_destructive()
    }

    fn settle_timeout(&self) -> Duration {
        self.set.settle_timeout()
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A set that the service refuses with this failure.
    pub(crate) struct Refusing(pub(crate) Failure);

    #[async_trait]
    impl Set for Refusing {
        async fn read(&self) -> Result<Reading, Failure> {
            Ok(Reading::of(Value::Null))
        }

        async fn write(&self, _reading: &Reading) -> Result<Written, WriteError> {
            Err(WriteError::Refused(self.0.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::testing::Refusing;
    use super::*;

    #[tokio::test]
    async fn only_a_permanent_refusal_announces_the_task() {
        let failed = || Failure::failed("no").with_help("ask the owner");
        let forbidden = Failure::new(FailureKind::NotAllowed, "403")
            .with_help("give it a role")
            .of_one_change();
        for (failure, help) in [
            (failed().permanent(), format!("ask the owner; or {NEXT}")),
            (failed(), "ask the owner".to_owned()),
            (forbidden, format!("give it a role; {NEXT_ATTEMPT}")),
        ] {
            let change = Change {
                key: "a".to_owned(),
                name: "change a".to_owned(),
                before: json!(1).into(),
                after: json!(2).into(),
                follows: Vec::new(),
                action: Action::Set(Arc::new(Refusing(failure))),
            };
            let by_hand = ManualTask {
                instructions: vec!["do it".to_owned()],
                evidence: "it is done".to_owned(),
                ..ManualTask::default()
            };
            let change = by_hand_where_refused(change, &JournalView::empty(), by_hand);
            let Action::Set(set) = change.action else {
                panic!("nothing was refused yet");
            };
            let result = set.write(&Reading::of(Value::Null)).await;
            let Err(WriteError::Refused(failure)) = result else {
                panic!("it is refused");
            };
            assert_eq!(failure.help, Some(help));
        }
    }
}
