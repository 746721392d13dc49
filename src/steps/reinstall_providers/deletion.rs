//! Phase `delete`: deletes the old providers, and waits until their actions are gone too.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::try_join;
use uuid::Uuid;

use super::cascades::deletes_rows_of;
use super::leftovers::leftovers;
use super::old_providers::OldProviders;
use super::shared_readings::Shared;
use crate::base::sync::lock;
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::lost_providers::{deletion_name, why_lost};
use crate::domain::names::Fields;
use crate::domain::row_changes::{Reader, is_whole_row, surveyed};
use crate::domain::seals::Part;
use crate::domain::view::View;
use crate::domain::{RefreshContext, keys, sealed_row, seals};
use crate::engine::{Action, Barrier, Change, Failure, JournalView, Maker, Reading, Survey};
use crate::runbook::{IomColumn, IomRequest, IomTable, Keyword as _};

/// Finds the old providers that are still installed.
pub(super) struct Delete {
    shared: Arc<Shared>,
    /// When this process first found actions of a deleted provider, by its clock.
    found_actions: Mutex<Option<Duration>>,
}

/// How long the actions of a deleted provider may take to go.
const SETTLE_TIMEOUT: Duration = Duration::from_mins(10);

impl Delete {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            found_actions: Mutex::default(),
        }
    }
}

#[async_trait]
impl Survey for Delete {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.shared.refresh;
        let view = refresh.view(journal);
        let provider_table = refresh.names.table(IomTable::Provider);
        let old = OldProviders::recorded(refresh, journal)?;
        let (present, cascades) = try_join!(
            self.shared.read_again(journal, &[IomTable::Provider]),
            self.shared.cascades(journal),
        )?;
        let rows: BTreeMap<Uuid, &Fields> = present.rows(IomTable::Provider).collect();
        let table = view.table(provider_table).await?;
        let sealed = seals::fields_by_id(journal, Part::Providers, IomTable::Provider.keyword());
        let actions = refresh.names.table(IomTable::ProviderAction);
        let deletes_actions = deletes_rows_of(&cascades, actions);
        let providers = present.now.providers.values();
        let installed = providers.filter(|provider| old.ids.contains(&provider.id));
        let choice = refresh.runbook.steps.provider_choice();
        let is_immediate = Arc::new(AtomicBool::default());
        let changes: Vec<Change> = installed
            .map(|provider| {
                let (id, name) = (provider.id, &provider.name);
                let recorded = old.catalogue.providers.get(&id).unwrap_or(provider);
                let why = why_lost(choice, recorded, old.catalogue.definition_of(recorded));
                let sealed = sealed.get(&id).cloned().unwrap_or_default();
                let row = rows.get(&id).copied();
                let before = row.map_or_else(
                    || json!({ INSTALLED: true }),
                    |row| sealed_row::compare(INSTALLED, &sealed, row),
                );
                let reader = DeletionReader {
                    refresh: Arc::clone(refresh),
                    entity_set: table.entity_set.clone(),
                    id,
                    deletes_actions,
                    sealed,
                    surveyed: row.and_then(|row| surveyed(&table, &before, row)),
                    is_immediate: Arc::clone(&is_immediate),
                    shows_pace: !deletes_actions || !present.now.actions_of(id).is_empty(),
                    is_confirmed: AtomicBool::default(),
                };
                let change = IomChange {
                    key: keys::provider_delete(id),
                    name: deletion_name(name, why.as_deref()),
                    before,
                    after: Value::Null,
                    request: IomRequest::DeleteProvider,
                    by_hand: vec![format!(
                        "IOM app > Providers > Installed > '{name}': delete it"
                    )],
                    evidence: "none of the listed providers is left".to_owned(),
                    settle_timeout: SETTLE_TIMEOUT,
                }
                .filled(refresh, Arc::new(reader), Fill::id(id));
                let action = match change.action {
                    Action::Set(set) => Action::Remove {
                        set,
                        seal: seals::PROVIDERS,
                        captured: Part::Providers
                            .key(&format!("{}/{id}", IomTable::Provider.keyword())),
                        sealed: json!({ INSTALLED: true }),
                    },
                    other => other,
                };
                Change { action, ..change }
            })
            .collect();
        self.shared.hand_on(journal, &changes, &present);
        Ok(changes)
    }

    /// The actions of a deleted provider may go some time after it. Those that stay are left to a
    /// person; see phase `leftovers`.
    async fn barrier(&self, journal: &JournalView) -> Result<Barrier, Failure> {
        let refresh = &self.shared.refresh;
        let (old, present) = self.shared.old_and_present(journal, &[]).await?;
        let is_ours = |provider: &Uuid| {
            journal.maker(&keys::provider_delete(*provider)) == Some(Maker::Program)
        };
        let mut left = leftovers(&old.catalogue, &present.now);
        left.retain(|id| {
            let action = old.catalogue.actions.get(id);
            action
                .and_then(|action| action.provider)
                .is_some_and(|id| is_ours(&id))
        });
        let actions = refresh.names.table(IomTable::ProviderAction);
        if !left.is_empty() && deletes_rows_of(&self.shared.cascades(journal).await?, actions) {
            let now = refresh.clock.elapsed();
            let since = *lock(&self.found_actions).get_or_insert(now);
            if now.saturating_sub(since) < SETTLE_TIMEOUT {
                let left = match left.len() {
                    1 => "an action of a deleted provider is".to_owned(),
                    left => format!("{left} actions of deleted providers are"),
                };
                return Ok(Barrier::Holds(format!("{left} still there")));
            }
        }
        self.shared.hand_on(journal, &[], &present);
        Ok(Barrier::Passed)
    }
}

/// Reads whether a provider still exists, or any action that its deletion should delete too.
struct DeletionReader {
    refresh: Arc<RefreshContext>,
    entity_set: String,
    id: Uuid,
    deletes_actions: bool,
    /// The provider's row in the seal.
    sealed: Fields,
    /// What the survey read of the provider's row.
    surveyed: Option<Reading>,
    /// Was an earlier provider gone, with its actions, as soon as the service confirmed its
    /// deletion? Then the next ones are not waited for one by one: the phase's next survey and its
    /// barrier prove them all.
    is_immediate: Arc<AtomicBool>,
    /// Does this deletion show that? Not if the provider has no actions that go with it.
    shows_pace: bool,
    /// Has the service confirmed the deletion, and nothing been read since?
    is_confirmed: AtomicBool,
}

/// The member that says whether a provider exists.
const INSTALLED: &str = "installed";

#[async_trait]
impl Reader for DeletionReader {
    async fn read(&self) -> Result<Reading, Failure> {
        let refresh = &self.refresh;
        let view = View::AsIs(&refresh.target.dataverse);
        let row = async {
            let target = &refresh.target.dataverse;
            Ok::<_, Failure>(target.get(&self.entity_set, self.id, &[]).await?)
        };
        let (row, left) = try_join!(row, self.actions_left(view))?;
        if let Some(row) = row {
            let value = sealed_row::compare(INSTALLED, &self.sealed, &row.value);
            return Ok(Reading {
                value,
                etag: row.etag,
                basis: Value::Null,
            });
        }
        let is_first_look = self.is_confirmed.swap(false, Ordering::Relaxed);
        if is_first_look && self.shows_pace && left == 0 {
            self.is_immediate.store(true, Ordering::Relaxed);
        }
        Ok(Reading::of(if left == 0 {
            Value::Null
        } else {
            json!({ INSTALLED: false, "actions-left": left })
        }))
    }

    fn surveyed(&self) -> Option<Reading> {
        self.surveyed.clone()
    }

    fn deleted(&self, path: &str) -> Option<Value> {
        if !is_whole_row(path, &self.entity_set, self.id) {
            return None;
        }
        self.is_confirmed.store(true, Ordering::Relaxed);
        self.is_immediate
            .load(Ordering::Relaxed)
            .then_some(Value::Null)
    }
}

impl DeletionReader {
    /// How many actions are left that the deletion should delete too.
    async fn actions_left(&self, view: View<'_>) -> Result<usize, Failure> {
        if !self.deletes_actions {
            return Ok(0);
        }
        let names = &self.refresh.names;
        let table = view.table(names.table(IomTable::ProviderAction)).await?;
        let column = names.column(IomColumn::ProviderActionProvider)?;
        let filter = format!("_{column}_value eq {}", self.id);
        Ok(view.selected(&table, &[], Some(&filter)).await?.len())
    }
}
