//! Where surfaces are looked for: the target as it is, or as the copy will leave it; and by what
//! they are judged.

use std::collections::BTreeSet;

use serde_json::Value;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::kinds::mailboxes::{self, Sender};
use super::policy::{ActingText, Policy, Treatment};
use super::sealed::{SealedClosing, SealedSurfaces};
use crate::clients::Row;
use crate::domain::RefreshContext;
use crate::domain::flows::reach::production_references;
use crate::domain::names::Fields;
use crate::domain::own_settings;
use crate::domain::source_references::SourceReferences;
use crate::domain::view::View;
use crate::engine::{Failure, JournalView, Maker};

/// What a kind of surface is given.
pub(crate) struct Scope<'a> {
    /// The refresh.
    pub(crate) refresh: &'a RefreshContext,
    /// The target as it is, or as the copy will leave it.
    pub(crate) view: View<'a>,
    /// What the runbook wants.
    pub(crate) policy: Policy,
    /// What names production: ids and hosts of the source, and the `find` texts of the runbook.
    pub(crate) references: SourceReferences,
    /// What the journal knows, if there is one.
    pub(crate) journal: Option<&'a JournalView>,
    /// The surfaces that step 2 recorded; none before.
    pub(crate) sealed: SealedSurfaces,
    /// Is administration mode still on, or are background operations still off? Then every waiting
    /// job came with the copy, or this run made it.
    pub(crate) is_before_opening: bool,
    /// The error if that could not be read. Copied jobs then cannot be told from new ones.
    pub(super) state_not_read: Option<Failure>,
    /// The mailboxes that still send, once a kind has asked for them.
    senders: OnceCell<Vec<Sender>>,
    /// Are the target's own settings lost? Once a kind has asked.
    are_own_settings_lost: OnceCell<bool>,
}

impl<'a> Scope<'a> {
    /// What the copy will leave, from the source.
    pub(crate) fn forecast(refresh: &'a RefreshContext) -> Self {
        Self::new(refresh, View::AfterCopy(refresh), None, true)
    }

    /// What a survey of step 2 or later sees. A forecast always is of a target before
    /// phase `open`.
    pub(crate) fn survey(
        refresh: &'a RefreshContext,
        journal: &'a JournalView,
        is_before_opening: bool,
    ) -> Self {
        let view = refresh.view(journal);
        let is_before_opening = is_before_opening || matches!(view, View::AfterCopy(_));
        Self::new(refresh, view, Some(journal), is_before_opening)
    }

    /// The target as it is, without what the run has done. Takes the journal, if there is a state
    /// file.
    pub(crate) fn target(
        refresh: &'a RefreshContext,
        journal: Option<&'a JournalView>,
        is_before_opening: bool,
    ) -> Self {
        let view = View::AsIs(&refresh.target.dataverse);
        Self::new(refresh, view, journal, is_before_opening)
    }

    fn new(
        refresh: &'a RefreshContext,
        view: View<'a>,
        journal: Option<&'a JournalView>,
        is_before_opening: bool,
    ) -> Self {
        Self {
            refresh,
            view,
            policy: Policy::from_runbook(&refresh.runbook),
            references: production_references(refresh, journal),
            sealed: journal.map(SealedSurfaces::read).unwrap_or_default(),
            journal,
            is_before_opening,
            state_not_read: None,
            senders: OnceCell::new(),
            are_own_settings_lost: OnceCell::new(),
        }
    }

    /// The same scope of a target whose state could not be read, if there is a failure.
    pub(super) fn with_state_not_read(self, failure: Option<Failure>) -> Self {
        Self {
            state_not_read: failure,
            ..self
        }
    }

    /// The mailboxes that still send although the others are off. Read once.
    pub(super) async fn senders(&self) -> Result<&[Sender], Failure> {
        let senders = self.senders.get_or_try_init(|| mailboxes::senders(self));
        senders.await.map(Vec::as_slice)
    }

    /// Is the target a copy whose own settings nobody captured? Read once.
    pub(super) async fn own_settings_are_lost(&self) -> Result<bool, Failure> {
        let read = || own_settings::are_lost(self.refresh, self.journal);
        self.are_own_settings_lost
            .get_or_try_init(read)
            .await
            .copied()
    }

    /// What of production a text names, in words, each once. The text itself is never shown.
    pub(crate) fn names_production(&self, text: &str) -> Vec<String> {
        let text = self.policy.without_replaced(text);
        let found = self.references.found_in(&text).into_iter();
        let found: BTreeSet<String> = found.map(|reference| reference.what.clone()).collect();
        found.into_iter().collect()
    }

    /// What the runbook's `allow` and `replace` say about a surface that acts by this text. Takes
    /// the surface's key and name, and the text with its hosts.
    pub(crate) fn treat(
        &self,
        key: &str,
        name: &str,
        (text, hosts): (&str, &BTreeSet<String>),
    ) -> Treatment {
        let acting = self.acting(text, hosts, self.has_replaced(key));
        self.policy.treat(name, acting)
    }

    /// The entry of `allow` that lets a thing act with this text.
    pub(crate) fn allows(
        &self,
        name: &str,
        (text, hosts): (&str, &BTreeSet<String>),
    ) -> Option<String> {
        let acting = self.acting(text, hosts, false);
        self.policy.allows_text(name, acting)
    }

    fn acting<'t>(
        &'t self,
        text: &'t str,
        hosts: &'t BTreeSet<String>,
        is_replaced: bool,
    ) -> ActingText<'t> {
        ActingText {
            text,
            hosts,
            references: &self.references,
            is_replaced,
        }
    }

    /// Has this run replaced something in the surface with this key?
    fn has_replaced(&self, key: &str) -> bool {
        let Some(SealedClosing::Replace { change, .. }) =
            self.sealed.get(key).map(|sealed| &sealed.closing)
        else {
            return false;
        };
        self.journal
            .is_some_and(|journal| journal.maker(change) == Some(Maker::Program))
    }

    /// The rows of a table that may be missing; no rows if it is. Only these columns are read,
    /// of those that the table has, with its primary key.
    pub(crate) async fn rows(
        &self,
        table: &str,
        columns: &[&str],
        filter: Option<&str>,
    ) -> Result<Vec<(Uuid, Row)>, Failure> {
        rows_of(self.view, table, columns, filter).await
    }

    /// Did the copy bring this row? The ids of copied rows are the source's. Takes the key of the
    /// surface, and the ids that the source has now.
    pub(crate) fn is_copied(&self, key: &str, row: Uuid, in_source: &BTreeSet<Uuid>) -> bool {
        matches!(self.view, View::AfterCopy(_))
            || self.sealed.get(key).is_some()
            || in_source.contains(&row)
    }

    /// The rows of a table in the source, with these columns and their ids.
    pub(crate) async fn rows_in_source(
        &self,
        table: &str,
        columns: &[&str],
    ) -> Result<Vec<(Uuid, Row)>, Failure> {
        let source = View::AsIs(&self.refresh.source.dataverse);
        rows_of(source, table, columns, None).await
    }

    /// The ids of a table's rows in the source.
    pub(crate) async fn ids_in_source(
        &self,
        table: &str,
        filter: Option<&str>,
    ) -> Result<BTreeSet<Uuid>, Failure> {
        let source = View::AsIs(&self.refresh.source.dataverse);
        source.ids(table, filter).await
    }
}

async fn rows_of(
    view: View<'_>,
    table: &str,
    columns: &[&str],
    filter: Option<&str>,
) -> Result<Vec<(Uuid, Row)>, Failure> {
    let Some(metadata) = view.optional_table(table).await? else {
        return Ok(Vec::new());
    };
    let rows = view.selected(&metadata, columns, filter).await?;
    let with_id = |row: Row| match row.id(&metadata.primary_id) {
        Some(id) => Ok((id, row)),
        None => Err(Failure::failed(format!("a row of {table} has no id"))),
    };
    rows.into_iter().map(with_id).collect()
}

/// Is a row active, or may it be, because its state cannot be read?
pub(crate) fn may_be_active(row: &Fields) -> bool {
    integer(row, STATE).is_none_or(|state| state == 0)
}

/// The column of a row's state; 0 is active in the tables that are read here.
pub(crate) const STATE: &str = "statecode";

/// Those of these columns that a row lacks, as one text: what they would say is unknown.
pub(crate) fn unread_columns(row: &Fields, columns: &[&str]) -> Option<String> {
    let unread = columns
        .iter()
        .filter(|column| integer(row, column).is_none());
    let unread: Vec<&str> = unread.copied().collect();
    (!unread.is_empty()).then(|| format!("{} cannot be read", unread.join(", ")))
}

/// A whole number in a column.
pub(crate) fn integer(row: &Fields, column: &str) -> Option<i64> {
    row.get(column).and_then(Value::as_i64)
}
