//! The totals of both seeds, and the references between their objects.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::catalogue::Catalogue;
use super::definitions::TRANSFORMATION;
use super::orchestrations::ORCHESTRATIONS;
use super::sides::{OTHER_TARGETS, SOURCE, SeedSide, TARGET};
use super::{Seed, Volume, objects};
use crate::rehearsal::behaviour::flows::compiled_name;
use crate::rehearsal::behaviour::graph::Graph;
use crate::rehearsal::behaviour::organization::{Row, lookup_of};
use crate::rehearsal::listeners::{Listener, Origins};
use crate::rehearsal::schema::Schema;
use crate::rehearsal::variant::{DualWrite, Management, Variant};
use crate::rehearsal::world::names;
use crate::rehearsal::world::store::Objects;

fn seeded(seed: Seed) -> Objects {
    seeded_as(seed, Variant::default(), &Origins::default())
}

fn seeded_as(seed: Seed, variant: Variant, origins: &Origins) -> Objects {
    objects(
        seed,
        variant,
        Volume::default(),
        &Schema::standard(),
        origins,
    )
}

/// Every row with its organization, table and id.
fn all_rows(objects: &Objects) -> impl Iterator<Item = ([&str; 3], &Row)> {
    objects.iter().filter_map(|(key, value)| {
        let mut parts = key.strip_prefix("row/")?.split('/');
        let place = [parts.next()?, parts.next()?, parts.next()?];
        Some((place, value.as_object()?))
    })
}

fn rows<'objects>(objects: &'objects Objects, side: &SeedSide, table: &str) -> Vec<&'objects Row> {
    let prefix = names::table(side.organization, table);
    objects
        .iter()
        .filter(|(key, _)| key.starts_with(&prefix))
        .filter_map(|(_, row)| row.as_object())
        .collect()
}

fn texts<'row>(rows: &[&'row Row], column: &str) -> BTreeSet<&'row str> {
    rows.iter().filter_map(|row| row[column].as_str()).collect()
}

#[test]
fn another_target_has_the_same_rows_as_contoso_uat_under_its_own_ids() {
    let volume = Volume {
        more_targets: 7,
        ..Volume::default()
    };
    let origins = Origins::default();
    let variant = Variant::default();
    let objects = objects(Seed::Thin, variant, volume, &Schema::standard(), &origins);
    let environments = objects.keys().filter(|key| key.starts_with("environment/"));
    assert_eq!(environments.count(), 9);
    let tables: BTreeSet<&str> = all_rows(&objects).map(|([_, table, _], _)| table).collect();
    for side in OTHER_TARGETS {
        let environment = &objects[&names::environment(side.environment())];
        assert_eq!(environment["properties"]["displayName"], side.name);
        for table in &tables {
            let first = rows(&objects, &TARGET, table).len();
            assert_eq!(rows(&objects, side, table).len(), first, "{table}");
        }
    }
}

#[test]
fn the_totals_are_those_of_the_whole_tenant() {
    let objects = seeded(Seed::Whole);
    let count = |side, table| rows(&objects, side, table).len();
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
        ("connector", 1, 1),
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
    let objects = seeded(Seed::Whole);
    let actions = rows(&objects, &SOURCE, "msdyn_iomprovideraction");
    let actions = texts(&actions, "msdyn_iomprovideractionid");
    let policies = rows(&objects, &SOURCE, "msdyn_iompolicy");
    let policies = texts(&policies, "msdyn_iompolicyid");
    let mut slots = Vec::new();
    let mut dangling = Vec::new();
    for orchestration in &ORCHESTRATIONS {
        let (number, graph) = (
            orchestration.number,
            Graph::parse(orchestration.graph).unwrap(),
        );
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
        .map(|one| (one.number, serde_json::from_str(one.graph).unwrap()))
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
fn only_published_orchestrations_are_compiled() {
    let objects = seeded(Seed::Whole);
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
    for orchestration in &ORCHESTRATIONS {
        let published = orchestration.published;
        let graph = Graph::parse(orchestration.graph).unwrap();
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
    let objects = seeded(Seed::Whole);
    let mut flows = rows(&objects, &SOURCE, "workflow");
    flows.retain(|row| row["category"] == 5);
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
    let objects = seeded(Seed::Whole);
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
    let objects = seeded(Seed::Whole);
    let value = |side, name: &str| {
        rows(&objects, side, "msdyn_iomproviderparameter")
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
    let connections = Catalogue::read(Seed::Whole).connectors;
    let ids: BTreeSet<&str> = connections
        .iter()
        .flat_map(|one| [one.connection(&SOURCE), one.connection(&TARGET)])
        .collect();
    assert_eq!(ids.len(), 2 * connections.len());
}

#[test]
fn a_custom_connector_has_its_own_identifier_in_each_environment() {
    let objects = seeded(Seed::Whole);
    let own = |side: &SeedSide| {
        let row = rows(&objects, side, "connector")[0];
        let id = row["connectorinternalid"].as_str().unwrap().to_owned();
        (row["name"].clone(), id)
    };
    let ((source_name, source), (target_name, target)) = (own(&SOURCE), own(&TARGET));
    assert_eq!(source_name, target_name);
    assert_ne!(source, target);
    // Each environment names its own connector, and only that.
    for (side, own, other) in [(&SOURCE, &source, &target), (&TARGET, &target, &source)] {
        let naming = |id: &str| {
            let places = objects.iter().filter(|(key, value)| {
                let is_here = key.contains(side.organization) || key.contains(side.environment());
                is_here && value.to_string().contains(id)
            });
            places.map(|(key, _)| key.as_str()).collect::<Vec<_>>()
        };
        let named = naming(own);
        for kind in [
            "connection/",
            "/connector/",
            "/connectionreference/",
            "/msdyn_iomproviderdefinitionconnectionref/",
            "/msdyn_iomproviderdefinitionlogicdefinition/",
        ] {
            let is_named = named.iter().any(|key| key.contains(kind));
            assert!(is_named, "{kind}: {named:#?}");
        }
        assert_eq!(naming(other), Vec::<&str>::new());
    }
}

/// The tables of what acts on the outside.
const OUTSIDE: [&str; 17] = [
    "asyncoperation",
    "bot",
    "callbackregistration",
    "email",
    "emailserverprofile",
    "entitydatasource",
    "mailbox",
    "powerpagesite",
    "queue",
    "sdkmessageprocessingstep",
    "sdkmessageprocessingstepsecureconfig",
    "serviceendpoint",
    "sharepointdocumentlocation",
    "sharepointsite",
    "sla",
    "synapselinkprofile",
    "webresource",
];

#[test]
fn only_the_source_of_the_whole_seed_acts_on_the_outside() {
    let (whole, thin) = (seeded(Seed::Whole), seeded(Seed::Thin));
    let mut places = 0;
    for table in OUTSIDE {
        let count = rows(&whole, &SOURCE, table).len();
        assert!(count > 0, "{table}");
        places += count;
        assert_eq!(rows(&whole, &TARGET, table).len(), 0, "{table}");
        assert_eq!(rows(&thin, &SOURCE, table).len(), 0, "{table}");
    }
    assert!(places >= 25, "{places}");
    let is_classic = |row: &&Row| row["category"] == 0;
    let flows = rows(&whole, &SOURCE, "workflow");
    assert_eq!(flows.into_iter().filter(is_classic).count(), 3);
}

#[test]
fn every_column_is_in_the_schema_and_every_lookup_refers_to_a_row() {
    for dual_write in [DualWrite::Off, DualWrite::On] {
        for seed in [Seed::Thin, Seed::Whole] {
            check_columns_and_lookups(seed, dual_write);
        }
    }
}

fn check_columns_and_lookups(seed: Seed, dual_write: DualWrite) {
    let variant = Variant {
        dual_write,
        ..Variant::default()
    };
    let schema = Schema::standard();
    let objects = seeded_as(seed, variant, &Origins::default());
    for ([organization, table, id], row) in all_rows(&objects) {
        let table = schema.table(table).unwrap();
        assert_eq!(row[&table.primary_id], id);
        for (column, value) in row {
            let name = format!("{}.{column}", table.logical_name);
            let column = table.column(column).unwrap_or_else(|| panic!("{name}"));
            if column.lookup().is_some() {
                let (other, id) = lookup_of(value).unwrap_or_else(|| panic!("{name}"));
                let key = format!("row/{organization}/{other}/{id}");
                assert!(objects.contains_key(&key), "{name} refers to {key}");
            }
        }
    }
}

#[test]
fn each_seed_has_a_word() {
    assert_eq!("thin".parse(), Ok(Seed::Thin));
    assert_eq!("whole".parse(), Ok(Seed::Whole));
    let error = "Whole".parse::<Seed>().unwrap_err();
    assert!(error.to_string().contains("thin or whole"), "{error}");
}

#[test]
fn graphs_of_the_thin_seed_refer_to_rows() {
    let objects = seeded(Seed::Thin);
    for ([organization, table, _], row) in all_rows(&objects) {
        if table == "msdyn_iomdesigner" {
            let graph: Value = serde_json::from_str(row["msdyn_graph"].as_str().unwrap()).unwrap();
            for node in graph["nodes"].as_array().unwrap() {
                let one = [
                    ("msdyn_iomprovideraction", &node["providerAction"]),
                    ("msdyn_iompolicy", &node["filterPolicy"]),
                    ("msdyn_iompolicy", &node["executionPolicies"][0]),
                ];
                for (table, reference) in one {
                    if let Some(id) = reference["id"].as_str() {
                        let key = format!("row/{organization}/{table}/{id}");
                        assert!(objects.contains_key(&key), "{key}");
                    }
                }
            }
        }
    }
}

/// The objects of a world that version 0.1.0 seeded, and the origins of its listeners.
fn stored_seed(journal: &str) -> (Objects, Origins) {
    let path = format!(
        "{}/tests/journals/0.1.0/{journal}/world.jsonl",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).unwrap();
    let mut line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let objects: Objects = serde_json::from_value(line["put"].take()).unwrap();
    let ports = Listener::ALL.map(|listener| {
        let port = objects["ports"][listener.name()].as_u64().unwrap();
        (listener.name(), u16::try_from(port).unwrap())
    });
    (objects, Origins::new(BTreeMap::from(ports), false))
}

/// The objects without the version numbers of their rows, which follow the order of insertion, and
/// without what version 0.1.0 did not have: the platform's messages, the role of the warehouse's user.
fn without_versions(mut objects: Objects) -> Objects {
    let is_message = |key: &str| key.contains("/sdkmessage/") || key.contains("/sdkmessagefilter/");
    let is_role = |key: &str| key.contains("/SecurityUserRoles/svcwms,");
    objects.retain(|key, _| key != "counter/version" && !is_message(key) && !is_role(key));
    for row in objects.values_mut().filter_map(Value::as_object_mut) {
        row.remove("versionnumber");
    }
    objects
}

#[test]
fn a_thin_world_has_the_content_that_version_0_1_0_seeded() {
    let linked = Variant {
        target: Management::LcsLinked,
        dual_write: DualWrite::On,
    };
    for (journal, variant) in [
        ("finished", Variant::default()),
        ("lcs-dual-write-waiting", linked),
    ] {
        let (mut stored, origins) = stored_seed(journal);
        let seeded = without_versions(seeded_as(Seed::Thin, variant, &origins));
        // The tenant adds these two when it starts.
        stored.remove("ports");
        stored.remove("skin");
        let stored = without_versions(stored);
        for (key, object) in &stored {
            assert_eq!(seeded.get(key), Some(object), "{journal}: {key}");
        }
        assert_eq!(seeded.len(), stored.len(), "{journal}");
    }
}
