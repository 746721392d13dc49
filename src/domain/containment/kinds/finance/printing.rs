//! Printing of Finance and Operations: the Document Routing Agent prints on the network printers
//! that are set up, which after a copy are production's. No public entity shows them.

use async_trait::async_trait;

use super::reading::has_finance;
use crate::domain::containment::kind::SurfaceKind;
use crate::domain::containment::{Closing, Scope, Surface, SurfaceState};
use crate::domain::environments::is_lcs_managed;
use crate::engine::Failure;

/// The kind.
pub(crate) struct Printing;

const NAME: &str = "print settings";

const REMEDY: &str = "look in Finance and Operations of the target (Organization administration > Setup > \
                      Network printers) and deactivate production's printers; then write `print \
                      settings` under `containment.allow`";

/// Their state. Takes by what they are allowed, and whether Lifecycle Services refresh the database:
/// that removes print settings and network printers (Microsoft Learn, *Database refresh*).
fn state(allowed: Option<String>, is_refreshed: bool) -> (SurfaceState, Closing) {
    match allowed {
        Some(by) => (SurfaceState::Allowed(by), Closing::Nothing),
        None if is_refreshed => {
            let how = "a database refresh removes them".to_owned();
            (SurfaceState::Closed(how), Closing::Nothing)
        }
        None => {
            let why =
                "no service shows them, and what a unified copy does to them is not documented";
            let closing = Closing::Finding(REMEDY.to_owned());
            (SurfaceState::Unclear(why.to_owned()), closing)
        }
    }
}

#[async_trait]
impl SurfaceKind for Printing {
    fn key(&self) -> &'static str {
        "print-settings"
    }

    fn title(&self) -> &'static str {
        "printing of Finance and Operations"
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        if !has_finance(scope) {
            return Ok(Vec::new());
        }
        let allowed = scope.policy.allows_name(NAME);
        let allowed = allowed.or_else(|| scope.policy.keeps_everything());
        let (state, closing) = state(allowed, is_lcs_managed(scope.refresh));
        let reach = "prints on the network printers that are set up".to_owned();
        Ok(vec![self.surface(
            &NAME,
            NAME.to_owned(),
            reach,
            (state, closing),
        )])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_service_shows_is_for_a_person_to_look_at() {
        let (unified, closing) = state(None, false);
        assert!(matches!(unified, SurfaceState::Unclear(_)), "{unified:?}");
        assert!(matches!(closing, Closing::Finding(_)), "{closing:?}");
        assert_eq!(state(None, true).0.label(), "closed");
        assert_eq!(state(Some("x".to_owned()), false).0.label(), "allowed");
    }
}
