//! How the program signs in: the tenant, and a credential for each service. Everything under
//! `identity` is hidden from messages until it is known to be no secret: a tenant, a client's GUID,
//! the name of a variable, a path.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::endpoints::{ALWAYS_CALLED, ServiceKey};
use super::keywords::{Keyword as _, find_keyword, keywords, list_keywords};
use super::secret::{Secret, secret};
use crate::runbook::grammar::keys::{Keys, with};
use crate::runbook::grammar::kind::{Kind, map_of, some_texts, texts};
use crate::runbook::grammar::scalars::{guid, tenant, text};
use crate::runbook::grammar::{Binder, Field};
use crate::runbook::source::Located;
use crate::runbook::tree::Content;

/// The audience of Entra's token exchange. Source: Microsoft Learn, workload identity federation.
const GITHUB_AUDIENCE: &str = "api://AzureADTokenExchange";
/// The variable with a job's token in Azure Pipelines. Source: Microsoft Learn, predefined
/// variables.
const PIPELINES_TOKEN: &str = "SYSTEM_ACCESSTOKEN";

/// How the program signs in.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Identity {
    /// The Entra tenant: a domain name or a GUID.
    pub tenant: Located<String>,
    /// The credentials by service; the default is for every service without its own.
    pub credentials: BTreeMap<ServiceKey, Located<Credential>>,
}

impl Identity {
    /// The credential for a service: its own, else the default one.
    pub fn credential(&self, service: ServiceKey) -> Option<&Located<Credential>> {
        self.credentials
            .get(&service)
            .or_else(|| self.credentials.get(&ServiceKey::Default))
    }
}

/// How the program gets a token. Names and places only; a runbook holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// An application with a client secret.
    #[serde(rename_all = "kebab-case")]
    ClientSecret {
        /// The application's id.
        client: Uuid,
        /// Where its secret is.
        secret: Secret,
    },
    /// A token that was fetched elsewhere.
    Token(Secret),
    /// A program that prints a token, and its arguments. A program named with a slash is relative
    /// to the runbook.
    TokenCommand(Vec<String>),
    /// The account that is signed in with the Azure CLI.
    AzureCli,
    /// A federated token in a file, as Kubernetes provides it. What is not written comes from
    /// `AZURE_CLIENT_ID` and `AZURE_FEDERATED_TOKEN_FILE`.
    #[serde(rename_all = "kebab-case")]
    WorkloadIdentity {
        /// The application's id.
        client: Option<Uuid>,
        /// The file, relative to the runbook.
        token_file: Option<String>,
    },
    /// The identity of the machine.
    #[serde(rename_all = "kebab-case")]
    ManagedIdentity {
        /// The client id of a user-assigned identity; else the system's own.
        client: Option<Uuid>,
    },
    /// A service connection of Azure Pipelines.
    #[serde(rename_all = "kebab-case")]
    AzurePipelines {
        /// The application's id.
        client: Uuid,
        /// The service connection's id.
        service_connection: String,
        /// Where the job's access token is; `SYSTEM_ACCESSTOKEN` unless it is written.
        access_token: Secret,
    },
    /// The identity token of a GitHub Actions job.
    #[serde(rename_all = "kebab-case")]
    GithubOidc {
        /// The application's id.
        client: Uuid,
        /// The audience that the federated credential of the application names.
        audience: String,
    },
}

keywords! {
    /// The kinds of credential, by their keys.
    pub enum CredentialKind {
        /// An application with a client secret.
        ClientSecret = "client-secret",
        /// A token that was fetched elsewhere; it does not last.
        Token = "token",
        /// A program that prints a token, and its arguments. A program named with a slash is
        /// relative to the runbook.
        TokenCommand = "token-command",
        /// The account that is signed in with the Azure CLI.
        AzureCli = "azure-cli",
        /// A federated token in a file, as Kubernetes provides it.
        WorkloadIdentity = "workload-identity",
        /// The identity of the machine.
        ManagedIdentity = "managed-identity",
        /// A service connection of Azure Pipelines.
        AzurePipelines = "azure-pipelines",
        /// The identity token of a GitHub Actions job.
        GithubOidc = "github-oidc",
    }
}

impl Credential {
    /// Its kind.
    pub fn kind(&self) -> CredentialKind {
        match self {
            Self::ClientSecret { .. } => CredentialKind::ClientSecret,
            Self::Token(_) => CredentialKind::Token,
            Self::TokenCommand(_) => CredentialKind::TokenCommand,
            Self::AzureCli => CredentialKind::AzureCli,
            Self::WorkloadIdentity { .. } => CredentialKind::WorkloadIdentity,
            Self::ManagedIdentity { .. } => CredentialKind::ManagedIdentity,
            Self::AzurePipelines { .. } => CredentialKind::AzurePipelines,
            Self::GithubOidc { .. } => CredentialKind::GithubOidc,
        }
    }
}

/// The tenant and the credentials.
pub(super) fn identity() -> Kind<Identity> {
    let example = "{ tenant: contoso.onmicrosoft.com, default: { … } }";
    map_of(example, visit_identity).described_by(|| {
        let mut schema = Keys::describe(&|keys| drop(visit_identity(keys)));
        schema["anyOf"] = json!([
            { "required": [ServiceKey::Default.keyword()] },
            { "required": ALWAYS_CALLED.map(ServiceKey::keyword) },
        ]);
        schema
    })
}

fn visit_identity(keys: &mut Keys<'_>) -> Option<Identity> {
    let documentation = "The Entra tenant: its domain name or its GUID.";
    let tenant = keys.required("tenant", documentation, &tenant());
    let mut credentials = Some(BTreeMap::new());
    for service in ServiceKey::with_credential() {
        let documentation = match service {
            ServiceKey::Default => "The credential of every service without its own.".to_owned(),
            _ => format!("The credential for one service. {}", service.description()),
        };
        let kind = credential().defined_as("credential");
        let found = keys.optional(service.keyword(), &documentation, &kind);
        credentials = with(credentials, service, found);
    }
    let span = keys.span();
    let mentioned = keys.mentioned();
    let has_default = mentioned.contains(ServiceKey::Default.keyword());
    let uncovered = ALWAYS_CALLED
        .into_iter()
        .find(|service| !has_default && !mentioned.contains(service.keyword()));
    if let (Some(uncovered), Some(binder)) = (uncovered, keys.binder()) {
        let message = format!("`identity` has no credential for `{uncovered}`");
        let help =
            "write a `default:` credential; it is used for every service that has no credential";
        return binder.refuse(span, message, help);
    }
    Some(Identity {
        tenant: tenant?,
        credentials: credentials?,
    })
}

/// A credential: a map with one key, which is its kind.
pub(in crate::runbook) fn credential() -> Kind<Located<Credential>> {
    let schema = || {
        Keys::describe_one(&|keys| {
            for kind in CredentialKind::ALL {
                drop(keys.optional(kind.keyword(), kind.description(), &of_kind(*kind)));
            }
        })
    };
    Kind::new(read_credential, schema)
}

fn read_credential(binder: &mut Binder, field: Field<'_>) -> Option<Located<Credential>> {
    let kinds = list_keywords::<CredentialKind>();
    let help = format!("write one of {kinds} as its only key");
    let entries = match &field.node.content {
        Content::Map(entries) => entries,
        Content::Text { text, .. } => {
            let message = format!("{} must be a credential, not a string", field.title());
            // The name of a kind is not a secret; anything else may be one.
            let kind = find_keyword::<CredentialKind>(text);
            let help = kind.map_or(help, |kind| {
                format!("write `{}: {{ {kind}: {{ }} }}` with its keys", field.name)
            });
            if kind.is_some() {
                binder.hidden.reveal(field.node.span);
            }
            return binder.refuse(field.node.span, message, help);
        }
        _ => return binder.wrong_type(field, "a credential", &help),
    };
    let [entry] = entries.as_slice() else {
        let count = entries.len();
        let message = format!("{} has {count} kinds of credential", field.title());
        return binder.refuse(field.key, message, help);
    };
    let Some(kind) = find_keyword::<CredentialKind>(&entry.key) else {
        let words = CredentialKind::ALL.iter().map(|kind| kind.keyword());
        let known: Vec<&str> = words.collect();
        binder.unknown_key(entry, "a credential", &known);
        return None;
    };
    let value = of_kind(kind).read(binder, Field::from_entry(entry))?;
    Some(Located::new(value, entry.key.span))
}

fn of_kind(kind: CredentialKind) -> Kind<Credential> {
    match kind {
        CredentialKind::ClientSecret => map_of(
            "{ client: APPLICATION ID, secret: { env: NAME } }",
            client_secret,
        ),
        CredentialKind::Token => secret().value().map(Credential::Token),
        CredentialKind::TokenCommand => token_command(),
        CredentialKind::AzureCli => map_of("{ }", |_| Some(Credential::AzureCli)),
        CredentialKind::WorkloadIdentity => map_of("{ }", workload_identity),
        CredentialKind::ManagedIdentity => map_of("{ }", managed_identity),
        CredentialKind::AzurePipelines => map_of(
            "{ client: APPLICATION ID, service-connection: SERVICE CONNECTION ID }",
            azure_pipelines,
        ),
        CredentialKind::GithubOidc => map_of("{ client: APPLICATION ID }", github_oidc),
    }
}

fn client(keys: &mut Keys<'_>) -> Option<Uuid> {
    let kind = guid().value().with_example("APPLICATION ID");
    keys.required("client", "The application's id.", &kind)
}

fn client_secret(keys: &mut Keys<'_>) -> Option<Credential> {
    let client = client(keys);
    let documentation = "Where the application's secret is.";
    let secret = keys.required("secret", documentation, &secret().value());
    Some(Credential::ClientSecret {
        client: client?,
        secret: secret?,
    })
}

fn workload_identity(keys: &mut Keys<'_>) -> Option<Credential> {
    let documentation = "The application's id; else `AZURE_CLIENT_ID`.";
    let client = keys.optional("client", documentation, &guid().value());
    let documentation =
        "The token's file, relative to the runbook; else `AZURE_FEDERATED_TOKEN_FILE`.";
    let token_file = keys.optional("token-file", documentation, &text().value());
    Some(Credential::WorkloadIdentity {
        client: client?,
        token_file: token_file?,
    })
}

fn managed_identity(keys: &mut Keys<'_>) -> Option<Credential> {
    let documentation = "The client id of a user-assigned identity; else the machine's own.";
    let client = keys.optional("client", documentation, &guid().value());
    Some(Credential::ManagedIdentity { client: client? })
}

fn azure_pipelines(keys: &mut Keys<'_>) -> Option<Credential> {
    let client = client(keys);
    let documentation = "The service connection's id.";
    let kind = text().value().with_example("SERVICE CONNECTION ID");
    let service_connection = keys.required("service-connection", documentation, &kind);
    let documentation = "Where the job's access token is.";
    let job_token = Secret::Variable(PIPELINES_TOKEN.to_owned());
    let access_token = keys.with_default("access-token", documentation, &secret(), job_token);
    Some(Credential::AzurePipelines {
        client: client?,
        service_connection: service_connection?,
        access_token: access_token?.value,
    })
}

fn github_oidc(keys: &mut Keys<'_>) -> Option<Credential> {
    let client = client(keys);
    let documentation = "The audience that the application's federated credential names.";
    let default = GITHUB_AUDIENCE.to_owned();
    let audience = keys.with_default("audience", documentation, &text(), default);
    Some(Credential::GithubOidc {
        client: client?,
        audience: audience?.value,
    })
}

fn token_command() -> Kind<Credential> {
    let read = |binder: &mut Binder, field: Field<'_>| match &field.node.content {
        Content::List(items) if items.is_empty() => {
            let help = "write at least the program: `[./token.sh]`";
            binder.refuse(field.span(), "`token-command` has no program", help)
        }
        Content::List(_) => {
            let words = texts().read(binder, field)?.into_iter();
            let words = words.map(|word| word.value).collect();
            Some(Credential::TokenCommand(words))
        }
        _ => {
            let help = "write the program and its arguments as a list: `[./token.sh, lcs]`";
            binder.wrong_type(field, "a list", help)
        }
    };
    Kind::new(read, some_texts)
}
