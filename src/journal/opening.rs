//! Opens a state file: begins a new run, or resumes the one in an existing file.
//!
//! - `begin`: creates the file of a new run.
//! - `locked`: an existing file, locked and verified, then opened to write.
//! - `remote_state`: the file and its copy at a service, made equal first.

mod begin;
mod locked;
mod remote_state;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use super::handle::Journal;
use super::lock::Lock;
use super::payload::{Cut, Opened};
use crate::base::platform;

pub use begin::{begin, begin_with_copy};
pub use locked::{
    LockedStateFile, ResumeOptions, left_open_elsewhere, lock_state_file, lock_state_file_with,
    resume,
};
pub use remote_state::{parse_copy, refresh_from_copy};

/// An open state file.
#[derive(Debug)]
pub struct OpenStateFile {
    /// The journal, ready to append.
    pub journal: Journal,
    /// Does it resume a run of an earlier process? Otherwise the run has just begun.
    pub resumed: bool,
    /// The torn end that was cut off, if there was one.
    pub repair: Option<Cut>,
    /// What was wrong with the copies of seals beside the file, and what was done about it: one
    /// line each, for the user.
    pub warnings: Vec<String>,
    /// The right to write the file. The journal's writer holds it too.
    pub lock: Lock,
}

/// Is there a state file at this path?
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn this_process() -> Opened {
    Opened {
        pid: std::process::id(),
        host: platform::host_name(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
