//! `steps`: the eight, in order, and what each may be told.

use serde_json::{Value, json};

use super::parts::{
    Keys, any_text, by_name, defined, duration, guid, some_texts, text, texts, user, whole,
    word_list, words,
};
use crate::runbook::bind::steps::{ATTEMPTS, CONCURRENCY, MOST_ATTEMPTS, MOST_CONCURRENT};
use crate::runbook::model::endpoints::ServiceKey;
use crate::runbook::model::options::{CopyApi, CopyType, DetachHow, FinopsMode, Publish};
use crate::runbook::model::steps::StepName;
use crate::runbook::model::words::Word as _;

/// A list of exactly eight maps with one key each: the steps in their order.
pub(super) fn steps() -> Value {
    let steps: Vec<Value> = StepName::ALL.iter().copied().map(step).collect();
    json!({
        "type": "array",
        "items": steps,
        "minItems": steps.len(),
        "additionalItems": false,
    })
}

fn step(name: StepName) -> Value {
    let options = common(options(name), name).build();
    let mut item = Keys::new()
        .must(name.word(), name.description(), options)
        .build();
    item["description"] = json!(name.description());
    item
}

/// What every step may be told.
fn common(keys: Keys, name: StepName) -> Keys {
    let (usual, most) = if name.is_one_by_one() {
        (1, 1)
    } else {
        (CONCURRENCY, MOST_CONCURRENT)
    };
    keys.may(
        "skip",
        "Why the step is skipped, in words.",
        json!({
            "type": ["string", "number"],
            "pattern": "\\S",
            "not": { "enum": ["true", "false", "yes", "no"] },
        }),
    )
    .may(
        "timeout",
        "How long one operation at the service may last, such as `45m` or `24h`; else the step's \
         own limit.",
        duration(),
    )
    .with_default(
        "attempts",
        "How many passes a phase gets before what is left has failed.",
        ATTEMPTS,
        whole(1, MOST_ATTEMPTS),
    )
    .with_default(
        "concurrency",
        "How many changes run at once; always 1 where providers are reinstalled and orchestrations \
         published.",
        usual,
        whole(1, most),
    )
}

fn options(name: StepName) -> Keys {
    match name {
        StepName::CopyEnvironments => copy_environments(),
        StepName::ExitAdministrationMode => Keys::new(),
        StepName::ReconfigureConnections => reconfigure_connections(),
        StepName::ActivateFlows => activate_flows(),
        StepName::DetachProviderActions => Keys::new().with_default(
            "how",
            &format!("How an action is taken out: {}.", word_list::<DetachHow>()),
            DetachHow::Clear.word(),
            words::<DetachHow>(),
        ),
        StepName::ReinstallProviders => reinstall_providers(),
        StepName::RestoreProviderActions => restore_provider_actions(),
        StepName::ReconfigureDualWrite => reconfigure_dual_write(),
    }
}

fn copy_environments() -> Keys {
    Keys::new()
        .with_default(
            "api",
            &format!("The API that is asked: {}.", word_list::<CopyApi>()),
            CopyApi::PowerPlatform.word(),
            words::<CopyApi>(),
        )
        .with_default(
            "type",
            "What is copied: `full`, the admin center's Everything. A minimal copy is refused: it \
             empties orders and products.",
            CopyType::Full.word(),
            words::<CopyType>(),
        )
        .with_default(
            "transactionless",
            "Whether Finance and Operations comes without its transactions.",
            false,
            json!({ "type": "boolean" }),
        )
        .with_default(
            "skip-audit-data",
            "Whether audit logs stay behind.",
            true,
            json!({ "type": "boolean" }),
        )
        .with_default(
            "security-group",
            "The target's security group afterwards: `keep` its own, `none`, or a group's GUID.",
            "keep",
            json!({ "anyOf": [{ "enum": ["keep", "none"] }, guid()] }),
        )
        .with_default(
            "finops",
            &format!(
                "Who does the Finance and Operations half: {}.",
                word_list::<FinopsMode>()
            ),
            FinopsMode::Automatic.word(),
            words::<FinopsMode>(),
        )
}

fn reconfigure_connections() -> Keys {
    let owner = Keys::new()
        .may(
            "user",
            "A user by user principal name or object id.",
            user(),
        )
        .may("team", "A team by name or id.", text())
        .exactly_one();
    Keys::new()
        .may(
            "owner",
            "Who owns the connection references; else whoever `act-as` names.",
            owner,
        )
        .may(
            "connections",
            "What references are wired to, by the reference's logical name, else by connector.",
            defined("connections"),
        )
}

/// Connections by reference or connector: a connection id, or an account.
pub(super) fn connections() -> Value {
    let account = Keys::new()
        .must(
            "account",
            "The account whose connection in the target is meant.",
            text(),
        )
        .build();
    let id = json!({
        "type": ["string", "number", "boolean"],
        "pattern": "^[^/\\s\\u0000-\\u001f\\u007f-\\u009f]+$",
    });
    let mut connections = by_name(&json!({ "anyOf": [id, account] }));
    connections["additionalProperties"]["description"] =
        json!("A connection id of the target, or `{ account: NAME@DOMAIN }`.");
    connections
}

fn activate_flows() -> Keys {
    let replacement = Keys::new()
        .must("flow", "The flow, by glob or workflow id.", text())
        .must("find", "What is looked for in its definition.", text())
        .must(
            "with",
            "What stands there afterwards; may be empty.",
            any_text(),
        )
        .build();
    Keys::new()
        .with_default(
            "turn-on",
            "Which flows are turned on: those that are on in the source, all, or a list of globs \
             and workflow ids.",
            "as-in-source",
            json!({ "anyOf": [{ "enum": ["as-in-source", "all"] }, some_texts()] }),
        )
        .with_default(
            "except",
            "Which of them stay as they are, by glob or workflow id; a glob that matches nothing \
             is an error.",
            json!([]),
            texts(),
        )
        .with_default(
            "replace",
            "What is replaced inside flows' definitions before they are turned on.",
            json!([]),
            json!({ "type": "array", "items": replacement }),
        )
}

fn reinstall_providers() -> Keys {
    let parameters = by_name(&by_name(&defined("secret")));
    Keys::new()
        .with_default(
            "providers",
            "Which providers are installed again: those that were active before, or a list of \
             definitions by logical name.",
            "previously-active",
            json!({ "anyOf": [{ "enum": ["previously-active"] }, some_texts()] }),
        )
        .with_default(
            "accept-terms",
            "The definitions whose terms you accept, by logical name; it is recorded who did.",
            json!([]),
            texts(),
        )
        .may(
            "connections",
            "What the providers' references are wired to.",
            defined("connections"),
        )
        .may(
            "parameters",
            "Parameters whose value in the target is not the captured one: by definition, then by \
             parameter. A value may be a secret, so it stands elsewhere.",
            parameters,
        )
}

fn restore_provider_actions() -> Keys {
    Keys::new()
        .with_default(
            "publish",
            &format!(
                "Which orchestrations are published at the end: {}.",
                word_list::<Publish>()
            ),
            Publish::PreviouslyPublished.word(),
            words::<Publish>(),
        )
        .may(
            "aliases",
            "Other names of an action, by the logical name of its logic definition.",
            by_name(&texts()),
        )
}

fn reconfigure_dual_write() -> Keys {
    let acknowledged = Keys::new()
        .must(
            "acknowledged-by",
            "Who knows that Microsoft does not support the gateway's requests.",
            text(),
        )
        .build();
    Keys::new().with_default(
        "gateway",
        "How dual-write is linked again: `guided` by a person, or through the gateway that \
         Microsoft does not support, as somebody acknowledges.",
        "guided",
        json!({ "anyOf": [{ "const": "guided" }, acknowledged] }),
    )
}

/// The unsupported gateway has no address that could be known and takes no other service's token.
pub(super) fn gateway_is_reachable() -> Value {
    let step = StepName::ReconfigureDualWrite.word();
    let service = ServiceKey::DualWrite.word();
    let written = json!({ "type": "object", "required": [service] });
    json!({
        "if": {
            "required": ["steps"],
            "properties": {
                "steps": {
                    "type": "array",
                    "contains": {
                        "type": "object",
                        "required": [step],
                        "properties": {
                            step: {
                                "type": "object",
                                "required": ["gateway"],
                                "properties": { "gateway": { "type": "object" } },
                            },
                        },
                    },
                },
            },
        },
        "then": {
            "required": ["endpoints", "identity"],
            "properties": { "endpoints": written, "identity": written },
        },
    })
}
