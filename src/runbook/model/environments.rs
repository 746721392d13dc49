//! The environments of a refresh: cloud, source, target, LCS.

use serde_json::json;
use uuid::Uuid;

use super::keywords::{Keyword as _, find_keyword, keywords, list_keywords};
use crate::runbook::grammar::keys::section;
use crate::runbook::grammar::kind::{Kind, map_of};
use crate::runbook::grammar::scalars::{guid, keyword, read_keyword, text, whole_number};
use crate::runbook::source::Located;

keywords! {
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

/// Names that pac has for clouds. Source: the `--cloud` option of `pac auth create`.
pub(in crate::runbook) const PAC_NAMES: [(&str, Cloud); 6] = [
    ("Public", Cloud::Public),
    ("UsGov", Cloud::Gcc),
    ("UsGovHigh", Cloud::GccHigh),
    ("UsGovDod", Cloud::Dod),
    ("China", Cloud::China),
    ("Mooncake", Cloud::China),
];

/// Projects of LCS are numbered in 32 bits.
const HIGHEST_PROJECT: u64 = u32::MAX as u64;

impl Cloud {
    /// The cloud that a word of the runbook or of pac names.
    pub(in crate::runbook) fn by_name(name: &str) -> Option<Self> {
        let by_pac = PAC_NAMES.iter().find(|(pac_name, _)| *pac_name == name);
        by_pac
            .map(|(_, cloud)| *cloud)
            .or_else(|| find_keyword(name))
    }

    /// Every word that names a cloud.
    pub(in crate::runbook) fn names() -> impl Iterator<Item = &'static str> {
        let words = Self::ALL.iter().map(|cloud| cloud.keyword());
        words.chain(PAC_NAMES.iter().map(|(name, _)| *name))
    }
}

/// A cloud, by a word of the runbook or of pac.
pub(super) fn cloud() -> Kind<Located<Cloud>> {
    let kind = keyword::<Cloud>().read_by(|binder, field| {
        let Some(given) = field.text() else {
            return read_keyword(binder, field);
        };
        let Some(cloud) = Cloud::by_name(given) else {
            let names: Vec<&str> = Cloud::names().collect();
            let help = format!("allowed: {}", list_keywords::<Cloud>());
            return binder.unknown_keyword(field, given, &names, &help);
        };
        Some(Located::new(cloud, field.node.span))
    });
    kind.described_by(|| json!({ "enum": Cloud::names().collect::<Vec<_>>() }))
        .with_example("public")
}

/// The environment that is copied.
pub(super) fn source() -> Kind<Located<Uuid>> {
    map_of("{ environment: GUID }", |keys| {
        keys.required("environment", "The source's environment id.", &guid())
    })
}

section! {
    /// The environment that the copy overwrites.
    pub struct Target {
        /// The target's environment id.
        "environment" environment: Located<Uuid> = required(guid());
        /// The target's display name, as the admin center shows it; a run refuses a target with
        /// another name.
        "name" name: Located<String> = required(text().with_example("DISPLAY NAME"));
    }
}

keywords! {
    /// Where the LCS project is: each geography has its own API host. Source: the hosts
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

section! {
    /// The two environments in Lifecycle Services, for a target that LCS manages.
    pub struct Lcs {
        /// The geography of the LCS project.
        "geography" geography: Located<LcsGeography> = with_default(keyword(), LcsGeography::Default);
        /// The LCS project's number.
        "project" project: Located<u64> =
            required(whole_number(1..=HIGHEST_PROJECT).with_example("1234567"));
        /// The LCS environment id of the source: in some tenants a GUID, in others 32 hexadecimal
        /// digits.
        "source" source: Located<String> = required(text().with_example("LCS ENVIRONMENT ID"));
        /// The LCS environment id of the target.
        "target" target: Located<String> = required(text().with_example("LCS ENVIRONMENT ID"));
    }
}
