//! Seven orchestrations in four dialects. In the target, one that the copy destroys.
//!
//! Microsoft has not published the form of an orchestration's graph. Dialect A is the tenant's own;
//! B and C are those of related products; D is A as a text within JSON. The thin seed has two of
//! the orchestrations, each with one tile that uses the provider's action.

use serde_json::json;

use super::flows::{self, FlowState};
use super::ids::id;
use super::{Seed, Seeder};
use crate::rehearsal::behaviour::flows::compiled_name;
use crate::rehearsal::behaviour::graph::Graph;
use crate::rehearsal::behaviour::organization::lookup_value;

pub(super) struct Orchestration {
    pub(super) number: u32,
    name: &'static str,
    kind: &'static str,
    /// The text of its graph.
    pub(super) graph: &'static str,
    /// The text of a smaller graph, if the thin seed has the orchestration.
    thin_graph: Option<&'static str>,
    pub(super) published: bool,
}

/// The orchestrations of the source.
pub(super) const ORCHESTRATIONS: [Orchestration; 7] = [
    Orchestration {
        number: 100,
        name: "D2C order to cash - BigCommerce to FinOps",
        kind: "Order Orchestration",
        graph: include_str!("graphs/1-order-to-cash.json"),
        thin_graph: Some(include_str!("graphs/thin-1-order-to-cash.json")),
        published: true,
    },
    Orchestration {
        number: 200,
        name: "IOM lab order flow",
        kind: "Order Orchestration",
        graph: include_str!("graphs/2-lab-order-flow.json"),
        thin_graph: None,
        published: true,
    },
    Orchestration {
        number: 300,
        name: "Demo Order Journey",
        kind: "Order Orchestration",
        graph: include_str!("graphs/3-demo-order-journey.json"),
        thin_graph: None,
        published: false,
    },
    Orchestration {
        number: 400,
        name: "Returns - FedEx",
        kind: "Return Orchestration",
        graph: include_str!("graphs/4-returns.json"),
        thin_graph: None,
        published: true,
    },
    Orchestration {
        number: 500,
        name: "Test Order flow sample",
        kind: "Order Orchestration",
        graph: include_str!("graphs/5-test-order-flow.json"),
        thin_graph: None,
        published: false,
    },
    Orchestration {
        number: 600,
        name: "Inventory delta upload",
        kind: "Inventory Orchestration",
        graph: include_str!("graphs/6-inventory-delta-upload.json"),
        thin_graph: None,
        published: true,
    },
    Orchestration {
        number: 700,
        name: "Manual orders - draft (do not use)",
        kind: "Order Orchestration",
        graph: include_str!("graphs/7-manual-orders.json"),
        thin_graph: Some(include_str!("graphs/thin-7-manual-orders.json")),
        published: false,
    },
];

/// The orchestration of the target.
const SANDBOX: Orchestration = Orchestration {
    number: 900_100,
    name: "UAT sandbox flow",
    kind: "Order Orchestration",
    graph: include_str!("graphs/target-sandbox.json"),
    thin_graph: Some(include_str!("graphs/thin-target-sandbox.json")),
    published: false,
};

pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    if seeder.side.is_source() {
        for orchestration in &ORCHESTRATIONS {
            insert_orchestration(seeder, orchestration);
        }
    } else {
        insert_orchestration(seeder, &SANDBOX);
    }
}

/// Inserts an orchestration, if the seed has it. If it is published, each of its tiles has a step
/// and a flow that is on.
fn insert_orchestration(seeder: &mut Seeder<'_, '_>, orchestration: &Orchestration) {
    let text = match seeder.seed {
        Seed::Thin => orchestration.thin_graph,
        Seed::Whole => Some(orchestration.graph),
    };
    if let Some(text) = text {
        let (number, published) = (orchestration.number, orchestration.published);
        insert_graph(
            seeder,
            number,
            orchestration.name,
            orchestration,
            text,
            published,
        );
    }
}

/// Inserts one more orchestration with the tiles that the first one has in the thin seed.
pub(super) fn insert_copy(seeder: &mut Seeder<'_, '_>, number: u32, published: bool) {
    let first = &ORCHESTRATIONS[0];
    if let Some(text) = first.thin_graph {
        let name = format!("{} {number}", first.name);
        insert_graph(seeder, number, &name, first, text, published);
    }
}

fn insert_graph(
    seeder: &mut Seeder<'_, '_>,
    own_number: u32,
    title: &str,
    like: &Orchestration,
    text: &str,
    published: bool,
) {
    let text = text.trim_end();
    let designer = id("60", own_number);
    let row = json!({
        "msdyn_name": title,
        "msdyn_orchestrationtype": like.kind,
        "msdyn_graph": text,
        "statecode": i32::from(published),
        "statuscode": if published { 2 } else { 1 },
    });
    seeder.insert("msdyn_iomdesigner", &designer, row);
    if !published {
        return;
    }
    // A graph that cannot be read has no tiles; a test of the seed would find that.
    let tiles = Graph::parse(text).unwrap_or_default().tiles;
    for ((_, name), number) in tiles.iter().zip(own_number + 1..) {
        let flow = id("33", number);
        flows::insert_empty(seeder, &flow, &compiled_name(name), FlowState::ON);
        let step = json!({
            "msdyn_name": name,
            "msdyn_designerid": lookup_value("msdyn_iomdesigner", &designer),
            "msdyn_workflowid": lookup_value("workflow", &flow),
        });
        seeder.insert("msdyn_iomstep", &id("61", number), step);
    }
}
