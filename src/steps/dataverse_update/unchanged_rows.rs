//! The selected rows that a step leaves as they are, and why.

use serde_json::Value;
use uuid::Uuid;

/// Why a selected row with another value stays as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum UnchangedReason {
    /// The step takes its value from before the copy, when the row was not there.
    NotBeforeCopy,
    /// The filter selects it only since the step has ended.
    New,
    /// A later change of this run has set it.
    SetLater,
}

impl UnchangedReason {
    /// Each reason.
    pub(super) const ALL: [Self; 3] = [Self::NotBeforeCopy, Self::New, Self::SetLater];

    /// What follows `because` in a note.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::NotBeforeCopy => "the target did not have them before the copy",
            Self::New => "the filter selects them only since this step has ended",
            Self::SetLater => "a later step of this run has set them",
        }
    }
}

/// What the changes of other steps have set: the key of each, the number of its record, and what it
/// leaves.
pub(super) struct LaterSets<'a>(pub(super) Vec<(&'a str, u64, Value)>);

impl LaterSets<'_> {
    /// Has every column that differs the value that a change after record `since` gave it? A change
    /// whose key does not name the row is recognized by the fingerprint of a text, which two texts
    /// do not share.
    pub(super) fn have_set(&self, id: Uuid, since: u64, now: &Value, wanted: &Value) -> bool {
        let id = id.to_string();
        let is_set = |column: &String, value: &Value| {
            let is_text = value
                .as_str()
                .is_some_and(|text| text.starts_with("sha256:"));
            self.0.iter().any(|(key, number, after)| {
                let is_of_row = key.contains(&id) || is_text;
                *number > since && is_of_row && after.get(column) == Some(value)
            })
        };
        let columns = now.as_object().into_iter().flatten();
        let mut differing = columns.filter(|(column, value)| wanted.get(*column) != Some(*value));
        let Some((column, value)) = differing.next() else {
            return false;
        };
        is_set(column, value) && differing.all(|(column, value)| is_set(column, value))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_of_a_later_change_is_left_and_every_other_one_is_not() {
        let own_row = format!("own/later/v/{}", Uuid::nil());
        let restored = json!({ "value": "sha256:uat" });
        let flag = json!({ "off": true });
        let sets = LaterSets(vec![
            ("variable/contoso_Shop", 20, restored),
            ("own/later/v/another-row", 20, flag.clone()),
            (&own_row, 30, flag),
        ]);
        let wanted = json!({ "value": "https://scrubbed.invalid", "off": false });
        let now = |value: &str, off: bool| json!({ "value": value, "off": off });
        let scrubbed = "https://scrubbed.invalid";
        for (since, now, is_later) in [
            (10, now("sha256:uat", false), true),
            (10, now("sha256:uat", true), true),
            (25, now("sha256:uat", false), false),
            (25, now(scrubbed, true), true),
            (35, now(scrubbed, true), false),
            (10, now("sha256:somebody", false), false),
            (10, now("sha256:somebody", true), false),
            (10, now(scrubbed, false), false),
            (10, Value::Null, false),
        ] {
            assert_eq!(
                sets.have_set(Uuid::nil(), since, &now, &wanted),
                is_later,
                "{now}"
            );
        }
        let other = Uuid::from_u128(1);
        assert!(!sets.have_set(other, 10, &now(scrubbed, true), &wanted));
    }
}
