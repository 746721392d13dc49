//! What needs a look in a run, as `status` and `report` write it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// What needs a look in a run.
#[derive(Clone, Debug, Default, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Findings {
    /// What was found and stopped nothing, one line for each finding.
    #[serde(rename = "findings")]
    pub texts: Vec<String>,
    /// What to do about a finding, by its text, if that is known. State files of earlier versions
    /// have it for none.
    pub remedies: BTreeMap<String, String>,
}

impl Findings {
    /// Each finding with what to do about it, as lines for a list.
    pub(in crate::report) fn with_remedies(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.texts.iter().map(|text| {
            let remedy = self.remedies.get(text).map(String::as_str);
            (text.as_str(), remedy)
        })
    }
}
