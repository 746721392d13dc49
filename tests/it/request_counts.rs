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
//! How many syncs the records cost depends on how fast the disk is; a test of the journal's writer
//! counts them.

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

/// The requests for single rows whose ids begin with this, by method.
fn requests(world: &World, entity_set: &str, ids: &str) -> [usize; 2] {
    let path = format!("/{entity_set}({ids}");
    ["PATCH", "GET"].map(|method| world.count_sent(method, &path))
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

/// All requests but those for tokens, which depend on the time.
fn total(world: &World) -> usize {
    let is_counted = |request: &&Value| request["listener"] != "authority";
    world.requests.iter().filter(is_counted).count()
}

/// The flows of the volume that are on and belong to the user that the runbook names.
fn flows_on(world: &World) -> usize {
    let is_on = |flow: &&Value| {
        let name = flow["name"].as_str().unwrap_or_default();
        name.starts_with("Contoso - Flow ") && flow["statecode"] == 1
    };
    world.rows("workflow").into_iter().filter(is_on).count()
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
    // Nothing else of a run grows with the tenant. The number of polls depends on the time.
    let changes = 2 * (MANY - FEW);
    let more = total(&many.world) - (total(&few.world) - 2);
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
pub(crate) fn assert_reinstallation_reads_little(world: &World) {
    let requests = requests_of_reinstallation(world);
    let count = |fits: &dyn Fn(&str, &Value) -> bool| {
        let fits = |request: &&Value| {
            let path = request["path"].as_str().unwrap_or_default();
            request["method"] == "GET" && fits(path, request)
        };
        requests.iter().filter(fits).count()
    };
    let lists = |table: &str| count(&|path, _| path.ends_with(&format!("/{table}")));
    for library in [
        "msdyn_iomproviderdefinitions",
        "msdyn_iomproviderdefinitionlogicdefinitions",
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
}
