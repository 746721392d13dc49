//! Step 3, `reconfigure-connections`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `connection-references` | Dataverse's connection references | connection and owner of each that the runbook names |
//! | `platform-references` | IOM's platform connection references | connection URL and owner, by the runbook's request |
//! | `activate-system` | the same references' status, the platform flows | presses *Activate system* |
//!
//! The barrier of the first waits until Dataverse has refreshed the flows that use a reference
//! (asynchronous jobs of type 101). Activate system is judged by what it does, not by its answer:
//! all references active and all platform flows on; pressing again is the documented cure of a
//! time-out, so a launch in doubt is repeated.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::connections::{
    OwnerRow, choice, connection_url, connector_name, connector_of_url, leads_into, owner,
    owner_of, resolve,
};
use super::names::{Fields, Names, is_labelled, text};
use super::tenant_set::{Fill, IomWrite, Reader, Request, RowReader, TenantSet};
use super::view::View;
use super::{Refresh, flows};
use crate::clients::{Query, Row};
use crate::engine::{Action, Barrier, Change, Failure, Known, Phase, Reading, Survey};
use crate::runbook::{IomRequest, IomTable};

pub(super) fn phases(refresh: &Arc<Refresh>) -> Vec<Phase> {
    vec![
        Phase::changes("connection-references", References(Arc::clone(refresh))),
        Phase::changes(
            "platform-references",
            PlatformReferences(Arc::clone(refresh)),
        ),
        Phase::changes("activate-system", ActivateSystem(Arc::clone(refresh))),
    ]
}

/// The compared fields of a reference: its connection and its owner.
fn wiring(row: &Fields, column: &str) -> Value {
    json!({ "connection": text(row, column), "owner": owner_of(row) })
}

struct References(Arc<Refresh>);

#[async_trait]
impl Survey for References {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let view = refresh.view(known);
        let owner = owner(refresh, view).await?;
        let table = view.table("connectionreference").await?;
        let mut changes = Vec::new();
        for row in view
            .rows_where("connectionreference", Some("statecode eq 0".to_owned()))
            .await?
        {
            let Some(id) = row.id(&table.primary_id) else {
                continue;
            };
            let logical_name = row
                .string("connectionreferencelogicalname")
                .unwrap_or_default()
                .to_owned();
            let connector = connector_name(row.string("connectorid").unwrap_or_default());
            let Some(choice) = choice(&refresh.runbook, None, &logical_name, &connector) else {
                continue;
            };
            let connection = resolve(refresh, choice, &connector).await?;
            let before = wiring(&row.value, "connectionid");
            let wanted_owner = owner
                .as_ref()
                .map(|o| o.id.to_string())
                .or_else(|| owner_of(&row.value));
            let after = json!({ "connection": connection, "owner": wanted_owner });
            if before == after {
                continue;
            }
            let mut body = json!({ "connectionid": connection });
            if let Some(owner) = &owner {
                body["ownerid@odata.bind"] = json!(owner.bind());
            }
            let request = Request::patch(&table.entity_set, id, &body);
            changes.push(Change {
                key: format!("connection-reference/{logical_name}"),
                name: format!("wire connection reference '{logical_name}'"),
                before,
                after,
                follows: Vec::new(),
                action: Action::Set(Arc::new(TenantSet {
                    refresh: Arc::clone(refresh),
                    reader: Arc::new(RowReader {
                        refresh: Arc::clone(refresh),
                        entity_set: table.entity_set.clone(),
                        id,
                        project: |row: Option<&Row>| {
                            Reading::of(
                                row.map_or(Value::Null, |row| wiring(&row.value, "connectionid")),
                            )
                        },
                    }),
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
}

struct PlatformReferences(Arc<Refresh>);

#[async_trait]
impl Survey for PlatformReferences {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let names = Names::of(refresh);
        let view = refresh.view(known);
        let url_column = names.column("platform-connection-reference.connection-url")?;
        let table = view
            .table(names.table(IomTable::PlatformConnectionReference))
            .await?;
        let owner = owner(refresh, view).await?;
        let mut changes = Vec::new();
        for row in view.rows(&table.logical_name).await? {
            let Some(id) = row.id(&table.primary_id) else {
                continue;
            };
            let name = names.title(IomTable::PlatformConnectionReference, &row.value, id);
            let Some(wanted) = wanted_url(refresh, &row.value, url_column, &name).await? else {
                continue;
            };
            let before = wiring(&row.value, url_column);
            let wanted_owner = owner
                .as_ref()
                .map(|o| o.id.to_string())
                .or_else(|| owner_of(&row.value));
            let after = json!({ "connection": wanted, "owner": wanted_owner });
            if before == after {
                continue;
            }
            let column = url_column.to_owned();
            changes.push(Change {
                key: format!("platform-reference/{id}"),
                name: format!("save system connection reference '{name}'"),
                before,
                after: after.clone(),
                follows: Vec::new(),
                action: save(
                    refresh,
                    &table.entity_set,
                    id,
                    &name,
                    column,
                    wanted,
                    after,
                    owner.clone(),
                ),
            });
        }
        Ok(changes)
    }
}

/// The URL that a platform reference shall have; none where nothing says which connection.
async fn wanted_url(
    refresh: &Refresh,
    row: &Fields,
    url_column: &str,
    name: &str,
) -> Result<Option<String>, Failure> {
    let Some(current) = text(row, url_column) else {
        return Ok(None);
    };
    let connector = connector_of_url(&current).unwrap_or_default();
    let Some(choice) = choice(&refresh.runbook, None, name, &connector) else {
        if leads_into(&current, refresh.target_id()) {
            return Ok(None);
        }
        return Err(Failure::failed(format!(
            "system connection reference '{name}' leads into another environment, and the runbook \
             names no connection for it"
        ))
        .with_help(format!(
            "add `{connector}: <connection id>` under `connections` of reconfigure-connections"
        ))
        .lasting());
    };
    let connection = resolve(refresh, choice, &connector).await?;
    connection_url(&current, refresh.target_id(), &connection)
        .map(Some)
        .ok_or_else(|| {
            Failure::failed(format!(
                "system connection reference '{name}' holds no URL that can be read"
            ))
            .with_help("open it in the IOM app, choose a connection and save it, then run again")
            .lasting()
        })
}

#[expect(
    clippy::too_many_arguments,
    reason = "one place builds it, and each is a different thing"
)]
fn save(
    refresh: &Arc<Refresh>,
    entity_set: &str,
    id: Uuid,
    name: &str,
    column: String,
    url: String,
    after: Value,
    owner: Option<OwnerRow>,
) -> Action {
    IomWrite {
        request: IomRequest::SavePlatformConnectionReference,
        reader: Arc::new(RowReader {
            refresh: Arc::clone(refresh),
            entity_set: entity_set.to_owned(),
            id,
            project: move |row: Option<&Row>| {
                Reading::of(row.map_or(Value::Null, |row| wiring(&row.value, &column)))
            },
        }),
        after,
        by_hand: vec![
            "IOM app > Core settings > Admin home > Connection references".to_owned(),
            format!("open '{name}', set the connection URL to {url}, save; it must be yours"),
        ],
        evidence: "every system connection reference names the target's connection and owner"
            .to_owned(),
        patience: Duration::from_mins(1),
    }
    .action(refresh, move |_| {
        Ok(Fill {
            id: Some(id),
            value: Some(url.clone()),
            owner: owner.as_ref().map(OwnerRow::bind),
            ..Fill::default()
        })
    })
}

struct ActivateSystem(Arc<Refresh>);

#[async_trait]
impl Survey for ActivateSystem {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let before = match refresh.view(known) {
            View::Target(_) => SystemReader(Arc::clone(refresh)).read().await?.value,
            View::AfterCopy(_) => json!({ "system": "not active" }),
        };
        let after = json!({ "system": "active" });
        if before == after {
            return Ok(Vec::new());
        }
        let action = IomWrite {
            request: IomRequest::ActivateSystem,
            reader: Arc::new(SystemReader(Arc::clone(refresh))),
            after: after.clone(),
            by_hand: vec![
                "IOM app > Core settings > Admin home > Connection references".to_owned(),
                "press 'Activate system'; if it times out, press it again".to_owned(),
            ],
            evidence: "every system connection reference is active and every platform flow is on"
                .to_owned(),
            patience: Duration::from_mins(15),
        }
        .action(refresh, |_| Ok(Fill::default()));
        Ok(vec![Change {
            key: "activate-system".to_owned(),
            name: "activate the Intelligent Order Management system".to_owned(),
            before,
            after,
            follows: Vec::new(),
            action,
        }])
    }
}

/// Reads whether the system is active: no flag is published, so every reference and every platform
/// flow is looked at.
struct SystemReader(Arc<Refresh>);

#[async_trait]
impl Reader for SystemReader {
    async fn read(&self) -> Result<Reading, Failure> {
        let refresh = &self.0;
        let names = Names::of(refresh);
        let view = View::Target(&refresh.target);
        let references = view
            .rows(names.table(IomTable::PlatformConnectionReference))
            .await?;
        let incomplete = references
            .iter()
            .filter(|row| !is_labelled(&row.value, "statuscode", "Active"))
            .count();
        let off: Vec<String> = platform_flows(view)
            .await?
            .iter()
            .filter(|row| !flows::is_on(row))
            .filter_map(|row| text(row, "name"))
            .collect();
        let active = incomplete == 0 && off.is_empty();
        let said = format!(
            "{incomplete} system connection references are not active, {} platform flows are off",
            off.len()
        );
        Ok(Reading {
            value: json!({ "system": if active { "active" } else { "not active" } }),
            etag: None,
            basis: Value::String(said),
        })
    }
}

/// The platform flows: managed cloud flows that belong to one of IOM's solutions.
pub(super) async fn platform_flows(view: View<'_>) -> Result<Vec<Fields>, Failure> {
    let solutions = view.rows("solution").await?;
    let iom: Vec<Uuid> = solutions
        .iter()
        .filter(|row| is_iom_solution(&row.value))
        .filter_map(|row| row.id("solutionid"))
        .collect();
    let mut members = BTreeSet::new();
    for solution in iom {
        // Component type 29 is a workflow (Dataverse, solutioncomponent).
        let filter = format!("_solutionid_value eq {solution} and componenttype eq 29");
        for row in view.rows_where("solutioncomponent", Some(filter)).await? {
            members.extend(row.id("objectid"));
        }
    }
    let rows = view
        .rows_where("workflow", Some("category eq 5 and type eq 1".to_owned()))
        .await?;
    Ok(rows
        .into_iter()
        .filter(|row| row.id("workflowid").is_some_and(|id| members.contains(&id)))
        .filter(|row| row.value.get("ismanaged").and_then(Value::as_bool) == Some(true))
        .map(|row| row.value)
        .collect())
}

/// Is it one of IOM's solutions? Unique names are not published; the display name says it, and the
/// publisher's prefix with the product's.
fn is_iom_solution(row: &Fields) -> bool {
    let unique = text(row, "uniquename")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let friendly = text(row, "friendlyname")
        .unwrap_or_default()
        .to_ascii_lowercase();
    friendly.contains("intelligent order management")
        || unique.starts_with("msdyn_intelligentordermanagement")
        || unique.starts_with("msdyn_iom")
}
