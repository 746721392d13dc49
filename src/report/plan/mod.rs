//! A plan for those who approve it: counts first, then each step with its changes.
//!
//! ```text
//! effect.rs    what a change does, with its sign
//! text.rs      for a terminal
//! markdown.rs  for a pipeline's summary
//! page.rs      for a browser
//! ```

mod effect;
mod markdown;
mod page;
mod text;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::expected_time::{ExpectedTime, expected_steps};
use super::run_report::{GraphPicture, ValueChange, value_changes};
use crate::engine::{Plan, PlannedChange, PlannedStep};
use crate::journal::{ChangeKind, StepForecast};

use self::effect::Effect;
pub use self::markdown::plan_markdown_within;
pub use self::page::plan_page;
pub use self::text::plan_text;

/// A plan, and what its reader should know about it.
#[derive(Clone, Debug)]
pub struct PlanReport<'a> {
    /// The changes.
    pub plan: &'a Plan,
    /// The target's name.
    pub target: &'a str,
    /// The step that replaces the target: while it has something to do, the changes of later steps
    /// are a forecast. None where nothing is replaced.
    pub replacing_step: Option<&'a str>,
    /// The providers that are deleted and not reinstalled.
    pub lost_providers: LostProviders,
    /// What the plan changes and does not turn on, one line for each kind.
    pub left_off: Vec<String>,
    /// Why a run may make other changes, one line for each reason.
    pub differences: Vec<String>,
    /// What the plan does not know, one line for each thing.
    pub unknowns: Vec<String>,
    /// How long each step should take; see [`expected_steps`](crate::report::expected_steps).
    pub expected: BTreeMap<String, StepForecast>,
    /// The names that are shown with ids.
    pub names: BTreeMap<String, String>,
}

/// Providers that a plan deletes and does not reinstall.
#[derive(Clone, Debug, Default)]
pub struct LostProviders {
    /// Each with the reason: `'BigCommerce 1' (it is not active)`.
    pub names: Vec<String>,
    /// How many they are, and which; none for none.
    pub line: Option<String>,
}

/// What a document says in addition to the changes.
#[derive(Debug)]
pub struct PlanFacts<'a> {
    /// The runbook's name.
    pub runbook: &'a str,
    /// The target's environment id.
    pub target_id: String,
    /// The source's environment id.
    pub source_id: String,
    /// The plan's digest.
    pub digest: &'a str,
    /// When the plan was made.
    pub made: Timestamp,
    /// The command that begins the run.
    pub next: String,
    /// Why the plan is not that of a new refresh, if the reader may expect that.
    pub note: Option<String>,
    /// The graphs that the plan edits, for a page.
    pub graphs: Vec<GraphPicture>,
}

impl<'a> PlanReport<'a> {
    /// A plan without the facts that only the command knows.
    pub fn of(plan: &'a Plan, target: &'a str) -> Self {
        Self {
            plan,
            target,
            replacing_step: None,
            lost_providers: LostProviders::default(),
            left_off: Vec::new(),
            differences: Vec::new(),
            unknowns: Vec::new(),
            expected: expected_steps(plan, &BTreeMap::new()),
            names: BTreeMap::new(),
        }
    }

    /// Are the changes of this step a forecast?
    pub(super) fn is_forecast(&self, step: &PlannedStep) -> bool {
        let steps = &self.plan.steps;
        let named = |name: &str| steps.iter().position(|step| step.name == name);
        let Some(replacing) = self.replacing_step.and_then(named) else {
            return false;
        };
        let at = named(&step.name).unwrap_or_default();
        at > replacing && !steps[replacing].changes.is_empty()
    }

    fn changes(&self) -> impl Iterator<Item = &'a PlannedChange> {
        self.plan.steps.iter().flat_map(|step| &step.changes)
    }

    /// How many changes have this effect.
    fn count(&self, effect: Effect) -> usize {
        let changes = self.changes();
        changes.filter(|it| Effect::of(it) == effect).count()
    }

    /// The changes that cannot be undone, automatic and by hand.
    fn final_changes(&self) -> Vec<&'a PlannedChange> {
        self.plan.destructive_changes().collect()
    }

    /// How long the step of this name should take.
    pub(super) fn expected_time(&self, step: &str) -> Option<ExpectedTime> {
        self.expected.get(step).copied().map(ExpectedTime::of)
    }

    /// How long all steps should take.
    pub(super) fn expected_total(&self) -> Option<ExpectedTime> {
        ExpectedTime::sum(&self.expected)
    }
}

fn is_by_hand(change: &PlannedChange) -> bool {
    change.kind == ChangeKind::ManualTask
}

/// The values of a change, as a reader compares them.
fn values_of(report: &PlanReport<'_>, change: &PlannedChange) -> Vec<ValueChange> {
    value_changes(&change.before.value(), &change.after.value(), &report.names)
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::report::PlanDocument;

    /// A plan with a change of each effect, one of them by hand.
    pub(in crate::report) fn plan() -> Plan {
        let steps = json!([
            { "name": "copy-environments", "changes": [
                { "phase": "copy", "key": "copy/1", "kind": "launch", "name": "copy 'A' onto 'B'",
                  "before": { "organization": "1" }, "after": { "type": "full" },
                  "destructive": true, "expected-seconds": 3600 },
            ] },
            { "name": "reinstall-providers", "changes": [
                { "phase": "delete", "key": "p/1/delete", "kind": "ask",
                  "name": "delete provider '<P>'", "before": { "installed": true }, "after": null,
                  "destructive": true, "expected-seconds": 180 },
                { "phase": "install", "key": "p/new", "kind": "set",
                  "name": "install provider 'P' from the library", "before": null,
                  "after": { "definition": "p" }, "destructive": false, "expected-seconds": 10 },
                { "phase": "parameters", "key": "p/new/parameter", "kind": "set",
                  "name": "set parameter 'x'", "before": { "value": null },
                  "after": { "value": "sha256:1234" }, "destructive": false, "expected-seconds": 10 },
            ] },
            { "name": "reconfigure-dual-write", "skip": "not used", "changes": [] },
        ]);
        Plan {
            steps: serde_json::from_value(steps).unwrap(),
        }
    }

    pub(super) fn facts() -> PlanFacts<'static> {
        PlanFacts {
            runbook: "contoso-refresh",
            target_id: "2222".to_owned(),
            source_id: "1111".to_owned(),
            digest: "abcd",
            made: Timestamp::UNIX_EPOCH,
            next: "iomcopy run uat.yaml --plan uat.plan".to_owned(),
            note: None,
            graphs: Vec::new(),
        }
    }

    pub(super) fn report(plan: &Plan) -> PlanReport<'_> {
        PlanReport {
            replacing_step: Some("copy-environments"),
            left_off: vec!["1 cloud flow stays off".to_owned()],
            differences: vec!["somebody may change the source".to_owned()],
            unknowns: vec!["the users of the copy".to_owned()],
            expected: expected_steps(
                plan,
                &[("copy-environments".to_owned(), Duration::from_mins(90))].into(),
            ),
            ..PlanReport::of(plan, "B")
        }
    }

    #[test]
    fn only_steps_after_an_open_copy_are_a_forecast() {
        let mut plan = plan();
        let forecast = |plan: &Plan| -> Vec<bool> {
            let report = report(plan);
            let steps = plan.steps.iter();
            steps.map(|step| report.is_forecast(step)).collect()
        };
        assert_eq!(forecast(&plan), [false, true, true]);
        plan.steps[0].changes.clear();
        assert_eq!(forecast(&plan), [false, false, false], "the copy is done");
    }

    #[test]
    fn the_document_marks_forecasts_and_says_what_may_differ() {
        let plan = plan();
        let document = PlanDocument::new(&report(&plan), "d");
        let document = serde_json::to_value(&document).unwrap();
        let steps = document["steps"].as_array().unwrap();
        let forecasts: Vec<&serde_json::Value> =
            steps.iter().map(|step| &step["forecast"]).collect();
        assert_eq!(forecasts, [false, true, true]);
        assert_eq!(steps[2]["skip"], "not used");
        assert_eq!(document["left-off"][0], "1 cloud flow stays off");
        assert_eq!(document["differences"][0], "somebody may change the source");
        assert_eq!(document["unknowns"][0], "the users of the copy");
    }

    #[test]
    fn what_a_person_deletes_cannot_be_undone_either() {
        let plan = plan();
        let report = report(&plan);
        let names: Vec<&str> = report
            .final_changes()
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        assert_eq!(names, ["copy 'A' onto 'B'", "delete provider '<P>'"]);
        let counts = Effect::ALL.map(|effect| report.count(effect));
        assert_eq!(counts, [1, 1, 1, 1]);
        assert_eq!(plan.destructive_keys(), ["copy/1"], "a run asks for these");
    }
}
