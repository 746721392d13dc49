//! Rows of the target that still name the source: its environment id, a host of its services, or
//! what the first seal tells besides. What a row holds is not shown, only which row names what.

use serde_json::Value;

use super::sight::Sight;
use crate::base::text::count;
use crate::checks::finding::{Finding, Probe};
use crate::checks::reading::{Reading, Rows, told};
use crate::domain::names::{Fields, Names, text};
use crate::domain::source_references::Marks;
use crate::domain::{Refresh, flows};
use crate::engine::Known;
use crate::runbook::IomTable;

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
        flows_judged(&sight.flows, &marks),
    ]
}

/// A flow that names the source acts on it while it is on; off, it waits for a person to correct it.
fn flows_judged(flows: &Reading<Rows>, marks: &Marks) -> Finding {
    let probe = Probe::new(
        "no cloud flow that is on names the source",
        "turn it off in the maker portal, correct it in the designer, or write a rule for it under \
         `replace` of activate-flows",
    );
    let title = |row: &Fields, id: uuid::Uuid| flows::name(id, row);
    let answer = told(flows).map(|rows| {
        let (on, off): (Rows, Rows) = rows
            .iter()
            .map(|(id, row)| (*id, row.clone()))
            .partition(|(_, row)| flows::is_on(row));
        let off: Vec<String> = named_in(&off, marks, title)
            .into_iter()
            .map(|found| format!("off: {found}"))
            .collect();
        probe.judged_lists(
            &named_in(&on, marks, title),
            &off,
            &count(rows.len(), "flow"),
        )
    });
    probe.settle(answer)
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
    probe.none_of(&named_in(rows, marks, title), &count(rows.len(), "row"))
}

/// Which rows name what of the source, and in which column.
fn named_in(
    rows: &Rows,
    marks: &Marks,
    title: impl Fn(&Fields, uuid::Uuid) -> String,
) -> Vec<String> {
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
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Verdict;
    use crate::clients::Environment;
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
        let marks = Marks::of(&source(), &target());
        let of = |state: i64, host: &str| {
            let row = json!({"name": "Notify", "statecode": state, "clientdata": host});
            let rows = Rows::from([(Uuid::from_u128(1), row.as_object().unwrap().clone())]);
            flows_judged(&Ok(rows), &marks)
        };
        let on = of(1, "https://prod.crm4.dynamics.com");
        assert_eq!(on.verdict, Verdict::Fail);
        assert!(on.read.starts_with("'Notify'"), "{}", on.read);
        let off = of(0, "https://prod.crm4.dynamics.com");
        assert_eq!(off.verdict, Verdict::Unknown);
        assert!(off.read.starts_with("off: 'Notify'"), "{}", off.read);
        assert_eq!(
            of(1, "https://uat.crm4.dynamics.com").verdict,
            Verdict::Pass
        );
    }

    #[test]
    fn a_row_that_names_the_source_is_named_and_its_value_is_not_shown() {
        let marks = Marks::of(&source(), &target());
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
