//! What must hold between the sections of a runbook. It is judged by what was written, right or
//! wrong otherwise, so that one mistake does not hide another.

use uuid::Uuid;

use super::Binder;
use super::fields::Fields;
use crate::runbook::model::endpoints::{REHEARSAL_NEEDS, ServiceKey};
use crate::runbook::model::environments::Cloud;
use crate::runbook::model::words::{Word as _, quoted_list};
use crate::runbook::source::{Located, Span};

/// What the sections left for these checks while they were bound.
#[derive(Default)]
pub(super) struct Written {
    /// The cloud that was written, or meant by a misspelled word.
    pub(super) cloud: Option<Cloud>,
    /// The place of `endpoints.speed`.
    pub(super) speed: Option<Span>,
    /// The services under `endpoints`: where, and whether the address is this machine's own; nothing
    /// where it is no address.
    pub(super) services: Vec<(ServiceKey, Span, Option<bool>)>,
    /// Whether there is an `identity`, and the services that have a credential of their own in it.
    pub(super) identity: Option<Vec<ServiceKey>>,
    /// Where the unsupported gateway is acknowledged.
    pub(super) gateway: Option<Span>,
    pub(super) source: Option<Uuid>,
    pub(super) target: Option<Located<Uuid>>,
}

/// Makes every check. `fields` is the document, which may turn out to lack a key.
pub(super) fn check(binder: &mut Binder<'_>, fields: &mut Fields<'_>) {
    let written = std::mem::take(&mut binder.written);
    environments(binder, &written);
    speed(binder, &written);
    rehearsal(binder, &written);
    gateway(binder, &written);
    let needs_identity = !matches!(written.cloud, Some(Cloud::Rehearsal));
    if needs_identity && written.identity.is_none() {
        let help = "write `identity: { tenant: …, default: { … } }`; only a rehearsal needs none";
        fields.miss("identity", help.to_owned());
    }
}

fn environments(binder: &mut Binder<'_>, written: &Written) {
    if let (Some(source), Some(target)) = (written.source, written.target)
        && source == target.value
    {
        let help = "the copy would destroy its own source: write the target's id";
        let message = "source and target are the same environment";
        binder.error(target.span, message, help);
    }
}

/// The speed is that of a rehearsal tenant; beside a real service it would only shorten waits.
fn speed(binder: &mut Binder<'_>, written: &Written) {
    let Some(speed) = written.speed else { return };
    let real = |(_, _, loopback): &(_, _, Option<bool>)| *loopback == Some(false);
    let only_loopback = !written.services.is_empty() && !written.services.iter().any(real);
    if written.cloud.is_some_and(|cloud| cloud != Cloud::Rehearsal) && !only_loopback {
        let help = "remove it, or point every endpoint at this machine";
        binder.error(speed, "a speed is only for a rehearsal tenant", help);
    }
}

/// The rehearsal tenant is either wholly in the process or wholly elsewhere.
fn rehearsal(binder: &mut Binder<'_>, written: &Written) {
    let (Some(Cloud::Rehearsal), Some((_, span, _))) = (written.cloud, written.services.first())
    else {
        return;
    };
    let missing = REHEARSAL_NEEDS
        .iter()
        .filter(|needed| !written.services.iter().any(|(key, ..)| key == *needed));
    let missing = quoted_list(missing.map(|key| key.word()));
    if !missing.is_empty() {
        let message = format!("these endpoints reach no rehearsal tenant without {missing}");
        let help = "paste the whole block that `iomcopy rehearsal` prints, or remove all";
        binder.error(*span, message, help);
    }
}

/// The unsupported gateway has no address that could be known and takes no service's token, so both
/// must be written.
fn gateway(binder: &mut Binder<'_>, written: &Written) {
    let Some(gateway) = written.gateway else {
        return;
    };
    let has_address = written
        .services
        .iter()
        .any(|(key, ..)| *key == ServiceKey::DualWrite);
    if !has_address {
        let help = "write `dual-write: { url: https://HOST }` under `endpoints`";
        binder.error(gateway, "the gateway has no address", help);
    }
    let credentials = written.identity.as_deref().unwrap_or_default();
    if !credentials.contains(&ServiceKey::DualWrite) {
        let help = "write `dual-write: { token: { env: NAME } }` under `identity`; the gateway \
                    takes only a person's token";
        binder.error(gateway, "the gateway has no credential", help);
    }
}
