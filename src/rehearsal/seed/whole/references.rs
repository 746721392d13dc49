//! Connection references: a core one for each connector, the customer's own, and the five of the
//! platform; and the connections that they are wired to.

use super::catalogue::{Catalogue, reference_name};
use crate::rehearsal::seed::Garden;
use crate::rehearsal::seed::environments::Connection;
use crate::rehearsal::seed::plots::Plot;
use crate::rehearsal::seed::references::{ACTIVE, DATAVERSE, INCOMPLETE, core, platform};

/// The customer's own reference to Outlook.
pub(super) const OUTLOOK: (&str, &str) = ("shared_outlook", "contoso_outlook_a1b2c");

/// The customer's reference that no flow uses, and that is wired to nothing.
const UNUSED: (&str, &str) = ("shared_outlook", "contoso_outlook_unused");

/// The platform's references (Microsoft Learn, set up Intelligent Order Management): the connector,
/// and the status.
const PLATFORM: [(&str, &str, i64); 5] = [
    ("Microsoft Dataverse", DATAVERSE.0, ACTIVE),
    ("Microsoft Dataverse - Application", DATAVERSE.0, ACTIVE),
    ("Microsoft Dataverse - Integration", DATAVERSE.0, ACTIVE),
    (
        "Intelligent Order Management Data Transformer",
        "shared_iomdatatransformer",
        ACTIVE,
    ),
    (
        "Power Automate Management",
        "shared_flowmanagement",
        INCOMPLETE,
    ),
];

/// The connections of an environment: one of each connector.
pub(super) fn connections(catalogue: &Catalogue, plot: &Plot) -> Vec<Connection> {
    catalogue
        .connectors
        .iter()
        .map(|connector| Connection {
            name: connector.connection(plot).to_owned(),
            connector: connector.name.clone(),
            title: connector.title.clone(),
        })
        .collect()
}

/// Plants the references.
pub(super) fn plant(garden: &mut Garden<'_, '_>, catalogue: &Catalogue) {
    let plot = garden.plot;
    for connector in &catalogue.connectors {
        let (title, name) = (
            format!("IOM {}", connector.title),
            reference_name(&connector.name),
        );
        let wired = Some(connector.connection(plot));
        core(
            garden,
            connector.number,
            &title,
            (&connector.name, &name),
            wired,
        );
    }
    let wired = catalogue.connection(OUTLOOK.0, plot);
    core(garden, 51, "Contoso Outlook", OUTLOOK, wired);
    core(garden, 52, "Contoso Outlook (old)", UNUSED, None);
    for ((title, connector, status), number) in PLATFORM.into_iter().zip(1..) {
        let connection = catalogue.connection(connector, plot).unwrap_or_default();
        let url = plot.connection_url(connector, connection);
        platform(garden, number, title, &url, status);
    }
}
