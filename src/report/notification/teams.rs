//! An adaptive card for Microsoft Teams, in the message that a webhook of the Workflows app takes.
//!
//! Sources: Microsoft Learn, "Create incoming webhooks with Workflows for Microsoft Teams" (the
//! message, its one attachment); <https://adaptivecards.io/explorer/> (the card). Teams reads a
//! `TextBlock` and a `Fact` as Markdown, and a `TextRun` as plain text: here, every text is a
//! `TextRun`.

use serde_json::{Value, json};

use super::Notice;
use crate::runbook::Occasion;

/// The oldest version of the schema that has everything used here; all clients of Teams have it.
const VERSION: &str = "1.4";

pub(super) fn message(occasion: Occasion, headline: &str, notice: &Notice) -> Value {
    let mut body = vec![json!({
        "type": "Container",
        "style": style(occasion),
        "bleed": true,
        "items": [block(&[run(headline, Some("Bolder"))], "None")],
    })];
    for (label, fact) in notice.facts() {
        let label = format!("{label}: ");
        body.push(block(
            &[run(&label, Some("Bolder")), run(&fact, None)],
            "None",
        ));
    }
    body.extend(lines(&notice.what, "", "Medium"));
    if !notice.to_do.is_empty() {
        body.push(heading("To do"));
        body.extend(lines(&notice.to_do, "• ", "None"));
    }
    if let Some(next) = &notice.next {
        let mut command = run(next, None);
        command["fontType"] = json!("Monospace");
        body.extend([heading("Next command"), block(&[command], "None")]);
    }
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": VERSION,
        "fallbackText": headline,
        "msteams": { "width": "Full" },
        "body": body,
    });
    if let Some(page) = &notice.page {
        let title = "Open the pipeline run";
        card["actions"] = json!([{ "type": "Action.OpenUrl", "title": title, "url": page }]);
    }
    json!({
        "type": "message",
        "summary": headline,
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": card,
        }],
    })
}

fn style(occasion: Occasion) -> &'static str {
    match occasion {
        Occasion::Waiting => "warning",
        Occasion::Failed => "attention",
        Occasion::Finished => "good",
    }
}

fn heading(text: &str) -> Value {
    block(&[run(text, Some("Bolder"))], "Medium")
}

/// A block for each line: Teams does not break a line inside a run. Takes the space above the first.
fn lines(lines: &[String], bullet: &str, above: &str) -> Vec<Value> {
    let lines = lines.iter().enumerate().map(|(number, line)| {
        let spacing = if number == 0 { above } else { "None" };
        block(&[run(&format!("{bullet}{line}"), None)], spacing)
    });
    lines.collect()
}

fn block(runs: &[Value], spacing: &str) -> Value {
    json!({ "type": "RichTextBlock", "spacing": spacing, "inlines": runs })
}

fn run(text: &str, weight: Option<&str>) -> Value {
    let mut run = json!({ "type": "TextRun", "text": text });
    if let Some(weight) = weight {
        run["weight"] = json!(weight);
    }
    run
}
