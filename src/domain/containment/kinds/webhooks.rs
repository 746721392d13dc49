//! Webhooks and service endpoints: the plug-in steps that call them. The step is disabled, because
//! an endpoint has no state, and deleting one in use is refused (Microsoft Learn, *Manage business
//! event endpoints*).

use async_trait::async_trait;

use super::super::Treatment;
use super::super::kind::SurfaceKind;
use super::super::scope::Scope;
use super::super::surface::{Closing, Surface, SurfaceState};
use super::endpoints::{Endpoints, endpoints};
use super::plug_in_steps::enabled;
use crate::domain::keys;
use crate::engine::Failure;

/// The kind.
pub(crate) struct Webhooks;

#[async_trait]
impl SurfaceKind for Webhooks {
    fn key(&self) -> &'static str {
        "webhook"
    }

    fn title(&self) -> &'static str {
        "plug-in steps that call webhooks and service endpoints"
    }

    fn phase(&self) -> Option<&'static str> {
        Some(keys::DISABLE_STEPS)
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let endpoints = endpoints(scope).await?;
        let mut surfaces = Vec::new();
        for step in enabled(scope).await? {
            let Some(endpoint) = step.handler.and_then(|id| endpoints.get(&id)) else {
                continue;
            };
            let reach = format!(
                "calls '{}' at {}, {}",
                endpoint.name,
                endpoint.reach(),
                step.manner()
            );
            let treatment = match scope.policy.allows_name(&step.name) {
                Some(by) => Treatment::Allowed(by),
                None => endpoint.treatment(scope),
            };
            let address = keys::surface(Endpoints.key(), &endpoint.id.to_string());
            let is_refused = scope
                .journal
                .is_some_and(|journal| journal.permanent_failure(&address).is_some());
            let kept = scope.policy.keeps_webhooks();
            let (state, closing) = match (treatment, kept) {
                (Treatment::Allowed(by), _) => (SurfaceState::Allowed(by), Closing::Nothing),
                (Treatment::Replaced(how), _) => (SurfaceState::Replaced(how), Closing::Nothing),
                // The endpoint's address is still production's.
                (Treatment::Replace { how, .. }, kept) if kept.is_none() || !is_refused => {
                    let closing = Closing::ByChange {
                        change: address,
                        how,
                        otherwise: step.disabling(),
                    };
                    (SurfaceState::Open, closing)
                }
                (_, kept) => SurfaceState::allowed_or(kept, || step.disable()),
            };
            surfaces.push(step.surface(self.key(), reach, state, closing));
        }
        Ok(surfaces)
    }
}
