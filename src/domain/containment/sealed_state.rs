//! The state of a recorded surface now, as the journal and the runbook show it.

use uuid::Uuid;

use super::kind::KINDS;
use super::kinds::{ended_jobs, jobs};
use super::policy::Policy;
use super::sealed::{SealedClosing, SealedSurface};
use super::surface::SurfaceState;
use crate::domain::keys;
use crate::engine::{JournalView, Maker};
use crate::runbook::{Keyword as _, StepName};

impl SealedSurface {
    /// Its state as the journal and the runbook show it now. The tenant may show something else: a
    /// person may have opened it since.
    pub(crate) fn state_now(&self, journal: &JournalView, policy: &Policy) -> SurfaceState {
        if let SurfaceState::Acted(_) = self.state {
            let allowed = self.allowed(policy).map(SurfaceState::Allowed);
            return allowed.unwrap_or_else(|| self.state.clone());
        }
        if self.state != SurfaceState::Open && !self.is_turned_on_since(journal) {
            return self.state.clone();
        }
        if let Some(state) = self.made_by(journal, Maker::Program) {
            return state;
        }
        // Once the runbook allows the thing, the survey does not list the manual task any more
        // either.
        let by_person = self.made_by(journal, Maker::Person);
        let allowed = self
            .allowed(policy)
            .or_else(|| by_person.as_ref().and_then(|_| self.allowed_hosts(policy)));
        if let Some(by) = allowed {
            return SurfaceState::Allowed(by);
        }
        if let Some(state) = by_person {
            return state;
        }
        if let Some(by) = waiver(journal, &self.kind, &self.id) {
            return SurfaceState::Allowed(by);
        }
        match &self.closing {
            SealedClosing::ByStep { step, .. } if self.is_left_off(journal) => {
                SurfaceState::Closed(step.clone())
            }
            _ if self.has_phase_ended(journal) => self
                .ended_by_itself(journal)
                .unwrap_or_else(|| self.state_after()),
            _ => SurfaceState::Open,
        }
    }

    /// Its state if it is a job that ended although this run did not cancel it.
    fn ended_by_itself(&self, journal: &JournalView) -> Option<SurfaceState> {
        let SealedClosing::Change(key) = &self.closing else {
            return None;
        };
        // A request that was sent when the process was killed may have canceled it.
        let is_job = self.kind == jobs::WORD && journal.set_number(key).is_none();
        is_job.then(|| SurfaceState::Acted(ended_jobs::ENDED.to_owned()))
    }

    /// Was it to stay off when it was recorded, and did the run turn it on since? The runbook may have
    /// been changed.
    fn is_turned_on_since(&self, journal: &JournalView) -> bool {
        matches!(self.state, SurfaceState::Closed(_)) && self.is_turned_on(journal)
    }

    /// Is it a cloud flow that the run turned on?
    fn is_turned_on(&self, journal: &JournalView) -> bool {
        let is_made = |id: Uuid| journal.maker(&keys::flow(id)).is_some();
        self.flow().is_some_and(is_made)
    }

    /// The id of the cloud flow, if it is one.
    fn flow(&self) -> Option<Uuid> {
        let id = Uuid::try_parse(&self.id).ok()?;
        (self.kind == FLOW).then_some(id)
    }

    /// Its state if this maker closed it, else `None`.
    fn made_by(&self, journal: &JournalView, maker: Maker) -> Option<SurfaceState> {
        if let Some(flow) = self.flow() {
            // What step 4 turns on names nothing of production any more.
            let is_replaced = journal.maker(&keys::flow_definition(flow)) == Some(maker);
            return (is_replaced && self.is_turned_on(journal))
                .then(|| SurfaceState::Replaced(IN_DEFINITION.to_owned()));
        }
        let own = keys::surface(&self.kind, &self.id);
        let is_made = |key: &str| journal.maker(key) == Some(maker);
        let how = match maker {
            Maker::Program => StepName::ExitAdministrationMode.keyword(),
            Maker::Person => "a person",
        };
        let closed = || Some(SurfaceState::Closed(how.to_owned()));
        match &self.closing {
            SealedClosing::Replace { change, .. } if *change != own && is_made(&own) => closed(),
            SealedClosing::Replace { change, how } if is_made(change) => {
                Some(SurfaceState::Replaced(how.clone()))
            }
            SealedClosing::Change(key) | SealedClosing::Ask(key) if is_made(key) => closed(),
            SealedClosing::ByStep { .. } => {
                let keys = variable_keys(&self.kind, &self.id);
                let is_left =
                    |key: &str| journal.was_asked_for(key) && journal.maker(key).is_none();
                let is_whole = !keys.iter().any(|key| is_left(key));
                let is_any_made = keys.iter().any(|key| is_made(key));
                (is_whole && is_any_made).then(closed).flatten()
            }
            _ => None,
        }
    }

    /// Did the step end that leaves it off or does not take it over? A thing that is off until a
    /// change turns it on stays off until that change is made; everything else needs the step,
    /// which may have been skipped.
    fn is_left_off(&self, journal: &JournalView) -> bool {
        let SealedClosing::ByStep { step, opened_by } = &self.closing else {
            return false;
        };
        let is_opened = opened_by.iter().any(|key| journal.maker(key).is_some());
        let is_off_by_itself = self.kind == FLOW && !opened_by.is_empty();
        !is_opened && (is_off_by_itself || journal.is_step_done(step))
    }

    /// By what the runbook allows it now.
    pub(super) fn allowed(&self, policy: &Policy) -> Option<String> {
        let of_definition = || {
            let (definition, _) = self.name.split_once('/')?;
            let is_setting = self.kind == "provider-setting";
            is_setting.then(|| policy.allows_name(definition)).flatten()
        };
        let of_address = || {
            let (_, address) = self.reach.rsplit_once(" as ")?;
            let has_address = matches!(self.kind.as_str(), "mailbox" | "queue");
            has_address.then(|| policy.allows_name(address)).flatten()
        };
        policy
            .keeps(&self.kind, &self.name)
            .or_else(of_definition)
            .or_else(of_address)
    }

    /// The entries of `allow` that cover every host in its description.
    fn allowed_hosts(&self, policy: &Policy) -> Option<String> {
        policy.allows(&self.name, &described_hosts(&self.reach))
    }

    /// Its state if the target no longer shows it: then it cannot act.
    pub(crate) fn state_gone(&self, journal: Option<&JournalView>) -> SurfaceState {
        if let SurfaceState::Acted(_) = self.state {
            return self.state.clone();
        }
        let made = |maker| self.made_by(journal?, maker);
        made(Maker::Program)
            .or_else(|| made(Maker::Person))
            .or_else(|| self.ended_by_itself(journal?))
            .unwrap_or_else(|| self.state_after())
    }

    /// The same, if nothing shows who did it.
    fn state_after(&self) -> SurfaceState {
        match (&self.state, &self.closing) {
            (SurfaceState::Replaced(how), _) | (_, SealedClosing::Replace { how, .. }) => {
                SurfaceState::Replaced(how.clone())
            }
            _ => SurfaceState::Closed("it can no longer act".to_owned()),
        }
    }

    /// Has the phase of step 2 that closes this kind reached its end? A change that was sent when
    /// the process was killed has no record of its end, and the phase ends only when its survey
    /// finds nothing left.
    fn has_phase_ended(&self, journal: &JournalView) -> bool {
        // A manual task that a person did not do may have been waived.
        let is_closed_there = match &self.closing {
            SealedClosing::Change(key)
            | SealedClosing::Ask(key)
            | SealedClosing::Replace { change: key, .. } => !journal.was_asked_for(key),
            _ => false,
        };
        let step = StepName::ExitAdministrationMode.keyword();
        let phase = closing_phase(&self.kind);
        is_closed_there && phase.is_some_and(|phase| journal.has_phase_ended(step, phase))
    }
}

/// The key of cloud flows: the copy turns them off (Microsoft Learn, *Copy an environment*).
const FLOW: &str = "cloud-flow";

/// How a cloud flow is replaced.
pub(super) const IN_DEFINITION: &str = "in its definition";

/// The key of environment variables, which the phase `variables` restores.
const VARIABLE: &str = "environment-variable";

/// The phase of step 2 that closes this kind.
fn closing_phase(kind: &str) -> Option<&'static str> {
    let kind = KINDS.iter().find(|known| known.key() == kind);
    kind.and_then(|kind| kind.phase())
}

/// The keys of the changes that give a variable the target's own value, or none; the last is a
/// person's. Nothing for other kinds.
fn variable_keys(kind: &str, id: &str) -> Vec<String> {
    if kind != VARIABLE {
        return Vec::new();
    }
    vec![
        keys::variable(id),
        keys::variable_removed(id),
        keys::variable_default(id),
        keys::variable_by_hand(id),
    ]
}

/// The waiver of the manual task that this surface was part of, if a person gave one. A waiver does
/// not cover what no manual task asked for.
pub(crate) fn waiver(journal: &JournalView, kind: &str, id: &str) -> Option<String> {
    let mut asked = variable_keys(kind, id);
    asked.push(keys::surface(kind, id));
    let task = asked.iter().find_map(|key| journal.waived_task_of(key))?;
    Some(format!("the waiver of {task}"))
}

/// The hosts in a surface's description: `calls 'Audit' at audit.contoso.com, synchronously`. Empty
/// if the description does not list all of them.
fn described_hosts(reach: &str) -> Vec<String> {
    if reach.ends_with(" more") {
        return Vec::new();
    }
    let words = reach.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '\'' | '"'));
    let is_host = |word: &&str| {
        word.contains('.')
            && word.starts_with(|c: char| c.is_ascii_alphanumeric())
            && word.ends_with(|c: char| c.is_ascii_alphanumeric())
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'))
    };
    words.filter(is_host).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::clock::Clock;
    use crate::engine::records::testing::{
        self, done, intent, phase_began, phase_ended, step_began, step_ended, waiting,
    };
    use crate::engine::records::{ChangeKind, Completed, Record, StepOutcome};
    use crate::runbook::{Containment, Located, ParameterSource, Purpose, Span};

    const STEP: &str = "exit-administration-mode";

    /// What a run with these records knows.
    async fn journal(records: Vec<Record>) -> JournalView {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.iomcopy.jsonl");
        let opening = testing::open(&path, &Clock::new(1.0));
        opening.journal.append_all(records).await.unwrap();
        JournalView::from_journal(opening.journal.state())
    }

    /// A whole phase of step 2 in which this happened, and the end of the step.
    fn phase(phase: &str, happened: Vec<Record>) -> Vec<Record> {
        let mut records = vec![step_began(STEP), phase_began(STEP, phase)];
        records.extend(happened);
        records.push(phase_ended(STEP, phase));
        records.push(step_ended(STEP, StepOutcome::Done));
        records
    }

    /// A task with this change, which a person waived.
    fn waived(phase: &str, key: &str) -> Vec<Record> {
        let task = format!("{STEP}/{phase}");
        let completed = Completed {
            task: task.clone(),
            evidence: json!("waived"),
            who: "ada".to_owned(),
            waived: Some("later".to_owned()),
        };
        vec![
            waiting(&task),
            intent(STEP, phase, key, ChangeKind::ManualTask),
            Record::from(completed),
        ]
    }

    fn surface(kind: &str, id: &str, closing: SealedClosing) -> SealedSurface {
        SealedSurface {
            kind: kind.to_owned(),
            id: id.to_owned(),
            name: "msdyn_fedex/key".to_owned(),
            reach: "calls 'Audit' at audit.contoso.com, asynchronously".to_owned(),
            state: SurfaceState::Open,
            closing,
        }
    }

    fn test_policy() -> Policy {
        Policy::new(&Containment::default(), Purpose::Test)
    }

    #[tokio::test]
    async fn a_waived_surface_is_allowed_and_never_closed() {
        let key = keys::surface("mailbox", "1");
        let mailbox = surface("mailbox", "1", SealedClosing::Change(key.clone()));
        let journal = journal(phase(keys::CONTAIN, waived(keys::CONTAIN, &key))).await;
        assert_eq!(
            mailbox.state_now(&journal, &test_policy()),
            SurfaceState::Allowed(format!("the waiver of {STEP}/contain"))
        );
        // Nobody was asked for this one: the program closed it.
        let key = keys::surface("mailbox", "2");
        let other = surface("mailbox", "2", SealedClosing::Change(key));
        let state = other.state_now(&journal, &test_policy());
        assert!(matches!(state, SurfaceState::Closed(_)), "{state:?}");
        assert_eq!(waiver(&journal, "mailbox", "2"), None);
    }

    #[tokio::test]
    async fn a_webhook_is_replaced_only_if_its_endpoint_is() {
        let address = keys::surface("service-endpoint", "1");
        let own = keys::surface("webhook", "2");
        let webhook = || {
            let closing = SealedClosing::Replace {
                change: address.clone(),
                how: "audit by uat-audit".to_owned(),
            };
            surface("webhook", "2", closing)
        };
        let now = async |happened: Vec<Record>| {
            let journal = journal(phase(keys::DISABLE_STEPS, happened)).await;
            webhook().state_now(&journal, &test_policy())
        };
        let set = |key: &str| {
            vec![
                intent(STEP, keys::DISABLE_STEPS, key, ChangeKind::Set),
                done(key),
            ]
        };
        let refused = || waived(keys::DISABLE_STEPS, &address);
        assert_eq!(now(refused()).await, SurfaceState::Open);
        let state = now([refused(), set(&own)].concat()).await;
        assert!(matches!(state, SurfaceState::Closed(_)), "{state:?}");
        let state = now(set(&address)).await;
        assert!(matches!(state, SurfaceState::Replaced(_)), "{state:?}");
    }

    #[tokio::test]
    async fn a_flow_that_was_left_off_and_is_turned_on_later_is_replaced_and_not_closed() {
        let step = StepName::ActivateFlows.keyword();
        let id = Uuid::from_u128(7);
        let (text, on) = (keys::flow_definition(id), keys::flow(id));
        let left_off = SealedClosing::ByStep {
            step: step.to_owned(),
            opened_by: vec![on.clone()],
        };
        let wanted = surface(FLOW, &id.to_string(), left_off);
        let unwanted = SealedSurface {
            state: SurfaceState::Closed("off".to_owned()),
            ..surface(FLOW, &id.to_string(), SealedClosing::Nothing)
        };
        let set = |key: &str| vec![intent(step, "p", key, ChangeKind::Set), done(key)];
        let begun = || vec![step_began(step), phase_began(step, "p")];
        let off = journal(begun()).await;
        let replaced = journal([begun(), set(&text), set(&on)].concat()).await;
        let only_on = journal([begun(), set(&on)].concat()).await;
        let expected = SurfaceState::Replaced("in its definition".to_owned());
        for flow in [wanted, unwanted] {
            assert_eq!(flow.state_now(&off, &test_policy()).label(), "closed");
            assert_eq!(flow.state_now(&replaced, &test_policy()), expected);
            assert_eq!(flow.state_gone(Some(&replaced)), expected);
            // Nothing shows why it may act: it is read again.
            assert_eq!(flow.state_now(&only_on, &test_policy()).label(), "open");
        }
    }

    #[tokio::test]
    async fn a_surface_that_a_step_leaves_off_is_closed_when_that_step_is_done() {
        let step = "reinstall-providers";
        let setting = || {
            let closing = SealedClosing::ByStep {
                step: step.to_owned(),
                opened_by: Vec::new(),
            };
            surface("provider-setting", "1", closing)
        };
        let source = Containment {
            parameters: Some(Located::new(ParameterSource::Source, Span::default())),
            ..Containment::default()
        };
        let takes = Policy::new(&source, Purpose::Test);
        let done = [step_began(step), step_ended(step, StepOutcome::Done)];
        for (records, expected) in [
            (vec![], "open"),
            (vec![step_ended(step, StepOutcome::Skipped)], "open"),
            (done.to_vec(), "closed"),
        ] {
            let journal = journal(records).await;
            let state = setting().state_now(&journal, &test_policy());
            assert_eq!(state.label(), expected);
            assert_eq!(setting().state_now(&journal, &takes).label(), "allowed");
        }
    }

    #[tokio::test]
    async fn a_variable_whose_task_was_waived_is_allowed_by_the_waiver() {
        let closing = SealedClosing::ByStep {
            step: STEP.to_owned(),
            opened_by: Vec::new(),
        };
        let variable = surface(VARIABLE, "contoso_Key", closing);
        let key = keys::variable_by_hand("contoso_Key");
        let waived = journal(phase("variables", waived("variables", &key))).await;
        let state = variable.state_now(&waived, &test_policy());
        assert_eq!(state.label(), "allowed");
        let restored = keys::variable("contoso_Key");
        let set = vec![
            intent(STEP, "variables", &restored, ChangeKind::Set),
            done(&restored),
        ];
        let restored = journal(phase("variables", set)).await;
        let state = variable.state_now(&restored, &test_policy());
        assert_eq!(state.label(), "closed");
    }

    #[tokio::test]
    async fn an_address_that_the_runbook_allows_is_not_a_manual_task() {
        let allow = ["orders@contoso.com", "audit.contoso.com"]
            .map(|entry| Located::new(entry.to_owned(), Span::default()));
        let containment = Containment {
            allow: allow.into(),
            ..Containment::default()
        };
        let policy = Policy::new(&containment, Purpose::Test);
        for (kind, reach) in [
            ("mailbox", "sends e-mail as orders@contoso.com"),
            ("workflow", "reaches audit.contoso.com at once"),
        ] {
            let key = keys::surface(kind, "1");
            let task = format!("{STEP}/{}", keys::CONTAIN);
            let happened = vec![
                waiting(&task),
                intent(STEP, keys::CONTAIN, &key, ChangeKind::ManualTask),
                done(&key),
            ];
            let journal = journal(phase(keys::CONTAIN, happened)).await;
            let refused = SealedSurface {
                reach: reach.to_owned(),
                ..surface(kind, "1", SealedClosing::Change(key))
            };
            assert_eq!(refused.state_now(&journal, &policy).label(), "allowed");
            let state = refused.state_now(&journal, &test_policy());
            assert_eq!(state, SurfaceState::Closed("a person".to_owned()));
        }
    }

    #[test]
    fn the_hosts_in_the_description_of_a_surface_are_found() {
        let hosts = |reach| described_hosts(reach);
        assert_eq!(
            hosts("calls 'Audit' at audit.contoso.com, asynchronously"),
            ["audit.contoso.com"]
        );
        assert!(hosts("reaches e-mail at once").is_empty());
        assert!(hosts("contains a.contoso.com, and 2 more").is_empty());
    }
}
