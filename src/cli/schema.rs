//! `iomcopy schema`: the JSON Schema of a runbook, for editors.

use super::arguments::SchemaArguments;
use super::exit::DONE;
use super::session::Session;
use crate::runbook;

/// Prints the schema; the same whatever `--output` says.
pub(super) fn schema(session: &Session, _: &SchemaArguments) -> u8 {
    session.printer.data(&format!("{:#}", runbook::schema()));
    DONE
}
