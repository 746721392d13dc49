//! Conditions of the field that are found before the copy, and what a run does if it cannot know
//! more: each check names the step that it protects, a secret is tried once, a column that no step
//! needs is not demanded.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Map, json};

use crate::edits::{probes, row};
use crate::harness::{Stage, World};
use crate::whole_world::assert_whole_tenant_is_refreshed;

const STEPS: [&str; 8] = [
    "copy-environments",
    "exit-administration-mode",
    "reconfigure-connections",
    "activate-flows",
    "detach-provider-actions",
    "reinstall-providers",
    "restore-provider-actions",
    "reconfigure-dual-write",
];

/// The columns that no step needs, by table. One more is the text of a failed activation: without it
/// the program waits for the whole timeout.
fn optional_columns() -> serde_json::Value {
    json!({
        "msdyn_iomproviderdefinition": ["msdyn_isactive"],
        "msdyn_iomproviderdefinitionconnectionref": ["msdyn_logicalname"],
        "msdyn_iomproviderdefinitionlogicdefinition": ["msdyn_logicalname"],
        "msdyn_iomproviderdefinitionparameter": ["msdyn_logicalname"],
        "msdyn_iomproviderdefinitiontransformation": ["msdyn_logicalname"],
    })
}

/// How the cause of a refusal is known before the copy.
enum Foreseen {
    /// By the check whose name has these words.
    By(&'static str),
    /// It is not, and why.
    Not(&'static str),
}

use Foreseen::{By, Not};

/// Every code with which the rehearsal tenant's Dataverse and Flow service refuse a request.
const REFUSALS: [(&str, Foreseen); 35] = [
    (
        "0x80040217",
        Not("a row that vanishes during a run: a removal counts it as done, a set surveys again"),
    ),
    (
        "0x80040220",
        By("the caller is System Administrator in the target"),
    ),
    ("0x80040231", By("can own in the source")),
    (
        "0x80040237",
        Not("ids are new, so only a repeated creation finds its own row, which is read back"),
    ),
    (
        "0x80040265",
        Not(
            "rules of plug-ins and of key vaults are not published; rows that are known to break one have their own checks",
        ),
    ),
    ("0x80042f09", By("survives the copy")),
    (
        "0x80044331",
        Not("a written value comes from the same column of the other environment, so it fits"),
    ),
    (
        "0x8004431a",
        Not("a written choice comes from the same column of the other environment"),
    ),
    ("0x80048306", By("the target is ready")),
    ("0x80048340", By("can own in the source")),
    (
        "0x80048408",
        Not("a state that a person changes during a run"),
    ),
    ("0x80048d19", By("can be filled for a row")),
    (
        "0x80048d21",
        By("nothing forbids the deletion of a provider"),
    ),
    (
        "0x8004500c",
        Not(
            "a flow that a person turns on during a run; the run turns flows off before it assigns them",
        ),
    ),
    (
        "0x8004a110",
        By("the caller is System Administrator in the target"),
    ),
    ("0x8004a113", By("survives the copy")),
    (
        "0x8004f026",
        By("plug-in steps that call webhooks and service endpoints: nothing will be left open"),
    ),
    (
        "0x80060466",
        Not("a flow that a person turns on during a run"),
    ),
    (
        "0x80060467",
        Not("it wraps the inner codes of the Flow service, which follow"),
    ),
    (
        "0x80060468",
        Not("the definition was valid in the source, and only texts within it are replaced"),
    ),
    (
        "0x80060882",
        Not("a person's edit during a run: the row is read again and compared"),
    ),
    ("0x80060888", By("IOM's tables and columns are found")),
    ("0x8006088a", Not("the program sends no such query")),
    ("0x80060891", By("IOM's tables and columns are found")),
    (
        "0x80071151",
        Not("it begins when somebody installs something: the run waits"),
    ),
    (
        "0x80072042",
        By("both environments allow unmanaged customizations"),
    ),
    ("0x80072321", Not(LIMITS)),
    ("0x80072322", Not(LIMITS)),
    ("0x80072326", Not(LIMITS)),
    ("0x80072560", By("survives the copy")),
    ("0x80095ffe", By("the source has no IP firewall")),
    (
        "ConnectionAuthorizationFailed",
        By("every connection that the runbook names is connected"),
    ),
    (
        "DlpViolation",
        By("no flow that should be on has all connectors of a flow"),
    ),
    (
        "FlowMissingConnection",
        By("has a connection in the runbook"),
    ),
    (
        "XrmConnectionReferenceMissingConnection",
        By("has a connection in the runbook"),
    ),
];

/// Why no check looks for a limit of each user.
const LIMITS: &str = "the service limits every caller: the run waits as long as it asks";

/// Inner codes that the order of a run prevents or that later passes cure.
const OF_CHILDREN: [&str; 4] = [
    "AzureResourceManagerRequestFailed",
    "ChildFlowNeverPublished",
    "FlowCannotInvokeItself",
    "ChildFlowUnsupportedForInvokerConnections",
];

/// The codes in the texts of the rehearsal tenant: hexadecimal ones, and the second text of each
/// error of the Flow service.
fn codes_in(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the directory exists") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "tests") {
                codes_in(&path, into);
            }
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let hexadecimal = text.split('"').filter(|part| {
            part.len() == 10
                && part.starts_with("0x8")
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        into.extend(hexadecimal.map(str::to_ascii_lowercase));
        let of_flows = text.split("::flow_service(").skip(1);
        into.extend(of_flows.filter_map(|rest| {
            // A call with texts, and not with names of variables.
            let texts = rest.trim_start().starts_with('"');
            texts.then(|| rest.split('"').nth(3).map(str::to_owned))?
        }));
    }
}

/// Every refusal that the tenant can give is found before the copy, or the table says why that is
/// impossible.
fn every_refusal_is_foreseen_or_explained(checks: &[serde_json::Value]) {
    let mut codes = BTreeSet::new();
    let tenant = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rehearsal");
    codes_in(&tenant, &mut codes);
    assert!(codes.len() > 20, "{codes:?}");
    let is_known = |code: &&String| {
        OF_CHILDREN.contains(&code.as_str()) || REFUSALS.iter().any(|(known, _)| known == code)
    };
    let unknown: Vec<&String> = codes.iter().filter(|code| !is_known(code)).collect();
    assert!(
        unknown.is_empty(),
        "say how these are foreseen: {unknown:?}"
    );
    for (code, foreseen) in &REFUSALS {
        match foreseen {
            By(name) => assert!(
                checks
                    .iter()
                    .any(|check| check["probe"].as_str().is_some_and(|it| it.contains(name))),
                "{code}: no check is called '{name}'"
            ),
            Not(why) => assert!(why.len() > 20, "{code}"),
        }
    }
}

#[test]
fn every_check_names_the_step_that_it_protects() {
    let stage = Stage::new();
    let answer = stage.call(&["preflight", "rehearsal.yaml", "--output", "json"]);
    let checks = probes(&answer.exits(0));
    every_refusal_is_foreseen_or_explained(&checks);
    assert!(checks.len() > 50, "{}", checks.len());
    for check in &checks {
        let step = check["protects"].as_str().unwrap_or_default();
        assert!(STEPS.contains(&step), "{check:#}");
    }
    for step in STEPS {
        let protects = |check: &&serde_json::Value| check["protects"] == step;
        assert!(checks.iter().any(|check| protects(&check)), "{step}");
    }
    let shown = stage
        .call(&["preflight", "rehearsal.yaml", "-v"])
        .exits(0)
        .stdout;
    let line = "every provider to be reinstalled has an active definition in the library (affects \
                step reinstall-providers)";
    assert!(shown.contains(line), "{shown}");
}

/// The target's row of the shop's address.
fn address(world: &World, side: &str) -> (String, serde_json::Value) {
    let table = "environmentvariablevalue";
    let key = row(
        world,
        side,
        table,
        "schemaname",
        "contoso_ShopAddress_value",
    );
    let value = world.objects[&key].clone();
    (key, value)
}

#[test]
fn a_secret_variable_is_tried_once_and_then_asked_for() {
    let stage = Stage::new();
    stage.whole_tenant(&[]).kill();
    let world = stage.world();
    let mut puts = Map::from_iter([("quirk/vault-forbidden".to_owned(), json!({}))]);
    for side in ["source", "target"] {
        let table = "environmentvariabledefinition";
        let key = row(&world, side, table, "schemaname", "contoso_ShopAddress");
        let mut definition = world.objects[&key].clone();
        definition["type"] = 100_000_005.into();
        puts.insert(key, definition);
    }
    stage.edit_world(&puts);
    let (_, own) = address(&world, "target");
    let mut tenant = stage.whole_tenant(&[]);
    let until = ["--until", "exit-administration-mode"];
    for attempt in ["the first run", "another run"] {
        let answer = stage.run_with(&until).exits(10);
        let output = format!("{}{}", answer.stdout, answer.stderr);
        for part in [
            "exit-administration-mode/variables",
            "Key Vault Secrets User",
            "Environment variables > 'contoso_ShopAddress'",
            "target/environmentvariablevalue/",
        ] {
            assert!(output.contains(part), "{attempt}: {part}\n{output}");
        }
        assert!(!output.contains("https://uat-shop"), "{attempt}: {output}");
        let world = stage.world();
        let (key, _) = address(&world, "target");
        let id = key.rsplit('/').next().unwrap_or_default();
        assert_eq!(world.count_sent("PATCH", id), 1, "{attempt}");
    }
    tenant.kill();
    let (key, mut value) = address(&stage.world(), "target");
    assert_ne!(
        value["value"], own["value"],
        "the copy brought the source's"
    );
    value["value"] = own["value"].clone();
    stage.edit_world(&Map::from_iter([(key, value)]));
    let _tenant = stage.whole_tenant(&[]);
    drop(stage.run_with(&until).exits(0));
}

#[test]
fn a_tenant_without_the_optional_columns_is_refreshed_to_the_same_end() {
    let stage = Stage::new();
    drop(stage.call(&["preflight", "rehearsal.yaml"]).exits(0));
    let missing = ("quirk/missing-columns".to_owned(), optional_columns());
    stage.edit_in_process_world(&Map::from_iter([missing]));
    let run = stage.run().exits(0);
    for expected in ["24 of 25 slots restored", "12 providers reinstalled"] {
        assert!(run.stdout.contains(expected), "{expected}: {}", run.stdout);
    }
    assert_whole_tenant_is_refreshed(&stage.in_process_world());
}
