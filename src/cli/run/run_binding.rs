//! What a run is bound to: the tenant, the source, the target and the `lcs` section. Recorded when
//! the run begins, and compared whenever it resumes.

use crate::base::text::escape;
use crate::cli::connect::Connected;
use crate::engine::{Failure, RunbookPlace};
use crate::journal::{self, Began, Pinned, PinnedTarget, State};
use crate::runbook::{Runbook, Span};

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

/// Refuses to resume a run with another tenant, source, target or `lcs` section. Each difference
/// names the place of its value, in the runbook or in its file of values.
pub(super) fn require_same_binding(state: &State, connected: &Connected) -> Result<(), Failure> {
    let then = &state.began.pinned;
    let now = current_binding(connected, None);
    let runbook = &connected.refresh.runbook;
    let target = &runbook.target;
    let tenant = runbook.identity.as_ref().map(|it| it.tenant.span);
    let (lcs, cloud) = (runbook.lcs.as_ref().map(|lcs| lcs.span), runbook.cloud.span);
    let mut differences: Vec<(String, Option<Span>)> = [
        ("tenant", &then.tenant, &now.tenant, tenant),
        ("cloud", &then.cloud, &now.cloud, Some(cloud)),
        (
            "target",
            &then.target.environment,
            &now.target.environment,
            Some(target.environment.span),
        ),
        (
            "target's name",
            &then.target.name,
            &now.target.name,
            Some(target.name.span),
        ),
    ]
    .into_iter()
    .filter(|(_, then, now, _)| then != now)
    .map(|(subject, then, now, span)| (format!("{subject}: was {then}, is {now}"), span))
    .collect();
    let optional = |subject: &str, then: &Option<String>, now: &Option<String>| {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        format!("{subject}: was {}, is {}", shown(then), shown(now))
    };
    if then.source != now.source {
        let text = optional("source", &then.source, &now.source);
        differences.push((text, Some(runbook.source.span)));
    }
    if then.lcs != now.lcs {
        differences.push(("the `lcs` section has changed".to_owned(), lcs));
    }
    if then.target.url != now.target.url {
        differences.push((optional("address", &then.target.url, &now.target.url), None));
    }
    let dataverse = connected.refresh.target.environment.dataverse.as_ref();
    let organization = dataverse.and_then(|dataverse| dataverse.organization_id.clone());
    let bound = bound_organization(state).filter(|bound| Some(bound) != organization.as_ref());
    if bound.is_some() {
        differences.push((optional("organization", &bound, &organization), None));
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(another_refresh(runbook, then, &differences))
}

/// The refusal to write into the state file of another refresh.
fn another_refresh(
    runbook: &Runbook,
    then: &Pinned,
    differences: &[(String, Option<Span>)],
) -> Failure {
    let lines = differences.iter().map(|(text, span)| match span {
        Some(span) => format!("{text} ({})", runbook.place(*span)),
        None => text.clone(),
    });
    let places = differences.iter().filter_map(|(text, span)| {
        let diagnostic = runbook.diagnostic((*span)?, text, None);
        Some(RunbookPlace::from(&diagnostic))
    });
    Failure::refused(format!(
        "this state file belongs to a refresh of '{}' that is bound to another source or target: {}",
        escape(&then.target.name),
        lines.collect::<Vec<_>>().join("; ")
    ))
    .with_help("restore the runbook, or give the new refresh another `name`, which names its state file")
    .at(places.collect::<Vec<_>>())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{began, runbook_text};
    use crate::engine::FailureKind;
    use crate::runbook::parse_with_values;

    #[test]
    fn the_state_file_of_another_target_is_refused_at_the_place_of_the_value() {
        let text = runbook_text("public", "");
        let values = "name: qa\ntarget.name: Contoso QA\n";
        let runbook = parse_with_values(("uat.yaml", &text), ("qa.values.yaml", values));
        let runbook = runbook.unwrap_or_else(|invalid| panic!("{invalid}"));
        let differences = [
            (
                "target's name: was UAT, is Contoso QA".to_owned(),
                Some(runbook.target.name.span),
            ),
            ("address: was a, is b".to_owned(), None),
        ];
        let failure = another_refresh(&runbook, &began().pinned, &differences);
        assert_eq!(failure.kind, FailureKind::Refused);
        assert_eq!(
            failure.message,
            "this state file belongs to a refresh of 'UAT' that is bound to another source or \
             target: target's name: was UAT, is Contoso QA (qa.values.yaml:2:14); address: was a, \
             is b"
        );
        let places: Vec<_> = failure
            .marks
            .iter()
            .map(|it| (&*it.file, it.line))
            .collect();
        assert_eq!(places, [("qa.values.yaml", 2)]);
    }
}
