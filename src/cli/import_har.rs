//! `iomcopy import-har`: entries of `iom.requests` from a browser's recording of one click.

use std::path::PathBuf;

use clap::Args;

use super::common_arguments::{Output, keyword_parser};
use super::exit_code::DONE;
use super::session::Session;
use crate::base::files;
use crate::engine::{Failure, FailureKind};
use crate::report::{ImportDocument, Version, document};
use crate::runbook::{self, Draft, IomRequest};

/// The arguments of `import-har`.
#[derive(Debug, Args)]
pub(super) struct ImportHarArguments {
    /// The recording: a HAR file that the browser's network log saved
    pub(super) file: PathBuf,
    /// The request that the click sends, such as `delete-provider`; it decides which values become
    /// placeholders; without it, the table and the method of the request decide
    #[arg(long, value_name = "REQUEST", value_parser = keyword_parser::<IomRequest>())]
    pub(super) request: Option<IomRequest>,
}

/// Reads the recording and prints its write requests as entries of a runbook.
pub(super) fn import_har(session: &Session, arguments: &ImportHarArguments) -> Result<u8, Failure> {
    let file = arguments.file.display().to_string();
    let invalid =
        |reason: String| Failure::new(FailureKind::InvalidInput, format!("{file}: {reason}"));
    let text = files::read_to_string(&arguments.file)
        .map_err(|error| invalid(format!("the recording could not be read: {error}")))?;
    let recorded = runbook::read_writes(&text).map_err(|error| {
        invalid(error.to_string()).with_help("save the browser's network log as HAR, with content")
    })?;
    if recorded.is_empty() {
        let reason = "the recording has no write request to a Dataverse Web API".to_owned();
        let help = "open the network log before the page loads, in the window of the app itself, and \
                    record while you press the button";
        return Err(invalid(reason).with_help(help));
    }
    let drafts: Vec<Draft> = recorded
        .iter()
        .map(|recorded| Draft::from_recorded(recorded, arguments.request))
        .collect();
    session.printer.data(&match session.output {
        Output::Human => runbook::format_entries(&file, &drafts),
        Output::Json => document(&ImportDocument {
            v: Version,
            request: arguments.request.map(|request| request.to_string()),
            writes: drafts,
        }),
    });
    Ok(DONE)
}
