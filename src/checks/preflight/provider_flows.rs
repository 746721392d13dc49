//! The flows that definitions of the library carry: a custom connector in them has the source's
//! identifier.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::connections::custom_connectors;
use super::snapshot::{Snapshot, reinstalled};
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{Rows, available, iom_rows};
use crate::domain::RefreshContext;
use crate::domain::names::{Fields, Names};
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::{IomColumn, IomTable, StepName};

/// Checks the definitions to be reinstalled; nothing if step 6 is skipped.
///
/// Whether IOM gives a flow that it deploys the connectors of the provider's own connections is not
/// published, and cannot be tried before the copy. So this is a warning, and the step shows the
/// activation's own error.
pub(super) async fn run_checks(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
) -> Result<Vec<CheckResult>, Failure> {
    let step = &refresh.runbook.steps.reinstall_providers;
    if step.skip.is_some() {
        return Ok(Vec::new());
    }
    let check = check();
    let names = &refresh.names;
    let table = IomTable::LogicDefinition;
    let rows = iom_rows(View::AfterCopy(refresh), names, table).await?;
    let answer = || {
        let custom = custom_connectors(snapshot)?;
        let catalogue = available(&snapshot.catalogue)?;
        let again = reinstalled(catalogue, &step.options.providers.value);
        let again: BTreeMap<Uuid, &str> = again
            .into_iter()
            .filter_map(|(_, definition)| definition)
            .map(|definition| (definition.id, definition.logical_name.as_str()))
            .collect();
        judge(
            &check,
            names,
            &again,
            available(&rows)?,
            &custom.all_moved(),
        )
    };
    Ok(vec![check.settle(answer())])
}

fn check() -> Check {
    Check::protecting(
        StepName::ReinstallProviders,
        "no definition of a provider to be reinstalled names the source's custom connectors",
        "definitions of providers to be reinstalled name custom connectors of the source",
        "if such a provider is not activated, or its flow is off: install its solution in the target \
         again, or change the connector in the flow (Power Automate > Solutions), then run again",
    )
}

/// Takes the definitions to be reinstalled, by id, and the moved connectors: both identifiers.
fn judge(
    check: &Check,
    names: &Names,
    again: &BTreeMap<Uuid, &str>,
    rows: &Rows,
    moved: &[(String, String)],
) -> Result<CheckResult, Failure> {
    let mut found = Vec::new();
    for (id, row) in rows {
        let definition = names.lookup(row, IomColumn::LogicDefinitionDefinition)?;
        let Some(definition) = definition.and_then(|id| again.get(&id)) else {
            continue;
        };
        let flow = names.title(IomTable::LogicDefinition, row, *id);
        let used_here = moved.iter().filter(|(used, _)| names_text(row, used));
        found.extend(used_here.map(|(used, here)| {
            format!("'{flow}' of {definition} names {used}, which is {here} in the target")
        }));
    }
    Ok(check.warn_of(&found, &format!("{} flows checked", rows.len())))
}

/// Does any column of a row contain this lower-case text?
fn names_text(row: &Fields, wanted: &str) -> bool {
    let mut texts = row.values().filter_map(Value::as_str);
    texts.any(|text| text.to_ascii_lowercase().contains(wanted))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::table_reads::numbered;
    use crate::domain::verdict::Verdict;

    #[test]
    fn a_definition_that_names_the_sources_connector_is_a_warning() {
        let names = Names::unchecked(&crate::runbook::Iom::default());
        let [again_id, other] = [7, 8].map(Uuid::from_u128);
        let again = BTreeMap::from([(again_id, "new_carrier")]);
        let moved = [("shared_c-5f1111".to_owned(), "shared_c-5f2222".to_owned())];
        let row = |definition: Uuid, data: &str| {
            json!({"msdyn_name": "Ship", "msdyn_clientdata": data,
                "_msdyn_providerdefinitionid_value": definition})
        };
        let of =
            |values: &[Value]| judge(&check(), &names, &again, &numbered(values), &moved).unwrap();
        let warned = of(&[row(again_id, r#"{"api":"shared_C-5F1111"}"#)]);
        assert_eq!(warned.verdict, Verdict::Unknown);
        assert_eq!(warned.label(), "warning");
        assert_eq!(
            warned.found,
            "'Ship' of new_carrier names shared_c-5f1111, which is shared_c-5f2222 in the target"
        );
        let others = [
            row(again_id, "shared_outlook"),
            row(other, "shared_c-5f1111"),
        ];
        assert_eq!(of(&others).verdict, Verdict::Pass);
    }
}
