//! Orchestrations: a published one and a draft, each with one tile that uses the provider's action.
//! In the target, one that the copy destroys.
//!
//! Microsoft has not published the form of an orchestration's graph; this one is the tenant's own.

use serde_json::{Value, json};

use super::Garden;
use super::flows::{self, Is};
use super::ids::{FILTER_POLICY, HEADER_POLICY, UPDATE_STATUS, id};
use crate::rehearsal::behaviour::flows as rules;
use crate::rehearsal::behaviour::graph;
use crate::rehearsal::behaviour::organization::lookup_value;

/// Plants them.
pub(super) fn plant(garden: &mut Garden<'_, '_>) {
    let (number, name, tiles, published) = if garden.plot.is_source() {
        let name = "Manual orders - draft (do not use)";
        thin(garden, 700, name, &draft_tiles(), false);
        let name = "D2C order to cash - BigCommerce to FinOps";
        (100, name, published_tiles(), true)
    } else {
        (900_100, "UAT sandbox flow", Vec::new(), false)
    };
    thin(garden, number, name, &tiles, published);
}

fn thin(garden: &mut Garden<'_, '_>, number: u32, name: &str, tiles: &[Value], published: bool) {
    let text = graph(tiles);
    let graph = Graph {
        kind: "Order Orchestration",
        text: &text,
    };
    orchestration(garden, number, name, &graph, published);
}

/// Three tiles; the one that uses the provider stands in the middle, the last one has an empty
/// provider action.
fn published_tiles() -> Vec<Value> {
    vec![
        json!({
            "id": "n1", "kind": "action", "tile": "Validate order header",
            "name": "Validate Order header",
            "actionType": reference("51", 100, "Order Validation"),
            "inputEvents": [reference("50", 100, "New Order")],
            "filterPolicy": reference("40", FILTER_POLICY, "Filter Policy - BigCommerce"),
            "executionPolicies": [
                reference("40", HEADER_POLICY, "Order header validation policy"),
            ],
            "outputEvents": [], "resumeOnError": null,
        }),
        json!({
            "id": "n2", "kind": "action", "tile": "Custom", "name": "Update store order status",
            "actionType": reference("51", 300, "Custom"),
            "inputEvents": [
                reference("50", 1500, "Order shipped"), reference("50", 1600, "Order invoiced"),
            ],
            "providerAction": provider_action(),
            "filterPolicy": null, "executionPolicies": [], "outputEvents": [],
            "resumeOnError": null,
        }),
        json!({
            "id": "n3", "kind": "action", "tile": "Custom", "name": "Assign Order Data",
            "actionType": reference("51", 300, "Custom"),
            "inputEvents": [reference("50", 300, "Validation of Order Lines has Succeeded")],
            "providerAction": null,
            "filterPolicy": null, "executionPolicies": [], "outputEvents": [],
            "resumeOnError": null,
        }),
    ]
}

fn draft_tiles() -> Vec<Value> {
    vec![json!({
        "id": "n1", "kind": "action", "tile": "Custom", "name": "Report back to the store",
        "actionType": reference("51", 300, "Custom"),
        "inputEvents": [reference("50", 100, "New Order")],
        "providerAction": provider_action(),
        "filterPolicy": null, "executionPolicies": [], "outputEvents": [],
        "resumeOnError": null,
    })]
}

fn reference(kind: &str, number: u32, name: &str) -> Value {
    json!({"id": id(kind, number), "name": name})
}

fn provider_action() -> Value {
    reference("20", UPDATE_STATUS, "Update BigCommerce Sales Order Status")
}

/// A graph as it is stored.
pub(super) struct Graph<'of> {
    /// The type of its orchestration.
    pub(super) kind: &'of str,
    /// Its text.
    pub(super) text: &'of str,
}

/// An orchestration; where it is published, each of its tiles has a flow that is on, and a step.
pub(super) fn orchestration(
    garden: &mut Garden<'_, '_>,
    number: u32,
    name: &str,
    graph: &Graph<'_>,
    published: bool,
) {
    let orchestration = id("60", number);
    let row = json!({
        "msdyn_name": name,
        "msdyn_orchestrationtype": graph.kind,
        "msdyn_graph": graph.text,
        "statecode": i32::from(published),
        "statuscode": if published { 2 } else { 1 },
    });
    garden.plant("msdyn_iomdesigner", &orchestration, row);
    // A graph that cannot be read has no tiles; the seed's test would find that.
    let tiles = graph::Graph::read(graph.text).unwrap_or_default().tiles;
    for ((_, name), number) in tiles.iter().zip(number + 1..).filter(|_| published) {
        let flow = id("33", number);
        let compiled = rules::compiled_name(name);
        flows::flow(garden, &flow, &compiled, Is::ON, &json!({}));
        let step = json!({
            "msdyn_name": name,
            "msdyn_designerid": lookup_value("msdyn_iomdesigner", &orchestration),
            "msdyn_workflowid": lookup_value("workflow", &flow),
        });
        garden.plant("msdyn_iomstep", &id("61", number), step);
    }
}

/// The text of a graph: the tiles in a row, from the start to the exit.
fn graph(tiles: &[Value]) -> String {
    let mut nodes = vec![json!({"id": "start", "kind": "start", "tile": "Flow start"})];
    nodes.extend(tiles.iter().cloned());
    nodes.push(json!({"id": "exit1", "kind": "exit", "tile": "Exit"}));
    let edges: Vec<Value> = nodes
        .windows(2)
        .map(|pair| json!({"from": pair[0]["id"], "to": pair[1]["id"]}))
        .collect();
    json!({
        "schema": "sim.iom.graph/1",
        "orchestrationType": "Order Orchestration",
        "description": "B2C web orders",
        "walkthrough": "",
        "nodes": nodes,
        "edges": edges,
    })
    .to_string()
}
