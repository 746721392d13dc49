//! What the runbook wants of a surface: is it allowed, replaced, kept or closed? The only place
//! that reads the runbook's `purpose` and `containment`.

use std::collections::BTreeSet;

use wildmatch::WildMatch;

use super::hosts::hosts_in;
use crate::domain::flows::reach::hosts_of_replacement;
use crate::domain::flows::{replaced, shown};
use crate::runbook::{
    Callbacks, Containment, Located, OffOrKeep, ParameterSource, PlugIns, Purpose,
    ResolvedContainment, Runbook, WaitingJobs, Word as _,
};

/// What the runbook wants.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    written: Containment,
    resolved: ResolvedContainment,
}

/// What the runbook's `allow` and `replace` say of one text by which something acts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Treatment {
    /// It may act; by which entry.
    Allowed(String),
    /// It holds a replacement already, and nothing that is still to be replaced; which.
    Replaced(String),
    /// It is to be replaced by this text; how, in words.
    Replace {
        /// The whole new text.
        text: String,
        /// `shop.contoso.com by shop-uat.contoso.com`.
        how: String,
    },
    /// The runbook says nothing of it.
    Nothing,
}

impl Policy {
    /// The policy of a runbook.
    pub(crate) fn of(runbook: &Runbook) -> Self {
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

    /// Why a thing for which the runbook has no key of its own may act, if it may.
    pub(crate) fn keeps_everything(&self) -> Option<String> {
        let purpose = self.purpose();
        purpose
            .is_open()
            .then(|| format!("purpose: {}", purpose.word()))
    }

    /// Why mailboxes may send and receive, if they may.
    pub(crate) fn keeps_mailboxes(&self) -> Option<String> {
        let kept = self.resolved.mailboxes == OffOrKeep::Keep;
        self.kept(kept, "mailboxes: keep", self.written.mailboxes.is_some())
    }

    /// Why webhooks and service endpoints may be called, if they may.
    pub(crate) fn keeps_webhooks(&self) -> Option<String> {
        let kept = self.resolved.webhooks == OffOrKeep::Keep;
        self.kept(kept, "webhooks: keep", self.written.webhooks.is_some())
    }

    /// What becomes of the jobs that waited in the source.
    pub(crate) fn jobs(&self) -> WaitingJobs {
        self.resolved.jobs
    }

    /// Why they may run, if they may.
    pub(crate) fn keeps_jobs(&self) -> Option<String> {
        let kept = self.resolved.jobs == WaitingJobs::Keep;
        self.kept(kept, "jobs: keep", self.written.jobs.is_some())
    }

    /// What becomes of plug-in steps whose configuration names production.
    pub(crate) fn plug_ins(&self) -> PlugIns {
        self.resolved.plug_ins
    }

    /// Why they may run, if they may.
    pub(crate) fn keeps_plug_ins(&self) -> Option<String> {
        let kept = self.resolved.plug_ins == PlugIns::Keep;
        self.kept(kept, "plug-ins: keep", self.written.plug_ins.is_some())
    }

    /// What becomes of the trigger registrations of flows that the copy brought.
    pub(crate) fn callbacks(&self) -> Callbacks {
        self.resolved.callbacks
    }

    /// Why they may stay, if they may.
    pub(crate) fn keeps_callbacks(&self) -> Option<String> {
        let kept = self.resolved.callbacks == Callbacks::Keep;
        self.kept(kept, "callbacks: keep", self.written.callbacks.is_some())
    }

    /// Why a provider may get the source's values where the target had none, if it may.
    pub(crate) fn takes_parameters(&self) -> Option<String> {
        let kept = self.resolved.parameters == ParameterSource::Source;
        self.kept(
            kept,
            "parameters: source",
            self.written.parameters.is_some(),
        )
    }

    /// Why a surface of this kind and name may act, if it may; of what a surface reaches, only the
    /// kind itself knows.
    pub(crate) fn keeps(&self, kind: &str, name: &str) -> Option<String> {
        self.allows_name(name).or_else(|| match kind {
            "webhook" => self.keeps_webhooks(),
            "plug-in" => self.keeps_plug_ins(),
            "mailbox" | "queue" | "email-server-profile" | "waiting-email" => {
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

    /// A text with every replacement of the runbook; none where nothing is replaced in it.
    pub(crate) fn replace(&self, text: &str) -> Option<String> {
        let mut new = text.to_owned();
        for rule in &self.written.replace {
            new = replaced(&new, &rule.find.value, &rule.with.value).into_owned();
        }
        (new != text).then_some(new)
    }

    /// The texts that `replace` looks for: whatever still holds one names production.
    pub(crate) fn find_texts(&self) -> impl Iterator<Item = &str> {
        self.written
            .replace
            .iter()
            .map(|rule| rule.find.value.as_str())
    }

    /// The hosts that `replace` puts in production's place.
    pub(crate) fn put_hosts(&self) -> BTreeSet<String> {
        let rules = self.written.replace.iter();
        rules
            .flat_map(|rule| hosts_of_replacement(&rule.with.value))
            .collect()
    }

    /// The replacements, in their order: what is found, and what is put there.
    pub(crate) fn replacements(&self) -> impl Iterator<Item = (&Located<String>, &str)> {
        let rules = self.written.replace.iter();
        rules.map(|rule| (&rule.find, rule.with.value.as_str()))
    }

    /// What `allow` and `replace` say of a thing with this name that acts by this text.
    pub(crate) fn treat(&self, name: &str, text: &str) -> Treatment {
        if let Some(by) = self.allows_name(name) {
            return Treatment::Allowed(by);
        }
        if let Some(new) = self.replace(text) {
            let how = self.rules(|find, _| text.contains(find));
            return Treatment::Replace { text: new, how };
        }
        if let Some(by) = self.allows(name, &hosts_in(text)) {
            return Treatment::Allowed(by);
        }
        let how = self.rules(|_, with| !with.is_empty() && text.contains(with));
        if how.is_empty() {
            Treatment::Nothing
        } else {
            Treatment::Replaced(how)
        }
    }

    /// The rules of `replace` for which this is true of `find` and `with`, in words.
    fn rules(&self, is_meant: impl Fn(&str, &str) -> bool) -> String {
        let rules = self.written.replace.iter();
        let rules: Vec<String> = rules
            .map(|rule| (rule.find.value.as_str(), rule.with.value.as_str()))
            .filter(|(find, with)| is_meant(find, with))
            .map(|(find, with)| format!("'{}' by '{}'", shown(find), shown(with)))
            .collect();
        rules.join(", ")
    }
}

fn allowed_by(entry: &str) -> String {
    format!("containment.allow: {}", shown(entry))
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

    #[test]
    fn a_text_is_allowed_replaced_or_to_be_replaced() {
        let policy = policy(Purpose::Test);
        assert_eq!(
            policy.treat("Orders", "https://shop.contoso.com/hook"),
            Treatment::Replace {
                text: "https://shop-uat.contoso.com/hook".to_owned(),
                how: "'shop.contoso.com' by 'shop-uat.contoso.com'".to_owned(),
            }
        );
        let replaced = policy.treat("Orders", "https://shop-uat.contoso.com/hook");
        assert!(matches!(replaced, Treatment::Replaced(_)), "{replaced:?}");
        let allowed = policy.treat("Orders", "https://api.contoso-test.com/hook");
        assert!(matches!(allowed, Treatment::Allowed(_)), "{allowed:?}");
        assert_eq!(
            policy.treat("Orders", "https://erp.contoso.com/"),
            Treatment::Nothing
        );
    }

    #[test]
    fn what_is_kept_names_its_key_or_the_purpose() {
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
