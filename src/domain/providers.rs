//! Providers, their definitions and their actions.
//!
//! A definition of the library survives the reinstallation and is the join from an old action to
//! its new one; names are not safe: they change on reinstallation, and occur twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use uuid::Uuid;

use super::RefreshContext;
use super::names::{Fields, Names, is_labelled, text};
use super::originals::RequireOriginals;
use super::seals::{self, Part};
use super::view::View;
use crate::clients::Query;
use crate::engine::{CaptureSource, Failure, JournalView, ListedRow, Listing};
use crate::runbook::{IomColumn, IomTable, Keyword as _};

/// The tables that a catalogue is read from.
pub(crate) const TABLES: [IomTable; 4] = [
    IomTable::Provider,
    IomTable::ProviderDefinition,
    IomTable::LogicDefinition,
    IomTable::ProviderAction,
];

/// Those of them that hold the library.
pub(crate) const LIBRARY: [IomTable; 2] = [IomTable::ProviderDefinition, IomTable::LogicDefinition];

/// The logic type of a provider action (Microsoft Learn, *Create a new provider*).
const PROVIDER_ACTION: i64 = 192_350_001;

/// An installed provider.
#[derive(Clone, Debug)]
pub(crate) struct Provider {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) definition: Option<Uuid>,
    pub(crate) active: bool,
}

/// An entry of the library.
#[derive(Clone, Debug)]
pub(crate) struct ProviderDefinition {
    pub(crate) id: Uuid,
    pub(crate) logical_name: String,
    pub(crate) name: String,
    pub(crate) active: bool,
}

/// A flow that a definition carries.
#[derive(Clone, Debug)]
pub(crate) struct LogicDefinition {
    pub(crate) logical_name: String,
    pub(crate) definition: Option<Uuid>,
    pub(crate) is_action: bool,
}

/// What an orchestration's tile points to.
#[derive(Clone, Debug)]
pub(crate) struct ProviderAction {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) provider: Option<Uuid>,
    pub(crate) logic: Option<Uuid>,
}

/// Providers, definitions, logic definitions and actions of one environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalogue {
    pub(crate) providers: BTreeMap<Uuid, Provider>,
    pub(crate) definitions: BTreeMap<Uuid, ProviderDefinition>,
    pub(crate) logic: BTreeMap<Uuid, LogicDefinition>,
    pub(crate) actions: BTreeMap<Uuid, ProviderAction>,
    /// The versions of the providers' rows, if the service gave them.
    pub(crate) versions: BTreeMap<Uuid, String>,
}

impl Catalogue {
    /// Reads it from an environment.
    pub(crate) async fn read(refresh: &RefreshContext, view: View<'_>) -> Result<Self, Failure> {
        Self::default().reread(refresh, view, &TABLES).await
    }

    /// The same with some tables read again: a library does not change while instances are deleted
    /// and installed.
    pub(crate) async fn reread(
        &self,
        refresh: &RefreshContext,
        view: View<'_>,
        tables: &[IomTable],
    ) -> Result<Self, Failure> {
        let names = &refresh.names;
        let mut catalogue = self.clone();
        let rows = tables.iter().map(|table| rows_of(refresh, view, *table));
        for (table, rows) in tables.iter().zip(try_join_all(rows).await?) {
            match table {
                IomTable::Provider => catalogue.providers.clear(),
                IomTable::ProviderDefinition => catalogue.definitions.clear(),
                IomTable::LogicDefinition => catalogue.logic.clear(),
                IomTable::ProviderAction => catalogue.actions.clear(),
                _ => continue,
            }
            for (id, row) in rows {
                catalogue.add(names, *table, id, &row)?;
            }
        }
        Ok(catalogue)
    }

    /// The library alone.
    pub(crate) fn library(&self) -> Self {
        Self {
            definitions: self.definitions.clone(),
            logic: self.logic.clone(),
            ..Self::default()
        }
    }

    /// Reads it from a seal.
    pub(crate) fn sealed(
        names: &Names,
        journal: &JournalView,
        part: Part,
    ) -> Result<Self, Failure> {
        let mut catalogue = Self::sealed_whole(names, journal, part)?;
        // Steps opened again for one provider see no other: only its rows are old, and the rest
        // stays as it is.
        if let Some(again) = journal
            .reinstalled_definition()
            .filter(|_| part.seal() != seals::BEFORE_COPY)
        {
            catalogue.keep_only(again);
        }
        Ok(catalogue)
    }

    /// The same with every provider, even if steps were opened again for one.
    pub(crate) fn sealed_whole(
        names: &Names,
        journal: &JournalView,
        part: Part,
    ) -> Result<Self, Failure> {
        let mut catalogue = Self::default();
        for table in TABLES {
            for (id, row) in seals::rows(journal, part, table.keyword()) {
                catalogue.add(names, table, id, &row)?;
            }
        }
        Ok(catalogue)
    }

    fn add(
        &mut self,
        names: &Names,
        table: IomTable,
        id: Uuid,
        row: &Fields,
    ) -> Result<(), Failure> {
        let name = names.title(table, row, id);
        match table {
            IomTable::Provider => {
                let definition = names.lookup(row, IomColumn::ProviderDefinition)?;
                let active = is_labelled(row, "statuscode", "Active");
                if let Some(version) = text(row, "@odata.etag") {
                    self.versions.insert(id, version);
                }
                self.providers.insert(
                    id,
                    Provider {
                        id,
                        name,
                        definition,
                        active,
                    },
                );
            }
            IomTable::ProviderDefinition => {
                let logical_name = names
                    .text(row, IomColumn::ProviderDefinitionLogicalName)?
                    .unwrap_or_else(|| id.to_string());
                let active = names
                    .optional(IomColumn::ProviderDefinitionIsActive)
                    .and_then(|column| row.get(column)?.as_bool())
                    .unwrap_or(true);
                self.definitions.insert(
                    id,
                    ProviderDefinition {
                        id,
                        logical_name,
                        name,
                        active,
                    },
                );
            }
            IomTable::LogicDefinition => {
                let logical_name = match names.optional(IomColumn::LogicDefinitionLogicalName) {
                    Some(column) => text(row, column).unwrap_or_else(|| id.to_string()),
                    None => name,
                };
                let definition = names.lookup(row, IomColumn::LogicDefinitionDefinition)?;
                let kind = names
                    .optional(IomColumn::LogicDefinitionLogicType)
                    .and_then(|column| row.get(column)?.as_i64());
                let is_action = kind == Some(PROVIDER_ACTION);
                self.logic.insert(
                    id,
                    LogicDefinition {
                        logical_name,
                        definition,
                        is_action,
                    },
                );
            }
            IomTable::ProviderAction => {
                let provider = names.lookup(row, IomColumn::ProviderActionProvider)?;
                let logic = names.lookup(row, IomColumn::ProviderActionLogicDefinition)?;
                self.actions.insert(
                    id,
                    ProviderAction {
                        id,
                        name,
                        provider,
                        logic,
                    },
                );
            }
            _ => {}
        }
        Ok(())
    }

    /// Forgets every provider but those of one definition, and the actions of the others.
    fn keep_only(&mut self, definition: &str) {
        let definitions = &self.definitions;
        self.providers.retain(|_, provider| {
            let of = provider.definition.and_then(|id| definitions.get(&id));
            of.is_some_and(|found| found.logical_name.eq_ignore_ascii_case(definition))
        });
        let providers = &self.providers;
        self.actions.retain(|_, action| {
            action
                .provider
                .is_some_and(|id| providers.contains_key(&id))
        });
    }

    /// The version of a provider's row, if the service gave it.
    pub(crate) fn version(&self, provider: Uuid) -> Option<String> {
        self.versions.get(&provider).cloned()
    }

    /// The ids of all installed providers.
    pub(crate) fn provider_ids(&self) -> BTreeSet<Uuid> {
        self.providers.keys().copied().collect()
    }

    /// Every action's name, by id.
    pub(crate) fn action_names(&self) -> BTreeMap<Uuid, String> {
        self.actions
            .values()
            .map(|action| (action.id, action.name.clone()))
            .collect()
    }

    /// The definition of a provider, if both are known.
    pub(crate) fn definition_of(&self, provider: &Provider) -> Option<&ProviderDefinition> {
        self.definitions.get(&provider.definition?)
    }

    /// The definition whose instance has this action.
    pub(crate) fn definition_of_action(&self, action: Uuid) -> Option<&ProviderDefinition> {
        let action = self.actions.get(&action)?;
        let by_logic = action.logic.and_then(|id| self.logic.get(&id)?.definition);
        let by_provider = || self.providers.get(&action.provider?)?.definition;
        self.definitions.get(&by_logic.or_else(by_provider)?)
    }

    /// What an action is, in words that survive a reinstallation: `definition/logic definition`.
    pub(crate) fn described_by_logic(&self, action: Uuid) -> Option<String> {
        let action = self.actions.get(&action)?;
        let logic = self.logic.get(&action.logic?)?;
        let definition = self.definitions.get(&logic.definition?)?;
        Some(format!(
            "{}/{}",
            definition.logical_name, logic.logical_name
        ))
    }

    /// The same; of an action that does not say its logic definition `definition/'name'`.
    pub(crate) fn described(&self, action: Uuid) -> Option<String> {
        self.described_by_logic(action).or_else(|| {
            let definition = self.definition_of_action(action)?;
            let name = &self.actions.get(&action)?.name;
            Some(format!("{}/'{name}'", definition.logical_name))
        })
    }

    /// The logical names of the actions that an instance of this definition must have.
    pub(crate) fn expected_actions(&self, definition: Uuid) -> BTreeSet<String> {
        self.logic
            .values()
            .filter(|logic| logic.is_action && logic.definition == Some(definition))
            .map(|logic| logic.logical_name.clone())
            .collect()
    }

    /// The logical names of the actions that this provider has.
    pub(crate) fn actions_of(&self, provider: Uuid) -> BTreeSet<String> {
        self.actions
            .values()
            .filter(|action| action.provider == Some(provider))
            .filter_map(|action| Some(self.logic.get(&action.logic?)?.logical_name.clone()))
            .collect()
    }

    /// The instance of a definition that is not an old one.
    pub(crate) fn new_instance(&self, definition: Uuid, old: &BTreeSet<Uuid>) -> Option<&Provider> {
        let mut found: Vec<&Provider> = self
            .providers
            .values()
            .filter(|p| p.definition == Some(definition) && !old.contains(&p.id))
            .collect();
        found.sort_by_key(|provider| !provider.active);
        found.first().copied()
    }
}

/// The rows of one of the catalogue's tables: of the target only the columns that a catalogue
/// needs, because a logic definition holds a whole flow. A forecast's list is read once, for all.
async fn rows_of(
    refresh: &RefreshContext,
    view: View<'_>,
    table: IomTable,
) -> Result<BTreeMap<Uuid, Fields>, Failure> {
    let names = &refresh.names;
    let View::AsIs(target) = view else {
        return view.by_id(names.table(table)).await;
    };
    let found = view.table(names.table(table)).await?;
    let lookups: &[IomColumn] = match table {
        IomTable::Provider => &[IomColumn::ProviderDefinition],
        IomTable::LogicDefinition => &[IomColumn::LogicDefinitionDefinition],
        IomTable::ProviderAction => &[
            IomColumn::ProviderActionProvider,
            IomColumn::ProviderActionLogicDefinition,
        ],
        _ => &[],
    };
    let values: &[IomColumn] = match table {
        IomTable::ProviderDefinition => &[
            IomColumn::ProviderDefinitionLogicalName,
            IomColumn::ProviderDefinitionIsActive,
        ],
        IomTable::LogicDefinition => &[
            IomColumn::LogicDefinitionLogicalName,
            IomColumn::LogicDefinitionLogicType,
        ],
        _ => &[],
    };
    let has = |column: &&str| found.has_column(column);
    let of = |column: &IomColumn| names.optional(*column);
    let lookups = lookups.iter().filter_map(of).filter(has);
    let values = values.iter().filter_map(of);
    let values = values.chain(["statuscode", names.title_column(table)]);
    let mut columns: Vec<String> = lookups.map(|column| format!("_{column}_value")).collect();
    columns.extend(values.filter(has).map(str::to_owned));
    columns.push(found.primary_id.clone());
    columns.sort_unstable();
    columns.dedup();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let query = Query::new()
        .order_by(&found.primary_id)
        .select(&columns)
        .annotated();
    let rows = target.list(&found.entity_set, &query).await?;
    let rows = rows.into_iter();
    Ok(rows
        .filter_map(|row| Some((row.id(&found.primary_id)?, row.value)))
        .collect())
}

/// Every row of one of IOM's tables, verbatim; none if the tenant has no such table.
async fn captured(
    refresh: &RefreshContext,
    view: View<'_>,
    table: IomTable,
) -> Result<Vec<ListedRow>, Failure> {
    let logical_name = refresh.names.table(table);
    let Some(found) = view.optional_table(logical_name).await? else {
        return Ok(Vec::new());
    };
    let rows = view.rows(logical_name).await?;
    Ok(seals::to_captures(table.keyword(), &found.primary_id, rows))
}

/// The capture of some of IOM's tables.
pub(crate) struct TableCapture {
    pub(crate) refresh: Arc<RefreshContext>,
    pub(crate) seal: &'static str,
    pub(crate) tables: &'static [IomTable],
    /// Refuses rows that are not the originals any more.
    pub(crate) require_originals: RequireOriginals,
}

#[async_trait]
impl CaptureSource for TableCapture {
    fn seal(&self) -> &'static str {
        self.seal
    }

    async fn list(&self, journal: &JournalView) -> Result<Listing, Failure> {
        let view = self.refresh.view(journal);
        let refresh = &self.refresh;
        let lists = self
            .tables
            .iter()
            .map(|table| captured(refresh, view, *table));
        let lists = try_join_all(lists).await?;
        let rows: Vec<ListedRow> = lists.into_iter().flatten().collect();
        (self.require_originals)(&refresh.names, journal, &rows)?;
        Ok(rows.into_iter().collect())
    }
}
