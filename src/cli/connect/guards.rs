//! Both environments as the admin API describes them, and the guards that need no more than that.

use url::Url;
use uuid::Uuid;

use crate::base::text::escape;
use crate::clients::{Bap, Environment};
use crate::domain::marked;
use crate::engine::{Failure, FailureKind};
use crate::runbook::{Runbook, ServiceKey, Span};

/// An environment's description; a wrong id is told at its place in the runbook.
pub(super) async fn environment(
    runbook: &Runbook,
    bap: &Bap,
    id: Uuid,
    span: Span,
) -> Result<Environment, Failure> {
    bap.environment(id).await?.ok_or_else(|| {
        let block = runbook.diagnostic(
            span,
            &format!("the tenant has no environment {id}, or the caller may not see it"),
            Some("copy the id from the environment's page in the admin center"),
        );
        marked(FailureKind::Wrong, &block)
    })
}

/// The guards that need no more than the target's description. A production environment is never a
/// target, and the runbook must name the target as the admin center does.
pub(super) fn guard(runbook: &Runbook, target: &Environment) -> Result<(), Failure> {
    let name = &runbook.target.name;
    let read = shown(target);
    if target.display_name.as_deref() != Some(name.value.as_str()) {
        let block = runbook.diagnostic(
            name.span,
            &format!("the environment with this id is called '{read}'"),
            Some("one of the two is wrong: look at both before you correct either"),
        );
        return Err(marked(FailureKind::Refused, &block));
    }
    require_sandbox(target)
}

/// A production environment is never a target, nor is one whose kind is not told.
pub(in crate::cli) fn require_sandbox(target: &Environment) -> Result<(), Failure> {
    let read = shown(target);
    let kind = target.sku.as_deref().unwrap_or("of an unknown kind");
    if !kind.eq_ignore_ascii_case("Sandbox") && !kind.eq_ignore_ascii_case("Developer") {
        return Err(Failure::refused(format!(
            "'{read}' is {kind}: only a sandbox is ever overwritten"
        ))
        .with_help("choose a sandbox as the target"));
    }
    Ok(())
}

/// The address of an environment's Dataverse: read from the environment; where the runbook writes
/// one down, it is checked.
pub(super) fn dataverse_address(
    runbook: &Runbook,
    key: ServiceKey,
    side: &Environment,
) -> Result<String, Failure> {
    let name = shown(side);
    let address = side
        .dataverse
        .as_ref()
        .and_then(|dataverse| dataverse.url.clone());
    let url = address.ok_or_else(|| {
        Failure::refused(format!("'{name}' has no Dataverse"))
            .with_help("choose an environment with a database")
    })?;
    if let Some(written) = runbook.endpoints.services.get(&key)
        && Url::parse(&url).is_ok_and(|url| url.origin() != written.url.value.origin())
    {
        let message = format!("the Dataverse of '{name}' is at {url}");
        let block = runbook.diagnostic(
            written.url.span,
            &message,
            Some("correct it, or leave it out"),
        );
        return Err(marked(FailureKind::Refused, &block));
    }
    Ok(url)
}

/// An environment's display name, as it may be shown.
pub(in crate::cli) fn shown(environment: &Environment) -> String {
    let name = environment
        .display_name
        .as_deref()
        .unwrap_or(&environment.id);
    escape(name).into_owned()
}
