//! Rules between the sections of a runbook, each as the check of a document and as a part of the
//! schema. They look at what is written, valid or not, so that one mistake does not hide another.

use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::grammar::Field;
use super::grammar::keys::Keys;
use super::grammar::scalars::{LOOPBACK, is_loopback, origin_error, parse_guid};
use super::model::endpoints::{REHEARSAL_NEEDS, ServiceKey};
use super::model::environments::Cloud;
use super::model::keywords::{Keyword as _, find_keyword, quoted_list};
use super::model::request::{IomRequest, Placeholder};
use super::model::steps::StepName;
use super::source::{Located, Span};
use super::tree::{Content, Entry};
use crate::base::suggestions::misspelled;

/// Checks a document against every rule.
pub(super) fn check(keys: &mut Keys<'_>) {
    let written = Written(keys.written());
    if written.cloud() != Some(Cloud::Rehearsal) && written.identity().is_none() {
        let help = "write `identity: { tenant: …, default: { … } }`; only a rehearsal needs none";
        keys.report_missing("identity", help.to_owned());
    }
    let mistakes = [
        same_environment(&written),
        same_lcs_environment(&written),
        speed_beside_a_service(&written),
        incomplete_rehearsal(&written),
        gateway_without_address(&written),
        gateway_without_credential(&written),
        owner_without_user(&written, OWNED[0]),
        owner_without_user(&written, OWNED[1]),
    ];
    if let Some(binder) = keys.binder() {
        for (span, message, help) in mistakes.into_iter().flatten() {
            binder.error(span, message, help);
        }
    }
}

/// The rules as schemas. A schema cannot compare two ids.
pub(super) fn schemas() -> Vec<Value> {
    vec![
        needs_identity(),
        speed_is_for_loopback(),
        rehearsal_is_whole(),
        gateway_is_reachable(),
        owner_has_a_user(OWNED[0]),
        owner_has_a_user(OWNED[1]),
    ]
}

/// A problem, if there is one: its position, the message and the help.
type OptionalProblem = Option<(Span, String, &'static str)>;

/// The entries of a document.
struct Written<'k>(&'k [Entry]);

impl<'k> Written<'k> {
    fn section(&self, name: &str) -> Option<Field<'k>> {
        child(self.0, name)
    }

    /// The cloud, also if its word is misspelled.
    fn cloud(&self) -> Option<Cloud> {
        let given = self.section("cloud")?.text()?;
        Cloud::by_name(given).or_else(|| find_keyword(misspelled(given, Cloud::names())?))
    }

    fn environment(&self, side: &str) -> Option<Located<Uuid>> {
        let field = child(children(self.section(side)?), "environment")?;
        let id = parse_guid(field.text()?).filter(|id| !id.is_nil())?;
        Some(Located::new(id, field.node.span))
    }

    /// The services with an address, each with its place, and whether the address is this
    /// machine's own; nothing if the address is invalid.
    fn services(&self) -> Vec<(ServiceKey, Span, Option<bool>)> {
        let entries = self.section("endpoints").map_or(&[] as &[_], children);
        let services = entries.iter().filter_map(|entry| {
            let service = find_keyword::<ServiceKey>(&entry.key)?;
            let url = child(children(Field::from_entry(entry)), "url").and_then(Field::text);
            let url = url.and_then(|url| Url::parse(url).ok());
            let url = url.filter(|url| origin_error(url).is_none());
            let is_loopback = url.map(|url| is_loopback(&url));
            (service != ServiceKey::Default).then_some((service, entry.key.span, is_loopback))
        });
        services.collect()
    }

    fn identity(&self) -> Option<Field<'k>> {
        self.section("identity")
    }

    /// One of the eight steps.
    fn step(&self, name: StepName) -> Option<Field<'k>> {
        let Content::List(steps) = &self.section("steps")?.node.content else {
            return None;
        };
        steps.iter().find_map(|item| match &item.content {
            Content::Map(entries) => entries
                .first()
                .filter(|first| first.key.value == name.keyword())
                .map(Field::from_entry),
            _ => None,
        })
    }

    /// Where the unsupported gateway is acknowledged.
    fn gateway(&self) -> Option<Span> {
        let step = self.step(StepName::ReconfigureDualWrite)?;
        let gateway = child(children(step), "gateway")?;
        matches!(gateway.node.content, Content::Map(_)).then_some(gateway.key)
    }
}

fn children(field: Field<'_>) -> &[Entry] {
    match &field.node.content {
        Content::Map(entries) => entries,
        _ => &[],
    }
}

fn child<'k>(entries: &'k [Entry], name: &str) -> Option<Field<'k>> {
    let entry = entries.iter().find(|entry| entry.key.value == name)?;
    Some(Field::from_entry(entry))
}

fn same_environment(written: &Written<'_>) -> OptionalProblem {
    let (source, target) = (
        written.environment("source")?,
        written.environment("target")?,
    );
    let message = "source and target are the same environment".to_owned();
    let help = "the copy would destroy its own source: write the target's id";
    (source.value == target.value).then_some((target.span, message, help))
}

fn same_lcs_environment(written: &Written<'_>) -> OptionalProblem {
    let lcs = children(written.section("lcs")?);
    let (source, target) = (child(lcs, "source")?.text()?, child(lcs, "target")?);
    let is_same = !source.trim().is_empty() && source.eq_ignore_ascii_case(target.text()?);
    let message = "source and target are the same LCS environment".to_owned();
    let help = "a refresh would overwrite its own source: write the target's id";
    is_same.then_some((target.node.span, message, help))
}

/// A speed is for a rehearsal tenant: with a real service it would only shorten waits.
fn speed_beside_a_service(written: &Written<'_>) -> OptionalProblem {
    let speed = child(children(written.section("endpoints")?), "speed")?;
    let services = written.services();
    let is_real = |(_, _, is_loopback): &(_, _, Option<bool>)| *is_loopback == Some(false);
    let only_loopback = !services.is_empty() && !services.iter().any(is_real);
    let message = "a speed is only for a rehearsal tenant".to_owned();
    let help = "remove it, or point every endpoint at this machine";
    (written.cloud()? != Cloud::Rehearsal && !only_loopback).then_some((
        speed.span(),
        message,
        help,
    ))
}

fn speed_is_for_loopback() -> Value {
    let loopback = json!({ "properties": { "url": { "pattern": LOOPBACK } } });
    let services = ServiceKey::with_address();
    let services: Map<String, Value> = services
        .map(|service| (service.keyword().to_owned(), loopback.clone()))
        .collect();
    json!({
        "if": {
            "required": ["cloud", "endpoints"],
            "properties": {
                "cloud": { "not": { "const": Cloud::Rehearsal.keyword() } },
                "endpoints": { "type": "object", "required": ["speed"] },
            },
        },
        "then": {
            "properties": { "endpoints": { "minProperties": 2, "properties": services } },
        },
    })
}

/// All endpoints of a rehearsal tenant are in this process, or all are elsewhere.
fn incomplete_rehearsal(written: &Written<'_>) -> OptionalProblem {
    let services = written.services();
    let (_, span, _) = *services.first()?;
    let is_there = |needed: &&ServiceKey| services.iter().any(|(key, ..)| key == *needed);
    let missing = REHEARSAL_NEEDS.iter().filter(|needed| !is_there(needed));
    let missing = quoted_list(missing.map(|key| key.keyword()));
    let message = format!("the endpoints of a rehearsal tenant are missing {missing}");
    let help = "paste the whole block that `iomcopy rehearsal` prints, or remove all";
    (written.cloud()? == Cloud::Rehearsal && !missing.is_empty()).then_some((span, message, help))
}

fn rehearsal_is_whole() -> Value {
    let any = ServiceKey::with_address().map(|service| json!({ "required": [service.keyword()] }));
    json!({
        "if": {
            "required": ["cloud", "endpoints"],
            "properties": {
                "cloud": { "const": Cloud::Rehearsal.keyword() },
                "endpoints": { "type": "object", "anyOf": any.collect::<Vec<_>>() },
            },
        },
        "then": {
            "properties": { "endpoints": { "required": REHEARSAL_NEEDS.map(ServiceKey::keyword) } },
        },
    })
}

/// The unsupported gateway has no known address. The rehearsal tenant in this process brings one.
fn gateway_without_address(written: &Written<'_>) -> OptionalProblem {
    let gateway = written.gateway()?;
    let services = written.services();
    let brings_it = written.cloud() == Some(Cloud::Rehearsal) && services.is_empty();
    let has_it = services
        .iter()
        .any(|(key, ..)| *key == ServiceKey::DualWrite);
    let message = "the gateway has no address".to_owned();
    let help = "write `dual-write: { url: https://HOST }` under `endpoints`";
    (!has_it && !brings_it).then_some((gateway, message, help))
}

/// The unsupported gateway does not accept another service's token. The rehearsal tenant in this
/// process brings one.
fn gateway_without_credential(written: &Written<'_>) -> OptionalProblem {
    let gateway = written.gateway()?;
    let identity = written.identity();
    let brings_it = written.cloud() == Some(Cloud::Rehearsal) && identity.is_none();
    let credential = identity.and_then(|it| child(children(it), ServiceKey::DualWrite.keyword()));
    let message = "the gateway has no credential".to_owned();
    let help = "write `dual-write: { token: { env: NAME } }` under `identity`; the gateway accepts \
                only a user's token";
    (credential.is_none() && !brings_it).then_some((gateway, message, help))
}

/// The requests that may name an owner, each with the step that sends it.
const OWNED: [(IomRequest, StepName); 2] = [
    (
        IomRequest::SavePlatformConnectionReference,
        StepName::ReconfigureConnections,
    ),
    (
        IomRequest::SaveProviderConnectionReference,
        StepName::ReinstallProviders,
    ),
];

/// The owner in a request is the `owner` of step 3, else the user of `act-as`: without both, the
/// request would fail only when it is sent, after the copy.
fn owner_without_user(
    written: &Written<'_>,
    (request, sender): (IomRequest, StepName),
) -> OptionalProblem {
    let requests = child(children(written.section("iom")?), "requests")?;
    let template = children(child(children(requests), request.keyword())?);
    let used = ["path", "body"].into_iter().find_map(|key| {
        let field = child(template, key)?;
        let text = field.text()?;
        text.contains(Placeholder::Owner.keyword())
            .then_some(field.node.span)
    })?;
    let has = |step, key| {
        let step = written.step(step);
        step.is_some_and(|step| child(children(step), key).is_some())
    };
    let is_known =
        written.section("act-as").is_some() || has(StepName::ReconfigureConnections, "owner");
    let message = format!("`{request}` uses `<owner>`, and the runbook names no owner");
    let help = "write `owner` under `reconfigure-connections`, or `act-as`";
    (!is_known && !has(sender, "skip")).then_some((used, message, help))
}

fn owner_has_a_user((request, sender): (IomRequest, StepName)) -> Value {
    let uses = |key: &str| {
        let owner = json!({ "type": "string", "pattern": Placeholder::Owner.keyword() });
        json!({ "required": [key], "properties": { key: owner } })
    };
    let step_has = |step: StepName, key: &str| {
        let options = json!({ "type": "object", "required": [key] });
        let step = json!({
            "type": "object",
            "required": [step.keyword()],
            "properties": { step.keyword(): options },
        });
        let steps = json!({ "type": "array", "contains": step });
        json!({ "required": ["steps"], "properties": { "steps": steps } })
    };
    let template = json!({ "type": "object", "anyOf": [uses("path"), uses("body")] });
    let requests = json!({
        "type": "object",
        "required": [request.keyword()],
        "properties": { request.keyword(): template },
    });
    let iom = json!({
        "type": "object",
        "required": ["requests"],
        "properties": { "requests": requests },
    });
    json!({
        "if": { "required": ["iom"], "properties": { "iom": iom } },
        "then": {
            "anyOf": [
                { "required": ["act-as"] },
                step_has(StepName::ReconfigureConnections, "owner"),
                step_has(sender, "skip"),
            ],
        },
    })
}

fn gateway_is_reachable() -> Value {
    let step = StepName::ReconfigureDualWrite.keyword();
    let service = ServiceKey::DualWrite.keyword();
    let must = |section: &str| {
        let written = json!({ "type": "object", "required": [service] });
        json!({ "required": [section], "properties": { section: written } })
    };
    let in_a_rehearsal = |brought: Value| {
        let cloud = json!({ "cloud": { "const": Cloud::Rehearsal.keyword() } });
        json!({ "required": ["cloud"], "properties": cloud, "allOf": [brought] })
    };
    let no_endpoint =
        json!({ "properties": { "endpoints": { "propertyNames": { "const": "speed" } } } });
    let no_identity = json!({ "not": { "required": ["identity"] } });
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
            "allOf": [
                { "anyOf": [must("endpoints"), in_a_rehearsal(no_endpoint)] },
                { "anyOf": [must("identity"), in_a_rehearsal(no_identity)] },
            ],
        },
    })
}

/// Only a rehearsal needs no identity: it uses the tenant's own application.
fn needs_identity() -> Value {
    json!({
        "if": {
            "required": ["cloud"],
            "properties": { "cloud": { "not": { "const": Cloud::Rehearsal.keyword() } } },
        },
        "then": { "required": ["identity"] },
    })
}
