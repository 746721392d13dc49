//! Step 8, `reconfigure-dual-write`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `link` | the target's dual-write runtime configuration, from the first seal | nothing where dual-write was not in use |
//!
//! In use means: the target held active rows of dual-write's runtime configuration before the copy
//! (`msdyn_dualwriteruntimeconfig`, statecode 0). Then this step is a person's: no supported request
//! to reset a link is published.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Refresh, seals};
use crate::engine::{Action, Ask, Change, Failure, Known, Phase, Survey};

pub(super) fn phases(refresh: &Arc<Refresh>) -> Vec<Phase> {
    vec![Phase::changes("link", Link(Arc::clone(refresh)))]
}

/// How many maps ran in the target before the copy.
pub(super) fn running_maps(known: &Known) -> usize {
    seals::rows(
        known,
        seals::BEFORE_COPY,
        "target/msdyn_dualwriteruntimeconfig",
    )
    .iter()
    .filter(|(_, row)| row.get("statecode").and_then(Value::as_i64) == Some(0))
    .count()
}

struct Link(Arc<Refresh>);

#[async_trait]
impl Survey for Link {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let maps = running_maps(known);
        if maps == 0 {
            return Ok(Vec::new());
        }
        Ok(vec![Change {
            key: "dual-write/link".to_owned(),
            name: format!("link dual-write of '{}' again", self.0.runbook.target.name),
            before: json!({ "maps-before-the-copy": maps }),
            after: json!({ "linked": true }),
            follows: Vec::new(),
            action: Action::Ask(Ask {
                instructions: vec![
                    "configure the dual-write security roles".to_owned(),
                    "Finance and Operations > Data management > Dual-write: Reset link, then Health check".to_owned(),
                    "set dual-write up again as for a new environment".to_owned(),
                ],
                evidence: "this version reads no evidence for it: when it is done, give \
                           reconfigure-dual-write a `skip: \"done by hand\"` and run again"
                    .to_owned(),
            }),
        }])
    }
}
