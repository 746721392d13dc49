//! Nothing of production acts through flows, providers' settings and environment variables: what
//! only production had is in no row of the target, a flow with a fixed address is off, and 'no
//! value' is restored. The runbook can replace, allow or take each.

use serde_json::{Map, Value, json};

use crate::edits::{edit_client_data, names, row, with_verdict};
use crate::harness::{CommandOutput, Stage, Tenant, World, thin_text};
use crate::lcs::says;

const FLOW: &str = "Contoso - Order intake";

/// What only production has: a secret parameter, a parameter, a transformation, the place of a
/// secret variable.
const ONLY_IN_PRODUCTION: [&str; 4] = [
    "rehearsal-only-prod-signature",
    "CONTOSO-US",
    "mlaut and ",
    "contoso-prod-vault",
];

/// Every row of the target that contains a text.
fn rows_with<'w>(world: &'w World, text: &str) -> Vec<&'w str> {
    let prefix = format!("row/{}/", world.organization("target"));
    let rows = world
        .objects
        .iter()
        .filter(|(key, _)| key.starts_with(&prefix));
    rows.filter(|(_, row)| row.to_string().contains(text))
        .map(|(key, _)| key.as_str())
        .collect()
}

/// Checks what preflight and the plan report before the copy.
pub(crate) fn assert_forecast(stage: &Stage) {
    let preflight = stage.call(&["preflight", "rehearsal.yaml"]).exits(0);
    says(
        &preflight,
        &[
            "settings of providers are not taken from production: the target has no value for them",
            "'msdyn_fedex/msdyn_fedex_callbacksignaturekey': is a parameter with production's value (a \
             secret), and the target had none",
        ],
    );
    let plan = stage.call(&["plan", "rehearsal.yaml"]).exits(0);
    says(
        &plan,
        &["remove the source's value of environment variable 'contoso_ShopKey'"],
    );
}

/// No row of the target holds a value that only production had. Takes the run, and the world
/// afterwards.
pub(crate) fn assert_nothing_of_production(run: &CommandOutput, world: &World) {
    says(
        run,
        &[
            "not set: parameter 'msdyn_fedex_callbacksignaturekey' of provider 'FedEx' (msdyn_fedex), \
             a secret",
            "fix for these 5: production's value is not taken, because the target had no value: set it \
             in IOM app > Providers > Installed; or write a parameter under `parameters` of \
             reinstall-providers: `DEFINITION: { PARAMETER: { env: NAME } }`",
        ],
    );
    let seed = world.at_seed();
    for text in ONLY_IN_PRODUCTION {
        let found = rows_with(&seed, text);
        assert!(found.is_empty(), "the target did not have it: {found:?}");
        let found = rows_with(world, text);
        assert!(found.is_empty(), "{text}: {found:?}");
    }
    let variables = world.rows("environmentvariablevalue");
    assert_eq!(variables.len(), 1, "no value is a value: {variables:?}");
    assert!(
        rows_with(world, "uat-store-hash").len() == 1,
        "its own value is there"
    );
}

/// `verify` names a parameter that was not taken.
pub(crate) fn assert_unset_is_named(stage: &Stage) {
    let verify = stage
        .call(&["verify", "rehearsal.yaml", "--output", "json"])
        .exits(0);
    let unset = with_verdict(&verify, "unknown");
    let check = "every provider parameter that has a value in production has one";
    assert!(
        names(&unset, check, "msdyn_fedex_callbacksignaturekey"),
        "{unset:#?}"
    );
    let check = "no provider transformation has the library's text where production has its own";
    assert!(
        names(&unset, check, "msdyn_shipstation_order"),
        "{unset:#?}"
    );
}

/// Changes objects of the thin tenant while it is down.
fn edited(
    stage: &Stage,
    mut tenant: Tenant,
    runbook: &str,
    edit: impl Fn(&World) -> Map<String, Value>,
) -> Tenant {
    tenant.kill();
    let puts = edit(&stage.world());
    stage.edit_world(&puts);
    stage.start_tenant(runbook, &["--seed", "thin"])
}

/// Production's flow calls the shop, and the target's store hash was empty.
fn thin_edits(world: &World) -> Map<String, Value> {
    let key = row(world, "source", "workflow", "name", FLOW);
    let mut flow = world.objects[&key].clone();
    edit_client_data(&mut flow, |data| {
        data["properties"]["definition"]["actions"]["Call_partner"] = json!({
            "type": "Http", "runAfter": {},
            "inputs": {"method": "POST", "uri": "https://api.partner.example/orders"}});
    });
    let hash = row(
        world,
        "target",
        "msdyn_iomproviderparameter",
        "msdyn_value",
        "uat-store-hash",
    );
    let mut parameter = world.objects[&hash].clone();
    parameter["msdyn_value"] = Value::Null;
    Map::from_iter([(key, flow), (hash, parameter)])
}

fn flow(world: &World) -> &Value {
    &world.objects[&row(world, "target", "workflow", "name", FLOW)]
}

fn store_hashes(world: &World) -> Vec<&Value> {
    let rows = world.rows("msdyn_iomproviderparameter").into_iter();
    rows.map(|row| &row["msdyn_value"]).collect()
}

#[test]
fn a_flow_with_a_fixed_address_stays_off_and_an_empty_parameter_is_empty_again() {
    let stage = Stage::new();
    let tenant = stage.tenant(&[]);
    let text = thin_text().replace(
        "  - activate-flows: {}",
        "  - activate-flows:\n      turn-on: all",
    );
    let tenant = edited(&stage, tenant, &text, thin_edits);
    let run = stage.run().exits(0);
    says(
        &run,
        &[
            &format!("1 names production: {FLOW}"),
            &format!("cloud flow '{FLOW}' is left off"),
            "the fixed address api.partner.example in 'Call_partner'",
            "(msdyn_bigcommerce)",
            "production's value is not taken, because the target had no value",
        ],
    );
    let world = stage.world();
    assert_eq!(flow(&world)["statecode"], 0);
    assert_eq!(store_hashes(&world), [&Value::Null], "no value, as before");
    let verify = stage
        .call(&["verify", "rehearsal.yaml", "--output", "json"])
        .exits(0);
    let held = "no cloud flow that should be on is left off because it names production";
    let unknown = with_verdict(&verify, "unknown");
    assert!(names(&unknown, held, "api.partner.example"), "{unknown:#?}");
    let again = stage.run().exits(1);
    assert!(
        !again.stdout.contains("nothing is left to do"),
        "{}",
        again.stdout
    );

    // A person sets production's value by hand, then another one.
    let with_hash = |hash: &'static str| {
        move |world: &World| {
            let table = "msdyn_iomproviderparameter";
            let name = "BigCommerce Store Hash";
            let key = row(world, "target", table, "msdyn_name", name);
            let mut parameter = world.objects[&key].clone();
            parameter["msdyn_value"] = hash.into();
            Map::from_iter([(key, parameter)])
        }
    };
    let tenant = edited(&stage, tenant, &text, with_hash("prod-store-hash"));
    let verify = stage
        .call(&["verify", "rehearsal.yaml", "--output", "json"])
        .exits(1);
    let failed = with_verdict(&verify, "fail");
    let kind = "parameters and transformations of providers with production's values";
    assert!(
        names(&failed, kind, "msdyn_bigcommerce/msdyn_storehash"),
        "{failed:#?}"
    );
    let _tenant = edited(&stage, tenant, &text, with_hash("another-hash"));
    let verify = stage
        .call(&["verify", "rehearsal.yaml", "--output", "json"])
        .exits(0);
    let failed = with_verdict(&verify, "fail");
    assert!(!names(&failed, kind, ""), "{failed:#?}");
    let step = "step reinstall-providers finds nothing left to do";
    assert!(
        !names(&failed, step, ""),
        "a person's value stays: {failed:#?}"
    );
}

#[test]
fn the_runbook_replaces_allows_or_takes_what_it_names() {
    let replaced =
        "containment: { replace: [{ find: api.partner.example, with: uat.partner.example }] }";
    let allowed = "containment: { allow: [\"https://api.partner.example\"], parameters: source }";
    let recovery = "purpose: disaster-recovery";
    for (keys, host, hash) in [
        (replaced, "uat.partner.example", None),
        (allowed, "api.partner.example", Some("prod-store-hash")),
        (recovery, "api.partner.example", Some("prod-store-hash")),
    ] {
        let stage = Stage::new();
        let tenant = stage.tenant(&[]);
        let text = thin_text().replacen("steps:\n", &format!("{keys}\nsteps:\n"), 1);
        let _tenant = edited(&stage, tenant, &text, thin_edits);
        drop(stage.run().exits(0));
        let world = stage.world();
        assert_eq!(flow(&world)["statecode"], 1, "{keys}");
        let data = flow(&world)["clientdata"].to_string();
        assert!(
            data.contains(&format!("https://{host}/orders")),
            "{keys}: {data}"
        );
        assert_eq!(
            store_hashes(&world),
            [&hash.map_or(Value::Null, Value::from)],
            "{keys}"
        );
        let again = stage.run().exits(0);
        assert!(
            again.stdout.contains("nothing is left to do"),
            "{}",
            again.stdout
        );
    }
}

#[test]
fn a_required_parameter_without_a_value_is_located_and_nothing_is_deleted() {
    let stage = Stage::new();
    let tenant = stage.tenant(&[]);
    let required = |world: &World| {
        let mut puts = thin_edits(world);
        for side in ["source", "target"] {
            let table = "msdyn_iomproviderdefinitionparameter";
            let key = row(world, side, table, "msdyn_logicalname", "msdyn_storehash");
            let mut declared = world.objects[&key].clone();
            declared["msdyn_isrequired"] = true.into();
            puts.insert(key, declared);
        }
        puts
    };
    let _tenant = edited(&stage, tenant, &thin_text(), required);
    let run = stage.run().exits(3);
    says(
        &run,
        &[
            "required parameters of providers to be reinstalled have a value neither in the runbook",
            "msdyn_bigcommerce.msdyn_storehash",
            "rehearsal.yaml:",
        ],
    );
    assert!(stage.world().writes().is_empty());
}

/// Without step 6 the copied providers stay, with production's values. A second copy finds these in
/// the target: they are not its own.
#[test]
fn values_of_copied_providers_that_stay_are_open_also_after_a_second_copy() {
    let stage = Stage::new();
    let mut tenant = stage.tenant(&[]);
    tenant.kill();
    let text = thin_text();
    let (before, after) = text
        .split_once("  - detach-provider-actions:")
        .expect("step 5");
    let (_, last) = after
        .split_once("  - reconfigure-dual-write:")
        .expect("step 8");
    let skipped = [
        "detach-provider-actions",
        "reinstall-providers",
        "restore-provider-actions",
    ]
    .map(|step| format!("  - {step}: {{ skip: \"the providers stay\" }}\n"));
    let text = format!(
        "{before}{}  - reconfigure-dual-write:{last}",
        skipped.concat()
    );
    let _tenant = stage.start_tenant(&text, &["--seed", "thin"]);
    for more in [[].as_slice(), &["--fresh"]] {
        let run = stage.run_with(more).exits(1);
        let all = format!("{}{}", run.stdout, run.stderr);
        assert!(
            all.contains("msdyn_bigcommerce/msdyn_storehash"),
            "{more:?}: {all}"
        );
    }
}
