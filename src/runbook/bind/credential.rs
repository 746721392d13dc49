//! The kinds of credential.

use uuid::Uuid;

use super::fields::{Fields, unknown_key};
use super::scalar::{guid, text, texts};
use super::secret::secret;
use super::{Binder, Field};
use crate::runbook::model::endpoints::{Credential, CredentialKind};
use crate::runbook::model::secret::Secret;
use crate::runbook::model::words::{Word as _, find, listed};
use crate::runbook::source::{Located, Span};
use crate::runbook::tree::Content;

/// The audience of Entra's token exchange. Source: Microsoft Learn, workload identity federation.
pub(in crate::runbook) const GITHUB_AUDIENCE: &str = "api://AzureADTokenExchange";
/// Where Azure Pipelines puts a job's token. Source: Microsoft Learn, predefined variables.
const PIPELINES_TOKEN: &str = "SYSTEM_ACCESSTOKEN";

/// One way to come by a token: a map with one key, which says the kind.
pub(super) fn credential(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<Credential>> {
    let help = || {
        format!(
            "write one of {} as its only key",
            listed::<CredentialKind>()
        )
    };
    let Content::Map(entries) = &field.node.content else {
        if let Content::Text { text, .. } = &field.node.content {
            let message = format!("{} is a text where a credential belongs", field.title());
            // A kind's word is no secret; anything else may be one.
            let kind = find::<CredentialKind>(text);
            let help = kind.map_or_else(help, |kind| {
                format!("write `{}: {{ {kind}: {{ }} }}` with its keys", field.name)
            });
            if kind.is_some() {
                binder.hidden.reveal(field.node.span);
            }
            binder.error(field.node.span, message, help);
        } else {
            binder.wrong_kind(field, "a credential", &help());
        }
        return None;
    };
    let [entry] = entries.as_slice() else {
        let message = format!(
            "{} has {} kinds of credential",
            field.title(),
            entries.len()
        );
        binder.error(field.key, message, help());
        return None;
    };
    let Some(kind) = find::<CredentialKind>(&entry.key) else {
        let words = CredentialKind::ALL.iter().map(|kind| kind.word());
        let known: Vec<&str> = words.collect();
        unknown_key(binder, entry, "a credential", &known);
        return None;
    };
    let value = of_kind(binder, kind, Field::of(entry))?;
    Some(Located::new(value, entry.key.span))
}

fn of_kind(binder: &mut Binder<'_>, kind: CredentialKind, field: Field<'_>) -> Option<Credential> {
    match kind {
        CredentialKind::ClientSecret => with_keys(binder, field, client_secret),
        CredentialKind::Token => secret(binder, field).map(|it| Credential::Token(it.value)),
        CredentialKind::TokenCommand => token_command(binder, field),
        CredentialKind::AzureCli => with_keys(binder, field, |_, _, _| Some(Credential::AzureCli)),
        CredentialKind::WorkloadIdentity => with_keys(binder, field, workload_identity),
        CredentialKind::ManagedIdentity => with_keys(binder, field, managed_identity),
        CredentialKind::AzurePipelines => with_keys(binder, field, azure_pipelines),
        CredentialKind::GithubOidc => with_keys(binder, field, github_oidc),
    }
}

/// A credential that has keys of its own; `bind` is also told where the kind stands.
fn with_keys(
    binder: &mut Binder<'_>,
    field: Field<'_>,
    bind: impl FnOnce(&mut Binder<'_>, &mut Fields<'_>, Span) -> Option<Credential>,
) -> Option<Credential> {
    let mut fields = Fields::open(binder, field, "write its keys as a map")?;
    let credential = bind(binder, &mut fields, field.key);
    fields.close(binder);
    credential
}

fn client(binder: &mut Binder<'_>, fields: &mut Fields<'_>) -> Option<Uuid> {
    let client = fields.required(binder, "client", "client: APPLICATION ID", guid)?;
    Some(client.value)
}

fn client_secret(binder: &mut Binder<'_>, fields: &mut Fields<'_>, _: Span) -> Option<Credential> {
    let client = client(binder, fields);
    let secret = fields.required(binder, "secret", "secret: { env: NAME }", secret);
    Some(Credential::ClientSecret {
        client: client?,
        secret: secret?.value,
    })
}

fn workload_identity(
    binder: &mut Binder<'_>,
    fields: &mut Fields<'_>,
    _: Span,
) -> Option<Credential> {
    let client = fields.optional(binder, "client", guid);
    let token_file = fields.optional(binder, "token-file", text);
    Some(Credential::WorkloadIdentity {
        client: client?.map(|client| client.value),
        token_file: token_file?.map(|file| file.value),
    })
}

fn managed_identity(
    binder: &mut Binder<'_>,
    fields: &mut Fields<'_>,
    _: Span,
) -> Option<Credential> {
    let client = fields.optional(binder, "client", guid)?;
    Some(Credential::ManagedIdentity {
        client: client.map(|client| client.value),
    })
}

fn azure_pipelines(
    binder: &mut Binder<'_>,
    fields: &mut Fields<'_>,
    place: Span,
) -> Option<Credential> {
    let client = client(binder, fields);
    let example = "service-connection: SERVICE CONNECTION ID";
    let connection = fields.required(binder, "service-connection", example, text);
    let job_token = Located::new(Secret::Variable(PIPELINES_TOKEN.to_owned()), place);
    let access_token = fields.or(binder, "access-token", job_token, secret);
    Some(Credential::AzurePipelines {
        client: client?,
        service_connection: connection?.value,
        access_token: access_token?.value,
    })
}

fn github_oidc(
    binder: &mut Binder<'_>,
    fields: &mut Fields<'_>,
    place: Span,
) -> Option<Credential> {
    let client = client(binder, fields);
    let usual = Located::new(GITHUB_AUDIENCE.to_owned(), place);
    let audience = fields.or(binder, "audience", usual, text);
    Some(Credential::GithubOidc {
        client: client?,
        audience: audience?.value,
    })
}

fn token_command(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Credential> {
    let Content::List(items) = &field.node.content else {
        let help = "write the program and its arguments as a list: `[./token.sh, lcs]`";
        binder.wrong_kind(field, "a list", help);
        return None;
    };
    if items.is_empty() {
        let help = "write at least the program: `[./token.sh]`";
        binder.error(field.span(), "`token-command` names no program", help);
        return None;
    }
    let words = texts(binder, field)?;
    let words = words.into_iter().map(|word| word.value).collect();
    Some(Credential::TokenCommand(words))
}
