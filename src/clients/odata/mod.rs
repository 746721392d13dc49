//! OData, as Dataverse and Finance and Operations use it.
//!
//! - [`query`]: the query options of a list.
//! - [`list`]: all rows of a query, page after page.
//! - [`row`]: rows with their exact text.
//! - [`write`]: conditions of writes, and the response to one.
//! - `path`: paths that stay below a service's root; the headers of every request.

mod list;
mod path;
mod query;
mod row;
mod write;

pub(super) use list::{list_mapped, list_rows};
pub(super) use path::{service_path, with_version};
pub(super) use query::ANNOTATIONS;
pub use query::{Query, literal};
pub use row::Row;
pub(super) use write::read_write_response;
pub use write::{Condition, WriteResponse};
