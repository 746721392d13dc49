//! What a plan does not know, and why a run may differ from it.

use uuid::Uuid;

use crate::base::text::list_first;
use crate::domain::keys;
use crate::domain::lost_providers::{lost_in_plan, lost_line};
use crate::domain::own_settings::UNCAPTURED;
use crate::engine::Plan;
use crate::report::LostProviders;
use crate::runbook::{CustomStep, Keyword as _, ListedStep, Runbook, StepName};

/// How many changes are named; more are counted.
const NAMED: usize = 5;

/// The step that replaces the target, unless the runbook skips it.
pub(super) fn replacing_step(runbook: &Runbook) -> Option<&'static str> {
    let step = &runbook.steps.copy_environments;
    step.skip
        .is_none()
        .then(|| StepName::CopyEnvironments.keyword())
}

/// Is the copy still to be made? Then later steps are planned from the source.
fn is_forecast(plan: &Plan, runbook: &Runbook) -> bool {
    let name = replacing_step(runbook);
    let mut steps = plan.steps.iter();
    steps.any(|step| Some(step.name.as_str()) == name && !step.changes.is_empty())
}

/// What the plan changes and does not turn on: a cloud flow whose text the runbook replaces stays off
/// where it still names production, or is off in the source.
pub(super) fn left_off(plan: &Plan, runbook: &Runbook) -> Vec<String> {
    let changes = || plan.steps.iter().flat_map(|step| &step.changes);
    let is_turned_on = |flow: Uuid| changes().any(|change| change.key == keys::flow(flow));
    let names: Vec<&str> = changes()
        .filter(|change| keys::flow_of_definition(&change.key).is_some_and(|it| !is_turned_on(it)))
        .map(|change| change.name.as_str())
        .collect();
    let what = match names.len() {
        0 => return Vec::new(),
        1 => "1 change leaves its cloud flow off".to_owned(),
        number => format!("{number} changes leave their cloud flows off"),
    };
    vec![format!(
        "{what}: {}; `iomcopy preflight {}` says why",
        list_first(&names, NAMED, "; "),
        runbook.as_argument()
    )]
}

/// Why a run may make other changes, one line for each reason.
pub(super) fn differences(plan: &Plan, runbook: &Runbook) -> Vec<String> {
    let mut reasons = Vec::new();
    if is_forecast(plan, runbook) {
        reasons.push(
            "changes marked as a forecast are read from the source; they change too if somebody \
             changes the source before the copy"
                .to_owned(),
        );
        reasons.push(
            "connections, users and settings of the target may change until the run reaches them"
                .to_owned(),
        );
    }
    let mut changes = plan.steps.iter().flat_map(|step| &step.changes);
    reasons.extend(fewer_flows(plan));
    let installs = |key: &str| key.starts_with("provider/new/");
    if changes.any(|change| installs(&change.key)) {
        reasons.push(
            "the exact actions, parameters and connection references of a new provider are known \
             once it is installed"
                .to_owned(),
        );
        reasons.push(format!(
            "a new provider may come from the library with parameters and transformations as they \
             should be; {} then makes fewer changes",
            StepName::ReinstallProviders.keyword()
        ));
    }
    if !plan.is_empty() {
        reasons.push(
            "if a service refuses a change, the change becomes a manual task or is reported, and \
             what depends on it waits"
                .to_owned(),
        );
    }
    reasons
}

/// Why step 4 may turn on fewer cloud flows than the plan has. *Activate system* turns on flows of
/// order management (`reference/iom.md`, section 2.4), and nobody knows which before it was pressed.
fn fewer_flows(plan: &Plan) -> Option<String> {
    let name = StepName::ActivateFlows.keyword();
    let mut changes = plan.steps.iter().flat_map(|step| &step.changes);
    let is_pressed = changes.any(|change| change.key == keys::ACTIVATE_SYSTEM);
    let mut steps = plan.steps.iter();
    let has_flows = steps.any(|step| step.name == name && !step.changes.is_empty());
    (is_pressed && has_flows).then(|| {
        format!(
            "'Activate system' turns on cloud flows of order management itself; {name} then makes \
             fewer changes"
        )
    })
}

/// The providers that the plan deletes and does not reinstall.
pub(super) fn lost_providers(plan: &Plan) -> LostProviders {
    let names = lost_in_plan(plan);
    LostProviders {
        line: lost_line(&names),
        names,
    }
}

/// That nobody captured what a target had before somebody copied over it.
/// A run that is resumed was accepted.
pub(super) fn uncaptured(runbook: &Runbook, is_resumed: bool) -> String {
    if is_resumed {
        return UNCAPTURED.to_owned();
    }
    format!(
        "{UNCAPTURED}; a run is refused until --from-capture gives it or --abandon-captures accepts \
         that (`iomcopy preflight {}` says more)",
        runbook.as_argument()
    )
}

/// What the plan does not know, one line for each thing. `unknown_of` returns it for a custom step;
/// its second argument says whether the copy is still to be made.
pub(super) fn unknowns(
    plan: &Plan,
    runbook: &Runbook,
    unknown_of: impl Fn(&CustomStep, bool) -> Option<String>,
) -> Vec<String> {
    let mut unknown = Vec::new();
    let is_forecast = is_forecast(plan, runbook);
    let dual_write = &runbook.steps.reconfigure_dual_write;
    if is_forecast && dual_write.skip.is_none() {
        unknown.push(
            "reconfigure-dual-write: users of Finance and Operations and the health of the link are \
             read only after the copy"
                .to_owned(),
        );
    }
    let created =
        |text: &str| text.contains("\"new action of ") || text.contains("\"new provider of ");
    let changes = plan.steps.iter().flat_map(|step| &step.changes);
    let later = changes.filter(|change| created(change.after.as_str()));
    match later.count() {
        0 => {}
        1 => unknown.push("the id in 1 change is created in the run".to_owned()),
        number => unknown.push(format!(
            "the ids in {number} changes are created in the run"
        )),
    }
    for listed in runbook.steps.in_order() {
        let ListedStep::Custom(step) = listed else {
            continue;
        };
        if step.skip.is_some() {
            continue;
        }
        let of_step = unknown_of(step, is_forecast);
        unknown.extend(of_step.map(|what| format!("{}: {what}", step.name.value)));
    }
    unknown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::testing::runbook;

    fn plan(copy_is_open: bool) -> Plan {
        let change = |key: &str, after: serde_json::Value| {
            json!({
                "phase": "p", "key": key, "kind": "set", "name": key, "before": null,
                "after": after, "destructive": false, "expected-seconds": 1,
            })
        };
        let copy = copy_is_open.then(|| change("copy/1", json!({ "type": "full" })));
        let steps = json!([
            { "name": "copy-environments", "changes": copy.into_iter().collect::<Vec<_>>() },
            { "name": "restore-provider-actions", "changes": [
                change("provider/new/a", json!({})),
                change("orchestration/1/restore", json!({ "slots": { "/a": "new action of a/b" } })),
            ] },
        ]);
        Plan {
            steps: serde_json::from_value(steps).unwrap(),
        }
    }

    #[test]
    fn a_flow_whose_text_is_replaced_and_that_stays_off_is_named() {
        let (on, off) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let change = |key: String, name: &str| {
            json!({
                "phase": "p", "key": key, "kind": "set", "name": name, "before": null,
                "after": null, "destructive": false, "expected-seconds": 1,
            })
        };
        let steps = json!([{ "name": "activate-flows", "changes": [
            change(keys::flow_definition(on), "replace text in cloud flow 'A'"),
            change(keys::flow_definition(off), "replace text in cloud flow 'B'"),
            change(keys::flow(on), "turn on cloud flow 'A'"),
        ] }]);
        let plan = Plan {
            steps: serde_json::from_value(steps).unwrap(),
        };
        let said = left_off(&plan, &runbook("public", ""));
        assert_eq!(said.len(), 1, "{said:?}");
        let text = "1 change leaves its cloud flow off: replace text in cloud flow 'B'; \
                    `iomcopy preflight ";
        assert!(said[0].starts_with(text), "{said:?}");
    }

    #[test]
    fn a_plan_says_which_step_may_make_fewer_changes_and_why() {
        let change = |key: &str| {
            json!({
                "phase": "p", "key": key, "kind": "set", "name": key, "before": null,
                "after": null, "destructive": false, "expected-seconds": 1,
            })
        };
        let said = |flows: &[serde_json::Value]| {
            let steps = json!([
                { "name": "reconfigure-connections", "changes": [change("activate-system")] },
                { "name": "activate-flows", "changes": flows },
                { "name": "reinstall-providers", "changes": [change("provider/new/a")] },
            ]);
            let plan = Plan {
                steps: serde_json::from_value(steps).unwrap(),
            };
            differences(&plan, &runbook("public", "")).join("\n")
        };
        let whole = said(&[change("flow/1")]);
        for part in [
            "activate-flows then makes fewer changes",
            "reinstall-providers then makes fewer changes",
        ] {
            assert!(whole.contains(part), "{part}: {whole}");
        }
        assert!(!said(&[]).contains("Activate system"));
    }

    #[test]
    fn a_forecast_says_so_and_names_what_it_does_not_know() {
        let runbook = runbook("public", "");
        let open = plan(true);
        let said = differences(&open, &runbook).join("\n");
        assert!(
            said.contains("forecast") && said.contains("once it is installed"),
            "{said}"
        );
        let unknown = unknowns(&open, &runbook, |_, _| None).join("\n");
        for part in ["the id in 1 change", "health of the link"] {
            assert!(unknown.contains(part), "{part}: {unknown}");
        }
        let done = plan(false);
        assert!(!differences(&done, &runbook).join("\n").contains("forecast"));
        assert_eq!(unknowns(&done, &runbook, |_, _| None).len(), 1);
        let nothing = Plan { steps: Vec::new() };
        assert!(differences(&nothing, &runbook).is_empty());
    }
}
