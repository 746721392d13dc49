//! The figures of a run, from its journal and its seals alone.

use std::collections::BTreeMap;

use serde::Serialize;

use super::containment::figures::ContainmentFigures;
use super::containment::{self, Policy};
use super::dual_write::MapCount;
use super::flows::rules::{NAMES_PRODUCTION, Rules, Wanted};
use super::graph::{Dangling, Slot, count_places};
use super::names::text;
use super::orchestrations::{old_catalogue, recorded_orchestrations};
use super::seals::{self, Part};
use super::{RefreshContext, dual_write, flows, keys};
use crate::base::text::count;
use crate::engine::{Failure, JournalView, Maker};
use crate::runbook::{StepName, Word as _};

/// The figures that a run ends with.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Summary {
    /// Slots whose new provider action was put back.
    pub slots_restored: usize,
    /// Slots that were recorded.
    pub slots_recorded: usize,
    /// Slots that held no known provider action before, and were not touched.
    pub dangling: Vec<String>,
    /// Orchestrations published again, by name.
    pub published: Vec<String>,
    /// Orchestrations left as the drafts they were, by name.
    pub drafts: Vec<String>,
    /// Providers that were installed again.
    pub providers: usize,
    /// Cloud flows that this run turned on.
    pub flows_on: usize,
    /// Cloud flows left off: name and reason.
    pub flows_off: Vec<(String, String)>,
    /// The target's dual-write maps.
    pub dual_write: MapCount,
    /// How much of this a person did.
    pub by_hand: ByHand,
    /// What became of everything that could act on the outside world; none before it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub containment: Option<ContainmentFigures>,
}

/// How much of what the figures count a person did, as the tenant showed afterwards.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ByHand {
    /// Slots whose new provider action a person put back.
    pub slots_restored: usize,
    /// Orchestrations that a person published again.
    pub published: usize,
    /// Providers that a person installed again.
    pub providers: usize,
    /// Cloud flows that a person turned on.
    pub flows_on: usize,
}

/// Counts what the run did so far.
pub(crate) fn summary(refresh: &RefreshContext, journal: &JournalView) -> Result<Summary, Failure> {
    let mut summary = Summary {
        dual_write: dual_write::count_maps(refresh, journal),
        containment: containment::figures::figures(journal, &Policy::of(&refresh.runbook)),
        ..Summary::default()
    };
    let old = old_catalogue(&refresh.names, journal)?;
    for orchestration in recorded_orchestrations(&refresh.names, journal, &old)? {
        let slots = count_places(orchestration.slots.iter().map(Slot::place));
        summary.slots_recorded +=
            slots + count_places(orchestration.dangling.iter().map(Dangling::place));
        for dangling in &orchestration.dangling {
            let dangling = format!(
                "orchestration '{}', tile '{}' holds {} ('{}')",
                orchestration.name,
                dangling.tile,
                dangling.id,
                dangling.name.as_deref().unwrap_or("no name")
            );
            // A draft and its published copy have it twice.
            if !summary.dangling.contains(&dangling) {
                summary.dangling.push(dangling);
            }
        }
        let restored = journal.maker(&keys::orchestration_restore(orchestration.id));
        count_made(
            restored,
            slots,
            &mut summary.slots_restored,
            &mut summary.by_hand.slots_restored,
        );
        let publish = keys::orchestration_publish(orchestration.id);
        if let Some(maker) = journal.maker(&publish) {
            summary.by_hand.published += usize::from(maker == Maker::Person);
            summary.published.push(orchestration.name);
        } else if !orchestration.published {
            summary.drafts.push(orchestration.name);
        }
    }
    // A provider's own name has no slash; what follows one is a part of it, such as its activation.
    for (_, maker) in journal
        .made_changes(keys::NEW_PROVIDERS)
        .into_iter()
        .filter(|(name, _)| !name.contains('/'))
    {
        count_made(
            Some(maker),
            1,
            &mut summary.providers,
            &mut summary.by_hand.providers,
        );
    }
    // Before the step has begun, no flow was left off: it is not decided yet.
    if !journal.has_step(StepName::ActivateFlows.word()) {
        return Ok(summary);
    }
    let rules = Rules::from_journal(refresh, journal);
    for (id, row) in seals::rows(journal, Part::Source, "workflow") {
        if !flows::is_cloud_flow(&row) {
            continue;
        }
        let name = text(&row, "name").unwrap_or_else(|| id.to_string());
        match rules.wanted(id, &row) {
            Wanted::On => count_made(
                journal.maker(&keys::flow(id)),
                1,
                &mut summary.flows_on,
                &mut summary.by_hand.flows_on,
            ),
            Wanted::Off(reason) => summary.flows_off.push((name, reason.to_owned())),
        }
    }
    Ok(summary)
}

/// Adds so many things to what was made, and to what was made by hand. Takes who made them.
fn count_made(maker: Option<Maker>, things: usize, all: &mut usize, by_hand: &mut usize) {
    match maker {
        None => {}
        Some(Maker::Program) => *all += things,
        Some(Maker::Person) => {
            *all += things;
            *by_hand += things;
        }
    }
}

impl Summary {
    /// The figures as lines for a person.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!(
                "{} of {} restored to new provider actions{}",
                self.slots_restored,
                count(self.slots_recorded, "slot"),
                hand(self.by_hand.slots_restored)
            ),
            format!(
                "{} installed again{}",
                count(self.providers, "provider"),
                hand(self.by_hand.providers)
            ),
            format!(
                "{} published{}{}",
                count(self.published.len(), "orchestration"),
                hand(self.by_hand.published),
                names(&self.published)
            ),
            match self.drafts.as_slice() {
                [one] => format!("1 draft left as it was: {one}"),
                drafts => format!(
                    "{} left as they were{}",
                    count(drafts.len(), "draft"),
                    names(drafts)
                ),
            },
            format!(
                "{} turned on{}, {} left off",
                count(self.flows_on, "cloud flow"),
                hand(self.by_hand.flows_on),
                self.flows_off.len()
            ),
        ];
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, why) in &self.flows_off {
            reasons.entry(why).or_default().push(name);
        }
        for (why, names) in reasons {
            // A few are named; many are only counted, except those that a person must correct.
            let listed = if names.len() > 4 && why != NAMES_PRODUCTION {
                String::new()
            } else {
                format!(": {}", names.join(", "))
            };
            lines.push(format!("  off: {} {why}{listed}", names.len()));
        }
        lines.extend(
            self.dangling
                .iter()
                .map(|slot| format!("dangling before the refresh, and left as it was: {slot}")),
        );
        lines.push(self.dual_write.line());
        lines.extend(self.containment.iter().flat_map(ContainmentFigures::lines));
        lines
    }
}

/// How many of the counted things a person did, in parentheses; empty for none.
fn hand(things: usize) -> String {
    match things {
        0 => String::new(),
        things => format!(" ({things} by hand)"),
    }
}

fn names(names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!(": {}", names.join(", "))
    }
}
