//! Changes of rows of the target, as the engine's [`Set`](crate::engine::Set) and
//! [`Launch`](crate::engine::Launch): each has one reader and one write.
//!
//! The write is a documented PATCH, or a request of the runbook's `iom:` section
//! ([`iom_change`](super::iom_change)). A request that cannot be repeated blindly becomes a launch
//! whose end is read by the same reader.
//!
//! ```text
//! reader.rs   reads the compared fields of a row, in the form of a change's `before` and `after`
//! request.rs  one write to the target's Web API, and how it is sent
//! set.rs      a set: one request, and the row's compared fields as the proof
//! launch.rs   a launch whose end is read from the rows that it changes
//! ```

mod launch;
mod reader;
mod request;
mod set;

pub(crate) use launch::{LatestReading, TenantLaunch};
pub(crate) use reader::{Reader, RowReader, is_whole_row, surveyed, surveyed_version};
pub(crate) use request::{MakeRequest, Request, send};
pub(crate) use set::{TargetWrite, row_set, surveyed_row_set};
