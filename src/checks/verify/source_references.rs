//! Rows of the target that still contain references to the source: its environment id, a host of
//! its services, or what the first seal adds. A result names the row and the kind of reference,
//! never the row's value.

use serde_json::Value;

use super::snapshot::Snapshot;
use crate::base::text::count;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{ReadResult, Rows, available};
use crate::domain::containment::Policy;
use crate::domain::flows::rules::Rules;
use crate::domain::names::{Fields, text};
use crate::domain::source_references::{SourceReference, SourceReferences};
use crate::domain::{RefreshContext, flows};
use crate::engine::JournalView;
use crate::runbook::IomTable;
use crate::steps::held_remedy;

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
    let runbook = refresh.runbook.as_argument();
    let connection_advice = format!(
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
    // Where the runbook lets everything act as in the source, containment lists what names it.
    let policy = Policy::from_runbook(&refresh.runbook);
    let is_open = policy.keeps_everything().is_some();
    let mut results = vec![
        scan(
            "connection reference",
            &connection_advice,
            &snapshot.references,
            &source_references,
            core,
        ),
        scan(
            "system connection reference",
            &connection_advice,
            &snapshot.system,
            &source_references,
            iom(IomTable::PlatformConnectionReference),
        ),
        scan(
            "provider connection reference",
            &connection_advice,
            &snapshot.provider_references,
            &source_references,
            iom(IomTable::ProviderConnectionReference),
        ),
    ];
    if is_open {
        return results;
    }
    if policy.takes_parameters().is_none() {
        results.push(scan(
            "provider parameter",
            value,
            &snapshot.parameters,
            &source_references,
            iom(IomTable::ProviderParameter),
        ));
    }
    results.push(scan(
        "environment variable",
        value,
        &snapshot.variables,
        &source_references,
        variable,
    ));
    results.extend(check_flows(refresh, snapshot, journal, &source_references));
    results
}

/// The flows that act on the source, and those that are left off for it.
fn check_flows(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
    journal: Option<&JournalView>,
    source_references: &SourceReferences,
) -> Vec<CheckResult> {
    let nothing = JournalView::empty();
    let rules = Rules::from_journal(refresh, journal.unwrap_or(&nothing));
    let named = |id: uuid::Uuid, row: &Fields| {
        let name = flows::name(id, row);
        if rules.belongs_to_provider(id, &name) {
            // A provider's flow belongs to its provider, and step 6 recreates it.
            let data = text(row, "clientdata").unwrap_or_default();
            let marks = source_references.found_in(&data).into_iter();
            return marks.cloned().collect();
        }
        rules.named_now(id, row)
    };
    let mut results = vec![judge_flows(&snapshot.flows, named)];
    if journal.is_some() && !refresh.runbook.steps.activate_flows.is_skipped() {
        let remedy = held_remedy(&refresh.runbook.as_argument());
        results.push(held_flows(&snapshot.flows, &rules, remedy));
    }
    results
}

/// A flow that is off because the runbook's containment leaves it off is as the runbook says. Only a
/// person knows whether the target needs it.
fn held_flows(flows: &ReadResult<Rows>, rules: &Rules<'_>, remedy: String) -> CheckResult {
    let check = Check::new(
        "no cloud flow that should be on is left off because it names production",
        "cloud flows that should be on are left off, because they would act on production",
        remedy,
    );
    check.settle(available(flows).map(|rows| {
        let held = rows
            .iter()
            .filter_map(|(id, row)| rules.held_back(*id, row));
        let held: Vec<String> = held.collect();
        check.warn_of(&held, &count(rows.len(), "flow"))
    }))
}

/// A flow that names the source acts on it while it is on; off, it waits for a person to correct
/// it.
fn judge_flows(
    flows: &ReadResult<Rows>,
    named: impl Fn(uuid::Uuid, &Fields) -> Vec<SourceReference>,
) -> CheckResult {
    let named_in = |rows: &Rows| -> Vec<String> {
        let found = rows.iter().flat_map(|(id, row)| {
            let name = flows::name(*id, row);
            let marks = named(*id, row).into_iter();
            marks.map(move |mark| format!("'{name}': {}", mark.what))
        });
        found.collect()
    };
    let check = |problem: &str, advice: &str| {
        Check::new("no cloud flow that is on names the source", problem, advice)
    };
    let is_on = "cloud flows contain references to the source";
    let turn_off = "turn it off in the maker portal, correct it in the designer, or write a rule for it \
                    under `replace` of activate-flows";
    let answer = available(flows).map(|rows| {
        let (on, off): (Rows, Rows) = rows
            .iter()
            .map(|(id, row)| (*id, row.clone()))
            .partition(|(_, row)| flows::is_on(row));
        let off: Vec<String> = named_in(&off)
            .into_iter()
            .map(|found| format!("off: {found}"))
            .collect();
        let on = named_in(&on);
        let check = if on.is_empty() {
            check(
                "cloud flows that are off contain references to the source",
                "they act on nothing while they are off: correct each in the designer, or write a rule \
                 for it under `replace` of activate-flows, before it is turned on",
            )
        } else {
            check(is_on, turn_off)
        };
        check.fail_or_warn(&on, &off, &count(rows.len(), "flow"))
    });
    check(is_on, turn_off).settle(answer)
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
            judge_flows(&Ok(rows), |_, row| {
                let data = text(row, "clientdata").unwrap_or_default();
                let marks = source_references.found_in(&data).into_iter();
                marks.cloned().collect()
            })
        };
        let on = of(1, "https://prod.crm4.dynamics.com");
        assert_eq!(on.verdict, Verdict::Fail);
        assert!(on.found.starts_with("'Notify'"), "{}", on.found);
        let off = of(0, "https://prod.crm4.dynamics.com");
        assert_eq!(off.verdict, Verdict::Unknown);
        assert!(off.found.starts_with("off: 'Notify'"), "{}", off.found);
        assert!(on.remedy.is_some_and(|fix| fix.starts_with("turn it off")));
        assert!(off.remedy.is_some_and(|fix| !fix.contains("turn it off")));
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
