//! Rows of the target that still name the source: its environment id, or a host of its services.
//! What a row holds is not shown, only which row names what.

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

use super::sight::Sight;
use crate::clients::Environment;
use crate::runbook::IomTable;
use crate::steps::Refresh;
use crate::steps::names::{Fields, Names, text};
use crate::steps::probes::finding::{Finding, Probe};
use crate::steps::probes::reading::{Reading, Rows, told};
use crate::text::count;

/// Judges references, parameters and environment variables.
pub(super) fn ask(refresh: &Refresh, sight: &Sight) -> Vec<Finding> {
    let marks = marks(&refresh.source_environment);
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
    ]
}

/// What names the source, with what each is: its environment id, its hosts.
fn marks(source: &Environment) -> BTreeMap<String, &'static str> {
    let host = |url: Option<&str>| {
        let url = Url::parse(url?).ok()?;
        // Ports tell services of one host apart.
        let host = url.host_str()?.to_ascii_lowercase();
        Some(
            url.port()
                .map_or(host.clone(), |port| format!("{host}:{port}")),
        )
    };
    let dataverse = source.dataverse.as_ref().and_then(|d| d.url.as_deref());
    let finance = source
        .finance_operations
        .as_ref()
        .and_then(|f| f.url.as_deref());
    [
        (
            Some(source.id.to_ascii_lowercase()),
            "the source's environment id",
        ),
        (host(dataverse), "the host of the source's Dataverse"),
        (
            host(finance),
            "the host of the source's Finance and Operations",
        ),
    ]
    .into_iter()
    .filter_map(|(mark, what)| Some((mark?, what)))
    .collect()
}

fn scan(
    noun: &str,
    remedy: &str,
    rows: &Reading<Rows>,
    marks: &BTreeMap<String, &'static str>,
    title: impl Fn(&Fields, uuid::Uuid) -> String,
) -> Finding {
    let probe = Probe::new(format!("no {noun} names the source"), remedy);
    probe.settle(told(rows).map(|rows| scanned(&probe, rows, marks, title)))
}

fn scanned(
    probe: &Probe,
    rows: &Rows,
    marks: &BTreeMap<String, &'static str>,
    title: impl Fn(&Fields, uuid::Uuid) -> String,
) -> Finding {
    let mut found = Vec::new();
    for (id, row) in rows {
        for (column, value) in row.iter().filter(|(column, _)| !column.contains('@')) {
            let Value::String(value) = value else {
                continue;
            };
            let value = value.to_ascii_lowercase();
            let seen = marks.iter().filter(|(mark, _)| value.contains(*mark));
            found.extend(seen.map(|(_, what)| format!("'{}' ({column}): {what}", title(row, *id))));
        }
    }
    probe.none_of(&found, &count(rows.len(), "row"))
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let marks = marks(&source());
        assert_eq!(marks.len(), 3);
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
