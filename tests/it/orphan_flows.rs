//! A flow of a deleted provider that cannot be turned off stops only the activation of the new one,
//! and becomes a manual task.

use serde_json::Map;

use crate::edits::row;
use crate::harness::{Stage, World};

/// The id of the flow that the deletion leaves behind.
const ORPHAN: &str = "30000000-0000-4000-8000-0000000000f1";

/// Puts a flow of the deleted provider into the target, on or off.
fn put_orphan(stage: &Stage, world: &World, is_on: bool) {
    let like = row(world, "target", "workflow", "name", crate::thin_run::CHILD);
    let provider = world.rows_of("source", "msdyn_iomprovider")[0]["msdyn_iomproviderid"].clone();
    let provider = provider.as_str().expect("it has an id");
    let mut flow = world.objects[&like].clone();
    flow["workflowid"] = ORPHAN.into();
    flow["name"] = format!("iom_{provider}_msdyn_bigcommerce_pullsalesorder").into();
    flow["statecode"] = i32::from(is_on).into();
    flow["statuscode"] = (1 + i32::from(is_on)).into();
    let (table, _) = like.rsplit_once('/').expect("the key ends with the id");
    stage.edit_world(&Map::from_iter([(format!("{table}/{ORPHAN}"), flow)]));
}

#[test]
fn a_flow_of_a_deleted_provider_that_stays_on_stops_only_the_activation() {
    let stage = Stage::new();
    let mut tenant = stage.tenant(&["refuse=400/0x80040265:POST */rehearsal_InstallProvider"]);
    drop(stage.run().exits(1));
    tenant.kill();
    put_orphan(&stage, &stage.world(), true);
    let path = format!("workflows({ORPHAN})");
    let mut tenant = stage.tenant(&[&format!("refuse=400/0x80060468:PATCH */{path}")]);
    let refused = stage.run().exits(1);
    refused.warns(&[
        "turn off cloud flow 'iom_",
        "run again: it becomes a manual task",
        "not begun, because it needs orphan-flows: activate",
    ]);
    let world = stage.world();
    let installed = world.count_successful("POST", "rehearsal_InstallProvider");
    assert_eq!(installed, 1, "the new instance is installed");
    let activated = world.count_successful("POST", "rehearsal_ActivateProvider");
    assert_eq!(activated, 0, "both would handle every message");

    let asked = stage.run().exits(10);
    asked.warns(&[
        "reinstall-providers/orphan-flows",
        "turn it off, or delete it",
    ]);
    let world = stage.world();
    assert_eq!(world.count_sent("PATCH", &path), 1, "once");

    tenant.kill();
    put_orphan(&stage, &world, false);
    let _tenant = stage.tenant(&[]);
    drop(stage.run().exits(0));
    crate::thin_run::assert_world_is_refreshed(&stage.world());
}
