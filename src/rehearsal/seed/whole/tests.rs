//! The totals of the whole tenant, and what belongs to what.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::catalogue::Catalogue;
use super::orchestrations::ORCHESTRATIONS;
use crate::rehearsal::behaviour::flows::compiled_name;
use crate::rehearsal::behaviour::graph::Graph;
use crate::rehearsal::behaviour::organization::{Row, lookup_of};
use crate::rehearsal::listeners::Origins;
use crate::rehearsal::schema::Schema;
use crate::rehearsal::seed::library::TRANSFORMATION;
use crate::rehearsal::seed::plots::{Plot, SOURCE, TARGET};
use crate::rehearsal::seed::{Seed, objects};
use crate::rehearsal::variant::Variant;
use crate::rehearsal::world::names;
use crate::rehearsal::world::store::Objects;

fn seeded() -> Objects {
    objects(
        Seed::Whole,
        Variant::default(),
        &Schema::standard(),
        &Origins::default(),
    )
}

fn rows<'of>(objects: &'of Objects, plot: &Plot, table: &str) -> Vec<&'of Row> {
    let prefix = names::table(plot.organization, table);
    objects
        .iter()
        .filter(|(key, _)| key.starts_with(&prefix))
        .filter_map(|(_, row)| row.as_object())
        .collect()
}

fn texts<'of>(rows: &[&'of Row], column: &str) -> BTreeSet<&'of str> {
    rows.iter().filter_map(|row| row[column].as_str()).collect()
}

#[test]
fn the_totals_are_those_of_the_whole_tenant() {
    let objects = seeded();
    let count = |plot, table| rows(&objects, plot, table).len();
    for (table, source, target) in [
        ("msdyn_iomproviderdefinition", 19, 19),
        ("msdyn_iomprovider", 13, 5),
        ("msdyn_iomprovideraction", 28, 12),
        ("msdyn_iomdesigner", 7, 1),
        ("msdyn_iompolicy", 15, 0),
        ("msdyn_iomplatformconnectionreference", 5, 5),
        ("connectionreference", 14, 14),
        ("msdyn_iomwarehousemapping", 1, 0),
        ("msdyn_iomstep", 24, 0),
        ("connector", 1, 0),
    ] {
        assert_eq!(count(&SOURCE, table), source, "{table}");
        assert_eq!(count(&TARGET, table), target, "{table}");
    }
    let providers = rows(&objects, &SOURCE, "msdyn_iomprovider");
    let active = providers.iter().filter(|row| row["statecode"] == 0);
    assert_eq!(active.count(), 12);
    let published = rows(&objects, &SOURCE, "msdyn_iomdesigner");
    let published: Vec<&Row> = published
        .into_iter()
        .filter(|row| row["statecode"] == 1)
        .collect();
    assert_eq!(published.len(), 4);
}

#[test]
fn graphs_use_actions_25_times_and_one_of_them_is_gone() {
    let objects = seeded();
    let actions = rows(&objects, &SOURCE, "msdyn_iomprovideraction");
    let actions = texts(&actions, "msdyn_iomprovideractionid");
    let policies = rows(&objects, &SOURCE, "msdyn_iompolicy");
    let policies = texts(&policies, "msdyn_iompolicyid");
    let mut slots = Vec::new();
    let mut dangling = Vec::new();
    for (number, _, _, text, _) in ORCHESTRATIONS {
        let graph = Graph::read(text).unwrap();
        slots.push((number, graph.actions.len()));
        dangling.extend(
            graph
                .actions
                .into_iter()
                .filter(|id| !actions.contains(id.as_str())),
        );
        for policy in graph.policies {
            assert!(policies.contains(policy.as_str()), "{number} {policy}");
        }
    }
    assert_eq!(
        slots,
        [
            (100, 7),
            (200, 2),
            (300, 4),
            (400, 7),
            (500, 0),
            (600, 1),
            (700, 4)
        ]
    );
    assert_eq!(dangling, ["deadbeef-0000-4000-8000-000000000001"]);
}

#[test]
fn graphs_are_in_four_dialects() {
    let parsed: BTreeMap<u32, Value> = ORCHESTRATIONS
        .iter()
        .map(|(number, _, _, text, _)| (*number, serde_json::from_str(text).unwrap()))
        .collect();
    for number in [100, 400, 500, 700] {
        assert!(parsed[&number]["nodes"].is_array(), "{number}");
    }
    assert!(parsed[&600]["actions"].is_object());
    assert!(parsed[&200].is_array());
    let draft = parsed[&300]["draft"].as_str().unwrap();
    assert!(draft.contains("{20000000-") && parsed[&300]["published"].is_null());
}

#[test]
fn what_is_published_is_compiled_and_what_is_not_is_not() {
    let objects = seeded();
    let flows = rows(&objects, &SOURCE, "workflow");
    let on: Vec<&&Row> = flows.iter().filter(|row| row["statecode"] == 1).collect();
    let is_on = |name: &str| on.iter().any(|row| row["name"] == compiled_name(name));
    let mut unpublished = BTreeSet::new();
    for policy in rows(&objects, &SOURCE, "msdyn_iompolicy") {
        let name = policy["msdyn_name"].as_str().unwrap();
        assert_eq!(policy["statecode"] == 0, is_on(name), "{name}");
        if policy["statecode"] != 0 {
            unpublished.insert(policy["msdyn_iompolicyid"].as_str().unwrap());
        }
    }
    assert_eq!(unpublished.len(), 4);
    let mut uses_unpublished = false;
    for (_, _, _, text, published) in ORCHESTRATIONS {
        let graph = Graph::read(text).unwrap();
        for (_, tile) in &graph.tiles {
            assert_eq!(is_on(tile), published, "{tile}");
        }
        let uses = |policy: &String| unpublished.contains(policy.as_str());
        uses_unpublished |= published && graph.policies.iter().any(uses);
    }
    assert!(uses_unpublished);
}

#[test]
fn flows_are_of_every_kind() {
    let objects = seeded();
    let flows = rows(&objects, &SOURCE, "workflow");
    let count = |is: &dyn Fn(&Row) -> bool| flows.iter().filter(|row| is(row)).count();
    let name = |row: &Row| row["name"].as_str().unwrap_or_default().to_owned();
    let data = |row: &Row, part: &str| {
        row["clientdata"]
            .as_str()
            .unwrap_or_default()
            .contains(part)
    };
    assert_eq!(count(&|row| name(row).starts_with("(DO NOT")), 24 + 11);
    assert_eq!(count(&|row| name(row).starts_with("iom_10")), 31);
    assert_eq!(
        count(&|row| name(row).ends_with(')') && name(row).contains(" (10")),
        3
    );
    assert_eq!(count(&|row| row["ismanaged"] == true), 5);
    assert_eq!(
        count(&|row| row["statecode"] == 2 && row["statuscode"] == 3),
        1
    );
    assert_eq!(count(&|row| data(row, "workflowReferenceName")), 3);
    assert_eq!(
        count(&|row| data(row, "requestbin") && name(row).starts_with("Contoso")),
        1
    );
    assert!(count(&|row| data(row, "\"Recurrence\"")) >= 2);
    assert_eq!(
        count(&|row| data(row, "\"Http\"") && name(row) == "Contoso - Order webhook"),
        1
    );
    for flow in &flows {
        assert!(name(flow).chars().count() <= 100, "{}", name(flow));
        let data: Value = serde_json::from_str(flow["clientdata"].as_str().unwrap()).unwrap();
        let references = &data["properties"]["connectionReferences"];
        let wired = rows(&objects, &SOURCE, "connectionreference");
        let wired = texts(&wired, "connectionreferencelogicalname");
        for reference in references.as_object().unwrap().values() {
            let logical_name = &reference["connection"]["connectionReferenceLogicalName"];
            assert!(
                wired.contains(logical_name.as_str().unwrap()),
                "{logical_name}"
            );
        }
    }
}

#[test]
fn the_second_instance_is_inactive_and_empty() {
    let objects = seeded();
    let second = rows(&objects, &SOURCE, "msdyn_iomprovider")
        .into_iter()
        .find(|row| row["msdyn_name"] == "BigCommerce 1")
        .unwrap();
    assert_eq!(second["statecode"], 1);
    let id = second["msdyn_iomproviderid"].as_str().unwrap();
    for (table, children) in [
        ("msdyn_iomproviderconnectionreference", 2),
        ("msdyn_iomproviderparameter", 1),
        ("msdyn_iomprovideraction", 0),
    ] {
        let of = |row: &&Row| lookup_of(&row["msdyn_providerid"]).unwrap().1 == id;
        let count = rows(&objects, &SOURCE, table)
            .into_iter()
            .filter(of)
            .count();
        assert_eq!(count, children, "{table}");
    }
}

#[test]
fn settings_differ_where_they_should() {
    let objects = seeded();
    let value = |plot, name: &str| {
        rows(&objects, plot, "msdyn_iomproviderparameter")
            .into_iter()
            .find(|row| row["msdyn_name"] == name && row.contains_key("msdyn_value"))
            .map(|row| row["msdyn_value"].as_str().unwrap().to_owned())
    };
    let hash = "BigCommerce Store Hash";
    assert_eq!(value(&SOURCE, hash).as_deref(), Some("prod-store-hash"));
    assert_eq!(value(&TARGET, hash).as_deref(), Some("uat-store-hash"));
    let declared = rows(&objects, &SOURCE, "msdyn_iomproviderdefinitionparameter");
    let secrets = declared.iter().filter(|row| row["msdyn_issecret"] == true);
    assert_eq!(secrets.count(), 1);
    let scripts = rows(&objects, &SOURCE, "msdyn_iomprovidertransformation");
    let changed = scripts
        .iter()
        .filter(|row| row["msdyn_transformation"] != TRANSFORMATION);
    assert_eq!(changed.count(), 2);
    let mapping = rows(&objects, &SOURCE, "msdyn_iomwarehousemapping")[0];
    assert_eq!(mapping["msdyn_externalfieldvalue"], "5426");
    let connections = Catalogue::read().connectors;
    let ids: BTreeSet<&str> = connections
        .iter()
        .flat_map(|one| [one.connection(&SOURCE), one.connection(&TARGET)])
        .collect();
    assert_eq!(ids.len(), 2 * connections.len());
}
