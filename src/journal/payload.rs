//! The payload of each kind of record.
//!
//! No payload contains a token or a credential. A capture may contain a signed URL, because exactly
//! what was there must be restored; it stays in this file and in the seal's copy.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::json_text::JsonText;

/// How a run began, and what must not change until it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Began {
    /// The file's format, [`FORMAT`](super::FORMAT).
    pub format: u32,
    /// The version of the program that began the run.
    pub program: String,
    /// The runbook's name.
    pub runbook: String,
    /// The runbook's digest when the run began.
    pub runbook_digest: String,
    /// What the runbook meant then, with the places of secrets, never secrets. Versions before this
    /// member existed did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook_meaning: Option<Value>,
    /// What is pinned for the whole run.
    pub pinned: Pinned,
    /// The exact origin (scheme, host, port) of each service, by its key in the runbook.
    pub origins: BTreeMap<String, String>,
}

/// What a run is bound to from its first record to its last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pinned {
    /// The tenant, as the runbook names it.
    pub tenant: String,
    /// The cloud, as the runbook names it.
    pub cloud: String,
    /// The source environment's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The target environment.
    pub target: PinnedTarget,
    /// The runbook's `lcs` block, for a target that Lifecycle Services manages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lcs: Option<Value>,
}

/// The target as it was read when the run began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PinnedTarget {
    /// The environment's id.
    pub environment: String,
    /// Its display name.
    pub name: String,
    /// The address of its Dataverse, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its organization's id, which a copy may change; see [`Repinned`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Its organization's unique name, which a copy may change; see [`Repinned`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_name: Option<String>,
}

/// The process that opened the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// Its process id.
    pub pid: u32,
    /// The machine's host name.
    pub host: String,
    /// The program's version.
    pub program: String,
}

/// How a process left the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Closed {
    /// `finished`, `stopped`, `completed` (a manual task), `waiting`, `failed`, `interrupted`,
    /// `refused`, `temporary` or `archived`.
    pub reason: String,
    /// Its exit code.
    pub exit: u8,
    /// The message to the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The figures at its end, so that a report can be written from this file alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<Value>,
    /// Warnings, which stopped nothing: one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What to do about a warning, by its text, if that is known. Versions before this member existed
    /// did not record it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub remedies: BTreeMap<String, String>,
    /// The steps that this process did not begin because they need something that failed, each with
    /// the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_begun: BTreeMap<String, String>,
    /// What did not succeed at first in this process. Versions before this member existed did not
    /// record it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hindrances: Vec<Hindrance>,
}

/// Something that did not succeed at first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "what",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Hindrance {
    /// Requests to a service waited before they were sent again.
    Waited {
        /// The service's name.
        service: String,
        /// Why.
        reason: String,
        /// How often.
        times: usize,
        /// For how long in all, in seconds of the program's clock.
        seconds: f64,
    },
    /// A change failed.
    Failed {
        /// Its key.
        key: String,
        /// Its name for people.
        name: String,
        /// Why the last attempt failed.
        why: String,
        /// How many attempts failed.
        failures: usize,
        /// Did a later attempt of the process succeed?
        is_done: bool,
    },
}

impl Closed {
    /// A record without figures and notes.
    pub fn new(reason: &str, exit: u8, message: Option<String>) -> Self {
        Self {
            reason: reason.to_owned(),
            exit,
            message,
            figures: None,
            notes: Vec::new(),
            remedies: BTreeMap::new(),
            not_begun: BTreeMap::new(),
            hindrances: Vec::new(),
        }
    }
}

/// What a process found before its first step, or in a phase that failed. The record of its end
/// repeats it, but a process that is killed writes none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    /// The step whose phase failed; none before the first step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Warnings, which stopped nothing: one line each.
    pub notes: Vec<String>,
    /// What to do about one of these warnings, by its text, if that is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub remedies: BTreeMap<String, String>,
}

/// Who confirmed what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confirmed {
    /// Who: the signed-in principal, or the user's account on the machine.
    pub who: String,
    /// How: a prompt, a flag, an approved plan.
    pub how: String,
    /// The target's display name, as it was confirmed.
    pub target: String,
    /// The digest of the plan that was shown.
    pub digest: String,
    /// The keys of the plan's destructive changes.
    pub destructive: Vec<String>,
    /// The keys of launches that are requested again after this record; each was confirmed
    /// separately.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeats: Vec<String>,
}

/// The runbook differs from the one that the run followed before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunbookChanged {
    /// The digest of the changed runbook.
    pub digest: String,
    /// What differs: one line each. Empty if it is not known what the runbook meant before.
    pub difference: Vec<String>,
    /// What the changed runbook means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<Value>,
}

/// The plan that is about to be carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// The plan's digest.
    pub digest: String,
    /// What the plan has for each step, by the step's name. Versions before this member existed did
    /// not record it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<String, StepForecast>,
    /// The names of users and teams whose ids the values of changes hold, by id. Versions before this
    /// member existed did not record it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
}

/// What a plan has for one step.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct StepForecast {
    /// How many changes.
    pub changes: usize,
    /// How long they should take, in seconds of the program's clock.
    pub seconds: u64,
    /// From where that is known.
    #[serde(default)]
    pub source: TimeSource,
}

/// From where it is known how long a step should take.
#[derive(
    Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum TimeSource {
    /// From the changes of its plan: how long each takes as a rule.
    #[default]
    Plan,
    /// From the last finished run of the same runbook.
    LastRun,
}

/// A step begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepBegan {
    /// The step's name.
    pub step: String,
    /// How many times faster than the wall clock the program's clock runs from here on: more than 1
    /// in a rehearsal. Durations are measured by that clock; without this field it is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    /// Does the time of its services stop with this process, as that of a rehearsal tenant inside it?
    /// Versions before this member existed did not record it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub services_stop: bool,
}

/// A step has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepEnded {
    /// The step's name.
    pub step: String,
    /// How it ended.
    pub outcome: StepOutcome,
    /// Why it was skipped, or a note on how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepOutcome {
    /// Every phase reached its fixpoint.
    Done,
    /// The runbook says to skip it, with its reason.
    Skipped,
    /// It could not be finished; the next process begins it again.
    Failed,
}

/// A phase begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseBegan {
    /// The step's name.
    pub step: String,
    /// The phase's name within the step.
    pub phase: String,
}

/// A phase has reached its fixpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseEnded {
    /// The step's name.
    pub step: String,
    /// The phase's name within the step.
    pub phase: String,
    /// How many passes it took, the last one being the survey that found nothing.
    pub passes: u32,
    /// How many changes were applied in all.
    pub changes: usize,
    /// Warnings, which stopped nothing: one line each. The record of the process's end repeats them,
    /// but a process that is killed writes none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What to do about one of these warnings, by its text, if that is known. Versions before this
    /// member existed did not record it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub remedies: BTreeMap<String, String>,
}

/// One row or setting as the service gave it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Captured {
    /// The seal it belongs to.
    pub seal: String,
    /// What was captured; unique within the seal.
    pub key: String,
    /// Its `ETag`, if the service sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The SHA-256 of `text`, in 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// The service's bytes, verbatim. A JSON string, because raw text may contain line breaks.
    pub text: String,
}

/// The manifest that closes a set of captures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sealed {
    /// The seal's name.
    pub seal: String,
    /// How many captures it holds.
    pub count: usize,
    /// The SHA-256 over the keys, `ETag`s and digests of its captures, in their order.
    pub sha256: String,
    /// The refresh that it belongs to. Versions before this member existed did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<SealedRefresh>,
}

/// The refresh that a seal belongs to: its copy may be given to another run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedRefresh {
    /// The cloud, as the runbook names it.
    pub cloud: String,
    /// The source environment's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The target environment's id.
    pub target: String,
    /// The target's display name when its run began.
    pub target_name: String,
}

impl From<&Pinned> for SealedRefresh {
    fn from(pinned: &Pinned) -> Self {
        Self {
            cloud: pinned.cloud.clone(),
            source: pinned.source.clone(),
            target: pinned.target.environment.clone(),
            target_name: pinned.target.name.clone(),
        }
    }
}

/// A seal was read back and matches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SealVerified {
    /// The seal's name.
    pub seal: String,
    /// The path of the read-only copy beside the state file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<String>,
}

/// The four kinds of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// A value is written; after a crash, the survey shows whether it was.
    Set,
    /// A row is deleted; a verified seal contains it.
    Remove,
    /// An operation is started; after a crash, the service is searched for it.
    Launch,
    /// A person does it.
    #[serde(rename = "ask")]
    ManualTask,
}

/// A change that is about to be requested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// The step's name.
    pub step: String,
    /// The phase's name within the step.
    pub phase: String,
    /// The change's stable key.
    pub key: String,
    /// What kind of change it is.
    pub kind: ChangeKind,
    /// A name of the changed object that a person recognizes.
    pub name: String,
    /// The current value.
    pub before: JsonText,
    /// The new value.
    pub after: JsonText,
    /// What the step needs to resume: ids that it generated, options, the service's `Date`.
    pub detail: Value,
}

/// The service has accepted a launch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Launched {
    /// The launch's key.
    pub key: String,
    /// Identifies the operation at the service.
    pub handle: Value,
    /// The `Date` of the service's response, to compare with the service's other times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_date: Option<String>,
}

/// A launch is known to have ended, or never to have begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// The launch's key.
    pub key: String,
    /// How it ended.
    pub outcome: LaunchOutcome,
    /// What the service reported.
    pub detail: Value,
    /// If it had ended before this process looked at it for the first time: when it was requested.
    /// It ended between then and this record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread_since: Option<Timestamp>,
}

/// How a launch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaunchOutcome {
    /// The service reports success; the end state is read from the tenant next.
    Succeeded,
    /// The service reports a failure, or refused the request.
    Failed,
    /// The request certainly never took effect.
    Absent,
    /// Unknown: a person waived the manual task that has the same change, and the survey still finds
    /// the change. It is neither done nor proved, and nothing waits for it any more. Versions before this
    /// outcome existed recorded such a launch as succeeded and verified.
    GivenUp,
}

/// The end state of a launch, read from the tenant itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verified {
    /// The launch's key.
    pub key: String,
    /// What was read.
    pub observed: Value,
    /// The same as in [`Ended`], for the end state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread_since: Option<Timestamp>,
    /// How long the operation took by the service's own times, in seconds, if the service says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_seconds: Option<u64>,
}

/// A set or a removal was applied and read back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// The change's key.
    pub key: String,
    /// What was read back.
    pub observed: Value,
}

/// A value was found that this run did not write and its first survey of the object did not show: a
/// person has written it since. It is not overwritten without an [`OverwriteConfirmed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HumanEditDetected {
    /// The step's name.
    pub step: String,
    /// The phase's name within the step.
    pub phase: String,
    /// The key of the change that would overwrite it.
    pub key: String,
    /// The name of that change.
    pub name: String,
    /// The value that this run wrote or surveyed; secrets are fingerprints.
    pub expected: Value,
    /// The value that was found, in the same form.
    pub found: Value,
}

/// A person agreed that the found value is overwritten or removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverwriteConfirmed {
    /// The change's key.
    pub key: String,
    /// The value that may be overwritten; a later edit is not covered.
    pub found: Value,
    /// Who agreed.
    pub who: String,
}

/// Something failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    /// The step in which it failed.
    pub step: String,
    /// The phase in which it failed, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The key of the change that failed, if it was one change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What failed and what the service reported.
    pub message: String,
    /// What to do now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Did the service refuse this very change for good, so that the same request would be refused
    /// again? Only written if so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub permanent: bool,
    /// Did the caller lack a permission? A person may give it, so a later process may try again.
    /// Only written if so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_allowed: bool,
}

/// A manual task waits for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// The task's name, `STEP/PHASE`.
    pub task: String,
    /// What the person is asked to do.
    pub worksheet: Value,
}

/// A manual task is done, or was waived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completed {
    /// The task's name, `STEP/PHASE`.
    pub task: String,
    /// What was read from the tenant.
    pub evidence: Value,
    /// Who completed it.
    pub who: String,
    /// The reason, if the evidence was waived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<String>,
}

/// The target's identity, read once after the copy, which changes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repinned {
    /// The organization's id.
    pub organization: String,
    /// The organization's unique name.
    pub unique_name: String,
    /// The address of the target's Dataverse.
    pub url: String,
}

/// The process whose run was taken over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Takeover {
    /// The other machine's [`Opened`], and `since`: when it was written.
    pub previous: Value,
}

impl Takeover {
    /// Takes over from `previous`, which was written at `since`.
    pub(super) fn of(previous: &Opened, since: Timestamp) -> Self {
        Self {
            previous: serde_json::json!({
                "pid": previous.pid,
                "host": previous.host,
                "program": previous.program,
                "since": since,
            }),
        }
    }
}

/// A torn or unwanted end was cut off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// The byte at which the file was cut.
    pub at: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
    /// The file that keeps them.
    pub saved_to: String,
}

/// Seals that a person gave up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Abandoned {
    /// Their names.
    pub seals: Vec<String>,
    /// Why.
    pub reason: String,
}

/// Steps were opened again for one provider, which is captured, removed and restored again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reopened {
    /// The logical name of the provider definition that is reinstalled again.
    pub provider: String,
    /// The seals that are created again, each with its own name.
    pub seals: Vec<String>,
    /// The steps that are opened again. Versions before this member existed did not record it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// Who requested it.
    pub who: String,
}

/// One step of a finished run is surveyed again, and what has changed since is repaired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepairBegan {
    /// The step's name.
    pub step: String,
    /// Who requested it.
    pub who: String,
}

/// The run has reached its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {}
