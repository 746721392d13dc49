//! The program at a pseudo terminal, which is its stdin and its stderr.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::harness::Stage;

/// A new terminal: our end, and the end that a program gets.
pub(crate) fn open_terminal() -> (OwnedFd, OwnedFd) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal opens");
    grantpt(&terminal).expect("the terminal is ours");
    unlockpt(&terminal).expect("the terminal is unlocked");
    let name = ptsname(&terminal, Vec::new()).expect("the terminal has a name");
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let screen = rustix::fs::open(name, flags, Mode::empty()).expect("the other end can be opened");
    (terminal, screen)
}

/// A program at a terminal.
pub(crate) struct AtTerminal {
    child: Child,
    terminal: File,
    /// What was read of the screen and not expected yet.
    unread: Vec<u8>,
}

impl AtTerminal {
    /// Starts the program without stdout.
    pub(crate) fn start(stage: &Stage, arguments: &[&str]) -> Self {
        Self::start_with(stage, arguments, false)
    }

    /// Starts the program with its stdout at the terminal too.
    pub(crate) fn start_with_stdout(stage: &Stage, arguments: &[&str]) -> Self {
        Self::start_with(stage, arguments, true)
    }

    fn start_with(stage: &Stage, arguments: &[&str], has_stdout: bool) -> Self {
        let (terminal, screen) = open_terminal();
        let keyboard = screen.try_clone().expect("the terminal can be cloned");
        let output = screen.try_clone().expect("the terminal can be cloned");
        let stdout = if has_stdout {
            output.into()
        } else {
            Stdio::null()
        };
        let child = stage
            .command(arguments)
            .env("TERM", "dumb")
            .stdin(keyboard)
            .stderr(screen)
            .stdout(stdout)
            .spawn()
            .expect("the program can be started");
        Self {
            child,
            terminal: terminal.into(),
            unread: Vec::new(),
        }
    }

    /// Reads the screen until this text appears.
    pub(crate) fn reads(&mut self, text: &str) -> &mut Self {
        self.reads_any(&[text])
    }

    /// Reads the screen until it says that the signal was received. A program that waits for nothing
    /// may end before it can say that it is stopping.
    pub(crate) fn reads_stop(&mut self) -> &mut Self {
        self.reads_any(&["Stopping", "stopped on request"])
    }

    /// What follows the text is kept for the next call: one read may bring both.
    fn reads_any(&mut self, texts: &[&str]) -> &mut Self {
        let mut part = [0; 4096];
        loop {
            let screen = String::from_utf8_lossy(&self.unread).into_owned();
            let end = |text: &&str| screen.find(*text).map(|at| at + text.len());
            if let Some(end) = texts.iter().filter_map(end).min() {
                self.unread = screen.as_bytes()[end..].to_vec();
                return self;
            }
            match self.terminal.read(&mut part) {
                Ok(count) if count > 0 => self.unread.extend(&part[..count]),
                _ => panic!("the program ended before {texts:?}: {screen}"),
            }
        }
    }

    /// Types a line.
    pub(crate) fn types(&mut self, line: &str) -> &mut Self {
        self.terminal
            .write_all(format!("{line}\n").as_bytes())
            .expect("a line can be typed");
        self
    }

    /// Sends SIGINT, like Ctrl-C.
    pub(crate) fn interrupts(&mut self) -> &mut Self {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.expect("kill can be started").success());
        self
    }

    /// The exit code of the ended program. Fails if the program still waits at the prompt.
    pub(crate) fn ends(mut self) -> Option<i32> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            if let Some(status) = self.child.try_wait().expect("the process can be asked") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(self.child.kill());
        drop(self.child.wait());
        panic!("the program did not end");
    }
}
