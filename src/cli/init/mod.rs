//! `iomcopy init`: a starter runbook from two environments. Except for token requests, it sends only
//! GET.
//!
//! - `questions`: asks a person at a terminal for what no flag gives.
//! - `reading`: what is read of the tenant.
//!
//! A value that neither a flag nor the tenant provides becomes `FILL IN`, which `validate` refuses.

mod questions;
mod reading;

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use uuid::Uuid;

use self::questions::Questions;
use self::reading::{find_pair, starter_environment, uses_dual_write, working_connections};
use super::common_arguments::{Output, keyword_parser};
use super::connect;
use super::exit_code::DONE;
use super::process_environment::environment_variable;
use super::session::Session;
use crate::base::files::{self, OutputError};
use crate::base::shell::quote_argument;
use crate::base::text::escape;
use crate::clients::Environment;
use crate::engine::{Failure, FailureKind};
use crate::report::{InitDocument, Version, document};
use crate::runbook::{
    self, Cloud, CredentialKind, REHEARSAL_PROJECT, Starter, StarterEnvironment, StarterIdentity,
    StarterLcs,
};

/// The heading of the flags that say how to sign in, and where.
const SIGN_IN: &str = "Sign-in";

/// The arguments of `init`.
#[derive(Clone, Debug, Args)]
pub(super) struct InitArguments {
    /// The source environment, which is copied: its id, display name, or address
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(super) source: Option<String>,
    /// The target environment, which is overwritten: its id, display name, or address
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(super) target: Option<String>,
    /// The tenant to sign in to: its id or a domain [default: the variable `AZURE_TENANT_ID`]
    #[arg(long, help_heading = SIGN_IN, value_name = "TENANT")]
    pub(super) tenant: Option<String>,
    /// How to sign in [default: azure-cli, and none with --cloud rehearsal]
    #[arg(long, help_heading = SIGN_IN, value_name = "KIND", value_parser = keyword_parser::<CredentialKind>())]
    pub(super) credential: Option<CredentialKind>,
    /// The application (client) id, for the kinds that need one
    #[arg(long, help_heading = SIGN_IN, value_name = "GUID")]
    pub(super) client_id: Option<Uuid>,
    /// The environment variable that holds the secret (client-secret) or the token (token)
    #[arg(long, help_heading = SIGN_IN, value_name = "NAME", default_value = "AZURE_CLIENT_SECRET")]
    pub(super) secret_env: String,
    /// The service connection's id, for azure-pipelines
    #[arg(long, help_heading = SIGN_IN, value_name = "ID")]
    pub(super) service_connection: Option<String>,
    /// The program that prints a token, for token-command; repeat the flag for each argument
    #[arg(long, help_heading = SIGN_IN, value_name = "WORD", allow_hyphen_values = true)]
    pub(super) token_command: Vec<String>,
    /// The Microsoft cloud of both environments; `rehearsal` is the built-in tenant
    #[arg(long, help_heading = SIGN_IN, value_name = "CLOUD", default_value = "public", value_parser = keyword_parser::<Cloud>())]
    pub(super) cloud: Cloud,
    /// The line `endpoints: …` that `iomcopy rehearsal` prints: addresses other than the cloud's
    #[arg(long, help_heading = SIGN_IN, value_name = "LINE")]
    pub(super) endpoints: Option<String>,
    /// The user who will own the target's flows and connections: the runbook's `act-as`, and the
    /// default of `owner`
    #[arg(long, value_name = "USER")]
    pub(super) act_as: Option<String>,
    /// The project number in Lifecycle Services, if LCS manages the target
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) lcs_project: Option<u32>,
    /// The file to write; an existing file is never overwritten [default: stdout]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) out: Option<PathBuf>,
}

/// Finds both environments and writes a runbook for them.
pub(super) async fn init(session: &Session, given: &InitArguments) -> Result<u8, Failure> {
    let mut arguments = given.clone();
    let questions = Questions::at_terminal(session);
    let questions = questions.as_ref();
    let is_file = |path: &PathBuf| path.as_os_str() != "-";
    if let Some(path) = arguments.out.as_ref().filter(|path| path.exists()) {
        return Err(file_exists(path));
    }
    match questions {
        Some(questions) if needs_tenant(&arguments) => {
            arguments.tenant = Some(questions.tenant().await?);
        }
        None if arguments.source.is_none() => return Err(missing_flag("--source")),
        None if arguments.target.is_none() => return Err(missing_flag("--target")),
        Some(_) | None => {}
    }
    let mut starter = incomplete_starter(&arguments)?;
    // A part of the starter is bound, so that its credential and endpoints serve to sign in.
    let file = arguments.out.clone().filter(is_file);
    let file = file.unwrap_or_else(|| PathBuf::from("runbook.yaml"));
    let bound = runbook::parse(&file.to_string_lossy(), &starter.text_to_sign_in());
    let bound = bound.map_err(|error| {
        let message = format!("the flags result in an invalid runbook\n{error}");
        Failure::new(FailureKind::InvalidInput, message)
    })?;
    let tenant = connect::connect_tenant(session, bound).await;
    let tenant = tenant.map_err(advise_flags)?;
    let found = Box::pin(find_pair(&tenant, &arguments, questions)).await;
    let found = found.map_err(advise_flags);
    if let Ok((_, target)) = &found {
        starter.dual_write = uses_dual_write(&tenant, target).await;
        starter.connections = working_connections(&tenant, target).await;
    }
    tenant.stop().await;
    let (source, target) = found?;
    fill_in(&mut starter, &arguments, &source, &target)?;
    // With both environments given by flags, `init` asks only for what is required.
    let asked = given.source.is_none() || given.target.is_none();
    if let Some(questions) = questions.filter(|_| asked) {
        questions.complete(&mut starter).await?;
        if arguments.out.is_none() {
            arguments.out = questions.file(&starter.name).await?;
        }
    }
    let text = starter.text();
    let out = arguments.out.as_ref().filter(|path| is_file(path));
    if let Some(path) = out {
        write_new_file(path, &text)?;
    }
    print_result(session, &starter, &text, out);
    Ok(DONE)
}

/// What the help of a failed sign-in names in a runbook, and the flag of `init` that writes it.
const FLAGS: [(&str, &str); 5] = [
    (
        "`tenant` and `client` under `identity`",
        "`--tenant` and `--client-id`",
    ),
    ("`tenant` under `identity`", "`--tenant`"),
    (
        "kind of credential under `identity`",
        "kind of credential with `--credential`",
    ),
    ("credential under `identity`", "`--credential`"),
    (
        "`cloud` and `endpoints` of the runbook",
        "`--cloud` and `--endpoints`",
    ),
];

/// The same failure with help that names flags: there is no runbook yet.
fn advise_flags(mut failure: Failure) -> Failure {
    if let Some(help) = &mut failure.help {
        for (written, flag) in FLAGS {
            *help = help.replace(written, flag);
        }
    }
    failure
}

/// The failure of a call without a terminal that lacks what only a person can say.
fn missing_flag(flag: &str) -> Failure {
    let message = format!("{flag} is missing, and there is no terminal to ask at");
    Failure::new(FailureKind::InvalidInput, message)
        .with_help("name the environment by its id, display name or address")
}

/// Is the tenant to sign in to still unknown?
fn needs_tenant(arguments: &InitArguments) -> bool {
    sign_in_kind(arguments).is_some() && known_tenant(arguments).is_none()
}

/// The tenant that the flag or the environment variable names.
fn known_tenant(arguments: &InitArguments) -> Option<String> {
    let tenant = arguments.tenant.clone();
    let tenant = tenant.or_else(|| environment_variable("AZURE_TENANT_ID"));
    tenant.filter(|tenant| !tenant.is_empty())
}

/// How to sign in; a rehearsal tenant needs no identity.
fn sign_in_kind(arguments: &InitArguments) -> Option<CredentialKind> {
    match arguments.credential {
        Some(kind) => Some(kind),
        None if arguments.cloud == Cloud::Rehearsal => None,
        None => Some(CredentialKind::AzureCli),
    }
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
        name: Starter::name_for(arguments.target.as_deref().unwrap_or_default()),
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
    let Some(kind) = sign_in_kind(arguments) else {
        return Ok(None);
    };
    let invalid = |message: String, help: &str| {
        Err(Failure::new(FailureKind::InvalidInput, message).with_help(help))
    };
    let Some(tenant) = known_tenant(arguments) else {
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
    let of_rehearsal = (arguments.cloud == Cloud::Rehearsal).then_some(REHEARSAL_PROJECT);
    starter.lcs = linked(target).map(|id| StarterLcs {
        project: arguments.lcs_project.or(of_rehearsal),
        source: linked(source).flatten(),
        target: id,
    });
    Ok(())
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
    let argument = quote_argument(&file);
    let next =
        ["validate", "preflight", "plan"].map(|command| format!("iomcopy {command} {argument}"));
    let left = to_fill_in(&file, text);
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
        None => printer.info(&format!("to save it as a file, add `--out {argument}`")),
    }
    if left.is_empty() {
        printer.info("nothing to fill in");
    } else {
        printer.info("to fill in:");
    }
    for line in left {
        printer.info(&format!("  {line}"));
    }
    if !starter.connections.is_empty() {
        printer.info(
            "to check: are the connections of `reconfigure-connections` those that you want?",
        );
    }
    printer.info("next:");
    for command in next {
        printer.info(&format!("  {command}"));
    }
}

/// What a person has to write, each at its place: `uat.yaml:12:9: act-as: write the user …`.
fn to_fill_in(file: &str, text: &str) -> Vec<String> {
    let Err(left) = runbook::parse(file, text) else {
        return Vec::new();
    };
    let lines = left.iter().map(|diagnostic| {
        let at = diagnostic.position();
        let message = diagnostic.message();
        let help = diagnostic.help().unwrap_or_default();
        format!(
            "{}:{}:{}: {message}: {help}",
            escape(file),
            at.line,
            at.column
        )
    });
    lines.collect()
}

#[cfg(all(test, feature = "rehearsal"))]
mod tests {
    use super::*;
    use crate::rehearsal::LCS_PROJECT;
    use crate::runbook::REHEARSAL_PROJECT;

    #[test]
    fn help_about_the_sign_in_names_flags_because_there_is_no_runbook() {
        for (help, advised) in [
            (
                "install it, or use another kind of credential under `identity`",
                "install it, or use another kind of credential with `--credential`",
            ),
            (
                "check `tenant` and `client` under `identity`, and `cloud`",
                "check `--tenant` and `--client-id`, and `cloud`",
            ),
        ] {
            let failure = Failure::refused("no token").with_help(help);
            assert_eq!(advise_flags(failure).help.as_deref(), Some(advised));
        }
    }

    #[test]
    fn the_project_of_a_rehearsal_is_that_of_its_tenant() {
        assert_eq!(u64::from(REHEARSAL_PROJECT), LCS_PROJECT);
    }
}
