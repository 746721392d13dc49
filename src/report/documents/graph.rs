//! What `graph` writes.

use schemars::JsonSchema;
use serde::Serialize;

use super::Version;
use crate::report::run_report::GraphPicture;

/// What `graph` writes.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GraphDocument {
    v: Version,
    /// The orchestration's name.
    orchestration: String,
    /// The stages that are known, in order.
    stages: Vec<&'static str>,
    /// The form of the graph: `mermaid` or `svg`.
    format: &'static str,
    /// The graph in this form.
    graph: String,
}

impl GraphDocument {
    /// The document of a graph, with the name of its form and its text.
    pub fn new(picture: &GraphPicture, format: &'static str, graph: String) -> Self {
        Self {
            v: Version,
            orchestration: picture.name().to_owned(),
            stages: picture.stages(),
            format,
            graph,
        }
    }
}
