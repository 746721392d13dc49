//! Rows of the target that still name the source: its environment id, a host of its services, or
//! what the first seal tells besides. What a row holds is not shown, only which row names what.

use serde_json::Value;

use super::sight::Sight;
use crate::engine::Known;
use crate::runbook::IomTable;
use crate::steps::Refresh;
use crate::steps::marks::Marks;
use crate::steps::names::{Fields, Names, text};
use crate::steps::probes::finding::{Finding, Probe};
use crate::steps::probes::reading::{Reading, Rows, told};
use crate::text::count;

/// Judges references, parameters, environment variables and cloud flows. Takes what the journal
/// knows, if there is a state file.
pub(super) fn ask(refresh: &Refresh, sight: &Sight, known: Option<&Known>) -> Vec<Finding> {
    let marks = Marks::of(&refresh.source_environment, &refresh.target_environment);
    let marks = match known {
        Some(known) => marks.with_recorded(known),
        None => marks,
    };
    let runbook = refresh.runbook.file().display();
    let wiring = format!(
        "name a connection of the target under `connections`, then `iomcopy run {runbook}`"
    );
    let value = "write the target's own value: until then order management may act on the source";
    let names = Names::of(refresh);
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
            &sight.references,
            &marks,
            core,
        ),
        scan(
            "system connection reference",
            &wiring,
            &sight.system,
            &marks,
            iom(IomTable::PlatformConnectionReference),
        ),
        scan(
            "provider connection reference",
            &wiring,
            &sight.provider_references,
            &marks,
            iom(IomTable::ProviderConnectionReference),
        ),
        scan(
            "provider parameter",
            value,
            &sight.parameters,
            &marks,
            iom(IomTable::ProviderParameter),
        ),
        scan(
            "environment variable",
            value,
            &sight.variables,
            &marks,
            variable,
        ),
        scan(
            "cloud flow",
            "write a rule for it under `replace` of activate-flows, or change it in the designer",
            &sight.flows,
            &marks,
            |row: &Fields, id| text(row, "name").unwrap_or_else(|| id.to_string()),
        ),
    ]
}

fn scan(
    noun: &str,
    remedy: &str,
    rows: &Reading<Rows>,
    marks: &Marks,
    title: impl Fn(&Fields, uuid::Uuid) -> String,
) -> Finding {
    let probe = Probe::new(format!("no {noun} names the source"), remedy);
    probe.settle(told(rows).map(|rows| scanned(&probe, rows, marks, title)))
}

fn scanned(
    probe: &Probe,
    rows: &Rows,
    marks: &Marks,
    title: impl Fn(&Fields, uuid::Uuid) -> String,
) -> Finding {
    let mut found = Vec::new();
    for (id, row) in rows {
        for (column, value) in row.iter().filter(|(column, _)| !column.contains('@')) {
            let Value::String(value) = value else {
                continue;
            };
            let seen = marks.found_in(value).into_iter();
            found.extend(
                seen.map(|mark| format!("'{}' ({column}): {}", title(row, *id), mark.what)),
            );
        }
    }
    probe.none_of(&found, &count(rows.len(), "row"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Environment;
    use crate::steps::probes::finding::Verdict;
    use serde_json::json;
    use uuid::Uuid;

    fn source() -> Environment {
        Environment::from_value(
            json!({"name": "11111111-1111-1111-1111-11111111ABCD", "properties": {
            "linkedEnvironmentMetadata": {"instanceUrl": "https://prod.crm4.dynamics.com/"},
            "linkedAppMetadata": {"url": "https://prod.operations.dynamics.com/"}}}),
        )
        .unwrap()
    }

    #[test]
    fn a_row_that_names_the_source_is_named_and_its_value_is_not_shown() {
        let marks = Marks::of(&source(), &source());
        let of = |value: &str| {
            let row = json!({"msdyn_value": value, "other": 1})
                .as_object()
                .unwrap()
                .clone();
            let rows = Rows::from([(Uuid::from_u128(1), row)]);
            scanned(&Probe::new("none", "set it"), &rows, &marks, |_, _| {
                "Blob".to_owned()
            })
        };
        assert_eq!(
            of("https://uat.crm4.dynamics.com?key=secret").verdict,
            Verdict::Pass
        );
        let host = of("https://PROD.crm4.dynamics.com?key=secret");
        assert_eq!(host.verdict, Verdict::Fail);
        assert_eq!(
            host.read,
            "'Blob' (msdyn_value): the host of the source's Dataverse"
        );
        let id = of("/environments/11111111-1111-1111-1111-11111111abcd/");
        assert!(id.read.ends_with("environment id"), "{}", id.read);
    }
}
