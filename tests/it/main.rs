//! The one integration test binary: each file beside this one is a module of it.
//!
//! - `custom_connectors`: a connector that each environment knows by another identifier.
//! - `dual_write`: maps as before the copy; by the gateway, by hand, refused, failing, killed.
//! - `guards_matrix`: commands that destroy or replace, each with every refusal: nothing changes.
//! - `guided`: every unpublished write as a person's task. `person`: does what a worksheet says.
//! - `harness`: the program and the rehearsal tenant as processes, and the tenant's world as its
//!   file tells it.
//! - `modules`: no module imports one above it, and no step another.
//! - `thin_line`: the eight steps, end to end: the world afterwards, run again, plan before and after.
//! - `identities`: each kind of credential, and each way in which it fails.
//! - `kills`: SIGKILL of the program, of the tenant, between intent and handle; Ctrl-C.
//! - `init`: a starter runbook from two environments. `pipelines`: what GitHub and Azure are told.
//! - `lcs`: a target that Lifecycle Services manage: refresh and copy at once, kills, bad ends.
//!   `lcs_by_hand`: the same, refreshed by a person.
//! - `lifecycle`: a run after another, a second run for one target, a provider again, the prompt.
//! - `lies`: writes that are accepted and ignored; nothing claims success.
//! - `old_journals`: state files that released programs wrote are resumed.
//! - `outputs`: `--output json` of every command, against its own schema.
//! - `outages`: a service that is away is no failure, and advice for the unknown destroys nothing.
//! - `plans`: the forecast, and plans that are approved.
//! - `probes`: `verify` tells what is left; what preflight cannot know is a task. `troubles`: what
//!   `preflight` sees, and a run that stops for it. `edits`: the tenant changed between two calls.
//! - `production`: a flow that names production stays off.
//! - `record`: work by hand, who, failures and durations in the record of a run.
//! - `report`: what a run did, in each of its forms.
//! - `terminal`: the program at a pseudo terminal.
//! - `whole`: the whole tenant, end to end; one provider again. `whole_world`: what it must hold then.
//! - `sinks`: what leaves the program: no control character, no secret; a full disk is a failure.
//! - `refusals`: what stops before anything is sent, with its exit code.
//! - `state_files`: files that a person names: older ones, changed copies, FIFOs, outputs.

mod custom_connectors;
mod doubts;
mod dual_write;
mod edits;
mod guards_matrix;
mod guided;
mod harness;
mod identities;
mod init;
mod kills;
mod lcs;
mod lcs_by_hand;
mod lies;
mod lifecycle;
mod modules;

mod old_journals;
mod outages;
mod outputs;
mod person;
mod pipelines;
mod plans;
mod probes;
mod production;
mod record;
mod refusals;
mod report;
mod sinks;
mod state_files;
mod terminal;
mod thin_line;
mod troubles;
mod whole;
mod whole_world;

#[test]
fn every_file_is_a_module() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = std::fs::read_to_string(folder.join("main.rs")).expect("this file can be read");
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the entry can be read").path();
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default()
            .to_owned();
        assert!(
            stem == "main" || main.contains(&format!("mod {stem};")),
            "{stem} is forgotten"
        );
    }
}
