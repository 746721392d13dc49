//! What each step may be told, and what it does when it is told nothing.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::secret::Secret;
use super::words::words;
use crate::runbook::source::Located;

words! {
    /// The API family that the copy is asked of.
    pub enum CopyApi {
        /// The Power Platform API.
        PowerPlatform = "power-platform",
        /// The older admin API.
        Bap = "bap",
    }
}

words! {
    /// What is copied. `minimal` is no choice: it empties orders and products.
    pub enum CopyType {
        /// The admin center's *Everything*.
        Full = "full",
    }
}

words! {
    /// Who does the Finance and Operations half.
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
    /// None: everyone with a licence may enter.
    None,
    /// This one.
    Group(Uuid),
}

/// Options of `copy-environments`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CopyEnvironments {
    /// Which API family is asked: `power-platform`.
    pub api: Located<CopyApi>,
    /// What is copied: `full`.
    #[serde(rename = "type")]
    pub copy_type: Located<CopyType>,
    /// Whether Finance and Operations comes without its transactions: `false`.
    pub transactionless: Located<bool>,
    /// Whether audit logs stay behind: `true`.
    pub skip_audit_data: Located<bool>,
    /// The target's security group: `keep`.
    pub security_group: Located<SecurityGroup>,
    /// Who refreshes Finance and Operations: `automatic`.
    pub finops: Located<FinopsMode>,
}

/// Options of `exit-administration-mode`: none.
#[derive(Debug, Clone, Serialize)]
pub struct ExitAdministrationMode {}

/// Who owns connection references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// A user by user principal name or object id.
    User(String),
    /// A team by name or id.
    Team(String),
}

/// The connection that a reference is wired to.
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

/// Options of `reconfigure-connections`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReconfigureConnections {
    /// Who owns the references; where it is not written, whoever `act-as` names.
    pub owner: Option<Located<Owner>>,
    /// What they are wired to.
    pub connections: ConnectionChoices,
}

/// Which flows are turned on.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TurnOn {
    /// Those that are on in the source.
    AsInSource,
    /// All.
    All,
    /// Those that these globs or workflow ids name.
    Flows(Vec<Located<String>>),
}

/// A text that is replaced inside a flow's definition.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Replacement {
    /// The flow, by glob or workflow id.
    pub flow: Located<String>,
    /// What is looked for.
    pub find: Located<String>,
    /// What stands there afterwards; may be empty.
    pub with: Located<String>,
}

/// Options of `activate-flows`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ActivateFlows {
    /// Which flows are turned on: `as-in-source`.
    pub turn_on: Located<TurnOn>,
    /// Which of them stay as they are, by glob or workflow id.
    pub except: Vec<Located<String>>,
    /// What is replaced inside definitions first.
    pub replace: Vec<Replacement>,
}

words! {
    /// How a provider action is taken out of an orchestration.
    pub enum DetachHow {
        /// The tile stays, its action is emptied.
        Clear = "clear",
        /// The tile goes, and its neighbours are joined.
        RemoveTile = "remove-tile",
    }
}

/// Options of `detach-provider-actions`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DetachProviderActions {
    /// How: `clear`.
    pub how: Located<DetachHow>,
}

/// Which providers are installed again.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderChoice {
    /// Those that were active before.
    PreviouslyActive,
    /// Those of these definitions, by logical name.
    Definitions(Vec<Located<String>>),
}

/// Options of `reinstall-providers`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReinstallProviders {
    /// Which providers: `previously-active`.
    pub providers: Located<ProviderChoice>,
    /// The definitions whose terms are accepted, by logical name.
    pub accept_terms: Vec<Located<String>>,
    /// What the providers' references are wired to.
    pub connections: ConnectionChoices,
    /// Parameters whose value in the target is not the captured one: by definition, then by
    /// parameter. A value may be a secret, so it is never in the runbook.
    pub parameters: BTreeMap<String, BTreeMap<String, Located<Secret>>>,
}

words! {
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

/// Options of `restore-provider-actions`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RestoreProviderActions {
    /// Which orchestrations are published: `previously-published`.
    pub publish: Located<Publish>,
    /// Other names of an action, by the logical name of its logic definition.
    pub aliases: BTreeMap<String, Vec<Located<String>>>,
}

/// How dual-write is linked again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gateway {
    /// By a person.
    Guided,
    /// Through the gateway that Microsoft does not support, as this person knows.
    AcknowledgedBy(String),
}

/// Options of `reconfigure-dual-write`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReconfigureDualWrite {
    /// How: `guided`.
    pub gateway: Located<Gateway>,
}
