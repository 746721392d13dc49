//! The source's custom connectors: where they lead is a person's to judge, and whether the copy
//! brings them is asked of the rows.

use std::collections::BTreeSet;

use serde_json::Value;

use super::flows::wanted_on;
use super::sight::Sight;
use crate::checks::finding::{Finding, Probe};
use crate::checks::reading::{Rows, rows, told};
use crate::domain::connections::connector_name;
use crate::domain::flows::rules::{Rules, Wanted};
use crate::domain::flows::{Definition, cloud_flows, missing_connectors};
use crate::domain::names::text;
use crate::domain::{Refresh, flows};
use crate::engine::{Failure, Known};
use crate::runbook::StepName;

/// A custom connector (Dataverse, `connector`, `connectortype`).
const CUSTOM: i64 = 1;

/// A flow's name, and the connectors that it uses.
type Used = (String, BTreeSet<String>);

/// Judges the source's connectors; nothing where step 4 is skipped.
pub(super) fn ask(refresh: &Refresh, sight: &Sight) -> Vec<Finding> {
    if refresh.runbook.steps.activate_flows.skip.is_some() {
        return Vec::new();
    }
    let there = there(refresh);
    let answer = wanted_on(refresh, sight).and_then(|wanted| {
        let used = wanted.into_iter().filter_map(|(id, row)| {
            Some((flows::name(id, row), Definition::of(row)?.connectors()))
        });
        let used: Vec<Used> = used.collect();
        Ok(there_judged(&there, &used, told(&sight.connectors)?))
    });
    vec![custom_connectors(sight), there.settle(answer)]
}

/// What step 4 must know before it begins.
pub(super) async fn at_the_head(refresh: &Refresh, known: &Known) -> Result<Finding, Failure> {
    let probe = there(refresh);
    let view = refresh.view(known);
    let connectors = rows(view, "connector").await?;
    let rules = Rules::read(refresh, known).await?;
    let mut used = Vec::new();
    for (id, row) in cloud_flows(view).await? {
        let name = flows::name(id, &row);
        if rules.wanted(id, &row) == Wanted::On
            && let Some(definition) = Definition::of(&row)
        {
            used.push((name, definition.connectors()));
        }
    }
    Ok(probe.settle(told(&connectors).map(|here| there_judged(&probe, &used, here))))
}

fn there(refresh: &Refresh) -> Probe {
    Probe::new(
        "every custom connector of a flow that should be on is there",
        format!(
            "a copy does not bring a connector that is in no solution: make it in '{}' after the \
             copy (maker portal > Custom connectors), or leave the flow off by `except`",
            refresh.runbook.target.name
        ),
    )
    .before(StepName::ActivateFlows)
}

fn there_judged(probe: &Probe, used: &[Used], connectors: &Rows) -> Finding {
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
    probe.unless_any(&missing, &format!("{} flows looked at", used.len()))
}

fn custom_connectors(sight: &Sight) -> Finding {
    let probe = Probe::new(
        "custom connectors lead where the target's shall lead",
        "after the copy open each custom connector in the maker portal: host, sign-in and the flows \
         that use it",
    );
    let answer = told(&sight.connectors)
        .and_then(|connectors| Ok(custom_judged(&probe, connectors, told(&sight.flows)?)));
    probe.settle(answer)
}

fn custom_judged(probe: &Probe, connectors: &Rows, flows: &Rows) -> Finding {
    let definitions: Vec<(String, BTreeSet<String>)> = flows
        .iter()
        .filter_map(|(id, row)| Some((flows::name(*id, row), Definition::of(row)?.connectors())))
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
    probe.unless_any(&found, "the source has none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Verdict;
    use crate::checks::reading::numbered as rows;
    use serde_json::json;

    #[test]
    fn a_custom_connector_that_no_row_tells_of_does_not_come_with_the_copy() {
        let used = [(
            "Ship".to_owned(),
            BTreeSet::from([
                "shared_carrier-5f3d1c9a7e".to_owned(),
                "shared_outlook".to_owned(),
            ]),
        )];
        let of = |here: &[Value]| there_judged(&Probe::new("there", "make it"), &used, &rows(here));
        let missing = of(&[]);
        assert_eq!(missing.verdict, Verdict::Unknown);
        assert_eq!(missing.read, "shared_carrier-5f3d1c9a7e, used by 'Ship'");
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
        let probe = Probe::new("well", "mend it");
        let finding = custom_judged(&probe, &connectors, &flows);
        assert_eq!(finding.verdict, Verdict::Unknown);
        assert_eq!(finding.read, "'Carrier', used by 'Ship'");
        assert_eq!(
            custom_judged(&probe, &Rows::new(), &flows).verdict,
            Verdict::Pass
        );
    }
}
