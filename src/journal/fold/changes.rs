//! Sets, removals, asks and launches, from their intent to their end.

use std::sync::Arc;

use super::Refused;
use crate::journal::payload::{ChangeKind, Done, Ended, Intent, LaunchOutcome, Launched, Verified};
use crate::journal::record::Entry;
use crate::journal::state::{ChangeState, LaunchState, Stamped, State};

impl State {
    pub(super) fn intent(&mut self, entry: &Entry, intent: &Intent) -> Result<(), Refused> {
        self.require_running(&intent.step, &intent.phase)?;
        let key = &intent.key;
        let stamped = Stamped::new(entry, intent);
        if intent.kind != ChangeKind::Launch {
            if self.launch(key).is_some() {
                return Err(format!("`{key}` is a launch"));
            }
            let change = ChangeState {
                intent: stamped,
                done: None,
            };
            self.sets.insert(key.as_str().into(), Arc::new(change));
            return Ok(());
        }
        if self.set(key).is_some() {
            return Err(format!("`{key}` is not a launch"));
        }
        let attempt = match self.launch(key) {
            None => 1,
            Some(launch) => match launch.outcome() {
                Some(LaunchOutcome::Failed | LaunchOutcome::Absent) => {
                    launch.attempt.saturating_add(1)
                }
                Some(LaunchOutcome::Succeeded) => {
                    return Err(format!("the launch `{key}` has succeeded already"));
                }
                None => return Err(format!("how the launch `{key}` ended is not known")),
            },
        };
        let launch = LaunchState {
            intent: stamped,
            attempt,
            launched: None,
            ended: None,
            verified: None,
        };
        self.launches.insert(key.as_str().into(), Arc::new(launch));
        Ok(())
    }

    pub(super) fn launched(&mut self, entry: &Entry, launched: &Launched) -> Result<(), Refused> {
        let launch = self.open_launch(&launched.key)?;
        if launch.launched.is_some() {
            return Err(format!(
                "the launch `{}` has a handle already",
                launched.key
            ));
        }
        launch.launched = Some(Stamped::new(entry, launched));
        Ok(())
    }

    pub(super) fn ended(&mut self, entry: &Entry, ended: &Ended) -> Result<(), Refused> {
        let launch = self.open_launch(&ended.key)?;
        launch.ended = Some(Stamped::new(entry, ended));
        Ok(())
    }

    /// The launch of this key that has an intent and no end.
    fn open_launch(&mut self, key: &str) -> Result<&mut LaunchState, Refused> {
        match self.launches.get_mut(key) {
            None => Err(format!("there is no intent for the launch `{key}`")),
            Some(launch) if launch.ended.is_some() => {
                Err(format!("the launch `{key}` has ended already"))
            }
            Some(launch) => Ok(Arc::make_mut(launch)),
        }
    }

    pub(super) fn verified(&mut self, entry: &Entry, verified: &Verified) -> Result<(), Refused> {
        let key = &verified.key;
        match self.launches.get_mut(key.as_str()) {
            Some(launch) if launch.outcome() == Some(LaunchOutcome::Succeeded) => {
                Arc::make_mut(launch).verified = Some(Stamped::new(entry, verified));
                Ok(())
            }
            Some(_) => Err(format!("the launch `{key}` has not ended well")),
            None => Err(format!("there is no intent for the launch `{key}`")),
        }
    }

    pub(super) fn done(&mut self, entry: &Entry, done: &Done) -> Result<(), Refused> {
        match self.sets.get_mut(done.key.as_str()) {
            None => Err(format!("there is no intent for `{}`", done.key)),
            Some(change) if change.done.is_some() => Err(format!("`{}` is done already", done.key)),
            Some(change) => {
                Arc::make_mut(change).done = Some(Stamped::new(entry, done));
                Ok(())
            }
        }
    }
}
