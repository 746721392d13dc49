//! A custom connector has another identifier in every environment. The source's reference gets the
//! target's own connection, and afterwards the reference and the flow name the target's connector.
//!
//! The whole tenant has such a connector in flows and in a provider: `whole`, `guided` and `init`
//! show that a refresh of it ends right.

use serde_json::{Map, Value, json};

use crate::edits::{edit_client_data, row, with_verdict};
use crate::harness::{Stage, Tenant, World, thin_text, with_endpoints};

const FLOW: &str = "Contoso - Order intake";
const REFERENCE: &str = "contoso_carrier_a1b2c";
const SOURCE: &str = "shared_contoso-5fcarrier-5f0a1b2c3d4e5f6071";
const TARGET: &str = "shared_contoso-5fcarrier-5f9999999999999999";
const CONNECTION: &str = "ca44ca44ca44ca44ca44ca44ca44ca44";
const REFERENCE_ID: &str = "0ca44000-0000-4000-8000-000000000003";
const COLUMN: &str = "connectionreferencelogicalname";
const SYSTEM: &str = "msdyn_iomplatformconnectionreference";

/// The thin runbook with a connection chosen under this key.
fn runbook(key: &str) -> String {
    let last = "        shared_bigcommerce: \"91ab7c3e52d84f60b1f7d9c8e6a4b3f0\"\n";
    let text = thin_text();
    let at = text.find(last).expect("the thin runbook chooses it") + last.len();
    // The name of one reference says nothing about another one.
    let other = if key == REFERENCE {
        format!("        Microsoft Dataverse: \"{CONNECTION}\"\n")
    } else {
        String::new()
    };
    format!(
        "{}        {key}: \"{CONNECTION}\"\n{other}{}",
        &text[..at],
        &text[at..]
    )
}

/// A thin tenant with the connector in both environments, each with its own identifier. The source
/// has a reference to it that a flow uses, and a system reference; the target has a connection for
/// it. The flow has the right owner already.
fn tenant(stage: &Stage) -> Tenant {
    let mut tenant = stage.tenant(&[]);
    tenant.kill();
    let world = stage.world();
    let mut puts = Map::new();
    let like = "msdyn_iom_bigcommerce";
    for (side, id, internal) in [
        ("source", "0ca44000-0000-4000-8000-000000000001", SOURCE),
        ("target", "0ca44000-0000-4000-8000-000000000002", TARGET),
    ] {
        let key = row(&world, side, "connectionreference", COLUMN, like);
        let organization = key.split('/').nth(1).unwrap_or_default().to_owned();
        let connector = json!({
            "connectorid": id, "name": "contoso_carrier", "displayname": "Carrier",
            "connectorinternalid": internal, "connectortype": 1, "statecode": 0,
        });
        puts.insert(format!("row/{organization}/connector/{id}"), connector);
        if side == "source" {
            let id = REFERENCE_ID;
            let mut reference = world.objects[&key].clone();
            reference["connectionreferenceid"] = id.into();
            reference[COLUMN] = REFERENCE.into();
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
    edit_client_data(&mut flow, |data| {
        data["properties"]["connectionReferences"][SOURCE] = json!({
            "runtimeSource": "embedded",
            "connection": {"connectionReferenceLogicalName": REFERENCE},
            "api": {"name": SOURCE},
        });
    });
    flow["ownerid"] = service_account(&world, "source");
    puts.insert(key, flow);
    let key = row(
        &world,
        "source",
        SYSTEM,
        "msdyn_name",
        "Microsoft Dataverse",
    );
    let mut system = world.objects[&key].clone();
    let url = system["msdyn_connectionurl"].as_str().unwrap_or_default();
    system["msdyn_connectionurl"] = url
        .replace("shared_commondataserviceforapps", SOURCE)
        .into();
    puts.insert(key, system);
    let environment = "22222222-2222-2222-2222-222222222222";
    let like = format!("connection/{environment}/91ab7c3e52d84f60b1f7d9c8e6a4b3f0");
    let mut connection = world.objects[&like].clone();
    connection["connector"] = TARGET.into();
    puts.insert(format!("connection/{environment}/{CONNECTION}"), connection);
    stage.edit_world(&puts);
    stage.tenant(&[])
}

/// The lookup to the user who should own flows and references.
fn service_account(world: &World, side: &str) -> Value {
    let key = row(
        world,
        side,
        "systemuser",
        "domainname",
        "svc-iom@contoso.com",
    );
    let id = key.rsplit('/').next().unwrap_or_default();
    json!({ "systemuser": id })
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
    let reference =
        &world.objects[&row(&world, "target", "connectionreference", COLUMN, REFERENCE)];
    let connector = reference["connectorid"].as_str().unwrap_or_default();
    assert!(connector.ends_with(TARGET), "{connector}");
    assert_eq!(reference["connectionid"], CONNECTION);
    let system = world.rows(SYSTEM)[0]["msdyn_connectionurl"].to_string();
    let own = format!("apiName={TARGET}&connectionName={CONNECTION}");
    assert!(system.contains(&own), "{system}");
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

/// Stops the tenant, changes an object of the target, and starts the tenant again with these faults.
fn change(
    stage: &Stage,
    mut tenant: Tenant,
    key: &str,
    faults: &[&str],
    change: impl Fn(&mut Value),
) -> Tenant {
    tenant.kill();
    let mut object = stage.world().objects[key].clone();
    change(&mut object);
    stage.edit_world(&Map::from_iter([(key.to_owned(), object)]));
    start(stage, faults)
}

/// The tenant with these faults, and the runbook that chooses the connection.
fn start(stage: &Stage, faults: &[&str]) -> Tenant {
    let tenant = stage.tenant(faults);
    stage.write_runbook(&with_endpoints(&runbook(TARGET), &tenant.endpoints));
    tenant
}

/// The service refuses the reference's connector, then the flow's. Each is tried once; the next run
/// asks a person, and what depends on it waits. In the end the tenant is the same.
#[test]
fn a_refused_connector_becomes_a_manual_task() {
    let stage = Stage::new();
    let mut running = tenant(&stage);
    running.kill();
    let path = format!("connectionreferences({REFERENCE_ID})");
    let refuse = format!("refuse=400/0x80048d19:PATCH */{path}");
    running = start(&stage, &[&refuse]);
    let next = "run again: it becomes a manual task";
    let refused = stage.run().exits(1);
    for part in [REFERENCE, next, "the request does not fit the table"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    // It is a documented request, which the runbook does not write.
    assert!(
        !refused.stderr.contains("`iom.requests`"),
        "{}",
        refused.stderr
    );
    let asked = stage.run().exits(10);
    for part in [
        "reconfigure-connections/connection-references",
        CONNECTION,
        TARGET,
        "svc-iom@contoso.com",
    ] {
        assert!(asked.stderr.contains(part), "{part}: {}", asked.stderr);
    }
    let world = stage.world();
    assert_eq!(world.count_sent("PATCH", &path), 1, "it is tried once");
    assert_eq!(world.count_sent("DELETE", "msdyn_iomproviders("), 0);
    // It stays a task.
    drop(stage.run().exits(10));

    let key = row(&world, "target", "connectionreference", COLUMN, REFERENCE);
    let owner = service_account(&world, "target");
    let flow = row(&world, "target", "workflow", "name", FLOW);
    let id = flow.rsplit('/').next().unwrap_or_default();
    let path = format!("workflows({id})");
    let refuse = format!("refuse=400/0x80060468#1:PATCH */{path}");
    running = change(&stage, running, &key, &[&refuse], |reference| {
        let id = format!("/providers/Microsoft.PowerApps/apis/{TARGET}");
        reference["connectorid"] = id.into();
        reference["connectionid"] = CONNECTION.into();
        reference["ownerid"] = owner.clone();
    });
    let refused = stage.run().exits(1);
    for part in [FLOW, next] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    let asked = stage.run().exits(10);
    for part in ["activate-flows/turn-on", FLOW, SOURCE, TARGET] {
        assert!(asked.stderr.contains(part), "{part}: {}", asked.stderr);
    }
    // The flow is not turned on while its definition waits for the person.
    assert_eq!(stage.world().count_sent("PATCH", &path), 1);

    let _running = change(&stage, running, &flow, &[], |flow| {
        let data = flow["clientdata"].as_str().unwrap_or_default();
        flow["clientdata"] = data.replace(SOURCE, TARGET).into();
    });
    // The person's part is proved, and the program makes the rest.
    let complete = ["complete", "rehearsal.yaml", "activate-flows/turn-on"];
    let completed = stage.call(&complete).exits(0);
    let rest = "the next run makes 1 change: ";
    assert!(completed.stdout.contains(rest), "{}", completed.stdout);
    drop(stage.run().exits(0));
    let world = stage.world();
    assert_eq!(world.objects[&flow]["statecode"], 1);
    let again = stage.run().exits(0);
    assert!(
        again.stdout.contains("nothing is left to do"),
        "{}",
        again.stdout
    );
}
