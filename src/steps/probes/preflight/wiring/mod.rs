//! Connections: those that the runbook names, and those that the source's references will want.

mod named;
mod references;

use std::collections::BTreeSet;

use uuid::Uuid;

use super::sight::{Sight, reinstalled};
use crate::engine::Failure;
use crate::runbook::IomTable;
use crate::steps::Refresh;
use crate::steps::connections::{connector_name, connector_of_url};
use crate::steps::names::{Names, text};
use crate::steps::probes::finding::Finding;
use crate::steps::probes::reading::{Rows, told};
use crate::steps::providers::Catalogue;

/// A reference of the source that will want a connection of the target.
#[derive(Clone, Debug)]
struct Reference {
    /// By which the runbook may choose for it.
    name: String,
    /// By which the runbook may choose for it, too.
    connector: String,
    url: Option<String>,
    /// Of a provider's reference: the logical name of the provider's definition.
    definition: Option<String>,
}

/// Judges every connection question of the steps that are not skipped.
pub(super) fn ask(refresh: &Refresh, sight: &Sight) -> Vec<Finding> {
    let steps = &refresh.runbook.steps;
    let mut findings = named::ask(refresh, sight);
    if steps.reconfigure_connections.skip.is_none() {
        findings.push(references::of_system(refresh, sight));
        findings.push(references::of_flows(refresh, sight));
    }
    if steps.reinstall_providers.skip.is_none() {
        findings.push(references::of_reinstalled(refresh, sight));
    }
    findings
}

/// Dataverse's connection references of the source, by logical name in lower case.
fn core(sight: &Sight) -> Result<Vec<Reference>, Failure> {
    let rows = told(&sight.references)?.values();
    Ok(rows
        .filter_map(|row| {
            Some(Reference {
                name: text(row, "connectionreferencelogicalname")?,
                connector: connector_name(&text(row, "connectorid").unwrap_or_default()),
                url: None,
                definition: None,
            })
        })
        .collect())
}

fn system(refresh: &Refresh, sight: &Sight) -> Result<Vec<Reference>, Failure> {
    let names = Names::of(refresh);
    let column = names.column("platform-connection-reference.connection-url")?;
    let rows = told(&sight.system)?.iter();
    Ok(rows
        .map(|(id, row)| {
            let url = text(row, column).filter(|url| !url.is_empty());
            Reference {
                name: names.title(IomTable::PlatformConnectionReference, row, *id),
                connector: url
                    .as_deref()
                    .and_then(connector_of_url)
                    .unwrap_or_default(),
                url,
                definition: None,
            }
        })
        .collect())
}

/// The references of the providers that are installed again.
fn of_providers(refresh: &Refresh, sight: &Sight) -> Result<Vec<Reference>, Failure> {
    let choice = &refresh
        .runbook
        .steps
        .reinstall_providers
        .options
        .providers
        .value;
    let catalogue = told(&sight.catalogue)?;
    let again: BTreeSet<Uuid> = reinstalled(catalogue, choice)
        .iter()
        .map(|(provider, _)| provider.id)
        .collect();
    let rows = told(&sight.provider_references)?;
    let definitions = told(&sight.reference_definitions)?;
    joined(Names::of(refresh), catalogue, rows, definitions, |id| {
        again.contains(&id)
    })
}

/// Providers' references with what they are called in the library.
fn joined(
    names: &Names,
    catalogue: &Catalogue,
    rows: &Rows,
    definitions: &Rows,
    wanted: impl Fn(Uuid) -> bool,
) -> Result<Vec<Reference>, Failure> {
    let logical = names.column("provider-definition-connection-reference.logical-name")?;
    let mut found = Vec::new();
    for (id, row) in rows {
        let provider = names
            .lookup(row, "provider-connection-reference.provider")?
            .filter(|provider| wanted(*provider))
            .and_then(|provider| catalogue.providers.get(&provider));
        let Some(provider) = provider else { continue };
        let called = names
            .lookup(row, "provider-connection-reference.definition")?
            .and_then(|definition| definitions.get(&definition))
            .and_then(|row| text(row, logical));
        let url = names.text(row, "provider-connection-reference.connection-url")?;
        let definition = catalogue.definition_of(provider);
        found.push(Reference {
            name: called.unwrap_or_else(|| id.to_string()),
            connector: url
                .as_deref()
                .and_then(connector_of_url)
                .unwrap_or_default(),
            url,
            definition: definition.map(|definition| definition.logical_name.clone()),
        });
    }
    Ok(found)
}
