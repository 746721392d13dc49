//! A message for an incoming webhook of Slack: blocks, and a text where blocks are not shown.
//!
//! Source: <https://docs.slack.dev/reference/block-kit/blocks>. Only the fallback text and the link
//! are Slack's markup; every other text is `plain_text`, in which nothing is read as markup.

use serde_json::{Value, json};

use super::Notice;

/// The longest text of a header. Source: Slack, "Header block".
const LONGEST_HEADER: usize = 150;

pub(super) fn message(headline: &str, notice: &Notice) -> Value {
    let header: String = headline.chars().take(LONGEST_HEADER).collect();
    let mut blocks = vec![json!({ "type": "header", "text": plain_text(&header) })];
    let facts = notice.facts();
    let facts = facts.iter().map(|(label, fact)| format!("{label}: {fact}"));
    blocks.push(section(&facts.collect::<Vec<_>>()));
    if !notice.what.is_empty() {
        blocks.push(section(&notice.what));
    }
    if !notice.to_do.is_empty() {
        let to_do = notice.to_do.iter().map(|line| format!("• {line}"));
        let lines: Vec<String> = std::iter::once("To do:".to_owned()).chain(to_do).collect();
        blocks.push(section(&lines));
    }
    if let Some(next) = &notice.next {
        let text = json!({ "type": "text", "text": next });
        let command = json!({ "type": "rich_text_preformatted", "elements": [text] });
        blocks.push(json!({ "type": "rich_text", "elements": [command] }));
    }
    if let Some(page) = &notice.page {
        let link = format!("<{}|Open the pipeline run>", escape_markup(page));
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": link } }));
    }
    json!({
        "text": escape_markup(headline),
        "unfurl_links": false,
        "blocks": blocks,
    })
}

fn section(lines: &[String]) -> Value {
    json!({ "type": "section", "text": plain_text(&lines.join("\n")) })
}

fn plain_text(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

/// Text in which Slack finds no link and no mention of a channel.
/// Source: <https://docs.slack.dev/messaging/formatting-message-text#escaping>.
fn escape_markup(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}
