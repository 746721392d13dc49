//! Ctrl-C and SIGTERM.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::base::cancellation::Cancellation;
use crate::base::platform::{Signal, Signals};
use crate::base::sync::lock;
use crate::engine::{Event, EventKind, Listener};
use crate::journal::ChangeKind;
use crate::report::Printer;

/// What a process is doing, as far as the message at its first signal depends on it.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Does a prompt wait for an answer? Then no request is in flight.
    is_asking: AtomicBool,
    /// The keys of the operations at services that the run waits for.
    launches: Mutex<BTreeSet<String>>,
}

impl Activity {
    /// Notes that a prompt waits for an answer, or no longer does.
    pub(super) fn set_asking(&self, is_asking: bool) {
        self.is_asking.store(is_asking, Ordering::SeqCst);
    }

    /// What is said at the first signal; none at a prompt, where nothing has begun.
    fn stopping_text(&self) -> Option<String> {
        if self.is_asking.load(Ordering::SeqCst) {
            return None;
        }
        let operation = if lock(&self.launches).is_empty() {
            ""
        } else {
            " An operation that is running continues at the service."
        };
        Some(format!(
            "Stopping: no new change begins; waiting for requests in flight.{operation} \
             Press Ctrl-C again to stop at once."
        ))
    }
}

impl Listener for Activity {
    fn on_event(&self, event: &Event) {
        match &event.kind {
            EventKind::ChangeBegan {
                key,
                kind: ChangeKind::Launch,
                ..
            } => {
                lock(&self.launches).insert(key.clone());
            }
            EventKind::ChangeDone { key, .. }
            | EventKind::ChangeFailed { key, .. }
            | EventKind::ChangeOpen { key, .. } => {
                lock(&self.launches).remove(key);
            }
            _ => {}
        }
    }
}

/// What a command does that a signal stops.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stopped {
    /// It sends requests, and those in flight are finished.
    Requests,
    /// It serves the rehearsal tenant.
    #[cfg(feature = "rehearsal")]
    Server,
    /// It has nothing to finish.
    Nothing,
}

/// Requests a stop at the first signal, and an immediate stop at the second. Sets `is_terminated`
/// at SIGTERM. A command that has no requests to finish, and one that asks something, say nothing
/// at the first signal.
pub(super) fn stop_on_signals(
    cancellation: Cancellation,
    printer: Arc<Printer>,
    is_terminated: Arc<AtomicBool>,
    activity: Arc<Activity>,
    stopped: Stopped,
) {
    let Ok(mut signals) = Signals::listen() else {
        printer.error("warning: signals are not handled; Ctrl-C ends the program at once");
        return;
    };
    tokio::spawn(async move {
        loop {
            if signals.next().await == Signal::Terminate {
                is_terminated.store(true, Ordering::SeqCst);
            }
            let text = match stopped {
                Stopped::Requests => activity.stopping_text(),
                #[cfg(feature = "rehearsal")]
                Stopped::Server => Some("Stopping the rehearsal tenant.".to_owned()),
                Stopped::Nothing => None,
            };
            if cancellation.is_stop_requested() {
                cancellation.request_immediate_stop();
                printer.error(match stopped {
                    #[cfg(feature = "rehearsal")]
                    Stopped::Server => "Stopping now.",
                    _ => "Stopping now. The state file is valid; run again to resume.",
                });
            } else if let Some(text) = text {
                // Before the message: what is typed after it is read has no effect.
                cancellation.request_stop();
                printer.error(&text);
            } else {
                // The terminal shows `^C` on the line of the prompt. The request comes second,
                // because the prompt's failure is printed at once.
                printer.error("");
                cancellation.request_stop();
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn began(key: &str, kind: ChangeKind) -> Event {
        Event::first(EventKind::ChangeBegan {
            step: "copy-environments".to_owned(),
            phase: "copy".to_owned(),
            key: key.to_owned(),
            name: key.to_owned(),
            kind,
        })
    }

    #[test]
    fn an_operation_continues_at_the_service_only_while_one_is_running() {
        let activity = Activity::default();
        let speaks = || {
            let text = activity.stopping_text();
            text.is_some_and(|text| text.contains("continues at the service"))
        };
        assert!(!speaks());
        activity.on_event(&began("set", ChangeKind::Set));
        assert!(!speaks());
        activity.on_event(&began("copy", ChangeKind::Launch));
        assert!(speaks());
        activity.on_event(&Event::first(EventKind::ChangeDone {
            step: "copy-environments".to_owned(),
            phase: "copy".to_owned(),
            key: "copy".to_owned(),
            name: "copy".to_owned(),
            kind: ChangeKind::Launch,
            elapsed: Some(1.0),
            unread_since: None,
        }));
        assert!(!speaks());
        assert!(activity.stopping_text().is_some());
    }

    #[test]
    fn a_prompt_that_is_interrupted_speaks_of_no_change() {
        let activity = Activity::default();
        activity.set_asking(true);
        assert_eq!(activity.stopping_text(), None);
        activity.set_asking(false);
        assert!(activity.stopping_text().is_some());
    }
}
