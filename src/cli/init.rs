//! `iomcopy init`: a starter runbook from two environments. Token requests apart, it sends only GET.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::arguments::{InitArguments, Output};
use super::chosen::choose;
use super::connect::{self, require_sandbox, shown};
use super::exit::DONE;
use super::session::{Session, variable};
use crate::base::files;
use crate::base::files::OutputError;
use crate::base::text::escape;
use crate::clients::{Connection, Environment};
use crate::domain::dual_write::has_running_maps;
use crate::engine::{Failure, FailureKind};
use crate::report::{InitDocument, InitEnvironment, Version, document as written};
use crate::runbook::{
    self, Cloud, CredentialKind, Starter, StarterConnection, StarterEnvironment, StarterIdentity,
    StarterLcs,
};

/// Finds both environments and writes a runbook for them.
pub(super) async fn init(session: &Session, arguments: &InitArguments) -> Result<u8, Failure> {
    let out = arguments
        .out
        .as_ref()
        .filter(|path| path.as_os_str() != "-");
    if let Some(path) = out.filter(|path| path.exists()) {
        return Err(exists(path));
    }
    let mut starter = skeleton(arguments)?;
    // Its credential and addresses are bound and used as those of any runbook.
    let file = out
        .cloned()
        .unwrap_or_else(|| PathBuf::from("runbook.yaml"));
    let bound = runbook::parse(&file.to_string_lossy(), &starter.text()).map_err(|wrong| {
        let message = format!("what was given makes no right runbook\n{wrong}");
        Failure::new(FailureKind::Wrong, message)
    })?;
    let tenant = connect::tenant(session, bound).await?;
    let found = find(&tenant, arguments).await;
    if let Ok((_, target)) = &found {
        starter.dual_write = in_use(&tenant, target).await;
        starter.connections = connections(&tenant, target).await;
    }
    tenant.stop().await;
    let (source, target) = found?;
    fill(&mut starter, arguments, &source, &target)?;
    let text = starter.text();
    if let Some(path) = out {
        write(path, &text)?;
    }
    tell(session, &starter, &text, out);
    Ok(DONE)
}

/// What is known before any service is asked; the environments' places are taken by two that are
/// none.
fn skeleton(arguments: &InitArguments) -> Result<Starter, Failure> {
    let nothing = |id| StarterEnvironment {
        id: Uuid::from_u128(id),
        name: "to be found".to_owned(),
        kind: None,
        url: None,
    };
    Ok(Starter {
        name: Starter::name_for(&arguments.target),
        cloud: arguments.cloud,
        endpoints: arguments.endpoints.as_deref().map(endpoints).transpose()?,
        identity: identity(arguments)?,
        act_as: arguments.act_as.clone(),
        source: nothing(1),
        target: nothing(2),
        lcs: None,
        connections: Vec::new(),
        dual_write: None,
    })
}

/// The line that `iomcopy rehearsal` prints, with its key or without it.
fn endpoints(given: &str) -> Result<String, Failure> {
    let line = given.trim();
    if line.contains(['\n', '\r']) {
        let message = "--endpoints is one line: `endpoints: { … }`";
        return Err(Failure::new(FailureKind::Wrong, message)
            .with_help("give the first line that `iomcopy rehearsal` prints"));
    }
    Ok(if line.starts_with("endpoints:") {
        line.to_owned()
    } else {
        format!("endpoints: {line}")
    })
}

/// Who signs in. A rehearsal tenant needs nobody.
fn identity(arguments: &InitArguments) -> Result<Option<StarterIdentity>, Failure> {
    let kind = match arguments.credential {
        Some(kind) => kind,
        None if arguments.cloud == Cloud::Rehearsal => return Ok(None),
        None => CredentialKind::AzureCli,
    };
    let wrong = |message: String, help: &str| {
        Err(Failure::new(FailureKind::Wrong, message).with_help(help))
    };
    let tenant = arguments
        .tenant
        .clone()
        .or_else(|| variable("AZURE_TENANT_ID"));
    let Some(tenant) = tenant.filter(|tenant| !tenant.is_empty()) else {
        let help =
            "give --tenant, its GUID or a domain; `az account show --query tenantId` prints it";
        return wrong("which tenant to sign in to is not told".to_owned(), help);
    };
    let needs_client = matches!(
        kind,
        CredentialKind::ClientSecret | CredentialKind::AzurePipelines | CredentialKind::GithubOidc
    );
    if needs_client && arguments.client_id.is_none() {
        let help = "give --client-id, the application's id";
        return wrong(format!("`{kind}` needs an application"), help);
    }
    if kind == CredentialKind::TokenCommand && arguments.token_command.is_empty() {
        let help = "give --token-command PROGRAM, and again for each of its arguments";
        return wrong(format!("`{kind}` needs a program"), help);
    }
    if kind == CredentialKind::AzurePipelines && arguments.service_connection.is_none() {
        let help = "give --service-connection, its id";
        return wrong(format!("`{kind}` needs a service connection"), help);
    }
    Ok(Some(StarterIdentity {
        tenant,
        kind,
        client: arguments.client_id,
        secret: arguments.secret_env.clone(),
        service_connection: arguments.service_connection.clone(),
        token_command: arguments.token_command.clone(),
    }))
}

/// Both environments, by what was given for them, and the guards.
async fn find(
    tenant: &connect::Tenant,
    arguments: &InitArguments,
) -> Result<(Environment, Environment), Failure> {
    let all = tenant.environments().await?;
    let source = choose(&all, "--source", &arguments.source)?;
    let target = choose(&all, "--target", &arguments.target)?;
    if source.id == target.id {
        let message = format!("'{}' is both the source and the target", shown(target));
        return Err(Failure::refused(message).with_help("the copy would destroy its own source"));
    }
    require_sandbox(target)?;
    for side in [source, target] {
        if side.dataverse.is_none() {
            let message = format!("'{}' has no Dataverse", shown(side));
            return Err(
                Failure::refused(message).with_help("choose an environment with a database")
            );
        }
    }
    Ok((source.clone(), target.clone()))
}

/// Is dual-write in use in the target? None where the caller may not read it: the runbook then says
/// so, and is no worse for it.
async fn in_use(tenant: &connect::Tenant, target: &Environment) -> Option<bool> {
    let dataverse = tenant.dataverse(target).ok()??;
    has_running_maps(&dataverse).await.ok()
}

/// The target's connections that work, by connector; none where the caller may not list them, which
/// many an application may not.
async fn connections(tenant: &connect::Tenant, target: &Environment) -> Vec<StarterConnection> {
    let Ok(id) = Uuid::try_parse(&target.id) else {
        return Vec::new();
    };
    let all = tenant.connections(id).await.unwrap_or_default();
    let working = all.into_iter().filter(Connection::is_connected);
    let mut found: Vec<StarterConnection> = working
        .filter_map(|connection| {
            let told = [connection.display_name, connection.account];
            Some(StarterConnection {
                connector: connection.connector?,
                id: connection.id,
                told: told.into_iter().flatten().collect::<Vec<_>>().join(", "),
            })
        })
        .collect();
    found.sort_by(|one, other| (&one.connector, &one.id).cmp(&(&other.connector, &other.id)));
    found
}

fn fill(
    starter: &mut Starter,
    arguments: &InitArguments,
    source: &Environment,
    target: &Environment,
) -> Result<(), Failure> {
    starter.source = starting(source)?;
    starter.target = starting(target)?;
    starter.name = Starter::name_for(&starter.target.name);
    if let (Some(identity), Some(read)) = (&mut starter.identity, &target.tenant) {
        // Domains change hands; the id does not.
        identity.tenant.clone_from(read);
    }
    let linked = |side: &Environment| {
        let app = side.finance_operations.as_ref();
        app.filter(|app| app.kind.as_deref() == Some("Linked"))
            .map(|app| app.id.clone())
    };
    starter.lcs = linked(target).map(|id| StarterLcs {
        project: arguments.lcs_project,
        source: linked(source).flatten(),
        target: id,
    });
    Ok(())
}

fn starting(side: &Environment) -> Result<StarterEnvironment, Failure> {
    let id = Uuid::try_parse(&side.id).map_err(|_| {
        Failure::refused(format!(
            "'{}' has the id {}, which is no GUID",
            shown(side),
            escape(&side.id)
        ))
        .with_help("a tenant's default environment is neither copied nor overwritten")
    })?;
    Ok(StarterEnvironment {
        id,
        name: side.display_name.clone().unwrap_or_else(|| side.id.clone()),
        kind: side.sku.clone(),
        url: side.dataverse.as_ref().and_then(|it| it.url.clone()),
    })
}

fn exists(path: &Path) -> Failure {
    let message = format!("{} is there already", path.display());
    Failure::new(FailureKind::Wrong, message).with_help("choose another name, or move it away")
}

/// Writes a file that was not there. One that came meanwhile is left as it is.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    files::write_output(path, text.as_bytes(), "a runbook", None).map_err(|error| match error {
        OutputError::Kept(_) => exists(path),
        OutputError::System(error) => Failure::new(
            FailureKind::Wrong,
            format!("{} cannot be written: {error}", path.display()),
        ),
    })
}

/// Prints the runbook where no file was asked for, and says what to do next.
fn tell(session: &Session, starter: &Starter, text: &str, out: Option<&PathBuf>) {
    let file = out.map_or_else(
        || format!("{}.yaml", starter.name),
        |path| path.display().to_string(),
    );
    let next = ["validate", "preflight", "plan"].map(|command| format!("iomcopy {command} {file}"));
    let left = starter.to_fill_in();
    match session.output {
        Output::Human => {
            if out.is_none() {
                session.printer.data(text.trim_end());
            }
        }
        Output::Json => session.printer.data(&written(&InitDocument {
            v: Version,
            file: out.map(|path| path.display().to_string()),
            runbook: text.to_owned(),
            source: told(&starter.source),
            target: told(&starter.target),
            lcs_linked: starter.lcs.is_some(),
            dual_write: starter.dual_write,
            fill_in: left.clone(),
            next: next.to_vec(),
        })),
    }
    let printer = &session.printer;
    match out {
        Some(path) => printer.remark(&format!("written: {}", path.display())),
        None => printer.remark(&format!(
            "save it as {file}, for example: add `--out {file}`"
        )),
    }
    printer.remark("to fill in:");
    for line in left {
        printer.remark(&format!("  - {line}"));
    }
    printer.remark("then:");
    for command in next {
        printer.remark(&format!("  {command}"));
    }
}

fn told(side: &StarterEnvironment) -> InitEnvironment {
    InitEnvironment {
        environment: side.id.to_string(),
        name: side.name.clone(),
        kind: side.kind.clone(),
        url: side.url.clone(),
    }
}
