//! `identity`, and secrets. Everything under `identity` is hidden from messages until it is bound
//! as what may be shown: a tenant, a client's GUID, a name of a variable, a path.

use std::collections::BTreeMap;

use super::fields::{Fields, unknown_key};
use super::scalar::{guid, text, texts};
use super::{Binder, Field, suggestion};
use crate::runbook::model::endpoints::{Credential, CredentialKind, Identity, ServiceKey};
use crate::runbook::model::secret::Secret;
use crate::runbook::model::words::{Word as _, find, listed};
use crate::runbook::source::Located;
use crate::runbook::tree::{Content, Entry};

/// The audience of Entra's token exchange. Source: Microsoft Learn, workload identity federation.
const GITHUB_AUDIENCE: &str = "api://AzureADTokenExchange";
/// Where Azure Pipelines puts a job's token. Source: Microsoft Learn, predefined variables.
const PIPELINES_TOKEN: &str = "SYSTEM_ACCESSTOKEN";

const SECRET_HELP: &str = "write `{ env: NAME }` or `{ file: PATH }`; a runbook holds no secret";

/// Services that every run speaks to, so that each needs a credential.
const ALWAYS_SPOKEN_TO: [ServiceKey; 5] = [
    ServiceKey::PowerPlatform,
    ServiceKey::Bap,
    ServiceKey::DataverseSource,
    ServiceKey::DataverseTarget,
    ServiceKey::Finops,
];

pub(super) fn identity(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Identity> {
    let help = "write `identity: { tenant: contoso.onmicrosoft.com, default: { … } }`";
    let mut fields = Fields::open(binder, field, help)?;
    let tenant = fields.required(binder, "tenant", "tenant: contoso.onmicrosoft.com", tenant);
    let known: Vec<&str> = ServiceKey::ALL
        .iter()
        .filter(|key| **key != ServiceKey::Authority)
        .map(|key| key.word())
        .chain(["tenant"])
        .collect();
    let mut credentials = BTreeMap::new();
    let mut named = Vec::new();
    let mut right = true;
    for entry in fields.rest() {
        let key = find::<ServiceKey>(&entry.key).filter(|key| *key != ServiceKey::Authority);
        let Some(key) = key else {
            unknown_key(binder, entry, "`identity`", &known);
            right = false;
            continue;
        };
        named.push(key);
        match credential(binder, Field::of(entry)) {
            Some(credential) => {
                credentials.insert(key, credential);
            }
            None => right = false,
        }
    }
    // Where a key is misspelled, it probably is the one that seems to be missing.
    let uncovered = ALWAYS_SPOKEN_TO.iter().find(|key| !named.contains(key));
    if let Some(uncovered) = uncovered
        && right
        && !named.contains(&ServiceKey::Default)
    {
        binder.error(
            fields.span(),
            format!("`identity` has no credential for `{uncovered}`"),
            "write a `default:` credential; it serves every service without its own".to_owned(),
        );
        right = false;
    }
    let tenant = tenant?;
    right.then_some(Identity {
        tenant,
        credentials,
    })
}

/// A tenant by its domain name or its GUID.
fn tenant(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<String>> {
    let value = text(binder, field)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if !value.chars().all(allowed) || !value.contains(['-', '.']) {
        let message = "`tenant` is neither a domain name nor a GUID";
        binder.error(
            value.span,
            message,
            "write it as `contoso.onmicrosoft.com`".to_owned(),
        );
        return None;
    }
    binder.hidden.reveal(value.span);
    Some(value)
}

/// One way to come by a token: a map with one key, which says the kind.
fn credential(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<Credential>> {
    let help = || {
        format!(
            "write one of {} as its only key",
            listed::<CredentialKind>()
        )
    };
    let Content::Map(entries) = &field.node.content else {
        if matches!(field.node.content, Content::Text { .. }) {
            let message = format!("`{}` is a text where a credential belongs", field.name);
            binder.error(field.node.span, message, help());
        } else {
            binder.wrong_kind(field, "a credential", help());
        }
        return None;
    };
    let [entry] = entries.as_slice() else {
        let message = format!("`{}` has {} kinds of credential", field.name, entries.len());
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
        CredentialKind::Token => {
            return secret(binder, field).map(|it| Credential::Token(it.value));
        }
        CredentialKind::TokenCommand => return token_command(binder, field),
        _ => {}
    }
    let mut fields = Fields::open(binder, field, "write its keys as a map")?;
    let client = |binder: &mut Binder<'_>, fields: &mut Fields<'_>| {
        let client = fields.required(binder, "client", "client: APPLICATION ID", guid);
        client.map(|client| client.value)
    };
    let value =
        match kind {
            CredentialKind::ClientSecret => {
                let client = client(binder, &mut fields);
                let secret = fields.required(binder, "secret", "secret: { env: NAME }", secret);
                client
                    .zip(secret)
                    .map(|(client, secret)| Credential::ClientSecret {
                        client,
                        secret: secret.value,
                    })
            }
            CredentialKind::WorkloadIdentity => {
                let client = fields.optional(binder, "client", guid);
                let token_file = fields.optional(binder, "token-file", text);
                client
                    .zip(token_file)
                    .map(|(client, file)| Credential::WorkloadIdentity {
                        client: client.map(|client| client.value),
                        token_file: file.map(|file| file.value),
                    })
            }
            CredentialKind::ManagedIdentity => {
                let client = fields.optional(binder, "client", guid);
                client.map(|client| Credential::ManagedIdentity {
                    client: client.map(|client| client.value),
                })
            }
            CredentialKind::AzurePipelines => {
                let client = client(binder, &mut fields);
                let example = "service-connection: SERVICE CONNECTION ID";
                let connection = fields.required(binder, "service-connection", example, text);
                let job_token =
                    Located::new(Secret::Variable(PIPELINES_TOKEN.to_owned()), field.key);
                let access_token = fields.or(binder, "access-token", job_token, secret);
                client.zip(connection).zip(access_token).map(
                    |((client, connection), access_token)| Credential::AzurePipelines {
                        client,
                        service_connection: connection.value,
                        access_token: access_token.value,
                    },
                )
            }
            CredentialKind::GithubOidc => {
                let client = client(binder, &mut fields);
                let usual = Located::new(GITHUB_AUDIENCE.to_owned(), field.key);
                let audience = fields.or(binder, "audience", usual, text);
                client
                    .zip(audience)
                    .map(|(client, audience)| Credential::GithubOidc {
                        client,
                        audience: audience.value,
                    })
            }
            CredentialKind::AzureCli | CredentialKind::Token | CredentialKind::TokenCommand => {
                Some(Credential::AzureCli)
            }
        };
    fields.close(binder);
    value
}

fn token_command(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Credential> {
    let Content::List(items) = &field.node.content else {
        let help = "write the program and its arguments as a list: `[./token.sh, lcs]`";
        binder.wrong_kind(field, "a list", help.to_owned());
        return None;
    };
    if items.is_empty() {
        let help = "write at least the program: `[./token.sh]`".to_owned();
        binder.error(field.span(), "`token-command` names no program", help);
        return None;
    }
    let words = texts(binder, field)?;
    let words = words.into_iter().map(|word| word.value).collect();
    Some(Credential::TokenCommand(words))
}

/// The place of a secret. What stands here otherwise may be the secret itself, so it is never
/// repeated and never shown, its keys included.
pub(super) fn secret(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<Secret>> {
    let span = field.span();
    let entries: &[Entry] = match &field.node.content {
        Content::Map(entries) => entries,
        Content::Empty | Content::Broken => {
            binder.wrong_kind(field, "a secret's place", SECRET_HELP.to_owned());
            return None;
        }
        Content::Text { .. } | Content::List(_) => {
            binder.hidden.hide(span);
            binder.error(span, "a secret is written out here", SECRET_HELP.to_owned());
            return None;
        }
    };
    let place = match entries {
        [entry] => place(binder, entry),
        _ => None,
    };
    if place.is_none() {
        for entry in entries {
            binder.hidden.hide(entry.key.span);
            binder.hidden.hide_entry(entry, binder.text);
        }
        let help = match entries {
            [entry] if super::nearest(&entry.key, ["env", "file"].into_iter()).is_some() => {
                format!(
                    "{}; {SECRET_HELP}",
                    suggestion(&entry.key, ["env", "file"].into_iter())
                )
            }
            _ => SECRET_HELP.to_owned(),
        };
        let message = format!(
            "`{}` is not a secret's place",
            crate::text::escape(field.name)
        );
        binder.error(field.key, message, help);
    }
    Some(Located::new(place?, span))
}

fn place(binder: &mut Binder<'_>, entry: &Entry) -> Option<Secret> {
    let Content::Text { text: name, .. } = &entry.value.content else {
        return None;
    };
    let secret = match entry.key.value.as_str() {
        "env" if is_variable_name(name) => Secret::Variable(name.clone()),
        "file" if !name.trim().is_empty() => Secret::File(name.into()),
        _ => return None,
    };
    binder.hidden.reveal(entry.value.span);
    Some(secret)
}

/// Letters, digits and underscores, not a digit first: what a shell can set.
fn is_variable_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(allowed) && !name.as_bytes()[0].is_ascii_digit()
}
