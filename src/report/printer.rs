//! The only door to stdout and stderr. Data goes to stdout, everything else to stderr; a reader that
//! has gone away is no failure.

use std::io::{self, IsTerminal as _, Write};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Palette;

/// Writes to stdout and stderr, and keeps a bar at the bottom of the terminal.
pub struct Printer {
    bars: MultiProgress,
    bar: Mutex<Option<ProgressBar>>,
    palette: Palette,
    quiet: bool,
}

impl Printer {
    /// A printer. `quiet` leaves out what is not asked for: only data, prompts and errors remain.
    pub fn new(palette: Palette, quiet: bool) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self {
            bars,
            bar: Mutex::new(None),
            palette,
            quiet,
        }
    }

    /// The colours in use on stderr.
    pub fn palette(&self) -> Palette {
        self.palette
    }

    /// Is stderr a terminal on which a bar can be drawn?
    pub fn has_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// Writes data to stdout, a line.
    pub fn data(&self, line: &str) {
        self.bars.suspend(|| {
            let mut out = io::stdout().lock();
            // Whoever read has gone away; that is no failure of ours.
            drop(writeln!(out, "{line}"));
            drop(out.flush());
        });
    }

    /// Writes a remark to stderr, a line, unless quiet.
    pub fn remark(&self, line: &str) {
        if !self.quiet {
            self.complain(line);
        }
    }

    /// Writes to stderr, a line, also when quiet.
    pub fn complain(&self, line: &str) {
        self.bars
            .suspend(|| drop(writeln!(io::stderr().lock(), "{line}")));
    }

    /// Writes bytes of a log to stderr, between two drawings of the bar.
    pub fn write_log(&self, bytes: &[u8]) -> io::Result<usize> {
        self.bars.suspend(|| io::stderr().lock().write(bytes))
    }

    /// Writes a question to stderr, without a line's end.
    pub fn ask(&self, question: &str) {
        self.bars.suspend(|| {
            let mut err = io::stderr().lock();
            drop(write!(err, "{question}"));
            drop(err.flush());
        });
    }

    /// Shows one line with a spinner below everything else.
    pub fn show(&self, line: String) {
        if self.quiet {
            return;
        }
        let Ok(mut bar) = self.bar.lock() else { return };
        let bar = bar.get_or_insert_with(|| {
            let bar = self.bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        bar.set_message(line);
    }

    /// Takes the line with the spinner away.
    pub fn hide(&self) {
        let Ok(mut bar) = self.bar.lock() else { return };
        if let Some(bar) = bar.take() {
            bar.finish_and_clear();
        }
    }
}
