//! Is a policy or an orchestration published?
//!
//! Microsoft does not publish which column shows it, the state or the status. Both are read, by
//! their labels, and one of them is enough.

use serde_json::Value;

use super::names::{Fields, is_generic_state, is_labelled, label};

/// The label of a published row.
pub(crate) const PUBLISHED: &str = "Published";
/// The label of a row that is not published.
pub(crate) const UNPUBLISHED: &str = "Unpublished";

/// The columns that may show that a row is published.
const COLUMNS: [&str; 2] = ["statecode", "statuscode"];

/// Is this policy or orchestration published?
pub(crate) fn is_published(row: &Fields) -> bool {
    COLUMNS
        .into_iter()
        .any(|column| is_labelled(row, column, PUBLISHED))
}

/// The state that stopping and publishing compare: published, unpublished, or what the service says
/// while it changes from one to the other.
pub(crate) fn publication_state(row: &Fields) -> Value {
    if is_published(row) {
        return Value::from(PUBLISHED);
    }
    match label(row, "statecode") {
        Some(state) if is_generic_state(&state) => {
            // These states are the same for all rows: only the status can show a change in progress.
            let status = label(row, "statuscode").filter(|status| is_transition(status));
            Value::from(status.unwrap_or_else(|| UNPUBLISHED.to_owned()))
        }
        state => Value::from(state),
    }
}

/// Does a label say that a change is in progress: `Publishing`, `Stopping`?
fn is_transition(label: &str) -> bool {
    label.to_ascii_lowercase().ends_with("ing")
}

/// A row with these labels of state and status.
#[cfg(test)]
pub(crate) fn labelled(state: &str, status: &str) -> Fields {
    let row = serde_json::json!({
        "statecode@OData.Community.Display.V1.FormattedValue": state,
        "statuscode@OData.Community.Display.V1.FormattedValue": status,
    });
    row.as_object().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_or_status_says_that_a_row_is_published() {
        for (state, status, expected) in [
            ("Published", "Active", PUBLISHED),
            ("Active", "published", PUBLISHED),
            ("Unpublished", "Inactive", UNPUBLISHED),
            ("Active", "Draft", UNPUBLISHED),
            ("Publishing", "Publishing", "Publishing"),
            ("Active", "Publishing", "Publishing"),
            ("Active", "Stopped", UNPUBLISHED),
        ] {
            let row = labelled(state, status);
            assert_eq!(
                is_published(&row),
                expected == PUBLISHED,
                "{state} {status}"
            );
            assert_eq!(publication_state(&row), expected, "{state} {status}");
        }
        assert_eq!(publication_state(&Fields::new()), Value::Null);
    }
}
