//! The record of calls to the outside: one object `call/<number>` for each.

use serde_json::json;

use crate::rehearsal::behaviour::organization::Organization;
use crate::rehearsal::world::store::Draft;

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call<'call> {
    /// Who calls: the kind and the name of the object.
    pub(crate) by: String,
    /// The host that is called.
    pub(crate) host: &'call str,
    /// The account, address or value that the call uses, if it has one.
    pub(crate) with: Option<&'call str>,
    /// What made it call.
    pub(crate) why: &'call str,
}

/// Records a call from an environment.
pub(super) fn record_from(draft: &mut Draft<'_>, environment: &str, call: &Call<'_>) {
    let number = draft.count("calls");
    let record = json!({
        "at": draft.now().to_iso_seconds(),
        "environment": environment,
        "by": call.by,
        "host": call.host,
        "with": call.with,
        "why": call.why,
    });
    draft.put(format!("call/{number:06}"), record);
}

/// Records a call from an organization.
pub(super) fn record(organization: &mut Organization<'_, '_>, call: &Call<'_>) {
    let environment = organization.environment.clone();
    record_from(organization.draft, &environment, call);
}

/// Records a call to each host.
pub(super) fn record_all<'host>(
    organization: &mut Organization<'_, '_>,
    by: &str,
    hosts: impl IntoIterator<Item = &'host String>,
    why: &str,
) {
    for host in hosts {
        let call = Call {
            by: by.to_owned(),
            host,
            with: None,
            why,
        };
        record(organization, &call);
    }
}
