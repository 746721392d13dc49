//! Is the system active? No flag is published: every system connection reference and every platform
//! flow is looked at.

use super::snapshot::Snapshot;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{Rows, available};
use crate::domain::RefreshContext;
use crate::domain::flows::is_on;
use crate::domain::names::{Fields, Names, is_labelled, label, text};
use crate::runbook::IomTable;

/// Checks system connection references and platform flows.
pub(super) fn run_checks(refresh: &RefreshContext, snapshot: &Snapshot) -> Vec<CheckResult> {
    let help = "IOM app > Core settings > Admin home > Connection references: save each, then press \
                'Activate system'; if it times out, press it again";
    let active = Check::new(
        "every system connection reference is active",
        "system connection references are not active",
        help,
    );
    let on = Check::new(
        "every platform flow of IOM is on",
        "platform flows of IOM are off",
        help,
    );
    let names = &refresh.names;
    vec![
        active.settle(available(&snapshot.system).map(|rows| references(&active, rows, names))),
        on.settle(available(&snapshot.platform_flows).map(|flows| platform(&on, flows))),
    ]
}

fn references(check: &Check, rows: &Rows, names: &Names) -> CheckResult {
    if rows.is_empty() {
        return check.unknown("there are none");
    }
    let inactive: Vec<String> = rows
        .iter()
        .filter(|(_, row)| !is_labelled(row, "statuscode", "Active"))
        .map(|(id, row)| {
            let name = names.title(IomTable::PlatformConnectionReference, row, *id);
            let status = label(row, "statuscode");
            format!(
                "'{name}' is {}",
                status.unwrap_or_else(|| "without a status".to_owned())
            )
        })
        .collect();
    check.none_of(&inactive, &format!("{} are", rows.len()))
}

fn platform(check: &Check, flows: &[Fields]) -> CheckResult {
    if flows.is_empty() {
        return check.unknown("no flow is found in IOM's own solutions");
    }
    let off: Vec<String> = flows
        .iter()
        .filter(|row| !is_on(row))
        .map(|row| format!("'{}'", text(row, "name").unwrap_or_default()))
        .collect();
    check.none_of(&off, &format!("{} are", flows.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;
    use serde_json::{Value, json};
    use uuid::Uuid;

    fn fields(value: &Value) -> Fields {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_reference_that_is_incomplete_is_named() {
        let check = Check::new("active", "a problem", "activate");
        let of = |status: &str| {
            let row = json!({"msdyn_name": "Blob", "statuscode": 1,
                "statuscode@OData.Community.Display.V1.FormattedValue": status});
            let rows = Rows::from([(Uuid::from_u128(1), fields(&row))]);
            references(&check, &rows, &Names::default())
        };
        assert_eq!(of("Active").verdict, Verdict::Pass);
        let incomplete = of("Incomplete");
        assert_eq!(incomplete.verdict, Verdict::Fail);
        assert_eq!(incomplete.found, "'Blob' is Incomplete");
        let none = references(&check, &Rows::new(), &Names::default());
        assert_eq!(none.verdict, Verdict::Unknown);
    }

    #[test]
    fn a_platform_flow_that_is_off_is_named() {
        let check = Check::new("on", "a problem", "activate");
        let flow = |state: i64| fields(&json!({"name": "Alert", "statecode": state}));
        assert_eq!(platform(&check, &[flow(1)]).verdict, Verdict::Pass);
        let off = platform(&check, &[flow(1), flow(0)]);
        assert_eq!(
            (off.verdict, off.found.as_str()),
            (Verdict::Fail, "'Alert'")
        );
        assert_eq!(platform(&check, &[]).verdict, Verdict::Unknown);
    }
}
