//! The flow that releases orders to Finance and Operations, by which the guide tells whether its
//! provider is installed well (Microsoft Learn, *Copy environments that use Intelligent Order
//! Management*, troubleshooting): on, wired, its runs; events that expired before a flow took them.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::sight::Sight;
use crate::checks::finding::{Cure, Finding, Probe, named};
use crate::checks::reading::{Reading, Rows, kept, told};
use crate::domain::flows::{Definition, is_on, state};
use crate::domain::names::{Fields, text};
use crate::domain::providers::{Catalogue, Provider};
use crate::domain::{Refresh, flows};
use crate::engine::Failure;

/// What stands in the flow's name, and names its logic definition.
const RELEASE: &str = "msdyn_finops_releaseordertosync";

/// What the detail of an execution says that no flow took.
const EXPIRED: &str = "Event expired in the 'Ready' state";

/// What people call the table of execution results.
const RESULTS: [&str; 5] = [
    "Step Execution Result",
    "Orchestration Step Execution Result",
    "Provider Action Execution Result",
    "Provider Action Result",
    "Provider Action Execution Event",
];

/// What people call the column that says why.
const DETAILS: [&str; 3] = ["Result Details", "Result Detail", "Details"];

/// Judges the release flow; a tenant without the provider has none.
pub(super) async fn ask(refresh: &Refresh, sight: &Sight) -> Result<Vec<Finding>, Failure> {
    let catalogue = told(&sight.catalogue).ok();
    let provider = catalogue.and_then(provider);
    let definition = provider.and_then(|p| Some(catalogue?.definition_of(p)?.logical_name.clone()));
    // Only a provider whose definition is known can be installed again.
    let curable = |probe: Probe| match &definition {
        Some(definition) => probe.if_failed(Cure::Reinstall {
            runbook: refresh.runbook.file().display().to_string(),
            definition: definition.clone(),
        }),
        None => probe,
    };
    let on = curable(Probe::new(
        "the F&O release flow is on",
        "turn it on in the maker portal (Solutions > Cloud flows)",
    ));
    let wired = Probe::new(
        "the F&O release flow's connection references have connections",
        "name them under `connections` of reconfigure-connections and run again",
    );
    let answer = told(&sight.flows).map(|flows| (release_flows(flows), provider.is_some()));
    let mut findings = vec![
        on.settle(
            answer
                .clone()
                .map(|(flows, expected)| on_judged(&on, &flows, expected)),
        ),
    ];
    let flows = answer.map(|(flows, _)| flows).unwrap_or_default();
    if flows.is_empty() {
        return Ok(findings);
    }
    findings
        .push(wired.settle(told(&sight.references).map(|rows| wired_judged(&wired, &flows, rows))));
    let runs = Probe::new(
        "the F&O release flow's last runs succeeded",
        "open the flow's run history in Power Automate; where nothing has run yet, let an order be \
         released and verify again",
    );
    let read = runs_of(refresh, &flows).await?;
    findings.push(runs.settle(read.map(|rows| runs_judged(&runs, &rows))));
    let expired = curable(Probe::new(
        format!("no execution says \"{EXPIRED}\""),
        "look whether the provider's flows are on and their connections are connected, then let an \
         order be released and verify again",
    ));
    let since = provider
        .and_then(|provider| told(&sight.providers).ok()?.get(&provider.id))
        .and_then(|row| text(row, "createdon"));
    let read = expired_rows(refresh).await?;
    findings.push(expired.settle(read.map(|rows| match rows {
        Some(rows) => expired_judged(&expired, &rows, since.as_deref()),
        None => expired.unknown("no table of execution results is known by its display name"),
    })));
    Ok(findings)
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

fn on_judged(probe: &Probe, flows: &[(Uuid, &Fields)], expected: bool) -> Finding {
    let shown: Vec<String> = flows
        .iter()
        .map(|(id, row)| format!("'{}' is {}", flows::name(*id, row), state(row)))
        .collect();
    match (flows, expected) {
        ([], true) => probe.fail(format!("no flow's name holds {RELEASE}")),
        ([], false) => probe.pass("no active provider brings it"),
        // A flow of a provider that is gone may be off: one that is on is enough.
        (flows, _) => probe.judged(flows.iter().any(|(_, row)| is_on(row)), named(&shown)),
    }
}

fn wired_judged(probe: &Probe, flows: &[(Uuid, &Fields)], references: &Rows) -> Finding {
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
        for name in Definition::of(row)
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
        return probe.unknown("the flow's definition names no reference");
    }
    probe.none_of(&bare, &format!("{count} references"))
}

/// The newest rows of the run history (Microsoft Learn, *Manage cloud flow run history in
/// Dataverse*: kept for a time, delivered without guarantee).
async fn runs_of(
    refresh: &Refresh,
    flows: &[(Uuid, &Fields)],
) -> Result<Reading<Vec<Fields>>, Failure> {
    let mut found = Vec::new();
    for (id, _) in flows.iter().filter(|(_, row)| is_on(row)) {
        let path = format!(
            "flowruns?$select=name,status,starttime,errorcode&$filter=_workflow_value%20eq%20{id}\
             &$orderby=starttime%20desc&$top=10"
        );
        match kept(read(refresh, &path).await)? {
            Ok(rows) => found.extend(rows),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(Ok(found))
}

/// The rows that a GET answers; none where there is no such table.
async fn read(refresh: &Refresh, path: &str) -> Result<Vec<Fields>, Failure> {
    let answer = refresh.target.get_path(path).await?;
    let rows = answer.and_then(|body| body.get("value").and_then(Value::as_array).cloned());
    Ok(rows
        .into_iter()
        .flatten()
        .filter_map(|row| row.as_object().cloned())
        .collect())
}

/// One run that succeeded, newer than all that failed, is enough. No row is no proof.
fn runs_judged(probe: &Probe, runs: &[Fields]) -> Finding {
    let status = |row: &Fields| text(row, "status").unwrap_or_default().to_ascii_lowercase();
    let mut ended: Vec<&Fields> = runs
        .iter()
        .filter(|row| ["succeeded", "success", "failed"].contains(&status(row).as_str()))
        .collect();
    ended.sort_by_key(|row| std::cmp::Reverse(text(row, "starttime")));
    let Some(newest) = ended.first() else {
        return probe
            .unknown("the history shows no run that has ended; that is no proof of either");
    };
    let when = text(newest, "starttime").unwrap_or_default();
    let read = format!("the last of {}, at {when}: {}", ended.len(), status(newest));
    probe.judged(status(newest) != "failed", read)
}

/// The newest executions whose detail says that the event expired; none where no table is known.
async fn expired_rows(refresh: &Refresh) -> Result<Reading<Option<Vec<Fields>>>, Failure> {
    kept(expired_in(refresh).await)
}

async fn expired_in(refresh: &Refresh) -> Result<Option<Vec<Fields>>, Failure> {
    let is = |name: Option<&str>, called: &[&str]| {
        name.is_some_and(|name| called.iter().any(|c| c.eq_ignore_ascii_case(name)))
    };
    let tables = refresh.target.tables().await?;
    let mut known = None;
    for table in tables
        .iter()
        .filter(|t| is(t.display_name.as_deref(), &RESULTS))
    {
        let Some(table) = refresh.target.table(&table.logical_name).await? else {
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
            .extend(read(refresh, &path).await?);
    }
    Ok(known)
}

/// The copy brings the source's history too: only what came after the provider that is installed
/// now tells of it. Times of Dataverse are of one form, so their texts can be compared.
fn expired_judged(probe: &Probe, rows: &[Fields], since: Option<&str>) -> Finding {
    let mut times: Vec<String> = rows
        .iter()
        .filter_map(|row| text(row, "createdon"))
        .collect();
    times.sort();
    let Some(newest) = times.last() else {
        return probe.pass("none does");
    };
    match since {
        Some(since) if newest.as_str() < since => probe.pass(format!(
            "the newest, of {newest}, is older than the provider that is installed now"
        )),
        Some(_) => probe.fail(format!("the newest is of {newest}")),
        None => probe.unknown(format!(
            "the newest is of {newest}; whether the provider was installed later is not known"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Verdict;
    use serde_json::json;

    fn fields(value: &Value) -> Fields {
        value.as_object().unwrap().clone()
    }

    fn probe() -> Probe {
        Probe::new("release", "reinstall")
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
    fn the_flow_is_on_or_nobody_brings_it() {
        let on = release(1);
        let off = release(0);
        let of = |flows: &[&Fields], expected| {
            let flows: Vec<(Uuid, &Fields)> = flows.iter().map(|f| (Uuid::nil(), *f)).collect();
            on_judged(&probe(), &flows, expected).verdict
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
            wired_judged(&probe(), &[(Uuid::nil(), &flow)], &rows).verdict
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
        let none = wired_judged(&probe(), &[(Uuid::nil(), &bare)], &Rows::new());
        assert_eq!(none.verdict, Verdict::Unknown);
    }

    #[test]
    fn the_newest_run_that_ended_counts_and_no_row_is_no_proof() {
        let run = |status: &str, hour: u8| {
            fields(&json!({"status": status, "starttime": format!("2026-03-01T{hour:02}:00:00Z")}))
        };
        let of = |runs: &[Fields]| runs_judged(&probe(), runs).verdict;
        assert_eq!(of(&[]), Verdict::Unknown);
        assert_eq!(of(&[run("Running", 3)]), Verdict::Unknown);
        assert_eq!(
            of(&[run("Failed", 1), run("Succeeded", 2), run("Running", 3)]),
            Verdict::Pass
        );
        assert_eq!(of(&[run("Success", 1), run("Failed", 2)]), Verdict::Fail);
    }

    #[test]
    fn only_events_after_the_provider_came_tell_of_it() {
        let row = [fields(&json!({"createdon": "2026-03-01T10:00:00Z"}))];
        let of = |rows: &[Fields], since| expired_judged(&probe(), rows, since).verdict;
        assert_eq!(of(&[], None), Verdict::Pass);
        assert_eq!(of(&row, Some("2026-03-01T11:00:00Z")), Verdict::Pass);
        assert_eq!(of(&row, Some("2026-03-01T09:00:00Z")), Verdict::Fail);
        assert_eq!(of(&row, None), Verdict::Unknown);
    }
}
