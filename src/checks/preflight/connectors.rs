//! The source's custom connectors: a person must judge their hosts; rows show whether the copy
//! brings them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::flows::wanted_on;
use super::snapshot::Snapshot;
use crate::checks::check::{Check, CheckResult};
use crate::checks::table_reads::{Rows, available, rows};
use crate::domain::connections::connector_name;
use crate::domain::flows::rules::{Rules, Wanted};
use crate::domain::flows::{Definition, cloud_flows, missing_connectors};
use crate::domain::names::text;
use crate::domain::{RefreshContext, flows};
use crate::engine::{Failure, JournalView};
use crate::runbook::StepName;

/// A custom connector (Dataverse, `connector`, `connectortype`).
const CUSTOM: i64 = 1;

/// A flow's name, and the connectors that it uses.
type Used = (String, BTreeSet<String>);

/// Checks the source's connectors; nothing where step 4 is skipped.
pub(super) fn run_checks(refresh: &RefreshContext, snapshot: &Snapshot) -> Vec<CheckResult> {
    if refresh.runbook.steps.activate_flows.skip.is_some() {
        return Vec::new();
    }
    let there = there(refresh);
    let answer = wanted_on(refresh, snapshot).and_then(|wanted| {
        let used = wanted.into_iter().filter_map(|(id, row)| {
            Some((
                flows::name(id, row),
                Definition::from_row(row)?.connectors(),
            ))
        });
        let used: Vec<Used> = used.collect();
        Ok(judge_there(&there, &used, available(&snapshot.connectors)?))
    });
    vec![custom_connectors(snapshot), there.settle(answer)]
}

/// The check before step 4.
pub(super) async fn checks_before_step(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<CheckResult, Failure> {
    let check = there(refresh);
    let view = refresh.view(journal);
    let connectors = rows(view, "connector").await?;
    let rules = Rules::read(refresh, journal).await?;
    let mut used = Vec::new();
    for (id, row) in cloud_flows(view).await? {
        let name = flows::name(id, &row);
        if rules.wanted(id, &row) == Wanted::On
            && let Some(definition) = Definition::from_row(&row)
        {
            used.push((name, definition.connectors()));
        }
    }
    Ok(check.settle(available(&connectors).map(|here| judge_there(&check, &used, here))))
}

fn there(refresh: &RefreshContext) -> Check {
    Check::new(
        "every custom connector of a flow that should be on is there",
        "custom connectors of flows that should be on are missing",
        format!(
            "a copy does not bring a connector that is in no solution: create it in '{}' after the \
             copy (maker portal > Custom connectors), or leave the flow off by `except`",
            refresh.runbook.target.name
        ),
    )
    .before(StepName::ActivateFlows)
}

fn judge_there(check: &Check, used: &[Used], connectors: &Rows) -> CheckResult {
    let here: BTreeSet<String> = connectors
        .values()
        .filter_map(|row| text(row, "connectorinternalid"))
        .map(|id| connector_name(&id))
        .collect();
    let missing: Vec<String> = used
        .iter()
        .flat_map(|(flow, used)| {
            let missing = missing_connectors(used, &here);
            missing
                .into_iter()
                .map(move |connector| format!("{connector}, used by '{flow}'"))
        })
        .collect();
    check.warn_of(&missing, &format!("{} flows checked", used.len()))
}

fn custom_connectors(snapshot: &Snapshot) -> CheckResult {
    let check = Check::new(
        "custom connectors lead where the target's should lead",
        "the source has custom connectors, which keep the source's hosts after the copy",
        "after the copy open each custom connector in the maker portal: host, sign-in and the flows \
         that use it",
    );
    let answer = available(&snapshot.connectors).and_then(|connectors| {
        Ok(judge_custom(
            &check,
            connectors,
            available(&snapshot.flows)?,
        ))
    });
    check.settle(answer)
}

fn judge_custom(check: &Check, connectors: &Rows, flows: &Rows) -> CheckResult {
    let definitions: Vec<(String, BTreeSet<String>)> = flows
        .iter()
        .filter_map(|(id, row)| {
            Some((
                flows::name(*id, row),
                Definition::from_row(row)?.connectors(),
            ))
        })
        .collect();
    let found: Vec<String> = connectors
        .values()
        .filter(|row| row.get("connectortype").and_then(Value::as_i64) == Some(CUSTOM))
        .map(|row| {
            let title = text(row, "displayname").or_else(|| text(row, "name"));
            let keys: BTreeSet<String> = ["connectorinternalid", "name"]
                .iter()
                .filter_map(|column| text(row, column))
                .map(|key| connector_name(&key))
                .collect();
            let users: Vec<&str> = definitions
                .iter()
                .filter(|(_, connectors)| !connectors.is_disjoint(&keys))
                .map(|(name, _)| name.as_str())
                .collect();
            let title = title.unwrap_or_else(|| "without a name".to_owned());
            if users.is_empty() {
                format!("'{title}', used by no flow")
            } else {
                format!("'{title}', used by '{}'", users.join("', '"))
            }
        })
        .collect();
    check.warn_of(&found, "the source has none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::table_reads::numbered as rows;
    use crate::domain::verdict::Verdict;
    use serde_json::json;

    #[test]
    fn the_copy_does_not_bring_a_custom_connector_that_has_no_row() {
        let used = [(
            "Ship".to_owned(),
            BTreeSet::from([
                "shared_carrier-5f3d1c9a7e".to_owned(),
                "shared_outlook".to_owned(),
            ]),
        )];
        let of = |here: &[Value]| {
            judge_there(
                &Check::new("there", "a problem", "make it"),
                &used,
                &rows(here),
            )
        };
        let missing = of(&[]);
        assert_eq!(missing.verdict, Verdict::Unknown);
        assert_eq!(missing.found, "shared_carrier-5f3d1c9a7e, used by 'Ship'");
        // Under another suffix it is the same connector, made in another environment.
        for id in ["shared_carrier-5f3d1c9a7e", "shared_carrier-5f99999999"] {
            let here = [json!({"connectorinternalid": id})];
            assert_eq!(of(&here).verdict, Verdict::Pass, "{id}");
        }
    }

    #[test]
    fn custom_connectors_are_named_with_their_flows() {
        let data = json!({"properties": {"connectionReferences": {"x": {"api": {"name": "shared_new-5f1"}}}}});
        let flows = rows(&[json!({"name": "Ship", "clientdata": data.to_string()})]);
        let connectors = rows(&[
            json!({"displayname": "Carrier", "connectorinternalid": "shared_new-5f1", "connectortype": 1}),
            json!({"displayname": "Plain", "connectortype": 0}),
        ]);
        let check = Check::new("well", "a problem", "repair it");
        let result = judge_custom(&check, &connectors, &flows);
        assert_eq!(result.verdict, Verdict::Unknown);
        assert_eq!(result.found, "'Carrier', used by 'Ship'");
        assert_eq!(
            judge_custom(&check, &Rows::new(), &flows).verdict,
            Verdict::Pass
        );
    }
}
