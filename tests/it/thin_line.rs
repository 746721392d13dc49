//! The eight steps, end to end, over real HTTP.

use serde_json::Value;

use crate::harness::Stage;

#[test]
fn the_rehearsal_ends_right_and_again_changes_nothing() {
    let stage = Stage::new();
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
        stage.own_world().writes().is_empty(),
        "a plan sends nothing but reads"
    );

    let run = stage.run().exits(0);
    assert!(run.stdout.contains("finished"), "{}", run.stdout);
    let world = stage.own_world();
    the_world_is_right(&world);
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
        stage.own_world().writes().len(),
        writes,
        "a finished run sends only reads"
    );
}

/// Object by object, what the guide promises.
pub(crate) fn the_world_is_right(world: &crate::harness::World) {
    let environment = world
        .objects
        .values()
        .find(|object| object["properties"]["displayName"] == "Contoso UAT")
        .expect("the target is there");
    let properties = &environment["properties"];
    assert_eq!(properties["states"]["runtime"]["id"], "Enabled");
    assert_eq!(
        properties["linkedEnvironmentMetadata"]["backgroundOperationsState"],
        "Enabled"
    );
    assert_eq!(world.heard("POST", "/copy"), 1, "one copy");

    for (flow, on) in [("parent", 1), ("child", 1)] {
        let row = flows(world).into_iter().find(|row| {
            row["name"]
                .as_str()
                .is_some_and(|name| name.to_lowercase().contains(flow))
        });
        let row = row.unwrap_or_else(|| panic!("the {flow} flow is there"));
        assert_eq!(row["statecode"], on, "{row}");
    }

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

fn flows(world: &crate::harness::World) -> Vec<&Value> {
    world
        .rows("workflow")
        .into_iter()
        .filter(|row| row["category"] == 5)
        .collect()
}

/// More than one token for one scope, fetched by the library that is fixed.
fn tokens_were_renewed(world: &crate::harness::World) -> bool {
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
