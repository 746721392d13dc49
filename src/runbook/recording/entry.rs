//! Drafts as text of a runbook: entries of `iom.requests`, each with what was replaced in it and
//! what is still invalid. `confirmed` is left empty, so that a runbook with the entry is refused
//! until a person has written who confirmed it.

use super::Draft;
use crate::base::text::{count, escape};
use crate::runbook::model::keywords::{Keyword as _, list_keywords, quoted_list};
use crate::runbook::model::request::{IomRequest, Method};
use crate::runbook::parse;

/// The entries of a recording: the file's name is for the heading.
pub fn format_entries(file: &str, drafts: &[Draft]) -> String {
    let mut text = format!(
        "# {} below the Dataverse Web API root in {}. Hosts, headers, cookies and tokens were left\n\
         # out. Keep the request of your click, and write who confirmed it, when and how:\n\
         # without that, the runbook is refused.\n",
        count(drafts.len(), "write"),
        escape(file)
    );
    if drafts.iter().any(|draft| draft.request.is_none()) {
        text += &format!(
            "# Replace `request-1` and so on by one of {}.\n",
            list_keywords::<IomRequest>()
        );
    }
    text += "iom:\n  requests:\n";
    let mut named = Vec::new();
    for (at, draft) in drafts.iter().enumerate() {
        let request = draft.request;
        let key = request.map_or_else(|| format!("request-{}", at + 1), |it| it.to_string());
        // Only one of several drafts for one request can be kept; the others are comments.
        let mark = if request.is_some() && named.contains(&request) {
            "# "
        } else {
            ""
        };
        named.push(request);
        for line in comments(draft) {
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

fn comments(draft: &Draft) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(status) = draft.status {
        let failed = if (200..300).contains(&status) {
            ""
        } else {
            ": it failed when it was recorded"
        };
        lines.push(format!("response {status}{failed}"));
    }
    if !draft.candidates.is_empty() {
        let words = draft.candidates.iter().map(|it| it.keyword());
        lines.push(format!("it may be one of {}", quoted_list(words)));
    }
    let replaced = draft.replaced.iter();
    lines.extend(replaced.map(|it| format!("{} was {}", it.placeholder, it.was)));
    lines.extend(draft.notes.iter().map(|note| format!("check: {note}")));
    lines.extend(draft.request.into_iter().flat_map(|request| {
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
    let runbook = format!("runbook: 1\nact-as: a@b.example\niom:\n  requests:\n{indented}");
    let Err(diagnostics) = parse("", &runbook) else {
        return Vec::new();
    };
    // The document has nothing but the entry; errors outside of it do not count.
    let of_the_entry = diagnostics.iter().filter(|it| it.position().line > 4);
    of_the_entry.map(|it| it.message().to_owned()).collect()
}
