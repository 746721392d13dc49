//! Phase `platform-references`: the rows that IOM's own form *Connection references* edits.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::wiring;
use crate::clients::Row;
use crate::domain::Refresh;
use crate::domain::connections::choices::{Choices, unused_choices};
use crate::domain::connections::{
    OwnerRow, acting_as, choice, connection_url, connector_of_url, leads_into, owner, owner_of,
};
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::{Fields, Names, text};
use crate::domain::tenant_set::RowReader;
use crate::engine::{Change, Failure, Known, Reading, Survey};
use crate::runbook::{IomRequest, IomTable, RequestBinding};

/// What saves a row.
const REQUEST: IomRequest = IomRequest::SavePlatformConnectionReference;

/// Finds the rows that name another connection or owner than they shall.
pub(super) struct PlatformReferences(pub(super) Arc<Refresh>);

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
        let acting_as = acting_as(refresh, view).await?;
        let choices = Choices::read(refresh, known).await?;
        let mut changes = Vec::new();
        for row in view.rows(&table.logical_name).await? {
            let Some(id) = row.id(&table.primary_id) else {
                continue;
            };
            let name = names.title(IomTable::PlatformConnectionReference, &row.value, id);
            let Some(wanted) = wanted_url(refresh, &choices, &row.value, url_column, &name)? else {
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
            let reader = RowReader::of(refresh, &table.entity_set, id, move |row: Option<&Row>| {
                Reading::of(row.map_or(Value::Null, |row| wiring(&row.value, &column)))
            });
            let fill = Fill::id(id)
                .value(wanted.clone())
                .owner(owner.as_ref().map(OwnerRow::bind))
                .acting_as(acting_as);
            let change = IomChange {
                key: format!("platform-reference/{id}"),
                name: format!("save system connection reference '{name}'"),
                before,
                after,
                request: REQUEST,
                by_hand: by_hand(&name, &wanted, owner.as_ref()),
                evidence:
                    "every system connection reference names the target's connection and owner"
                        .to_owned(),
                patience: Duration::from_mins(1),
            };
            changes.push(change.filled(refresh, reader, fill));
        }
        Ok(changes)
    }

    async fn notes(&self, known: &Known) -> Result<Vec<String>, Failure> {
        let refresh = &self.0;
        let mut notes = unused_choices(refresh, known).await?;
        let by_hand = refresh.runbook.iom.request(REQUEST);
        if !matches!(by_hand, RequestBinding::Guided) {
            notes.push(
                "whoever opens the IOM app first is asked to allow its permissions: nothing that can \
                 be read shows whether it was done"
                    .to_owned(),
            );
        }
        Ok(notes)
    }
}

/// The URL that a platform reference shall have; none where nothing says which connection.
fn wanted_url(
    refresh: &Refresh,
    choices: &Choices,
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
    let connection = choices.connection(refresh, choice, &connector)?;
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

fn by_hand(name: &str, url: &str, owner: Option<&OwnerRow>) -> Vec<String> {
    vec![
        "open the IOM app; when it asks, allow its permissions".to_owned(),
        "IOM app > Core settings > Admin home > Connection references".to_owned(),
        format!(
            "open '{name}', set the connection URL to {url}, save it{}",
            OwnerRow::told(owner)
        ),
    ]
}
