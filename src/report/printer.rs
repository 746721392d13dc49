//! The only code that writes to stdout and stderr. Data goes to stdout, everything else to stderr.
//!
//! Every text passes through one function: known secret values become fingerprints, control and
//! invisible characters are escaped, our own colours are inserted, and a pipeline recognizes only
//! the commands that [`Printer::send_command`] writes.
//!
//! A closed pipe at stdout is not a failure. Every other failure to write there is one, because the
//! result of the command is lost: it is reported once, and [`Printer::lost`] remembers it.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Palette;
use super::palette::styled;
use super::pipeline::{Pipeline, harmless};
use super::screen::Screen;
use super::wrap::wrapped;
use crate::base::secrets;
use crate::base::text::escape;

/// Writes to stdout and stderr, and keeps bars at the bottom of the terminal.
pub struct Printer {
    bars: MultiProgress,
    /// The lines below everything else, by subject.
    shown: Mutex<BTreeMap<String, ProgressBar>>,
    palette: Palette,
    quiet: bool,
    in_pipeline: bool,
    /// Why stdout could not be written.
    lost: OnceLock<String>,
}

impl Printer {
    /// A printer. With `quiet`, it writes only data, prompts and errors. With `in_pipeline`, it
    /// breaks text that a pipeline would take for a command.
    pub fn new(palette: Palette, quiet: bool, in_pipeline: bool) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self {
            bars,
            shown: Mutex::default(),
            palette,
            quiet,
            in_pipeline,
            lost: OnceLock::new(),
        }
    }

    /// The colours in use on stderr.
    pub fn palette(&self) -> Palette {
        self.palette
    }

    /// Does a pipeline show what is printed?
    pub fn is_in_pipeline(&self) -> bool {
        self.in_pipeline
    }

    /// Is stderr a terminal on which a bar can be drawn?
    pub fn has_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// The text in a form that is safe to print.
    fn printable(&self, text: &str) -> String {
        let text = styled(&secrets::hide(text));
        if self.in_pipeline {
            harmless(&text).into_owned()
        } else {
            text
        }
    }

    /// Writes a command of one line to the stream on which the pipeline reads commands.
    pub fn send_command(&self, pipeline: Pipeline, command: &str) {
        let command = secrets::hide(command);
        let command = escape(&command);
        if pipeline.reads_stdout() {
            self.write_out(&command);
        } else {
            self.write_err(&format!("{command}\n"));
        }
    }

    /// Writes a line of data to stdout.
    pub fn data(&self, line: &str) {
        self.write_out(&self.printable(line));
    }

    /// Writes text for people to stdout, at a terminal wrapped at its width.
    pub fn text(&self, text: &str) {
        let width = columns(&Term::stdout());
        self.write_out(&wrapped(&self.printable(text), width));
    }

    /// Draws a text at the terminal of stdout in place of the one that was drawn before.
    pub fn draw(&self, screen: &mut Screen, text: &str) {
        let size = Term::stdout().size_checked();
        let (rows, columns) = size.map_or((24, 80), |(rows, columns)| {
            (usize::from(rows), usize::from(columns))
        });
        let text = wrapped(&self.printable(text), Some(columns));
        self.write_out(&screen.frame(&text, rows, columns));
    }

    fn write_out(&self, line: &str) {
        let written = self.bars.suspend(|| {
            let mut out = io::stdout().lock();
            writeln!(out, "{line}").and_then(|()| out.flush())
        });
        self.note_written(written);
    }

    /// Remembers that stdout could not be written, and reports it once.
    pub fn note_written(&self, written: io::Result<()>) {
        let Err(error) = written else { return };
        if error.kind() == io::ErrorKind::BrokenPipe {
            return;
        }
        let why = format!("could not write to standard output: {error}");
        if self.lost.set(why.clone()).is_ok() {
            self.error(&format!("{} {why}", self.palette.bad("error:")));
        }
    }

    /// Why data for stdout was lost, if it was.
    pub fn lost(&self) -> Option<&str> {
        self.lost.get().map(String::as_str)
    }

    /// A failure to write to stderr is ignored: there is nowhere to report it.
    fn write_err(&self, text: &str) {
        self.bars.suspend(|| {
            let mut err = io::stderr().lock();
            drop(err.write_all(text.as_bytes()));
            drop(err.flush());
        });
    }

    /// Writes a line to stderr, unless quiet.
    pub fn info(&self, line: &str) {
        if !self.quiet {
            self.error(line);
        }
    }

    /// Writes a line to stderr, even if quiet; at a terminal wrapped at its width.
    pub fn error(&self, line: &str) {
        let width = columns(&Term::stderr());
        let line = wrapped(&self.printable(line), width);
        self.write_err(&format!("{line}\n"));
    }

    /// Writes bytes of a log to stderr, without breaking the progress bars.
    pub fn write_log(&self, bytes: &[u8]) -> io::Result<usize> {
        self.write_err(&self.printable(&String::from_utf8_lossy(bytes)));
        // Escaped text has another length; all of the log's own bytes are written.
        Ok(bytes.len())
    }

    /// Writes a question to stderr, without a line break.
    pub fn prompt(&self, question: &str) {
        self.write_err(&self.printable(question));
    }

    /// Shows one line with a spinner below everything else: one line for each subject, with its
    /// newest text.
    pub fn show(&self, subject: &str, line: &str) {
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
        bar.set_message(self.printable(line).replace('\n', "\\n"));
    }

    /// Removes the line of a subject, if there is one.
    pub fn hide(&self, subject: &str) {
        let Ok(mut shown) = self.shown.lock() else {
            return;
        };
        if let Some(bar) = shown.remove(subject) {
            bar.finish_and_clear();
        }
    }

    /// Removes every line with a spinner.
    pub fn hide_all(&self) {
        let Ok(mut shown) = self.shown.lock() else {
            return;
        };
        for bar in std::mem::take(&mut *shown).into_values() {
            bar.finish_and_clear();
        }
    }
}

/// How wide a terminal is; none for a file or a pipe.
fn columns(terminal: &Term) -> Option<usize> {
    terminal
        .size_checked()
        .map(|(_, columns)| usize::from(columns))
}
