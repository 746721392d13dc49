//! What a cloud flow would reach if it were on: the names of production in its definition, and its
//! fixed addresses. The target's own hosts and the texts with which the runbook replaces production
//! do not count.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use super::{FlowDefinition, ForeignDefaults, Unclear, for_message, is_named, replaced};
use crate::base::text::digest;
use crate::clients::Environment;
use crate::domain::RefreshContext;
use crate::domain::containment::Policy;
use crate::domain::containment::hosts::{bare_host, hosts_in};
use crate::domain::environments::host;
use crate::domain::source_references::{SourceReference, SourceReferences, api_host};
use crate::engine::JournalView;
use crate::runbook::Replacement;

/// The beginning of the description of a fixed address.
pub(crate) const FIXED_ADDRESS: &str = "the fixed address";

/// The description of a flow whose definition is missing or cannot be parsed: it is unknown what
/// the flow would do.
pub(crate) const UNREADABLE: &str = "no definition that can be read";

/// What decides how far a flow reaches.
pub(crate) struct ReachRules<'a> {
    /// The runbook's replacements in single flows.
    replacements: &'a [Replacement],
    /// What the runbook allows to act.
    policy: Policy,
    /// What names production.
    references: SourceReferences,
    /// The hosts of the target itself.
    own_hosts: BTreeSet<String>,
    /// The texts of the runbook that hold what they replace: `shop-uat` for `shop`.
    replacement_texts: Vec<String>,
    /// The defaults of environment variables that are production's.
    foreign: ForeignDefaults,
    /// The digest of everything above that decides what a definition names, except the recorded
    /// references.
    digest: [u8; 32],
}

/// Whether a flow may be on, by what it reaches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum FlowReach {
    /// It reaches nothing that matters.
    Nothing,
    /// It may act; which part of the runbook allows it.
    Allowed(String, Vec<SourceReference>),
    /// It reaches only what the runbook replaced production with; what it named before.
    Replaced(Vec<SourceReference>),
    /// It would act on production or on the outside world; on what.
    Held(Vec<SourceReference>),
}

impl FlowReach {
    /// What it would act on although it must not.
    pub(crate) fn into_held(self) -> Vec<SourceReference> {
        match self {
            Self::Held(named) => named,
            _ => Vec::new(),
        }
    }
}

impl<'a> ReachRules<'a> {
    /// Takes what names production.
    pub(crate) fn new(refresh: &'a RefreshContext, references: SourceReferences) -> Self {
        Self::from_parts(
            &refresh.runbook.steps.activate_flows.options.replace,
            Policy::from_runbook(&refresh.runbook),
            references,
            own_hosts(&refresh.target.environment),
        )
    }

    fn from_parts(
        replacements: &'a [Replacement],
        policy: Policy,
        references: SourceReferences,
        own_hosts: BTreeSet<String>,
    ) -> Self {
        let of_flows = replacements
            .iter()
            .map(|it| (&it.find, it.with.value.as_str()));
        let replacement_texts: Vec<String> = of_flows
            .chain(policy.replacements())
            .filter(|(find, with)| with.contains(&find.value))
            .map(|(_, with)| with.to_owned())
            .collect();
        // A default that names production is taken away, and the runbook may allow a variable.
        let is_kept = |name: &str, default: &str| {
            references.hits(default).is_empty() && policy.allows_name(name).is_none()
        };
        let foreign: ForeignDefaults = references
            .new_defaults()
            .filter(|(name, default)| is_kept(name, default))
            .map(|(name, default)| (name.to_owned(), Value::from(default)))
            .collect();
        let given: Vec<&str> = references.given().collect();
        let rules = format!("{given:?}{own_hosts:?}{replacement_texts:?}{foreign:?}");
        let digest = digest(rules.as_bytes());
        Self {
            replacements,
            policy,
            references,
            own_hosts,
            replacement_texts,
            foreign,
            digest,
        }
    }

    /// The reach of a definition once the runbook's replacements are made. Takes the flow's id and
    /// name, and its definition as text.
    pub(crate) fn after_replacement(&self, id: Uuid, name: &str, data: &str) -> FlowReach {
        let now = self.names(data, &BTreeSet::new());
        if now.is_empty() {
            return FlowReach::Nothing;
        }
        if let Some(by) = self.allowed_by(name) {
            return FlowReach::Allowed(by, references(now));
        }
        let data = self.replace(id, name, data);
        let left = self.names(&data, &self.replacement_hosts(id, name));
        if left.is_empty() {
            return FlowReach::Replaced(references(now));
        }
        self.judge(left)
    }

    /// The reach of a definition as it is: only what the runbook allows is left out.
    pub(crate) fn as_it_is(&self, id: Uuid, name: &str, data: &str) -> FlowReach {
        // The hosts that the runbook puts in production's place are allowed wherever they are.
        let now = self.names(data, &self.replacement_hosts(id, name));
        if now.is_empty() {
            return FlowReach::Nothing;
        }
        match self.allowed_by(name) {
            Some(by) => FlowReach::Allowed(by, references(now)),
            None => self.judge(now),
        }
    }

    fn judge(&self, named: Vec<NamedReference>) -> FlowReach {
        let mut by = BTreeSet::new();
        let mut held = Vec::new();
        let mut all = Vec::new();
        for (host, named) in named {
            match host.and_then(|host| self.allows_place(&host)) {
                Some(entry) => drop(by.insert(entry)),
                None => held.push(named.clone()),
            }
            all.push(named);
        }
        if held.is_empty() {
            let by: Vec<String> = by.into_iter().collect();
            return FlowReach::Allowed(by.join(", "), all);
        }
        FlowReach::Held(held)
    }

    /// The entry of `allow` that names a host, or anything else that an address is.
    fn allows_place(&self, place: &str) -> Option<String> {
        let by_name = || {
            let is_name = bare_host(place).is_none();
            is_name.then(|| self.policy.allows_name(place))?
        };
        self.policy.allows_host(place).or_else(by_name)
    }

    fn allowed_by(&self, name: &str) -> Option<String> {
        let kept = self.policy.keeps_everything();
        kept.or_else(|| self.policy.allows_name(name))
    }

    /// The runbook's replacements in this flow alone.
    fn own_replacements(&self, id: Uuid, name: &str) -> impl Iterator<Item = &'a Replacement> {
        let rules = self.replacements.iter();
        rules.filter(move |rule| is_named(&rule.flow.value, id, name))
    }

    /// The definition with every replacement of the runbook that applies to this flow.
    fn replace(&self, id: Uuid, name: &str, data: &str) -> String {
        let mut data = data.to_owned();
        for rule in self.own_replacements(id, name) {
            data = replaced(&data, &rule.find.value, &rule.with.value).into_owned();
        }
        self.policy.replace(&data).unwrap_or(data)
    }

    /// The hosts in the texts that these replacements.
    fn replacement_hosts(&self, id: Uuid, name: &str) -> BTreeSet<String> {
        let mut hosts: BTreeSet<String> = self.policy.replacement_hosts();
        for rule in self.own_replacements(id, name) {
            hosts.extend(hosts_of_replacement(&rule.with.value));
        }
        hosts
    }

    /// The actions of a flow of which it is unclear where they reach, such as those that send to
    /// recipients from rows. After a copy these are production's, and `allow` with a host does not
    /// cover them.
    pub(crate) fn unclear(&self, name: &str, data: &str) -> BTreeMap<String, Unclear> {
        if self.allowed_by(name).is_some() {
            return BTreeMap::new();
        }
        let outside = FlowDefinition::from_text(data).map(|it| it.outside(&self.foreign));
        outside.map(|it| it.unclear).unwrap_or_default()
    }

    /// What of production a definition names, and its fixed addresses except `replacement_hosts`;
    /// each with its host, if it has one, because `allow` names hosts. A definition without such
    /// names is cached as harmless.
    fn names(&self, data: &str, replacement_hosts: &BTreeSet<String>) -> Vec<NamedReference> {
        let key = self.key(data);
        if self.references.is_harmless(&key) {
            return Vec::new();
        }
        let named = self.read_names(data, replacement_hosts);
        if named.is_empty() && replacement_hosts.is_empty() {
            self.references.keep_harmless(key);
        }
        named
    }

    /// The digest of a definition and of what decides what it names.
    fn key(&self, data: &str) -> [u8; 32] {
        digest(&[self.digest.as_slice(), data.as_bytes()].concat())
    }

    fn read_names(&self, data: &str, replacement_hosts: &BTreeSet<String>) -> Vec<NamedReference> {
        let definition = FlowDefinition::from_text(data);
        let text = definition
            .as_ref()
            .map_or_else(|| data.to_owned(), FlowDefinition::own_text);
        let text = self
            .replacement_texts
            .iter()
            .fold(text, |text, mask| text.replace(mask, " "));
        let hits = self.references.hits(&text).into_iter();
        let mut named: Vec<NamedReference> = hits
            // The step itself repoints a flow to the target's custom connectors.
            .filter(|(found, _)| !found.starts_with("shared_"))
            .map(|(found, reference)| {
                let host = found.contains('.').then(|| {
                    let hosts = hosts_in(found).into_iter().next();
                    hosts.unwrap_or_else(|| found.to_owned())
                });
                (host, reference.clone())
            })
            .collect();
        if definition.is_none() {
            let what = UNREADABLE.to_owned();
            let replacement = None;
            named.push((None, SourceReference { what, replacement }));
        }
        let marked: BTreeSet<String> = named.iter().filter_map(|(host, _)| host.clone()).collect();
        let outside = definition.map(|it| it.outside(&self.foreign));
        for address in outside.unwrap_or_default().fixed {
            let host = address.host;
            if self.own_hosts.contains(&host)
                || replacement_hosts.contains(&host)
                || marked.contains(&host)
            {
                continue;
            }
            let mut what = format!(
                "{FIXED_ADDRESS} {} in '{}'",
                for_message(&host),
                address.action
            );
            if let Some(variable) = address.variable {
                what += &format!(
                    ", the default of environment variable '{variable}', which the target did not have"
                );
            }
            named.push((
                Some(host),
                SourceReference {
                    what,
                    replacement: None,
                },
            ));
        }
        named
    }
}

/// What names production in a flow: ids and hosts of the source, the texts that the runbook
/// replaces, and what the first seal adds.
pub(crate) fn production_references(
    refresh: &RefreshContext,
    journal: Option<&JournalView>,
) -> SourceReferences {
    let rules = &refresh.runbook.steps.activate_flows.options.replace;
    let policy = Policy::from_runbook(&refresh.runbook);
    let texts = rules.iter().map(|rule| rule.find.value.as_str());
    let texts = texts.chain(policy.find_texts()).map(str::to_owned);
    let references =
        SourceReferences::between(&refresh.source.environment, &refresh.target.environment)
            .with_texts(texts.collect());
    match journal {
        Some(journal) => references.with_recorded(journal),
        None => references,
    }
}

/// What a definition names, with its host if it is one.
type NamedReference = (Option<String>, SourceReference);

fn references(named: Vec<NamedReference>) -> Vec<SourceReference> {
    named.into_iter().map(|(_, reference)| reference).collect()
}

/// The hosts in a text that the runbook puts in production's place; the text itself, if it has none:
/// it may be a host, or name an account or a channel.
pub(crate) fn hosts_of_replacement(with: &str) -> BTreeSet<String> {
    let mut hosts = hosts_in(with);
    let with = with.trim();
    if hosts.is_empty() && !with.is_empty() {
        hosts.insert(with.to_lowercase());
    }
    hosts
}

/// The hosts of an environment: its Dataverse, by both names, and its Finance and Operations.
fn own_hosts(environment: &Environment) -> BTreeSet<String> {
    let dataverse = environment.dataverse.as_ref();
    let finance = environment.finance_operations.as_ref();
    let dataverse = dataverse.and_then(|it| host(it.url.as_deref()?));
    let finance = finance.and_then(|it| host(it.url.as_deref()?));
    let api = dataverse.as_deref().and_then(api_host);
    [dataverse, api, finance].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runbook::{Containment, ContainmentReplacement, Located, Purpose, Span};

    const FLOW: Uuid = Uuid::from_u128(1);
    const NAME: &str = "Contoso - Nightly orders";

    fn located(text: &str) -> Located<String> {
        Located::new(text.to_owned(), Span::default())
    }

    /// What a flow with an HTTP action to this address reaches, before and after the replacements.
    fn reach(purpose: Purpose, containment: &Containment, uri: &str) -> [FlowReach; 2] {
        let references =
            SourceReferences::default().with_texts(vec!["shop.contoso.com".to_owned()]);
        let own = BTreeSet::from(["uat.crm.dynamics.com".to_owned()]);
        let policy = Policy::new(containment, purpose);
        let rules = ReachRules::from_parts(&[], policy, references, own);
        let data: Value = json!({"properties": {"definition": {"actions": {
            "Call": {"type": "Http", "inputs": {"uri": uri}}}}}});
        let data = data.to_string();
        [
            rules.as_it_is(FLOW, NAME, &data),
            rules.after_replacement(FLOW, NAME, &data),
        ]
    }

    fn is_held(reach: &FlowReach) -> bool {
        matches!(reach, FlowReach::Held(_))
    }

    /// The rules of another target find something else in the same definition.
    #[test]
    fn a_definition_that_names_nothing_is_read_once_by_the_same_rules() {
        let marks = SourceReferences::default();
        let rules = |own: &[&str]| {
            let own = own.iter().map(|host| (*host).to_owned()).collect();
            let policy = Policy::new(&Containment::default(), Purpose::Test);
            ReachRules::from_parts(&[], policy, marks.clone(), own)
        };
        let data: Value = json!({"properties": {"definition": {"actions": {
            "Call": {"type": "Http", "inputs": {"uri": "https://uat.crm.dynamics.com/api"}}}}}});
        let data = data.to_string();
        let is_known = |rules: &ReachRules<'_>| rules.references.is_harmless(&rules.key(&data));
        let ours = rules(&["uat.crm.dynamics.com"]);
        assert!(!is_known(&ours));
        for _ in 0..2 {
            assert_eq!(
                ours.after_replacement(FLOW, NAME, &data),
                FlowReach::Nothing
            );
            assert!(is_known(&ours));
        }
        assert!(is_known(&rules(&["uat.crm.dynamics.com"])));
        let other = rules(&[]);
        for _ in 0..2 {
            assert!(is_held(&other.after_replacement(FLOW, NAME, &data)));
            assert!(!is_known(&other));
        }
    }

    #[test]
    fn a_fixed_address_is_held_unless_it_is_the_targets_own() {
        let closed = |uri: &str| reach(Purpose::Test, &Containment::default(), uri);
        let [now, later] = closed("https://api.partner.example/x");
        assert!(is_held(&now) && is_held(&later), "{now:?}");
        let named = later.into_held().remove(0);
        assert_eq!(
            named.what,
            "the fixed address api.partner.example in 'Call'"
        );
        for own in ["https://uat.crm.dynamics.com/api", "@variables('address')"] {
            assert_eq!(
                closed(own),
                [FlowReach::Nothing, FlowReach::Nothing],
                "{own}"
            );
        }
        let open = Containment::default();
        let [now, _] = reach(
            Purpose::DisasterRecovery,
            &open,
            "https://api.partner.example/x",
        );
        assert!(matches!(now, FlowReach::Allowed(by, _) if by.contains("disaster-recovery")));
    }

    #[test]
    fn a_replaced_text_does_not_count_and_the_text_it_replaces_does() {
        let containment = Containment {
            replace: vec![ContainmentReplacement {
                find: located("shop.contoso.com"),
                with: located("uat-shop.contoso.com"),
            }],
            ..Containment::default()
        };
        let [now, later] = reach(Purpose::Test, &containment, "https://shop.contoso.com/x");
        assert!(
            is_held(&now),
            "a flow that is on is judged as it is: {now:?}"
        );
        assert!(matches!(later, FlowReach::Replaced(_)), "{later:?}");
        let [now, later] = reach(
            Purpose::Test,
            &containment,
            "https://uat-shop.contoso.com/x",
        );
        assert_eq!(now, FlowReach::Nothing);
        assert!(!is_held(&later), "{later:?}");
    }

    #[test]
    fn a_flow_without_a_definition_is_held_unless_it_is_allowed() {
        let of = |containment: &Containment, data: &str| {
            let policy = Policy::new(containment, Purpose::Test);
            let references = SourceReferences::default();
            let rules = ReachRules::from_parts(&[], policy, references, BTreeSet::new());
            rules.after_replacement(FLOW, NAME, data)
        };
        for data in ["", "not JSON"] {
            let reach = of(&Containment::default(), data);
            assert_eq!(reach.into_held().remove(0).what, UNREADABLE);
        }
        let allowed = Containment {
            allow: vec![located(NAME)],
            ..Containment::default()
        };
        assert!(!is_held(&of(&allowed, "")));
        assert_eq!(of(&Containment::default(), "{}"), FlowReach::Nothing);
    }

    #[test]
    fn a_place_without_a_dot_is_allowed_or_replaced_as_it_is_written() {
        let data = |server: &str| {
            let inputs = json!({"parameters": {"server": server}});
            let call = json!({"type": "OpenApiConnection", "inputs": inputs});
            json!({"properties": {"definition": {"actions": {"Call": call}}}}).to_string()
        };
        let of = |containment: &Containment, server: &str| {
            let policy = Policy::new(containment, Purpose::Test);
            let references = SourceReferences::default();
            let rules = ReachRules::from_parts(&[], policy, references, BTreeSet::new());
            rules.after_replacement(FLOW, NAME, &data(server))
        };
        assert!(is_held(&of(&Containment::default(), "SQLPROD01")));
        let allowed = Containment {
            allow: vec![located("SQLPROD01")],
            ..Containment::default()
        };
        assert!(matches!(of(&allowed, "sqlprod01"), FlowReach::Allowed(..)));
        let replaced = Containment {
            replace: vec![ContainmentReplacement {
                find: located("SQLPROD01"),
                with: located("SQLUAT01"),
            }],
            ..Containment::default()
        };
        for server in ["SQLPROD01", "SQLUAT01"] {
            assert!(!is_held(&of(&replaced, server)), "{server}");
        }
    }

    #[test]
    fn a_host_or_a_flow_that_the_runbook_allows_may_act() {
        for entry in ["https://api.partner.example", "Contoso - Night*"] {
            let containment = Containment {
                allow: vec![located(entry)],
                ..Containment::default()
            };
            let [now, later] = reach(Purpose::Test, &containment, "https://api.partner.example/");
            for reach in [now, later] {
                assert!(matches!(&reach, FlowReach::Allowed(by, _) if by.contains("allow")));
            }
        }
        let other = Containment {
            allow: vec![located("https://api.other.example")],
            ..Containment::default()
        };
        let [now, _] = reach(Purpose::Test, &other, "https://api.partner.example/");
        assert!(is_held(&now));
    }
}
