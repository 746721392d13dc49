//! Step 4, `activate-flows`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `questions` | connectors and the flows that use them | nothing; a custom connector that the copy did not bring is a person's to make |
//! | `record` | the target's cloud flows | nothing; seals `flows`: definitions verbatim |
//! | `replace` | their definitions | text in the definitions of flows that are off, where the runbook's `replace` says so |
//! | `turn-on` | the cloud flows; what was on in the source, from the first seal | gives each flow that should be on its owner, repoints it to the target's custom connectors, switches it on, children before parents; switches off what is on and names the source |
//!
//! The two that follow the first exist only where the runbook has `replace` rules. Keyed on `workflowid`, which
//! survives the copy. Left alone: what the old providers deployed (step 6 makes it anew) and the
//! compiled flows of tiles (step 7 compiles them anew); the compiled flows of published policies are
//! switched on. A flow whose definition names the source after the `replace` rules is left off, or
//! switched off, whatever `turn-on` says: it would act on production. A resume surveys again.

mod replace;
mod turn_on;

use std::sync::Arc;

use super::Questions;
use crate::domain::Refresh;
use crate::engine::Phase;
use crate::runbook::StepName;

pub(super) fn phases(refresh: &Arc<Refresh>, questions: Questions) -> Vec<Phase> {
    let head = questions(refresh, StepName::ActivateFlows);
    let turn_on = Phase::changes("turn-on", turn_on::TurnOn(Arc::clone(refresh)));
    if refresh
        .runbook
        .steps
        .activate_flows
        .options
        .replace
        .is_empty()
    {
        return vec![head, turn_on];
    }
    vec![
        head,
        Phase::capture("record", replace::Record(Arc::clone(refresh))),
        Phase::changes("replace", replace::Replace(Arc::clone(refresh))),
        turn_on,
    ]
}
