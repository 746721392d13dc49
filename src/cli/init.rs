//! `iomcopy init`: a starter runbook from two environments. Except for token requests, it sends only
//! GET.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use uuid::Uuid;

use super::common_arguments::{Output, word_parser};
use super::connect::{self, Tenant, display_name, require_sandbox};
use super::environment_lookup::find_environment;
use super::exit_code::DONE;
use super::session::{Session, environment_variable};
use crate::base::files::{self, OutputError};
use crate::base::text::escape;
use crate::clients::{Connection, Environment};
use crate::domain::connections::connector_name;
use crate::domain::connections::custom_connectors::titles;
use crate::domain::dual_write::has_running_maps;
use crate::domain::flows::stem;
use crate::engine::{Failure, FailureKind};
use crate::report::{InitDocument, Version, document};
use crate::runbook::{
    self, Cloud, CredentialKind, Starter, StarterConnection, StarterEnvironment, StarterIdentity,
    StarterLcs,
};

/// The arguments of `init`.
#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// The source environment, which is copied: its id, display name, or address
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(super) source: String,
    /// The target environment, which is overwritten: its id, display name, or address
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(super) target: String,
    /// The tenant to sign in to: its GUID or a domain [default: `AZURE_TENANT_ID`]
    #[arg(long, value_name = "TENANT")]
    pub(super) tenant: Option<String>,
    /// How to sign in [default: azure-cli, and none with --cloud rehearsal]
    #[arg(long, value_name = "KIND", value_parser = word_parser::<CredentialKind>())]
    pub(super) credential: Option<CredentialKind>,
    /// The application (client) id, for the kinds that need one
    #[arg(long, value_name = "GUID")]
    pub(super) client_id: Option<Uuid>,
    /// The environment variable that holds the secret (client-secret) or the token (token)
    #[arg(long, value_name = "NAME", default_value = "AZURE_CLIENT_SECRET")]
    pub(super) secret_env: String,
    /// The service connection's id, for azure-pipelines
    #[arg(long, value_name = "ID")]
    pub(super) service_connection: Option<String>,
    /// The program that prints a token, for token-command; repeat the flag for each argument
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub(super) token_command: Vec<String>,
    /// The cloud
    #[arg(long, value_name = "CLOUD", default_value = "public", value_parser = word_parser::<Cloud>())]
    pub(super) cloud: Cloud,
    /// Endpoints that replace the cloud's own: the line that `iomcopy rehearsal` prints
    #[arg(long, value_name = "LINE")]
    pub(super) endpoints: Option<String>,
    /// The user who will own the target's flows and connections
    #[arg(long, value_name = "USER")]
    pub(super) act_as: Option<String>,
    /// The project number in Lifecycle Services, if LCS manages the target
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) lcs_project: Option<u32>,
    /// The file to write; an existing file is never overwritten [default: -, stdout]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// Finds both environments and writes a runbook for them.
pub(super) async fn init(session: &Session, arguments: &InitArguments) -> Result<u8, Failure> {
    let out = arguments
        .out
        .as_ref()
        .filter(|path| path.as_os_str() != "-");
    if let Some(path) = out.filter(|path| path.exists()) {
        return Err(file_exists(path));
    }
    let mut starter = incomplete_starter(arguments)?;
    // The starter runbook is bound, so that its credential and endpoints serve to sign in.
    let file = out
        .cloned()
        .unwrap_or_else(|| PathBuf::from("runbook.yaml"));
    let bound = runbook::parse(&file.to_string_lossy(), &starter.text()).map_err(|error| {
        let message = format!("the flags result in an invalid runbook\n{error}");
        Failure::new(FailureKind::InvalidInput, message)
    })?;
    let tenant = connect::connect_tenant(session, bound).await?;
    let found = find_pair(&tenant, arguments).await;
    if let Ok((_, target)) = &found {
        starter.dual_write = uses_dual_write(&tenant, target).await;
        starter.connections = working_connections(&tenant, target).await;
    }
    tenant.stop().await;
    let (source, target) = found?;
    fill_in(&mut starter, arguments, &source, &target)?;
    let text = starter.text();
    if let Some(path) = out {
        write_new_file(path, &text)?;
    }
    print_result(session, &starter, &text, out);
    Ok(DONE)
}

/// The starter runbook before any request, with placeholders for both environments.
fn incomplete_starter(arguments: &InitArguments) -> Result<Starter, Failure> {
    let placeholder = |id| StarterEnvironment {
        id: Uuid::from_u128(id),
        name: "placeholder".to_owned(),
        kind: None,
        url: None,
    };
    Ok(Starter {
        name: Starter::name_for(&arguments.target),
        cloud: arguments.cloud,
        endpoints: arguments
            .endpoints
            .as_deref()
            .map(endpoints_line)
            .transpose()?,
        identity: identity(arguments)?,
        act_as: arguments.act_as.clone(),
        source: placeholder(1),
        target: placeholder(2),
        lcs: None,
        connections: Vec::new(),
        dual_write: None,
    })
}

/// The line that `iomcopy rehearsal` prints, given with or without its key.
fn endpoints_line(given: &str) -> Result<String, Failure> {
    let line = given.trim();
    if line.contains(['\n', '\r']) {
        let message = "--endpoints takes one line: `endpoints: { … }`";
        return Err(Failure::new(FailureKind::InvalidInput, message)
            .with_help("use the first line that `iomcopy rehearsal` prints"));
    }
    Ok(if line.starts_with("endpoints:") {
        line.to_owned()
    } else {
        format!("endpoints: {line}")
    })
}

/// The identity that signs in; a rehearsal tenant needs none.
fn identity(arguments: &InitArguments) -> Result<Option<StarterIdentity>, Failure> {
    let kind = match arguments.credential {
        Some(kind) => kind,
        None if arguments.cloud == Cloud::Rehearsal => return Ok(None),
        None => CredentialKind::AzureCli,
    };
    let invalid = |message: String, help: &str| {
        Err(Failure::new(FailureKind::InvalidInput, message).with_help(help))
    };
    let tenant = arguments
        .tenant
        .clone()
        .or_else(|| environment_variable("AZURE_TENANT_ID"));
    let Some(tenant) = tenant.filter(|tenant| !tenant.is_empty()) else {
        let help = "add --tenant with its id or a domain; `az account show --query tenantId` prints the id";
        return invalid("the tenant to sign in to is missing".to_owned(), help);
    };
    let needs_client = matches!(
        kind,
        CredentialKind::ClientSecret | CredentialKind::AzurePipelines | CredentialKind::GithubOidc
    );
    if needs_client && arguments.client_id.is_none() {
        let help = "add --client-id with the application's id";
        return invalid(format!("`{kind}` needs an application id"), help);
    }
    if kind == CredentialKind::TokenCommand && arguments.token_command.is_empty() {
        let help = "add --token-command PROGRAM, and repeat the flag for each argument";
        return invalid(format!("`{kind}` needs a program"), help);
    }
    if kind == CredentialKind::AzurePipelines && arguments.service_connection.is_none() {
        let help = "add --service-connection with its id";
        return invalid(format!("`{kind}` needs a service connection"), help);
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

/// Finds the source and the target, and checks the target.
async fn find_pair(
    tenant: &Tenant,
    arguments: &InitArguments,
) -> Result<(Environment, Environment), Failure> {
    let all = tenant.environments().await?;
    let source = find_environment(&all, "--source", &arguments.source)?;
    let target = find_environment(&all, "--target", &arguments.target)?;
    if source.id == target.id {
        let message = format!(
            "'{}' is both the source and the target",
            display_name(target)
        );
        return Err(Failure::refused(message).with_help("choose two different environments"));
    }
    require_sandbox(target)?;
    for side in [source, target] {
        if side.dataverse.is_none() {
            let message = format!("'{}' has no Dataverse", display_name(side));
            return Err(Failure::refused(message)
                .with_help("choose an environment with a Dataverse database"));
        }
    }
    Ok((source.clone(), target.clone()))
}

/// Does the target use dual-write? `None` if the caller cannot read it; the runbook then says that this
/// is unknown.
async fn uses_dual_write(tenant: &Tenant, target: &Environment) -> Option<bool> {
    let dataverse = tenant.dataverse(target).ok()??;
    has_running_maps(&dataverse).await.ok()
}

/// The target's working connections, by connector; empty if the caller cannot list them, as for many
/// applications. The source's references name custom connectors by the source's identifiers, and a
/// run finds the target's connection by the target's.
async fn working_connections(tenant: &Tenant, target: &Environment) -> Vec<StarterConnection> {
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

fn fill_in(
    starter: &mut Starter,
    arguments: &InitArguments,
    source: &Environment,
    target: &Environment,
) -> Result<(), Failure> {
    starter.source = starter_environment(source)?;
    starter.target = starter_environment(target)?;
    starter.name = Starter::name_for(&starter.target.name);
    if let (Some(identity), Some(tenant)) = (&mut starter.identity, &target.tenant) {
        // A domain may move to another tenant; the id stays.
        identity.tenant.clone_from(tenant);
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

fn starter_environment(side: &Environment) -> Result<StarterEnvironment, Failure> {
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

fn file_exists(path: &Path) -> Failure {
    let message = format!("{} exists already", path.display());
    Failure::new(FailureKind::InvalidInput, message)
        .with_help("choose another name, or move the file")
}

/// Creates the file. A file that was created in the meantime is not changed.
fn write_new_file(path: &Path, text: &str) -> Result<(), Failure> {
    files::write_output(path, text.as_bytes(), "a runbook", None).map_err(|error| match error {
        OutputError::Kept(_) => file_exists(path),
        OutputError::System(error) => Failure::new(
            FailureKind::InvalidInput,
            format!("{} cannot be written: {error}", path.display()),
        ),
    })
}

/// Prints the runbook, unless it was written to a file, and what to do next.
fn print_result(session: &Session, starter: &Starter, text: &str, out: Option<&PathBuf>) {
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
        Output::Json => session.printer.data(&document(&InitDocument {
            v: Version,
            file: out.map(|path| path.display().to_string()),
            runbook: text.to_owned(),
            source: starter.source.clone(),
            target: starter.target.clone(),
            lcs_linked: starter.lcs.is_some(),
            dual_write: starter.dual_write,
            fill_in: left.clone(),
            next: next.to_vec(),
        })),
    }
    let printer = &session.printer;
    match out {
        Some(path) => printer.info(&format!("written: {}", path.display())),
        None => printer.info(&format!("to save it as a file, add `--out {file}`")),
    }
    printer.info("to fill in:");
    for line in left {
        printer.info(&format!("  - {line}"));
    }
    printer.info("next:");
    for command in next {
        printer.info(&format!("  {command}"));
    }
}
