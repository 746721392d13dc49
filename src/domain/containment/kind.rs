//! The kinds of surface. A new kind is one file and one line in `KINDS`.

use std::fmt::Display;

use async_trait::async_trait;

use super::kinds;
use super::scope::Scope;
use super::surface::{Closing, Surface, SurfaceState};
use crate::domain::keys;
use crate::engine::Failure;

/// A kind of surface: it knows how to find what can act, and what closes it.
#[async_trait]
pub(crate) trait SurfaceKind: Send + Sync {
    /// The name in keys, documents and state files: `mailbox`. It never changes.
    fn key(&self) -> &'static str;

    /// What it finds, in the plural, for people: `mailboxes`.
    fn title(&self) -> &'static str;

    /// The phase of step 2 that closes it: what acts on writes before anything else is written,
    /// jobs last. None if another step or phase leaves it off.
    fn phase(&self) -> Option<&'static str> {
        Some(keys::CONTAIN)
    }

    /// Every surface of this kind that the scope shows: what is open, and what would be but is
    /// allowed or replaced. What step 2 has closed is added from the seal by the inventory. A table
    /// that the environment does not have holds nothing.
    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure>;

    /// A surface of this kind: what distinguishes it within the kind, its name, what it could do, and
    /// whether it can act, with what closes it.
    fn surface(
        &self,
        id: &dyn Display,
        name: String,
        reach: String,
        (state, closing): (SurfaceState, Closing),
    ) -> Surface {
        Surface {
            kind: self.key(),
            id: id.to_string(),
            name,
            reach,
            state,
            closing,
        }
    }
}

/// Every kind, in the order in which they are shown.
pub(crate) const KINDS: &[&dyn SurfaceKind] = &[
    &kinds::webhooks::Webhooks,
    &kinds::endpoints::Endpoints,
    &kinds::plug_ins::PlugIns,
    &kinds::workflows::Workflows,
    &kinds::slas::Slas,
    &kinds::mailboxes::Mailboxes,
    &kinds::queues::Queues,
    &kinds::email_profiles::EmailProfiles,
    &kinds::emails::WaitingEmails,
    &kinds::callbacks::Callbacks,
    &kinds::jobs::Jobs,
    &kinds::openings::Openings,
    &kinds::yammer::Yammer,
    &kinds::rows::SHAREPOINT_SITES,
    &kinds::rows::DOCUMENT_LOCATIONS,
    &kinds::rows::DATA_SOURCES,
    &kinds::rows::ODATA_SOURCES,
    &kinds::rows::CONNECTOR_SOURCES,
    &kinds::virtual_finance::VirtualFinance,
    &kinds::rows::CONNECTORS,
    &kinds::rows::CHANNELS,
    &kinds::rows::BOTS,
    &kinds::rows::POWER_PAGES,
    &kinds::rows::SYNAPSE_LINKS,
    &kinds::rows::KEY_VAULTS,
    &kinds::scripts::Scripts,
    &kinds::finance::BatchJobs,
    &kinds::finance::MailRelay,
    &kinds::finance::BusinessEvents,
    &kinds::finance::Printing,
    &super::flows::CloudFlows,
    &super::provider_flows::ProviderFlows,
    &super::provider_settings::ProviderSettings,
    &super::variables::EnvironmentVariables,
];
