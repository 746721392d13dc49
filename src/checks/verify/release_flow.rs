//! The flow that releases orders to Finance and Operations. The guide uses it to find out whether
//! its provider is installed correctly (Microsoft Learn, *Copy environments that use Intelligent
//! Order Management*, troubleshooting): its state, connections and runs, and events that expired
//! before a flow processed them.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::snapshot::Snapshot;
use crate::checks::check::{Check, Remedy, named};
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{ReadResult, Rows, available};
use crate::domain::failure::unless_interrupted;
use crate::domain::flows::{FlowDefinition, is_on, state};
use crate::domain::names::{Fields, text};
use crate::domain::providers::{Catalogue, Provider};
use crate::domain::{RefreshContext, flows};
use crate::engine::Failure;

/// A part of the flow's name; also the name of its logic definition.
const RELEASE: &str = "msdyn_finops_releaseordertosync";

/// The detail of an execution that no flow processed.
const EXPIRED: &str = "Event expired in the 'Ready' state";

/// The display names of the table of execution results.
const RESULTS: [&str; 5] = [
    "Step Execution Result",
    "Orchestration Step Execution Result",
    "Provider Action Execution Result",
    "Provider Action Result",
    "Provider Action Execution Event",
];

/// The display names of the column with the reason.
const DETAILS: [&str; 3] = ["Result Details", "Result Detail", "Details"];

/// Checks the release flow; a tenant without the provider has none.
pub(super) async fn run_checks(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
) -> Result<Vec<CheckResult>, Failure> {
    let catalogue = available(&snapshot.catalogue).ok();
    let provider = catalogue.and_then(provider);
    let definition = provider.and_then(|p| Some(catalogue?.definition_of(p)?.logical_name.clone()));
    // Only a provider whose definition is known can be reinstalled.
    let curable = |check: Check| match &definition {
        Some(definition) => check.if_failed(Remedy::Reinstall {
            runbook: refresh.runbook.as_argument(),
            definition: definition.clone(),
        }),
        None => check,
    };
    let on = curable(Check::new(
        "the order release flow is on",
        "the order release flow is off",
        "turn it on in the maker portal (Solutions > Cloud flows)",
    ));
    let wired = Check::new(
        "the order release flow's connection references have connections",
        "connection references of the order release flow have no connection",
        "name them under `connections` of reconfigure-connections and run again",
    );
    let answer = available(&snapshot.flows).map(|flows| (release_flows(flows), provider.is_some()));
    let mut results = vec![
        on.settle(
            answer
                .clone()
                .map(|(flows, expected)| judge_on(&on, &flows, expected)),
        ),
    ];
    let flows = answer.map(|(flows, _)| flows).unwrap_or_default();
    if flows.is_empty() {
        return Ok(results);
    }
    results.push(
        wired.settle(available(&snapshot.references).map(|rows| judge_wired(&wired, &flows, rows))),
    );
    let runs = Check::new(
        "the order release flow's last runs succeeded",
        "the order release flow's last run failed",
        "open the flow's run history in Power Automate; if nothing has run yet, release an order, \
         then verify again",
    );
    let read = runs_of(refresh, &flows).await?;
    results.push(runs.settle(read.map(|rows| judge_runs(&runs, &rows))));
    let expired = curable(Check::new(
        format!("no execution says \"{EXPIRED}\""),
        format!("an execution says \"{EXPIRED}\""),
        "check whether the provider's flows are on and their connections are connected, then release an \
         order and verify again",
    ));
    let since = provider
        .and_then(|provider| available(&snapshot.providers).ok()?.get(&provider.id))
        .and_then(|row| text(row, "createdon"));
    let read = expired_rows(refresh).await?;
    results.push(expired.settle(read.map(|rows| match rows {
        Some(rows) => judge_expired(&expired, &rows, since.as_deref()),
        None => expired.unknown("no table has the display name of execution results"),
    })));
    Ok(results)
}

/// The active provider whose definition brings the release flow.
fn provider(catalogue: &Catalogue) -> Option<&Provider> {
    let logic = catalogue
        .logic
        .values()
        .find(|logic| logic.logical_name.eq_ignore_ascii_case(RELEASE))?;
    catalogue
        .providers
        .values()
        .find(|provider| provider.active && provider.definition == logic.definition)
}

/// The flows with that name: one, and those of providers that are gone.
fn release_flows(flows: &Rows) -> Vec<(Uuid, &Fields)> {
    flows
        .iter()
        .filter(|(id, row)| {
            flows::name(**id, row)
                .to_ascii_lowercase()
                .contains(RELEASE)
        })
        .map(|(id, row)| (*id, row))
        .collect()
}

fn judge_on(check: &Check, flows: &[(Uuid, &Fields)], expected: bool) -> CheckResult {
    let shown: Vec<String> = flows
        .iter()
        .map(|(id, row)| format!("'{}' is {}", flows::name(*id, row), state(row)))
        .collect();
    match (flows, expected) {
        ([], true) => check.fail(format!("no flow's name holds {RELEASE}")),
        ([], false) => check.pass("no active provider brings it"),
        // A flow of a provider that is gone may be off: one that is on is enough.
        (flows, _) => check.pass_if(flows.iter().any(|(_, row)| is_on(row)), named(&shown)),
    }
}

fn judge_wired(check: &Check, flows: &[(Uuid, &Fields)], references: &Rows) -> CheckResult {
    let connections: BTreeMap<String, Option<String>> = references
        .values()
        .filter_map(|row| {
            let name = text(row, "connectionreferencelogicalname")?;
            let connection = text(row, "connectionid").filter(|id| !id.is_empty());
            Some((name.to_ascii_lowercase(), connection))
        })
        .collect();
    let mut bare = Vec::new();
    let mut count = 0;
    for (_, row) in flows
        .iter()
        .filter(|(_, row)| is_on(row) || flows.len() == 1)
    {
        for name in FlowDefinition::from_row(row)
            .map(|d| d.references())
            .unwrap_or_default()
        {
            count += 1;
            match connections.get(&name) {
                Some(Some(_)) => {}
                Some(None) => bare.push(format!("'{name}' has no connection")),
                None => bare.push(format!("'{name}' is not there")),
            }
        }
    }
    if count == 0 {
        return check.unknown("the flow's definition names no reference");
    }
    check.none_of(&bare, &format!("{count} of {count}"))
}

/// The newest rows of the run history (Microsoft Learn, *Manage cloud flow run history in
/// Dataverse*: kept for a time, delivered without guarantee).
async fn runs_of(
    refresh: &RefreshContext,
    flows: &[(Uuid, &Fields)],
) -> Result<ReadResult<Vec<Fields>>, Failure> {
    let mut found = Vec::new();
    for (id, _) in flows.iter().filter(|(_, row)| is_on(row)) {
        let path = format!(
            "flowruns?$select=name,status,starttime,errorcode&$filter=_workflow_value%20eq%20{id}\
             &$orderby=starttime%20desc&$top=10"
        );
        match unless_interrupted(get_rows(refresh, &path).await)? {
            Ok(rows) => found.extend(rows),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(Ok(found))
}

/// The rows that a GET returns; none if the table does not exist.
async fn get_rows(refresh: &RefreshContext, path: &str) -> Result<Vec<Fields>, Failure> {
    let answer = refresh.target.dataverse.get_path(path).await?;
    let rows = answer.and_then(|body| body.get("value").and_then(Value::as_array).cloned());
    Ok(rows
        .into_iter()
        .flatten()
        .filter_map(|row| row.as_object().cloned())
        .collect())
}

/// The newest run that has ended decides. No row proves nothing.
fn judge_runs(check: &Check, runs: &[Fields]) -> CheckResult {
    let status = |row: &Fields| text(row, "status").unwrap_or_default().to_ascii_lowercase();
    let mut ended: Vec<&Fields> = runs
        .iter()
        .filter(|row| ["succeeded", "success", "failed"].contains(&status(row).as_str()))
        .collect();
    ended.sort_by_key(|row| std::cmp::Reverse(text(row, "starttime")));
    let Some(newest) = ended.first() else {
        return check.unknown("the history shows no run that has ended, so it proves nothing");
    };
    let when = text(newest, "starttime").unwrap_or_default();
    let read = format!("the last of {}, at {when}: {}", ended.len(), status(newest));
    check.pass_if(status(newest) != "failed", read)
}

/// The newest executions whose detail says that the event expired; none if no such table is
/// found.
async fn expired_rows(
    refresh: &RefreshContext,
) -> Result<ReadResult<Option<Vec<Fields>>>, Failure> {
    unless_interrupted(expired_in(refresh).await)
}

async fn expired_in(refresh: &RefreshContext) -> Result<Option<Vec<Fields>>, Failure> {
    let is = |name: Option<&str>, called: &[&str]| {
        name.is_some_and(|name| called.iter().any(|c| c.eq_ignore_ascii_case(name)))
    };
    let tables = refresh.target.dataverse.tables().await?;
    let mut known = None;
    for table in tables
        .iter()
        .filter(|t| is(t.display_name.as_deref(), &RESULTS))
    {
        let Some(table) = refresh.target.dataverse.table(&table.logical_name).await? else {
            continue;
        };
        let detail = table
            .columns
            .iter()
            .find(|column| is(column.display_name.as_deref(), &DETAILS));
        let Some(detail) = detail else { continue };
        let path = format!(
            "{}?$select={},createdon&$filter=contains({},%27expired%20in%20the%20%27%27Ready%27%27%27)\
             &$orderby=createdon%20desc&$top=5",
            table.entity_set, detail.logical_name, detail.logical_name
        );
        known
            .get_or_insert_with(Vec::new)
            .extend(get_rows(refresh, &path).await?);
    }
    Ok(known)
}

/// The copy brings the source's history too: only events after the installation of the current
/// provider count. Times of Dataverse are of one form, so their texts can be compared.
fn judge_expired(check: &Check, rows: &[Fields], since: Option<&str>) -> CheckResult {
    let mut times: Vec<String> = rows
        .iter()
        .filter_map(|row| text(row, "createdon"))
        .collect();
    times.sort();
    let Some(newest) = times.last() else {
        return check.pass("the target holds no such event");
    };
    match since {
        Some(since) if newest.as_str() < since => check.pass(format!(
            "the newest, of {newest}, is older than the provider that is installed now"
        )),
        Some(_) => check.fail(format!("the newest is of {newest}")),
        None => check.warn(format!(
            "the newest is of {newest}; whether the provider was installed later is not known"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;
    use serde_json::json;

    fn fields(value: &Value) -> Fields {
        value.as_object().unwrap().clone()
    }

    fn check() -> Check {
        Check::new("release", "a problem", "reinstall")
    }

    fn release(state: i64) -> Fields {
        let data = json!({"properties": {"connectionReferences": {"d": {
            "connection": {"connectionReferenceLogicalName": "msdyn_d"}, "api": {"name": "shared_d"}}}}});
        fields(
            &json!({"name": format!("iom_1_{RELEASE}"), "statecode": state,
            "clientdata": data.to_string()}),
        )
    }

    #[test]
    fn the_flow_is_on_or_no_provider_brings_it() {
        let on = release(1);
        let off = release(0);
        let of = |flows: &[&Fields], expected| {
            let flows: Vec<(Uuid, &Fields)> = flows.iter().map(|f| (Uuid::nil(), *f)).collect();
            judge_on(&check(), &flows, expected).verdict
        };
        assert_eq!(of(&[&on], true), Verdict::Pass);
        assert_eq!(of(&[&off], true), Verdict::Fail);
        assert_eq!(of(&[&on, &off], true), Verdict::Pass);
        assert_eq!(of(&[], true), Verdict::Fail);
        assert_eq!(of(&[], false), Verdict::Pass);
    }

    #[test]
    fn each_reference_has_a_connection() {
        let flow = release(1);
        let of = |references: Value| {
            let rows = Rows::from([(Uuid::nil(), fields(&references))]);
            judge_wired(&check(), &[(Uuid::nil(), &flow)], &rows).verdict
        };
        let name = "connectionreferencelogicalname";
        assert_eq!(
            of(json!({name: "MSDYN_D", "connectionid": "1"})),
            Verdict::Pass
        );
        assert_eq!(
            of(json!({name: "msdyn_d", "connectionid": ""})),
            Verdict::Fail
        );
        assert_eq!(
            of(json!({name: "other", "connectionid": "1"})),
            Verdict::Fail
        );
        let bare = fields(&json!({"statecode": 1}));
        let none = judge_wired(&check(), &[(Uuid::nil(), &bare)], &Rows::new());
        assert_eq!(none.verdict, Verdict::Unknown);
    }

    #[test]
    fn the_newest_run_that_ended_decides_and_no_row_proves_nothing() {
        let run = |status: &str, hour: u8| {
            fields(&json!({"status": status, "starttime": format!("2026-03-01T{hour:02}:00:00Z")}))
        };
        let of = |runs: &[Fields]| judge_runs(&check(), runs).verdict;
        assert_eq!(of(&[]), Verdict::Unknown);
        assert_eq!(of(&[run("Running", 3)]), Verdict::Unknown);
        assert_eq!(
            of(&[run("Failed", 1), run("Succeeded", 2), run("Running", 3)]),
            Verdict::Pass
        );
        assert_eq!(of(&[run("Success", 1), run("Failed", 2)]), Verdict::Fail);
    }

    #[test]
    fn only_events_after_the_installation_of_the_provider_count() {
        let row = [fields(&json!({"createdon": "2026-03-01T10:00:00Z"}))];
        let of = |rows: &[Fields], since| judge_expired(&check(), rows, since).verdict;
        assert_eq!(of(&[], None), Verdict::Pass);
        assert_eq!(of(&row, Some("2026-03-01T11:00:00Z")), Verdict::Pass);
        assert_eq!(of(&row, Some("2026-03-01T09:00:00Z")), Verdict::Fail);
        assert_eq!(of(&row, None), Verdict::Unknown);
    }
}
