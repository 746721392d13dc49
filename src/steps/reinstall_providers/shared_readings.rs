//! The readings of the tenant that the surveys of this step pass on to each other.
//!
//! A survey that finds nothing left to do ends its phase, and the next phase begins at once. Nothing
//! was written in between, so the next survey uses the same reading, once, and reads only the tables
//! that it lacks. The deletion always uses its own reading.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::future::try_join_all;
use tokio::{join, try_join};
use uuid::Uuid;

use super::cascades::{Cascade, read_cascades};
use super::old_providers::OldProviders;
use crate::base::sync::lock;
use crate::domain::RefreshContext;
use crate::domain::connections::choices::Choices;
use crate::domain::connections::find_acting_user;
use crate::domain::names::Fields;
use crate::domain::providers::{Catalogue, LIBRARY, TABLES};
use crate::domain::seals::{self, Part};
use crate::engine::{Change, Failure, JournalView};
use crate::runbook::{IomTable, Keyword as _};

/// The tables whose rows belong to a new instance.
const OF_INSTANCES: [IomTable; 3] = [
    IomTable::ProviderParameter,
    IomTable::ProviderTransformation,
    IomTable::ProviderConnectionReference,
];

/// What a survey has read.
#[derive(Clone)]
pub(super) struct Present {
    /// The providers, their actions, and the library.
    pub(super) now: Catalogue,
    /// The rows of other tables.
    rows: BTreeMap<IomTable, BTreeMap<Uuid, Fields>>,
}

impl Present {
    /// The rows of a table that the survey asked for.
    pub(super) fn rows(&self, table: IomTable) -> impl Iterator<Item = (Uuid, &Fields)> {
        let rows = self.rows.get(&table).into_iter().flatten();
        rows.map(|(id, row)| (*id, row))
    }
}

/// What the phases of this step share.
pub(super) struct Shared {
    pub(super) refresh: Arc<RefreshContext>,
    latest: Mutex<Latest>,
}

/// What the surveys have read so far.
#[derive(Default)]
struct Latest {
    /// What the last survey handed on.
    present: Option<Arc<Present>>,
    /// The library, which does not change while instances are deleted and installed.
    library: Option<Catalogue>,
    acting_as: Option<ActingUser>,
    /// What a deletion does to rows: metadata, which stays what it is.
    cascades: Option<Arc<[Cascade]>>,
    /// The runbook's choices, read ahead for the next phase that needs them.
    choices: Option<Choices>,
}

/// The user that requests are sent as, if the runbook names one.
#[derive(Clone, Copy)]
struct ActingUser(Option<Uuid>);

impl Shared {
    pub(super) fn new(refresh: &Arc<RefreshContext>) -> Arc<Self> {
        Arc::new(Self {
            refresh: Arc::clone(refresh),
            latest: Mutex::default(),
        })
    }

    /// Forgets everything that was read: the step, or its plan, begins.
    pub(super) fn forget(&self) {
        *lock(&self.latest) = Latest::default();
    }

    /// The providers of the seal, and what the tenant has now: as the last survey handed it on, or
    /// read again. Takes the tables that are needed in addition to the providers.
    pub(super) async fn old_and_present(
        &self,
        journal: &JournalView,
        tables: &[IomTable],
    ) -> Result<(OldProviders, Arc<Present>), Failure> {
        let old = OldProviders::recorded(&self.refresh, journal)?;
        let handed_on = lock(&self.latest).present.take();
        let Some(mut present) = handed_on else {
            return Ok((old, self.read_again(journal, tables).await?));
        };
        let missing = tables.iter().copied();
        let missing: Vec<_> = missing
            .filter(|table| !present.rows.contains_key(table))
            .collect();
        if !missing.is_empty() {
            let rows = self.rows(journal, &missing).await?;
            Arc::make_mut(&mut present).rows.extend(rows);
        }
        Ok((old, present))
    }

    /// What the tenant has now, read again.
    pub(super) async fn read_again(
        &self,
        journal: &JournalView,
        tables: &[IomTable],
    ) -> Result<Arc<Present>, Failure> {
        let refresh = &self.refresh;
        let library = lock(&self.latest).library.clone();
        let of_catalogue: Vec<IomTable> = TABLES
            .into_iter()
            .filter(|table| library.is_none() || !LIBRARY.contains(table))
            .collect();
        let before = library.unwrap_or_default();
        let (now, rows) = try_join!(
            before.reread(refresh, refresh.view(journal), &of_catalogue),
            self.rows(journal, tables),
        )?;
        let mut latest = lock(&self.latest);
        latest.present = None;
        latest.library.get_or_insert_with(|| now.library());
        Ok(Arc::new(Present { now, rows }))
    }

    async fn rows(
        &self,
        journal: &JournalView,
        tables: &[IomTable],
    ) -> Result<BTreeMap<IomTable, BTreeMap<Uuid, Fields>>, Failure> {
        let view = self.refresh.view(journal);
        let names = &self.refresh.names;
        let lists = tables.iter().map(|table| view.by_id(names.table(*table)));
        let lists = try_join_all(lists).await?;
        Ok(tables.iter().copied().zip(lists).collect())
    }

    /// Hands on what a survey read that found these changes, if it found none. A plan makes none.
    pub(super) fn hand_on(
        &self,
        journal: &JournalView,
        changes: &[Change],
        present: &Arc<Present>,
    ) {
        let mut latest = lock(&self.latest);
        if changes.is_empty() || journal.is_planning() {
            latest.present = Some(Arc::clone(present));
        } else {
            // Until they are done, much may happen.
            latest.choices = None;
        }
    }

    /// What the tenant has now with these tables added, if they can be read: the phase that needs
    /// them reads those that are missing, and says why it cannot.
    pub(super) async fn with_tables(
        &self,
        journal: &JournalView,
        mut present: Arc<Present>,
        tables: &[IomTable],
    ) -> Arc<Present> {
        let missing = tables.iter().copied();
        let missing: Vec<_> = missing
            .filter(|table| !present.rows.contains_key(table))
            .collect();
        if let Ok(rows) = self.rows(journal, &missing).await {
            Arc::make_mut(&mut present).rows.extend(rows);
        }
        present
    }

    /// What a provider's deletion does to the rows that reference it; read once.
    pub(super) async fn cascades(&self, journal: &JournalView) -> Result<Arc<[Cascade]>, Failure> {
        let known = lock(&self.latest).cascades.clone();
        if let Some(cascades) = known {
            return Ok(cascades);
        }
        let read = read_cascades(&self.refresh, self.refresh.view(journal)).await?;
        let cascades: Arc<[Cascade]> = read.into();
        lock(&self.latest).cascades = Some(Arc::clone(&cascades));
        Ok(cascades)
    }

    /// The runbook's choices of connections: as the survey right before read them ahead, or read
    /// now.
    pub(super) async fn choices(&self, journal: &JournalView) -> Result<Choices, Failure> {
        let ahead = lock(&self.latest).choices.take();
        match ahead {
            Some(choices) => Ok(choices),
            None => Choices::read(&self.refresh, journal).await,
        }
    }

    /// Reads ahead what the next phases need beside the providers. What cannot be read now is read
    /// by the phase that needs it, which says why it cannot.
    pub(super) async fn read_ahead(&self, journal: &JournalView) {
        let (choices, _) = join!(
            Choices::read(&self.refresh, journal),
            self.cascades(journal),
        );
        lock(&self.latest).choices = choices.ok();
    }

    /// The user that requests are sent as; read once.
    pub(super) async fn acting_user(&self, journal: &JournalView) -> Result<Option<Uuid>, Failure> {
        let known = lock(&self.latest).acting_as;
        if let Some(ActingUser(user)) = known {
            return Ok(user);
        }
        let user = find_acting_user(&self.refresh, self.refresh.view(journal)).await?;
        lock(&self.latest).acting_as = Some(ActingUser(user));
        Ok(user)
    }
}

/// The tables with the rows of new instances, and with the mappings if any was recorded. From the
/// installation on every survey asks for all of them, so that the phases share what is read.
pub(super) fn configuration(journal: &JournalView) -> Vec<IomTable> {
    let mapping = IomTable::WarehouseMapping;
    let has_mappings = !seals::rows(journal, Part::Providers, mapping.keyword()).is_empty();
    let mappings = has_mappings.then_some(mapping);
    OF_INSTANCES.into_iter().chain(mappings).collect()
}
