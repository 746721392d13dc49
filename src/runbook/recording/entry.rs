//! Drafts as text of a runbook: entries of `iom.requests`, each with what was replaced in it and
//! what is still invalid. `confirmed` is left empty, so that a runbook with the entry is refused
//! until a person has written who confirmed it.

use super::Draft;
use crate::base::text::{count, escape};
use crate::runbook::model::request::{IomRequest, Method};
use crate::runbook::model::words::list_words;
use crate::runbook::parse;

/// The entries of a recording: the file's name is for the heading, `request` is the request of the
/// recorded click, where it is known.
pub fn format_entries(file: &str, drafts: &[Draft], request: Option<IomRequest>) -> String {
    let mut text = format!(
        "# {} below the Dataverse Web API root in {}. Hosts, headers, cookies and tokens were left\n\
         # out. Keep the request of your click, and write who confirmed it, when and how:\n\
         # without that, the runbook is refused.\n",
        count(drafts.len(), "write"),
        escape(file)
    );
    if request.is_none() {
        text += &format!(
            "# Replace `request-1` and so on by one of {}.\n",
            list_words::<IomRequest>()
        );
    }
    text += "iom:\n  requests:\n";
    for (at, draft) in drafts.iter().enumerate() {
        let key = request.map_or_else(|| format!("request-{}", at + 1), |it| it.to_string());
        // Of several drafts for one request only one can be kept; the others are comments.
        let mark = if request.is_some() && at > 0 {
            "# "
        } else {
            ""
        };
        for line in comments(draft, request) {
            text += &format!("    # {}\n", escape(&line));
        }
        for line in entry(&key, draft, "\"\"").lines() {
            text += &format!("    {mark}{line}\n");
        }
    }
    text.trim_end().to_owned()
}

/// One entry, not indented.
fn entry(key: &str, draft: &Draft, confirmed: &str) -> String {
    let mut text = format!(
        "{key}:\n  method: {}\n  path: {}\n",
        draft.method,
        quote(&draft.path)
    );
    if let Some(body) = draft
        .body
        .as_ref()
        .filter(|_| draft.method != Method::Delete)
    {
        text += &format!("  body: {}\n", quote(body));
    }
    text + &format!("  confirmed: {confirmed}\n")
}

/// A text in single quotes, in which YAML reads only a quote that is doubled.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn comments(draft: &Draft, request: Option<IomRequest>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(status) = draft.status {
        let failed = if (200..300).contains(&status) {
            ""
        } else {
            ": it failed when it was recorded"
        };
        lines.push(format!("response {status}{failed}"));
    }
    let replaced = draft.replaced.iter();
    lines.extend(replaced.map(|it| format!("{} was {}", it.placeholder, it.was)));
    lines.extend(draft.notes.iter().map(|note| format!("check: {note}")));
    lines.extend(request.into_iter().flat_map(|request| {
        let errors = entry_errors(draft, request).into_iter();
        errors.map(|message| format!("still invalid: {message}"))
    }));
    lines
}

/// The errors of the entry once it is confirmed.
fn entry_errors(draft: &Draft, request: IomRequest) -> Vec<String> {
    let entry = entry(&request.to_string(), draft, "somebody");
    let indented: Vec<String> = entry.lines().map(|line| format!("    {line}\n")).collect();
    let indented = indented.concat();
    let runbook = format!("runbook: 1\niom:\n  requests:\n{indented}");
    let Err(diagnostics) = parse("", &runbook) else {
        return Vec::new();
    };
    // The document has nothing but the entry; errors outside of it do not count.
    let of_the_entry = diagnostics.iter().filter(|it| it.position().line > 3);
    of_the_entry.map(|it| it.message().to_owned()).collect()
}
