//! Log lines on stderr.

use std::sync::Arc;

use tracing_subscriber::EnvFilter;

use crate::report::Printer;

/// Sends log lines through the printer, so that they do not break the progress bar. Takes how often
/// `-v` was given: once shows more of the program's own lines, twice also a line for each request.
pub(super) fn start_logging(printer: &Arc<Printer>, verbose: u8) {
    let level = match verbose {
        0 | 1 => "warn",
        _ => "iomcopy=trace,azure_identity=debug",
    };
    let filter = EnvFilter::try_new(level).unwrap_or_default();
    let writer = Arc::clone(printer);
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(false)
        .without_time()
        .with_writer(move || PrinterWriter(Arc::clone(&writer)));
    // A second call in the same process keeps the first subscriber.
    drop(subscriber.try_init());
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
