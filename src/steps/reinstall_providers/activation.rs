//! Activating new instances.
//!
//! An activation takes minutes, and its effects some more (Microsoft Learn, *Set up the FedEx
//! provider*: up to six): it is waited for, and only an error text that the tenant writes ends it
//! before its time. A text that was there when the activation was requested is an earlier one's.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Old;
use crate::domain::Refresh;
use crate::domain::connections::acting_as;
use crate::domain::iom_change::{Fill, IomChange, launched_by};
use crate::domain::names::{Names, text};
use crate::domain::providers::{Catalogue, Provider};
use crate::domain::tenant_set::Reader;
use crate::domain::view::View;
use crate::engine::{
    Barrier, Change, Failure, Found, Known, Launch, Progress, Reading, Repeat, Started, Survey,
    Trace, Verdict, WriteError,
};
use crate::runbook::{IomRequest, IomTable};

pub(super) struct Activate(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for Activate {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let old = Old::of(refresh, known)?;
        let view = refresh.view(known);
        let now = Arc::new(Catalogue::read(refresh, view).await?);
        // The flows that an activation deploys belong to whoever activates.
        let acting_as = acting_as(refresh, view).await?;
        let mut changes = Vec::new();
        for (replaced, definition, instance) in old.instances(&now) {
            let expected = now.expected_actions(definition.id);
            let after = json!({ "status": "Active", "actions": expected });
            let before = instance.map_or(Value::Null, |instance| activation(&now, instance));
            if before == after {
                continue;
            }
            let id = instance.map_or(Uuid::nil(), |instance| instance.id);
            let name = instance.map_or(&replaced.name, |instance| &instance.name);
            let reader = Arc::new(Activation {
                refresh: Arc::clone(refresh),
                id,
                expected,
                before: Arc::clone(&now),
            });
            let change = IomChange {
                key: format!("provider/new/{}/activate", definition.logical_name),
                name: format!("activate the new provider '{}'", definition.name),
                before,
                after,
                request: IomRequest::ActivateProvider,
                by_hand: vec![format!("IOM app > Providers > Installed > '{name}': activate it")],
                evidence: "every new provider is active and has an action for each of its logic definitions".to_owned(),
                patience: Duration::from_mins(15),
            };
            let fill = Fill::id(id).acting_as(acting_as);
            let change = change.filled(refresh, Arc::clone(&reader) as Arc<dyn Reader>, fill);
            changes.push(launched_by(change, |launch| Activating { launch, reader }));
        }
        Ok(changes)
    }

    /// A provider may go inactive again, or lose sight of its actions, before an activation has
    /// settled.
    async fn barrier(&self, known: &Known) -> Result<Barrier, Failure> {
        let refresh = &self.0;
        let old = Old::of(refresh, known)?;
        let now = Catalogue::read(refresh, refresh.view(known)).await?;
        for (_, definition, instance) in old.instances(&now) {
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

/// A provider's activation as it is compared: status, and the logical names of its actions.
fn activation(catalogue: &Catalogue, provider: &Provider) -> Value {
    json!({
        "status": if provider.active { "Active" } else { "Inactive" },
        "actions": catalogue.actions_of(provider.id),
    })
}

/// Reads how far an activation has come.
struct Activation {
    refresh: Arc<Refresh>,
    id: Uuid,
    /// The logical names of the actions that it shall have.
    expected: BTreeSet<String>,
    before: Arc<Catalogue>,
}

#[async_trait]
impl Reader for Activation {
    async fn read(&self) -> Result<Reading, Failure> {
        let view = View::Target(&self.refresh.target);
        let tables = [IomTable::Provider, IomTable::ProviderAction];
        let now = self.before.again(&self.refresh, view, &tables).await?;
        let Some(provider) = now.providers.get(&self.id) else {
            return Ok(Reading::of(Value::Null));
        };
        Ok(Reading {
            value: activation(&now, provider),
            etag: None,
            basis: Value::String(self.still_open(&now, provider)),
        })
    }
}

/// The error text of a provider's activation, and when its row was changed last.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct ErrorText {
    said: Option<String>,
    changed: Option<String>,
}

impl ErrorText {
    fn of(handle: &Value) -> Self {
        let text = |member: &str| Some(handle.get(member)?.as_str()?.to_owned());
        Self {
            said: text(ERROR),
            changed: text(CHANGED),
        }
    }

    /// The text, if it is not what was there when the activation was requested.
    fn since(self, requested: &Self) -> Option<String> {
        let is_new = self != *requested;
        self.said.filter(|_| is_new)
    }
}

/// The members of the handle that keep what the error text was when the request was accepted.
const ERROR: &str = "error-before";
const CHANGED: &str = "changed-before";

impl Activation {
    /// How far it has come, in words.
    fn still_open(&self, now: &Catalogue, provider: &Provider) -> String {
        let there = now.actions_of(provider.id);
        let to_come: Vec<&str> = self
            .expected
            .difference(&there)
            .map(String::as_str)
            .collect();
        let status = if provider.active {
            "it is active"
        } else {
            "it is not active yet"
        };
        if to_come.is_empty() {
            return status.to_owned();
        }
        format!("{status}, without {}", to_come.join(", "))
    }

    async fn error_text(&self) -> Result<ErrorText, Failure> {
        let refresh = &self.refresh;
        let names = Names::of(refresh);
        let view = View::Target(&refresh.target);
        let table = view.table(names.table(IomTable::Provider)).await?;
        let Some(row) = refresh.target.get(&table.entity_set, self.id, &[]).await? else {
            return Ok(ErrorText::default());
        };
        // A tenant whose error column is not known shows no reason, and is waited for.
        let column = names.column("provider.activation-error").ok();
        let said = column.and_then(|column| text(&row.value, column));
        Ok(ErrorText {
            said: said.filter(|said| !said.trim().is_empty()),
            changed: text(&row.value, "modifiedon"),
        })
    }
}

/// An activation that ends when the tenant writes a new error text.
struct Activating {
    launch: Arc<dyn Launch>,
    reader: Arc<Activation>,
}

#[async_trait]
impl Launch for Activating {
    fn repeat(&self) -> Repeat {
        self.launch.repeat()
    }

    async fn probe(&self) -> Result<Value, Failure> {
        self.launch.probe().await
    }

    async fn request(&self) -> Result<Started, WriteError> {
        // Read before the request: whatever it says later is the request's own doing.
        let before = self
            .reader
            .error_text()
            .await
            .map_err(WriteError::Refused)?;
        let mut started = self.launch.request().await?;
        started.handle[ERROR] = Value::from(before.said);
        started.handle[CHANGED] = Value::from(before.changed);
        Ok(started)
    }

    async fn find(&self, probed: &Value) -> Result<Found, Failure> {
        self.launch.find(probed).await
    }

    async fn trace(&self, probed: &Value) -> Result<Trace, Failure> {
        self.launch.trace(probed).await
    }

    fn has_operation(&self) -> bool {
        self.launch.has_operation()
    }

    async fn poll(&self, handle: &Value) -> Result<Progress, Failure> {
        self.launch.poll(handle).await
    }

    async fn verify(&self, handle: &Value) -> Result<Verdict, Failure> {
        let verdict = self.launch.verify(handle).await?;
        if !matches!(verdict, Verdict::NotYet(_)) {
            return Ok(verdict);
        }
        let said = self.reader.error_text().await?;
        Ok(match said.since(&ErrorText::of(handle)) {
            Some(said) => Verdict::Wrong(explained(&said)),
            None => verdict,
        })
    }

    fn expected(&self) -> Duration {
        self.launch.expected()
    }

    fn timeout(&self) -> Duration {
        self.launch.timeout()
    }

    fn patience(&self) -> Duration {
        self.launch.patience()
    }
}

/// An activation's error text, with what to do where it is a known one.
fn explained(said: &str) -> String {
    let lower = said.to_ascii_lowercase();
    let is_duplicate = ["unique", "duplicate", "violation of"]
        .iter()
        .any(|word| lower.contains(word));
    if is_duplicate {
        return format!(
            "{said} (action rows of a deleted provider are left: delete them under Provider \
             settings > Additional settings > Actions, or update IOM to 1.1.03322.1 or later)"
        );
    }
    said.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_text_of_an_earlier_activation_is_none_of_this_one() {
        let text = |said: Option<&str>, changed: &str| ErrorText {
            said: said.map(str::to_owned),
            changed: Some(changed.to_owned()),
        };
        let before = text(Some("no connection"), "1");
        assert_eq!(before.clone().since(&before), None);
        assert_eq!(text(None, "2").since(&before), None);
        let again = text(Some("no connection"), "2");
        assert_eq!(again.since(&before).as_deref(), Some("no connection"));
        let handle = json!({ ERROR: "no connection", CHANGED: "1" });
        assert_eq!(ErrorText::of(&handle), before);
        assert_eq!(
            ErrorText::of(&json!({ "found": true })),
            ErrorText::default()
        );
    }

    #[test]
    fn a_duplicate_is_explained() {
        let said = "Violation of UNIQUE KEY constraint 'x'";
        assert!(explained(said).contains("1.1.03322.1"));
        assert_eq!(explained("no connection"), "no connection");
    }
}
