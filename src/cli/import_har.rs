//! `iomcopy import-har`: entries of `iom.requests` from a browser's recording of one click.

use super::arguments::{ImportHarArguments, Output};
use super::exit::DONE;
use super::session::Session;
use crate::base::files;
use crate::engine::{Failure, FailureKind};
use crate::report::{ImportDocument, ImportedRequest, Replacement, Version, document as written};
use crate::runbook::{self, Draft};

/// Reads the recording and prints its writes as entries of a runbook.
pub(super) fn import_har(session: &Session, arguments: &ImportHarArguments) -> Result<u8, Failure> {
    let file = arguments.file.display().to_string();
    let wrong = |why: String| Failure::new(FailureKind::Wrong, format!("{file}: {why}"));
    let text = files::read_to_string(&arguments.file).map_err(|error| wrong(error.to_string()))?;
    let recorded = runbook::writes(&text).map_err(|error| {
        wrong(error.to_string()).with_help("save the browser's network log as HAR, with content")
    })?;
    if recorded.is_empty() {
        let why = "no write below a Dataverse Web API root is in it".to_owned();
        let help = "record while the button is pressed, in the window of the app itself; keep the \
                    log from before the page loads";
        return Err(wrong(why).with_help(help));
    }
    let drafts: Vec<Draft> = recorded
        .iter()
        .map(|recorded| Draft::of(recorded, arguments.request))
        .collect();
    session.printer.data(&match session.output {
        Output::Human => runbook::entries(&file, &drafts, arguments.request),
        Output::Json => written(&ImportDocument {
            v: Version,
            request: arguments.request.map(|request| request.to_string()),
            writes: drafts.iter().map(imported).collect(),
        }),
    });
    Ok(DONE)
}

fn imported(draft: &Draft) -> ImportedRequest {
    let replaced = draft.replaced.iter().map(|replaced| Replacement {
        placeholder: replaced.placeholder.to_string(),
        was: replaced.was.clone(),
    });
    ImportedRequest {
        method: draft.method.to_string(),
        path: draft.path.clone(),
        body: draft.body.clone(),
        status: draft.status,
        replaced: replaced.collect(),
        notes: draft.notes.clone(),
    }
}
