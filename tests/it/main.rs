//! The integration test binary: each file of this directory is a module of it.
//!
//! It needs Unix signals, shell scripts and terminals; on Windows it is empty.
//!
//! Tests run on one of two rehearsal tenants: the *whole* one is a tenant as a company has it, the
//! *thin* one has one object of each kind.
//!
//! - `containment`: what could act on the outside is closed, named by `verify` and listed in reports.
//! - `contained_settings`: flows, providers' settings and variables do not act as production.
//! - `copied_by_hand`: the runbook skips the copy of a target that a person copied over.
//! - `custom_connectors`: a connector with another identifier in each environment.
//! - `lost_responses`: launches with invalid or lost responses are not sent twice or reported falsely.
//! - `dialects`: tenants that say the same in another way.
//! - `dual_write`: maps as before the copy: by the gateway, by hand, refused, failed, killed.
//! - `expected_times`: how long a step should take is the same figure in every place.
//! - `field_after`: each refusal after the copy is named, tried once, and deletes nothing.
//!   `recordings`: recorded answers of the services are parsed. `field_copy`: the copy under the
//!   conditions that people report.
//! - `field_before`: conditions that are found before the copy.
//! - `fleet`: several refreshes at once, each of another target.
//! - `foreign_target`: somebody else opens the target, copies onto it or replaces it during a run.
//! - `guards_matrix`: destructive commands with every refusal: nothing changes.
//! - `guided`: every unpublished write as a manual task. `person`: does the tasks of a worksheet.
//! - `harness`: the program and the rehearsal tenant as processes, and the tenant's world file.
//! - `without_rehearsal`: the program built without the rehearsal tenant. The other files need the
//!   tenant, so they are built with the feature `rehearsal` only; `modules` is always built.
//! - `modules`: no module imports one above it, no step another; only one module differs by system.
//! - `thin_run`: the eight steps, end to end: the world afterwards, run again, plan before and
//!   after.
//! - `identities`: each kind of credential, and its failures.
//! - `kills`: SIGKILL of the program, of the tenant, between intent and handle; Ctrl-C.
//! - `init`: a starter runbook from two environments. `pipelines`: output for GitHub and Azure.
//! - `lcs`: a target that Lifecycle Services manages: refresh and copy in parallel, kills,
//!   failures. `lcs_by_hand`: the same, refreshed by a person.
//! - `lifecycle`: one run after another, a second run for one target, `--again`, the prompt.
//! - `ignored_writes`: writes that are accepted and ignored never count as success.
//! - `notifications`: webhooks receive what happens, and change nothing.
//! - `old_journals`: state files that released versions wrote are resumed.
//! - `outputs`: `--output json` of every command, against its schema.
//! - `orphan_flows`: a flow of a deleted provider that cannot be turned off stops one phase.
//! - `outages`: an unavailable service is not a failed check; no destructive remedy for the
//!   unknown.
//! - `packaging`: what a release consists of.
//! - `plans`: the forecast, and approved plans.
//! - `preflight`: what `preflight` finds, and a run that stops for it. `verify`: what `verify`
//!   reports as left; what preflight cannot know is a task. `edits`: the tenant changes between two
//!   commands.
//! - `custom_steps`: the custom steps between the eight.
//! - `judged_flows`: flows are judged by their definitions, not by their names.
//! - `production`: a flow that names production stays off. `production_calls`: nothing of production
//!   acts from the copy.
//! - `real_clients`: two published client libraries against the tenant; run by `.ci/run`.
//! - `record`: work by hand, actors, failures and durations in the record of a run.
//! - `repair`: one step of a finished run, repaired with `--only`.
//! - `report`: what a run did, in each format.
//! - `requests`: requests of the runbook before the copy, a recording, a captured value.
//!   `request_counts`: what the changes of a run cost.
//! - `steps_5_to_7`: providers and orchestrations that change between the steps.
//! - `surfaces_left`: every surface reported as closed is closed; an open one ends a run with a
//!   finding.
//! - `telemetry`: the trace for a collector (cargo feature `opentelemetry`).
//! - `terminal`: the program at a pseudo terminal. `live_table`: the table of a run there.
//! - `whole`: the whole tenant, end to end; one provider again. `whole_world`: the expected world.
//! - `screens`: what the operator sees: `status --follow`, folded checks, suggestions.
//! - `sinks`: output without control characters and secrets; a full disk is a failure.
//! - `refusals`: what stops before any request, with its exit code. `refusal_kinds`: what a refusal
//!   after the copy stops, by its kind.
//! - `state_blob`: the state in Azure Storage, against Azurite; run by `.ci/run`.
//! - `state_files`: files that a user names: older ones, changed copies, FIFOs, outputs.

#![cfg(unix)]

#[cfg(feature = "rehearsal")]
mod contained_settings;
#[cfg(feature = "rehearsal")]
mod containment;
#[cfg(feature = "rehearsal")]
mod copied_by_hand;
mod custom_connectors;
#[cfg(feature = "rehearsal")]
mod dialects;
#[cfg(feature = "rehearsal")]
mod dual_write;
#[cfg(feature = "rehearsal")]
mod edits;
#[cfg(feature = "rehearsal")]
mod expected_times;
#[cfg(feature = "rehearsal")]
mod field_after;
#[cfg(feature = "rehearsal")]
mod field_before;
#[cfg(feature = "rehearsal")]
mod field_copy;
#[cfg(feature = "rehearsal")]
mod fleet;
#[cfg(feature = "rehearsal")]
mod foreign_target;
#[cfg(feature = "rehearsal")]
mod guards_matrix;
#[cfg(feature = "rehearsal")]
mod guided;
#[cfg(feature = "rehearsal")]
mod harness;
#[cfg(feature = "rehearsal")]
mod identities;
#[cfg(feature = "rehearsal")]
mod ignored_writes;
#[cfg(feature = "rehearsal")]
mod init;
#[cfg(feature = "rehearsal")]
mod judged_flows;
#[cfg(feature = "rehearsal")]
mod kills;
#[cfg(feature = "rehearsal")]
mod lcs;
#[cfg(feature = "rehearsal")]
mod lcs_by_hand;
#[cfg(feature = "rehearsal")]
mod lifecycle;
#[cfg(feature = "rehearsal")]
mod live_table;
#[cfg(feature = "rehearsal")]
mod lost_responses;
mod modules;

#[cfg(feature = "rehearsal")]
mod custom_steps;
#[cfg(feature = "rehearsal")]
mod notifications;
#[cfg(feature = "rehearsal")]
mod old_journals;
#[cfg(feature = "rehearsal")]
mod orphan_flows;
#[cfg(feature = "rehearsal")]
mod outages;
#[cfg(feature = "rehearsal")]
mod outputs;
mod packaging;
#[cfg(feature = "rehearsal")]
mod person;
#[cfg(feature = "rehearsal")]
mod pipelines;
#[cfg(feature = "rehearsal")]
mod plans;
#[cfg(feature = "rehearsal")]
mod preflight;
#[cfg(feature = "rehearsal")]
mod production;
#[cfg(feature = "rehearsal")]
mod production_calls;
#[cfg(feature = "rehearsal")]
mod real_clients;
#[cfg(feature = "rehearsal")]
mod record;
#[cfg(feature = "rehearsal")]
mod recordings;
#[cfg(feature = "rehearsal")]
mod refusal_kinds;
#[cfg(feature = "rehearsal")]
mod refusals;
mod refused_beside;
#[cfg(feature = "rehearsal")]
mod repair;
#[cfg(feature = "rehearsal")]
mod report;
#[cfg(feature = "rehearsal")]
mod request_counts;
#[cfg(feature = "rehearsal")]
mod requests;
#[cfg(feature = "rehearsal")]
mod screens;
#[cfg(feature = "rehearsal")]
mod sinks;
#[cfg(feature = "rehearsal")]
mod state_blob;
#[cfg(feature = "rehearsal")]
mod state_files;
#[cfg(feature = "rehearsal")]
mod steps_5_to_7;
#[cfg(feature = "rehearsal")]
mod surfaces_left;
#[cfg(all(feature = "opentelemetry", feature = "rehearsal"))]
mod telemetry;
#[cfg(feature = "rehearsal")]
mod terminal;
#[cfg(feature = "rehearsal")]
mod thin_run;
#[cfg(feature = "rehearsal")]
mod verify;
#[cfg(feature = "rehearsal")]
mod whole;
#[cfg(feature = "rehearsal")]
mod whole_world;
#[cfg(not(feature = "rehearsal"))]
mod without_rehearsal;

#[test]
fn every_file_is_a_module() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = std::fs::read_to_string(folder.join("main.rs")).expect("this file can be read");
    for entry in std::fs::read_dir(folder).expect("the directory exists") {
        let path = entry.expect("the entry can be read").path();
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default()
            .to_owned();
        assert!(
            stem == "main" || main.contains(&format!("mod {stem};")),
            "{stem} is not a module of main.rs"
        );
    }
}
