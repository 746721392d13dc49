//! How many requests the changes of a run cost. The figures are a formula of the tenant's size, so
//! that they do not depend on the machine.

use crate::harness::{Stage, World, thin_text};

/// How many flows and references the tenant has besides its seed.
const N: usize = 12;

/// The requests for single rows whose ids begin with this, by method.
fn requests(world: &World, entity_set: &str, ids: &str) -> [usize; 2] {
    let path = format!("/{entity_set}({ids}");
    ["PATCH", "GET"].map(|method| world.count_sent(method, &path))
}

/// A change costs one request: it is written with the version that the survey read, and the response
/// and the next survey prove it. A flow has two changes here, because it gets its owner before it is
/// turned on.
#[test]
fn n_references_cost_n_requests_and_n_flows_two_n() {
    let stage = Stage::new();
    let size = N.to_string();
    let arguments = ["--seed", "thin", "--flows", &size, "--references", &size];
    let _tenant = stage.start_tenant(&thin_text(), &arguments);
    drop(stage.run().exits(0));
    let world = stage.world();
    let references = requests(
        &world,
        "connectionreferences",
        "80000000-0000-4000-8000-0000001000",
    );
    assert_eq!(references, [N, 0], "writes and reads of references");
    let flows = requests(&world, "workflows", "30000000-0000-4000-8000-0000001000");
    assert_eq!(flows, [2 * N, 0], "writes and reads of flows");
    let on = world.rows("workflow").into_iter().filter(|flow| {
        let name = flow["name"].as_str().unwrap_or_default();
        name.starts_with("Contoso - Flow ") && flow["statecode"] == 1
    });
    assert_eq!(on.count(), N, "they are on");
}
