//! A saved plan: written by `plan --out`, approved by somebody, run by `run --plan`.

use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::base::files;
use crate::engine::{Failure, FailureKind, Plan, PlannedStep};

/// A plan as it is kept in a file.
#[derive(Deserialize, Serialize)]
struct SavedPlan {
    v: u32,
    digest: String,
    steps: Vec<PlannedStep>,
}

/// Writes a plan beside its digest: whole, or not at all. Replaces an earlier plan and nothing else.
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
        Failure::new(FailureKind::Wrong, format!("{}: {error}", path.display()))
            .with_help("name a new file with --out, or an earlier plan")
    })
}

/// Is this the content of a file that [`save`] has written?
fn is_saved_plan(bytes: &[u8]) -> bool {
    serde_json::from_slice::<SavedPlan>(bytes).is_ok_and(|saved| saved.v == 1)
}

/// Refuses unless the plan is the one that was approved; says what moved.
pub(super) fn require_approved(path: &Path, plan: &Plan, digest: &str) -> Result<(), Failure> {
    let wrong = |why: String| {
        Failure::new(FailureKind::Wrong, format!("{}: {why}", path.display()))
            .with_help("write one with `iomcopy plan --out FILE`")
    };
    let text = files::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let saved: SavedPlan =
        serde_json::from_str(&text).map_err(|error| wrong(format!("no saved plan: {error}")))?;
    if saved.v != 1 {
        return Err(wrong(format!("it is of a newer form ({})", saved.v)));
    }
    if saved.digest == digest {
        return Ok(());
    }
    let mut moved = plan.differences(&Plan { steps: saved.steps });
    if moved.is_empty() {
        moved.push(
            "what the runbook pins (pair, options of the copy) is not what was approved".to_owned(),
        );
    }
    Err(Failure::refused(format!(
        "the approved plan is stale:\n  - {}",
        moved.join("\n  - ")
    ))
    .with_help("nothing was begun; look at a new plan and have it approved"))
}
