//! Step 3, `reconfigure-connections`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `questions` | the target's own list of connections, system references | none; asks a person for connections that the runbook chose and the target lacks or does not show, and for references that were never saved |
//! | `connection-references` | Dataverse's connection references | connection and owner of each that the runbook names |
//! | `platform-references` | IOM's platform connection references | connection URL and owner, by the runbook's request |
//! | `activate-system` | the same references' status, the platform flows | presses *Activate system* |
//!
//! A list of connections that cannot be read, or is empty, says nothing: a service principal may not
//! see what people made. Then a person looks, and says so with a waiver. References and flows are
//! written as the user that `act-as` names. The barrier of the second waits until Dataverse has refreshed the
//! flows that use a reference (asynchronous jobs of type 101). Activate system is judged by what it
//! does, not by its answer: all references active and all platform flows on; pressing again is the
//! documented cure of a time-out, so a launch in doubt is repeated.
//!
//! Consent to the app's permissions, which Microsoft's page puts between steps 2 and 3, is asked of
//! whoever opens the app, and nothing that can be read shows whether it was given. So it is the first
//! line of the worksheet where a person opens the app in this step, with what they could not have
//! done without it as evidence; where nobody does, it is noted.

mod activate_system;
mod platform_references;
mod references;

pub(crate) use self::activate_system::{is_iom_solution, platform_flows};

use std::sync::Arc;

use serde_json::{Value, json};

use super::Questions;
use crate::domain::Refresh;
use crate::domain::connections::owner_of;
use crate::domain::names::{Fields, text};
use crate::engine::Phase;
use crate::runbook::StepName;

pub(super) fn phases(refresh: &Arc<Refresh>, questions: Questions) -> Vec<Phase> {
    vec![
        questions(refresh, StepName::ReconfigureConnections),
        Phase::changes(
            "connection-references",
            references::References(Arc::clone(refresh)),
        ),
        Phase::changes(
            "platform-references",
            platform_references::PlatformReferences(Arc::clone(refresh)),
        )
        // Other rows, written by another request.
        .independent_of(&["connection-references"]),
        Phase::changes(
            "activate-system",
            activate_system::ActivateSystem(Arc::clone(refresh)),
        ),
    ]
}

/// The compared fields of a reference: its connection and its owner.
fn wiring(row: &Fields, column: &str) -> Value {
    json!({ "connection": text(row, column), "owner": owner_of(row) })
}
