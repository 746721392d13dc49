//! The tenant's directory: who can sign in, and what prevents a sign-in. Principals are objects of
//! the world, so that a test can change them.
//!
//! `principal/<application id or sign-in name>`, with these members:
//!
//! - `kind`: `application` or `person`; `object`: its id in the directory; `name`.
//! - `administrator`: registered as a management application, or Power Platform Administrator.
//! - `hindrance`: `disabled`, `secret-ended`, `multi-factor`, `blocked` or `challenged`.
//! - `federated`: the assertions that an application trusts: `issuer`, `subject`, `audience`.

use serde::{Deserialize, Serialize};

use crate::rehearsal::world::store::Draft;

/// A principal: a person or an application that can sign in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Principal {
    /// A person or an application.
    pub(crate) kind: PrincipalKind,
    /// Its id in the directory.
    pub(crate) object: String,
    /// Its display name.
    pub(crate) name: String,
    /// Whether it can use the admin APIs.
    #[serde(default)]
    pub(crate) administrator: bool,
    /// What prevents its sign-in.
    #[serde(default, rename = "hindrance")]
    pub(crate) sign_in_block: Option<SignInBlock>,
    /// The assertions that it trusts.
    #[serde(default)]
    pub(crate) federated: Vec<FederatedCredential>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PrincipalKind {
    /// An application: its tokens are app-only.
    #[default]
    Application,
    /// A person: its tokens are delegated to the program that requests them.
    Person,
}

/// What prevents a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SignInBlock {
    /// The application or the account is disabled.
    Disabled,
    /// The application's secret has expired.
    #[serde(rename = "secret-ended")]
    SecretExpired,
    /// The person must use a second factor.
    MultiFactor,
    /// Conditional access: no token is issued.
    Blocked,
    /// Conditional access: services require more claims than the token has.
    Challenged,
}

/// A federated credential: the assertions that an application trusts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FederatedCredential {
    /// Their issuer.
    pub(crate) issuer: String,
    /// Their subject.
    pub(crate) subject: String,
    /// Their audience.
    pub(crate) audience: String,
}

/// The key of a principal: an application's id, or a person's sign-in name.
pub(crate) fn key(name: &str) -> String {
    format!("principal/{}", name.to_lowercase())
}

/// The principal with a name, if it exists.
pub(crate) fn principal(draft: &Draft<'_>, name: &str) -> Option<Principal> {
    draft.load(&key(name))
}

/// Inserts or replaces a principal.
pub(crate) fn insert(draft: &mut Draft<'_>, name: &str, principal: &Principal) {
    draft.save(key(name), principal);
}
