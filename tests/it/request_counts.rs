//! How much a run costs: requests, and records and bytes of the state file. The figures are formulas of
//! the tenant's size, so that they do not depend on the machine:
//!
//! `requests = A + B x (flows + references) + pages`
//!
//! - A: what a tenant of any size needs, without the polls of what the tenant does meanwhile.
//! - B: 1. A change is written with the version that the survey read, and the response and the next
//!   survey prove it. So a list is read as often for many rows as for few.
//! - pages: one more for each list for every 5,000 rows.
//!
//! `records = C + 3 x (flows + references)`: the captured row, the intent, and what was read back.
//!
//! How many syncs the records cost depends on how fast the disk is; a test of the engine
//! (`src/engine/tests/durability.rs`) counts the most that a pass needs.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::harness::{Stage, World, thin_text};

/// How many flows and references the tenants have in addition to their seed.
const FEW: usize = 12;
const MANY: usize = 60;

/// The most bytes that a change may add to the state file, of which nine tenths are the captured
/// row as the tenant gave it.
const BYTES: usize = 4_600;

/// The most bytes of an intent and of what was read back.
const BYTES_WITHOUT_CAPTURE: usize = 900;

/// What a refresh leaves.
struct Refreshed {
    world: World,
    /// The lines of the state file.
    lines: Vec<String>,
}

/// A refresh of the thin tenant with so many more flows and references.
fn refreshed(size: usize, faults: &[&str]) -> Refreshed {
    let stage = Stage::new();
    let size = size.to_string();
    let mut arguments = vec!["--seed", "thin", "--flows", &size, "--references", &size];
    arguments.extend(faults.iter().flat_map(|fault| ["--fault", fault]));
    let _tenant = stage.start_tenant(&thin_text(), &arguments);
    drop(stage.run().exits(0));
    let journal = fs::read_to_string(stage.state()).expect("the run has a state file");
    Refreshed {
        world: stage.world(),
        lines: journal.lines().map(str::to_owned).collect(),
    }
}

impl Refreshed {
    /// The size of the state file, in bytes.
    fn bytes(&self) -> usize {
        self.lines.iter().map(|line| line.len() + 1).sum()
    }

    /// The bytes of the records of these types.
    fn bytes_of(&self, types: &[&str]) -> usize {
        let is_counted = |line: &&String| {
            let record: Value = serde_json::from_str(line).unwrap_or_default();
            types.iter().any(|kind| record["type"] == *kind)
        };
        self.lines.iter().filter(is_counted).map(String::len).sum()
    }
}

/// The requests for single rows whose ids begin with this, by method. On a busy machine a token can end
/// while its request is on its way, so that it is sent again: that is no cost of the change.
fn requests(world: &World, entity_set: &str, ids: &str) -> [usize; 2] {
    let path = format!("/{entity_set}({ids}");
    ["PATCH", "GET"].map(|method| world.count_with(method, &path, |status| status != 401))
}

/// The requests for the rows of the volume: references and flows.
fn requests_for_volume(world: &World) -> [[usize; 2]; 2] {
    [
        requests(
            world,
            "connectionreferences",
            "80000000-0000-4000-8000-0000001000",
        ),
        requests(world, "workflows", "30000000-0000-4000-8000-0000001000"),
    ]
}

/// The different requests. How often one is repeated depends on the time: tokens are renewed, and what
/// goes on in the tenant is polled.
fn different_requests(world: &World) -> usize {
    let requests = world.requests.iter();
    let parts = |request: &Value| {
        ["listener", "method", "path", "query"].map(|part| request[part].to_string())
    };
    requests.map(parts).collect::<BTreeSet<_>>().len()
}

/// The flows of the volume that are on and belong to the user that the runbook names.
fn flows_on(world: &World) -> usize {
    let is_on = |flow: &&Value| {
        let name = flow["name"].as_str().unwrap_or_default();
        name.starts_with("Contoso - Flow ") && flow["statecode"] == 1
    };
    world.rows("workflow").into_iter().filter(is_on).count()
}

/// How often the lists of references and of flows with their definitions are read, from the first
/// reference that is connected to the end of step 4.
fn assert_steps_3_and_4_read_little(world: &World) {
    let path = |request: &Value| request["path"].as_str().unwrap_or_default().to_owned();
    let is_first = |request: &Value| {
        request["method"] == "PATCH" && path(request).contains("/connectionreferences(")
    };
    let first = world.requests.iter().position(is_first);
    let is_flow =
        |request: &Value| request["method"] == "PATCH" && path(request).contains("/workflows(");
    let last = world.requests.iter().rposition(is_flow);
    let (first, last) = first.zip(last).expect("references and flows are written");
    // Step 5 begins with the orchestrations.
    let is_next = |request: &Value| path(request).ends_with("/msdyn_iomdesigners");
    let end = world.requests[last..].iter().position(is_next);
    let requests = &world.requests[first..last + end.expect("step 5 reads orchestrations")];
    let lists = |table: &str, column: &str| {
        let fits = |request: &&Value| {
            let query = request["query"].as_str().unwrap_or_default();
            path(request).ends_with(table) && query.contains(column)
        };
        requests.iter().filter(fits).count()
    };
    // The survey that proves the references; the names that the next phase's notes need.
    assert_eq!(lists("/connectionreferences", "connectorid"), 2);
    // For the references' notes, at the same time as their proof; the questions of step 4; and both
    // surveys of the flows, of which the last one is also what the notes are made of.
    assert_eq!(lists("/workflows", "clientdata"), 4);
}

/// One flow's owner may not be set together with its state in this tenant, so it costs two requests
/// more: its owner, then its state.
#[test]
fn each_flow_and_each_reference_costs_one_request_and_three_records() {
    let refused = "refuse=400/0x8004500B#1:PATCH */workflows(30000000-0000-4000-8000-000000100003*";
    let few = refreshed(FEW, &[refused]);
    assert_eq!(requests_for_volume(&few.world), [[FEW, 0], [FEW + 2, 0]]);
    assert_eq!(flows_on(&few.world), FEW);
    let many = refreshed(MANY, &[]);
    assert_eq!(requests_for_volume(&many.world), [[MANY, 0], [MANY, 0]]);
    assert_eq!(flows_on(&many.world), MANY);
    assert_steps_3_and_4_read_little(&many.world);
    // Nothing else of a run grows with the tenant.
    let changes = 2 * (MANY - FEW);
    let more = different_requests(&many.world) - different_requests(&few.world);
    let bound = changes * 11 / 10;
    assert!(more <= bound, "{more} requests more for {changes} changes");

    // Polls leave no records.
    let more = many.lines.len() - few.lines.len();
    assert!(
        more <= 3 * changes,
        "{more} records more for {changes} changes"
    );
    let more = many.bytes() - few.bytes();
    assert!(
        more <= BYTES * changes,
        "{more} bytes more for {changes} changes"
    );
    let applied = ["intent", "done"];
    let more = many.bytes_of(&applied) - few.bytes_of(&applied);
    let bound = BYTES_WITHOUT_CAPTURE * changes;
    assert!(
        more <= bound,
        "{more} bytes of intents and ends more for {changes} changes"
    );
}

/// The requests to the target's Dataverse from the first old provider that is deactivated to the last new
/// one that is activated.
fn requests_of_reinstallation(world: &World) -> &[Value] {
    let path = |request: &Value| request["path"].as_str().unwrap_or_default().to_owned();
    let is_first = |request: &Value| {
        request["method"] == "PATCH" && path(request).contains("/msdyn_iomproviders(")
    };
    let is_last = |request: &Value| path(request).contains("ActivateProvider");
    let first = world.requests.iter().position(is_first);
    let last = world.requests.iter().rposition(is_last);
    let (first, last) = first.zip(last).expect("providers are reinstalled");
    &world.requests[first..=last]
}

/// Step 6 of the whole tenant: 13 providers are deleted, 12 installed and activated, one of them
/// twice.
///
/// Requests in a row, at most: 1 + 12 + 1 to deactivate; 1 + 13 + 1 + 1 to delete, the first of which
/// is read back; 1 beside the flows of deleted providers; 12 + 2 + 1 to install, of which the first
/// and the last proof are waited for; 1 + 1 each for parameters, transformations and mappings;
/// 1 + 3 + 1 and 21 + 1 for connections; 1 + 2 x 13 + 2 + 1 to activate. Before: the capture (3), and
/// one for all that the phases before the first change read.
pub(crate) fn assert_reinstallation_reads_little(world: &World) {
    let requests = requests_of_reinstallation(world);
    let count = |fits: &dyn Fn(&str, &Value) -> bool| {
        let fits = |request: &&Value| {
            let path = request["path"].as_str().unwrap_or_default();
            request["method"] == "GET" && fits(path, request)
        };
        requests.iter().filter(fits).count()
    };
    let is_filtered = |request: &Value| {
        let query = request["query"].as_str().unwrap_or_default();
        query.contains("$filter")
    };
    let lists = |table: &str| count(&|path, _| path.ends_with(&format!("/{table}")));
    for library in [
        "msdyn_iomproviderdefinitions",
        "msdyn_iomproviderdefinitionlogicdefinitions",
        "OneToManyRelationships",
    ] {
        assert_eq!(lists(library), 0, "{library}: read before the first change");
    }
    // The first deletion is read back; that shows that the actions go with the provider.
    let read_back =
        count(&|path, request| path.contains("/msdyn_iomproviders(") && request["status"] == 404);
    assert_eq!(read_back, 1);
    // One list proves an installation, and is what the next one begins with. The other lists are
    // the surveys'. An activation polls one row.
    let providers = lists("msdyn_iomproviders");
    assert!(providers <= 12 + 13, "{providers} lists of providers");
    let actions = |filtered: bool| {
        let is_list = |path: &str| path.ends_with("/msdyn_iomprovideractions");
        count(&|path, request| is_list(path) && is_filtered(request) == filtered)
    };
    // One for each phase that wrote something, one more before the first deletion, and one before
    // the activation that is tried again.
    let surveys = actions(false);
    assert!(surveys <= 10, "{surveys} surveys");
    // An activation reads its provider's actions before and at its end, not at every poll.
    let actions = actions(true);
    assert!(
        actions <= 1 + 3 * 13,
        "{actions} lists of one provider's actions"
    );
    assert_proved_once(world);
}

/// The survey that finds every new provider active is also what the end of the phase needs.
fn assert_proved_once(world: &World) {
    let path = |request: &Value| request["path"].as_str().unwrap_or_default().to_owned();
    let is_last = |request: &Value| path(request).contains("ActivateProvider");
    let last = world.requests.iter().rposition(is_last);
    let after = &world.requests[last.expect("providers are activated")..];
    let is_next = |request: &Value| {
        request["method"] == "PATCH" && path(request).contains("/msdyn_iomdesigners(")
    };
    let end = after.iter().position(is_next);
    let is_survey = |request: &&Value| {
        let query = request["query"].as_str().unwrap_or_default();
        path(request).ends_with("/msdyn_iomprovideractions") && !query.contains("$filter")
    };
    let until = &after[..end.expect("step 7 restores actions")];
    let surveys = until.iter().filter(is_survey).count();
    // Step 7 surveys twice before it writes.
    assert!(
        surveys <= 1 + 2,
        "{surveys} surveys after the last activation"
    );
}

/// The first *Activate system* of the whole tenant leaves a flow off, so it is looked at for a quarter
/// of an hour before it is pressed again: 20 + 20 ln(900 / 100) looks of one request, and both surveys.
pub(crate) fn assert_waiting_reads_little(world: &World) {
    let is_press = |request: &Value| {
        let path = request["path"].as_str().unwrap_or_default();
        path.ends_with("ActivateSystem")
    };
    let first = world.requests.iter().position(is_press);
    let last = world.requests.iter().rposition(is_press);
    let (first, last) = first.zip(last).expect("the system is activated");
    assert!(first < last, "it is pressed twice");
    let read = &world.requests[first + 1..last];
    assert!(read.len() <= 80, "{} requests between", read.len());
}
