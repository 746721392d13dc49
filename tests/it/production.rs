//! A cloud flow whose definition names production is not turned on and is listed at the end. A
//! target where such a flow is on fails `verify`.

use serde_json::{Value, json};

use crate::edits::{names, row, with_verdict};
use crate::harness::{Stage, Tenant, World, thin_text};

const FLOW: &str = "Contoso - Order intake";
const SOURCE: &str = "11111111-1111-1111-1111-111111111111";
const TARGET: &str = "22222222-2222-2222-2222-222222222222";

/// Changes the flow's row in one environment while the tenant is not running.
fn edit(stage: &Stage, mut tenant: Tenant, side: &str, change: impl Fn(&mut Value)) -> Tenant {
    tenant.kill();
    let world = stage.world();
    let key = row(&world, side, "workflow", "name", FLOW);
    let mut flow = world.objects[&key].clone();
    change(&mut flow);
    let mut puts = serde_json::Map::new();
    puts.insert(key, flow);
    stage.edit_world(&puts);
    let text = std::fs::read_to_string(stage.runbook()).expect("the runbook is there");
    stage.start_tenant(&text, &["--seed", "thin"])
}

/// A tenant whose flow contains the source's environment id.
fn tenant(stage: &Stage, runbook: &str) -> Tenant {
    let tenant = stage.start_tenant(runbook, &["--seed", "thin"]);
    edit(stage, tenant, "source", |flow| {
        let data = flow["clientdata"].as_str().unwrap_or_default();
        let mut data: Value = serde_json::from_str(data).expect("it is JSON");
        let note = json!({"type": "Compose", "runAfter": {}, "inputs": {"environment": SOURCE}});
        data["properties"]["definition"]["actions"]["Note"] = note;
        flow["clientdata"] = data.to_string().into();
    })
}

fn state(world: &World) -> &Value {
    let key = row(world, "target", "workflow", "name", FLOW);
    &world.objects[&key]["statecode"]
}

#[test]
fn a_flow_that_names_production_stays_off_and_a_target_where_it_is_on_fails() {
    let stage = Stage::new();
    let tenant = tenant(&stage, &thin_text());
    let preflight = stage
        .call(&["preflight", "rehearsal.yaml", "--output", "json"])
        .exits(0);
    let unknown = with_verdict(&preflight, "unknown");
    let question = "no flow that should be on has the source written into it";
    assert!(names(&unknown, question, FLOW), "{unknown:#?}");
    let plan = stage.call(&["plan", "rehearsal.yaml"]).exits(0);
    assert!(
        !plan
            .stdout
            .contains(&format!("turn on cloud flow '{FLOW}'")),
        "{}",
        plan.stdout
    );

    let run = stage.run().exits(0);
    let figure = format!("1 names production: {FLOW}");
    assert!(run.stdout.contains(&figure), "{}", run.stdout);
    let note = format!("cloud flow '{FLOW}' is left off");
    assert!(run.stderr.contains(&note), "{}", run.stderr);
    assert_eq!(*state(&stage.world()), 0);
    let verify = ["verify", "rehearsal.yaml", "--output", "json"];
    let verified = stage.call(&verify).exits(0);
    let unknown = with_verdict(&verified, "unknown");
    assert!(
        names(&unknown, "no cloud flow that is on names the source", FLOW),
        "{unknown:#?}"
    );
    let held = "no cloud flow that should be on is left off because it names production";
    assert!(names(&unknown, held, FLOW), "{unknown:#?}");
    crate::outages::advice_for_the_unknown_destroys_nothing(&verified);
    // Nothing is left to do, but the target is not as it should be.
    let again = stage.run().exits(1);
    let left_off = "1 cloud flow that should be on is left off in 'Contoso UAT'";
    assert!(again.stdout.contains(left_off), "{}", again.stdout);
    assert!(
        !again.stdout.contains("nothing is left to do"),
        "{}",
        again.stdout
    );

    // Somebody turns it on.
    let _tenant = edit(&stage, tenant, "target", |flow| {
        flow["statecode"] = 1.into();
        flow["statuscode"] = 2.into();
    });
    let again = stage.run().exits(1);
    let lines = stage.call(&["run", "rehearsal.yaml", "--output", "json"]);
    let lines = lines.exits(1).stdout;
    let last = lines.lines().last().expect("a run has a last event");
    let last: serde_json::Value = serde_json::from_str(last).expect("an event is JSON");
    assert_eq!(last["outcome"], "failed", "{last}");
    assert!(last["failures"][0]["change"].is_string(), "{last}");
    let change = format!("turn off cloud flow '{FLOW}', which names production");
    assert!(again.stdout.contains(&change), "{}", again.stdout);
    // The remedy is as small as the difference: no new copy.
    assert!(!again.stderr.contains("--fresh"), "{}", again.stderr);
    assert!(
        again.stderr.contains("in the maker portal"),
        "{}",
        again.stderr
    );
    let verified = stage.call(&verify).exits(1);
    let failed = with_verdict(&verified, "fail");
    assert!(
        names(&failed, "no cloud flow that is on names the source", FLOW),
        "{failed:#?}"
    );
}

#[test]
fn a_flow_is_turned_on_after_a_rule_replaces_the_name() {
    let rule = format!(
        "  - activate-flows:\n      replace:\n        - {{ flow: \"{FLOW}\", find: \"{SOURCE}\", with: \"{TARGET}\" }}"
    );
    let text = thin_text().replace("  - activate-flows: {}", &rule);
    assert!(text.contains("replace:"), "the thin runbook has no rules");
    let stage = Stage::new();
    let _tenant = tenant(&stage, &text);
    drop(stage.run().exits(0));
    assert_eq!(*state(&stage.world()), 1);
}
