//! A saved plan: written by `plan --out`, approved by a person, used by `run --plan`.

use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::base::files;
use crate::engine::{Failure, FailureKind, Plan, PlannedStep};

/// The content of a plan file.
#[derive(Deserialize, Serialize)]
struct SavedPlan {
    v: u32,
    digest: String,
    steps: Vec<PlannedStep>,
}

/// Writes a plan with its digest: the whole file, or none. Replaces a file only if it is a plan.
pub(super) fn save(path: &Path, plan: &Plan, digest: &str) -> Result<(), Failure> {
    let saved = SavedPlan {
        v: 1,
        digest: digest.to_owned(),
        steps: plan.steps.clone(),
    };
    let mut bytes = serde_json::to_vec_pretty(&saved)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    bytes.push(b'\n');
    files::write_output(path, &bytes, "a saved plan", Some(&is_saved_plan)).map_err(|error| {
        Failure::new(
            FailureKind::InvalidInput,
            format!("{}: {error}", path.display()),
        )
        .with_help("choose a new file, or an existing plan, for --out")
    })
}

/// Did [`save`] write this content?
fn is_saved_plan(bytes: &[u8]) -> bool {
    serde_json::from_slice::<SavedPlan>(bytes).is_ok_and(|saved| saved.v == 1)
}

/// Reads an approved plan.
fn read(path: &Path) -> Result<SavedPlan, Failure> {
    let invalid = |reason: String| {
        let message = format!("{}: {reason}", path.display());
        Failure::new(FailureKind::InvalidInput, message)
            .with_help("save a plan with `iomcopy plan RUNBOOK --out FILE`")
    };
    let text = files::read_to_string(path).map_err(|error| invalid(error.to_string()))?;
    let saved: SavedPlan = serde_json::from_str(&text)
        .map_err(|error| invalid(format!("not a saved plan: {error}")))?;
    match saved.v {
        1 => Ok(saved),
        newer => Err(invalid(format!("the plan has a newer format ({newer})"))),
    }
}

/// Fails if the approved plan cannot be read.
pub(super) fn require_readable(path: &Path) -> Result<(), Failure> {
    read(path).map(drop)
}

/// Refuses a plan that differs from the approved plan, and shows the differences.
pub(super) fn require_approved(path: &Path, plan: &Plan, digest: &str) -> Result<(), Failure> {
    let saved = read(path)?;
    if saved.digest == digest {
        return Ok(());
    }
    let mut differences = plan.differences(&Plan { steps: saved.steps });
    if differences.is_empty() {
        differences.push(
            "the source, the target or the options of the copy differ in the runbook".to_owned(),
        );
    }
    Err(Failure::refused(format!(
        "the approved plan is stale:\n  - {}",
        differences.join("\n  - ")
    ))
    .with_help("nothing was begun; save a new plan and have it approved"))
}

/// Refuses what is left of a run if it holds a change that cannot be undone and that the approved
/// plan does not hold. The approved plan may hold more: a part of it is done.
pub(super) fn require_covered(path: &Path, remaining: &Plan) -> Result<(), Failure> {
    let steps = read(path)?.steps;
    let approved = Plan { steps }.keys_to_confirm();
    let mut added = remaining.keys_to_confirm();
    added.retain(|key| !approved.contains(key));
    if added.is_empty() {
        return Ok(());
    }
    let message = format!(
        "changes that cannot be undone are not in the approved plan:\n  - {}",
        added.join("\n  - ")
    );
    Err(Failure::new(FailureKind::Unconfirmed, message)
        .with_help("nothing was changed; save a new plan and have it approved"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A plan with these destructive changes.
    fn plan(keys: &[&str]) -> Plan {
        let change = |key: &&str| {
            json!({
                "phase": "delete", "key": key, "kind": "remove", "name": key, "before": null,
                "after": null, "destructive": true, "expected-seconds": 1,
            })
        };
        let changes: Vec<_> = keys.iter().map(change).collect();
        let steps = json!([{ "name": "reinstall-providers", "changes": changes }]);
        Plan {
            steps: serde_json::from_value(steps).unwrap(),
        }
    }

    #[test]
    fn a_resumed_run_may_do_less_than_its_approved_plan_and_not_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.plan");
        save(&path, &plan(&["provider/a", "provider/b"]), "digest").unwrap();
        require_covered(&path, &plan(&["provider/b"])).unwrap();
        let refused = require_covered(&path, &plan(&["provider/b", "provider/c"])).unwrap_err();
        assert_eq!(refused.kind, FailureKind::Unconfirmed);
        assert!(refused.message.ends_with(":\n  - provider/c"), "{refused}");
        let missing = require_covered(&folder.path().join("other"), &plan(&[])).unwrap_err();
        assert_eq!(missing.kind, FailureKind::InvalidInput);
    }
}
