//! What each step may be told.

use std::collections::BTreeMap;

use super::connections::connections;
use super::fields::Fields;
use super::scalar::{any_text, boolean, guid, parse_guid, text, texts, word};
use super::secret::{as_secret, secret};
use super::{Binder, Field, unknown_choice};
use crate::runbook::model::options::{
    ActivateFlows, ConnectionChoices, CopyApi, CopyEnvironments, CopyType, DetachHow,
    DetachProviderActions, ExitAdministrationMode, FinopsMode, Gateway, ProviderChoice, Publish,
    ReconfigureDualWrite, ReinstallProviders, Replacement, RestoreProviderActions, SecurityGroup,
    TurnOn,
};
use crate::runbook::source::Located;
use crate::runbook::tree::Content;

pub(super) fn copy_environments(
    binder: &mut Binder<'_>,
    fields: &mut Fields<'_>,
) -> Option<CopyEnvironments> {
    let place = fields.span();
    let api = fields.or(
        binder,
        "api",
        Located::new(CopyApi::PowerPlatform, place),
        word,
    );
    let full = Located::new(CopyType::Full, place);
    let copy_type = fields.or(binder, "type", full, copy_type);
    let with_transactions = Located::new(false, place);
    let transactionless = fields.or(binder, "transactionless", with_transactions, boolean);
    let skipped = Located::new(true, place);
    let skip_audit_data = fields.or(binder, "skip-audit-data", skipped, boolean);
    let keep = Located::new(SecurityGroup::Keep, place);
    let security_group = fields.or(binder, "security-group", keep, security_group);
    let automatic = Located::new(FinopsMode::Automatic, place);
    let finops = fields.or(binder, "finops", automatic, word);
    Some(CopyEnvironments {
        api: api?,
        copy_type: copy_type?,
        transactionless: transactionless?,
        skip_audit_data: skip_audit_data?,
        security_group: security_group?,
        finops: finops?,
    })
}

fn copy_type(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<CopyType>> {
    if let Content::Text { text, .. } = &field.node.content
        && text.eq_ignore_ascii_case("minimal")
    {
        binder.error(
            field.node.span,
            "a minimal copy is refused: it empties orders and products in the target",
            "write `full`, which the admin center calls Everything",
        );
        return None;
    }
    if let Content::Text { text, .. } = &field.node.content
        && text.eq_ignore_ascii_case("everything")
    {
        let message = format!(
            "{} is no choice for `type`",
            binder.quoted(field.node.span, text)
        );
        let help = "write `full`, which the admin center calls Everything";
        binder.error(field.node.span, message, help);
        return None;
    }
    word(binder, field)
}

fn security_group(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<SecurityGroup>> {
    let Content::Text { text: given, .. } = &field.node.content else {
        let help = "write `keep`, `none`, or the group's id";
        binder.wrong_kind(field, "a security group", help);
        return None;
    };
    let group = match given.as_str() {
        "keep" => SecurityGroup::Keep,
        "none" => SecurityGroup::None,
        id if parse_guid(id).is_some() => SecurityGroup::Group(guid(binder, field)?.value),
        other => {
            let help = "write `keep`, `none`, or the group's id as a GUID";
            unknown_choice(binder, field, other, &["keep", "none"], help);
            return None;
        }
    };
    Some(Located::new(group, field.node.span))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "every step's options are bound by a function of this form"
)]
pub(super) fn exit_administration_mode(
    _: &mut Binder<'_>,
    _: &mut Fields<'_>,
) -> Option<ExitAdministrationMode> {
    Some(ExitAdministrationMode {})
}

pub(super) fn activate_flows(
    binder: &mut Binder<'_>,
    fields: &mut Fields<'_>,
) -> Option<ActivateFlows> {
    let as_in_source = Located::new(TurnOn::AsInSource, fields.span());
    let turn_on = fields.or(binder, "turn-on", as_in_source, |binder, field| {
        let help = "write `as-in-source`, `all`, or a list of globs and workflow ids";
        let words = ["as-in-source", "all"];
        word_or_list(binder, field, &words, help, |given| match given {
            Given::Word("as-in-source") => Some(TurnOn::AsInSource),
            Given::Word("all") => Some(TurnOn::All),
            Given::Word(_) => None,
            Given::List(flows) => Some(TurnOn::Flows(flows)),
        })
    });
    let except = fields.or(binder, "except", Vec::new(), texts);
    let replace = fields.or(binder, "replace", Vec::new(), |binder, field| {
        let items = binder.items(field, "write `[{ flow: NAME, find: OLD, with: NEW }]`")?;
        let bound: Vec<Option<Replacement>> = items
            .iter()
            .map(|item| replacement(binder, field.item_of_its_own(item)))
            .collect();
        bound.into_iter().collect()
    });
    Some(ActivateFlows {
        turn_on: turn_on?,
        except: except?,
        replace: replace?,
    })
}

fn replacement(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Replacement> {
    let help = "write `{ flow: NAME, find: OLD, with: NEW }`";
    let mut fields = Fields::open_item(binder, field, help)?;
    let flow = fields.required(binder, "flow", "flow: NAME", text);
    let find = fields.required(binder, "find", "find: OLD", text);
    let with = fields.required(binder, "with", "with: NEW", any_text);
    fields.close(binder);
    Some(Replacement {
        flow: flow?,
        find: find?,
        with: with?,
    })
}

pub(super) fn detach_provider_actions(
    binder: &mut Binder<'_>,
    fields: &mut Fields<'_>,
) -> Option<DetachProviderActions> {
    let clear = Located::new(DetachHow::Clear, fields.span());
    let how = fields.or(binder, "how", clear, word);
    Some(DetachProviderActions { how: how? })
}

pub(super) fn reinstall_providers(
    binder: &mut Binder<'_>,
    fields: &mut Fields<'_>,
) -> Option<ReinstallProviders> {
    let previously_active = Located::new(ProviderChoice::PreviouslyActive, fields.span());
    let providers = fields.or(binder, "providers", previously_active, |binder, field| {
        let help = "write `previously-active`, or a list of definitions by logical name";
        let words = ["previously-active"];
        word_or_list(binder, field, &words, help, |given| match given {
            Given::Word("previously-active") => Some(ProviderChoice::PreviouslyActive),
            Given::Word(_) => None,
            Given::List(definitions) => Some(ProviderChoice::Definitions(definitions)),
        })
    });
    let accept_terms = fields.or(binder, "accept-terms", Vec::new(), texts);
    let connections = fields.or(binder, "connections", ConnectionChoices::new(), connections);
    let none = BTreeMap::new();
    let parameters = fields.or(binder, "parameters", none, |binder, field| {
        let help = "write `DEFINITION: { PARAMETER: { env: NAME } }`";
        let entries = binder.entries(field, help)?;
        binder.each(entries, |binder, field| {
            let entries = binder.entries(field, help)?;
            if let Some(secret) = as_secret(field.node) {
                // `PARAMETER: { env: NAME }` without its definition: `env` is no parameter.
                binder.hidden.reveal(secret);
                let name = field.title();
                let message = format!("{name} is a parameter where a definition belongs");
                let help = format!(
                    "write `DEFINITION: {{ {}: {{ env: NAME }} }}`",
                    name.trim_matches('`')
                );
                binder.error(field.key, message, help);
                return None;
            }
            let values = binder.each(entries, |binder, field| {
                Some((field.name.to_owned(), secret(binder, field)?))
            });
            Some((field.name.to_owned(), values?))
        })
    });
    Some(ReinstallProviders {
        providers: providers?,
        accept_terms: accept_terms?,
        connections: connections?,
        parameters: parameters?,
    })
}

pub(super) fn restore_provider_actions(
    binder: &mut Binder<'_>,
    fields: &mut Fields<'_>,
) -> Option<RestoreProviderActions> {
    let previously_published = Located::new(Publish::PreviouslyPublished, fields.span());
    let publish = fields.or(binder, "publish", previously_published, word);
    let none = BTreeMap::new();
    let aliases = fields.or(binder, "aliases", none, |binder, field| {
        let help = "write `LOGIC DEFINITION: [another name of its action]`";
        let entries = binder.entries(field, help)?;
        binder.each(entries, |binder, field| {
            Some((field.name.to_owned(), texts(binder, field)?))
        })
    });
    Some(RestoreProviderActions {
        publish: publish?,
        aliases: aliases?,
    })
}

pub(super) fn reconfigure_dual_write(
    binder: &mut Binder<'_>,
    fields: &mut Fields<'_>,
) -> Option<ReconfigureDualWrite> {
    let guided = Located::new(Gateway::Guided, fields.span());
    let gateway = fields.or(binder, "gateway", guided, gateway);
    Some(ReconfigureDualWrite { gateway: gateway? })
}

fn gateway(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<Gateway>> {
    let help = "write `guided`, or `{ acknowledged-by: NAME }` to use the gateway that Microsoft \
                does not support";
    match &field.node.content {
        Content::Text { text, .. } if text == "guided" => {
            Some(Located::new(Gateway::Guided, field.node.span))
        }
        Content::Map(_) => {
            let mut fields = Fields::open(binder, field, help)?;
            let example = "acknowledged-by: NAME";
            binder.written.gateway = Some(field.key);
            let by = fields.required(binder, "acknowledged-by", example, text);
            fields.close(binder);
            Some(Located::new(Gateway::AcknowledgedBy(by?.value), field.key))
        }
        Content::Text { text, .. } => {
            unknown_choice(binder, field, text, &["guided"], help);
            None
        }
        _ => {
            binder.wrong_kind(field, "`guided` or a map", help);
            None
        }
    }
}

/// What stands where a word or a list may stand.
enum Given<'a> {
    Word(&'a str),
    List(Vec<Located<String>>),
}

/// A word of a few, or a list of texts that is not empty.
fn word_or_list<T>(
    binder: &mut Binder<'_>,
    field: Field<'_>,
    words: &[&str],
    help: &str,
    choose: impl FnOnce(Given<'_>) -> Option<T>,
) -> Option<Located<T>> {
    let chosen = match &field.node.content {
        Content::Text { text, .. } => {
            let chosen = choose(Given::Word(text));
            if chosen.is_none() {
                unknown_choice(binder, field, text, words, help);
            }
            chosen
        }
        Content::List(items) if items.is_empty() => {
            let message = format!("{} lists nothing", field.title());
            let help = format!("{help}; to do nothing, say `skip:` with the reason");
            binder.error(field.node.span, message, help);
            None
        }
        Content::List(_) => choose(Given::List(texts(binder, field)?)),
        _ => {
            binder.wrong_kind(field, "a word or a list", help);
            None
        }
    };
    Some(Located::new(chosen?, field.node.span))
}
