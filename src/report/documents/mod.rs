//! What `--output json` writes: one document for each command, as a type. The type is what is
//! written and what the schema is made of, so that the two cannot drift apart.
//!
//! - `schema`: the JSON Schema of what a command writes.
//!
//! Every document has `"v": 1`. Keys may be added within a version; none is taken away or changes
//! its meaning.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::base::text::{escape_json, redact};
use crate::engine::{Failure, FailureKind, Mark, Plan, PlannedStep};
use crate::journal::PinnedTarget;

mod schema;

pub use schema::{Command, output_schema};

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

/// A document as it is written: one line, with what looks like a credential taken out. No pipeline
/// finds a command in it, and a reader of JSON finds every text as it was.
pub fn document(document: &impl Serialize) -> String {
    let text = serde_json::to_string(document).unwrap_or_else(|error| {
        // Only a map whose keys are no texts could fail, and no document has one.
        format!("{{\"v\":1,\"failure\":{{\"message\":\"{error}\"}}}}")
    });
    // Two of these characters stand in a text or nowhere.
    let text = redact(&text);
    escape_json(&text).replace("##", "#\\u0023")
}

/// What any command but `run` writes when it fails; `run` says the same in its last event.
#[derive(Debug, JsonSchema, Serialize)]
pub struct FailureDocument {
    v: Version,
    failure: FailureLine,
}

/// Why a command did not do what was asked.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
struct FailureLine {
    /// Which of the documented endings this is.
    kind: FailureKind,
    /// The exit code.
    exit: u8,
    /// What failed, and what the service said.
    message: String,
    /// What to do now.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    /// The places of the runbook that it is about, in the order of its text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    diagnostics: Vec<Mark>,
}

impl FailureDocument {
    /// The document of a failure that ends with this exit code.
    pub fn new(failure: &Failure, exit: u8) -> Self {
        Self {
            v: Version,
            failure: FailureLine {
                kind: failure.kind,
                exit,
                message: headline(failure),
                help: failure.help.clone(),
                diagnostics: failure.marks.clone(),
            },
        }
    }
}

/// What failed. Where diagnostics stand beside it, the blocks that show them to a person are left
/// out.
pub fn headline(failure: &Failure) -> String {
    let message = failure.message.as_str();
    let shown = match failure.marks.as_slice() {
        [] => message,
        [mark] if message.starts_with(&mark.file) => &mark.message,
        _ => message.lines().next().unwrap_or_default(),
    };
    shown.to_owned()
}

/// What `validate` writes.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ValidateDocument {
    /// The version.
    pub v: Version,
    /// Always `true`: a wrong runbook is a failure, with its diagnostics.
    pub right: bool,
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
    /// SHA-256 over what the runbook pins, the changes' keys and the intended values.
    digest: String,
    /// How many changes the program makes.
    automatic: usize,
    /// How many changes a person makes.
    by_hand: usize,
    /// How long the services are expected to take.
    expected_seconds: u64,
    /// How long a person is expected to take.
    human_seconds: u64,
    /// The window to book.
    window_hours: u64,
    /// Each step in order.
    steps: Vec<PlannedStep>,
}

impl PlanDocument {
    /// The document of a plan with its digest.
    pub fn new(plan: &Plan, digest: &str) -> Self {
        Self {
            v: Version,
            digest: digest.to_owned(),
            automatic: plan.len() - plan.by_hand(),
            by_hand: plan.by_hand(),
            expected_seconds: plan.automatic_time().as_secs(),
            human_seconds: plan.human_time().as_secs(),
            window_hours: plan.window().as_secs() / 3600,
            steps: plan.steps.clone(),
        }
    }
}

/// What `preflight` and `verify` write.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ProbesDocument {
    /// The version.
    pub v: Version,
    /// Every question with its answer.
    pub probes: Vec<ProbeLine>,
}

/// A read-only question, answered.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ProbeLine {
    /// What is so where all is well.
    pub probe: String,
    /// The answer.
    pub verdict: Answer,
    /// What was read.
    pub read: String,
    /// What to do, where the answer is not `pass`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The manual task, `STEP/PHASE`, at which a run waits for a person where the answer stays
    /// `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}

/// The answer to a question.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is as it must be.
    Pass,
    /// It is not.
    Fail,
    /// It cannot be read, or only a person can judge it.
    Unknown,
}

/// What `status` writes.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StatusDocument {
    pub(super) v: Version,
    /// The run's id; none where none has begun.
    pub(super) run: Option<String>,
    /// The target as it was read when the run began.
    pub(super) target: Option<PinnedTarget>,
    /// Where the run is.
    pub(super) state: RunState,
    /// Each step in order.
    pub(super) steps: Vec<StepStatus>,
    /// The manual tasks that are open, each as `STEP/PHASE`.
    pub(super) waiting: Vec<String>,
    /// What a person is to do for each of them.
    pub(super) worksheets: Vec<Worksheet>,
    /// What has failed and was not done since.
    pub(super) failures: Vec<StepFailure>,
    /// How the last process left the file, where its exit code was not 0.
    pub(super) last: Option<LastProcess>,
    /// In a rehearsal, how many times faster than real time its clock runs: durations are simulated
    /// time, and dates are real. None where both are real.
    pub(super) speed: Option<f64>,
    /// The command that goes on; none where the run has finished.
    pub(super) next: Option<String>,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) enum RunState {
    /// There is no state file.
    NotBegun,
    /// A process holds the state file.
    Running,
    /// A person must act first.
    Waiting,
    /// A step has failed.
    Failed,
    /// Its process has ended, and something is left to do.
    Stopped,
    /// Every step has ended well.
    Finished,
}

/// Where a step is.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) enum StepWord {
    /// Nothing was done.
    NotBegun,
    /// Something was done, and something is left.
    Begun,
    /// Every phase has reached its end.
    Done,
    /// The runbook leaves it out.
    Skipped,
    /// It could not be brought to its end.
    Failed,
}

/// One step of a run.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) struct StepStatus {
    pub(super) name: String,
    pub(super) state: StepWord,
    /// Changes that were begun.
    pub(super) changes_begun: usize,
    /// Changes that are done.
    pub(super) changes_done: usize,
    /// Changes that a person was handed, besides these.
    pub(super) by_hand_begun: usize,
    /// Of those, the ones that the tenant showed to be done.
    pub(super) by_hand_done: usize,
    /// How long processes worked on it, where it has ended: pauses between them do not count.
    pub(super) seconds: Option<u64>,
    /// Why it is left out, or what was found.
    pub(super) note: Option<String>,
}

/// What has failed.
#[derive(Debug, JsonSchema, Serialize)]
pub(in crate::report) struct StepFailure {
    pub(super) step: String,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// When, RFC 3339.
    pub(super) time: String,
}

/// What a person is to do.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) struct Worksheet {
    /// The manual task, `STEP/PHASE`.
    pub(super) task: String,
    /// Since when it waits, RFC 3339.
    pub(super) since: String,
    /// The things to do, by name.
    pub(super) things: Vec<String>,
    /// What to do, a line each.
    pub(super) instructions: Vec<String>,
    /// What is read as evidence, a line each.
    pub(super) evidence: Vec<String>,
}

/// How the last process left the state file.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) struct LastProcess {
    /// `waiting`, `failed`, `interrupted`, `refused` or `temporary`.
    pub(super) reason: String,
    /// The exit code.
    pub(super) exit: u8,
    /// What it told the operator.
    pub(super) message: String,
    /// When, RFC 3339.
    pub(super) time: String,
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
    /// Why the proof was waived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a manual task ended.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskOutcome {
    /// The tenant shows that it is done.
    Done,
    /// The proof was waived.
    Waived,
}

/// What `state check` writes.
#[derive(Debug, JsonSchema, Serialize)]
pub struct CheckDocument {
    /// The version.
    pub v: Version,
    /// Is the file right?
    pub right: bool,
    /// Everything that is wrong with it.
    pub damage: Vec<DamageLine>,
}

/// A flaw in a state file.
#[derive(Debug, JsonSchema, Serialize)]
pub struct DamageLine {
    /// The line, from 1.
    pub line: u64,
    /// The byte at which the line begins, from 0.
    pub at: u64,
    /// What is wrong with it.
    pub why: String,
    /// What to do now.
    pub help: String,
}

/// What `state cut` writes.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CutDocument {
    /// The version.
    pub v: Version,
    /// The number of the last record that was kept.
    pub kept: u64,
    /// How many lines were cut off.
    pub lines: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
    /// The copy of the whole file as it was.
    pub saved_to: String,
}

/// What `state export` writes.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ExportDocument {
    /// The version.
    pub v: Version,
    /// Every record, without what captures hold.
    pub records: Vec<RecordLine>,
}

/// One record of a state file.
#[derive(Debug, JsonSchema, Serialize)]
pub struct RecordLine {
    /// Its number, from 1, without gaps.
    pub n: u64,
    /// When it was written, RFC 3339.
    pub time: String,
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says.
    pub data: Value,
}

/// What `rehearsal` writes once it listens.
#[derive(Debug, JsonSchema, Serialize)]
pub struct RehearsalDocument {
    /// The version.
    pub v: Version,
    /// The endpoints of a runbook that speaks to this tenant.
    pub endpoints: RehearsalEndpoints,
    /// Where the world is kept.
    pub world: String,
}

/// The `endpoints` of a runbook.
#[derive(Debug, JsonSchema, Serialize)]
pub struct RehearsalEndpoints {
    /// How many times faster than the wall clock the tenant lives.
    pub speed: f64,
    /// The services.
    #[serde(flatten)]
    pub services: BTreeMap<String, RehearsalEndpoint>,
}

/// The address of one service.
#[derive(Debug, JsonSchema, Serialize)]
pub struct RehearsalEndpoint {
    /// Its origin.
    pub url: String,
    /// The scope to ask a token for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// What `init` writes.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct InitDocument {
    /// The version.
    pub v: Version,
    /// The file that was written; none where none was asked for.
    pub file: Option<String>,
    /// The runbook.
    pub runbook: String,
    /// The environment that is copied.
    pub source: InitEnvironment,
    /// The environment that is overwritten.
    pub target: InitEnvironment,
    /// Do Lifecycle Services manage the target?
    pub lcs_linked: bool,
    /// Is dual-write in use in the target? None where that could not be read.
    pub dual_write: Option<bool>,
    /// What a person has to fill in, a line each.
    pub fill_in: Vec<String>,
    /// The commands that come next.
    pub next: Vec<String>,
}

/// An environment that `init` has found.
#[derive(Debug, JsonSchema, Serialize)]
pub struct InitEnvironment {
    /// Its id.
    pub environment: String,
    /// Its display name.
    pub name: String,
    /// Its kind: `Sandbox`, `Production`.
    pub kind: Option<String>,
    /// The address of its Dataverse.
    pub url: Option<String>,
}

/// What `import-har` writes.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ImportDocument {
    /// The version.
    pub v: Version,
    /// What the click was for, as it was given.
    pub request: Option<String>,
    /// Every write of the recording.
    pub writes: Vec<ImportedRequest>,
}

/// A recorded write.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ImportedRequest {
    /// The HTTP method.
    pub method: String,
    /// What follows the Web API root, with placeholders.
    pub path: String,
    /// The body, a JSON text with placeholders.
    pub body: Option<String>,
    /// The status that was answered.
    pub status: Option<u16>,
    /// What the placeholders stand for.
    pub replaced: Vec<Replacement>,
    /// What a person must look at.
    pub notes: Vec<String>,
}

/// A placeholder, and what was recorded in its place.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Replacement {
    /// The placeholder.
    pub placeholder: String,
    /// The recorded id; of a value, which may be secret, its fingerprint.
    pub was: String,
}
