//! Tenants that say the same in another way: the status alone says that an orchestration is
//! published, or names in a graph are called `displayName` and `actionName`. The refresh comes to the
//! same end.

use serde_json::{Map, Value};

use crate::harness::{Stage, Tenant, World};

/// Starts the thin tenant with every orchestration of its world edited, and with one more object.
fn edited(stage: &Stage, object: Option<&str>, edit: impl Fn(&mut Value)) -> Tenant {
    stage.tenant(&[]).kill();
    let mut puts = Map::new();
    for (key, row) in &stage.world().objects {
        if key.contains("/msdyn_iomdesigner/") {
            let mut row = row.clone();
            edit(&mut row);
            puts.insert(key.clone(), row);
        }
    }
    assert!(!puts.is_empty(), "the tenant has orchestrations");
    puts.extend(object.map(|key| (key.to_owned(), Value::from(true))));
    stage.edit_world(&puts);
    stage.tenant(&[])
}

/// The ids of the target's actions that the run created.
fn new_actions(world: &World) -> Vec<&str> {
    let actions = world.rows("msdyn_iomprovideraction").into_iter();
    let ids = actions.filter_map(|row| row["msdyn_iomprovideractionid"].as_str());
    ids.filter(|id| !world.seed.keys().any(|key| key.ends_with(id)))
        .collect()
}

/// Fails unless every orchestration of the target uses a new action; returns the graphs.
fn graphs(world: &World) -> Vec<String> {
    let new = new_actions(world);
    assert_eq!(new.len(), 1, "{new:?}");
    let graphs = world.rows("msdyn_iomdesigner").into_iter();
    let graphs = graphs.filter_map(|row| row["msdyn_graph"].as_str());
    let graphs: Vec<String> = graphs.map(str::to_owned).collect();
    assert_eq!(graphs.len(), 2);
    for graph in &graphs {
        assert!(graph.contains(new[0]), "{graph}");
    }
    graphs
}

#[test]
fn a_tenant_that_publishes_by_status_alone_is_refreshed() {
    let stage = Stage::new();
    // Every state is Active; the status is Draft or Published.
    let quirk = Some("quirk/publication-by-status");
    let _tenant = edited(&stage, quirk, |row| row["statecode"] = 0.into());
    let answer = stage.run().exits(0);
    let world = stage.world();
    graphs(&world);
    let statuses: Vec<i64> = world
        .rows("msdyn_iomdesigner")
        .iter()
        .filter_map(|row| row["statuscode"].as_i64())
        .collect();
    let published = statuses.iter().filter(|status| **status == 2).count();
    assert_eq!(
        (statuses.len(), published),
        (2, 1),
        "{statuses:?} {}",
        answer.stderr
    );
    let stopped = world.count_successful("PATCH", "/msdyn_iomdesigners(");
    assert!(
        stopped >= 5,
        "stopped once, cleared and restored twice: {stopped}"
    );
    assert_eq!(
        world.count_successful("POST", "rehearsal_PublishOrchestration"),
        1
    );
    drop(stage.call(&["verify", "rehearsal.yaml"]).exits(0));
}

#[test]
fn names_of_a_graph_may_be_called_display_name_and_action_name() {
    let stage = Stage::new();
    let _tenant = edited(&stage, None, |row| {
        let graph = row["msdyn_graph"].as_str().unwrap_or_default();
        let action = ",\"name\":\"Update BigCommerce Sales Order Status\"";
        let graph = graph
            .replace(action, &action.replace("name", "actionName"))
            .replace("\"name\"", "\"displayName\"");
        row["msdyn_graph"] = graph.into();
    });
    drop(stage.run().exits(0));
    let name = "\"actionName\":\"Update BigCommerce Sales Order Status\"";
    for graph in graphs(&stage.world()) {
        assert!(
            graph.contains(name) && !graph.contains("\"name\""),
            "{graph}"
        );
    }
    drop(stage.call(&["verify", "rehearsal.yaml"]).exits(0));
}
