//! The tenant's directory: who can sign in, and what stands in their way. Objects of the world, so
//! that a rehearsal can begin with any of it.
//!
//! `principal/<application id or sign-in name>`, with these members:
//!
//! - `kind`: `application` or `person`; `object`: its id in the directory; `name`.
//! - `administrator`: registered as a management application, or Power Platform Administrator.
//! - `hindrance`: `disabled`, `secret-ended`, `multi-factor`, `blocked` or `challenged`.
//! - `federated`: of an application, whose assertions it trusts: `issuer`, `subject`, `audience`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::rehearsal::world::store::Draft;

/// Who can sign in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Principal {
    /// A person or an application.
    pub(crate) kind: Kind,
    /// Its id in the directory.
    pub(crate) object: String,
    /// Its name for people.
    pub(crate) name: String,
    /// May it use the admin APIs?
    #[serde(default)]
    pub(crate) administrator: bool,
    /// What stands in its way.
    #[serde(default)]
    pub(crate) hindrance: Option<Hindrance>,
    /// Whose assertions it trusts.
    #[serde(default)]
    pub(crate) federated: Vec<Federated>,
}

/// What a principal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// An application: its tokens are app-only.
    #[default]
    Application,
    /// A person: tokens are delegated to whatever program asks for them.
    Person,
}

/// What stands in the way of somebody who would sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Hindrance {
    /// The application or the account is disabled.
    Disabled,
    /// The application's secret has expired.
    SecretEnded,
    /// The person must prove itself by a second factor.
    MultiFactor,
    /// Conditional access: no token is issued.
    Blocked,
    /// Conditional access: services ask for more than the token proves.
    Challenged,
}

/// A federated credential: whose assertions are trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Federated {
    /// Who has issued them.
    pub(crate) issuer: String,
    /// About whom.
    pub(crate) subject: String,
    /// For whom.
    pub(crate) audience: String,
}

/// The key of a principal: an application's id, or a person's sign-in name.
pub(crate) fn key(name: &str) -> String {
    format!("principal/{}", name.to_lowercase())
}

/// The principal of a name, if the directory has it.
pub(crate) fn principal(draft: &Draft<'_>, name: &str) -> Option<Principal> {
    let value = draft.get(&key(name))?;
    Principal::deserialize(value).ok()
}

/// Sets a principal.
pub(crate) fn plant(draft: &mut Draft<'_>, name: &str, principal: &Principal) {
    let value = serde_json::to_value(principal).unwrap_or(Value::Null);
    draft.put(key(name), value);
}
