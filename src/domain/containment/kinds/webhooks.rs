//! Webhooks and service endpoints: the plug-in steps that call them. The step is disabled, because
//! an endpoint has no state, and deleting one in use is refused (Microsoft Learn, *Manage business
//! event endpoints*).

use async_trait::async_trait;

use super::super::kind::SurfaceKind;
use super::super::scope::Scope;
use super::super::surface::{Closing, Surface, SurfaceState};
use super::endpoints::endpoints;
use super::steps::{enabled, treated};
use crate::domain::keys;
use crate::engine::Failure;

/// The kind.
pub(crate) struct Webhooks;

#[async_trait]
impl SurfaceKind for Webhooks {
    fn word(&self) -> &'static str {
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
            let allowed = scope.policy.allows_name(&step.name);
            let state = allowed
                .map(SurfaceState::Allowed)
                .or_else(|| treated(&endpoint.treatment(scope)))
                .or_else(|| scope.policy.keeps_webhooks().map(SurfaceState::Allowed));
            let (state, closing) = match state {
                Some(state) => (state, Closing::Nothing),
                None => (SurfaceState::Open, step.disable()),
            };
            surfaces.push(step.surface(self.word(), reach, state, closing));
        }
        Ok(surfaces)
    }
}
