//! Step 2, `exit-administration-mode`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `admit` | whether the target knows the caller | adds the caller's application user, where the copy removed it |
//! | `close` | rows of dual-write's runtime configuration and cloud flows that the copy brought | removes the rows that the first seal holds; turns off flows that would contact the source's partners |
//! | `variables` | environment variables; the target's own values, from the first seal | restores the values that the copy replaced |
//! | `open` | the target's runtime state and background operations | sets both in one request, waits for its operation, reads back |
//!
//! Whatever must not run is removed or turned off while administration mode is still on, because
//! nothing runs before it is off. The barrier of `open` waits until Dataverse answers the caller. A
//! resumed run surveys again; each write is safe to repeat.

mod admit;
mod close;
mod open;
mod variables;

use std::sync::Arc;

use super::StepDefinition;
use crate::domain::RefreshContext;
use crate::engine::Phase;
use crate::runbook::StepName;

pub(super) const DEFINITION: StepDefinition = StepDefinition {
    name: StepName::ExitAdministrationMode,
    has_questions: false,
    phases,
    manual_remedy: "set each listed value on the environment's page in the admin center, or in Finance and \
                    Operations if it is listed there",
};

fn phases(refresh: &Arc<RefreshContext>) -> Vec<Phase> {
    vec![
        Phase::changes("admit", admit::Admit(Arc::clone(refresh))),
        Phase::changes("close", close::Close(Arc::clone(refresh))),
        Phase::changes("variables", variables::Variables(Arc::clone(refresh))),
        Phase::changes("open", open::Open(Arc::clone(refresh))),
    ]
}
