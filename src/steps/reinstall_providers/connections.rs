//! Phases `connections` and `activate-connections`: the connection references of new instances.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::old::old_and_present;
use super::settings::missing_row;
use super::status_of;
use crate::clients::Row;
use crate::domain::connections::choices::Choices;
use crate::domain::connections::{
    OwnerRow, connection_url, connector_of_url, find_acting_user, find_choice, find_owner,
    is_in_environment, owner_id,
};
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::{Fields, Names, is_labelled, text};
use crate::domain::providers::{Catalogue, Provider};
use crate::domain::seals::Part;
use crate::domain::tenant_set::RowReader;
use crate::domain::view::View;
use crate::domain::{RefreshContext, keys, seals};
use crate::engine::{Change, Failure, JournalView, Reading, Survey};
use crate::runbook::{IomColumn, IomRequest, IomTable, Word as _};

/// The row of a provider's connection reference.
struct Reference {
    id: Uuid,
    /// Its display name.
    title: String,
    provider: Option<Uuid>,
    definition: Option<Uuid>,
    url: Option<String>,
    owner: Option<String>,
    active: bool,
}

fn parse_references(names: &Names, rows: Vec<(Uuid, Fields)>) -> Result<Vec<Reference>, Failure> {
    rows.into_iter()
        .map(|(id, row)| {
            Ok(Reference {
                id,
                title: names.title(IomTable::ProviderConnectionReference, &row, id),
                provider: names.lookup(&row, IomColumn::ProviderConnectionReferenceProvider)?,
                definition: names.lookup(&row, IomColumn::ProviderConnectionReferenceDefinition)?,
                url: names.text(&row, IomColumn::ProviderConnectionReferenceConnectionUrl)?,
                owner: owner_id(&row),
                active: is_labelled(&row, "statuscode", "Active"),
            })
        })
        .collect()
}

/// The connection references of the new instances, and what determines their connections.
struct References {
    /// The new instances' own.
    current: Vec<Reference>,
    /// Those of the old providers, from the seal.
    recorded: Vec<Reference>,
    /// The target's URLs before the copy, by definition and logical name.
    target_urls: BTreeMap<(String, String), String>,
    /// The logical names of the references' definitions.
    logical_names: BTreeMap<Uuid, String>,
    /// The connections that the runbook chose.
    choices: Choices,
}

impl References {
    async fn read(
        refresh: &RefreshContext,
        journal: &JournalView,
        view: View<'_>,
    ) -> Result<Self, Failure> {
        let names = &refresh.names;
        let word = IomTable::ProviderConnectionReference.word();
        let rows = view
            .by_id(names.table(IomTable::ProviderConnectionReference))
            .await?;
        let current = parse_references(names, rows.into_iter().collect())?;
        let recorded = parse_references(names, seals::rows(journal, Part::Providers, word))?;
        let column = names.column(IomColumn::ProviderDefinitionConnectionReferenceLogicalName)?;
        let logical_names = |part| -> BTreeMap<Uuid, String> {
            let table = IomTable::ProviderDefinitionConnectionReference;
            seals::rows(journal, part, table.word())
                .into_iter()
                .filter_map(|(id, row)| Some((id, text(&row, column)?)))
                .collect()
        };
        let before = Catalogue::sealed(&refresh.names, journal, Part::Target)?;
        let target_names = logical_names(Part::Target);
        let mut target_urls = BTreeMap::new();
        for reference in parse_references(names, seals::rows(journal, Part::Target, word))? {
            let provider = reference.provider.and_then(|id| before.providers.get(&id));
            let definition = provider.and_then(|provider| before.definition_of(provider));
            let name = reference.definition.and_then(|id| target_names.get(&id));
            if let (Some(definition), Some(name), Some(url)) = (definition, name, reference.url) {
                target_urls.insert((definition.logical_name.clone(), name.clone()), url);
            }
        }
        Ok(Self {
            current,
            recorded,
            target_urls,
            logical_names: logical_names(Part::Providers),
            choices: Choices::read(refresh, journal).await?,
        })
    }

    /// The old references of a provider, each with the new one and its logical name.
    fn of_instance<'a>(
        &'a self,
        replaced: &Provider,
        instance: Option<&Provider>,
    ) -> Vec<(&'a Reference, Option<&'a Reference>, String)> {
        self.recorded
            .iter()
            .filter(|old| old.provider == Some(replaced.id))
            .map(|old| {
                let new = instance.and_then(|instance| {
                    self.current
                        .iter()
                        .find(|r| r.provider == Some(instance.id) && r.definition == old.definition)
                });
                let name = old.definition.and_then(|id| self.logical_names.get(&id));
                let name = name.cloned();
                (old, new, name.unwrap_or_else(|| old.id.to_string()))
            })
            .collect()
    }

    /// The URL that a new reference should have: with the runbook's connection, else the target's
    /// URL before the copy.
    fn desired_url(
        &self,
        refresh: &RefreshContext,
        definition: &str,
        name: &str,
        old: &Reference,
    ) -> Result<String, Failure> {
        let template = old.url.as_deref().unwrap_or_default();
        let connector = connector_of_url(template).unwrap_or_default();
        let section = &refresh
            .runbook
            .steps
            .reinstall_providers
            .options
            .connections;
        if let Some(choice) = find_choice(&refresh.runbook, Some(section), name, &connector) {
            let connection = self.choices.connection(refresh, choice, &connector)?;
            if let Some(url) = connection_url(template, refresh.target_id(), &connection) {
                return Ok(url);
            }
        }
        let kept = self
            .target_urls
            .get(&(definition.to_owned(), name.to_owned()));
        if let Some(url) = kept.filter(|url| is_in_environment(url, refresh.target_id())) {
            return Ok(url.clone());
        }
        Err(Failure::failed(format!(
            "'{name}' of provider '{definition}' has no connection: neither the runbook nor the \
             target before the copy names one"
        ))
        .with_help(format!(
            "add `{}: <connection id>` under `connections` of reinstall-providers",
            if connector.is_empty() {
                name
            } else {
                &connector
            }
        ))
        .permanent())
    }
}

/// Finds the references of new instances with another URL or owner than they should have.
pub(super) struct Connections(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for Connections {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let (old, view, now) = old_and_present(refresh, journal).await?;
        let names = &refresh.names;
        let table = view
            .table(names.table(IomTable::ProviderConnectionReference))
            .await?;
        let column = names.column(IomColumn::ProviderConnectionReferenceConnectionUrl)?;
        let references = References::read(refresh, journal, view).await?;
        let owner = find_owner(refresh, view).await?;
        let mut changes = Vec::new();
        for (replaced, definition, instance) in old.instances(&now) {
            for (recorded, new, name) in references.of_instance(replaced, instance) {
                if let Some(instance) = instance
                    && new.is_none()
                {
                    return Err(missing_row("connection reference", &name, &instance.name));
                }
                let wanted =
                    references.desired_url(refresh, &definition.logical_name, &name, recorded)?;
                let wanted_owner = owner
                    .as_ref()
                    .map(|owner| owner.id.to_string())
                    .or_else(|| new.and_then(|new| new.owner.clone()));
                let shown = |url: Option<&str>, owner: Option<&str>| json!({ "connection": url, "owner": owner });
                let before = new.map_or(Value::Null, |new| {
                    shown(new.url.as_deref(), new.owner.as_deref())
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
                let reader =
                    RowReader::shared(refresh, &table.entity_set, id, move |row: Option<&Row>| {
                        Reading::of(row.map_or(Value::Null, |row| {
                            shown(row.string(&column), owner_id(&row.value).as_deref())
                        }))
                    });
                let change = IomChange {
                    key: keys::new_provider_connection(definition, &name),
                    name: format!("connect '{name}' of the new provider '{definition}'"),
                    before,
                    after,
                    request: IomRequest::SaveProviderConnectionReference,
                    by_hand: vec![format!(
                        "IOM app > Providers > Installed > '{provider}' > connection '{title}': \
                         set the URL to {wanted}, save it{set_owner}"
                    )],
                    evidence: "every provider connection reference names the target's connection \
                               and owner"
                        .to_owned(),
                    settle_timeout: Duration::from_mins(1),
                };
                changes.push(change.filled(refresh, reader, fill));
            }
        }
        Ok(changes)
    }
}

/// Finds the references of new instances that are not active.
pub(super) struct ActivateConnections(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for ActivateConnections {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let (old, view, now) = old_and_present(refresh, journal).await?;
        let table = view
            .table(refresh.names.table(IomTable::ProviderConnectionReference))
            .await?;
        let references = References::read(refresh, journal, view).await?;
        // The user who activates a reference must be allowed to use its connection.
        let acting_as = find_acting_user(refresh, view).await?;
        let mut changes = Vec::new();
        for (replaced, definition, instance) in old.instances(&now) {
            for (_, new, name) in references.of_instance(replaced, instance) {
                if new.is_some_and(|new| new.active) {
                    continue;
                }
                let id = new.map_or(Uuid::nil(), |new| new.id);
                let provider = instance.map_or(&replaced.name, |instance| &instance.name);
                let title = new.map_or(&name, |new| &new.title);
                let definition = &definition.logical_name;
                let change = IomChange {
                    key: keys::new_provider_connection_activate(definition, &name),
                    name: format!(
                        "activate connection '{name}' of the new provider '{definition}'"
                    ),
                    before: json!({ "status": "Incomplete" }),
                    after: json!({ "status": "Active" }),
                    request: IomRequest::ActivateProviderConnectionReference,
                    by_hand: vec![format!(
                        "IOM app > Providers > Installed > '{provider}' > connection '{title}': \
                         activate it"
                    )],
                    evidence: "every provider connection reference is active".to_owned(),
                    settle_timeout: Duration::from_mins(5),
                };
                let reader = RowReader::shared(refresh, &table.entity_set, id, status_of);
                let fill = Fill::id(id).acting_as(acting_as);
                changes.push(change.filled(refresh, reader, fill));
            }
        }
        Ok(changes)
    }
}
