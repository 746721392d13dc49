//! The copy under the conditions of the field: pairs whose Finance and Operations cannot come along,
//! a copy that fails inside Finance and Operations, polls with odd answers, the end of
//! administration mode in another process, maps that were paused.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::harness::{Stage, Tenant, World, is, thin_text, with_endpoints};
use crate::lcs::says;

const SOURCE: &str = "11111111-1111-1111-1111-111111111111";
const TARGET: &str = "22222222-2222-2222-2222-222222222222";

type Puts = Map<String, Value>;

/// Starts the thin tenant with these objects, and these faults.
fn edited(stage: &Stage, objects: impl Fn(&World) -> Puts, faults: &[&str]) -> Tenant {
    stage.tenant(&[]).kill();
    let puts = objects(&stage.world());
    stage.edit_world(&puts);
    stage.tenant(faults)
}

/// A member of an environment in the world, changed.
fn changed(world: &World, environment: &str, pointer: &str, value: &str) -> (String, Value) {
    let key = format!("environment/{environment}");
    let mut object = world.objects[&key].clone();
    let member = object.pointer_mut(pointer).expect("the member exists");
    *member = value.into();
    (key, object)
}

/// Both environments are of the type Sandbox, and their deployments are these.
fn unified(source: &'static str, target: &'static str) -> impl Fn(&World) -> Puts {
    move |world| {
        Puts::from_iter([
            changed(world, SOURCE, "/properties/environmentSku", "Sandbox"),
            (
                format!("finops/{SOURCE}"),
                json!({"deploymentType": source}),
            ),
            (
                format!("finops/{TARGET}"),
                json!({"deploymentType": target}),
            ),
        ])
    }
}

fn copies(stage: &Stage) -> usize {
    stage.world().count_successful("POST", "/copy")
}

const UNTIL_COPY: [&str; 2] = ["--until", "copy-environments"];

#[test]
fn ude_onto_use_is_refused_before_the_copy() {
    let stage = Stage::new();
    let tenant = edited(&stage, unified("UnifiedDeveloper", "UnifiedSandbox"), &[]);
    let answer = stage.run().exits(5);
    says(
        &answer,
        &[
            "Microsoft does not support copying this Finance and Operations onto the target's",
            "source: unified, for developers; target: a unified sandbox",
        ],
    );
    assert_eq!(copies(&stage), 0);
    drop(tenant);
    for (source, target) in [
        ("UnifiedSandbox", "UnifiedSandbox"),
        ("UnifiedDeveloper", "UnifiedDeveloper"),
    ] {
        let stage = Stage::new();
        let _tenant = edited(&stage, unified(source, target), &[]);
        drop(stage.call(&["preflight", "rehearsal.yaml"]).exits(0));
    }
}

#[test]
fn a_unified_copy_that_left_finance_untouched_is_a_finding() {
    let stage = Stage::new();
    // Nobody shows how the two are deployed, so nothing refuses the copy.
    let objects = unified("UnifiedDeveloper", "UnifiedSandbox");
    let _tenant = edited(&stage, objects, &["refuse=403:GET */finopsproperties"]);
    let answer = stage.run_with(&UNTIL_COPY).exits(0);
    says(
        &answer,
        &[
            "a mismatched pair: the copy reports success, and Finance and Operations of 'Contoso UAT' \
             was not replaced",
            "it still has what only the target had (application c11e0000-",
        ],
    );
    assert_eq!(copies(&stage), 1);
}

#[test]
fn a_copy_that_replaced_finance_and_operations_has_no_such_note() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let answer = stage.run_with(&UNTIL_COPY).exits(0);
    let output = format!("{}{}", answer.stdout, answer.stderr);
    for part in ["a mismatched pair", "it is not proved"] {
        assert!(!output.contains(part), "{output}");
    }
}

#[test]
fn a_copy_that_fails_in_finance_and_operations_names_the_reason() {
    let stage = Stage::new();
    let error = |code: &str, at: &str| {
        json!({"correlationId": "c-1", "errorCode": code, "errorMessage": "a table is locked",
            "failedActionName": "SynchronizeDatabase", "failedAt": at, "operationType": "Copy"})
    };
    let objects = |_: &World| {
        Puts::from_iter([
            (
                format!("operation-error/{TARGET}/1"),
                error("OldReason", "2020-01-01T00:00:00Z"),
            ),
            (
                format!("operation-error/{TARGET}/2"),
                error("DatabaseSyncFailed", "2099-01-01T00:00:00Z"),
            ),
        ])
    };
    let _tenant = edited(&stage, objects, &["fail#1:POST */copy"]);
    let answer = stage.run().exits(1);
    let reason = "its Finance and Operations reports: DatabaseSyncFailed: a table is locked";
    let wanted = [
        reason,
        "action SynchronizeDatabase",
        "do not use 'Contoso UAT'",
    ];
    says(&answer, &wanted);
    assert!(!answer.stderr.contains("OldReason"), "{}", answer.stderr);
    let records = stage.records();
    let ended = records.iter().find(|record| record["type"] == "ended");
    let why = &ended.expect("the copy ended")["data"]["detail"]["why"];
    assert!(
        why.as_str().is_some_and(|why| why.contains(reason)),
        "{why}"
    );
}

#[test]
fn keys_that_are_managed_differently_are_found_before_the_copy() {
    let stage = Stage::new();
    let objects = |world: &World| {
        let pointer = "/properties/protectionStatus/keyManagedBy";
        Puts::from_iter([changed(world, SOURCE, pointer, "Customer")])
    };
    let _tenant = edited(&stage, objects, &[]);
    let answer = stage.run().exits(5);
    says(
        &answer,
        &[
            "the encryption keys of the environments may differ",
            "source Customer, target Microsoft",
        ],
    );
    assert_eq!(copies(&stage), 0);
}

#[test]
fn a_poll_that_is_busy_or_gone_says_nothing_about_the_copy() {
    for fault in [
        "answer=409#1:GET */environments/*/operations/*",
        "answer=404#1:GET */environments/*/operations/*",
        "garble#1:GET */environments/*/operations/*",
    ] {
        let stage = Stage::new();
        let _tenant = stage.tenant(&[fault]);
        let answer = stage.run_with(&UNTIL_COPY);
        assert_eq!(answer.code, Some(0), "{fault}: {}", answer.stderr);
        assert_eq!(copies(&stage), 1, "{fault}");
        let is_false_end =
            |record: &Value| record["type"] == "ended" && record["data"]["outcome"] != "succeeded";
        assert!(!stage.records().iter().any(is_false_end), "{fault}");
    }
}

/// The reply to the request is lost together with the process that waits for it; the next process
/// takes the operation for its own.
#[test]
fn killed_after_leaving_administration_mode() {
    const PATH: &str = "/scopes/admin/environments/";
    let stage = Stage::new();
    let _tenant = stage.tenant(&["hold#1:PATCH */scopes/admin/environments/*"]);
    let mut child = stage.start();
    let key = format!("administration-mode/{TARGET}");
    let began = stage.wait_for(&mut child, |record| is(record, "intent", "key", &key));
    assert!(began, "the change begins");
    let since = Instant::now();
    while stage.world().count_successful("PATCH", PATH) == 0 {
        assert!(since.elapsed() < Duration::from_mins(1), "it is sent");
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(child.kill());
    drop(child.wait());
    let answer = stage.run_again().exits(0);
    assert!(
        !answer.stderr.contains("another operation"),
        "{}",
        answer.stderr
    );
    assert_eq!(stage.world().count_successful("PATCH", PATH), 1);
}

/// The thin tenant with dual-write, where one map of the target was paused.
fn with_paused_map(stage: &Stage, runbook: &str) -> Tenant {
    let arguments = ["--seed", "thin", "--dual-write", "on"];
    stage.start_tenant(&thin_text(), &arguments).kill();
    let world = stage.world();
    let mut puts = Puts::new();
    let key = format!("dual-write/{TARGET}/map/{PAUSED}");
    let mut map = world.objects[&key].clone();
    map["state"] = "5".into();
    puts.insert(key, map);
    let prefix = format!("finance-operations/{TARGET}/DualWriteProjectConfigurations/");
    let (table, entity) = PAUSED.split_once(" - ").expect("a name has two parts");
    for (key, row) in &world.objects {
        let is_of_map = row["ExternalEntityName"] == table && row["InternalEntityName"] == entity;
        if key.starts_with(&prefix) && is_of_map {
            let mut row = row.clone();
            row["Status"] = "Queueing".into();
            puts.insert(key.clone(), row);
        }
    }
    stage.edit_world(&puts);
    let tenant = stage.start_tenant(&thin_text(), &arguments);
    stage.write_runbook(&with_endpoints(runbook, &tenant.endpoints));
    tenant
}

/// A map of the target that runs, and that no other running map needs.
const PAUSED: &str = "products - CDS released distinct products";

fn runbook_with_gateway(more: &str) -> String {
    thin_text().replace(
        "  - reconfigure-dual-write: {}",
        &format!("  - reconfigure-dual-write: {{ gateway: {{ acknowledged-by: tester }}{more} }}"),
    )
}

fn state_of_paused_map(stage: &Stage) -> String {
    let world = stage.world();
    let map = &world.objects[&format!("dual-write/{TARGET}/map/{PAUSED}")];
    map["state"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_paused_map_is_recognised_and_named() {
    let stage = Stage::new();
    let _tenant = with_paused_map(&stage, &runbook_with_gateway(""));
    let answer = stage.run().exits(0);
    says(
        &answer,
        &[
            "4 of 4 dual-write maps running again, 1 paused before and left stopped, 3 left stopped",
            &format!("dual-write map '{PAUSED}' was paused before the copy, and stays stopped"),
            "`paused-maps: run`",
        ],
    );
    assert_ne!(state_of_paused_map(&stage), "4");
}

#[test]
fn a_paused_map_runs_again_if_the_runbook_says_so() {
    let stage = Stage::new();
    let _tenant = with_paused_map(&stage, &runbook_with_gateway(", paused-maps: run"));
    let answer = stage.run().exits(0);
    says(
        &answer,
        &[
            "5 of 5 dual-write maps running again, 3 left stopped",
            &format!("dual-write map '{PAUSED}' was paused before the copy, and runs again"),
        ],
    );
    assert_eq!(state_of_paused_map(&stage), "4");
    drop(stage.call(&["verify", "rehearsal.yaml"]).exits(0));
}
