//! Phase `connection-references`: Dataverse's own references, which cloud flows use.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::wiring;
use crate::clients::{Query, Row};
use crate::domain::connections::choices::Choices;
use crate::domain::connections::core_references::{CoreReference, core_references};
use crate::domain::connections::custom_connectors::CustomConnectors;
use crate::domain::connections::{
    OwnerRow, connector_name, find_acting_user, find_choice_among, find_owner, owner_id,
};
use crate::domain::flows::rules::{Rules, Wanted};
use crate::domain::flows::{Definition, cloud_flows};
use crate::domain::names::{Fields, text};
use crate::domain::tenant_set::{Request, row_set};
use crate::domain::{RefreshContext, keys};
use crate::engine::{Action, Barrier, Change, Failure, JournalView, Survey};

/// The prefix of a connector's id (Dataverse, `connectionreference.connectorid`).
const CONNECTOR_ID_PREFIX: &str = "/providers/Microsoft.PowerApps/apis/";

/// Finds the references that have another connection or owner than they should.
pub(super) struct References(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for References {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let view = refresh.view(journal);
        let owner = find_owner(refresh, view).await?;
        let table = view.table("connectionreference").await?;
        let acting_as = find_acting_user(refresh, view).await?;
        let choices = Choices::read(refresh, journal).await?;
        let custom = CustomConnectors::read(refresh).await?;
        let mut changes = Vec::new();
        for CoreReference {
            id,
            logical_name,
            connector,
            row,
        } in core_references(view).await?
        {
            let aliases = custom.aliases(&connector);
            let keys: Vec<&str> = aliases.iter().map(String::as_str).collect();
            let Some(choice) = find_choice_among(&refresh.runbook, None, &logical_name, &keys)
            else {
                continue;
            };
            let here = custom.in_target(&connector);
            let moved = here != connector;
            let connection = choices.connection(refresh, choice, &here)?;
            let compared = move |row: &Fields| {
                let mut value = wiring(row, "connectionid");
                if moved {
                    let connector = text(row, "connectorid").unwrap_or_default();
                    value["connector"] = json!(connector_name(&connector));
                }
                value
            };
            let before = compared(&row);
            let wanted_owner = OwnerRow::id_or(owner.as_ref(), owner_id(&row));
            let mut after = json!({ "connection": connection, "owner": wanted_owner });
            if moved {
                after["connector"] = json!(here);
            }
            if before == after {
                continue;
            }
            let mut body = json!({ "connectionid": connection });
            if moved {
                // The connection is of the target's connector, so the reference must be too.
                body["connectorid"] = json!(format!("{CONNECTOR_ID_PREFIX}{here}"));
            }
            if let Some(owner) = &owner {
                body["ownerid@odata.bind"] = json!(owner.bind());
            }
            let request = Request::patch(&table.entity_set, id, &body).acting_as(acting_as);
            changes.push(Change {
                key: keys::connection_reference(&logical_name),
                name: format!("connect connection reference '{logical_name}'"),
                before,
                after,
                follows: Vec::new(),
                action: Action::Set(row_set(
                    refresh,
                    &table.entity_set,
                    id,
                    move |row: Option<&Row>| row.map_or(Value::Null, |row| compared(&row.value)),
                    request,
                    Duration::from_mins(1),
                )),
            });
        }
        Ok(changes)
    }

    async fn barrier(&self, _journal: &JournalView) -> Result<Barrier, Failure> {
        let query = Query::new()
            .select(&["asyncoperationid", "statecode"])
            .filter("operationtype eq 101 and statecode ne 3".to_owned());
        let waiting = self
            .0
            .target
            .dataverse
            .list("asyncoperations", &query)
            .await?;
        if waiting.is_empty() {
            return Ok(Barrier::Passed);
        }
        Ok(Barrier::Holds(format!(
            "Dataverse is refreshing the flows that use the references ({} left)",
            waiting.len()
        )))
    }

    async fn notes(&self, journal: &JournalView) -> Result<Vec<String>, Failure> {
        let refresh = &self.0;
        let view = refresh.view(journal);
        let choices = Choices::read(refresh, journal).await?;
        let custom = CustomConnectors::read(refresh).await?;
        let rules = Rules::read(refresh, journal).await?;
        let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, row) in cloud_flows(view).await? {
            let name = text(&row, "name").unwrap_or_default();
            if rules.wanted(id, &row) == Wanted::On
                && let Some(definition) = Definition::from_row(&row)
            {
                for reference in definition.references() {
                    users.entry(reference).or_default().push(name.clone());
                }
            }
        }
        let mut notes = Vec::new();
        for reference in core_references(view).await? {
            let logical_name = reference.logical_name.to_ascii_lowercase();
            let used_by = users.remove(&logical_name).unwrap_or_default();
            let aliases = custom.aliases(&reference.connector);
            let keys: Vec<&str> = aliases.iter().map(String::as_str).collect();
            let is_chosen =
                find_choice_among(&refresh.runbook, None, &reference.logical_name, &keys).is_some();
            let connection = text(&reference.row, "connectionid");
            if !is_chosen && !used_by.is_empty() && !choices.has(connection.as_deref()) {
                notes.push(describe_unconnected(&reference, &used_by));
            }
        }
        notes.extend(users.iter().map(|(reference, used_by)| {
            format!(
                "connection reference '{reference}' is not in the environment, but cloud flows that \
                 should be on use it: {}",
                used_by.join(", ")
            )
        }));
        Ok(notes)
    }
}

/// A reference without a connection that the runbook does not name, with the flows that cannot be
/// turned on because of it.
fn describe_unconnected(reference: &CoreReference, used_by: &[String]) -> String {
    let CoreReference {
        logical_name,
        connector,
        ..
    } = reference;
    format!(
        "no connection is chosen for connection reference '{logical_name}', but cloud flows that \
         should be on use it: {}; add `{logical_name}: <connection id>` or `{connector}: \
         <connection id>` under `connections` of reconfigure-connections",
        used_by.join(", ")
    )
}
