//! The options of `guided`: what a person does, and what shows that it is done.

use serde::Serialize;

use super::filter;
use crate::runbook::grammar::keys::section;
use crate::runbook::grammar::kind::{self, Kind, keyword_or_map, one_or_more_texts};
use crate::runbook::grammar::scalars::{keyword, text};
use crate::runbook::model::iom::logical_name;
use crate::runbook::model::keywords::keywords;
use crate::runbook::source::Located;

section! {
    /// Options of `guided`.
    pub struct Guided {
        /// What must be done, in one line.
        "title" title: Located<String> = required(text().with_example("TITLE"));
        /// How it is done: one line for each action.
        "instructions" instructions: Vec<Located<String>> = required(
            one_or_more_texts("write it as `[open the page, press the button]`")
                .with_example("[LINE, LINE]")
        );
        /// What shows that it is done: rows of the target, or `none` if nothing in the tenant
        /// shows it. A person then confirms it with `iomcopy complete RUNBOOK STEP/by-hand --waive
        /// REASON`, and the state file records who did.
        "evidence" evidence: Located<Evidence> = required(evidence());
    }
}

/// What shows that a person has done a step.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Nothing in the tenant.
    None,
    /// Rows of the target.
    Rows(EvidenceRows),
}

keywords! {
    /// How many rows a filter must select.
    pub enum ExpectedRows {
        /// No row.
        None = "none",
        /// At least one row.
        Some = "some",
    }
}

section! {
    /// Rows of the target that show that a step is done.
    pub struct EvidenceRows {
        /// The table's logical name.
        "table" table: Located<String> = required(logical_name().with_example("contact"));
        /// The condition that selects the rows, as in the query option `$filter` of the Web API.
        "filter" filter: Located<String> = required(filter());
        /// How many rows the filter selects once the step is done.
        "rows" rows: Located<ExpectedRows> = required(keyword().with_example("none"));
    }
}

fn evidence() -> Kind<Located<Evidence>> {
    const EXAMPLE: &str = "{ table: TABLE, filter: CONDITION, rows: none }";
    let rows = kind::section::<EvidenceRows>(EXAMPLE).map(Evidence::Rows);
    let help =
        "write `{ table: TABLE, filter: CONDITION, rows: none }`, or `none` if only a person knows";
    keyword_or_map(("none", Evidence::None), rows, "`none` or a map", help).with_example(EXAMPLE)
}
