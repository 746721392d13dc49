//! Phases `record` and `replace`: text that the runbook replaces inside definitions.
//!
//! What is replaced already is not touched again, so both a resume and a second run find nothing. A
//! rule that matches nothing, neither now nor in the before-image, is a mistake in the runbook.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clients::Row;
use crate::domain::connections::acting_as;
use crate::domain::flows::rules::Rules;
use crate::domain::flows::{CLOUD_FLOWS, cloud_flows, is_named, is_on, replaced, shown};
use crate::domain::names::{Fields, text};
use crate::domain::tenant_set::{Request, RowReader, TenantSet};
use crate::domain::{Refresh, marked, seals};
use crate::engine::{
    Action, Capture, Captured, Change, Failure, FailureKind, Known, Reading, Survey,
};
use crate::runbook::{Replacement, Span};

/// The seal of definitions: made before text in any of them is replaced.
const FLOWS: &str = "flows";

/// What keys of that seal begin with.
const WORKFLOW: &str = "workflow";

/// Records every cloud flow: a rule that is written later finds its before-image too.
pub(super) struct Record(pub(super) Arc<Refresh>);

#[async_trait]
impl Capture for Record {
    fn seal(&self) -> &'static str {
        FLOWS
    }

    async fn list(&self, known: &Known) -> Result<Vec<Captured>, Failure> {
        let view = self.0.view(known);
        let rows = view
            .rows_where("workflow", Some(CLOUD_FLOWS.to_owned()))
            .await?;
        Ok(seals::captured(WORKFLOW, "workflowid", rows))
    }
}

/// Finds the definitions in which text is still to be replaced.
pub(super) struct Replace(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for Replace {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let view = refresh.view(known);
        let table = view.table("workflow").await?;
        let rules = Rules::read(refresh, known).await?;
        let mut flows = cloud_flows(view).await?;
        flows.retain(|_, row| rules.made_anew(&name_of(row)).is_none());
        let recorded: BTreeMap<Uuid, Fields> =
            seals::rows(known, FLOWS, WORKFLOW).into_iter().collect();
        let replacements = &refresh.runbook.steps.activate_flows.options.replace;
        self.check(replacements, &flows, &recorded)?;
        let acting_as = acting_as(refresh, view).await?;
        let mut changes = Vec::new();
        for (id, row) in &flows {
            let name = name_of(row);
            let applicable: Vec<&Replacement> = replacements
                .iter()
                .filter(|rule| is_named(&rule.flow.value, *id, &name))
                .collect();
            let data = text(row, "clientdata").unwrap_or_default();
            let Edit {
                pairs,
                text: new,
                span,
            } = Edit::of(&applicable, &data);
            let Some(span) = span else {
                continue;
            };
            if serde_json::from_str::<Value>(&new).is_err() {
                return Err(self.wrong(
                    span,
                    &format!("replacing it leaves no JSON of the definition of '{name}'"),
                    "replace a whole value: an id, an address, a name",
                ));
            }
            if is_on(row) {
                return Err(Failure::failed(format!(
                    "text of cloud flow '{name}' is to be replaced, and it is on"
                ))
                .with_help(
                    "a flow can be changed only while it is off: turn it off, then run again",
                )
                .lasting());
            }
            if !recorded.contains_key(id) {
                return Err(Failure::failed(format!(
                    "cloud flow '{name}' came after the definitions were recorded, so what it \
                     holds now could not be had back"
                ))
                .with_help("leave it out of `replace`, and change it in the designer")
                .lasting());
            }
            let request = {
                let (entity_set, id, pairs) = (table.entity_set.clone(), *id, pairs.clone());
                move |reading: &Reading| {
                    let data = reading.basis.as_str().unwrap_or_default();
                    let body = json!({ "clientdata": apply(&pairs, data) });
                    Ok(Request::patch(&entity_set, id, &body).acting_as(acting_as))
                }
            };
            changes.push(Change {
                key: format!("flow-definition/{id}"),
                name: format!("replace text in cloud flow '{name}'"),
                before: difference(&pairs, &data),
                after: difference(&pairs, &new),
                follows: Vec::new(),
                action: Action::Set(Arc::new(TenantSet {
                    refresh: Arc::clone(refresh),
                    reader: RowReader::of(
                        refresh,
                        &table.entity_set,
                        *id,
                        move |row: Option<&Row>| reading(&pairs, row),
                    ),
                    request,
                    patience: Duration::from_mins(2),
                })),
            });
        }
        Ok(changes)
    }
}

impl Replace {
    /// Every rule must name a flow and have found its text, now or in the before-image.
    fn check(
        &self,
        replacements: &[Replacement],
        flows: &BTreeMap<Uuid, Fields>,
        recorded: &BTreeMap<Uuid, Fields>,
    ) -> Result<(), Failure> {
        let mut named = BTreeSet::new();
        let mut found = BTreeSet::new();
        for (id, row) in flows {
            let name = name_of(row);
            let applicable: Vec<usize> = (0..replacements.len())
                .filter(|index| is_named(&replacements[*index].flow.value, *id, &name))
                .collect();
            named.extend(applicable.iter().copied());
            for row in [Some(row), recorded.get(id)].into_iter().flatten() {
                let mut data = text(row, "clientdata").unwrap_or_default();
                for index in &applicable {
                    let rule = &replacements[*index];
                    let next = replaced(&data, &rule.find.value, &rule.with.value);
                    if let Cow::Owned(next) = next {
                        found.insert(*index);
                        data = next;
                    }
                }
            }
        }
        for (index, rule) in replacements.iter().enumerate() {
            if !named.contains(&index) {
                return Err(self.wrong(
                    rule.flow.span,
                    &format!("no cloud flow matches '{}'", rule.flow.value),
                    "correct it, or leave the rule out; flows that providers deployed and compiled \
                     flows are made anew and not changed",
                ));
            }
            if !found.contains(&index) {
                return Err(self.wrong(
                    rule.find.span,
                    "no flow that this rule names holds this text",
                    "correct it, or leave the rule out; capitals and blanks count",
                ));
            }
        }
        Ok(())
    }

    fn wrong(&self, span: Span, why: &str, help: &str) -> Failure {
        let diagnostic = self.0.runbook.diagnostic(span, why, Some(help));
        marked(FailureKind::Wrong, &diagnostic)
    }
}

/// What the rules change in one definition.
struct Edit {
    /// What is looked for and what replaces it, of the rules that find something.
    pairs: Vec<(String, String)>,
    /// The definition afterwards.
    text: String,
    /// Where the last of those rules stands; none where nothing is found.
    span: Option<Span>,
}

impl Edit {
    fn of(rules: &[&Replacement], data: &str) -> Self {
        let mut edit = Self {
            pairs: Vec::new(),
            text: data.to_owned(),
            span: None,
        };
        for rule in rules {
            let (find, with) = (&rule.find.value, &rule.with.value);
            if let Cow::Owned(next) = replaced(&edit.text, find, with) {
                edit.text = next;
                edit.pairs.push((find.clone(), with.clone()));
                edit.span = Some(rule.find.span);
            }
        }
        edit
    }
}

pub(super) fn apply(pairs: &[(String, String)], data: &str) -> String {
    pairs.iter().fold(data.to_owned(), |data, (find, with)| {
        replaced(&data, find, with).into_owned()
    })
}

/// The replaced text and nothing else, as it may be shown: for each pair what stands there.
pub(super) fn difference(pairs: &[(String, String)], data: &str) -> Value {
    let mut data = data.to_owned();
    let mut lines = Vec::new();
    for (find, with) in pairs {
        let next = replaced(&data, find, with);
        let stands = if matches!(next, Cow::Owned(_)) {
            find
        } else {
            with
        };
        lines.push(shown(stands));
        data = next.into_owned();
    }
    json!({ "text": lines })
}

pub(super) fn reading(pairs: &[(String, String)], row: Option<&Row>) -> Reading {
    let Some(data) = row.and_then(|row| row.string("clientdata")) else {
        return Reading::of(Value::Null);
    };
    Reading {
        value: difference(pairs, data),
        etag: None,
        basis: json!(data),
    }
}

fn name_of(row: &Fields) -> String {
    text(row, "name").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(find: &str, with: &str) -> (String, String) {
        (find.to_owned(), with.to_owned())
    }

    #[test]
    fn the_difference_holds_the_replaced_text_alone_and_no_signature() {
        let pairs = [
            pair("https://prod/x?sig=AAAABBBB", "https://uat/x?sig=CCCCDDDD"),
            pair("shop", "shop-uat"),
        ];
        let data = r#"{"url":"https://prod/x?sig=AAAABBBB","name":"shop","secret":"kept"}"#;
        let before = difference(&pairs, data);
        let after = difference(&pairs, &apply(&pairs, data));
        assert_eq!(before["text"][1], "shop");
        assert_eq!(after["text"][1], "shop-uat");
        assert_ne!(before["text"][0], after["text"][0]);
        for hidden in ["AAAABBBB", "CCCCDDDD", "kept"] {
            assert!(!format!("{before}{after}").contains(hidden));
        }
    }

    #[test]
    fn a_second_reading_finds_the_end_and_its_basis_is_the_definition() {
        let pairs = [pair("a1", "b2")];
        let row = |data: &str| Row {
            etag: None,
            text: String::new(),
            value: json!({ "clientdata": data }).as_object().unwrap().clone(),
        };
        let old = row(r#"{"x":"a1"}"#);
        let new = apply(&pairs, r#"{"x":"a1"}"#);
        assert_eq!(reading(&pairs, Some(&old)).basis, json!(r#"{"x":"a1"}"#));
        assert_eq!(
            reading(&pairs, Some(&row(&new))).value,
            json!({ "text": ["b2"] })
        );
        assert_eq!(reading(&pairs, None).value, Value::Null);
    }

    #[test]
    fn a_rule_may_work_on_what_an_earlier_one_wrote() {
        let pairs = [pair("one", "two"), pair("two", "three")];
        let data = r#"{"x":"one"}"#;
        assert_eq!(difference(&pairs, data), json!({ "text": ["one", "two"] }));
        let new = apply(&pairs, data);
        assert_eq!(new, r#"{"x":"three"}"#);
        assert_eq!(
            difference(&pairs, &new),
            json!({ "text": ["two", "three"] })
        );
    }
}
