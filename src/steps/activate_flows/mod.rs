//! Step 4, `activate-flows`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `questions` | connectors and the flows that use them | nothing; a person creates a custom connector that the copy did not bring |
//! | `record` | the target's cloud flows | nothing; seals `flows`: definitions verbatim |
//! | `replace` | their definitions | text in the definitions of flows that are off, by the runbook's `replace` rules |
//! | `turn-on` | the cloud flows; which were on in the source, from the first seal | repoints each flow that should be on to the target's custom connectors, gives it its owner and turns it on, children before parents; turns off flows that are on and name the source |
//!
//! `record` and `replace` exist only if the runbook has rules under `replace` or
//! `containment.replace`. Flows are keyed on `workflowid`, which survives the copy. The step skips
//! flows that the old providers deployed (step 6 recreates them) and the compiled flows of tiles
//! (step 7 compiles them again); it turns on the compiled flows of published policies. A flow whose
//! definition still names the source or a fixed address after the replacements is left off or
//! turned off, even if `turn-on` selects it, because it would act on production, unless
//! `containment` allows it. A resumed run surveys again.
//!
//! ```text
//! mod.rs         the phases; custom connectors that the copy did not bring
//! replace.rs     record, replace
//! turn_on.rs     turn-on
//! facts.rs       what turn-on keeps of the flows
//! repoint.rs     repoints flows to the target's custom connectors
//! flow_notes.rs  what a person must know or do about flows
//! ```

mod facts;
mod flow_notes;
mod replace;
mod repoint;
mod turn_on;

use std::sync::Arc;

use super::StepDefinition;
use crate::domain::containment::Policy;
use crate::domain::names::{Fields, text};
use crate::domain::{RefreshContext, keys};
use crate::engine::Phase;
use crate::runbook::StepName;

pub(super) const DEFINITION: StepDefinition = StepDefinition {
    name: StepName::ActivateFlows,
    needs: &[StepName::ReconfigureConnections],
    repeats_open_checks: true,
    phases,
    manual_remedy: "turn each listed flow on or off in the maker portal (Solutions > Cloud flows)",
};

fn phases(refresh: &Arc<RefreshContext>) -> Vec<Phase> {
    let turn_on = Phase::changes(keys::TURN_ON, turn_on::TurnOn::new(refresh));
    let options = &refresh.runbook.steps.activate_flows.options;
    let is_replacing = Policy::from_runbook(&refresh.runbook)
        .replacements()
        .next()
        .is_some();
    if options.replace.is_empty() && !is_replacing {
        return vec![turn_on];
    }
    vec![
        Phase::capture("record", replace::Record(Arc::clone(refresh))),
        Phase::changes("replace", replace::Replace(Arc::clone(refresh))),
        turn_on,
    ]
}

fn name_of(row: &Fields) -> String {
    text(row, "name").unwrap_or_default()
}
