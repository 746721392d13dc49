//! Phase `platform-references`: the rows that IOM's own form *Connection references* edits.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::try_join;

use super::compared_fields;
use crate::clients::Row;
use crate::domain::connections::choices::{Choices, unused_choices};
use crate::domain::connections::{
    OwnerRow, connection_url, connector_of_url, find_acting_user, find_owner, is_in_environment,
    owner_id, reference_key,
};
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::{Fields, text};
use crate::domain::row_changes::{RowReader, surveyed};
use crate::domain::{RefreshContext, keys};
use crate::engine::{Change, Failure, JournalView, Note, Reading, Survey};
use crate::runbook::{IomColumn, IomRequest, IomTable, RequestBinding};

/// The request that saves a row.
const REQUEST: IomRequest = IomRequest::SavePlatformConnectionReference;

/// Finds the rows that have another connection or owner than they should.
pub(super) struct PlatformReferences(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for PlatformReferences {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let names = &refresh.names;
        let view = refresh.view(journal);
        let url_column = names.column(IomColumn::PlatformConnectionReferenceConnectionUrl)?;
        let platform = names.table(IomTable::PlatformConnectionReference);
        let (table, rows, owner, acting_as, choices) = try_join!(
            view.table(platform),
            view.rows(platform),
            find_owner(refresh, view),
            find_acting_user(refresh, view),
            Choices::read(refresh, journal),
        )?;
        let mut changes = Vec::new();
        for row in rows {
            let Some(id) = row.id(&table.primary_id) else {
                continue;
            };
            let name = names.title(IomTable::PlatformConnectionReference, &row.value, id);
            let Some(wanted) = wanted_url(refresh, &choices, &row.value, url_column, &name)? else {
                continue;
            };
            if let Some((owner, name)) = owner_id(&row.value).zip(row.formatted("_ownerid_value")) {
                refresh.known_names.record(&owner, name);
            }
            let before = compared_fields(&row.value, url_column);
            let wanted_owner = OwnerRow::id_or(owner.as_ref(), owner_id(&row.value));
            let after = json!({ "connection": wanted, "owner": wanted_owner });
            if before == after {
                continue;
            }
            let column = url_column.to_owned();
            let compared = move |row: Option<&Row>| {
                Reading::of(row.map_or(Value::Null, |row| compared_fields(&row.value, &column)))
            };
            let surveyed = surveyed(&table, &before, &row.value);
            let set = &table.entity_set;
            let reader = RowReader::of_surveyed(refresh, set, id, compared, surveyed);
            let fill = Fill::id(id)
                .value(wanted.clone())
                .owner(owner.as_ref().map(OwnerRow::bind))
                .acting_as(acting_as);
            let change = IomChange {
                key: keys::platform_reference(id),
                name: format!("save system connection reference '{name}'"),
                before,
                after,
                request: REQUEST,
                by_hand: vec![format!(
                    "open '{name}': save it with {}the connection URL {wanted}",
                    OwnerRow::instruction(owner.as_ref())
                )],
                evidence:
                    "every system connection reference names the target's connection and owner"
                        .to_owned(),
                settle_timeout: Duration::from_mins(1),
            };
            changes.push(change.filled(refresh, reader, fill).with_advice(PREFACE));
        }
        Ok(changes)
    }

    async fn notes(&self, journal: &JournalView) -> Result<Vec<Note>, Failure> {
        let refresh = &self.0;
        let unused = unused_choices(refresh, journal).await?;
        let mut notes: Vec<Note> = unused.into_iter().map(Note::from).collect();
        if !matches!(refresh.runbook.iom.request(REQUEST), RequestBinding::Guided) {
            notes.push(Note::new(
                "whether the IOM app has its permissions cannot be read",
                "open the app once: it asks its first user to allow them",
            ));
        }
        Ok(notes)
    }
}

/// The URL that a platform reference should have; none if the runbook names no connection and
/// the reference already points to the target.
fn wanted_url(
    refresh: &RefreshContext,
    choices: &Choices,
    row: &Fields,
    url_column: &str,
    name: &str,
) -> Result<Option<String>, Failure> {
    let Some(current) = text(row, url_column) else {
        return Ok(None);
    };
    let connector = connector_of_url(&current).unwrap_or_default();
    let Some(chosen) = choices.find(refresh, None, name, &connector)? else {
        if is_in_environment(&current, refresh.target_id()) {
            return Ok(None);
        }
        return Err(Failure::failed(format!(
            "system connection reference '{name}' points to another environment, and the runbook \
             names no connection for it"
        ))
        .with_help(format!(
            "add `{}: <connection id>` under `connections` of reconfigure-connections",
            reference_key(name, &choices.custom.in_target(&connector))
        ))
        .permanent());
    };
    connection_url(&current, refresh.target_id(), &chosen)
        .map(Some)
        .ok_or_else(|| {
            Failure::failed(format!(
                "system connection reference '{name}' has no valid URL"
            ))
            .with_help("open it in the IOM app, choose a connection and save it, then run again")
            .permanent()
        })
}

/// What a person does once, before the first reference.
const PREFACE: [&str; 2] = [
    "open the IOM app; when it asks, allow its permissions",
    "IOM app > Core settings > Admin home > Connection references",
];
