//! What a run did, in figures, told from its journal and its seals alone.

use std::collections::BTreeMap;

use serde::Serialize;

use super::activate_flows::{Rules, Wanted, key};
use super::detach_provider_actions::{old_catalogue, recorded};
use super::names::text;
use super::reconfigure_dual_write::{self, MapCount};
use super::{Refresh, flows, seals};
use crate::engine::{Failure, Known};
use crate::text::count;

/// The figures that a run ends with.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
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
}

/// Counts what the run did so far.
pub fn summary(refresh: &Refresh, known: &Known) -> Result<Summary, Failure> {
    let mut summary = Summary {
        dual_write: reconfigure_dual_write::count(known),
        ..Summary::default()
    };
    let old = old_catalogue(refresh, known)?;
    for orchestration in recorded(refresh, known, &old)? {
        summary.slots_recorded += orchestration.slots.len() + orchestration.dangling.len();
        for dangling in &orchestration.dangling {
            summary.dangling.push(format!(
                "orchestration '{}', tile '{}' holds {} ('{}')",
                orchestration.name,
                dangling.tile,
                dangling.id,
                dangling.name.as_deref().unwrap_or("no name")
            ));
        }
        if known.is_done(&format!("orchestration/{}/restore", orchestration.id)) {
            summary.slots_restored += orchestration.slots.len();
        }
        let publish = format!("orchestration/{}/publish", orchestration.id);
        if known.launch_proved(&publish) || known.is_done(&publish) {
            summary.published.push(orchestration.name);
        } else if !orchestration.published {
            summary.drafts.push(orchestration.name);
        }
    }
    let rules = Rules::of(refresh, known);
    for (id, row) in seals::rows(known, seals::BEFORE_COPY, "source/workflow") {
        if !flows::is_cloud_flow(&row) {
            continue;
        }
        let name = text(&row, "name").unwrap_or_else(|| id.to_string());
        match rules.wanted(id, &row) {
            Wanted::On if known.is_done(&key(id)) => summary.flows_on += 1,
            Wanted::On => {}
            Wanted::Off(reason) => summary.flows_off.push((name, reason.to_owned())),
        }
    }
    summary.providers = known.proved_launches("provider/new/");
    Ok(summary)
}

impl Summary {
    /// The figures as lines for a person.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!(
                "{} of {} restored to new provider actions",
                self.slots_restored,
                count(self.slots_recorded, "slot")
            ),
            format!("{} installed again", count(self.providers, "provider")),
            format!(
                "{} published{}",
                count(self.published.len(), "orchestration"),
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
                "{} turned on, {} left off",
                count(self.flows_on, "cloud flow"),
                self.flows_off.len()
            ),
        ];
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, why) in &self.flows_off {
            reasons.entry(why).or_default().push(name);
        }
        for (why, names) in reasons {
            // Few are named; of many the number says more.
            let told = if names.len() > 4 {
                String::new()
            } else {
                format!(": {}", names.join(", "))
            };
            lines.push(format!("  off: {} {why}{told}", names.len()));
        }
        lines.extend(
            self.dangling
                .iter()
                .map(|slot| format!("dangling before the refresh, and left as it was: {slot}")),
        );
        lines.push(self.dual_write.line());
        lines
    }
}

fn names(names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!(": {}", names.join(", "))
    }
}
