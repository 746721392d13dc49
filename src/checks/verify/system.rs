//! Is the system active? No flag is published: every system connection reference and every platform
//! flow is looked at.

use super::sight::Sight;
use crate::checks::finding::{Finding, Probe};
use crate::checks::reading::{Rows, told};
use crate::domain::Refresh;
use crate::domain::flows::is_on;
use crate::domain::names::{Fields, Names, is_labelled, label, text};
use crate::runbook::IomTable;

/// Judges system connection references and platform flows.
pub(super) fn ask(refresh: &Refresh, sight: &Sight) -> Vec<Finding> {
    let help = "IOM app > Core settings > Admin home > Connection references: save each, then press \
                'Activate system'; if it times out, press it again";
    let active = Probe::new("every system connection reference is active", help);
    let on = Probe::new("every platform flow of IOM is on", help);
    let names = Names::of(refresh);
    vec![
        active.settle(told(&sight.system).map(|rows| references(&active, rows, names))),
        on.settle(told(&sight.platform_flows).map(|flows| platform(&on, flows))),
    ]
}

fn references(probe: &Probe, rows: &Rows, names: &Names) -> Finding {
    if rows.is_empty() {
        return probe.unknown("there is none");
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
    probe.none_of(&inactive, &format!("{} are", rows.len()))
}

fn platform(probe: &Probe, flows: &[Fields]) -> Finding {
    if flows.is_empty() {
        return probe.unknown("no flow is known as IOM's own");
    }
    let off: Vec<String> = flows
        .iter()
        .filter(|row| !is_on(row))
        .map(|row| format!("'{}'", text(row, "name").unwrap_or_default()))
        .collect();
    probe.none_of(&off, &format!("{} are", flows.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Verdict;
    use serde_json::{Value, json};
    use uuid::Uuid;

    fn fields(value: &Value) -> Fields {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_reference_that_is_incomplete_is_named() {
        let probe = Probe::new("active", "activate");
        let of = |status: &str| {
            let row = json!({"msdyn_name": "Blob", "statuscode": 1,
                "statuscode@OData.Community.Display.V1.FormattedValue": status});
            let rows = Rows::from([(Uuid::from_u128(1), fields(&row))]);
            references(&probe, &rows, &Names::default())
        };
        assert_eq!(of("Active").verdict, Verdict::Pass);
        let incomplete = of("Incomplete");
        assert_eq!(incomplete.verdict, Verdict::Fail);
        assert_eq!(incomplete.read, "'Blob' is Incomplete");
        let none = references(&probe, &Rows::new(), &Names::default());
        assert_eq!(none.verdict, Verdict::Unknown);
    }

    #[test]
    fn a_platform_flow_that_is_off_is_named() {
        let probe = Probe::new("on", "activate");
        let flow = |state: i64| fields(&json!({"name": "Alert", "statecode": state}));
        assert_eq!(platform(&probe, &[flow(1)]).verdict, Verdict::Pass);
        let off = platform(&probe, &[flow(1), flow(0)]);
        assert_eq!((off.verdict, off.read.as_str()), (Verdict::Fail, "'Alert'"));
        assert_eq!(platform(&probe, &[]).verdict, Verdict::Unknown);
    }
}
