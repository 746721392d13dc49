//! The options of each step, and their defaults.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::keywords::keywords;
use super::secret::{Secret, secret, secret_name};
use crate::runbook::grammar::keys::{Keys, Optional, Section, section};
use crate::runbook::grammar::kind::{
    self, Kind, by_name, keyword_or_list, keyword_or_map, list, map_of, texts,
};
use crate::runbook::grammar::scalars::{
    any_text, boolean, guid, keyword, parse_guid, read_keyword, text, user,
};
use crate::runbook::grammar::{Binder, Field};
use crate::runbook::source::Located;
use crate::runbook::tree::Content;

keywords! {
    /// The API that starts the copy.
    pub enum CopyApi {
        /// The Power Platform API.
        PowerPlatform = "power-platform",
        /// The older admin API.
        Bap = "bap",
    }
}

keywords! {
    /// What is copied. `minimal` is not allowed: it empties orders and products.
    pub enum CopyType {
        /// The admin center's *Everything*.
        Full = "full",
    }
}

keywords! {
    /// Who refreshes Finance and Operations.
    pub enum FinopsMode {
        /// The program.
        Automatic = "automatic",
        /// A person, by hand in LCS.
        Guided = "guided",
    }
}

/// The security group that the target has after the copy; it is always sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecurityGroup {
    /// The one that it has before.
    Keep,
    /// None: everyone with a licence has access.
    None,
    /// This one.
    Group(Uuid),
}

section! {
    /// Options of `copy-environments`.
    pub struct CopyEnvironments {
        /// The API that starts the copy.
        "api" api: Located<CopyApi> = with_default(keyword(), CopyApi::PowerPlatform);
        /// What is copied; a minimal copy is refused, because it empties orders and products.
        "type" copy_type: Located<CopyType> = with_default(copy_type(), CopyType::Full);
        /// Whether Finance and Operations is copied without its transactions.
        "transactionless" transactionless: Located<bool> = with_default(boolean(), false);
        /// Whether audit logs are left out.
        "skip-audit-data" skip_audit_data: Located<bool> = with_default(boolean(), true);
        /// The target's security group afterwards: `keep` its own, `none`, or a group's GUID.
        "security-group" security_group: Located<SecurityGroup> =
            with_default(security_group(), SecurityGroup::Keep);
        /// Who refreshes Finance and Operations.
        "finops" finops: Located<FinopsMode> = with_default(keyword(), FinopsMode::Automatic);
    }
}

fn copy_type() -> Kind<Located<CopyType>> {
    keyword::<CopyType>().read_by(|binder, field| {
        let given = field.text().unwrap_or_default().to_ascii_lowercase();
        let message = match given.as_str() {
            "minimal" => {
                "a minimal copy is refused: it empties orders and products in the target".to_owned()
            }
            "everything" => {
                let subject = binder.subject(field.node.span, field.text()?);
                format!("{subject} is not a valid value for `type`")
            }
            _ => return read_keyword(binder, field),
        };
        let help = "write `full`, which the admin center calls Everything";
        binder.refuse(field.node.span, message, help)
    })
}

fn security_group() -> Kind<Located<SecurityGroup>> {
    let read = |binder: &mut Binder, field: Field<'_>| {
        let help = "write `keep`, `none`, or the group's id as a GUID";
        let group = match field.text() {
            Some("keep") => SecurityGroup::Keep,
            Some("none") => SecurityGroup::None,
            Some(id) if parse_guid(id).is_some() => {
                SecurityGroup::Group(guid().read(binder, field)?.value)
            }
            Some(other) => return binder.unknown_keyword(field, other, &["keep", "none"], help),
            None => return binder.wrong_type(field, "a security group", help),
        };
        Some(Located::new(group, field.node.span))
    };
    Kind::new(
        read,
        || json!({ "anyOf": [{ "enum": ["keep", "none"] }, guid().schema()] }),
    )
}

/// Options of `exit-administration-mode`: none.
#[derive(Debug, Clone, Serialize)]
pub struct ExitAdministrationMode {}

impl Section for ExitAdministrationMode {
    fn visit(_: &mut Keys<'_>) -> Option<Self> {
        Some(Self {})
    }
}

/// The owner of connection references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// A user by user principal name or object id.
    User(String),
    /// A team by name or id.
    Team(String),
}

/// The connection that a reference is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionChoice {
    /// A connection of the target by its id.
    Id(String),
    /// The target's connection of this account.
    Account(String),
}

/// Connections, by the reference's logical name, else by connector.
pub type ConnectionChoices = BTreeMap<String, Located<ConnectionChoice>>;

section! {
    /// Options of `reconfigure-connections`.
    pub struct ReconfigureConnections {
        /// The owner of the connection references; by default the user of `act-as`.
        "owner" owner: Option<Located<Owner>> = optional(owner());
        /// The connections of the references, by the reference's logical name, else by connector.
        "connections" connections: ConnectionChoices = or_empty(connections());
    }
}

fn owner() -> Kind<Located<Owner>> {
    let read = |binder: &mut Binder, field: Field<'_>| {
        let help = "write `owner: { user: NAME@DOMAIN }` or `owner: { team: NAME }`";
        if field.text().is_some() {
            return binder.wrong_type(field, "a user or a team", help);
        }
        Keys::read(binder, field, help, |keys| {
            let (user, team) = visit_owner(keys);
            let owner = match (user?, team?) {
                (Some(user), None) => return Some(Owner::User(user.value)),
                (None, Some(team)) => return Some(Owner::Team(team.value)),
                (Some(_), Some(_)) => "`owner` has both a user and a team",
                // A misspelled key is reported; it is why there is neither.
                (None, None) if keys.has_unknown() => return None,
                (None, None) => "`owner` has neither a user nor a team",
            };
            let span = keys.span();
            keys.binder()?.refuse(span, owner, help)
        })
    };
    let schema = || {
        Keys::describe_one(&|keys| {
            visit_owner(keys);
        })
    };
    Kind::new(read, schema).at_key()
}

fn visit_owner(keys: &mut Keys<'_>) -> (Optional<Located<String>>, Optional<Located<String>>) {
    let documentation = "A user by user principal name or object id.";
    let user = keys.optional("user", documentation, &user());
    let team = keys.optional("team", "A team by name or id.", &text());
    (user, team)
}

/// Connections by reference or connector: a connection id, or `{ account: … }`.
fn connections() -> Kind<ConnectionChoices> {
    connections_in_full().defined_as("connections")
}

/// The same with its whole schema.
pub(in crate::runbook) fn connections_in_full() -> Kind<ConnectionChoices> {
    let account = map_of("{ account: NAME@DOMAIN }", |keys| {
        let documentation = "The account of the target's connection.";
        let kind = text().with_example("NAME@DOMAIN");
        let account = keys.required("account", documentation, &kind)?;
        Some(account.map(ConnectionChoice::Account))
    });
    let described = account.clone();
    let read = move |binder: &mut Binder, field: Field<'_>| match &field.node.content {
        Content::Map(_) => account.read(binder, field),
        _ => read_connection_id(binder, field),
    };
    let schema = move || {
        let id = json!({
            "type": ["string", "number", "boolean"],
            "pattern": "^[^/\\s\\u0000-\\u001f\\u007f-\\u009f]+$",
        });
        json!({
            "anyOf": [id, described.schema()],
            "description": "A connection id of the target, or `{ account: NAME@DOMAIN }`.",
        })
    };
    by_name(
        Kind::new(read, schema),
        "write `shared_bigcommerce: CONNECTION ID`",
    )
}

/// A connection's id is an opaque text; a pasted address of one is the usual mistake.
fn read_connection_id(binder: &mut Binder, field: Field<'_>) -> Option<Located<ConnectionChoice>> {
    let id = text().read(binder, field)?;
    if id.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control()) {
        let message = format!("{} is not a connection id", binder.subject(id.span, &id));
        let help = "write the last part of the connection's address, after the connector's name; \
                    or `{ account: NAME@DOMAIN }`";
        return binder.refuse(id.span, message, help);
    }
    Some(id.map(ConnectionChoice::Id))
}

/// Which flows are turned on.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TurnOn {
    /// Those that are on in the source.
    AsInSource,
    /// All.
    All,
    /// Those that match these globs or workflow ids.
    Flows(Vec<Located<String>>),
}

section! {
    /// A text that is replaced inside a flow's definition.
    pub struct Replacement {
        /// The flow, by glob or workflow id.
        "flow" flow: Located<String> = required(text().with_example("NAME"));
        /// The text to find in its definition.
        "find" find: Located<String> = required(text().with_example("OLD"));
        /// The text to put there; may be empty.
        "with" with: Located<String> = required(any_text().with_example("NEW"));
    }
}

section! {
    /// Options of `activate-flows`.
    pub struct ActivateFlows {
        /// Which flows are turned on: those that are on in the source, all, or a list of globs and
        /// workflow ids.
        "turn-on" turn_on: Located<TurnOn> = with_default(turn_on(), TurnOn::AsInSource);
        /// Which of them stay as they are, by glob or workflow id; a glob that matches nothing is
        /// an error.
        "except" except: Vec<Located<String>> = or_empty(texts());
        /// What is replaced inside flows' definitions before they are turned on.
        "replace" replace: Vec<Replacement> = or_empty(list(
            kind::section("{ flow: NAME, find: OLD, with: NEW }"),
            "write `[{ flow: NAME, find: OLD, with: NEW }]`",
        ));
    }
}

fn turn_on() -> Kind<Located<TurnOn>> {
    keyword_or_list(
        vec![("as-in-source", TurnOn::AsInSource), ("all", TurnOn::All)],
        TurnOn::Flows,
        "write `as-in-source`, `all`, or a list of globs and workflow ids",
    )
}

keywords! {
    /// How a provider action is removed from an orchestration.
    pub enum DetachHow {
        /// The tile stays without its action.
        Clear = "clear",
        /// The tile is removed, and its neighbours are joined.
        RemoveTile = "remove-tile",
    }
}

section! {
    /// Options of `detach-provider-actions`.
    pub struct DetachProviderActions {
        /// How an action is removed.
        "how" how: Located<DetachHow> = with_default(keyword(), DetachHow::Clear);
    }
}

/// Which providers are reinstalled.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderChoice {
    /// Those that were active before.
    PreviouslyActive,
    /// Those of these definitions, by logical name.
    Definitions(Vec<Located<String>>),
}

section! {
    /// Options of `reinstall-providers`.
    pub struct ReinstallProviders {
        /// Which providers are reinstalled: those that were active before, or a list of definitions
        /// by logical name.
        "providers" providers: Located<ProviderChoice> =
            with_default(providers(), ProviderChoice::PreviouslyActive);
        /// The definitions whose terms you accept, by logical name; the state file records who did.
        "accept-terms" accept_terms: Vec<Located<String>> = or_empty(texts());
        /// The connections of the providers' references.
        "connections" connections: ConnectionChoices = or_empty(connections());
        /// Parameters whose value in the target is not the captured one: by definition, then by
        /// parameter. A value may be a secret, so the runbook holds only its place.
        "parameters" parameters: BTreeMap<String, BTreeMap<String, Located<Secret>>> =
            or_empty(parameters());
    }
}

fn providers() -> Kind<Located<ProviderChoice>> {
    keyword_or_list(
        vec![("previously-active", ProviderChoice::PreviouslyActive)],
        ProviderChoice::Definitions,
        "write `previously-active`, or a list of definitions by logical name",
    )
}

fn parameters() -> Kind<BTreeMap<String, BTreeMap<String, Located<Secret>>>> {
    const HELP: &str = "write `DEFINITION: { PARAMETER: { env: NAME } }`";
    let values = by_name(secret(), HELP);
    let of_definition = values.clone().read_by(move |binder, field| {
        let Some(secret) = secret_name(field.node) else {
            return values.read(binder, field);
        };
        // In `PARAMETER: { env: NAME }` the definition is missing: `env` is not a parameter.
        binder.hidden.reveal(secret);
        let name = field.title();
        let message = format!("{name} is a parameter, but a definition is expected here");
        let parameter = name.trim_matches('`');
        let help = format!("write `DEFINITION: {{ {parameter}: {{ env: NAME }} }}`");
        binder.refuse(field.key, message, help)
    });
    by_name(of_definition, HELP)
}

keywords! {
    /// Which orchestrations are published at the end.
    pub enum Publish {
        /// Those that were published before.
        PreviouslyPublished = "previously-published",
        /// All.
        All = "all",
        /// None.
        None = "none",
    }
}

section! {
    /// Options of `restore-provider-actions`.
    pub struct RestoreProviderActions {
        /// Which orchestrations are published at the end.
        "publish" publish: Located<Publish> = with_default(keyword(), Publish::PreviouslyPublished);
        /// Other names of an action, by the logical name of its logic definition.
        "aliases" aliases: BTreeMap<String, Vec<Located<String>>> = or_empty(by_name(
            texts(),
            "write `LOGIC DEFINITION: [another name of its action]`",
        ));
    }
}

/// How dual-write is linked again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gateway {
    /// By a person.
    Guided,
    /// Through the gateway that Microsoft does not support; this person acknowledges that.
    AcknowledgedBy(String),
}

keywords! {
    /// What the run does with dual-write maps that were paused before the copy.
    pub enum PausedMaps {
        /// They stay stopped.
        Leave = "leave",
        /// They run again, without what they had queued.
        Run = "run",
    }
}

section! {
    /// Options of `reconfigure-dual-write`.
    pub struct ReconfigureDualWrite {
        /// How dual-write is linked again: `guided` by a person, or through the gateway that
        /// Microsoft does not support, which a person must acknowledge.
        "gateway" gateway: Located<Gateway> = with_default(gateway(), Gateway::Guided);
        /// What the run does with maps that were paused before the copy.
        "paused-maps" paused_maps: Located<PausedMaps> = with_default(keyword(), PausedMaps::Leave);
    }
}

fn gateway() -> Kind<Located<Gateway>> {
    let acknowledged = map_of("{ acknowledged-by: NAME }", |keys| {
        let documentation =
            "The person who acknowledges that Microsoft does not support the gateway's requests.";
        let kind = text().with_example("NAME");
        let by = keys.required("acknowledged-by", documentation, &kind)?;
        Some(Gateway::AcknowledgedBy(by.value))
    });
    keyword_or_map(
        ("guided", Gateway::Guided),
        acknowledged,
        "`guided` or a map",
        "write `guided`, or `{ acknowledged-by: NAME }` to use the gateway that Microsoft does not \
         support",
    )
}
