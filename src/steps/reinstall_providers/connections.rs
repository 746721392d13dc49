//! The connection references of new instances: URL and owner, then active.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::settings::missing;
use super::{Old, status_of};
use crate::clients::Row;
use crate::domain::connections::choices::Choices;
use crate::domain::connections::{
    OwnerRow, acting_as, choice, connection_url, connector_of_url, leads_into, owner, owner_of,
};
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::{Fields, Names, is_labelled, text};
use crate::domain::providers::{Catalogue, Provider};
use crate::domain::tenant_set::RowReader;
use crate::domain::view::View;
use crate::domain::{Refresh, seals};
use crate::engine::{Change, Failure, Known, Reading, Survey};
use crate::runbook::{IomRequest, IomTable};

/// A provider's connection reference, as its row tells it.
struct Reference {
    id: Uuid,
    /// What people call it.
    title: String,
    provider: Option<Uuid>,
    definition: Option<Uuid>,
    url: Option<String>,
    owner: Option<String>,
    active: bool,
}

fn references(names: &Names, rows: Vec<(Uuid, Fields)>) -> Result<Vec<Reference>, Failure> {
    rows.into_iter()
        .map(|(id, row)| {
            Ok(Reference {
                id,
                title: names.title(IomTable::ProviderConnectionReference, &row, id),
                provider: names.lookup(&row, "provider-connection-reference.provider")?,
                definition: names.lookup(&row, "provider-connection-reference.definition")?,
                url: names.text(&row, "provider-connection-reference.connection-url")?,
                owner: owner_of(&row),
                active: is_labelled(&row, "statuscode", "Active"),
            })
        })
        .collect()
}

/// What connections of new instances are compared with: their own rows, the old ones, and what the
/// target had; and the connections that the runbook chose.
struct Wirings {
    current: Vec<Reference>,
    recorded: Vec<Reference>,
    target: BTreeMap<(String, String), String>,
    names: BTreeMap<Uuid, String>,
    choices: Choices,
}

impl Wirings {
    async fn read(refresh: &Refresh, known: &Known, view: View<'_>) -> Result<Self, Failure> {
        let names = Names::of(refresh);
        let word = "provider-connection-reference";
        let rows = view
            .by_id(names.table(IomTable::ProviderConnectionReference))
            .await?;
        let current = references(names, rows.into_iter().collect())?;
        let recorded = references(names, seals::rows(known, seals::PROVIDERS, word))?;
        let column = names.column("provider-definition-connection-reference.logical-name")?;
        let logical = |seal: &str, prefix: &str| -> BTreeMap<Uuid, String> {
            seals::rows(
                known,
                seal,
                &format!("{prefix}provider-definition-connection-reference"),
            )
            .into_iter()
            .filter_map(|(id, row)| Some((id, text(&row, column)?)))
            .collect()
        };
        let before = Catalogue::sealed(refresh, known, seals::BEFORE_COPY, "target/")?;
        let target_names = logical(seals::BEFORE_COPY, "target/");
        let mut target = BTreeMap::new();
        for reference in references(
            names,
            seals::rows(known, seals::BEFORE_COPY, &format!("target/{word}")),
        )? {
            let provider = reference.provider.and_then(|id| before.providers.get(&id));
            let definition = provider.and_then(|provider| before.definition_of(provider));
            let name = reference.definition.and_then(|id| target_names.get(&id));
            if let (Some(definition), Some(name), Some(url)) = (definition, name, reference.url) {
                target.insert((definition.logical_name.clone(), name.clone()), url);
            }
        }
        Ok(Self {
            current,
            recorded,
            target,
            names: logical(seals::PROVIDERS, ""),
            choices: Choices::read(refresh, known).await?,
        })
    }

    /// The references of a new instance with the old ones they replace and their logical names.
    fn of<'a>(
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
                let name = old.definition.and_then(|id| self.names.get(&id)).cloned();
                (old, new, name.unwrap_or_else(|| old.id.to_string()))
            })
            .collect()
    }

    /// The URL that a new reference shall have: the runbook's connection, else what the target had.
    fn wanted(
        &self,
        refresh: &Refresh,
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
        if let Some(choice) = choice(&refresh.runbook, Some(section), name, &connector) {
            let connection = self.choices.connection(refresh, choice, &connector)?;
            if let Some(url) = connection_url(template, refresh.target_id(), &connection) {
                return Ok(url);
            }
        }
        let kept = self.target.get(&(definition.to_owned(), name.to_owned()));
        if let Some(url) = kept.filter(|url| leads_into(url, refresh.target_id())) {
            return Ok(url.clone());
        }
        Err(Failure::failed(format!(
            "nothing says which connection '{name}' of provider '{definition}' shall have"
        ))
        .with_help(format!(
            "add `{}: <connection id>` under `connections` of reinstall-providers",
            if connector.is_empty() {
                name
            } else {
                &connector
            }
        ))
        .lasting())
    }
}

pub(super) struct Connections(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for Connections {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let old = Old::of(refresh, known)?;
        let view = refresh.view(known);
        let now = Catalogue::read(refresh, view).await?;
        let names = Names::of(refresh);
        let table = view
            .table(names.table(IomTable::ProviderConnectionReference))
            .await?;
        let column = names.column("provider-connection-reference.connection-url")?;
        let wirings = Wirings::read(refresh, known, view).await?;
        let owner = owner(refresh, view).await?;
        let mut changes = Vec::new();
        for (replaced, definition, instance) in old.instances(&now) {
            for (recorded, new, name) in wirings.of(replaced, instance) {
                if let Some(instance) = instance
                    && new.is_none()
                {
                    return Err(missing("connection reference", &name, &instance.name));
                }
                let wanted = wirings.wanted(refresh, &definition.logical_name, &name, recorded)?;
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
                let told = OwnerRow::told(owner.as_ref());
                let fill = Fill::id(id)
                    .value(wanted.clone())
                    .owner(owner.as_ref().map(OwnerRow::bind));
                let reader =
                    RowReader::of(refresh, &table.entity_set, id, move |row: Option<&Row>| {
                        Reading::of(row.map_or(Value::Null, |row| {
                            shown(row.string(&column), owner_of(&row.value).as_deref())
                        }))
                    });
                let change = IomChange {
                    key: format!("provider/new/{definition}/connection/{name}"),
                    name: format!("connect '{name}' of the new provider '{definition}'"),
                    before,
                    after,
                    request: IomRequest::SaveProviderConnectionReference,
                    by_hand: vec![format!(
                        "IOM app > Providers > Installed > '{provider}' > connection '{title}': \
                         set the URL to {wanted}, save it{told}"
                    )],
                    evidence: "every provider connection reference names the target's connection \
                               and owner"
                        .to_owned(),
                    patience: Duration::from_mins(1),
                };
                changes.push(change.filled(refresh, reader, fill));
            }
        }
        Ok(changes)
    }
}

pub(super) struct ActivateConnections(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for ActivateConnections {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let old = Old::of(refresh, known)?;
        let view = refresh.view(known);
        let now = Catalogue::read(refresh, view).await?;
        let table = view
            .table(Names::of(refresh).table(IomTable::ProviderConnectionReference))
            .await?;
        let wirings = Wirings::read(refresh, known, view).await?;
        // Whoever activates a reference must be allowed to use its connection.
        let acting_as = acting_as(refresh, view).await?;
        let mut changes = Vec::new();
        for (replaced, definition, instance) in old.instances(&now) {
            for (_, new, name) in wirings.of(replaced, instance) {
                if new.is_some_and(|new| new.active) {
                    continue;
                }
                let id = new.map_or(Uuid::nil(), |new| new.id);
                let provider = instance.map_or(&replaced.name, |instance| &instance.name);
                let title = new.map_or(&name, |new| &new.title);
                let definition = &definition.logical_name;
                let change = IomChange {
                    key: format!("provider/new/{definition}/connection/{name}/activate"),
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
                    patience: Duration::from_mins(5),
                };
                let reader = RowReader::of(refresh, &table.entity_set, id, status_of);
                let fill = Fill::id(id).acting_as(acting_as);
                changes.push(change.filled(refresh, reader, fill));
            }
        }
        Ok(changes)
    }
}
