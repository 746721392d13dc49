//! Seven orchestrations in four dialects. In the target, one that the copy destroys.
//!
//! Microsoft has not published the form of an orchestration's graph. Dialect A is the tenant's own;
//! B and C are those of related products; D is A as a text within JSON.

use super::super::orchestrations::{Graph, orchestration};
use crate::rehearsal::seed::Garden;

/// The orchestrations: number, name, type, graph, whether it is published.
pub(super) const ORCHESTRATIONS: [(u32, &str, &str, &str, bool); 7] = [
    (
        100,
        "D2C order to cash - BigCommerce to FinOps",
        "Order Orchestration",
        include_str!("graphs/1-order-to-cash.json"),
        true,
    ),
    (
        200,
        "IOM lab order flow",
        "Order Orchestration",
        include_str!("graphs/2-lab-order-flow.json"),
        true,
    ),
    (
        300,
        "Demo Order Journey",
        "Order Orchestration",
        include_str!("graphs/3-demo-order-journey.json"),
        false,
    ),
    (
        400,
        "Returns - FedEx",
        "Return Orchestration",
        include_str!("graphs/4-returns.json"),
        true,
    ),
    (
        500,
        "Test Order flow sample",
        "Order Orchestration",
        include_str!("graphs/5-test-order-flow.json"),
        false,
    ),
    (
        600,
        "Inventory delta upload",
        "Inventory Orchestration",
        include_str!("graphs/6-inventory-delta-upload.json"),
        true,
    ),
    (
        700,
        "Manual orders - draft (do not use)",
        "Order Orchestration",
        include_str!("graphs/7-manual-orders.json"),
        false,
    ),
];

/// Plants them.
pub(super) fn plant(garden: &mut Garden<'_, '_>) {
    if garden.plot.is_source() {
        for (number, name, kind, text, published) in ORCHESTRATIONS {
            let graph = Graph {
                kind,
                text: text.trim_end(),
            };
            orchestration(garden, number, name, &graph, published);
        }
    } else {
        let graph = Graph {
            kind: "Order Orchestration",
            text: r#"{"schema":"sim.iom.graph/1","nodes":[{"id":"start","kind":"start"}],"edges":[]}"#,
        };
        orchestration(garden, 900_100, "UAT sandbox flow", &graph, false);
    }
}
