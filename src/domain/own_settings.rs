//! Is it known what the target had before it was copied over?
//!
//! A run captures that before its own copy (the seal `before-copy`). Where the runbook skips the copy,
//! a person may have made it: then the target holds the source's settings, and nobody may have
//! captured its own. A copy keeps row ids, and step 6 gives every provider a new one; so a provider
//! with the id that it has in the source came with a copy.

use tokio::try_join;

use super::RefreshContext;
use super::provider_settings::source_providers;
use super::seals::{self, Part};
use super::view::View;
use crate::engine::{Failure, JournalView};
use crate::runbook::IomTable;

/// Where a run has the target's own settings from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OwnSettings {
    /// From the target: it holds them still, or the run has captured them.
    #[default]
    InTarget,
    /// From the copy of a seal that was made before an earlier copy.
    Captured,
    /// From nowhere: the user accepts that they are lost.
    GivenUp,
}

impl OwnSettings {
    /// This place, or the other if this one is the target.
    #[must_use]
    pub fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        if self == Self::InTarget {
            other()
        } else {
            self
        }
    }
}

/// What is unknown of a target that somebody copied over without a capture.
pub(crate) const UNCAPTURED: &str = "the target is a copy of the source, and nobody captured what it had before: \
                                     its own environment variables, its connections, its providers' \
                                     parameters and transformations, and its dual-write settings are \
                                     unknown";

/// Why a setting of the target is unknown.
pub(crate) const NOT_CAPTURED: &str =
    "it is unknown what the target had, which was not captured before the copy";

/// Does the journal hold what the target had before the copy?
pub(crate) fn are_captured(journal: &JournalView) -> bool {
    seals::has_captures(journal, Part::Target, "environment")
}

/// Is the target a copy whose own settings nobody captured? Only where the runbook skips the copy: else
/// the run captures before it. Takes the journal, if there is one.
pub(crate) async fn are_lost(
    refresh: &RefreshContext,
    journal: Option<&JournalView>,
) -> Result<bool, Failure> {
    let is_skipped = refresh.runbook.steps.copy_environments.is_skipped();
    let is_known =
        refresh.own_settings == OwnSettings::Captured || journal.is_some_and(are_captured);
    if !is_skipped || is_known {
        return Ok(false);
    }
    let table = refresh.names.table(IomTable::Provider);
    let target = View::AsIs(&refresh.target.dataverse);
    if target.optional_table(table).await?.is_none() {
        return Ok(false);
    }
    let empty = JournalView::empty();
    let source = source_providers(refresh, journal.unwrap_or(&empty));
    let (source, target) = try_join!(source, target.ids(table, None))?;
    Ok(!source.is_disjoint(&target))
}
