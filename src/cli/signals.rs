//! Ctrl-C and SIGTERM.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::cancellation::Cancellation;
use crate::base::platform::{Signal, Signals};
use crate::report::Printer;

/// What a command says that may have requests in flight.
pub(super) const STOPPING: &str = "Stopping: no new change begins; waiting for requests in flight. A \
    copy that is running continues at the service. Press Ctrl-C again to stop at once.";

/// Requests a stop at the first signal, and an immediate stop at the second. Sets `is_terminated`
/// at SIGTERM. `stopping` is the message at the first one; `None` for a command that has nothing to
/// finish.
pub(super) fn stop_on_signals(
    cancellation: Cancellation,
    printer: Arc<Printer>,
    is_terminated: Arc<AtomicBool>,
    stopping: Option<&'static str>,
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
            if cancellation.is_stop_requested() {
                cancellation.request_immediate_stop();
                printer.error("Stopping now. The state file is valid; run again to resume.");
            } else {
                // Before the message: what is typed after it is read has no effect.
                cancellation.request_stop();
                // The terminal shows `^C` on the line of the prompt.
                printer.error(stopping.unwrap_or_default());
            }
        }
    });
}
