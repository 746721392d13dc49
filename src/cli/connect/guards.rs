//! Both environments as the admin API describes them, and the guards on these descriptions.

use url::Url;
use uuid::Uuid;

use crate::base::text::escape;
use crate::clients::{Bap, Environment};
use crate::domain::failure_at;
use crate::engine::{Failure, FailureKind};
use crate::runbook::{Located, Runbook, ServiceKey};

/// Reads an environment's description; an unknown id is reported at its position in the runbook.
pub(super) async fn read_environment(
    runbook: &Runbook,
    bap: &Bap,
    id: &Located<Uuid>,
) -> Result<Environment, Failure> {
    bap.environment(id.value).await?.ok_or_else(|| {
        let block = runbook.diagnostic(
            id.span,
            &format!(
                "the tenant has no environment {}, or this sign-in cannot see it",
                id.value
            ),
            Some("copy the id from the environment's page in the admin center"),
        );
        failure_at(FailureKind::InvalidInput, &block)
    })
}

/// Refuses a target of any kind but Sandbox and Developer, or whose display name differs from the
/// runbook's.
pub(super) fn require_overwritable_target(
    runbook: &Runbook,
    target: &Environment,
) -> Result<(), Failure> {
    let name = &runbook.target.name;
    let name_read = display_name(target);
    if target.display_name.as_deref() != Some(name.value.as_str()) {
        let block = runbook.diagnostic(
            name.span,
            &format!("the environment with this id has the name '{name_read}'"),
            Some("the id or the name is wrong: check both before you correct one"),
        );
        return Err(failure_at(FailureKind::Refused, &block));
    }
    require_overwritable_kind(target)
}

/// Refuses a target of any kind but Sandbox and Developer.
pub(in crate::cli) fn require_overwritable_kind(target: &Environment) -> Result<(), Failure> {
    let name_read = display_name(target);
    let kind = target.sku.as_deref().unwrap_or("of an unknown kind");
    if !kind.eq_ignore_ascii_case("Sandbox") && !kind.eq_ignore_ascii_case("Developer") {
        return Err(Failure::refused(format!(
            "'{name_read}' is {kind}: only a sandbox or a developer environment may be overwritten"
        ))
        .with_help("choose a sandbox or a developer environment as the target"));
    }
    Ok(())
}

/// The address of an environment's Dataverse, from the environment's description. An address in the
/// runbook must match it.
pub(super) fn dataverse_address(
    runbook: &Runbook,
    key: ServiceKey,
    side: &Environment,
) -> Result<String, Failure> {
    let name = display_name(side);
    let address = side
        .dataverse
        .as_ref()
        .and_then(|dataverse| dataverse.url.clone());
    let url = address.ok_or_else(|| {
        Failure::refused(format!("'{name}' has no Dataverse"))
            .with_help("choose an environment with a Dataverse database")
    })?;
    if let Some(written) = runbook.endpoints.services.get(&key)
        && Url::parse(&url).is_ok_and(|url| url.origin() != written.url.value.origin())
    {
        let message = format!("the Dataverse of '{name}' is at {url}");
        let block = runbook.diagnostic(
            written.url.span,
            &message,
            Some("correct the address, or remove it"),
        );
        return Err(failure_at(FailureKind::Refused, &block));
    }
    Ok(url)
}

/// An environment's display name, with control characters escaped.
pub(in crate::cli) fn display_name(environment: &Environment) -> String {
    let name = environment
        .display_name
        .as_deref()
        .unwrap_or(&environment.id);
    escape(name).into_owned()
}
