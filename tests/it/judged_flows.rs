//! The definition of a flow decides what it would reach, not its name: a name like a provider's
//! does not exempt a copied flow, an address behind a variable counts as fixed like one in the
//! action, and a flow without a definition stays off.

use serde_json::{Map, Value, json};

use crate::edits::{edit_client_data, row};
use crate::harness::{Stage, thin_text};
use crate::lcs::says;

const FLOW: &str = "Contoso - Order intake";
const RENAMED: &str = "Contoso - Order intake (99999999-0000-4000-8000-000000000001)";

#[test]
fn a_name_like_a_providers_and_an_address_behind_a_variable_hide_nothing() {
    let stage = Stage::new();
    let mut tenant = stage.tenant(&[]);
    tenant.kill();
    let world = stage.world();
    let key = row(&world, "source", "workflow", "name", FLOW);
    let mut flow = world.objects[&key].clone();
    edit_client_data(&mut flow, |data| {
        let address = "https://api.partner.example/x";
        let actions = &mut data["properties"]["definition"]["actions"];
        actions["Address"] = json!({"type": "InitializeVariable", "runAfter": {}, "inputs": {
            "variables": [{"name": "u", "type": "string", "value": address}]}});
        actions["Call_partner"] = json!({"type": "Http", "runAfter": {},
            "inputs": {"method": "POST", "uri": "@variables('u')"}});
    });
    flow["name"] = RENAMED.into();
    let child = row(&world, "source", "workflow", "name", crate::thin_run::CHILD);
    let mut without = world.objects[&child].clone();
    without["clientdata"] = Value::Null;
    stage.edit_world(&Map::from_iter([(key, flow), (child, without)]));
    let _tenant = stage.start_tenant(&thin_text(), &["--seed", "thin"]);

    let run = stage.run();
    says(
        &run,
        &[
            &format!("cloud flow '{RENAMED}' is left off"),
            "the fixed address api.partner.example in 'Call_partner'",
            "has no definition that can be read",
        ],
    );
    let world = stage.world();
    for name in [RENAMED, crate::thin_run::CHILD] {
        let key = row(&world, "target", "workflow", "name", name);
        assert_eq!(world.objects[&key]["statecode"], 0, "{name}");
    }
}
