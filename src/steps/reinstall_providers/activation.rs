//! Phase `activate`: the new instances.
//!
//! An activation takes minutes, and its effects some more (Microsoft Learn, *Set up the FedEx
//! provider*: up to six). The program waits for it until the timeout, or until the tenant writes an
//! error text. A text that existed when the activation was requested belongs to an earlier one.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::try_join;
use uuid::Uuid;

use super::activation_reader::{ActivationReader, ErrorText, SharedReadings, activation_of};
use super::shared_readings::Shared;
use crate::domain::extended_launch::{LaunchExtension, extend_launch};
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::keys;
use crate::domain::row_changes::Reader;
use crate::engine::{
    Barrier, Change, Failure, JournalView, Launch, Proof, Started, Survey, WriteError,
};
use crate::runbook::IomRequest;

/// Finds the new instances that are not active, or lack actions.
pub(super) struct Activate(pub(super) Arc<Shared>);

#[async_trait]
impl Survey for Activate {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0.refresh;
        // The flows that an activation deploys belong to the user who activates.
        let ((old, present), acting_as) = try_join!(
            self.0.old_and_present(journal, &[]),
            self.0.acting_user(journal),
        )?;
        let now = &present.now;
        let shared = Arc::new(SharedReadings::default());
        let mut changes = Vec::new();
        let mut following: Option<Arc<ActivationReader>> = None;
        let instances: Vec<_> = old.instances(now).collect();
        // From the last one on, because each reader knows the next one's provider.
        for (replaced, definition, instance) in instances.into_iter().rev() {
            let expected = now.expected_actions(definition.id);
            let after = json!({ "status": "Active", "actions": expected });
            let before = instance.map_or(Value::Null, |instance| activation_of(now, instance));
            if before == after {
                continue;
            }
            let id = instance.map_or(Uuid::nil(), |instance| instance.id);
            let name = instance.map_or(&replaced.name, |instance| &instance.name);
            let reader = Arc::new(ActivationReader {
                refresh: Arc::clone(refresh),
                id,
                expected,
                before: Arc::clone(&present),
                rows: Mutex::default(),
                next: following.as_ref().map(|reader| reader.id),
                shared: Arc::clone(&shared),
                has_looked: AtomicBool::default(),
            });
            following = Some(Arc::clone(&reader));
            let change = IomChange {
                key: keys::new_provider_activate(&definition.logical_name),
                name: format!("activate the new provider '{}'", definition.name),
                before,
                after,
                request: IomRequest::ActivateProvider,
                by_hand: vec![format!("IOM app > Providers > Installed > '{name}': activate it")],
                evidence: "every new provider is active and has an action for each of its logic definitions".to_owned(),
                settle_timeout: Duration::from_mins(15),
            };
            let fill = Fill::id(id).acting_as(acting_as);
            let change = change.filled(refresh, Arc::clone(&reader) as Arc<dyn Reader>, fill);
            changes.push(extend_launch(change, EndOnErrorText(reader)));
        }
        changes.reverse();
        self.0.hand_on(journal, &changes, &present);
        Ok(changes)
    }

    /// A provider may become inactive again, or lose its actions for a while, before an activation
    /// has settled.
    async fn barrier(&self, journal: &JournalView) -> Result<Barrier, Failure> {
        let (old, present) = self.0.old_and_present(journal, &[]).await?;
        let now = &present.now;
        for (_, definition, instance) in old.instances(now) {
            let expected = now.expected_actions(definition.id);
            let is_settled = instance
                .is_some_and(|instance| instance.active && now.actions_of(instance.id) == expected);
            if !is_settled {
                let name = &definition.name;
                return Ok(Barrier::Holds(format!("provider '{name}' is settling")));
            }
        }
        Ok(Barrier::Passed)
    }
}

impl ErrorText {
    /// The error text at the time of the request.
    fn from_handle(handle: &Value) -> Self {
        let text = |member: &str| Some(handle.get(member)?.as_str()?.to_owned());
        Self {
            text: text(ERROR_BEFORE),
            changed: text(CHANGED_BEFORE),
        }
    }

    /// The text, unless it is the same as at the time of the request.
    fn newer_than(self, requested: &Self) -> Option<String> {
        let is_new = self != *requested;
        self.text.filter(|_| is_new)
    }
}

/// The members of the handle that keep the error text at the time of the request.
const ERROR_BEFORE: &str = "error-before";
const CHANGED_BEFORE: &str = "changed-before";

/// Ends an activation when the tenant writes a new error text.
struct EndOnErrorText(Arc<ActivationReader>);

#[async_trait]
impl LaunchExtension for EndOnErrorText {
    async fn request(&self, launch: &dyn Launch) -> Result<Started, WriteError> {
        // Read before the request: an error text that appears later belongs to this request.
        let before = self.0.last_row().await.map_err(WriteError::Refused)?.error;
        let mut started = launch.request().await?;
        started.handle[ERROR_BEFORE] = Value::from(before.text);
        started.handle[CHANGED_BEFORE] = Value::from(before.changed);
        Ok(started)
    }

    async fn verify(&self, launch: &dyn Launch, handle: &Value) -> Result<Proof, Failure> {
        let is_first_look = !self.0.has_looked.swap(true, Ordering::Relaxed);
        let (row, proof) = if is_first_look && self.0.shared.ends_at_once() {
            self.0.expect_end();
            let proof = launch.verify(handle).await?;
            (self.0.last_row().await?, proof)
        } else {
            // While it is not active its actions do not matter.
            let row = self.0.row(self.0.id).await?;
            let proof = if row.active == Some(false) {
                Proof::NotYet(self.0.describe_progress(false, &BTreeSet::new()))
            } else {
                self.0.go_on_from(row.clone());
                launch.verify(handle).await?
            };
            (row, proof)
        };
        if is_first_look {
            self.0.shared.learn(row.active == Some(true));
        }
        if !matches!(proof, Proof::NotYet(_)) {
            return Ok(proof);
        }
        let requested = ErrorText::from_handle(handle);
        Ok(match row.error.newer_than(&requested) {
            Some(text) => Proof::Disproved(explain_error(&text)),
            None => proof,
        })
    }
}

/// An activation's error text, with a remedy if the error is known.
fn explain_error(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let is_duplicate = ["unique", "duplicate", "violation of"]
        .iter()
        .any(|word| lower.contains(word));
    if is_duplicate {
        return format!(
            "{text} (action rows of a deleted provider still exist: delete them under Provider \
             settings > Additional settings > Actions, or update IOM to 1.1.03322.1 or later)"
        );
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_text_of_an_earlier_activation_does_not_belong_to_this_one() {
        let error = |text: Option<&str>, changed: &str| ErrorText {
            text: text.map(str::to_owned),
            changed: Some(changed.to_owned()),
        };
        let before = error(Some("no connection"), "1");
        assert_eq!(before.clone().newer_than(&before), None);
        assert_eq!(error(None, "2").newer_than(&before), None);
        let again = error(Some("no connection"), "2");
        assert_eq!(again.newer_than(&before).as_deref(), Some("no connection"));
        let handle = json!({ ERROR_BEFORE: "no connection", CHANGED_BEFORE: "1" });
        assert_eq!(ErrorText::from_handle(&handle), before);
        assert_eq!(
            ErrorText::from_handle(&json!({ "found": true })),
            ErrorText::default()
        );
    }

    #[test]
    fn a_duplicate_is_explained() {
        let text = "Violation of UNIQUE KEY constraint 'x'";
        assert!(explain_error(text).contains("1.1.03322.1"));
        assert_eq!(explain_error("no connection"), "no connection");
    }
}
