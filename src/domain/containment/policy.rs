//! What the runbook wants for a surface: is it allowed, replaced, kept or closed? The only place
//! that reads the runbook's `purpose` and `containment`.

use std::collections::BTreeSet;

use wildmatch::WildMatch;

use super::hosts::{hosts_in, is_whole};
use crate::domain::flows::reach::hosts_of_replacement;
use crate::domain::flows::{for_message, replaced};
use crate::domain::source_references::SourceReferences;
use crate::runbook::{
    Callbacks, Containment, Keyword as _, Located, OffOrKeep, ParameterSource, PlugIns, Purpose,
    ResolvedContainment, Runbook, WaitingJobs,
};

/// What the runbook wants.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    written: Containment,
    resolved: ResolvedContainment,
}

/// What the runbook's `allow` and `replace` say about one text with which something acts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Treatment {
    /// It may act; the entry that allows it.
    Allowed(String),
    /// It holds a replacement already, and nothing that is still to be replaced; the replacement.
    Replaced(String),
    /// It must be replaced by this text; how, in words.
    Replace {
        /// The whole new text.
        text: String,
        /// `shop.contoso.com by shop-uat.contoso.com`.
        how: String,
    },
    /// The runbook says nothing about it.
    Nothing,
}

/// A text with which something acts (an address, a definition), and what is known about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ActingText<'t> {
    /// The text.
    pub(crate) text: &'t str,
    /// The hosts that it names.
    pub(crate) hosts: &'t BTreeSet<String>,
    /// What names production.
    pub(crate) references: &'t SourceReferences,
    /// Has this run replaced something in it already?
    pub(crate) is_replaced: bool,
}

impl Policy {
    /// The policy of a runbook.
    pub(crate) fn from_runbook(runbook: &Runbook) -> Self {
        Self::new(&runbook.containment, runbook.purpose.value)
    }

    pub(crate) fn new(written: &Containment, purpose: Purpose) -> Self {
        Self {
            written: written.clone(),
            resolved: written.resolved(purpose),
        }
    }

    /// What the target is for.
    pub(crate) fn purpose(&self) -> Purpose {
        self.resolved.purpose
    }

    /// Why a thing that no key of the runbook covers may act, if it may.
    pub(crate) fn keeps_everything(&self) -> Option<String> {
        let purpose = self.purpose();
        purpose
            .is_open()
            .then(|| format!("purpose: {}", purpose.keyword()))
    }

    /// Why mailboxes may send and receive, if they may.
    pub(crate) fn keeps_mailboxes(&self) -> Option<String> {
        let kept = self.resolved.mailboxes == OffOrKeep::Keep;
        self.kept(kept, "mailboxes: keep", self.written.mailboxes.is_some())
    }

    /// Why a mailbox or queue may send and receive, if it may. Takes its name and its address.
    pub(crate) fn keeps_mailbox(&self, name: &str, address: &str) -> Option<String> {
        self.allows_name(name)
            .or_else(|| self.allows_name(address))
            .or_else(|| self.keeps_mailboxes())
    }

    /// Why webhooks and service endpoints may be called, if they may.
    pub(crate) fn keeps_webhooks(&self) -> Option<String> {
        let kept = self.resolved.webhooks == OffOrKeep::Keep;
        self.kept(kept, "webhooks: keep", self.written.webhooks.is_some())
    }

    /// What the run does with the jobs that waited in the source.
    pub(crate) fn jobs(&self) -> WaitingJobs {
        self.resolved.jobs
    }

    /// Why the waiting jobs may run, if they may.
    pub(crate) fn keeps_jobs(&self) -> Option<String> {
        let kept = self.resolved.jobs == WaitingJobs::Keep;
        self.kept(kept, "jobs: keep", self.written.jobs.is_some())
    }

    /// What the run does with plug-in steps whose configuration names production.
    pub(crate) fn plug_ins(&self) -> PlugIns {
        self.resolved.plug_ins
    }

    /// Why such plug-in steps may run, if they may.
    pub(crate) fn keeps_plug_ins(&self) -> Option<String> {
        let kept = self.resolved.plug_ins == PlugIns::Keep;
        self.kept(kept, "plug-ins: keep", self.written.plug_ins.is_some())
    }

    /// What the run does with the copied trigger registrations of flows.
    pub(crate) fn callbacks(&self) -> Callbacks {
        self.resolved.callbacks
    }

    /// Why copied trigger registrations may stay, if they may.
    pub(crate) fn keeps_callbacks(&self) -> Option<String> {
        let kept = self.resolved.callbacks == Callbacks::Keep;
        self.kept(kept, "callbacks: keep", self.written.callbacks.is_some())
    }

    /// Why a provider may get the source's values if the target had none, if it may.
    pub(crate) fn takes_parameters(&self) -> Option<String> {
        let kept = self.resolved.parameters == ParameterSource::Source;
        self.kept(
            kept,
            "parameters: source",
            self.written.parameters.is_some(),
        )
    }

    /// Why a surface of this kind and name may act, if it may. Hosts are not considered: only the
    /// kind knows them.
    pub(crate) fn keeps(&self, kind: &str, name: &str) -> Option<String> {
        self.allows_name(name).or_else(|| match kind {
            "webhook" => self.keeps_webhooks(),
            "plug-in" => self.keeps_plug_ins(),
            "mailbox" | "queue" | "email-server-profile" | "waiting-email" | "sla" => {
                self.keeps_mailboxes()
            }
            "callback" => self.keeps_callbacks(),
            "job" => self.keeps_jobs(),
            "provider-setting" => self.takes_parameters(),
            _ => self.keeps_everything(),
        })
    }

    fn kept(&self, kept: bool, key: &str, is_written: bool) -> Option<String> {
        let by_key = || format!("containment.{key}");
        kept.then(|| {
            self.keeps_everything()
                .filter(|_| !is_written)
                .unwrap_or_else(by_key)
        })
    }

    /// Does the runbook allow anything by its name or its host?
    pub(crate) fn allows_something(&self) -> bool {
        !self.written.allow.is_empty()
    }

    /// The entry of `allow` that names this object, if one does.
    pub(crate) fn allows_name(&self, name: &str) -> Option<String> {
        let entry = self.written.allow.iter().find(|entry| {
            !entry.value.contains("://")
                && WildMatch::new_case_insensitive(&entry.value).matches(name)
        })?;
        Some(allowed_by(&entry.value))
    }

    /// The entry of `allow` that names this host, if one does.
    pub(crate) fn allows_host(&self, host: &str) -> Option<String> {
        let entry = self.written.allow.iter().find(|entry| {
            host_of(&entry.value)
                .is_some_and(|allowed| WildMatch::new_case_insensitive(&allowed).matches(host))
        })?;
        Some(allowed_by(&entry.value))
    }

    /// The entry of `allow` by which a thing may act: one that names it, or one for each host that
    /// it reaches.
    pub(crate) fn allows<'h>(
        &self,
        name: &str,
        hosts: impl IntoIterator<Item = &'h String>,
    ) -> Option<String> {
        self.allows_name(name).or_else(|| {
            let entries: Option<BTreeSet<String>> = hosts
                .into_iter()
                .map(|host| self.allows_host(host))
                .collect();
            let entries = entries?.into_iter().collect::<Vec<_>>();
            (!entries.is_empty()).then(|| entries.join(", "))
        })
    }

    /// The same for a thing that acts by a text: an allowed host does not allow anything else of
    /// production in the same text.
    pub(crate) fn allows_text(&self, name: &str, acting: ActingText<'_>) -> Option<String> {
        self.allows_name(name).or_else(|| {
            let text = self.without_replaced(acting.text);
            let hits = acting.references.hits(&text).into_iter();
            let is_covered = hits.map(|(found, _)| found).all(|found| {
                let host = hosts_in(found).into_iter().next();
                let host = host.unwrap_or_else(|| found.to_owned());
                found.contains('.') && self.allows_host(&host).is_some()
            });
            is_covered.then(|| self.allows(name, acting.hosts))?
        })
    }

    /// The text with each `with` blanked out that contains its own `find` (`shop-uat` contains
    /// `shop`): otherwise a replacement that is already made would look like production.
    pub(crate) fn without_replaced(&self, text: &str) -> String {
        let rules = self.replacements();
        let masks = rules.filter(|(find, with)| with.contains(&find.value));
        masks.fold(text.to_owned(), |text, (_, with)| text.replace(with, " "))
    }

    /// A text with every replacement of the runbook; none if nothing is replaced in it.
    pub(crate) fn replace(&self, text: &str) -> Option<String> {
        let mut new = text.to_owned();
        for (find, with) in self.replacements() {
            new = replaced(&new, &find.value, with).into_owned();
        }
        (new != text).then_some(new)
    }

    /// The texts that `replace` looks for: a text that still contains one names production.
    pub(crate) fn find_texts(&self) -> impl Iterator<Item = &str> {
        self.replacements().map(|(find, _)| find.value.as_str())
    }

    /// The hosts that `replace` puts in production's place.
    pub(crate) fn replacement_hosts(&self) -> BTreeSet<String> {
        self.replacements()
            .flat_map(|(_, with)| hosts_of_replacement(with))
            .collect()
    }

    /// The replacements, in their order: what is found, and what is put there.
    pub(crate) fn replacements(&self) -> impl Iterator<Item = (&Located<String>, &str)> {
        let rules = self.written.replace.iter();
        rules.map(|rule| (&rule.find, rule.with.value.as_str()))
    }

    /// What `allow` and `replace` say about a thing with this name that acts by this text. It is
    /// replaced only if the whole of it is: nothing of production is left in it, and each of its
    /// hosts is one that the runbook puts there or allows. A replacement that would leave something
    /// of production does not count.
    pub(crate) fn treat(&self, name: &str, acting: ActingText<'_>) -> Treatment {
        let text = acting.text;
        if let Some(by) = self.allows_name(name) {
            return Treatment::Allowed(by);
        }
        let is_clean = |text: &str| {
            acting
                .references
                .hits(&self.without_replaced(text))
                .is_empty()
        };
        if let Some(new) = self.replace(text).filter(|new| is_clean(new)) {
            let how = self.rules(|find, _| text.contains(find));
            return Treatment::Replace { text: new, how };
        }
        if let Some(by) = self.allows_text(name, acting) {
            return Treatment::Allowed(by);
        }
        let put = self.replacement_hosts();
        let is_settled = |host: &String| {
            let without_port = host.split(':').next().unwrap_or(host);
            put.contains(host) || put.contains(without_port) || self.allows_host(host).is_some()
        };
        let is_settled = acting.is_replaced || acting.hosts.iter().all(is_settled);
        let how = self.rules(|_, with| {
            !with.is_empty() && (is_whole(text, with) || acting.is_replaced && text.contains(with))
        });
        if is_settled && !how.is_empty() && is_clean(text) {
            Treatment::Replaced(how)
        } else {
            Treatment::Nothing
        }
    }

    /// The rules of `replace` for which this is true of `find` and `with`, in words.
    fn rules(&self, is_meant: impl Fn(&str, &str) -> bool) -> String {
        let rules: Vec<String> = self
            .replacements()
            .map(|(find, with)| (find.value.as_str(), with))
            .filter(|(find, with)| is_meant(find, with))
            .map(|(find, with)| format!("'{}' by '{}'", for_message(find), for_message(with)))
            .collect();
        rules.join(", ")
    }
}

fn allowed_by(entry: &str) -> String {
    format!("containment.allow: {}", for_message(entry))
}

/// The host that an entry of `allow` names, in lower case: an address, or a name with a dot and
/// nothing else that a host cannot have. Whatever has no scheme may be the name of an object too.
fn host_of(entry: &str) -> Option<String> {
    let entry = entry.trim();
    if entry.contains("://") {
        return hosts_in(entry).into_iter().next();
    }
    let is_host = entry.contains('.')
        && !entry.starts_with('.')
        && !entry.ends_with('.')
        && entry
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '*' | ':'));
    is_host.then(|| entry.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::{ContainmentReplacement, Span};

    fn located<T>(value: T) -> Located<T> {
        Located::new(value, Span::default())
    }

    fn policy(purpose: Purpose) -> Policy {
        let containment = Containment {
            allow: [
                "https://api.contoso-test.com",
                "*.internal.contoso.com",
                "Contoso - Night*",
            ]
            .map(|entry| located(entry.to_owned()))
            .into(),
            replace: vec![ContainmentReplacement {
                find: located("shop.contoso.com".to_owned()),
                with: located("shop-uat.contoso.com".to_owned()),
            }],
            ..Containment::default()
        };
        Policy::new(&containment, purpose)
    }

    #[test]
    fn an_entry_is_a_host_or_a_name() {
        let policy = policy(Purpose::Test);
        assert!(policy.allows_host("api.contoso-test.com").is_some());
        assert!(policy.allows_host("a.internal.contoso.com").is_some());
        assert!(policy.allows_host("api.contoso.com").is_none());
        assert!(policy.allows_name("contoso - nightly orders").is_some());
        assert!(policy.allows_name("api.contoso-test.com").is_none());
        let hosts = |list: &[&str]| {
            list.iter()
                .map(|host| (*host).to_owned())
                .collect::<Vec<_>>()
        };
        assert!(
            policy
                .allows("x", &hosts(&["api.contoso-test.com"]))
                .is_some()
        );
        assert!(
            policy
                .allows("x", &hosts(&["api.contoso-test.com", "evil.com"]))
                .is_none()
        );
        assert!(policy.allows("x", &hosts(&[])).is_none());
    }

    /// What a policy says about a text; its `find` texts and these name production.
    fn treat(policy: &Policy, text: &str, references: &[&str], is_replaced: bool) -> Treatment {
        let references = policy.find_texts().chain(references.iter().copied());
        let references =
            SourceReferences::default().with_texts(references.map(str::to_owned).collect());
        let acting = ActingText {
            text,
            hosts: &hosts_in(text),
            references: &references,
            is_replaced,
        };
        policy.treat("Orders", acting)
    }

    /// A policy with one replacement.
    fn replacing(find: &str, with: &str) -> Policy {
        let containment = Containment {
            replace: vec![ContainmentReplacement {
                find: located(find.to_owned()),
                with: located(with.to_owned()),
            }],
            ..Containment::default()
        };
        Policy::new(&containment, Purpose::Test)
    }

    #[test]
    fn a_text_is_replaced_only_if_the_whole_of_it_is() {
        let short = replacing("contoso-prod", "contoso");
        for text in [
            "https://audit.contoso.com/events",
            r#"{"shop":"https://shop.contoso.com"}"#,
            "https://audit.contoso/x",
        ] {
            assert_eq!(
                treat(&short, text, &[], false),
                Treatment::Nothing,
                "{text}"
            );
        }
        // A text that this run wrote counts as replaced, even if the runbook does not name the
        // host.
        let own = treat(&short, "https://contoso.example.com", &[], true);
        assert!(matches!(own, Treatment::Replaced(_)), "{own:?}");

        let shop = replacing("shop.contoso.com", "shop-uat.contoso.com");
        let both = "https://shop-uat.contoso.com https://erp.contoso.com";
        assert_eq!(treat(&shop, both, &[], false), Treatment::Nothing);
        let marked = "https://shop-uat.contoso.com?e=11111111-2222";
        let references = ["11111111-2222"];
        assert_eq!(treat(&shop, marked, &references, false), Treatment::Nothing);
        assert_eq!(treat(&shop, marked, &references, true), Treatment::Nothing);
        let partly = "https://shop.contoso.com?e=11111111-2222";
        assert_eq!(treat(&shop, partly, &references, false), Treatment::Nothing);
        // A replacement may hold what it replaces.
        let longer = replacing("shop", "shop-uat");
        let longer = treat(&longer, "server=shop-uat", &[], false);
        assert!(matches!(longer, Treatment::Replaced(_)), "{longer:?}");
    }

    #[test]
    fn an_allowed_host_allows_nothing_beside_it() {
        let policy = policy(Purpose::Test);
        let text = r#"{"url":"https://api.contoso-test.com","environment":"11111111-2222"}"#;
        let alone = treat(&policy, text, &[], false);
        assert!(matches!(alone, Treatment::Allowed(_)), "{alone:?}");
        let beside = treat(&policy, text, &["11111111-2222"], false);
        assert_eq!(beside, Treatment::Nothing);
        let itself = treat(&policy, text, &["https://api.contoso-test.com"], false);
        assert!(matches!(itself, Treatment::Allowed(_)), "{itself:?}");
    }

    #[test]
    fn a_text_is_allowed_replaced_or_to_be_replaced() {
        let policy = policy(Purpose::Test);
        let treat = |text: &str| treat(&policy, text, &[], false);
        assert_eq!(
            treat("https://shop.contoso.com/hook"),
            Treatment::Replace {
                text: "https://shop-uat.contoso.com/hook".to_owned(),
                how: "'shop.contoso.com' by 'shop-uat.contoso.com'".to_owned(),
            }
        );
        let replaced = treat("https://shop-uat.contoso.com/hook");
        assert!(matches!(replaced, Treatment::Replaced(_)), "{replaced:?}");
        let allowed = treat("https://api.contoso-test.com/hook");
        assert!(matches!(allowed, Treatment::Allowed(_)), "{allowed:?}");
        assert_eq!(treat("https://erp.contoso.com/"), Treatment::Nothing);
    }

    #[test]
    fn a_kept_surface_names_its_key_or_the_purpose() {
        let mut containment = Containment::default();
        let of = |containment: &Containment| {
            Policy::new(containment, Purpose::DisasterRecovery).keeps_mailboxes()
        };
        assert_eq!(
            of(&containment).as_deref(),
            Some("purpose: disaster-recovery")
        );
        containment.mailboxes = Some(located(OffOrKeep::Keep));
        assert_eq!(
            of(&containment).as_deref(),
            Some("containment.mailboxes: keep")
        );
        containment.mailboxes = Some(located(OffOrKeep::Off));
        assert_eq!(of(&containment), None);
        let test = Policy::new(&Containment::default(), Purpose::Test);
        assert_eq!(test.keeps_mailboxes(), None);
        assert_eq!(test.takes_parameters(), None);
    }
}
