//! A custom connector has another identifier in every environment. The source's reference gets the
//! target's own connection, and afterwards the reference and the flow name the target's connector.

use serde_json::{Map, Value, json};

use crate::edits::{row, with_verdict};
use crate::harness::{Stage, Tenant, thin_text, with_endpoints};

const FLOW: &str = "Contoso - Order intake";
const REFERENCE: &str = "contoso_carrier_a1b2c";
const SOURCE: &str = "shared_contoso-5fcarrier-5f0a1b2c3d4e5f6071";
const TARGET: &str = "shared_contoso-5fcarrier-5f9999999999999999";
const CONNECTION: &str = "ca44ca44ca44ca44ca44ca44ca44ca44";

/// The thin runbook with a connection chosen under this key.
fn runbook(key: &str) -> String {
    let last = "        shared_bigcommerce: \"91ab7c3e52d84f60b1f7d9c8e6a4b3f0\"\n";
    let text = thin_text();
    let at = text.find(last).expect("the thin runbook chooses it") + last.len();
    format!(
        "{}        {key}: \"{CONNECTION}\"\n{}",
        &text[..at],
        &text[at..]
    )
}

/// A thin tenant with the connector in both environments, each with its own identifier. The source
/// has a reference to it that a flow uses; the target has a connection for it.
fn tenant(stage: &Stage) -> Tenant {
    let mut tenant = stage.tenant(&[]);
    tenant.kill();
    let world = stage.world();
    let mut puts = Map::new();
    let column = "connectionreferencelogicalname";
    let like = "msdyn_iom_bigcommerce";
    for (side, id, internal) in [
        ("source", "0ca44000-0000-4000-8000-000000000001", SOURCE),
        ("target", "0ca44000-0000-4000-8000-000000000002", TARGET),
    ] {
        let key = row(&world, side, "connectionreference", column, like);
        let organization = key.split('/').nth(1).unwrap_or_default().to_owned();
        let connector = json!({
            "connectorid": id, "name": "contoso_carrier", "displayname": "Carrier",
            "connectorinternalid": internal, "connectortype": 1, "statecode": 0,
        });
        puts.insert(format!("row/{organization}/connector/{id}"), connector);
        if side == "source" {
            let id = "0ca44000-0000-4000-8000-000000000003";
            let mut reference = world.objects[&key].clone();
            reference["connectionreferenceid"] = id.into();
            reference[column] = REFERENCE.into();
            reference["connectorid"] =
                format!("/providers/Microsoft.PowerApps/apis/{SOURCE}").into();
            reference["connectionid"] = "11ca".into();
            puts.insert(
                format!("row/{organization}/connectionreference/{id}"),
                reference,
            );
        }
    }
    let key = row(&world, "source", "workflow", "name", FLOW);
    let mut flow = world.objects[&key].clone();
    let data = flow["clientdata"].as_str().unwrap_or_default();
    let mut data: Value = serde_json::from_str(data).expect("it is JSON");
    data["properties"]["connectionReferences"][SOURCE] = json!({
        "runtimeSource": "embedded",
        "connection": {"connectionReferenceLogicalName": REFERENCE},
        "api": {"name": SOURCE},
    });
    flow["clientdata"] = data.to_string().into();
    puts.insert(key, flow);
    let environment = "22222222-2222-2222-2222-222222222222";
    let like = format!("connection/{environment}/91ab7c3e52d84f60b1f7d9c8e6a4b3f0");
    let mut connection = world.objects[&like].clone();
    connection["connector"] = TARGET.into();
    puts.insert(format!("connection/{environment}/{CONNECTION}"), connection);
    stage.edit_world(&puts);
    stage.tenant(&[])
}

#[test]
fn a_reference_to_the_sources_custom_connector_gets_the_targets_connection() {
    let stage = Stage::new();
    let tenant = tenant(&stage);
    // The runbook may name the reference, or the connector by any of its names.
    for key in [REFERENCE, TARGET, "contoso_carrier", SOURCE] {
        stage.write_runbook(&with_endpoints(&runbook(key), &tenant.endpoints));
        let answer = stage.call(&["preflight", "rehearsal.yaml", "--output", "json"]);
        let failed = with_verdict(&answer, "fail");
        assert!(failed.is_empty(), "{key}: {failed:#?}");
        drop(answer.exits(0));
    }
    let plan = stage.call(&["plan", "rehearsal.yaml"]).exits(0);
    let repoint = format!("repoint cloud flow '{FLOW}'");
    assert!(plan.stdout.contains(&repoint), "{}", plan.stdout);

    drop(stage.run().exits(0));
    let world = stage.world();
    let column = "connectionreferencelogicalname";
    let reference =
        &world.objects[&row(&world, "target", "connectionreference", column, REFERENCE)];
    let connector = reference["connectorid"].as_str().unwrap_or_default();
    assert!(connector.ends_with(TARGET), "{connector}");
    assert_eq!(reference["connectionid"], CONNECTION);
    let flow = &world.objects[&row(&world, "target", "workflow", "name", FLOW)];
    let data = flow["clientdata"].as_str().unwrap_or_default();
    assert!(data.contains(TARGET) && !data.contains(SOURCE), "{data}");
    assert_eq!(flow["statecode"], 1);
    let again = stage.run().exits(0);
    assert!(
        again.stdout.contains("nothing is left to do"),
        "{}",
        again.stdout
    );
}
