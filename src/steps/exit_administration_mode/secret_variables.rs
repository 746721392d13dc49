//! Secret environment variables: one attempt to write the value, then a person does it.
//!
//! Whether the caller may write it is decided by the key vault, and repeating does not change that.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::base::sync::lock;
use crate::base::text::escape;
use crate::domain::environment_variables::VAULT_ROLE;
use crate::domain::keys;
use crate::domain::manual_change::ManualChange;
use crate::engine::{
    Action, Change, Failure, FailureKind, JournalView, Progress, Reading, Set, WriteError, Written,
};
use crate::runbook::StepName;

/// The keys of the changes that the service has refused in this process.
type Refused = Arc<Mutex<BTreeSet<String>>>;

/// The secrets among the variables of a run.
#[derive(Default)]
pub(super) struct SecretVariables {
    refused: Refused,
}

impl SecretVariables {
    /// The change of a secret's value: tried once, then a manual task. Takes the variable's schema
    /// name, and where a person finds the value.
    pub(super) fn once(
        &self,
        journal: &JournalView,
        change: Change,
        schema_name: &str,
        place: &str,
    ) -> Change {
        let task = keys::task(StepName::ExitAdministrationMode, "variables");
        if lock(&self.refused).contains(&change.key) || journal.is_handed_out(&task) {
            return by_hand(change, schema_name, place);
        }
        let Action::Set(set) = change.action else {
            return change;
        };
        let write = SecretWrite {
            set,
            key: change.key.clone(),
            refused: Arc::clone(&self.refused),
        };
        Change {
            action: Action::Set(Arc::new(write)),
            ..change
        }
    }
}

/// A person sets the value. The key is another one, because the change of the first key failed.
fn by_hand(change: Change, schema_name: &str, place: &str) -> Change {
    let name = escape(schema_name);
    ManualChange {
        key: keys::variable_by_hand(schema_name),
        name: change.name,
        before: change.before,
        after: change.after,
        instructions: vec![
            format!(
                "maker portal > Solutions > Default Solution > Environment variables > '{name}': set \
                 the current value to {place}"
            ),
            "whoever saves it needs the role 'Key Vault Secrets User' on the vault that the value names"
                .to_owned(),
        ],
        evidence: format!("secret environment variable '{name}' has the target's own value"),
    }
    .into_change()
}

/// The set of a secret's value, which remembers that it was refused.
struct SecretWrite {
    set: Arc<dyn Set>,
    key: String,
    refused: Refused,
}

#[async_trait]
impl Set for SecretWrite {
    async fn read(&self) -> Result<Reading, Failure> {
        self.set.read().await
    }

    fn surveyed(&self) -> Option<Reading> {
        self.set.surveyed()
    }

    async fn write(&self, reading: &Reading) -> Result<Written, WriteError> {
        match self.set.write(reading).await {
            Err(WriteError::Refused(mut failure)) if is_final(&failure) => {
                lock(&self.refused).insert(self.key.clone());
                failure.help = Some(VAULT_ROLE.to_owned());
                // The next survey hands it out instead.
                failure.retryable = true;
                Err(WriteError::Refused(failure))
            }
            result => result,
        }
    }

    async fn poll(&self, operation: &Value) -> Result<Progress, Failure> {
        self.set.poll(operation).await
    }

    fn only_people_write(&self, member: &str) -> bool {
        self.set.only_people_write(member)
    }

    fn settle_timeout(&self) -> Duration {
        self.set.settle_timeout()
    }
}

/// Does repeating not change the answer?
fn is_final(failure: &Failure) -> bool {
    let is_answer = matches!(
        failure.kind,
        FailureKind::Failed | FailureKind::NotAllowed | FailureKind::Refused
    );
    is_answer && !failure.retryable
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A set that the service refuses with this failure.
    struct Refusing(Failure);

    #[async_trait]
    impl Set for Refusing {
        async fn read(&self) -> Result<Reading, Failure> {
            Ok(Reading::of(Value::Null))
        }

        async fn write(&self, _: &Reading) -> Result<Written, WriteError> {
            Err(WriteError::Refused(self.0.clone()))
        }
    }

    async fn after(failure: Failure) -> (Failure, Change) {
        let secrets = SecretVariables::default();
        let journal = JournalView::empty();
        let change = || Change {
            key: keys::variable("contoso_Key"),
            name: "restore it".to_owned(),
            before: Value::Null,
            after: json!({"value": "sha256:1"}),
            follows: Vec::new(),
            action: Action::Set(Arc::new(Refusing(failure.clone()))),
        };
        let first = secrets.once(&journal, change(), "contoso_Key", "the capture");
        let Action::Set(set) = &first.action else {
            panic!("it is tried first");
        };
        let Err(WriteError::Refused(refusal)) = set.write(&Reading::of(Value::Null)).await else {
            panic!("it is refused");
        };
        let second = secrets.once(&journal, change(), "contoso_Key", "the capture");
        (refusal, second)
    }

    #[tokio::test]
    async fn a_refused_secret_is_tried_once_and_then_asked_for() {
        let (refusal, second) = after(Failure::failed("no access to the vault").permanent()).await;
        assert!(refusal.retryable, "another survey follows");
        assert!(refusal.help.unwrap().contains("Key Vault Secrets User"));
        assert!(matches!(second.action, Action::ManualTask(_)));
        assert_eq!(second.key, "variable/contoso_Key/by-hand");
        assert_eq!(second.after, json!({"value": "sha256:1"}));
    }

    #[tokio::test]
    async fn an_outage_hands_nothing_out() {
        let (_, second) = after(Failure::temporary("unavailable")).await;
        assert!(matches!(second.action, Action::Set(_)));
    }
}
