//! An opening of the target by somebody else, before this run closed what the copy brought. From then
//! on, background operations ran: jobs, e-mail and webhooks of production may have gone out from the
//! target, and nothing can bring them back.

use async_trait::async_trait;

use super::super::kind::SurfaceKind;
use super::super::scope::Scope;
use super::super::surface::{Closing, Surface, SurfaceState};
use crate::domain::environments::{copy_key, has_opened, is_open, read_target};
use crate::domain::keys;
use crate::domain::view::View;
use crate::engine::{Failure, JournalView};
use crate::runbook::{Keyword as _, StepName};

/// The key of the kind.
pub(crate) const KIND: &str = "opening";

/// The name by which it is allowed.
pub(crate) const NAME: &str = "early opening";

/// Why the target counts as open.
pub(crate) const WHY: &str = "somebody else took the target out of administration mode before this run \
                              had closed everything, so jobs, e-mail and webhooks may have gone out";

/// What a person does about something that has acted.
pub(crate) const REMEDY: &str = "find out what it did (Settings > System > System Jobs in the target, and \
                                 the mailboxes and partners of production); then write its name under \
                                 `containment.allow`";

/// The kind.
pub(crate) struct Openings;

#[async_trait]
impl SurfaceKind for Openings {
    fn key(&self) -> &'static str {
        KIND
    }

    fn title(&self) -> &'static str {
        "openings of the target by somebody else"
    }

    /// The first phase that closes anything, so that the run says it early.
    fn phase(&self) -> Option<&'static str> {
        Some(keys::DISABLE_STEPS)
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let (View::AsIs(_), Some(journal)) = (scope.view, scope.journal) else {
            return Ok(Vec::new());
        };
        let refresh = scope.refresh;
        if !journal.is_launch_proved(&copy_key(refresh)) || has_opened(refresh, journal) {
            return Ok(Vec::new());
        }
        let target = read_target(refresh).await?;
        if !is_open(&target) {
            return Ok(Vec::new());
        }
        let name = &refresh.runbook.target.name.value;
        let reach = format!("'{name}' was open ({})", target.describe_states());
        let id = refresh.target_id();
        let state = acted_or(scope.policy.allows_name(NAME), WHY);
        Ok(vec![self.surface(&id, NAME.to_owned(), reach, state)])
    }
}

/// The state of something that may have acted, and what a person does about it. Takes by what the
/// runbook allows it, if it does, and why it may have acted.
pub(crate) fn acted_or(by: Option<String>, why: &str) -> (SurfaceState, Closing) {
    match by {
        Some(by) => (SurfaceState::Allowed(by), Closing::Nothing),
        None => (
            SurfaceState::Acted(why.to_owned()),
            Closing::Finding(REMEDY.to_owned()),
        ),
    }
}

/// Did somebody else open the target, as the journal shows it? Step 2 then found nothing to open.
pub(crate) fn was_opened_by_other(journal: &JournalView) -> bool {
    let step = StepName::ExitAdministrationMode.keyword();
    journal.has_phase_ended(step, keys::OPEN) && !journal.has_begun_set(keys::ADMINISTRATION_MODE)
}
