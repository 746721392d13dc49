//! Secret environment variables: one attempt to write the value, then a person does it.
//!
//! Whether the caller may write it is decided by the key vault, and repeating does not change that.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::base::sync::lock;
use crate::base::text::escape;
use crate::domain::environment_variables::VAULT_ROLE;
use crate::domain::keys;
use crate::domain::manual_change::ManualChange;
use crate::domain::refused_change::with_refusal;
use crate::engine::{Action, Change, Failure, FailureKind, JournalView};
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
        let (key, refused) = (change.key.clone(), Arc::clone(&self.refused));
        let set = with_refusal(set, move |mut failure| {
            if is_final(&failure) {
                lock(&refused).insert(key.clone());
                failure.help = Some(VAULT_ROLE.to_owned());
                // The next survey hands it out instead.
                failure.retryable = true;
            }
            failure
        });
        Change {
            action: Action::Set(set),
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
        before: change.before.value(),
        after: change.after.value(),
        instructions: vec![format!(
            "maker portal > Solutions > Default Solution > Environment variables > '{name}': set the \
             current value to {place}"
        )],
        evidence: format!("secret environment variable '{name}' has the target's own value"),
    }
    .into_change()
    .with_advice([
        "the person who saves a value needs the role 'Key Vault Secrets User' on the vault that it names",
    ])
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
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::refused_change::testing::Refusing;
    use crate::engine::{Reading, WriteError};

    async fn after(failure: Failure) -> (Failure, Change) {
        let secrets = SecretVariables::default();
        let journal = JournalView::empty();
        let change = || Change {
            key: keys::variable("contoso_Key"),
            name: "restore it".to_owned(),
            before: Value::Null.into(),
            after: json!({"value": "sha256:1"}).into(),
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
