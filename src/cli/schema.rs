//! `iomcopy schema`: the JSON Schema of a runbook, for editors, or of what a command writes, for
//! programs that read it.

use super::arguments::SchemaArguments;
use super::exit::DONE;
use super::session::Session;
use crate::report::output_schema;
use crate::runbook;

/// Prints the schema; the same whatever `--output` says.
pub(super) fn schema(session: &Session, arguments: &SchemaArguments) -> u8 {
    let schema = arguments
        .output_of
        .map_or_else(runbook::schema, output_schema);
    session.printer.data(&format!("{schema:#}"));
    DONE
}
