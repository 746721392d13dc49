//! The source's custom connectors: a person must judge their hosts; rows show whether the copy
//! brings them.

use std::collections::BTreeSet;

use serde_json::Value;
use tokio::try_join;
use uuid::Uuid;

use super::flows::wanted_on;
use super::snapshot::Snapshot;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{Rows, available, rows};
use crate::domain::connections::custom_connectors::CUSTOM;
use crate::domain::connections::{connector_name, connector_of_url};
use crate::domain::flows::rules::wanted_definitions;
use crate::domain::flows::{FlowDefinition, missing_connectors};
use crate::domain::names::{Fields, Names, text};
use crate::domain::{RefreshContext, flows};
use crate::engine::{Failure, JournalView};
use crate::runbook::{IomColumn, StepName};

/// The name of a flow or a provider, and the connectors that it uses.
type Used = (String, BTreeSet<String>);

/// What a flow uses, if its definition can be read.
fn used((id, row): (Uuid, Fields)) -> Option<Used> {
    let connectors = FlowDefinition::from_row(&row)?.connectors();
    Some((flows::name(id, &row), connectors))
}

/// Checks the source's connectors; nothing if step 4 is skipped.
pub(super) fn run_checks(refresh: &RefreshContext, snapshot: &Snapshot) -> Vec<CheckResult> {
    if refresh.runbook.steps.activate_flows.is_skipped() {
        return Vec::new();
    }
    let there = there(refresh);
    let answer = wanted_on(refresh, snapshot).and_then(|wanted| {
        let used: Vec<Used> = wanted.filter_map(used).collect();
        Ok(judge_there(&there, &used, available(&snapshot.connectors)?))
    });
    vec![custom_connectors(refresh, snapshot), there.settle(answer)]
}

/// The check before step 4.
pub(super) async fn checks_before_step(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<CheckResult, Failure> {
    let check = there(refresh);
    let view = refresh.view(journal);
    let used = wanted_definitions(refresh, journal, |id, row, definition| {
        (flows::name(id, row), definition.connectors())
    });
    let (connectors, used): (_, Vec<Used>) = try_join!(rows(view, "connector"), used)?;
    Ok(check.settle(available(&connectors).map(|here| judge_there(&check, &used, here))))
}

fn there(refresh: &RefreshContext) -> Check {
    Check::protecting(
        StepName::ActivateFlows,
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

fn custom_connectors(refresh: &RefreshContext, snapshot: &Snapshot) -> CheckResult {
    let check = Check::protecting(
        StepName::ActivateFlows,
        "no custom connector of the source keeps the source's host in the target",
        "the source has custom connectors, which keep the source's hosts after the copy",
        "after the copy open each custom connector in the maker portal: host, sign-in and the flows \
         that use it",
    );
    let answer = available(&snapshot.connectors).and_then(|connectors| {
        Ok(judge_custom(
            &check,
            connectors,
            available(&snapshot.flows)?.iter().filter_map(used),
            &used_by_providers(&refresh.names, snapshot)?,
        ))
    });
    check.settle(answer)
}

/// The connectors of the source's providers.
fn used_by_providers(names: &Names, snapshot: &Snapshot) -> Result<Vec<Used>, Failure> {
    let catalogue = available(&snapshot.catalogue)?;
    let mut used = Vec::new();
    for row in available(&snapshot.provider_references)?.values() {
        let provider = names.lookup(row, IomColumn::ProviderConnectionReferenceProvider)?;
        let provider = provider.and_then(|id| catalogue.providers.get(&id));
        let url = names.text(row, IomColumn::ProviderConnectionReferenceConnectionUrl)?;
        let connector = url.as_deref().and_then(connector_of_url);
        if let (Some(provider), Some(connector)) = (provider, connector) {
            used.push((provider.name.clone(), BTreeSet::from([connector])));
        }
    }
    Ok(used)
}

/// The users of a connector in words, by any of its keys.
fn users(noun: &str, used: &[Used], keys: &BTreeSet<String>) -> Option<String> {
    let users = used
        .iter()
        .filter(|(_, connectors)| !connectors.is_disjoint(keys));
    let users: Vec<&str> = users.map(|(name, _)| name.as_str()).collect();
    (!users.is_empty()).then(|| format!("{noun}'{}'", users.join("', '")))
}

fn judge_custom(
    check: &Check,
    connectors: &Rows,
    flows: impl Iterator<Item = Used>,
    providers: &[Used],
) -> CheckResult {
    let definitions: Vec<Used> = flows.collect();
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
            let title = title.unwrap_or_else(|| "without a name".to_owned());
            let users = [
                users("", &definitions, &keys),
                users("provider ", providers, &keys),
            ];
            let users: Vec<String> = users.into_iter().flatten().collect();
            if users.is_empty() {
                format!("'{title}', used by no flow and no provider")
            } else {
                format!("'{title}', used by {}", users.join(" and "))
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
        let flow = json!({"name": "Ship", "clientdata": data.to_string()});
        let flows = || {
            rows(std::slice::from_ref(&flow))
                .into_iter()
                .filter_map(used)
        };
        let connectors = rows(&[
            json!({"displayname": "Carrier", "connectorinternalid": "shared_new-5f1", "connectortype": 1}),
            json!({"displayname": "Plain", "connectortype": 0}),
        ]);
        let check = Check::new("well", "a problem", "repair it");
        let provider = (
            "DHL".to_owned(),
            BTreeSet::from(["shared_new-5f1".to_owned()]),
        );
        let found = |providers: &[Used]| judge_custom(&check, &connectors, flows(), providers);
        assert_eq!(found(&[]).verdict, Verdict::Unknown);
        assert_eq!(found(&[]).found, "'Carrier', used by 'Ship'");
        assert_eq!(
            found(&[provider]).found,
            "'Carrier', used by 'Ship' and provider 'DHL'"
        );
        assert_eq!(
            judge_custom(&check, &Rows::new(), flows(), &[]).verdict,
            Verdict::Pass
        );
    }
}
