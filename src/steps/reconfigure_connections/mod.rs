//! Step 3, `reconfigure-connections`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `questions` | the target's own list of connections, system references | nothing; a person provides connections that the runbook chose and the target lacks or does not show, and references that were never saved |
//! | `connection-references` | Dataverse's connection references | connection and owner of each that the runbook names; no connection if the target had none |
//! | `platform-references` | IOM's platform connection references | connection URL and owner, by the runbook's request |
//! | `activate-system` | the same references' status, the platform flows | presses *Activate system* |
//!
//! An empty or unreadable list of connections proves nothing, because a service principal may not
//! see connections that people created. A person then checks, and confirms with a waiver.
//! References and flows are written as the user that `act-as` names. The barrier of
//! `connection-references` waits until Dataverse has refreshed the flows that use a reference
//! (asynchronous jobs of type 101). The proof of *Activate system* is its effect, not its response:
//! all references active and all platform flows on. Pressing again is the documented remedy for a
//! time-out, so a launch with an unknown outcome is repeated.
//!
//! Consent to the app's permissions belongs between steps 2 and 3 (Microsoft's page). The app asks
//! for it when it is opened, and nothing that can be read shows whether it was given. So it is the
//! first line of the worksheet if a person opens the app in this step, and the rest of that work
//! is its evidence. If no person opens the app, the run notes it.
//!
//! ```text
//! mod.rs                      the phases; questions
//! references.rs               connection-references
//! unconnected_references.rs   references without a connection before the copy are emptied again
//! platform_references.rs      platform-references
//! activate_system.rs          activate-system
//! ```

mod activate_system;
mod platform_references;
mod references;
mod unconnected_references;

pub(crate) use self::activate_system::{is_iom_solution, platform_flows};

use std::sync::Arc;

use serde_json::{Value, json};

use super::StepDefinition;
use crate::domain::RefreshContext;
use crate::domain::connections::owner_id;
use crate::domain::names::{Fields, text};
use crate::engine::Phase;
use crate::runbook::StepName;

pub(super) const DEFINITION: StepDefinition = StepDefinition {
    name: StepName::ReconfigureConnections,
    needs: &[StepName::ExitAdministrationMode],
    repeats_open_checks: true,
    phases,
    manual_remedy: "open each listed reference in its solution in the maker portal (IOM's own: IOM app > Core \
                    settings > Admin home > Connection references) and choose the connection",
};

fn phases(refresh: &Arc<RefreshContext>) -> Vec<Phase> {
    vec![
        Phase::changes(
            "connection-references",
            references::References::new(refresh),
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
fn compared_fields(row: &Fields, column: &str) -> Value {
    json!({ "connection": text(row, column), "owner": owner_id(row) })
}
