//! The table that stays in place while a run works, as the user of a terminal sees it.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::harness::Stage;
use crate::terminal::open_terminal;

/// How many lines above the screen the terminal keeps.
const KEPT: usize = 10_000;

/// What the line above the steps begins with.
const HEAD: &str = "Contoso UAT: step ";

/// A program at a terminal that breaks lines again when it is resized, as tmux does.
struct Screen {
    child: Child,
    terminal: File,
    parser: vt100::Parser,
}

impl Screen {
    /// Starts the program at a terminal of so many rows and columns.
    fn start(stage: &Stage, arguments: &[&str], (rows, columns): (u16, u16)) -> Self {
        let (terminal, screen) = open_terminal();
        tcsetwinsize(&terminal, size(rows, columns)).expect("the terminal has a size");
        fcntl_setfl(&terminal, OFlags::RDWR | OFlags::NONBLOCK).expect("it can be read");
        let clone = || screen.try_clone().expect("the terminal can be cloned");
        let child = stage
            .command(arguments)
            .env("TERM", "xterm-256color")
            .stdin(clone())
            .stdout(clone())
            .stderr(clone())
            .spawn()
            .expect("the program can be started");
        Self {
            child,
            terminal: terminal.into(),
            parser: vt100::Parser::new(rows, columns, KEPT),
        }
    }

    /// Reads a part of what the program writes. None once it has ended. The table is never there
    /// twice, not even while it is drawn.
    fn read(&mut self) -> Option<usize> {
        // Small parts: no frame is missed.
        let mut part = [0; 256];
        match self.terminal.read(&mut part) {
            Ok(count @ 1..) => {
                self.parser.process(&part[..count]);
                let shown = self.parser.screen().contents();
                assert!(shown.matches(HEAD).count() <= 1, "{shown}");
                Some(count)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(0),
            // The other end is closed.
            _ => None,
        }
    }

    /// Reads until the screen shows this text.
    fn shows(&mut self, text: &str) {
        let began = Instant::now();
        while !self.parser.screen().contents().contains(text) {
            let count = self.read();
            let shown = self.parser.screen().contents();
            assert!(
                count.is_some(),
                "the program ended before '{text}': {shown}"
            );
            assert!(
                began.elapsed() < Duration::from_mins(1),
                "'{text}': {shown}"
            );
            if count == Some(0) {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Every line that the terminal keeps, the screen last.
    fn lines(&mut self) -> Vec<String> {
        let (rows, columns) = self.parser.screen().size();
        let screen = self.parser.screen_mut();
        screen.set_scrollback(usize::MAX);
        let mut above = screen.scrollback();
        let mut lines = Vec::new();
        while above > 0 {
            screen.set_scrollback(above);
            let page = above.min(usize::from(rows));
            lines.extend(screen.rows(0, columns).take(page));
            above -= page;
        }
        screen.set_scrollback(0);
        lines.extend(screen.rows(0, columns));
        let used = lines.iter().rposition(|line| !line.is_empty());
        lines.truncate(used.map_or(0, |last| last + 1));
        lines
    }

    /// Stops the program between two frames; fails unless the table is there once.
    fn stop(&mut self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::STOP).expect("the program can be stopped");
        let stopped = waitpid(Some(pid), WaitOptions::UNTRACED).expect("it is our child");
        assert!(stopped.is_some_and(|(_, status)| status.stopped()));
        // A frame is one write, so what is left to read ends with a whole frame.
        while self.read().is_some_and(|count| count > 0) {}
        has_one_table(&self.lines());
    }

    /// Lets the program continue after [`stop`](Self::stop).
    fn go_on(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::CONT).expect("the program can continue");
    }

    /// Gives the terminal another size between two frames of the program.
    fn resize(&mut self, rows: u16, columns: u16) {
        self.stop();
        tcsetwinsize(&self.terminal, size(rows, columns)).expect("the terminal has a size");
        let lines = self.lines().join("\r\n");
        self.parser = vt100::Parser::new(rows, columns, KEPT);
        self.parser.process(lines.as_bytes());
        self.go_on();
    }

    /// Sends SIGINT, like Ctrl-C.
    fn interrupt(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).expect("the program can be interrupted");
    }

    /// Reads to the end of the program; fails unless it exits with this code. Returns every line.
    fn ends(mut self, code: i32) -> Vec<String> {
        while let Some(count) = self.read() {
            if count == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        let status = self.child.wait().expect("the program has ended");
        let lines = self.lines();
        assert_eq!(status.code(), Some(code), "{}", lines.join("\n"));
        assert!(!self.parser.screen().hide_cursor(), "the cursor is hidden");
        lines
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// Fails unless the table is there once, whole: its head, and a row for each step.
fn has_one_table(lines: &[String]) {
    let shown = lines.join("\n");
    let heads: Vec<usize> = (0..lines.len())
        .filter(|at| lines[*at].starts_with(HEAD))
        .collect();
    assert_eq!(heads.len(), 1, "{shown}");
    // At a narrow terminal the head takes two rows.
    let rest = &lines[heads[0] + 1..];
    let first = rest.iter().position(|line| line.starts_with("  1 "));
    assert!(first.is_some_and(|first| first <= 1), "{shown}");
    let rows = &rest[first.unwrap_or_default()..];
    for step in 1..=8 {
        let row = rows.get(step - 1);
        let number = format!("  {step} ");
        assert!(row.is_some_and(|row| row.starts_with(&number)), "{shown}");
    }
}

/// Fails if a part of the table is left. Unlike the last table, it says of a step that has not begun
/// what is planned.
fn has_no_table(lines: &[String]) {
    let left = lines.iter().filter(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_row =
            matches!(words[..], [number, _, "running", ..] | [number, _, "not", "begun", _, ..] if number.len() == 1);
        is_row || line.starts_with(HEAD) || line.starts_with("[=") || line.starts_with("[>")
    });
    let left: Vec<&String> = left.collect();
    assert!(left.is_empty(), "{left:#?} in\n{}", lines.join("\n"));
}

const RUN: [&str; 4] = ["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"];

/// A frame is measured just before it is written. If the terminal changes between the two, it is
/// wrong in every program: so there is a second attempt.
#[test]
fn the_table_stays_in_place_when_resized_and_nothing_is_left_of_it() {
    let is_right = (0..2).any(|_| std::panic::catch_unwind(resize_and_interrupt).is_ok());
    assert!(
        is_right,
        "both attempts have failed; their reasons are above"
    );
}

fn resize_and_interrupt() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let mut screen = Screen::start(&stage, &RUN, (24, 80));
    screen.shows("  1 copy-environments         running");
    // Narrower: the lines that are there take more rows.
    screen.resize(24, 60);
    screen.shows("  2 exit-administration-mode  running");
    screen.resize(40, 120);
    screen.shows("  3 reconfigure-connections   running");
    screen.stop();
    screen.go_on();
    screen.interrupt();
    let lines = screen.ends(130);
    has_no_table(&lines);
    let said = |text: &str| lines.iter().any(|line| line.starts_with(text));
    assert!(said("interrupted: "), "{}", lines.join("\n"));
    // Printed while the table is about to be drawn for the first time.
    assert!(said("[1/8] copy-environments  "), "{}", lines.join("\n"));
    // What to do is the last that a person reads.
    let last = lines.last().map(String::as_str);
    assert_eq!(last, Some("next: iomcopy run rehearsal.yaml"));

    let resumed = Screen::start(&stage, &RUN, (24, 80)).ends(0);
    has_no_table(&resumed);
    let shown = resumed.join("\n");
    for step in ["1 copy-environments ", "8 reconfigure-dual-write "] {
        assert_eq!(shown.matches(step).count(), 1, "{shown}");
    }
    assert!(shown.contains("\nstate  finished\n"), "{shown}");
    let last = resumed.last().map(String::as_str);
    assert_eq!(last, Some("next: iomcopy verify rehearsal.yaml"));
    // Each step has the time of day at which it began.
    let step = resumed
        .iter()
        .find_map(|line| line.strip_prefix("[4/8] activate-flows  "));
    assert!(
        step.is_some_and(|time| time.len() == "02:10:11Z".len() && time.ends_with('Z')),
        "{shown}"
    );
}
