//! Step 2, `exit-administration-mode`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `admit` | whether the target knows the caller | adds the caller's application user, where the copy took it away |
//! | `close` | rows of dual-write's runtime configuration and cloud flows that the copy brought | removes the rows, by the first seal; switches off flows that would speak to the source's partners |
//! | `variables` | environment variables; the target's own values, from the first seal | puts back the values that the copy replaced |
//! | `open` | the target's runtime state and background operations | sets both in one request, waits for its operation, reads back |
//!
//! What must not run is taken out while administration mode is still on: nothing runs before it is
//! off. The barrier of `open` waits until Dataverse answers the caller without it. A resume surveys
//! again; each write is safe to repeat.

mod admit;
mod close;
mod open;
mod variables;

use std::sync::Arc;

use crate::clients::Environment;
use crate::domain::Refresh;
use crate::engine::{Failure, Phase};

pub(super) fn phases(refresh: &Arc<Refresh>) -> Vec<Phase> {
    vec![
        Phase::changes("admit", admit::Admit(Arc::clone(refresh))),
        Phase::changes("close", close::Close(Arc::clone(refresh))),
        Phase::changes("variables", variables::Variables(Arc::clone(refresh))),
        Phase::changes("open", open::Open(Arc::clone(refresh))),
    ]
}

async fn read(refresh: &Refresh) -> Result<Environment, Failure> {
    refresh
        .bap
        .environment(refresh.target_id())
        .await?
        .ok_or_else(|| Failure::failed(format!("there is no environment {}", refresh.target_id())))
}
