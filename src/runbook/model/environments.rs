//! Where the copy comes from and where it goes: cloud, source, target, LCS.

use serde::Serialize;
use uuid::Uuid;

use super::words::words;
use crate::runbook::source::Located;

words! {
    /// The Microsoft cloud that holds both environments.
    pub enum Cloud {
        /// The commercial cloud; pac calls it `Public`.
        Public = "public",
        /// US government community cloud; pac calls it `UsGov`.
        Gcc = "gcc",
        /// US government community cloud, high; pac calls it `UsGovHigh`.
        GccHigh = "gcc-high",
        /// US Department of Defense; pac calls it `UsGovDod`.
        Dod = "dod",
        /// China, run by 21Vianet; also `Mooncake`.
        China = "china",
        /// The built-in stand-in: no cloud at all.
        Rehearsal = "rehearsal",
    }
}

/// The environment that the copy destroys and fills anew.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Target {
    /// Its environment id.
    pub environment: Located<Uuid>,
    /// Its display name, as the admin center shows it; a run refuses a target of another name.
    pub name: Located<String>,
}

words! {
    /// Where the LCS project lives: each geography has an API host of its own. Source: the hosts
    /// of Microsoft's LCS API pages and of the community tool d365fo.tools.
    pub enum LcsGeography {
        /// `lcsapi.lcs.dynamics.com`, for every project outside the geographies below.
        Default = "default",
        /// The European Union.
        Eu = "eu",
        /// France.
        Fr = "fr",
        /// South Africa.
        Sa = "sa",
        /// The United Arab Emirates.
        Uae = "uae",
        /// Switzerland.
        Ch = "ch",
        /// Norway.
        No = "no",
        /// China.
        China = "china",
        /// The US government cloud.
        Gov = "gov",
    }
}

/// The pair of environments in Lifecycle Services, for a target that LCS manages.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lcs {
    /// Where the project lives.
    pub geography: Located<LcsGeography>,
    /// The project's number.
    pub project: Located<u64>,
    /// The LCS environment id of the source: an opaque text, in some tenants a GUID, in others 32
    /// hexadecimal digits.
    pub source: Located<String>,
    /// The LCS environment id of the target.
    pub target: Located<String>,
}
