//! The eight steps on the thin world, end to end, over real HTTP.

use serde_json::Value;

use crate::harness::{Stage, World};

#[test]
fn the_rehearsal_is_refreshed_correctly_and_a_second_run_changes_nothing() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let before = stage
        .call(&["plan", "rehearsal.yaml", "--detailed-exitcode"])
        .exits(2);
    assert!(
        before
            .stdout
            .contains("copy 'Contoso Prod' onto 'Contoso UAT'"),
        "{}",
        before.stdout
    );
    assert!(
        stage.world().writes().is_empty(),
        "a plan sends nothing but reads"
    );

    let run = stage.run().exits(0);
    assert!(run.stdout.contains("finished"), "{}", run.stdout);
    let world = stage.world();
    assert_world_is_refreshed(&world);
    assert!(
        tokens_were_renewed(&world),
        "tokens that live an hour are renewed during the copy"
    );

    let writes = world.writes().len();
    drop(
        stage
            .call(&["plan", "rehearsal.yaml", "--detailed-exitcode"])
            .exits(0),
    );
    let again = stage.call(&["run", "rehearsal.yaml"]).exits(0);
    assert!(
        again.stdout.contains("nothing is left to do"),
        "{}",
        again.stdout
    );
    assert_eq!(
        stage.world().writes().len(),
        writes,
        "a finished run sends only reads"
    );
}

const PARENT: &str = "Contoso - Order intake";
pub(crate) const CHILD: &str = "Contoso - Write order note";

/// The number of the request that turned a flow on: the last one that changed it, because a flow
/// gets its owner while it is off.
fn switched_on(world: &World, name: &str) -> usize {
    let row = flows(world)
        .into_iter()
        .find(|row| row["name"] == name)
        .expect("the flow is there");
    let id = row["workflowid"].as_str().expect("a flow has an id");
    let is_it =
        |r: &Value| r["method"] == "PATCH" && r["path"].as_str().is_some_and(|p| p.contains(id));
    world
        .requests
        .iter()
        .rposition(is_it)
        .expect("it was switched on")
}

/// Checks the target against the guide, object by object, after one copy.
pub(crate) fn assert_world_is_refreshed(world: &World) {
    assert_eq!(world.count_successful("POST", "/copy"), 1, "one copy");
    assert_target_is_refreshed(world);
}

/// The same, after any number of copies.
pub(crate) fn assert_target_is_refreshed(world: &World) {
    let environment = world.environment("Contoso UAT");
    let properties = &environment["properties"];
    assert_eq!(properties["states"]["runtime"]["id"], "Enabled");
    assert_eq!(
        properties["linkedEnvironmentMetadata"]["backgroundOperationsState"],
        "Enabled"
    );

    let state = |name: &str| {
        let row = flows(world).into_iter().find(|row| row["name"] == name);
        row.unwrap_or_else(|| panic!("the flow '{name}' is there"))["statecode"].clone()
    };
    assert_eq!(state(PARENT), 1);
    assert_eq!(state(CHILD), 1);
    assert_eq!(
        state("Contoso - Legacy export"),
        0,
        "off in the source, and so left off"
    );
    assert!(
        switched_on(world, CHILD) < switched_on(world, PARENT),
        "the child comes first"
    );

    let graphs: Vec<&Value> = world.rows("msdyn_iomdesigner");
    assert_eq!(graphs.len(), 2);
    let action = world.rows("msdyn_iomprovideraction");
    assert_eq!(action.len(), 1, "{action:?}");
    let new = action[0]["msdyn_iomprovideractionid"]
        .as_str()
        .expect("an action has an id");
    let seeded = world.seed.keys().any(|key| key.ends_with(new));
    assert!(!seeded, "the action is new");
    for graph in &graphs {
        let text = graph["msdyn_graph"]
            .as_str()
            .expect("an orchestration has a graph");
        assert!(text.contains(new), "the slot holds the new action: {text}");
    }
    let published = graphs.iter().filter(|row| row["statecode"] == 1).count();
    assert_eq!(published, 1, "one published, one draft");

    let parameter = world.rows("msdyn_iomproviderparameter");
    assert_eq!(parameter.len(), 1);
    assert_eq!(
        parameter[0]["msdyn_value"], "uat-store-hash",
        "the target's own value is back"
    );
    let compiled: Vec<&Value> = flows(world)
        .into_iter()
        .filter(|row| {
            row["name"]
                .as_str()
                .is_some_and(|n| n.starts_with("(DO NOT DELETE OR MODIFY) "))
        })
        .collect();
    assert!(
        !compiled.is_empty() && compiled.iter().all(|row| row["statecode"] == 1),
        "{compiled:?}"
    );
    for reference in world.rows("connectionreference") {
        assert!(reference["connectionid"].is_string(), "{reference}");
    }
}

fn flows(world: &World) -> Vec<&Value> {
    world
        .rows("workflow")
        .into_iter()
        .filter(|row| row["category"] == 5)
        .collect()
}

/// Were several tokens fetched for one scope, by the pinned library?
fn tokens_were_renewed(world: &World) -> bool {
    let tokens: Vec<&Value> = world
        .requests
        .iter()
        .filter(|r| {
            r["path"]
                .as_str()
                .is_some_and(|path| path.contains("/oauth2/v2.0/token"))
        })
        .collect();
    assert!(
        tokens.iter().all(|t| t["user_agent"]
            .as_str()
            .is_some_and(|agent| agent.starts_with("azsdk-rust-"))),
        "{tokens:?}"
    );
    tokens.len() > 5
}
