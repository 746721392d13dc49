//! The only door to stdout and stderr. Data goes to stdout, everything else to stderr; a reader that
//! has gone away is no failure. In a pipeline nothing that passes through here is taken for a command
//! but what [`Printer::instruct`] writes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Palette;
use super::pipeline::{Pipeline, harmless};

/// Writes to stdout and stderr, and keeps bars at the bottom of the terminal.
pub struct Printer {
    bars: MultiProgress,
    /// What is shown below everything else, by what it is about.
    shown: Mutex<BTreeMap<String, ProgressBar>>,
    palette: Palette,
    quiet: bool,
    in_pipeline: bool,
}

impl Printer {
    /// A printer. `quiet` leaves out what is not asked for: only data, prompts and errors remain.
    /// `in_pipeline` breaks what a pipeline would take for a command.
    pub fn new(palette: Palette, quiet: bool, in_pipeline: bool) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self {
            bars,
            shown: Mutex::default(),
            palette,
            quiet,
            in_pipeline,
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

    /// The text as it may be printed where this program runs.
    fn printable<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.in_pipeline {
            harmless(text)
        } else {
            Cow::Borrowed(text)
        }
    }

    /// Writes a command to a pipeline, where that reads it.
    pub fn instruct(&self, pipeline: Pipeline, command: &str) {
        self.bars.suspend(|| {
            if pipeline.listens_to_stdout() {
                drop(writeln!(io::stdout().lock(), "{command}"));
            } else {
                drop(writeln!(io::stderr().lock(), "{command}"));
            }
        });
    }

    /// Writes data to stdout, a line.
    pub fn data(&self, line: &str) {
        let line = self.printable(line);
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
        let line = self.printable(line);
        self.bars
            .suspend(|| drop(writeln!(io::stderr().lock(), "{line}")));
    }

    /// Writes bytes of a log to stderr, between two drawings of the bar.
    pub fn write_log(&self, bytes: &[u8]) -> io::Result<usize> {
        if !self.in_pipeline {
            return self.bars.suspend(|| io::stderr().lock().write(bytes));
        }
        let text = String::from_utf8_lossy(bytes);
        let text = self.printable(&text);
        let written = self
            .bars
            .suspend(|| io::stderr().lock().write_all(text.as_bytes()));
        // What was broken has another length; of the log's own bytes all are written.
        written.map(|()| bytes.len())
    }

    /// Writes a question to stderr, without a line's end.
    pub fn ask(&self, question: &str) {
        let question = self.printable(question);
        self.bars.suspend(|| {
            let mut err = io::stderr().lock();
            drop(write!(err, "{question}"));
            drop(err.flush());
        });
    }

    /// Shows one line with a spinner below everything else: one a subject, the newest word of each.
    pub fn show(&self, subject: &str, line: String) {
        if self.quiet {
            return;
        }
        let Ok(mut shown) = self.shown.lock() else {
            return;
        };
        let bar = shown.entry(subject.to_owned()).or_insert_with(|| {
            let bar = self.bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        bar.set_message(line);
    }

    /// Takes the line of a subject away, if there is one.
    pub fn hide(&self, subject: &str) {
        let Ok(mut shown) = self.shown.lock() else {
            return;
        };
        if let Some(bar) = shown.remove(subject) {
            bar.finish_and_clear();
        }
    }

    /// Takes every line with a spinner away.
    pub fn hide_all(&self) {
        let Ok(mut shown) = self.shown.lock() else {
            return;
        };
        for bar in std::mem::take(&mut *shown).into_values() {
            bar.finish_and_clear();
        }
    }
}
