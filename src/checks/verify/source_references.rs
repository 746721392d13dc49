//! Rows of the target that still contain references to the source: its environment id, a host of
//! its services, or what the first seal adds. A result names the row and the kind of reference,
//! never the row's value.

use serde_json::Value;

use super::snapshot::Snapshot;
use crate::base::text::count;
use crate::checks::check::{Check, CheckResult};
use crate::checks::table_reads::{ReadResult, Rows, available};
use crate::domain::names::{Fields, text};
use crate::domain::source_references::SourceReferences;
use crate::domain::{RefreshContext, flows};
use crate::engine::JournalView;
use crate::runbook::IomTable;

/// Checks references, parameters, environment variables and cloud flows. Takes the journal, if
/// there is a state file.
pub(super) fn run_checks(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
    journal: Option<&JournalView>,
) -> Vec<CheckResult> {
    let source_references =
        SourceReferences::between(&refresh.source.environment, &refresh.target.environment);
    let source_references = match journal {
        Some(journal) => source_references.with_recorded(journal),
        None => source_references,
    };
    let runbook = refresh.runbook.file().display();
    let wiring = format!(
        "name a connection of the target under `connections`, then `iomcopy run {runbook}`"
    );
    let value = "write the target's own value: until then order management may act on the source";
    let names = &refresh.names;
    let iom = |table| move |row: &Fields, id| names.title(table, row, id);
    let core = |row: &Fields, id: uuid::Uuid| {
        text(row, "connectionreferencelogicalname").unwrap_or_else(|| id.to_string())
    };
    let variable =
        |row: &Fields, id: uuid::Uuid| text(row, "schemaname").unwrap_or_else(|| id.to_string());
    vec![
        scan(
            "connection reference",
            &wiring,
            &snapshot.references,
            &source_references,
            core,
        ),
        scan(
            "system connection reference",
            &wiring,
            &snapshot.system,
            &source_references,
            iom(IomTable::PlatformConnectionReference),
        ),
        scan(
            "provider connection reference",
            &wiring,
            &snapshot.provider_references,
            &source_references,
            iom(IomTable::ProviderConnectionReference),
        ),
        scan(
            "provider parameter",
            value,
            &snapshot.parameters,
            &source_references,
            iom(IomTable::ProviderParameter),
        ),
        scan(
            "environment variable",
            value,
            &snapshot.variables,
            &source_references,
            variable,
        ),
        judge_flows(&snapshot.flows, &source_references),
    ]
}

/// A flow that names the source acts on it while it is on; off, it waits for a person to correct
/// it.
fn judge_flows(flows: &ReadResult<Rows>, source_references: &SourceReferences) -> CheckResult {
    let check = Check::new(
        "no cloud flow that is on names the source",
        "cloud flows contain references to the source",
        "turn it off in the maker portal, correct it in the designer, or write a rule for it under \
         `replace` of activate-flows",
    );
    let title = |row: &Fields, id: uuid::Uuid| flows::name(id, row);
    let answer = available(flows).map(|rows| {
        let (on, off): (Rows, Rows) = rows
            .iter()
            .map(|(id, row)| (*id, row.clone()))
            .partition(|(_, row)| flows::is_on(row));
        let off: Vec<String> = named_in(&off, source_references, title)
            .into_iter()
            .map(|found| format!("off: {found}"))
            .collect();
        check.fail_or_warn(
            &named_in(&on, source_references, title),
            &off,
            &count(rows.len(), "flow"),
        )
    });
    check.settle(answer)
}

fn scan(
    noun: &str,
    remedy: &str,
    rows: &ReadResult<Rows>,
    source_references: &SourceReferences,
    title: impl Fn(&Fields, uuid::Uuid) -> String,
) -> CheckResult {
    let check = Check::new(
        format!("no {noun} names the source"),
        format!("{noun}s contain references to the source"),
        remedy,
    );
    check.settle(available(rows).map(|rows| scanned(&check, rows, source_references, title)))
}

fn scanned(
    check: &Check,
    rows: &Rows,
    source_references: &SourceReferences,
    title: impl Fn(&Fields, uuid::Uuid) -> String,
) -> CheckResult {
    check.none_of(
        &named_in(rows, source_references, title),
        &count(rows.len(), "row"),
    )
}

/// Which rows name what of the source, and in which column.
fn named_in(
    rows: &Rows,
    source_references: &SourceReferences,
    title: impl Fn(&Fields, uuid::Uuid) -> String,
) -> Vec<String> {
    let mut found = Vec::new();
    for (id, row) in rows {
        for (column, value) in row.iter().filter(|(column, _)| !column.contains('@')) {
            let Value::String(value) = value else {
                continue;
            };
            let seen = source_references.found_in(value).into_iter();
            found.extend(
                seen.map(|mark| format!("'{}' ({column}): {}", title(row, *id), mark.what)),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Environment;
    use crate::domain::verdict::Verdict;
    use serde_json::json;
    use uuid::Uuid;

    fn target() -> Environment {
        Environment::from_value(
            json!({"name": "22222222-2222-2222-2222-222222222222", "properties": {}}),
        )
        .unwrap()
    }

    fn source() -> Environment {
        Environment::from_value(
            json!({"name": "11111111-1111-1111-1111-11111111ABCD", "properties": {
            "linkedEnvironmentMetadata": {"instanceUrl": "https://prod.crm4.dynamics.com/"},
            "linkedAppMetadata": {"url": "https://prod.operations.dynamics.com/"}}}),
        )
        .unwrap()
    }

    #[test]
    fn a_flow_that_names_the_source_fails_while_it_is_on_and_is_unknown_while_it_is_off() {
        let source_references = SourceReferences::between(&source(), &target());
        let of = |state: i64, host: &str| {
            let row = json!({"name": "Notify", "statecode": state, "clientdata": host});
            let rows = Rows::from([(Uuid::from_u128(1), row.as_object().unwrap().clone())]);
            judge_flows(&Ok(rows), &source_references)
        };
        let on = of(1, "https://prod.crm4.dynamics.com");
        assert_eq!(on.verdict, Verdict::Fail);
        assert!(on.found.starts_with("'Notify'"), "{}", on.found);
        let off = of(0, "https://prod.crm4.dynamics.com");
        assert_eq!(off.verdict, Verdict::Unknown);
        assert!(off.found.starts_with("off: 'Notify'"), "{}", off.found);
        assert_eq!(
            of(1, "https://uat.crm4.dynamics.com").verdict,
            Verdict::Pass
        );
    }

    #[test]
    fn a_row_that_names_the_source_is_named_and_its_value_is_not_shown() {
        let source_references = SourceReferences::between(&source(), &target());
        let of = |value: &str| {
            let row = json!({"msdyn_value": value, "other": 1})
                .as_object()
                .unwrap()
                .clone();
            let rows = Rows::from([(Uuid::from_u128(1), row)]);
            scanned(
                &Check::new("none", "a problem", "set it"),
                &rows,
                &source_references,
                |_, _| "Blob".to_owned(),
            )
        };
        assert_eq!(
            of("https://uat.crm4.dynamics.com?key=secret").verdict,
            Verdict::Pass
        );
        let host = of("https://PROD.crm4.dynamics.com?key=secret");
        assert_eq!(host.verdict, Verdict::Fail);
        assert_eq!(
            host.found,
            "'Blob' (msdyn_value): the host of the source's Dataverse"
        );
        let id = of("/environments/11111111-1111-1111-1111-11111111abcd/");
        assert!(id.found.ends_with("environment id"), "{}", id.found);
    }
}
