//! What a run is pinned to: read when it begins, compared whenever it goes on.

use super::connect::Connected;
use crate::engine::Failure;
use crate::journal::{self, Began, Pinned, PinnedTarget, State};

/// What a state file's first record holds.
pub(super) fn began(connected: &Connected) -> Began {
    let refresh = &connected.refresh;
    let runbook = &refresh.runbook;
    let dataverse = refresh.target_environment.dataverse.as_ref();
    Began {
        format: journal::FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        runbook: runbook.name.value.clone(),
        runbook_digest: runbook.digest(),
        pinned: pinned(connected, dataverse.and_then(|d| d.organization_id.clone())),
        origins: connected.origins.clone(),
    }
}

fn pinned(connected: &Connected, organization: Option<String>) -> Pinned {
    let refresh = &connected.refresh;
    let runbook = &refresh.runbook;
    let dataverse = refresh.target_environment.dataverse.as_ref();
    Pinned {
        tenant: connected.tenant.clone(),
        cloud: runbook.cloud.value.to_string(),
        source: Some(runbook.source.value.to_string()),
        target: PinnedTarget {
            environment: runbook.target.environment.value.to_string(),
            name: runbook.target.name.value.clone(),
            url: dataverse.and_then(|d| d.url.clone()),
            organization,
            unique_name: dataverse.and_then(|d| d.unique_name.clone()),
        },
        lcs: runbook
            .lcs
            .as_ref()
            .and_then(|lcs| serde_json::to_value(lcs).ok()),
    }
}

/// What a run is pinned to may not change in mid-run.
pub(super) fn same_target(state: &State, connected: &Connected) -> Result<(), Failure> {
    let then = &state.began.pinned;
    let now = pinned(connected, None);
    let differences: Vec<String> = [
        ("tenant", &then.tenant, &now.tenant),
        ("cloud", &then.cloud, &now.cloud),
        ("target", &then.target.environment, &now.target.environment),
        ("target's name", &then.target.name, &now.target.name),
    ]
    .into_iter()
    .filter(|(_, then, now)| then != now)
    .map(|(what, then, now)| format!("{what}: {then} then, {now} now"))
    .chain(
        (then.source != now.source)
            .then(|| format!("source: {:?} then, {:?} now", then.source, now.source)),
    )
    .chain((then.lcs != now.lcs).then(|| "the `lcs` section: another one then".to_owned()))
    .chain((then.target.url != now.target.url).then(|| {
        format!(
            "address: {:?} then, {:?} now",
            then.target.url, now.target.url
        )
    }))
    .collect();
    let organization = connected.refresh.target_environment.dataverse.as_ref();
    let organization = organization.and_then(|dataverse| dataverse.organization_id.clone());
    let other = pinned_organization(state).filter(|pinned| Some(pinned) != organization.as_ref());
    let differences: Vec<String> = differences
        .into_iter()
        .chain(other.map(|pinned| format!("organization: {pinned} then, {organization:?} now")))
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "this run is pinned to another pair: {}",
        differences.join("; ")
    ))
    .with_help("put the runbook back as it was, or give the new refresh another name"))
}

/// The organization that the run is pinned to: the one read at its beginning, and, once the copy is
/// proved, the one that was read then. While a copy is under way, none.
fn pinned_organization(state: &State) -> Option<String> {
    let copy = state
        .launches
        .iter()
        .find(|(key, _)| key.starts_with("copy/"));
    let Some((_, copy)) = copy else {
        return state.began.pinned.target.organization.clone();
    };
    let observed = &copy.verified.as_ref()?.observed;
    observed["organization"].as_str().map(str::to_owned)
}
