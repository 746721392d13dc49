//! `identity` and `endpoints`.

use serde_json::{Map, Value, json};

use super::parts::{Keys, LOOPBACK, defined, guid, origin, some_texts, tenant, text};
use crate::runbook::bind::credential::GITHUB_AUDIENCE;
use crate::runbook::bind::scalar::{HIGHEST_NUMBER, LOWEST_NUMBER};
use crate::runbook::model::endpoints::{
    ALWAYS_SPOKEN_TO, CredentialKind, REHEARSAL_NEEDS, ServiceKey,
};
use crate::runbook::model::environments::Cloud;
use crate::runbook::model::words::Word as _;

pub(super) fn identity() -> Value {
    let mut keys = Keys::new().must(
        "tenant",
        "The Entra tenant: its domain name or its GUID.",
        tenant(),
    );
    for service in ServiceKey::with_credential() {
        let whose = match service {
            ServiceKey::Default => "The credential of every service without one of its own.".into(),
            service => format!("The credential for one service. {}", service.description()),
        };
        keys = keys.may(service.word(), &whose, defined("credential"));
    }
    let mut schema = keys.build();
    let each = ALWAYS_SPOKEN_TO.map(ServiceKey::word);
    schema["anyOf"] = json!([
        { "required": [ServiceKey::Default.word()] },
        { "required": each },
    ]);
    schema
}

/// One way to come by a token: a map with one key, which says the kind.
pub(super) fn credential() -> Value {
    let kinds = CredentialKind::ALL.iter();
    let keys = kinds.fold(Keys::new(), |keys, kind| {
        keys.may(kind.word(), kind.description(), of_kind(*kind))
    });
    keys.exactly_one()
}

fn of_kind(kind: CredentialKind) -> Value {
    let client = "The application's id.";
    let keys = match kind {
        CredentialKind::Token => return defined("secret"),
        CredentialKind::TokenCommand => return some_texts(),
        CredentialKind::AzureCli => Keys::new(),
        CredentialKind::ClientSecret => Keys::new().must("client", client, guid()).must(
            "secret",
            "Where the application's secret is.",
            defined("secret"),
        ),
        CredentialKind::WorkloadIdentity => Keys::new()
            .may(
                "client",
                "The application's id; else `AZURE_CLIENT_ID`.",
                guid(),
            )
            .may(
                "token-file",
                "The token's file, relative to the runbook; else `AZURE_FEDERATED_TOKEN_FILE`.",
                text(),
            ),
        CredentialKind::ManagedIdentity => Keys::new().may(
            "client",
            "The client id of a user-assigned identity; else the machine's own.",
            guid(),
        ),
        CredentialKind::AzurePipelines => Keys::new()
            .must("client", client, guid())
            .must("service-connection", "The service connection's id.", text())
            .may(
                "access-token",
                "Where the job's access token is; else the variable `SYSTEM_ACCESSTOKEN`.",
                defined("secret"),
            ),
        CredentialKind::GithubOidc => Keys::new().must("client", client, guid()).with_default(
            "audience",
            "The audience that the application's federated credential names.",
            GITHUB_AUDIENCE,
            text(),
        ),
    };
    keys.build()
}

/// The place of a secret; a runbook holds no secret.
pub(super) fn secret() -> Value {
    Keys::new()
        .may(
            "env",
            "The environment variable that holds the secret.",
            json!({ "type": ["string", "boolean"], "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" }),
        )
        .may(
            "file",
            "The file that holds the secret, relative to the runbook: one line, readable by its owner alone.",
            text(),
        )
        .exactly_one()
}

pub(super) fn endpoints() -> Value {
    let mut keys = Keys::new();
    for service in ServiceKey::with_address() {
        let description = format!("The address of one service. {}", service.description());
        // Tokens are asked of the authority, not for it: it has no scope.
        let endpoint = match service {
            ServiceKey::Authority => with_url().build(),
            _ => defined("endpoint"),
        };
        keys = keys.may(service.word(), &description, endpoint);
    }
    keys.may(
        "speed",
        "How many times faster than real time the service lives; for a rehearsal tenant only.",
        json!({ "type": "number", "minimum": LOWEST_NUMBER, "maximum": HIGHEST_NUMBER }),
    )
    .build()
}

fn with_url() -> Keys {
    let url = "Its origin: `https://` and the host, and no path. `http:` on loopback only.";
    Keys::new().must("url", url, origin())
}

/// The address of a service that tokens are asked for.
pub(super) fn endpoint() -> Value {
    let scope = "The scope to ask a token for, where it is not the service's usual one.";
    with_url().may("scope", scope, text()).build()
}

/// Beside a real service a speed would only shorten waits: every address must be this machine's.
pub(super) fn speed_is_for_loopback() -> Value {
    let loopback = json!({ "properties": { "url": { "pattern": LOOPBACK } } });
    let services = ServiceKey::with_address();
    let services: Map<String, Value> = services
        .map(|service| (service.word().to_owned(), loopback.clone()))
        .collect();
    json!({
        "if": {
            "required": ["cloud", "endpoints"],
            "properties": {
                "cloud": { "not": { "const": Cloud::Rehearsal.word() } },
                "endpoints": { "type": "object", "required": ["speed"] },
            },
        },
        "then": {
            "properties": { "endpoints": { "minProperties": 2, "properties": services } },
        },
    })
}

/// The rehearsal tenant is either wholly in the process or wholly elsewhere.
pub(super) fn rehearsal_is_whole() -> Value {
    let any = ServiceKey::with_address().map(|service| json!({ "required": [service.word()] }));
    json!({
        "if": {
            "required": ["cloud", "endpoints"],
            "properties": {
                "cloud": { "const": Cloud::Rehearsal.word() },
                "endpoints": { "type": "object", "anyOf": any.collect::<Vec<_>>() },
            },
        },
        "then": {
            "properties": { "endpoints": { "required": REHEARSAL_NEEDS.map(ServiceKey::word) } },
        },
    })
}
