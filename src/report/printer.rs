//! The only code that writes to stdout and stderr. Data goes to stdout, everything else to stderr.
//!
//! Every text passes through one function: known secret values become fingerprints, control and
//! invisible characters are escaped, our own colours are inserted, and a pipeline recognizes only
//! the commands that [`Printer::send_command`] writes.
//!
//! A closed pipe at stdout is not a failure. Every other failure to write there is one, because the
//! result of the command is lost: it is reported once, and [`Printer::lost`] remembers it.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::Palette;
use super::live_screen::{LiveScreen, TABLE_MARK};
use super::palette::styled;
use super::pipeline::{Pipeline, harmless};
use super::screen::Screen;
use super::wrap::wrapped;
use crate::base::secrets;
use crate::base::sync::lock;
use crate::base::text::escape;

/// How often the table below everything else is looked at: times pass in it.
const TICK: Duration = Duration::from_millis(500);

/// How often a second the table may be drawn.
const FRAMES: u8 = 15;

/// Writes to stdout and stderr, and keeps a table at the bottom of the terminal.
pub struct Printer {
    bars: MultiProgress,
    /// What draws the table, if stderr is a terminal.
    screen: Option<LiveScreen>,
    /// The table below everything else.
    live: Mutex<Option<ProgressBar>>,
    palette: Palette,
    quiet: bool,
    in_pipeline: bool,
    /// The pipeline that is asked to mask each secret in the rest of the job's log.
    masks: OnceLock<Pipeline>,
    /// Is everything for people written to stdout?
    logs_to_stdout: AtomicBool,
    /// Why stdout could not be written.
    lost: OnceLock<String>,
}

impl Printer {
    /// A printer. With `quiet`, it writes only data, prompts and errors. With `in_pipeline`, it
    /// breaks text that a pipeline would take for a command.
    pub fn new(palette: Palette, quiet: bool, in_pipeline: bool) -> Self {
        let screen = io::stderr().is_terminal().then(LiveScreen::stderr);
        let target = match &screen {
            Some(screen) => ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), FRAMES),
            None => ProgressDrawTarget::hidden(),
        };
        Self {
            bars: MultiProgress::with_draw_target(target),
            screen,
            live: Mutex::default(),
            palette,
            quiet,
            in_pipeline,
            masks: OnceLock::new(),
            logs_to_stdout: AtomicBool::new(false),
            lost: OnceLock::new(),
        }
    }

    /// From now on, asks this pipeline to mask each secret of the runbook before anything else is
    /// printed. Only for a stream that this pipeline reads: the command contains the secret.
    pub fn mask_secrets_for(&self, pipeline: Pipeline) {
        // It is the same pipeline each time.
        _ = self.masks.set(pipeline);
    }

    /// From now on, writes to stdout what else is written to stderr: the pipeline reads commands
    /// only there, and a line belongs to the group before it in the same stream.
    pub fn log_to_stdout(&self) {
        self.logs_to_stdout.store(true, Ordering::Relaxed);
    }

    fn mask_new_secrets(&self) {
        let Some(pipeline) = self.masks.get() else {
            return;
        };
        for secret in secrets::take_unmasked() {
            let command = pipeline.mask(&secret);
            if pipeline.reads_stdout() {
                self.write_out(&command);
            } else {
                self.write_err(&format!("{command}\n"));
            }
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

    /// How wide the terminal at stdout is; `None` if stdout is not a terminal.
    pub fn columns(&self) -> Option<usize> {
        columns(&Term::stdout())
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
        self.mask_new_secrets();
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
        if self.logs_to_stdout.load(Ordering::Relaxed) {
            return self.write_out(text.strip_suffix('\n').unwrap_or(text));
        }
        self.mask_new_secrets();
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
        self.write_lines(&line);
    }

    /// Writes whole lines to stderr. Above the table they are drawn with it, in one piece.
    fn write_lines(&self, lines: &str) {
        let live = lock(&self.live);
        if live.is_some() {
            drop(self.bars.println(lines));
        } else {
            self.write_err(&format!("{lines}\n"));
        }
    }

    /// Writes bytes of a log to stderr, without breaking the table.
    pub fn write_log(&self, bytes: &[u8]) -> io::Result<usize> {
        let text = self.printable(&String::from_utf8_lossy(bytes));
        match text.strip_suffix('\n') {
            Some(lines) => self.write_lines(lines),
            None => self.write_err(&text),
        }
        // Escaped text has another length; all of the log's own bytes are written.
        Ok(bytes.len())
    }

    /// Writes a question to stderr, without a line break.
    pub fn prompt(&self, question: &str) {
        self.write_err(&self.printable(question));
    }

    /// Shows a table below everything else, which is drawn again as time passes. `table` makes its
    /// lines for a number of rows and columns. It is called while the printer is locked, so it must
    /// print nothing.
    pub fn show_live(
        self: &Arc<Self>,
        table: impl Fn(usize, usize) -> Vec<String> + Send + Sync + 'static,
    ) {
        let Some(screen) = self.screen.as_ref().filter(|_| !self.quiet) else {
            return;
        };
        let printer = Arc::downgrade(self);
        screen.set_table(move |rows, columns| {
            let Some(printer) = printer.upgrade() else {
                return Vec::new();
            };
            let lines = table(rows, columns).into_iter();
            lines.map(|line| printer.printable(&line)).collect()
        });
        let Ok(style) = ProgressStyle::with_template("{table}") else {
            return;
        };
        // Writing to a String cannot fail.
        let mark = |_: &ProgressState, out: &mut dyn fmt::Write| _ = out.write_str(TABLE_MARK);
        let bar = self.bars.add(ProgressBar::no_length());
        bar.set_style(style.with_key("table", mark));
        bar.enable_steady_tick(TICK);
        if let Some(earlier) = lock(&self.live).replace(bar) {
            earlier.finish_and_clear();
        }
    }

    /// Draws the table again, because something has happened.
    pub fn redraw_live(&self) {
        if let Some(bar) = &*lock(&self.live) {
            bar.set_message("");
        }
    }

    /// Removes the table.
    pub fn hide_live(&self) {
        if let Some(bar) = lock(&self.live).take() {
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
