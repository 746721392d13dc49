//! Phase `connection-references`: Dataverse's own references, which flows use.

use crate::domain::connections::core_references::{CoreReference, core_references};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::wiring;
use crate::clients::{Query, Row};
use crate::domain::Refresh;
use crate::domain::connections::choices::Choices;
use crate::domain::connections::custom_connectors::CustomConnectors;
use crate::domain::connections::{acting_as, choice_among, connector_name, owner, owner_of};
use crate::domain::flows::rules::{Rules, Wanted};
use crate::domain::flows::{Definition, cloud_flows};
use crate::domain::names::{Fields, text};
use crate::domain::tenant_set::{Request, RowReader, TenantSet};
use crate::engine::{Action, Barrier, Change, Failure, Known, Reading, Survey};

/// What a connector's id begins with (Dataverse, `connectionreference.connectorid`).
const APIS: &str = "/providers/Microsoft.PowerApps/apis/";

/// Finds the references that name another connection or owner than they shall.
pub(super) struct References(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for References {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let view = refresh.view(known);
        let owner = owner(refresh, view).await?;
        let table = view.table("connectionreference").await?;
        let acting_as = acting_as(refresh, view).await?;
        let choices = Choices::read(refresh, known).await?;
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
            let Some(choice) = choice_among(&refresh.runbook, None, &logical_name, &keys) else {
                continue;
            };
            let here = custom.in_target(&connector);
            let moved = here != connector;
            let connection = choices.connection(refresh, choice, &here)?;
            let project = move |row: &Fields| {
                let mut value = wiring(row, "connectionid");
                if moved {
                    let connector = text(row, "connectorid").unwrap_or_default();
                    value["connector"] = json!(connector_name(&connector));
                }
                value
            };
            let before = project(&row);
            let wanted_owner = owner
                .as_ref()
                .map(|o| o.id.to_string())
                .or_else(|| owner_of(&row));
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
                body["connectorid"] = json!(format!("{APIS}{here}"));
            }
            if let Some(owner) = &owner {
                body["ownerid@odata.bind"] = json!(owner.bind());
            }
            let request = Request::patch(&table.entity_set, id, &body).acting_as(acting_as);
            changes.push(Change {
                key: format!("connection-reference/{logical_name}"),
                name: format!("wire connection reference '{logical_name}'"),
                before,
                after,
                follows: Vec::new(),
                action: Action::Set(Arc::new(TenantSet {
                    refresh: Arc::clone(refresh),
                    reader: RowReader::of(
                        refresh,
                        &table.entity_set,
                        id,
                        move |row: Option<&Row>| {
                            Reading::of(row.map_or(Value::Null, |row| project(&row.value)))
                        },
                    ),
                    request: move |_: &Reading| Ok(request.clone()),
                    patience: Duration::from_mins(1),
                })),
            });
        }
        Ok(changes)
    }

    async fn barrier(&self, _known: &Known) -> Result<Barrier, Failure> {
        let query = Query::new()
            .select(&["asyncoperationid", "statecode"])
            .filter("operationtype eq 101 and statecode ne 3".to_owned());
        let waiting = self.0.target.list("asyncoperations", &query).await?;
        if waiting.is_empty() {
            return Ok(Barrier::Passed);
        }
        Ok(Barrier::Holds(format!(
            "Dataverse is refreshing the flows that use the references ({} left)",
            waiting.len()
        )))
    }

    async fn notes(&self, known: &Known) -> Result<Vec<String>, Failure> {
        let refresh = &self.0;
        let view = refresh.view(known);
        let choices = Choices::read(refresh, known).await?;
        let custom = CustomConnectors::read(refresh).await?;
        let rules = Rules::read(refresh, known).await?;
        let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, row) in cloud_flows(view).await? {
            let name = text(&row, "name").unwrap_or_default();
            if rules.wanted(id, &row) == Wanted::On
                && let Some(definition) = Definition::of(&row)
            {
                for reference in definition.references() {
                    users.entry(reference).or_default().push(name.clone());
                }
            }
        }
        let mut unwired = Vec::new();
        for reference in core_references(view).await? {
            let logical_name = reference.logical_name.to_ascii_lowercase();
            let used_by = users.remove(&logical_name).unwrap_or_default();
            let aliases = custom.aliases(&reference.connector);
            let keys: Vec<&str> = aliases.iter().map(String::as_str).collect();
            let is_chosen =
                choice_among(&refresh.runbook, None, &reference.logical_name, &keys).is_some();
            let connection = text(&reference.row, "connectionid");
            if !is_chosen && !used_by.is_empty() && !choices.has(connection.as_deref()) {
                unwired.push(uncovered(&reference, &used_by));
            }
        }
        unwired.extend(users.iter().map(|(reference, used_by)| {
            format!(
                "connection reference '{reference}' is not in the environment, and cloud flows \
                 that shall be on use it: {}",
                used_by.join(", ")
            )
        }));
        Ok(unwired)
    }
}

/// A reference of which the runbook says nothing, with the flows that will not turn on for it.
fn uncovered(reference: &CoreReference, used_by: &[String]) -> String {
    let CoreReference {
        logical_name,
        connector,
        ..
    } = reference;
    format!(
        "no connection is chosen for connection reference '{logical_name}', and cloud flows that \
         shall be on use it: {}; add `{logical_name}: <connection id>` or `{connector}: \
         <connection id>` under `connections` of reconfigure-connections",
        used_by.join(", ")
    )
}
