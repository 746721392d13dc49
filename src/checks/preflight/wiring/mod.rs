//! Connections: those that the runbook names, and those that the source's references will want.

mod named;
mod references;

use std::collections::BTreeSet;

use uuid::Uuid;

use self::named::Connectors;
use super::sight::{Sight, reinstalled};
use crate::checks::finding::Finding;
use crate::checks::reading::{Reading, Rows, kept, rows, told};
use crate::domain::Refresh;
use crate::domain::connections::custom_connectors::CustomConnectors;
use crate::domain::connections::{connector_name, connector_of_url, listed};
use crate::domain::names::{Names, text};
use crate::domain::providers::Catalogue;
use crate::engine::{Failure, Known};
use crate::runbook::{ConnectionChoices, IomTable};

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
    let shared = (steps.reconfigure_connections.skip.is_none())
        .then_some(&steps.reconfigure_connections.options.connections);
    let own = (steps.reinstall_providers.skip.is_none())
        .then_some(&steps.reinstall_providers.options.connections);
    let sections: Vec<&ConnectionChoices> = shared.into_iter().chain(own).collect();
    // Without both environments' connectors nothing can be said of a connector.
    let custom = custom(sight);
    let unread = custom.as_ref().err().cloned();
    let custom = custom.unwrap_or_default();
    let readable = |references: Result<Vec<Reference>, Failure>| match &unread {
        Some(failure) => Err(failure.clone()),
        None => references,
    };
    let system = readable(system(refresh, &sight.system));
    let core = readable(told(&sight.references).map(core));
    let of_providers = readable(of_providers(refresh, sight));
    let connectors = connectors(&custom, &[&core, &system, &of_providers]);
    let mut findings = named::ask(refresh, &connectors, &sight.connections, &sections);
    let all = [&core, &system, &of_providers];
    if !sections.is_empty() && all.iter().all(|references| references.is_ok()) {
        findings.push(named::unused(refresh, &connectors, &sections));
    }
    if steps.reconfigure_connections.skip.is_none() {
        findings.push(references::readable(&system));
        findings.push(references::of_system(refresh, &custom, system));
        findings.push(references::of_flows(refresh, &custom, sight, &core));
    }
    if steps.reinstall_providers.skip.is_none() {
        findings.push(references::of_reinstalled(
            refresh,
            &custom,
            sight,
            of_providers,
        ));
    }
    findings
}

/// What step 3 must know before it begins: the connections that it wires references to, and the
/// references that nobody has wired yet.
pub(super) async fn at_the_head(refresh: &Refresh, known: &Known) -> Result<Vec<Finding>, Failure> {
    let view = refresh.view(known);
    let names = Names::of(refresh);
    let table = names.table(IomTable::PlatformConnectionReference);
    let core = rows(view, "connectionreference")
        .await?
        .as_ref()
        .map(core)
        .map_err(Clone::clone);
    let system = system(refresh, &rows(view, table).await?);
    let connections = listed(refresh, known).await;
    let connections = kept(connections.map_err(Failure::from))?;
    let section = &refresh
        .runbook
        .steps
        .reconfigure_connections
        .options
        .connections;
    let custom = CustomConnectors::read(refresh).await?;
    let connectors = connectors(&custom, &[&core, &system]);
    let mut findings = named::ask(refresh, &connectors, &connections, &[section]);
    findings.push(references::readable(&system));
    Ok(findings)
}

/// The custom connectors of both environments.
fn custom(sight: &Sight) -> Reading<CustomConnectors> {
    let source = told(&sight.connectors)?.values();
    let target = told(&sight.target.connectors)?.values();
    Ok(CustomConnectors::of(source, target))
}

/// Which connector of the target each reference wants, and each connector: by every name that it
/// has.
fn connectors(
    custom: &CustomConnectors,
    references: &[&Result<Vec<Reference>, Failure>],
) -> Connectors {
    let known = references.iter().filter_map(|read| read.as_ref().ok());
    let mut connectors = Connectors::new();
    for reference in known.flatten().filter(|one| !one.connector.is_empty()) {
        let here = custom.in_target(&reference.connector);
        for alias in custom.aliases(&reference.connector) {
            connectors.insert(alias, here.clone());
        }
        connectors.insert(reference.name.to_ascii_lowercase(), here);
    }
    connectors
}

/// Dataverse's connection references.
fn core(rows: &Rows) -> Vec<Reference> {
    rows.values()
        .filter_map(|row| {
            Some(Reference {
                name: text(row, "connectionreferencelogicalname")?,
                connector: connector_name(&text(row, "connectorid").unwrap_or_default()),
                url: None,
                definition: None,
            })
        })
        .collect()
}

/// IOM's own references.
fn system(refresh: &Refresh, rows: &Reading<Rows>) -> Result<Vec<Reference>, Failure> {
    let names = Names::of(refresh);
    let column = names.column("platform-connection-reference.connection-url")?;
    Ok(told(rows)?
        .iter()
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
