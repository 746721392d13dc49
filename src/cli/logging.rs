//! Log lines on stderr, and the trace of a run where there is a collector for it.

use std::sync::Arc;

use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

#[cfg(feature = "opentelemetry")]
use super::telemetry::Telemetry;
use crate::report::Printer;

/// Sends what is left of a trace, and waits a few seconds for it at most.
pub(super) type FinishTrace = Box<dyn Fn() + Send + Sync>;

fn is_event(metadata: &tracing::Metadata<'_>) -> bool {
    metadata.is_event()
}

/// Sends log lines through the printer, so that they do not break the table. Takes how often
/// `-v` was given: once shows more of the program's own lines, twice also a line for each request.
/// Returns what ends the trace, if this process sends one.
pub(super) fn start_logging(printer: &Arc<Printer>, verbose: u8) -> Option<FinishTrace> {
    let shown = match verbose {
        0 | 1 => Targets::new().with_default(LevelFilter::WARN),
        _ => Targets::new()
            .with_target("iomcopy", LevelFilter::TRACE)
            .with_target("azure_identity", LevelFilter::DEBUG),
    };
    // Spans are for a trace; in a log line they would only repeat what the line says.
    let events = filter_fn(is_event);
    let events = events.with_max_level_hint(LevelFilter::TRACE);
    let writer = Arc::clone(printer);
    let lines = fmt::layer()
        .with_target(false)
        .with_ansi(false)
        .without_time()
        .with_writer(move || PrinterWriter(Arc::clone(&writer)))
        .with_filter(shown.and(events));
    let subscriber = tracing_subscriber::registry().with(lines);
    #[cfg(feature = "opentelemetry")]
    let telemetry = Telemetry::start(printer);
    #[cfg(feature = "opentelemetry")]
    let subscriber = subscriber.with(telemetry.as_ref().map(Telemetry::layer));
    // A second call in the same process keeps the first subscriber.
    drop(subscriber.try_init());
    #[cfg(feature = "opentelemetry")]
    {
        telemetry.map(|telemetry| Box::new(move || telemetry.finish()) as FinishTrace)
    }
    #[cfg(not(feature = "opentelemetry"))]
    {
        None
    }
}

struct PrinterWriter(Arc<Printer>);

impl std::io::Write for PrinterWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.as_ref().write_log(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
