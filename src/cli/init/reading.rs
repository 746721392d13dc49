//! What `init` reads of a tenant. Sends only GET.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::questions::Questions;
use super::{InitArguments, missing_flag};
use crate::base::text::escape;
use crate::cli::connect::{Tenant, display_name, require_overwritable_kind};
use crate::cli::environment_lookup::find_environment;
use crate::clients::{Connection, Environment};
use crate::domain::connections::connector_name;
use crate::domain::connections::custom_connectors::titles;
use crate::domain::dual_write::has_running_maps;
use crate::domain::flows::stem;
use crate::engine::Failure;
use crate::runbook::{StarterConnection, StarterEnvironment};

/// Finds the source and the target by their flags, else by what a person chooses, and checks the
/// target.
pub(super) async fn find_pair(
    tenant: &Tenant,
    arguments: &InitArguments,
    questions: Option<&Questions<'_>>,
) -> Result<(Environment, Environment), Failure> {
    let all = tenant.environments().await?;
    if let Some(questions) = questions
        && (arguments.source.is_none() || arguments.target.is_none())
    {
        questions.list(&all);
    }
    let source = match (&arguments.source, questions) {
        (Some(given), _) => find_environment(&all, "--source", given)?,
        (None, Some(questions)) => {
            let what = "Source, which is copied";
            questions.environment(&all, what, require_dataverse).await?
        }
        (None, None) => return Err(missing_flag("--source")),
    };
    let check = |target: &Environment| {
        require_different(source, target)?;
        require_overwritable_kind(target)?;
        require_dataverse(target)
    };
    let target = match (&arguments.target, questions) {
        (Some(given), _) => find_environment(&all, "--target", given)?,
        (None, Some(questions)) => {
            let what = "Target, which is overwritten";
            questions.environment(&all, what, check).await?
        }
        (None, None) => return Err(missing_flag("--target")),
    };
    check(target)?;
    require_dataverse(source)?;
    Ok((source.clone(), target.clone()))
}

fn require_different(source: &Environment, target: &Environment) -> Result<(), Failure> {
    if source.id != target.id {
        return Ok(());
    }
    let message = format!(
        "'{}' is both the source and the target",
        display_name(target)
    );
    Err(Failure::refused(message).with_help("choose two different environments"))
}

fn require_dataverse(side: &Environment) -> Result<(), Failure> {
    if side.dataverse.is_some() {
        return Ok(());
    }
    let message = format!("'{}' has no Dataverse", display_name(side));
    Err(Failure::refused(message).with_help("choose an environment with a Dataverse database"))
}

/// Does the target use dual-write? `None` if the caller cannot read it; the runbook then says that this
/// is unknown.
pub(super) async fn uses_dual_write(tenant: &Tenant, target: &Environment) -> Option<bool> {
    let dataverse = tenant.dataverse(target).ok()??;
    has_running_maps(&dataverse).await.ok()
}

/// The target's working connections, by connector; empty if the caller cannot list them, as for many
/// applications. The source's references name custom connectors by the source's identifiers, and a
/// run finds the target's connection by the target's.
pub(super) async fn working_connections(
    tenant: &Tenant,
    target: &Environment,
) -> Vec<StarterConnection> {
    let Ok(id) = Uuid::try_parse(&target.id) else {
        return Vec::new();
    };
    let all = tenant.connections(id).await.unwrap_or_default();
    let working = all.into_iter().filter(Connection::is_connected);
    let custom = custom_titles(tenant, target).await;
    let mut found: Vec<StarterConnection> = working
        .filter_map(|connection| {
            let connector = connector_name(&connection.connector?);
            let custom = custom.get(&connector);
            let custom = custom.map(|title| format!("custom connector '{title}'"));
            let description = [custom, connection.display_name, connection.account];
            Some(StarterConnection {
                family: stem(&connector),
                connector,
                id: connection.id,
                description: description
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(", "),
            })
        })
        .collect();
    found.sort_by(|one, other| (&one.connector, &one.id).cmp(&(&other.connector, &other.id)));
    found
}

/// The display names of the target's custom connectors; empty if the caller cannot read them.
async fn custom_titles(tenant: &Tenant, target: &Environment) -> BTreeMap<String, String> {
    match tenant.dataverse(target) {
        Ok(Some(dataverse)) => titles(&dataverse).await.unwrap_or_default(),
        _ => BTreeMap::new(),
    }
}

pub(super) fn starter_environment(side: &Environment) -> Result<StarterEnvironment, Failure> {
    let id = Uuid::try_parse(&side.id).map_err(|_| {
        Failure::refused(format!(
            "'{}' has the id {}, which is not a GUID",
            display_name(side),
            escape(&side.id)
        ))
        .with_help("a tenant's default environment cannot be copied or overwritten")
    })?;
    Ok(StarterEnvironment {
        id,
        name: side.display_name.clone().unwrap_or_else(|| side.id.clone()),
        kind: side.sku.clone(),
        url: side.dataverse.as_ref().and_then(|it| it.url.clone()),
    })
}
