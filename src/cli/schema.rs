//! `iomcopy schema`: the JSON Schema of a runbook, for editors, or of a command's JSON output, for
//! programs that read it.

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::exit_code::DONE;
use crate::report::{Printer, commands_with_json, output_schema};
use crate::runbook;

/// The arguments of `schema`.
#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// The JSON output of this command instead of the runbook; for `run`, one event
    #[arg(long, value_name = "COMMAND", value_parser = PossibleValuesParser::new(commands_with_json()))]
    pub(super) output_of: Option<String>,
}

/// Prints the schema, with any `--output`.
pub(super) fn schema(printer: &Printer, arguments: &SchemaArguments) -> u8 {
    let output = arguments.output_of.as_deref().and_then(output_schema);
    let schema = output.unwrap_or_else(runbook::schema);
    printer.data(&format!("{schema:#}"));
    DONE
}
