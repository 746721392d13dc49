//! What the refresh is for, and what may act on the outside world from the copy afterwards.

use super::keywords::keywords;
use crate::runbook::grammar::keys::section;
use crate::runbook::grammar::kind::{self, list, texts};
use crate::runbook::grammar::scalars::{any_text, keyword, text};
use crate::runbook::source::Located;

keywords! {
    /// What the target is for after the refresh. It decides what may act on the outside world.
    pub enum Purpose {
        /// Trying things out: nothing of production acts on the outside world.
        Test = "test",
        /// Approval of a change, as for a test: nothing of production acts on the outside world.
        Validation = "validation",
        /// Taking production's place: everything acts as in the source, and all of it is listed.
        DisasterRecovery = "disaster-recovery",
    }
}

keywords! {
    /// Whether things of one kind may act on the outside world.
    pub enum OffOrKeep {
        /// They are turned off.
        Off = "off",
        /// They stay as they are in the source.
        Keep = "keep",
    }
}

keywords! {
    /// What the run does with the jobs that waited in the source.
    pub enum WaitingJobs {
        /// A person decides before background operations are on.
        Ask = "ask",
        /// They are canceled. A canceled job cannot be restored.
        Cancel = "cancel",
        /// They run as soon as background operations are on.
        Keep = "keep",
    }
}

keywords! {
    /// What a provider gets if the target had no value.
    pub enum ParameterSource {
        /// Nothing: a person sets it, or the runbook names the value.
        Target = "target",
        /// The source's value.
        Source = "source",
    }
}

keywords! {
    /// What the run does with plug-in steps whose configuration names production.
    pub enum PlugIns {
        /// They are listed, and stay enabled.
        Report = "report",
        /// They are disabled.
        Off = "off",
        /// They stay enabled on purpose.
        Keep = "keep",
    }
}

keywords! {
    /// What the run does with the copied trigger registrations of flows.
    pub enum Callbacks {
        /// They are listed, and stay.
        Report = "report",
        /// They are deleted. A flow registers again when it is turned on; a deleted row cannot be
        /// restored, because its address cannot be read.
        Remove = "remove",
        /// They stay on purpose.
        Keep = "keep",
    }
}

section! {
    /// A text that is replaced in everything that could reach the outside by it.
    pub struct ContainmentReplacement {
        /// The text to find: usually a host of production.
        "find" find: Located<String> = required(text().with_example("shop.contoso.com"));
        /// The text to put there.
        "with" with: Located<String> = required(any_text().with_example("shop-uat.contoso.com"));
    }
}

section! {
    /// What may act on the outside world from the copy. A key that is not written follows from
    /// `purpose`.
    #[derive(Default)]
    pub struct Containment {
        /// What may act: hosts (`https://api.contoso-test.com`, or with `*`), or names of objects,
        /// in which `*` matches any text.
        "allow" allow: Vec<Located<String>> = or_empty(texts());
        /// What is replaced wherever it occurs, so that a thing reaches the target's partner
        /// instead of production's.
        "replace" replace: Vec<ContainmentReplacement> = or_empty(list(
            kind::section("{ find: OLD, with: NEW }"),
            "write `[{ find: shop.contoso.com, with: shop-uat.contoso.com }]`",
        ));
        /// Mailboxes and e-mail server profiles.
        "mailboxes" mailboxes: Option<Located<OffOrKeep>> = optional(keyword());
        /// Jobs that waited in the source when it was copied.
        "jobs" jobs: Option<Located<WaitingJobs>> = optional(keyword());
        /// Webhooks and service endpoints: the plug-in steps that call them.
        "webhooks" webhooks: Option<Located<OffOrKeep>> = optional(keyword());
        /// Parameters, transformations and connections of providers for which the target had none.
        "parameters" parameters: Option<Located<ParameterSource>> = optional(keyword());
        /// Plug-in steps whose configuration names production.
        "plug-ins" plug_ins: Option<Located<PlugIns>> = optional(keyword());
        /// Trigger registrations of flows that the copy brought, which may call the source's flows.
        "callbacks" callbacks: Option<Located<Callbacks>> = optional(keyword());
    }
}

/// What the runbook wants, with the defaults of its purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolvedContainment {
    /// What the refresh is for.
    pub purpose: Purpose,
    /// Mailboxes and e-mail server profiles.
    pub mailboxes: OffOrKeep,
    /// Jobs that waited in the source.
    pub jobs: WaitingJobs,
    /// Webhooks and service endpoints.
    pub webhooks: OffOrKeep,
    /// What a provider gets if the target had no value.
    pub parameters: ParameterSource,
    /// Plug-in steps whose configuration names production.
    pub plug_ins: PlugIns,
    /// Trigger registrations of flows that the copy brought.
    pub callbacks: Callbacks,
}

impl Purpose {
    /// Does everything act as in the source?
    pub fn is_open(self) -> bool {
        self == Self::DisasterRecovery
    }
}

impl Containment {
    /// Every key with its value: the one that is written, else the default of this purpose.
    pub fn resolved(&self, purpose: Purpose) -> ResolvedContainment {
        fn choose<T: Copy>(written: Option<&Located<T>>, open: T, closed: T, is_open: bool) -> T {
            let default = if is_open { open } else { closed };
            written.map_or(default, |written| written.value)
        }
        let is_open = purpose.is_open();
        let (keep, off) = (OffOrKeep::Keep, OffOrKeep::Off);
        ResolvedContainment {
            purpose,
            mailboxes: choose(self.mailboxes.as_ref(), keep, off, is_open),
            jobs: choose(
                self.jobs.as_ref(),
                WaitingJobs::Keep,
                WaitingJobs::Ask,
                is_open,
            ),
            webhooks: choose(self.webhooks.as_ref(), keep, off, is_open),
            parameters: choose(
                self.parameters.as_ref(),
                ParameterSource::Source,
                ParameterSource::Target,
                is_open,
            ),
            plug_ins: choose(
                self.plug_ins.as_ref(),
                PlugIns::Keep,
                PlugIns::Report,
                is_open,
            ),
            callbacks: choose(
                self.callbacks.as_ref(),
                Callbacks::Keep,
                Callbacks::Report,
                is_open,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::Span;

    #[test]
    fn a_test_is_closed_and_a_recovery_is_open_unless_a_key_says_otherwise() {
        let mut containment = Containment::default();
        for purpose in [Purpose::Test, Purpose::Validation] {
            let closed = containment.resolved(purpose);
            assert_eq!(closed.mailboxes, OffOrKeep::Off);
            assert_eq!(closed.webhooks, OffOrKeep::Off);
            assert_eq!(closed.jobs, WaitingJobs::Ask);
            assert_eq!(closed.parameters, ParameterSource::Target);
            assert_eq!(closed.callbacks, Callbacks::Report);
        }
        let open = containment.resolved(Purpose::DisasterRecovery);
        assert_eq!(open.mailboxes, OffOrKeep::Keep);
        assert_eq!(open.jobs, WaitingJobs::Keep);
        assert_eq!(open.parameters, ParameterSource::Source);
        containment.mailboxes = Some(Located::new(OffOrKeep::Off, Span::default()));
        let open = containment.resolved(Purpose::DisasterRecovery);
        assert_eq!(open.mailboxes, OffOrKeep::Off);
        assert_eq!(open.webhooks, OffOrKeep::Keep);
    }
}
