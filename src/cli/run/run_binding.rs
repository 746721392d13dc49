//! What a run is bound to: the tenant, the source, the target and the `lcs` section. Recorded when
//! the run begins, and compared whenever it resumes.

use crate::cli::connect::Connected;
use crate::engine::Failure;
use crate::journal::{self, Began, Pinned, PinnedTarget, State};

/// The first record of a state file.
pub(super) fn new_began_record(connected: &Connected) -> Began {
    let refresh = &connected.refresh;
    let runbook = &refresh.runbook;
    let dataverse = refresh.target.environment.dataverse.as_ref();
    let organization = dataverse.and_then(|dataverse| dataverse.organization_id.clone());
    Began {
        format: journal::FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        runbook: runbook.name.value.clone(),
        runbook_digest: runbook.digest(),
        runbook_meaning: Some(runbook.meaning()),
        pinned: current_binding(connected, organization),
        origins: connected.origins.clone(),
    }
}

fn current_binding(connected: &Connected, organization: Option<String>) -> Pinned {
    let refresh = &connected.refresh;
    let runbook = &refresh.runbook;
    let dataverse = refresh.target.environment.dataverse.as_ref();
    Pinned {
        tenant: connected.tenant.clone(),
        cloud: runbook.cloud.value.to_string(),
        source: Some(runbook.source.value.to_string()),
        target: PinnedTarget {
            environment: runbook.target.environment.value.to_string(),
            name: runbook.target.name.value.clone(),
            url: dataverse.and_then(|dataverse| dataverse.url.clone()),
            organization,
            unique_name: dataverse.and_then(|dataverse| dataverse.unique_name.clone()),
        },
        lcs: runbook
            .lcs
            .as_ref()
            .and_then(|lcs| serde_json::to_value(lcs).ok()),
    }
}

/// Refuses to resume a run with another tenant, source, target or `lcs` section.
pub(super) fn require_same_binding(state: &State, connected: &Connected) -> Result<(), Failure> {
    let then = &state.began.pinned;
    let now = current_binding(connected, None);
    let mut differences: Vec<String> = [
        ("tenant", &then.tenant, &now.tenant),
        ("cloud", &then.cloud, &now.cloud),
        ("target", &then.target.environment, &now.target.environment),
        ("target's name", &then.target.name, &now.target.name),
    ]
    .into_iter()
    .filter(|(_, then, now)| then != now)
    .map(|(subject, then, now)| format!("{subject}: {then} then, {now} now"))
    .collect();
    let optional = |subject: &str, then: &Option<String>, now: &Option<String>| {
        format!("{subject}: {then:?} then, {now:?} now")
    };
    if then.source != now.source {
        differences.push(optional("source", &then.source, &now.source));
    }
    if then.lcs != now.lcs {
        differences.push("the `lcs` section has changed".to_owned());
    }
    if then.target.url != now.target.url {
        differences.push(optional("address", &then.target.url, &now.target.url));
    }
    let dataverse = connected.refresh.target.environment.dataverse.as_ref();
    let organization = dataverse.and_then(|dataverse| dataverse.organization_id.clone());
    let bound = bound_organization(state).filter(|bound| Some(bound) != organization.as_ref());
    if let Some(bound) = bound {
        differences.push(format!("organization: {bound} then, {organization:?} now"));
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "this run is bound to another source or target: {}",
        differences.join("; ")
    ))
    .with_help("restore the runbook, or give the new refresh another name"))
}

/// The organization that the run is bound to: the one that it read at its beginning, and the one
/// that it read after the copy, once the copy is verified. `None` while a copy is running.
fn bound_organization(state: &State) -> Option<String> {
    let copy = state
        .launches
        .iter()
        .find(|(key, _)| key.starts_with(crate::domain::keys::COPY));
    let Some((_, copy)) = copy else {
        return state.began.pinned.target.organization.clone();
    };
    let observed = &copy.verified.as_ref()?.observed;
    observed["organization"].as_str().map(str::to_owned)
}
