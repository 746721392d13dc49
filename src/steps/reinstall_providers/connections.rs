//! Phases `connections` and `activate-connections`: the connection references of new instances.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::try_join;
use uuid::Uuid;

use super::instance_rows::{CONNECTION_REFERENCE, InstanceRow, InstanceRows, ValuesByName};
use super::old_providers::OldProviders;
use super::shared_readings::{Present, Shared, configuration};
use super::status_of;
use crate::clients::Row;
use crate::domain::connections::choices::Choices;
use crate::domain::connections::{
    OwnerRow, connection_url, connector_of_url, find_owner, is_in_environment, owner_id,
    reference_key,
};
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::{is_labelled, label};
use crate::domain::row_changes::{RowReader, surveyed};
use crate::domain::{RefreshContext, keys};
use crate::engine::{Change, Failure, FailureKind, JournalView, Reading, Survey};
use crate::runbook::{IomColumn, IomRequest, IomTable};

/// The connection references of the new instances, and what determines their connections.
struct References {
    rows: InstanceRows,
    /// The target's URLs before the copy.
    target_urls: ValuesByName,
    /// The connections that the runbook chose.
    choices: Choices,
    /// Is a provider reinstalled once more? Then the recorded URL is newer than the target's before
    /// the copy.
    is_again: bool,
}

impl References {
    fn select(
        refresh: &RefreshContext,
        journal: &JournalView,
        present: &Present,
        choices: Choices,
    ) -> Result<Self, Failure> {
        let (kind, names) = (&CONNECTION_REFERENCE, &refresh.names);
        Ok(Self {
            rows: InstanceRows::select(kind, names, journal, present)?,
            target_urls: kind.target_values(names, journal, |_| true)?,
            choices,
            is_again: journal.reinstalled_definition().is_some(),
        })
    }

    /// The URL that a new reference should have: with the runbook's connection, else the target's
    /// newest URL: the recorded one if the provider is reinstalled once more, else the one before the
    /// copy. The source's is never taken.
    fn desired_url(
        &self,
        refresh: &RefreshContext,
        definition: &str,
        name: &str,
        old: &InstanceRow,
    ) -> Result<String, Failure> {
        let template = old.value.as_deref().unwrap_or_default();
        let connector = connector_of_url(template).unwrap_or_default();
        let options = &refresh.runbook.steps.reinstall_providers.options;
        let section = Some(&options.connections);
        if let Some(chosen) = self.choices.find(refresh, section, name, &connector)?
            && let Some(url) = connection_url(template, refresh.target_id(), &chosen)
        {
            return Ok(url);
        }
        if self.is_again && is_in_environment(template, refresh.target_id()) {
            return Ok(template.to_owned());
        }
        let kept = self
            .target_urls
            .get(&(definition.to_owned(), name.to_owned()));
        if let Some((_, url)) = kept.filter(|(_, url)| is_in_environment(url, refresh.target_id()))
        {
            return Ok(url.clone());
        }
        Err(Failure::failed(format!(
            "'{name}' of provider '{definition}' has no connection: neither the runbook nor the \
             target before the copy names one"
        ))
        .with_help(format!(
            "add `{}: <connection id>` under `connections` of reinstall-providers",
            reference_key(name, &self.choices.custom.in_target(&connector))
        ))
        .permanent())
    }
}

/// Fails if a connection reference of a provider to be reinstalled would have no connection: the
/// source's is never taken.
pub(super) fn require_connections(
    refresh: &RefreshContext,
    journal: &JournalView,
    old: &OldProviders,
    present: &Present,
    choices: Choices,
) -> Result<(), Failure> {
    let references = References::select(refresh, journal, present, choices)?;
    for (replaced, definition, instance) in old.instances(&present.now) {
        for (recorded, _, name) in references.rows.of_instance(replaced, instance) {
            let definition = &definition.logical_name;
            let url = references.desired_url(refresh, definition, &name, recorded);
            url.map_err(|failure| match failure.kind {
                FailureKind::Failed => Failure {
                    help: failure
                        .help
                        .map(|help| format!("nothing was deleted; {help}")),
                    ..Failure::refused(failure.message)
                },
                _ => failure,
            })?;
        }
    }
    Ok(())
}

/// Finds the references of new instances with another URL or owner than they should have.
pub(super) struct Connections(pub(super) Arc<Shared>);

#[async_trait]
impl Survey for Connections {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0.refresh;
        let view = refresh.view(journal);
        let names = &refresh.names;
        let tables = configuration(journal);
        let ((old, present), table, choices, owner) = try_join!(
            self.0.old_and_present(journal, &tables),
            view.table(names.table(IomTable::ProviderConnectionReference)),
            Choices::read(refresh, journal),
            find_owner(refresh, view),
        )?;
        let references = References::select(refresh, journal, &present, choices)?;
        let column = names.column(IomColumn::ProviderConnectionReferenceConnectionUrl)?;
        let mut changes = Vec::new();
        for (replaced, definition, instance) in old.instances(&present.now) {
            for (recorded, new, name) in references.rows.of_instance(replaced, instance) {
                references.rows.require(&name, instance, new)?;
                let wanted =
                    references.desired_url(refresh, &definition.logical_name, &name, recorded)?;
                let owner_now = new.and_then(|new| owner_id(&new.fields));
                let wanted_owner = OwnerRow::id_or(owner.as_ref(), owner_now.clone());
                let shown = |url: Option<&str>, owner: Option<&str>| json!({ "connection": url, "owner": owner });
                let before = new.map_or(Value::Null, |new| {
                    shown(new.value.as_deref(), owner_now.as_deref())
                });
                let after = shown(Some(&wanted), wanted_owner.as_deref());
                if before == after {
                    continue;
                }
                let id = new.map_or(Uuid::nil(), |new| new.id);
                let (column, owner) = (column.to_owned(), owner.clone());
                let provider = instance.map_or(&replaced.name, |instance| &instance.name);
                let title = new.map_or(&name, |new| &new.title);
                let definition = &definition.logical_name;
                let set_owner = OwnerRow::instruction(owner.as_ref());
                let fill = Fill::id(id)
                    .value(wanted.clone())
                    .owner(owner.as_ref().map(OwnerRow::bind));
                let compared = move |row: Option<&Row>| {
                    Reading::of(row.map_or(Value::Null, |row| {
                        shown(row.string(&column), owner_id(&row.value).as_deref())
                    }))
                };
                let surveyed = new.and_then(|new| surveyed(&table, &before, &new.fields));
                let set = &table.entity_set;
                let reader = RowReader::of_surveyed(refresh, set, id, compared, surveyed);
                let change = IomChange {
                    key: keys::new_provider_connection(definition, &name),
                    name: format!("connect '{name}' of the new provider '{definition}'"),
                    before,
                    after,
                    request: IomRequest::SaveProviderConnectionReference,
                    by_hand: vec![format!(
                        "IOM app > Providers > Installed > '{provider}' > connection '{title}': \
                         save it with {set_owner}the URL {wanted}"
                    )],
                    evidence: "every provider connection reference names the target's connection \
                               and owner"
                        .to_owned(),
                    settle_timeout: Duration::from_mins(1),
                };
                changes.push(change.filled(refresh, reader, fill));
            }
        }
        self.0.hand_on(journal, &changes, &present);
        Ok(changes)
    }
}

/// Finds the references of new instances that are not active.
pub(super) struct ActivateConnections(pub(super) Arc<Shared>);

#[async_trait]
impl Survey for ActivateConnections {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0.refresh;
        let view = refresh.view(journal);
        let (kind, tables) = (&CONNECTION_REFERENCE, configuration(journal));
        // The user who activates a reference must be allowed to use its connection.
        let ((old, present), table, acting_as) = try_join!(
            self.0.old_and_present(journal, &tables),
            view.table(refresh.names.table(kind.table)),
            self.0.acting_user(journal),
        )?;
        let rows = InstanceRows::select(kind, &refresh.names, journal, &present)?;
        let mut changes = Vec::new();
        for (replaced, definition, instance) in old.instances(&present.now) {
            for (_, new, name) in rows.of_instance(replaced, instance) {
                if new.is_some_and(|new| is_labelled(&new.fields, "statuscode", "Active")) {
                    continue;
                }
                let id = new.map_or(Uuid::nil(), |new| new.id);
                let provider = instance.map_or(&replaced.name, |instance| &instance.name);
                let title = new.map_or(&name, |new| &new.title);
                let definition = &definition.logical_name;
                let before = new.and_then(|new| label(&new.fields, "statuscode"));
                let before = before.unwrap_or_else(|| "Incomplete".to_owned());
                let before = json!({ "status": before });
                let surveyed = new.and_then(|new| surveyed(&table, &before, &new.fields));
                let change = IomChange {
                    key: keys::new_provider_connection_activate(definition, &name),
                    name: format!(
                        "activate connection '{name}' of the new provider '{definition}'"
                    ),
                    before,
                    after: json!({ "status": "Active" }),
                    request: IomRequest::ActivateProviderConnectionReference,
                    by_hand: vec![format!(
                        "IOM app > Providers > Installed > '{provider}' > connection '{title}': \
                         activate it"
                    )],
                    evidence: "every provider connection reference is active".to_owned(),
                    settle_timeout: Duration::from_mins(5),
                };
                let set = &table.entity_set;
                let reader = RowReader::of_surveyed(refresh, set, id, status_of, surveyed);
                let fill = Fill::id(id).acting_as(acting_as);
                changes.push(change.filled(refresh, reader, fill));
            }
        }
        self.0.hand_on(journal, &changes, &present);
        Ok(changes)
    }
}
