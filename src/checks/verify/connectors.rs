//! Custom connectors that the target names by the source's identifier.

use std::collections::BTreeSet;

use super::snapshot::Snapshot;
use crate::base::text::count;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{ReadResult, Rows, available};
use crate::domain::connections::custom_connectors::CustomConnectors;
use crate::domain::connections::{connector_name, connector_of_url};
use crate::domain::failure::unless_interrupted;
use crate::domain::flows::FlowDefinition;
use crate::domain::names::{Names, text};
use crate::domain::{RefreshContext, flows};
use crate::engine::{Failure, JournalView};
use crate::runbook::{IomColumn, IomTable};

/// Something that names connectors: in words, with the connectors.
type Naming = (String, BTreeSet<String>);

/// Checks references, connection URLs and flows.
pub(super) async fn run_checks(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
    journal: Option<&JournalView>,
) -> Result<CheckResult, Failure> {
    let journal = journal.cloned().unwrap_or_else(JournalView::empty);
    let custom = unless_interrupted(CustomConnectors::read(refresh, &journal).await)?;
    let check = check(refresh);
    let answer = || {
        let mut acting = flows_that_are_on(available(&snapshot.flows)?);
        for (table, column, rows) in [
            (
                IomTable::PlatformConnectionReference,
                IomColumn::PlatformConnectionReferenceConnectionUrl,
                &snapshot.system,
            ),
            (
                IomTable::ProviderConnectionReference,
                IomColumn::ProviderConnectionReferenceConnectionUrl,
                &snapshot.provider_references,
            ),
        ] {
            acting.extend(urls(&refresh.names, table, column, rows)?);
        }
        let idle = references(available(&snapshot.references)?);
        Ok(judge(&check, available(&custom)?, &acting, &idle))
    };
    Ok(check.settle(answer()))
}

fn check(refresh: &RefreshContext) -> Check {
    Check::new(
        "every custom connector is named by the target's identifier",
        "custom connectors are named by the source's identifier, which the target does not have",
        format!(
            "`iomcopy run {}` repoints references, connection URLs and flows that are off; turn off a \
             flow that is on before, and choose a connection of the target under `connections`",
            refresh.runbook.as_argument()
        ),
    )
}

fn flows_that_are_on(rows: &Rows) -> Vec<Naming> {
    let on = rows.iter().filter(|(_, row)| flows::is_on(row));
    on.filter_map(|(id, row)| {
        let name = format!("cloud flow '{}'", flows::name(*id, row));
        Some((name, FlowDefinition::from_row(row)?.connectors()))
    })
    .collect()
}

fn urls(
    names: &Names,
    table: IomTable,
    column: IomColumn,
    rows: &ReadResult<Rows>,
) -> Result<Vec<Naming>, Failure> {
    let column = names.column(column)?;
    let rows = available(rows)?.iter();
    Ok(rows
        .filter_map(|(id, row)| {
            let connector = connector_of_url(&text(row, column)?)?;
            let name = format!("connection URL of '{}'", names.title(table, row, *id));
            Some((name, BTreeSet::from([connector])))
        })
        .collect())
}

fn references(rows: &Rows) -> Vec<Naming> {
    rows.values()
        .filter_map(|row| {
            let name = text(row, "connectionreferencelogicalname")?;
            let connector = connector_name(&text(row, "connectorid")?);
            let name = format!("connection reference '{name}'");
            Some((name, BTreeSet::from([connector])))
        })
        .collect()
}

/// Fails if something that acts names such a connector. A reference may be one that nothing uses.
fn judge(
    check: &Check,
    custom: &CustomConnectors,
    acting: &[Naming],
    references: &[Naming],
) -> CheckResult {
    let checked = count(acting.len() + references.len(), "object");
    let moved = |named: &[Naming]| -> Vec<String> {
        let found = named.iter().flat_map(|(name, connectors)| {
            let moved = custom.moved(connectors).into_iter();
            moved.map(move |(used, here)| format!("{name}: {used}, which is {here} here"))
        });
        found.collect()
    };
    let (acting, idle) = (moved(acting), moved(references));
    if custom.is_partial && acting.is_empty() && idle.is_empty() {
        return check.unknown("an environment does not show its custom connectors to the caller");
    }
    check.fail_or_warn(&acting, &idle, &checked)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::table_reads::numbered;
    use crate::domain::names::Fields;
    use crate::domain::verdict::Verdict;

    #[test]
    fn only_what_acts_fails_with_a_connector_of_the_source() {
        let connector = |id: &str| -> Fields {
            let row = json!({"name": "bin", "connectorinternalid": id});
            row.as_object().cloned().unwrap_or_default()
        };
        let (old, new) = ("shared_bin-5f11111111", "shared_bin-5f22222222");
        let rows = ([connector(old)], [connector(new)]);
        let custom = CustomConnectors::from_rows(rows.0.iter(), rows.1.iter());
        let flow = |state: i64, id: &str| {
            let data =
                json!({"properties": {"connectionReferences": {"x": {"api": {"name": id}}}}});
            json!({"name": "Post", "statecode": state, "clientdata": data.to_string()})
        };
        let reference = |id: &str| {
            numbered(&[json!({"connectionreferencelogicalname": "ref",
                "connectorid": format!("/providers/Microsoft.PowerApps/apis/{id}")})])
        };
        let check = Check::new("named here", "named there", "repair it");
        let mut partial = CustomConnectors::default();
        partial.is_partial = true;
        assert_eq!(judge(&check, &partial, &[], &[]).verdict, Verdict::Unknown);
        for (state, in_flow, in_reference, verdict) in [
            (1, new, new, Verdict::Pass),
            (1, old, new, Verdict::Fail),
            (0, old, new, Verdict::Pass),
            (1, new, old, Verdict::Unknown),
        ] {
            let acting = flows_that_are_on(&numbered(&[flow(state, in_flow)]));
            let idle = references(&reference(in_reference));
            let result = judge(&check, &custom, &acting, &idle);
            assert_eq!(result.verdict, verdict, "{}", result.found);
        }
    }
}
