//! `iomcopy schema`: the JSON Schema of a runbook, for editors, or of a command's JSON output, for
//! programs that read it.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::exit_code::DONE;
use crate::report::{Command, Printer, output_schema};
use crate::runbook;

/// The arguments of `schema`.
#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// The JSON output of this command instead of the runbook; for `run`, one event
    #[arg(long, value_name = "COMMAND", value_parser = command_parser())]
    pub(super) output_of: Option<Command>,
}

/// Parses the name of a command that writes JSON.
fn command_parser() -> impl TypedValueParser<Value = Command> {
    let names = Command::ALL.map(Command::name);
    PossibleValuesParser::new(names).try_map(|given| {
        let found = Command::ALL.into_iter().find(|it| it.name() == given);
        found.ok_or("unknown command")
    })
}

/// Prints the schema, with any `--output`.
pub(super) fn schema(printer: &Printer, arguments: &SchemaArguments) -> u8 {
    let schema = arguments
        .output_of
        .map_or_else(runbook::schema, output_schema);
    printer.data(&format!("{schema:#}"));
    DONE
}
