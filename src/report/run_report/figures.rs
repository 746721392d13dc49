//! The figures of a run: what it restored, published, installed and turned on, and what is contained.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The figures of a run, in the form of its last event and of its state file.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Figures {
    /// Slots whose new provider action was restored.
    pub(super) slots_restored: usize,
    /// Slots that were recorded.
    pub(super) slots_recorded: usize,
    /// Slots that held no known provider action before the refresh, and were not changed.
    pub(super) dangling: Vec<String>,
    /// Orchestrations published again, by name.
    pub(super) published: Vec<String>,
    /// Orchestrations that were drafts and still are, by name.
    pub(super) drafts: Vec<String>,
    /// How many providers were reinstalled.
    pub(super) providers: usize,
    /// Providers that were deleted and are not reinstalled, name and reason; nothing if an earlier
    /// version of the program wrote the figures.
    #[serde(default)]
    pub(super) providers_not_reinstalled: Vec<(String, String)>,
    /// How many cloud flows were turned on.
    pub(super) flows_on: usize,
    /// Cloud flows left off: name and reason.
    pub(super) flows_off: Vec<(String, String)>,
    /// The target's dual-write maps.
    pub(super) dual_write: DualWriteFigures,
    /// What needed no change; nothing if an earlier version of the program wrote the figures.
    #[serde(default)]
    pub(super) unchanged: UnchangedFigures,
    /// How much of this a person did; nothing if an earlier version of the program wrote the figures.
    #[serde(default)]
    pub(super) by_hand: HandFigures,
    /// The outcome for everything that could act on the outside world from the copy; none if it was
    /// not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) containment: Option<ContainmentFigures>,
}

/// The outcome for everything that could act on the outside world from the copy.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ContainmentFigures {
    /// What the target is for: `test`, `validation` or `disaster-recovery`.
    pub(super) purpose: String,
    /// How many surfaces can no longer act.
    pub(super) closed: usize,
    /// How many reach the target's own partner instead of production's.
    pub(super) replaced: usize,
    /// How many may act, because the runbook or a person allows it.
    pub(super) allowed: usize,
    /// How many can act, although nobody allowed it.
    pub(super) open: usize,
    /// How many a person has to look at, because nobody has documented what a copy does to them.
    pub(super) unclear: usize,
    /// How many may have acted before the run closed them.
    #[serde(default)]
    pub(super) acted: usize,
    /// The surfaces, open ones first; at most 1000.
    pub(super) surfaces: Vec<SurfaceReport>,
}

/// One thing that could act on the outside world.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct SurfaceReport {
    /// Its kind, in the plural.
    pub(super) kind: String,
    /// Its name.
    pub(super) name: String,
    /// What it could do.
    pub(super) reach: String,
    /// `open`, `acted`, `unclear`, `allowed`, `replaced` or `closed`.
    pub(super) state: String,
    /// How, why or by what.
    pub(super) detail: String,
}

impl ContainmentFigures {
    /// The numbers in one line.
    pub(super) fn line(&self) -> String {
        let acted = match self.acted {
            0 => String::new(),
            acted => format!(", {acted} acted before that"),
        };
        format!(
            "purpose {}: {} closed, {} replaced, {} allowed, {} open, {} unclear{acted}",
            self.purpose, self.closed, self.replaced, self.allowed, self.open, self.unclear
        )
    }
}

impl SurfaceReport {
    /// The state with how, why or by what.
    pub(super) fn outcome(&self) -> String {
        let state = match self.state.as_str() {
            "unclear" => "unclear, a person has to look",
            "acted" => "may have acted",
            state => state,
        };
        match self.detail.as_str() {
            "" => state.to_owned(),
            detail => format!("{state}: {detail}"),
        }
    }
}

/// The part of the figures that a person did.
#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct HandFigures {
    /// Slots whose new provider action a person restored.
    pub(super) slots_restored: usize,
    /// Orchestrations that a person published again.
    pub(super) published: usize,
    /// Providers that a person reinstalled.
    pub(super) providers: usize,
    /// Cloud flows that a person turned on.
    pub(super) flows_on: usize,
}

/// What was as it should be before the run changed it.
#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct UnchangedFigures {
    /// Slots that were not empty when they were to be restored.
    pub(super) slots: usize,
    /// Orchestrations that were published already.
    pub(super) published: usize,
    /// Providers of whose definition a new instance was active already.
    pub(super) providers: usize,
}

/// The state of the target's dual-write maps.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct DualWriteFigures {
    /// How many were running before the copy.
    pub(super) ran: usize,
    /// How many of them run again.
    pub(super) run_again: usize,
    /// How many were paused, and are left stopped.
    #[serde(default)]
    pub(super) paused: usize,
    /// How many were not running, and still are not.
    pub(super) left_stopped: usize,
}

impl Figures {
    /// The cloud flows that are left off: each reason with the names of its flows.
    pub(super) fn off_by_reason(&self) -> Vec<(&str, Vec<&str>)> {
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, reason) in &self.flows_off {
            reasons.entry(reason).or_default().push(name);
        }
        reasons.into_iter().collect()
    }

    /// The numeric figures, each with its label.
    pub(super) fn numbers(&self) -> Vec<(&'static str, String)> {
        let maps = &self.dual_write;
        let paused = match maps.paused {
            0 => String::new(),
            paused => format!(", {paused} paused before and left stopped"),
        };
        let dual_write = if maps.ran == 0 && maps.paused == 0 {
            "not in use in the target".to_owned()
        } else {
            format!(
                "{} of {} running again{paused}, {} left stopped",
                maps.run_again, maps.ran, maps.left_stopped
            )
        };
        let hand = &self.by_hand;
        let number = |all: usize, by_hand: usize| match by_hand {
            0 => all.to_string(),
            by_hand => format!("{all} ({by_hand} by hand)"),
        };
        let unchanged = |things: usize| match things {
            0 => String::new(),
            things => format!(", {things} needed no change"),
        };
        let lost = self.providers_not_reinstalled.iter();
        let lost: Vec<String> = lost
            .map(|(name, why)| format!("'{name}' ({why})"))
            .collect();
        let lost = match lost.len() {
            0 => "0".to_owned(),
            number => format!("{number}: {}", lost.join(", ")),
        };
        vec![
            (
                "Slots restored to new provider actions",
                format!(
                    "{} of {}{}",
                    number(self.slots_restored, hand.slots_restored),
                    self.slots_recorded,
                    unchanged(self.unchanged.slots)
                ),
            ),
            (
                "Providers reinstalled",
                number(self.providers, hand.providers) + &unchanged(self.unchanged.providers),
            ),
            ("Providers deleted and not reinstalled", lost),
            (
                "Orchestrations published",
                number(self.published.len(), hand.published) + &unchanged(self.unchanged.published),
            ),
            ("Drafts left unchanged", self.drafts.len().to_string()),
            (
                "Cloud flows turned on",
                number(self.flows_on, hand.flows_on),
            ),
            ("Cloud flows left off", self.flows_off.len().to_string()),
            ("Dual-write maps", dual_write),
        ]
    }
}
