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

/// Refuses a plan that differs from the approved plan, and shows the differences.
pub(super) fn require_approved(path: &Path, plan: &Plan, digest: &str) -> Result<(), Failure> {
    let invalid = |reason: String| {
        Failure::new(
            FailureKind::InvalidInput,
            format!("{}: {reason}", path.display()),
        )
        .with_help("save a plan with `iomcopy plan --out FILE`")
    };
    let text = files::read_to_string(path).map_err(|error| invalid(error.to_string()))?;
    let saved: SavedPlan = serde_json::from_str(&text)
        .map_err(|error| invalid(format!("not a saved plan: {error}")))?;
    if saved.v != 1 {
        return Err(invalid(format!(
            "the plan has a newer format ({})",
            saved.v
        )));
    }
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
