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

/// Findings for which a person does the same.
#[derive(Debug)]
pub(in crate::report) struct FindingGroup<'a> {
    pub(in crate::report) texts: Vec<&'a str>,
    pub(in crate::report) remedy: Option<&'a str>,
}

impl Findings {
    /// The findings in order; those with the same remedy are together, so that a list has it once.
    pub(in crate::report) fn groups(&self) -> Vec<FindingGroup<'_>> {
        let mut groups: Vec<FindingGroup<'_>> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for text in &self.texts {
            let remedy = self.remedies.get(text).map(String::as_str);
            let place = remedy.and_then(|remedy| places.get(remedy).copied());
            if let Some(group) = place.and_then(|place| groups.get_mut(place)) {
                group.texts.push(text);
                continue;
            }
            places.extend(remedy.map(|remedy| (remedy, groups.len())));
            groups.push(FindingGroup {
                texts: vec![text],
                remedy,
            });
        }
        groups
    }
}

impl FindingGroup<'_> {
    /// What a person does, with for how many findings if there are several.
    pub(in crate::report) fn fix(&self) -> Option<String> {
        let remedy = self.remedy?;
        Some(match self.texts.len() {
            1 => format!("fix: {remedy}"),
            several => format!("fix for these {several}: {remedy}"),
        })
    }
}
