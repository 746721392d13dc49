//! Compared members that the service writes too.
//!
//! The engine takes a value that this run did not write for an edit of a person, and stops there.
//! These members are left out of that comparison, because the service gives them other values by
//! itself, or because they say nothing that a person could have typed.

/// Members that the service itself changes.
const CHANGED_BY_THE_SERVICE: [&str; 6] = [
    // A flow is suspended by a data policy and turned off when its connection ends; an
    // orchestration is being published for minutes; a dual-write map is starting, or in error.
    "state",
    // A provider is activating or has failed; a connection reference becomes incomplete.
    "status",
    // What publishing compiles appears and disappears with it.
    "compiled",
    // The admin API passes through states while it opens or closes an environment.
    "runtime",
    "background-operations",
    // Dataverse gets to know a user minutes after the request.
    "admitted",
];

/// Members that only say whether something is there, or what the runbook's rules find in a text:
/// the write keeps everything else, and other rules find something else.
const NO_VALUES: [&str; 5] = [
    "present",
    "installed",
    "actions-left",
    "initialised",
    "text",
];

/// Does only a person, beside this run, write this member?
pub(crate) fn only_people_write(member: &str) -> bool {
    !CHANGED_BY_THE_SERVICE.contains(&member) && !NO_VALUES.contains(&member)
}
