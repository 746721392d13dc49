//! Step 2, `exit-administration-mode`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `admit` | whether the target knows the caller, and holds the source's rows | adds the caller's application user, if the copy removed it |
//! | `record-surfaces` | everything that could act on the outside world | nothing; seals `surfaces` |
//! | `disable-steps` | plug-in steps, service endpoints, classic workflows: what acts on writes | disables what calls the outside, or replaces its address |
//! | `contain` | mailboxes, trigger registrations, sites, data sources and everything else that could act | turns it off, replaces its address, deletes it if the runbook says so; notes what stays open |
//! | `close` | rows of dual-write's runtime configuration and cloud flows that the copy brought | removes the rows that the first seal holds; turns off flows that would contact the source's partners (surfaces: see `contain`) |
//! | `variables` | environment variables; the target's own values, from the first seal | restores the values that the copy replaced; a secret that the caller may not write is a manual task |
//! | `jobs` | jobs that wait | cancels them, or asks a person, as the runbook says |
//! | `open` | the target's runtime state and background operations | ends administration mode: sets both in one request, waits for its operation, reads back |
//!
//! Whatever must not run is removed or turned off while administration mode is still on, because
//! nothing runs before it is off, except what acts on writes: so that is disabled first. The barrier
//! of `open` waits until Dataverse answers the caller. A resumed run surveys again; each write is
//! safe to repeat.
//!
//! One of the custom steps between the copy and this step writes too. So the first such
//! step begins with `admit`, `record-surfaces` and `disable-steps` (`before_writes`), and this step
//! then repeats them: it finds what appeared since.
//!
//! ```text
//! mod.rs               the phases
//! admit.rs             admit
//! surfaces.rs          record-surfaces, disable-steps, contain, jobs
//! close.rs             close
//! variables.rs secret_variables.rs
//!                      variables
//! open.rs              open
//! repeated_phase.rs    repeats a phase that an earlier step began with
//! ```

mod admit;
mod close;
mod open;
mod repeated_phase;
mod secret_variables;
mod surfaces;
mod variables;

use std::sync::Arc;

use self::repeated_phase::RepeatedPhase;
use super::StepDefinition;
use crate::domain::custom_steps::first_before_opening;
use crate::domain::{RefreshContext, keys};
use crate::engine::Phase;
use crate::runbook::StepName;

pub(super) const DEFINITION: StepDefinition = StepDefinition {
    name: StepName::ExitAdministrationMode,
    needs: &[StepName::CopyEnvironments],
    repeats_open_checks: false,
    phases,
    manual_remedy: "set each listed value on the environment's page in the admin center, or in Finance and \
                    Operations if it is listed there; turn off by hand what can act on the outside \
                    world again",
};

/// The first phase.
const ADMIT: &str = "admit";

fn phases(refresh: &Arc<RefreshContext>) -> Vec<Phase> {
    let first = first_before_opening(&refresh.runbook).map(|step| step.name.value.as_str());
    let mut phases = beginning(refresh, first);
    phases.extend([
        contain(refresh, keys::CONTAIN),
        Phase::changes("close", close::Close(Arc::clone(refresh))),
        Phase::changes("variables", variables::Variables::new(refresh)),
        contain(refresh, keys::JOBS),
        Phase::changes(keys::OPEN, open::Open(Arc::clone(refresh))),
    ]);
    phases
}

/// The phases before the first write of a run: they give the caller access, record everything that
/// could act, and disable what acts on writes.
pub(super) fn before_writes(refresh: &Arc<RefreshContext>) -> Vec<Phase> {
    beginning(refresh, None)
}

/// The first phases. Takes the earlier step that began with the same ones, if there is one.
fn beginning(refresh: &Arc<RefreshContext>, first: Option<&str>) -> Vec<Phase> {
    let admit = Phase::changes(ADMIT, admit::Admit(Arc::clone(refresh)));
    let disable = contain(refresh, keys::DISABLE_STEPS);
    let again = |phase| match first {
        Some(step) => RepeatedPhase::repeat(phase, step),
        None => phase,
    };
    vec![
        again(admit),
        Phase::capture(
            "record-surfaces",
            surfaces::RecordSurfaces(Arc::clone(refresh)),
        ),
        again(disable),
    ]
}

fn contain(refresh: &Arc<RefreshContext>, phase: &'static str) -> Phase {
    let refresh = Arc::clone(refresh);
    Phase::changes(phase, surfaces::Contain { refresh, phase })
}
