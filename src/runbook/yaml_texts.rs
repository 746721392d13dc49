//! The texts of a YAML document that is not a runbook, for the tests of the example pipelines.

use super::tree::{Content, Node};
use super::yaml::read_document;

/// Every text of one document, with the keys and the numbers of items that lead to it. The error is
/// the first problem of the document.
pub(crate) fn texts_in_yaml(text: &str) -> Result<Vec<(Vec<String>, String)>, String> {
    let document = read_document(text).map_err(|problem| problem.message)?;
    if let Some(problem) = document.problems.into_iter().next() {
        return Err(problem.message);
    }
    let mut found = Vec::new();
    if let Some(root) = document.root {
        collect(&root, &mut Vec::new(), &mut found);
    }
    Ok(found)
}

fn collect(node: &Node, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, String)>) {
    let mut visit = |key: String, node: &Node| {
        path.push(key);
        collect(node, path, found);
        path.pop();
    };
    match &node.content {
        Content::Map(entries) => {
            for entry in entries {
                visit(entry.key.value.clone(), &entry.value);
            }
        }
        Content::List(items) => {
            for (at, item) in items.iter().enumerate() {
                visit(at.to_string(), item);
            }
        }
        Content::Text { text, .. } => found.push((path.clone(), text.clone())),
        Content::Empty | Content::Broken => {}
    }
}
