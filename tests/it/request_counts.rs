//! How many requests a run costs. The figures are a formula of the tenant's size, so that they do not
//! depend on the machine:
//!
//! `requests = A + B x (flows + references) + pages`
//!
//! - A: what a tenant of any size needs, besides the polls of what the tenant does meanwhile.
//! - B: 1. A change is written with the version that the survey read, and the response and the next
//!   survey prove it. So a list is read as often for many rows as for few.
//! - pages: one more for each list for every 5,000 rows.

use crate::harness::{Stage, World, thin_text};

/// How many flows and references the tenants have besides their seed.
const FEW: usize = 12;
const MANY: usize = 60;

/// A refresh of the thin tenant with so many more flows and references.
fn refreshed(size: usize, faults: &[&str]) -> World {
    let stage = Stage::new();
    let size = size.to_string();
    let mut arguments = vec!["--seed", "thin", "--flows", &size, "--references", &size];
    arguments.extend(faults.iter().flat_map(|fault| ["--fault", fault]));
    let _tenant = stage.start_tenant(&thin_text(), &arguments);
    drop(stage.run().exits(0));
    stage.world()
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
    let is_counted = |request: &&serde_json::Value| request["listener"] != "authority";
    world.requests.iter().filter(is_counted).count()
}

/// The flows of the volume that are on and belong to the user that the runbook names.
fn flows_on(world: &World) -> usize {
    let is_on = |flow: &&serde_json::Value| {
        let name = flow["name"].as_str().unwrap_or_default();
        name.starts_with("Contoso - Flow ") && flow["statecode"] == 1
    };
    world.rows("workflow").into_iter().filter(is_on).count()
}

/// One flow's owner may not be set together with its state in this tenant, so it costs two requests
/// more: its owner, then its state.
#[test]
fn each_flow_and_each_reference_costs_one_request() {
    let refused = "refuse=400/0x8004500B#1:PATCH */workflows(30000000-0000-4000-8000-000000100003*";
    let few = refreshed(FEW, &[refused]);
    assert_eq!(requests_for_volume(&few), [[FEW, 0], [FEW + 2, 0]]);
    assert_eq!(flows_on(&few), FEW);
    let many = refreshed(MANY, &[]);
    assert_eq!(requests_for_volume(&many), [[MANY, 0], [MANY, 0]]);
    assert_eq!(flows_on(&many), MANY);
    // Nothing else of a run grows with the tenant. The number of polls depends on the time.
    let (more, changes) = (total(&many) - (total(&few) - 2), 2 * (MANY - FEW));
    let bound = changes * 11 / 10;
    assert!(more <= bound, "{more} requests more for {changes} changes");
}
