//! Checks the whole tenant after a refresh. It reads only the world and its seed, never the
//! program's own output.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::harness::World;

/// The tables that are searched for names of the source.
const SEARCHED_TABLES: [&str; 14] = [
    "connectionreference",
    "connector",
    "environmentvariabledefinition",
    "environmentvariablevalue",
    "msdyn_iomdesigner",
    "msdyn_iomplatformconnectionreference",
    "msdyn_iompolicy",
    "msdyn_iomprovider",
    "msdyn_iomproviderconnectionreference",
    "msdyn_iomproviderparameter",
    "msdyn_iomprovidertransformation",
    "msdyn_iomrule",
    "msdyn_iomwarehousemapping",
    "workflow",
];

/// The user that should own the target's flows and connections.
const SERVICE: &str = "svc-iom@contoso.com";

/// Checks the whole tenant, object by object, and that the target was copied over once.
pub(crate) fn assert_whole_tenant_is_refreshed(world: &World) {
    assert_whole_tenant_is_refreshed_by(1, world);
}

/// The same after this number of copies.
pub(crate) fn assert_whole_tenant_is_refreshed_by(copies: usize, world: &World) {
    assert_eq!(world.count_successful("POST", "/copy"), copies, "copies");
    the_environment_is_open(world);
    every_slot_holds_the_new_action_of_the_same_logic(world);
    published_orchestrations_are_published_and_drafts_are_drafts(world);
    providers_are_reinstalled(world);
    settings_are_the_targets_own(world);
    variables_are_the_targets_own(world);
    mappings_reference_the_new_providers(world);
    nothing_names_the_source(world);
    custom_connectors_are_the_targets_own(world);
    owners_are_correct(world);
    flows_are_on_as_in_the_source(world);
    the_customers_own_objects_are_unchanged(world);
}

fn the_environment_is_open(world: &World) {
    let properties = &world.environment("Contoso UAT")["properties"];
    assert_eq!(properties["states"]["runtime"]["id"], "Enabled");
    let metadata = &properties["linkedEnvironmentMetadata"];
    assert_eq!(metadata["backgroundOperationsState"], "Enabled");
}

/// Every graph equals its original byte for byte, except for the ids of actions and one action's
/// name, which the library has changed.
fn every_slot_holds_the_new_action_of_the_same_logic(world: &World) {
    let logic = |row: &Value| lookup(row, "msdyn_logicdefinitionid");
    let new: BTreeMap<String, &Value> = world
        .rows("msdyn_iomprovideraction")
        .into_iter()
        .map(|row| (logic(row), row))
        .collect();
    assert_eq!(
        new.len(),
        28,
        "28 actions, each of another logic definition"
    );
    let old = world.rows_of("source", "msdyn_iomprovideraction");
    let now = by_id(world.rows("msdyn_iomdesigner"), "msdyn_iomdesignerid");
    let mut slots = 0;
    for original in world.rows_of("source", "msdyn_iomdesigner") {
        let mut expected = text(original, "msdyn_graph").to_owned();
        for action in &old {
            let id = text(action, "msdyn_iomprovideractionid");
            let successor = new[&logic(action)];
            let new_id = text(successor, "msdyn_iomprovideractionid");
            assert!(
                !world.seed.keys().any(|key| key.ends_with(new_id)),
                "{new_id} was made in the refresh"
            );
            for (old, new) in [
                (id.to_owned(), new_id.to_owned()),
                (id.to_uppercase(), new_id.to_uppercase()),
            ] {
                slots += expected.matches(&old).count();
                expected = expected.replace(&old, &new);
                if old == new.to_lowercase() {
                    break;
                }
            }
            let (was, is) = (text(action, "msdyn_name"), text(successor, "msdyn_name"));
            if was != is && expected.contains(new_id) {
                expected = expected.replace(&format!("{was}\""), &format!("{is}\""));
            }
        }
        let id = text(original, "msdyn_iomdesignerid");
        let name = text(original, "msdyn_name");
        assert_eq!(text(now[id], "msdyn_graph"), expected, "{name}");
        assert_eq!(text(now[id], "msdyn_name"), name);
    }
    assert_eq!(slots, 24, "24 of 25 uses of actions are led to new ones");
    let dangling = now
        .values()
        .filter(|row| text(row, "msdyn_graph").contains("deadbeef-0000-4000-8000-000000000001"));
    assert_eq!(dangling.count(), 1, "the dangling one is untouched");
}

fn published_orchestrations_are_published_and_drafts_are_drafts(world: &World) {
    let now = by_id(world.rows("msdyn_iomdesigner"), "msdyn_iomdesignerid");
    let flows = by_id(world.rows("workflow"), "workflowid");
    let mut published = 0;
    for original in world.rows_of("source", "msdyn_iomdesigner") {
        let id = text(original, "msdyn_iomdesignerid");
        assert_eq!(now[id]["statecode"], original["statecode"], "{original}");
        let of = |row: &&Value| lookup(row, "msdyn_designerid") == id;
        let steps: Vec<&Value> = world.rows("msdyn_iomstep").into_iter().filter(of).collect();
        let before = world.rows_of("source", "msdyn_iomstep");
        assert_eq!(steps.len(), before.into_iter().filter(of).count());
        if original["statecode"] == 1 {
            published += 1;
            assert!(!steps.is_empty());
        }
        for step in steps {
            let step_id = text(step, "msdyn_iomstepid");
            let is_new = !world.seed.keys().any(|key| key.ends_with(step_id));
            assert!(is_new, "compiled again: {step}");
            let flow = flows[lookup(step, "msdyn_workflowid").as_str()];
            assert_eq!(flow["statecode"], 1, "{flow}");
        }
    }
    assert_eq!(published, 4, "four orchestrations are published");
    // A policy that a published orchestration uses is published; the others are unchanged.
    let policies = by_id(world.rows("msdyn_iompolicy"), "msdyn_iompolicyid");
    let graphs: Vec<&str> = now
        .values()
        .filter(|row| row["statecode"] == 1)
        .map(|row| text(row, "msdyn_graph"))
        .collect();
    for original in world.rows_of("source", "msdyn_iompolicy") {
        let id = text(original, "msdyn_iompolicyid");
        let used = graphs.iter().any(|graph| graph.contains(id));
        if used {
            assert_eq!(policies[id]["statecode"], 0, "published: {original}");
        } else {
            assert_eq!(policies[id]["statecode"], original["statecode"]);
        }
    }
}

/// One new, active instance with the same name for each provider that was active.
fn providers_are_reinstalled(world: &World) {
    let definition = |row: &Value| lookup(row, "msdyn_providerdefinitionid");
    let was_active = |row: &&Value| row["statecode"] == 0;
    let names = |rows: Vec<&Value>| -> BTreeMap<String, String> {
        rows.into_iter()
            .filter(was_active)
            .map(|row| (definition(row), text(row, "msdyn_name").to_owned()))
            .collect()
    };
    let now = world.rows("msdyn_iomprovider");
    assert_eq!(now.len(), 12, "the inactive instance does not come back");
    assert_eq!(
        names(now.clone()),
        names(world.rows_of("source", "msdyn_iomprovider"))
    );
    for row in now {
        let id = text(row, "msdyn_iomproviderid");
        assert!(!world.seed.keys().any(|key| key.ends_with(id)), "{row}");
    }
}

/// Parameters and transformations equal the target's values byte for byte; if the target had
/// none, they are as the library installs them, and production's value is in no row.
fn settings_are_the_targets_own(world: &World) {
    for (table, declared, column, declaration, shipped) in [
        (
            "msdyn_iomproviderparameter",
            "msdyn_parameterdefinitionid",
            "msdyn_value",
            "msdyn_iomproviderdefinitionparameter",
            "msdyn_defaultvalue",
        ),
        (
            "msdyn_iomprovidertransformation",
            "msdyn_transformationdefinitionid",
            "msdyn_transformation",
            "msdyn_iomproviderdefinitiontransformation",
            "msdyn_transformation",
        ),
    ] {
        let values = |settings: Vec<&Value>, providers: Vec<&Value>| -> BTreeMap<String, Value> {
            let active: BTreeSet<&str> = providers
                .into_iter()
                .filter(|row| row["statecode"] == 0)
                .map(|row| text(row, "msdyn_iomproviderid"))
                .collect();
            settings
                .into_iter()
                .filter(|row| active.contains(lookup(row, "msdyn_providerid").as_str()))
                .map(|row| (lookup(row, declared), row[column].clone()))
                .collect()
        };
        let library: BTreeMap<String, Value> = world
            .rows(declaration)
            .into_iter()
            .map(|row| {
                let id = text(row, &format!("{declaration}id")).to_owned();
                (id, row[shipped].clone())
            })
            .collect();
        let now = values(world.rows(table), world.rows("msdyn_iomprovider"));
        let production = values(
            world.rows_of("source", table),
            world.rows_of("source", "msdyn_iomprovider"),
        );
        let targets = values(
            world.seeded("target", table),
            world.seeded("target", "msdyn_iomprovider"),
        );
        let mut not_taken = 0;
        for (declared, value) in &now {
            let own = targets.get(declared).filter(|value| value.is_string());
            let expected = own.unwrap_or(&library[declared]);
            assert_eq!(value, expected, "{table}: {declared}");
            not_taken += usize::from(own.is_none() && *value != production[declared]);
        }
        assert_eq!(now.len(), production.len(), "{table}");
        assert!(
            not_taken > 0,
            "{table}: production has a value that the target had not"
        );
        assert!(now.values().filter(|value| value.is_string()).count() > 1);
    }
}

fn mappings_reference_the_new_providers(world: &World) {
    let definitions: BTreeMap<String, String> = world
        .rows("msdyn_iomprovider")
        .into_iter()
        .chain(world.rows_of("source", "msdyn_iomprovider"))
        .map(|row| {
            let id = text(row, "msdyn_iomproviderid").to_owned();
            (id, lookup(row, "msdyn_providerdefinitionid"))
        })
        .collect();
    let now = by_id(
        world.rows("msdyn_iomwarehousemapping"),
        "msdyn_iomwarehousemappingid",
    );
    let originals = world.rows_of("source", "msdyn_iomwarehousemapping");
    assert_eq!(now.len(), originals.len());
    for original in originals {
        let row = now[text(original, "msdyn_iomwarehousemappingid")];
        let (was, is) = (
            lookup(original, "msdyn_providerid"),
            lookup(row, "msdyn_providerid"),
        );
        assert_ne!(was, is, "the new instance");
        assert_eq!(definitions[&was], definitions[&is]);
        assert_eq!(
            without(row, &["msdyn_providerid"]),
            without(original, &["msdyn_providerid"])
        );
    }
}

/// No row of the searched tables contains the source's environment, hosts or connections.
fn nothing_names_the_source(world: &World) {
    let source = world.environment("Contoso Prod");
    let properties = &source["properties"];
    let id = text(source, "name").to_owned();
    let connections: Vec<String> = world
        .objects
        .keys()
        .filter_map(|key| key.strip_prefix(&format!("connection/{id}/")))
        .map(str::to_owned)
        .collect();
    assert!(connections.len() > 10, "{connections:?}");
    let domain = text(&properties["linkedEnvironmentMetadata"], "domainName").to_owned();
    let hosts = [
        host(text(
            &properties["linkedEnvironmentMetadata"],
            "instanceUrl",
        )),
        host(text(&properties["linkedAppMetadata"], "url")),
        domain,
        "//shop.contoso.com".to_owned(),
    ];
    let marks: Vec<String> = [id].into_iter().chain(hosts).chain(connections).collect();
    for table in SEARCHED_TABLES {
        let rows = world.rows(table);
        assert!(!rows.is_empty() || table == "msdyn_iomrule", "{table}");
        for row in rows {
            let row = row.to_string().to_lowercase();
            let named: Vec<&String> = marks
                .iter()
                .filter(|mark| row.contains(&mark.to_lowercase()))
                .collect();
            assert!(named.is_empty(), "{table} names {named:?}: {row}");
        }
    }
}

/// References, flows and connection URLs name the custom connector by the target's identifier.
fn custom_connectors_are_the_targets_own(world: &World) {
    let own = |rows: Vec<&Value>| text(rows[0], "connectorinternalid").to_owned();
    let source = own(world.seeded("source", "connector"));
    let target = own(world.seeded("target", "connector"));
    assert_ne!(source, target, "each environment has its own");
    for table in [
        "connector",
        "connectionreference",
        "msdyn_iomproviderconnectionreference",
        "workflow",
    ] {
        let naming = |id: &str| {
            let rows = world.rows(table).into_iter();
            rows.filter(|row| row.to_string().contains(id)).count()
        };
        assert!(naming(&target) > 0, "{table} names {target}");
        assert_eq!(naming(&source), 0, "{table} names {source}");
    }
    let posts = |row: &&Value| text(row, "name") == "Contoso - Post to RequestBin";
    let flow = world.rows("workflow").into_iter().find(posts);
    assert_eq!(flow.expect("the copy brings it")["statecode"], 1);
}

/// Every environment variable has the value that the target had, and one differs from the source's.
fn variables_are_the_targets_own(world: &World) {
    let table = "environmentvariablevalue";
    let sources = world.seeded("source", table);
    let now = world.rows(table);
    let mut differ = 0;
    for value in world.seeded("target", table) {
        let is_it = |row: &&Value| row["value"] == value["value"];
        assert!(now.iter().any(is_it), "{value} is back");
        differ += usize::from(!sources.iter().any(is_it));
    }
    assert!(differ > 0, "target and source differ somewhere");
}

fn owners_are_correct(world: &World) {
    let users = world.rows("systemuser");
    let service = users
        .iter()
        .find(|row| row["domainname"] == SERVICE)
        .expect("the service account is a user");
    let service = text(service, "systemuserid");
    let mut checked = 0;
    for table in [
        "connectionreference",
        "msdyn_iomplatformconnectionreference",
        "msdyn_iomprovider",
        "msdyn_iomproviderconnectionreference",
        "msdyn_iomprovideraction",
    ] {
        for row in world.rows(table) {
            assert_eq!(lookup(row, "ownerid"), service, "{table}: {row}");
            checked += 1;
        }
    }
    for flow in world.rows("workflow") {
        if flow["category"] != 5 {
            continue;
        }
        let is_made = !world
            .seed
            .keys()
            .any(|key| key.ends_with(text(flow, "workflowid")));
        if is_made || flow["statecode"] == 1 && flow["ismanaged"] == false {
            assert_eq!(lookup(flow, "ownerid"), service, "{flow}");
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

/// Flows that were on in the source are on, except recreated ones; flows that were off are off.
fn flows_are_on_as_in_the_source(world: &World) {
    let now = by_id(world.rows("workflow"), "workflowid");
    let providers: BTreeSet<&str> = world
        .rows_of("source", "msdyn_iomprovider")
        .into_iter()
        .map(|row| text(row, "msdyn_iomproviderid"))
        .collect();
    for original in world.rows_of("source", "workflow") {
        if original["category"] != 5 {
            continue;
        }
        let name = text(original, "name");
        let id = text(original, "workflowid");
        let is_deployed = name.starts_with("iom_") || name.ends_with(')');
        if is_deployed && providers.iter().any(|id| name.contains(id)) {
            if name.starts_with("Contoso - ") {
                continue;
            }
            let left = now.get(id);
            assert!(
                left.is_none_or(|flow| flow["statecode"] != 1),
                "a deleted provider's flow does not run: {name}"
            );
        } else if let Some(flow) = now.get(id) {
            let was_on = original["statecode"] == 1;
            assert_eq!(flow["statecode"] == 1, was_on, "{name}");
        } else {
            assert!(name.starts_with("(DO NOT DELETE OR MODIFY) "), "{name}");
        }
    }
}

/// The customer's own flow, which the refresh does not concern, and the orchestration without
/// provider actions are as the copy brought them.
fn the_customers_own_objects_are_unchanged(world: &World) {
    let watched = |rows: Vec<&Value>| -> Value {
        let found = rows
            .into_iter()
            .find(|row| text(row, "name").starts_with("Contoso - Watch "));
        found.expect("the customer's own flow is there").clone()
    };
    let (now, was) = (
        watched(world.rows("workflow")),
        watched(world.rows_of("source", "workflow")),
    );
    assert_eq!(
        without(&now, &["modifiedby"]),
        without(&was, &["modifiedby"])
    );
    let changed = world.requests.iter().filter(|request| {
        request["method"] != "GET" && text(request, "path").contains(text(&now, "workflowid"))
    });
    assert_eq!(changed.count(), 0, "nobody wrote to it");
}

fn host(url: &str) -> String {
    url.trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned()
}

fn text<'a>(row: &'a Value, column: &str) -> &'a str {
    row[column].as_str().unwrap_or_default()
}

/// The id in a lookup.
fn lookup(row: &Value, column: &str) -> String {
    let held = row[column]
        .as_object()
        .and_then(|held| held.values().next());
    held.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn by_id<'a>(rows: Vec<&'a Value>, id: &str) -> BTreeMap<&'a str, &'a Value> {
    rows.into_iter().map(|row| (text(row, id), row)).collect()
}

/// A row without these columns, and without the columns that every write changes.
fn without(row: &Value, columns: &[&str]) -> Map<String, Value> {
    let mut row = row.as_object().cloned().unwrap_or_default();
    row.retain(|key, _| {
        !columns.contains(&key.as_str())
            && !["versionnumber", "modifiedon", "modifiedby"].contains(&key.as_str())
    });
    row
}
