//! The connections that the runbook names, and the connections that the source's references need.
//!
//! ```text
//! named_connections.rs  do the connections that the runbook names exist, and fit the connector?
//! references.rs         does the runbook have a connection for each reference of the source?
//! ```

mod named_connections;
mod references;

use std::collections::BTreeSet;

use tokio::try_join;
use uuid::Uuid;

use self::named_connections::Connectors;
use super::snapshot::{Snapshot, reinstalled};
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{ReadResult, Rows, available, rows};
use crate::domain::RefreshContext;
use crate::domain::connections::core_references::map_references;
use crate::domain::connections::custom_connectors::CustomConnectors;
use crate::domain::connections::{connector_name, connector_of_url, list_connections};
use crate::domain::failure::unless_interrupted;
use crate::domain::names::{Fields, Names, text};
use crate::domain::providers::Catalogue;
use crate::domain::view::SourceRows;
use crate::engine::{Failure, JournalView};
use crate::runbook::{ConnectionChoices, IomColumn, IomTable};

/// A reference of the source that needs a connection of the target.
#[derive(Clone, Debug)]
struct Reference {
    /// Its name; the runbook may choose a connection for it.
    name: String,
    /// Its connector; the runbook may choose a connection for that instead.
    connector: String,
    url: Option<String>,
    /// Of a provider's reference: the logical name of the provider's definition.
    definition: Option<String>,
}

/// Checks the connections that the unskipped steps need.
pub(super) fn run_checks(refresh: &RefreshContext, snapshot: &Snapshot) -> Vec<CheckResult> {
    let steps = &refresh.runbook.steps;
    let shared = (!steps.reconfigure_connections.is_skipped())
        .then_some(&steps.reconfigure_connections.options.connections);
    let own = (!steps.reinstall_providers.is_skipped())
        .then_some(&steps.reinstall_providers.options.connections);
    let sections: Vec<&ConnectionChoices> = shared.into_iter().chain(own).collect();
    // Without the connectors of both environments, no connector can be judged.
    let custom = custom_connectors(snapshot);
    let unread = custom.as_ref().err().cloned();
    let custom = custom.unwrap_or_default();
    let readable = |references: Result<Vec<Reference>, Failure>| match &unread {
        Some(failure) => Err(failure.clone()),
        None => references,
    };
    let system = readable(system_references(refresh, &snapshot.system));
    let core = available(&snapshot.references).map(SourceRows::iter);
    let core = readable(core.map(dataverse_references));
    let of_providers = readable(provider_references(refresh, snapshot));
    let connectors = connectors_by_name(&custom, &[&core, &system, &of_providers]);
    let mut results =
        named_connections::run_checks(refresh, &connectors, &snapshot.connections, &sections);
    let all = [&core, &system, &of_providers];
    if !sections.is_empty() && all.iter().all(|references| references.is_ok()) {
        results.push(named_connections::unused(refresh, &connectors, &sections));
    }
    if !steps.reconfigure_connections.is_skipped() {
        results.push(references::check_readable(&system));
        results.push(references::check_system(refresh, &custom, system));
        results.push(references::check_flows(refresh, &custom, snapshot, &core));
    }
    if !steps.reinstall_providers.is_skipped() {
        results.push(references::check_reinstalled(
            refresh,
            &custom,
            snapshot,
            of_providers,
        ));
    }
    results
}

/// The checks before step 3: the connections that it uses, and the references without a connection.
pub(super) async fn checks_before_step(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Vec<CheckResult>, Failure> {
    let view = refresh.view(journal);
    let names = &refresh.names;
    let table = names.table(IomTable::PlatformConnectionReference);
    let connections = async {
        let connections = list_connections(refresh, journal).await;
        unless_interrupted(connections.map_err(Failure::from))
    };
    let core = async { unless_interrupted(map_references(view, dataverse_reference).await) };
    let (core, system, connections, custom) = try_join!(
        core,
        rows(view, table),
        connections,
        CustomConnectors::read(refresh, journal),
    )?;
    let core = core.map(|references| references.into_values().collect());
    let system = system_references(refresh, &system);
    let section = &refresh
        .runbook
        .steps
        .reconfigure_connections
        .options
        .connections;
    let connectors = connectors_by_name(&custom, &[&core, &system]);
    let mut results = named_connections::run_checks(refresh, &connectors, &connections, &[section]);
    results.push(references::check_readable(&system));
    Ok(results)
}

/// The custom connectors of both environments. A caller may see no connection of the target; its
/// rows show the connectors too.
pub(super) fn custom_connectors(snapshot: &Snapshot) -> ReadResult<CustomConnectors> {
    let source = available(&snapshot.connectors)?.values();
    let target = available(&snapshot.target.connectors)?.values();
    let connectors = CustomConnectors::from_rows(source, target);
    let connections = available(&snapshot.connections);
    Ok(connectors.with_connections(connections.map_or(&[], Vec::as_slice)))
}

/// The target's connector of each reference and of each connector, by every name that it has.
fn connectors_by_name(
    custom: &CustomConnectors,
    references: &[&Result<Vec<Reference>, Failure>],
) -> Connectors {
    let readable = references.iter().filter_map(|read| read.as_ref().ok());
    let mut connectors = Connectors::new();
    for reference in readable.flatten().filter(|one| !one.connector.is_empty()) {
        let here = custom.in_target(&reference.connector);
        for alias in custom.aliases(&reference.connector) {
            connectors.insert(alias, here.clone());
        }
        connectors.insert(reference.name.to_ascii_lowercase(), here);
    }
    connectors
}

/// Dataverse's connection references.
fn dataverse_references(rows: impl Iterator<Item = (Uuid, Fields)>) -> Vec<Reference> {
    rows.filter_map(|(_, row)| dataverse_reference(&row))
        .collect()
}

fn dataverse_reference(row: &Fields) -> Option<Reference> {
    Some(Reference {
        name: text(row, "connectionreferencelogicalname")?,
        connector: connector_name(&text(row, "connectorid").unwrap_or_default()),
        url: None,
        definition: None,
    })
}

/// IOM's own references.
fn system_references(
    refresh: &RefreshContext,
    rows: &ReadResult<Rows>,
) -> Result<Vec<Reference>, Failure> {
    let names = &refresh.names;
    let column = names.column(IomColumn::PlatformConnectionReferenceConnectionUrl)?;
    Ok(available(rows)?
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

/// The references of the providers that are reinstalled.
fn provider_references(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
) -> Result<Vec<Reference>, Failure> {
    let choice = refresh.runbook.steps.provider_choice();
    let catalogue = available(&snapshot.catalogue)?;
    let again: BTreeSet<Uuid> = reinstalled(catalogue, choice)
        .iter()
        .map(|(provider, _)| provider.id)
        .collect();
    let rows = available(&snapshot.provider_references)?;
    let definitions = available(&snapshot.reference_definitions)?;
    joined(&refresh.names, catalogue, rows, definitions, |id| {
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
    let column = IomColumn::ProviderDefinitionConnectionReferenceLogicalName;
    let logical_names = names.logical_names(column, definitions.iter());
    let mut found = Vec::new();
    for (id, row) in rows {
        let provider = names
            .lookup(row, IomColumn::ProviderConnectionReferenceProvider)?
            .filter(|provider| wanted(*provider))
            .and_then(|provider| catalogue.providers.get(&provider));
        let Some(provider) = provider else { continue };
        let called = names
            .lookup(row, IomColumn::ProviderConnectionReferenceDefinition)?
            .and_then(|definition| logical_names.get(&definition).cloned());
        let url = names.text(row, IomColumn::ProviderConnectionReferenceConnectionUrl)?;
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
