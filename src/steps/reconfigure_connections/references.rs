//! Phase `connection-references`: Dataverse's own references, which cloud flows use.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::try_join;

use super::emptied::{Recorded, empty_again};
use super::wiring;
use crate::clients::{Query, Row};
use crate::domain::connections::choices::{Choices, ChosenConnection};
use crate::domain::connections::core_references::{CoreReference, core_references};
use crate::domain::connections::{
    OwnerRow, connector_name, find_acting_user, find_choice, find_owner, owner_id, reference_key,
};
use crate::domain::flows::rules::{DesiredState, Rules};
use crate::domain::flows::{FlowDefinition, cloud_flows};
use crate::domain::iom_change::sign_in_instruction;
use crate::domain::names::{Fields, text};
use crate::domain::refused_change::by_hand_where_refused;
use crate::domain::tenant_set::{Request, surveyed, surveyed_row_set};
use crate::domain::{RefreshContext, keys, seals};
use crate::engine::{Action, Barrier, Change, Failure, JournalView, ManualTask, Survey};

/// The prefix of a connector's id (Dataverse, `connectionreference.connectorid`).
const CONNECTOR_ID_PREFIX: &str = "/providers/Microsoft.PowerApps/apis/";

/// Finds the references that have another connection or owner than they should.
pub(super) struct References(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for References {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let view = refresh.view(journal);
        let (owner, table, acting_as, choices, references) = try_join!(
            find_owner(refresh, view),
            view.table("connectionreference"),
            find_acting_user(refresh, view),
            Choices::read(refresh, journal),
            core_references(view),
        )?;
        let mut changes = Vec::new();
        let recorded = journal.derived(seals::BEFORE_COPY, || Recorded::read(journal));
        for reference in references {
            let found =
                choices.find(refresh, None, &reference.logical_name, &reference.connector)?;
            let Some(chosen) = found else {
                let emptied = empty_again(refresh, &table, &reference, &recorded, acting_as);
                changes.extend(emptied);
                continue;
            };
            let CoreReference {
                id,
                logical_name,
                connector,
                row,
            } = reference;
            let moved = chosen.connector != connector;
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
            let mut after = json!({ "connection": chosen.connection, "owner": wanted_owner });
            if moved {
                after["connector"] = json!(chosen.connector);
            }
            if before == after {
                continue;
            }
            let body = body(&chosen, moved, owner.as_ref());
            let surveyed = surveyed(&table, &before, &row);
            let request = Request::patch(&table.entity_set, id, &body).acting_as(acting_as);
            let change = Change {
                key: keys::connection_reference(&logical_name),
                name: format!("connect connection reference '{logical_name}'"),
                before,
                after,
                follows: Vec::new(),
                action: Action::Set(surveyed_row_set(
                    refresh,
                    &table.entity_set,
                    (id, surveyed),
                    move |row: Option<&Row>| row.map_or(Value::Null, |row| compared(&row.value)),
                    request,
                    Duration::from_mins(1),
                )),
            };
            changes.push(if moved {
                let by_hand = by_hand(refresh, &logical_name, &chosen, owner.as_ref());
                by_hand_where_refused(change, journal, by_hand)
            } else {
                change
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
        let (choices, rules, flows, references) = try_join!(
            Choices::read(refresh, journal),
            Rules::read(refresh, journal),
            cloud_flows(view),
            core_references(view),
        )?;
        let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, row) in flows {
            let name = text(&row, "name").unwrap_or_default();
            if rules.desired_state(id, &row) == DesiredState::On
                && let Some(definition) = FlowDefinition::from_row(&row)
            {
                for reference in definition.references() {
                    users.entry(reference).or_default().push(name.clone());
                }
            }
        }
        let mut notes = Vec::new();
        for reference in references {
            let logical_name = reference.logical_name.to_ascii_lowercase();
            let used_by = users.remove(&logical_name).unwrap_or_default();
            let (name, connector) = (&reference.logical_name, &reference.connector);
            let choice = find_choice(&refresh.runbook, &choices.custom, None, name, connector);
            let connection = text(&reference.row, "connectionid");
            if choice.is_none() && !used_by.is_empty() && !choices.has(connection.as_deref()) {
                let connector = choices.custom.in_target(connector);
                notes.push(describe_unconnected(name, &connector, &used_by));
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

/// The columns that connect a reference. A connection is of the target's connector, so the reference
/// must be too. Its lookup `customconnectorid` stays right: it names the connector's row, whose id
/// survives the copy.
fn body(chosen: &ChosenConnection, moved: bool, owner: Option<&OwnerRow>) -> Value {
    let mut body = json!({ "connectionid": chosen.connection });
    if moved {
        body["connectorid"] = json!(format!("{CONNECTOR_ID_PREFIX}{}", chosen.connector));
    }
    if let Some(owner) = owner {
        body["ownerid@odata.bind"] = json!(owner.bind());
    }
    body
}

/// What a person does if the service refuses the connector of the target's connection.
fn by_hand(
    refresh: &RefreshContext,
    logical_name: &str,
    chosen: &ChosenConnection,
    owner: Option<&OwnerRow>,
) -> ManualTask {
    let instructions = vec![
        sign_in_instruction(refresh),
        format!(
            "Power Apps > Solutions > Default Solution > Connection references > '{logical_name}' > \
             Edit: save it with {}the connection of custom connector {} with the id {}",
            OwnerRow::instruction(owner),
            chosen.connector,
            chosen.connection
        ),
    ];
    ManualTask {
        instructions,
        evidence:
            "the connection reference has the target's connection, its connector and the owner"
                .to_owned(),
    }
}

/// A reference without a connection that the runbook does not name, with the flows that cannot be
/// turned on because of it.
fn describe_unconnected(logical_name: &str, connector: &str, used_by: &[String]) -> String {
    let by_connector = match reference_key(logical_name, connector) {
        key if key == logical_name => String::new(),
        key => format!(" or `{key}: <connection id>`"),
    };
    format!(
        "no connection is chosen for connection reference '{logical_name}', but cloud flows that \
         should be on use it: {}; add `{logical_name}: <connection id>`{by_connector} under \
         `connections` of reconfigure-connections",
        used_by.join(", ")
    )
}
