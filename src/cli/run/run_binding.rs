//! What a run is bound to: the tenant, the source, the target and the `lcs` section. Recorded when
//! the run begins, and compared whenever it resumes.

use serde_json::Value;

use super::archive::fresh_arguments;
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
        lcs: pinned_lcs(runbook),
    }
}

/// Refuses to resume a run with another tenant, source, target or `lcs` section. Each difference
/// names the place of its value, in the runbook or in its values file.
pub(in crate::cli) fn require_same_binding(
    state: &State,
    connected: &Connected,
) -> Result<(), Failure> {
    let then = &state.began.pinned;
    let now = current_binding(connected, None);
    let runbook = &connected.refresh.runbook;
    let mut differences = Vec::new();
    if then.tenant != now.tenant {
        let span = runbook.identity.as_ref().map(|it| it.tenant.span);
        let text = format!("tenant: was {}, is {}", then.tenant, now.tenant);
        differences.push((text, span));
    }
    differences.extend(runbook_differences(state, runbook));
    if then.target.url != now.target.url {
        differences.push((
            optional(
                "address",
                then.target.url.as_deref(),
                now.target.url.as_deref(),
            ),
            None,
        ));
    }
    let dataverse = connected.refresh.target.environment.dataverse.as_ref();
    let organization = dataverse.and_then(|dataverse| dataverse.organization_id.clone());
    let bound = bound_organization(state).filter(|bound| Some(bound) != organization.as_ref());
    if let (Some(bound), true) = (&bound, differences.is_empty()) {
        return Err(replaced_target(state, bound, organization.as_deref()));
    }
    if bound.is_some() {
        differences.push((
            optional("organization", bound.as_deref(), organization.as_deref()),
            None,
        ));
    }
    require_none(runbook, then, &differences)
}

/// The same, as far as the runbook alone shows it: without a request.
pub(in crate::cli) fn require_same_runbook(
    state: &State,
    runbook: &Runbook,
) -> Result<(), Failure> {
    let then = &state.began.pinned;
    require_none(runbook, then, &runbook_differences(state, runbook))
}

/// What differs in the runbook itself, with its place. The `lcs` section may be corrected until
/// something was launched or captured with it.
fn runbook_differences(state: &State, runbook: &Runbook) -> Vec<(String, Option<Span>)> {
    let then = &state.began.pinned;
    let target = &runbook.target;
    let cloud = runbook.cloud.value.to_string();
    let environment = target.environment.value.to_string();
    let mut differences: Vec<(String, Option<Span>)> = [
        ("cloud", &then.cloud, &cloud, runbook.cloud.span),
        (
            "target",
            &then.target.environment,
            &environment,
            target.environment.span,
        ),
        (
            "target's name",
            &then.target.name,
            &target.name.value,
            target.name.span,
        ),
    ]
    .into_iter()
    .filter(|(_, then, now, _)| then != now)
    .map(|(subject, then, now, span)| (format!("{subject}: was {then}, is {now}"), Some(span)))
    .collect();
    let source = Some(runbook.source.value.to_string());
    if then.source != source {
        let text = optional("source", then.source.as_deref(), source.as_deref());
        differences.push((text, Some(runbook.source.span)));
    }
    let is_used = !(state.launches.is_empty() && state.seals.is_empty());
    if is_used && is_other_lcs(state, runbook) {
        let span = runbook.lcs.as_ref().map(|lcs| lcs.span);
        differences.push(("the `lcs` section has changed".to_owned(), span));
    }
    differences
}

/// Is the `lcs` section another one than that of the run's last process? What this run confirmed was
/// then confirmed for other environments.
pub(super) fn is_other_lcs(state: &State, runbook: &Runbook) -> bool {
    // A corrected section is in the meaning that was recorded with it.
    let meaning = state.runbook_meaning.as_deref();
    let last = match meaning {
        Some(meaning) => meaning.get("lcs").filter(|lcs| !lcs.is_null()).cloned(),
        None => state.began.pinned.lcs.clone(),
    };
    last != pinned_lcs(runbook)
}

/// The `lcs` section, as a run is bound to it.
fn pinned_lcs(runbook: &Runbook) -> Option<Value> {
    let lcs = runbook.lcs.as_ref()?;
    serde_json::to_value(lcs).ok()
}

/// A value that may be absent, before and now.
fn optional(subject: &str, then: Option<&str>, now: Option<&str>) -> String {
    let (then, now) = (then.unwrap_or("none"), now.unwrap_or("none"));
    format!("{subject}: was {then}, is {now}")
}

/// Refuses the state file of another refresh.
fn require_none(
    runbook: &Runbook,
    then: &Pinned,
    differences: &[(String, Option<Span>)],
) -> Result<(), Failure> {
    if differences.is_empty() {
        return Ok(());
    }
    Err(another_refresh(runbook, then, differences))
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

/// The refusal to resume in a target that has another organization, although nothing else differs.
fn replaced_target(state: &State, bound: &str, organization: Option<&str>) -> Failure {
    let target = escape(&state.began.pinned.target.name);
    let now = organization.unwrap_or("none");
    Failure::refused(format!(
        "somebody has replaced '{target}' since this run read it last: a copy, restore or reset has \
         given it another organization (it was {bound}, and is {now})"
    ))
    .with_help(format!(
        "this run cannot be resumed in it; look at the history of '{target}' in the admin center, and \
         agree with whoever did it; then begin a new run: `iomcopy run RUNBOOK {}`",
        fresh_arguments(state)
    ))
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
    use crate::base::clock::Clock;
    use crate::cli::testing::{began, runbook_text};
    use crate::engine::FailureKind;
    use crate::journal::testing;
    use crate::runbook::parse_with_values;

    #[tokio::test]
    async fn the_runbook_alone_shows_that_a_state_file_is_of_another_target() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let text = runbook_text("public", "");
        let runbook = parse_with_values(("uat.yaml", &text), ("v.yaml", "name: uat\n"));
        let runbook = runbook.unwrap_or_else(|invalid| panic!("{invalid}"));
        let mut began = began();
        began.pinned.source = Some(runbook.source.value.to_string());
        began.pinned.target.environment = runbook.target.environment.value.to_string();
        began.pinned.target.name = runbook.target.name.value.clone();
        let same = journal::begin(&path, Clock::new(1.0), began.clone()).unwrap();
        let refused = |state: &State| require_same_runbook(state, &runbook).err();
        assert!(refused(&same.journal.state()).is_none());
        began.pinned.target.name = "Contoso QA".to_owned();
        let other = folder.path().join("qa.jsonl");
        let other = journal::begin(&other, Clock::new(1.0), began).unwrap();
        let failure = refused(&other.journal.state()).unwrap();
        assert_eq!(failure.kind, FailureKind::Refused);
        assert!(failure.message.contains("was Contoso QA"), "{failure}");
    }

    #[tokio::test]
    async fn the_lcs_section_may_be_corrected_until_something_was_launched() {
        let lcs = |project: u32| {
            let section = format!(
                "lcs: {{ geography: default, project: {project}, source: 11111111-1111-1111-1111-\
                 111111111111, target: 22222222-2222-2222-2222-222222222222 }}\n"
            );
            crate::cli::testing::runbook("public", &section)
        };
        let (mistyped, corrected) = (lcs(99), lcs(1_234_567));
        let folder = tempfile::tempdir().unwrap();
        let mut began = began();
        began.pinned.source = Some(mistyped.source.value.to_string());
        began.pinned.target.environment = mistyped.target.environment.value.to_string();
        began.pinned.lcs = pinned_lcs(&mistyped);
        began.runbook_meaning = Some(mistyped.meaning());
        let path = folder.path().join("uat.jsonl");
        let open = journal::begin(&path, Clock::new(1.0), began).unwrap();
        let same = |runbook: &Runbook| require_same_runbook(&open.journal.state(), runbook).is_ok();
        assert!(same(&corrected), "nothing was sent yet");
        assert!(is_other_lcs(&open.journal.state(), &corrected));
        let changed = journal::RunbookChanged {
            digest: corrected.digest(),
            difference: Vec::new(),
            meaning: Some(corrected.meaning()),
        };
        let records = vec![
            changed.into(),
            testing::step_began("copy-environments"),
            testing::phase_began("copy-environments", "copy"),
            testing::intent(
                "copy-environments",
                "copy",
                "copy/2",
                journal::ChangeKind::Launch,
            ),
        ];
        open.journal.append_all(records).await.unwrap();
        assert!(
            same(&corrected),
            "the run is bound to the corrected section"
        );
        assert!(!same(&mistyped));
        assert!(!same(&crate::cli::testing::runbook("public", "")));
    }

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
