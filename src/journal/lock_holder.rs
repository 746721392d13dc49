//! The process that holds a state file.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The process that holds a state file, as its lock file names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// Its process id.
    pub pid: u32,
    /// Its machine's host name.
    pub host: String,
    /// When it took the lock.
    pub since: Timestamp,
    /// The state file, as an absolute path.
    pub path: String,
}
