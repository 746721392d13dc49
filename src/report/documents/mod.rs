//! What `--output json` writes: one type for each command's document. The document and its schema both
//! come from the type, so they always agree.
//!
//! - `status`: the document of `status`; `fleet`: that of `fleet`.
//! - `findings`: what needs a look, in the documents of `status` and `report`.
//! - `graph`: the document of `graph`.
//! - `state_file`: the documents of `state check`, `state cut` and `state export`.
//! - `setup`: the documents of `rehearsal`, `init` and `import-har`.
//! - `schema`: the JSON Schema of a command's document. A test generates `schemas.json`.
//!
//! Every document has `"v": 1` and kebab-case keys. Keys may be added within a version; they are
//! never removed, and their meaning stays.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::base::redaction::redact;
use crate::base::text::escape_json;
use crate::engine::{
    CheckLevel, Failure, FailureItem, FailureKind, PlannedChange, RunbookPlace, Verdict,
};
use crate::journal::TimeSource;
use crate::report::PlanReport;

mod findings;
mod fleet;
mod graph;
mod schema;
mod setup;
mod state_file;
mod status;

pub use findings::Findings;
pub use fleet::{FleetDocument, FleetRun};
pub(in crate::report) use fleet::{Waits, Whom};
pub use graph::GraphDocument;
pub use schema::{commands_with_json, output_schema};
pub use setup::{
    ImportDocument, InitDocument, RehearsalDocument, RehearsalEndpoint, RehearsalEndpoints,
};
pub use state_file::{CutDocument, DamageLine, ExportDocument, RecordLine, StateCheckDocument};
pub(in crate::report) use status::{
    LastProcess, Now, OperationStatus, RunState, StatusDocument, StepCondition, StepFailure,
    StepStatus, Target, Worksheet,
};

/// The version of every document: 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Version;

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(1)
    }
}

impl JsonSchema for Version {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "The version of this form.", "const": 1 })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// A document as one line, without text that looks like a credential. No pipeline finds a command in
/// it, and a JSON parser reads every text unchanged.
pub fn document(document: &impl Serialize) -> String {
    let text = serde_json::to_string(document).unwrap_or_else(|error| {
        // Only a map with keys that are not strings could fail, and no document has one.
        format!("{{\"v\":1,\"failure\":{{\"message\":\"{error}\"}}}}")
    });
    // `##` can only occur inside a JSON string.
    let text = redact(&text);
    escape_json(&text).replace("##", "#\\u0023")
}

/// What any command except `run` writes when it fails. The last event of `run` says the same.
#[derive(Debug, JsonSchema, Serialize)]
pub struct FailureDocument {
    v: Version,
    failure: FailureLine,
}

/// Why a command failed.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
struct FailureLine {
    /// Which of the documented failures it is.
    kind: FailureKind,
    /// The exit code.
    exit: u8,
    /// What failed, and what the service said.
    message: String,
    /// What to do now.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    /// The places in the runbook that it is about, in the order of its text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    diagnostics: Vec<RunbookPlace>,
    /// Each failure separately; at least one.
    failures: Vec<FailureItem>,
}

impl FailureDocument {
    /// The document of a failure with this exit code.
    pub fn new(failure: &Failure, exit: u8) -> Self {
        Self {
            v: Version,
            failure: FailureLine {
                kind: failure.kind,
                exit,
                message: failure.headline(),
                help: failure.help.clone(),
                diagnostics: failure.marks.to_vec(),
                failures: failure.items(),
            },
        }
    }
}

/// What `validate` writes.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ValidateDocument {
    /// The version.
    pub v: Version,
    /// Always `true`: an invalid runbook is a failure with diagnostics.
    #[serde(rename = "right")]
    pub valid: bool,
    /// The runbook's name.
    pub name: String,
    /// The same as text.
    pub summary: String,
}

/// What `plan` writes, and `run --dry-run`.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlanDocument {
    v: Version,
    /// SHA-256 over the pinned part of the runbook, the change keys and the intended values.
    digest: String,
    /// How many changes the program makes.
    automatic: usize,
    /// How many changes a person makes.
    by_hand: usize,
    /// How long the services usually take.
    expected_seconds: u64,
    /// How long a person usually takes.
    human_seconds: u64,
    /// How long the run should take: as long as its steps, each as the last finished run shows it,
    /// else as a rule.
    total_seconds: u64,
    /// The window to book.
    window_hours: u64,
    /// Each step in order.
    steps: Vec<PlanStep>,
    /// The providers that the plan deletes and does not reinstall, each with the reason.
    not_reinstalled: Vec<String>,
    /// What the plan changes and does not turn on, one line for each kind.
    left_off: Vec<String>,
    /// Why a run may make other changes, one line for each reason.
    differences: Vec<String>,
    /// What the plan does not know, one line for each thing.
    unknowns: Vec<String>,
}

/// The changes of one step.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
struct PlanStep {
    /// The step's name.
    name: String,
    /// Why the runbook skips it, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    skip: Option<String>,
    /// Whether its changes are a forecast: the copy comes first, so they are read from the source,
    /// as the copy will leave it.
    forecast: bool,
    /// How long it should take; none if the runbook skips it.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_seconds: Option<u64>,
    /// From where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_from: Option<TimeSource>,
    /// Its changes in the order of their phases.
    changes: Vec<PlannedChange>,
}

impl PlanDocument {
    /// The document of a plan with its digest.
    pub fn new(report: &PlanReport<'_>, digest: &str) -> Self {
        let plan = report.plan;
        let expected = |step: &str| report.expected.get(step).copied();
        let total = report.expected_total();
        let steps = plan.steps.iter().map(|step| PlanStep {
            name: step.name.clone(),
            skip: step.skip.clone(),
            forecast: report.is_forecast(step),
            expected_seconds: expected(&step.name).map(|expected| expected.seconds),
            expected_from: expected(&step.name).map(|expected| expected.source),
            changes: step.changes.clone(),
        });
        Self {
            v: Version,
            digest: digest.to_owned(),
            automatic: plan.len() - plan.by_hand(),
            by_hand: plan.by_hand(),
            expected_seconds: plan.automatic_time().as_secs(),
            human_seconds: plan.human_time().as_secs(),
            total_seconds: total.map_or(0, |total| total.takes.as_secs()),
            window_hours: total.map_or(0, |total| total.window().as_secs() / 3600),
            steps: steps.collect(),
            not_reinstalled: report.lost_providers.names.clone(),
            left_off: report.left_off.clone(),
            differences: report.differences.clone(),
            unknowns: report.unknowns.clone(),
        }
    }
}

/// What `preflight` and `verify` write.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ChecksDocument {
    /// The version.
    pub v: Version,
    /// Every check with its verdict.
    #[serde(rename = "probes")]
    pub checks: Vec<CheckLine>,
    /// How many checks there are of each level.
    pub summary: ChecksSummary,
}

/// How many checks there are of each level, and what they say together.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
pub struct ChecksSummary {
    /// Checks that passed.
    pub passed: usize,
    /// Checks that failed.
    pub failed: usize,
    /// Checks whose result only a person can judge. Their verdict is `unknown`.
    pub warnings: usize,
    /// Checks that could not be made. Their verdict is `unknown`.
    pub unknown: usize,
    /// In `verify`: can order management be used in the target?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usable: Option<Usable>,
}

impl ChecksSummary {
    /// Counts the levels. Takes also what they say together.
    pub fn new(levels: impl Iterator<Item = CheckLevel>, usable: Option<Usable>) -> Self {
        let mut summary = Self {
            passed: 0,
            failed: 0,
            warnings: 0,
            unknown: 0,
            usable,
        };
        for level in levels {
            *match level {
                CheckLevel::Pass => &mut summary.passed,
                CheckLevel::Failed => &mut summary.failed,
                CheckLevel::Warning => &mut summary.warnings,
                CheckLevel::Unknown => &mut summary.unknown,
            } += 1;
        }
        summary
    }
}

/// Can order management be used in the target?
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Usable {
    /// No check failed, and each has an answer.
    Yes,
    /// A check failed.
    No,
    /// No check failed, and some have no answer.
    Unknown,
}

/// A check: a read-only question with its answer.
#[derive(Debug, JsonSchema, Serialize)]
pub struct CheckLine {
    /// The check's name: what is the case if it passes.
    #[serde(rename = "probe")]
    pub check: String,
    /// The answer.
    pub verdict: Verdict,
    /// The word for it in the text: it tells a warning from what could not be read.
    pub level: CheckLevel,
    /// What was found.
    #[serde(rename = "read")]
    pub found: String,
    /// What to do, if the verdict is not `pass`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The manual task, `STEP/PHASE`, at which a run waits for a person if the verdict stays
    /// `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The first step that the check protects, in `preflight`: what it finds would stop or harm
    /// that step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protects: Option<String>,
}

/// What `complete` writes.
#[derive(Debug, JsonSchema, Serialize)]
pub struct CompleteDocument {
    /// The version.
    pub v: Version,
    /// `STEP/PHASE`.
    pub task: String,
    /// How the task ended.
    pub outcome: TaskOutcome,
    /// Why the evidence was waived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The things whose evidence was waived, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waived: Vec<String>,
    /// The tasks that still wait for a person.
    pub waiting: Vec<String>,
}

/// How a manual task ended.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskOutcome {
    /// The tenant shows that it is done.
    Done,
    /// The evidence was waived.
    Waived,
}
