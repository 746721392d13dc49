//! An entry of the journal, and the kinds of record.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::{NoContext, Uuid};

use super::payload::{
    Abandoned, Began, Captured, Closed, Completed, Confirmed, Cut, Done, Ended, Failed, Finished,
    HumanEditDetected, Intent, Launched, Noted, Opened, OverwriteConfirmed, PhaseBegan, PhaseEnded,
    Planned, Reopened, RepairBegan, Repinned, RunbookChanged, SealVerified, Sealed, StepBegan,
    StepEnded, Takeover, Verified, Waiting,
};

/// The format this program writes. A file of a higher one is read and never written.
pub const FORMAT: u32 = 1;

/// The id of a run: one execution of a runbook, however many processes it takes. Ids sort by the
/// time at which their runs began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(Uuid);

impl RunId {
    /// A new id for a run that begins at `time`.
    pub fn new(time: Timestamp) -> Self {
        let seconds = u64::try_from(time.as_second()).unwrap_or(0);
        let nanoseconds = u32::try_from(time.subsec_nanosecond()).unwrap_or(0);
        Self(Uuid::new_v7(uuid::Timestamp::from_unix(
            NoContext,
            seconds,
            nanoseconds,
        )))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A record with its place in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The record's number, from 1, without gaps. It alone decides the order.
    pub number: u64,
    /// The time of day at which it was written; shown, and never used to decide anything.
    pub time: Timestamp,
    /// Its content.
    pub record: Record,
}

/// Defines the enum, the names of its kinds, and the parser and the conversion of each payload.
macro_rules! records {
    ($($(#[doc = $doc:literal])+ $kind:literal $payload:ident,)+) => {
        /// The content of a record, by kind. Every payload documents its fields.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(tag = "type", content = "data")]
        pub enum Record {
            $(
                $(#[doc = $doc])+
                #[serde(rename = $kind)]
                $payload($payload),
            )+
            /// A kind that only a later program knows. It can be shown, it stops a run, and it is
            /// never written.
            #[serde(skip)]
            Unknown {
                /// The kind, as written.
                kind: String,
                /// The payload, as written.
                data: Value,
            },
        }

        impl Record {
            /// The kinds that this program knows, as written in the file.
            pub const KINDS: &[&str] = &[$($kind),+];

            /// The record's kind, as written in the file.
            pub fn kind(&self) -> &str {
                match self {
                    $(Self::$payload(_) => $kind,)+
                    Self::Unknown { kind, .. } => kind,
                }
            }

            /// Parses the payload of a kind, both as in the file. Returns `None` if this program
            /// does not know the kind, and an error if the payload does not fit it.
            // A derived `Deserialize` would have a second parser for all payloads, which reads a
            // payload before its kind.
            pub(super) fn parse(kind: &str, data: &str) -> Option<serde_json::Result<Self>> {
                Some(match kind {
                    $($kind => serde_json::from_str(data).map(Self::$payload),)+
                    _ => return None,
                })
            }
        }

        $(
            impl From<$payload> for Record {
                fn from(payload: $payload) -> Self {
                    Self::$payload(payload)
                }
            }
        )+
    };
}

records! {
    /// The first record of every file, and only the first.
    "began" Began,
    /// A process has opened the file; until `closed`, the records are its work.
    "opened" Opened,
    /// The process has ended by itself. A killed process leaves no such record.
    "closed" Closed,
    /// What a process found before its first step, which stopped nothing.
    "noted" Noted,
    /// The user (or a flag) has confirmed this target and plan.
    "confirmed" Confirmed,
    /// The runbook has changed since the run began, in a way that is allowed.
    "runbook-changed" RunbookChanged,
    /// The plan that is about to be executed.
    "planned" Planned,
    /// A step begins, or begins again after an interruption.
    "step-began" StepBegan,
    /// A step has ended.
    "step-ended" StepEnded,
    /// A phase begins, or begins again. Captures that were not sealed before it are void.
    "phase-began" PhaseBegan,
    /// A phase has reached its fixpoint.
    "phase-ended" PhaseEnded,
    /// One row or setting as the service gave it.
    "captured" Captured,
    /// A set of captures is closed.
    "sealed" Sealed,
    /// The sealed captures were read back from a new handle and match the manifest.
    "seal-verified" SealVerified,
    /// A change is about to be requested. Durable before the request is sent.
    "intent" Intent,
    /// The service has accepted a launch. Durable before the first poll.
    "launched" Launched,
    /// A launch has ended, or is known never to have begun.
    "ended" Ended,
    /// The end state of a launch that succeeded was read from the tenant itself.
    "verified" Verified,
    /// A set or a removal was applied and read back.
    "done" Done,
    /// A person edited an object after this run surveyed it; the run does not overwrite that.
    "human-edit-detected" HumanEditDetected,
    /// A person agreed that such an edit is overwritten.
    "overwrite-confirmed" OverwriteConfirmed,
    /// Something failed.
    "failed" Failed,
    /// A manual task waits for a person.
    "waiting" Waiting,
    /// The evidence for a manual task was read, or a person waived it.
    "completed" Completed,
    /// The target's identity was read again after the copy, and pinned again.
    "repinned" Repinned,
    /// A run whose last process did not close was taken over from another machine.
    "takeover" Takeover,
    /// The end of the file was cut off and saved elsewhere.
    "cut" Cut,
    /// Seals that a person gave up.
    "abandoned" Abandoned,
    /// The run has reached its end.
    "finished" Finished,
    /// Steps were opened again for one provider.
    "reopened" Reopened,
    /// One step of a finished run is surveyed and repaired again.
    "repair-began" RepairBegan,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::testing::story;

    #[test]
    fn a_record_is_its_kind_and_its_data() {
        let record = Record::from(Planned {
            digest: "d1".to_owned(),
            steps: [].into(),
            names: [].into(),
        });
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(text, r#"{"type":"planned","data":{"digest":"d1"}}"#);
        assert_eq!(record.kind(), "planned");
    }

    #[test]
    fn a_payload_is_parsed_as_its_kind() {
        for record in story() {
            let text = serde_json::to_value(&record).unwrap()["data"].to_string();
            let read = Record::parse(record.kind(), &text).unwrap();
            assert_eq!(read.unwrap(), record);
        }
        let text = r#"{"digest":"d1"}"#;
        assert!(Record::parse("foreseen", text).is_none());
        assert!(Record::parse("Planned", text).is_none());
        let other = Record::parse("step-began", text).unwrap().unwrap_err();
        assert!(other.to_string().contains("missing field"), "{other}");
    }

    #[test]
    fn a_record_without_fields_still_has_data() {
        let text = serde_json::to_string(&Record::from(Finished {})).unwrap();
        assert_eq!(text, r#"{"type":"finished","data":{}}"#);
    }

    #[test]
    fn ids_sort_by_the_time_their_runs_began() {
        let early = RunId::new("2026-01-01T00:00:00Z".parse().unwrap());
        let late = RunId::new("2026-01-01T00:00:01Z".parse().unwrap());
        assert!(early < late);
    }
}
