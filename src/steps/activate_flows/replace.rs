//! Phases `record` and `replace`: text that the runbook replaces inside definitions, by the rules of
//! `replace` for one flow and by those of `containment.replace` for all.
//!
//! Text that is already replaced is not replaced again, so a resumed run and a second run find
//! nothing. A rule that matches nothing, neither now nor in the before-image, is an error in the
//! runbook; not if a flow already has its new text: then it was replaced before this state file.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::try_join;
use uuid::Uuid;

use super::name_of;
use crate::clients::Row;
use crate::domain::connections::find_acting_user;
use crate::domain::containment::Policy;
use crate::domain::flows::rules::Rules;
use crate::domain::flows::{CLOUD_FLOWS, cloud_flows, for_message, is_named, is_on, replaced};
use crate::domain::names::{Fields, text};
use crate::domain::row_changes::{MakeRequest, Request, RowReader, TargetWrite};
use crate::domain::seals::Part;
use crate::domain::{RefreshContext, failure_at, keys, seals};
use crate::engine::{
    Action, CaptureSource, Change, Failure, FailureKind, JournalView, Listing, Reading, Survey,
};
use crate::runbook::{Located, Replacement, Span};

/// The prefix of the captures in that seal.
const WORKFLOW: &str = "workflow";

/// Records every cloud flow, so that a rule that is added later finds its before-image too.
pub(super) struct Record(pub(super) Arc<RefreshContext>);

#[async_trait]
impl CaptureSource for Record {
    fn seal(&self) -> &'static str {
        seals::FLOW_DEFINITIONS
    }

    async fn list(&self, journal: &JournalView) -> Result<Listing, Failure> {
        let view = self.0.view(journal);
        seals::capture_rows(view, "workflow", WORKFLOW, CLOUD_FLOWS).await
    }
}

/// Finds the definitions in which text is still to be replaced.
pub(super) struct Replace(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for Replace {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let view = refresh.view(journal);
        let (table, rules, acting_as) = try_join!(
            view.table("workflow"),
            Rules::read(refresh, journal),
            find_acting_user(refresh, view),
        )?;
        let recorded = seals::ids(journal, Part::FlowDefinitions, WORKFLOW)
            .into_iter()
            .collect();
        let writer = TextWriter {
            refresh,
            policy: Policy::from_runbook(&refresh.runbook),
            recorded,
            entity_set: &table.entity_set,
            acting_as,
        };
        let texts = cloud_flows(view, |id, row| {
            let is_recreated = rules.recreated_because(&name_of(&row)).is_some();
            (!is_recreated).then(|| writer.read(id, &row))
        });
        let texts = texts.await?;
        self.check_rules(journal, &texts)?;
        texts
            .into_values()
            .filter_map(|flow| flow.change.transpose())
            .collect()
    }
}

/// What a flow's definition says about the rules.
struct FlowText {
    /// The rules of `replace` that name the flow, by their places.
    applicable: Vec<usize>,
    /// Those that find their text in the definition, or have already replaced it.
    found: BTreeSet<usize>,
    /// The change that all rules make together, if one finds anything.
    change: Result<Option<Change>, Failure>,
}

/// What writing definitions needs.
struct TextWriter<'a> {
    refresh: &'a Arc<RefreshContext>,
    policy: Policy,
    /// The flows whose definitions the seal holds.
    recorded: BTreeSet<Uuid>,
    entity_set: &'a str,
    acting_as: Option<Uuid>,
}

impl TextWriter<'_> {
    fn replacements(&self) -> &[Replacement] {
        &self.refresh.runbook.steps.activate_flows.options.replace
    }

    fn read(&self, id: Uuid, row: &Fields) -> FlowText {
        let name = name_of(row);
        let data = text(row, "clientdata").unwrap_or_default();
        let replacements = self.replacements();
        let applicable: Vec<usize> = (0..replacements.len())
            .filter(|index| is_named(&replacements[*index].flow.value, id, &name))
            .collect();
        let own = applicable.iter().map(|index| {
            let rule = &replacements[*index];
            (&rule.find, rule.with.value.as_str())
        });
        let mut rules: Vec<TextRule<'_>> = own.collect();
        if self.policy.keeps_everything().is_none() && self.policy.allows_name(&name).is_none() {
            rules.extend(self.policy.replacements());
        }
        FlowText {
            found: found_or_replaced(replacements, &applicable, &data),
            change: self.change(id, row, &data, Edit::new(&rules, &data)),
            applicable,
        }
    }

    /// The change of a definition, if the rules change it.
    fn change(
        &self,
        id: Uuid,
        row: &Fields,
        data: &str,
        edit: Edit,
    ) -> Result<Option<Change>, Failure> {
        let Some(span) = edit.span else {
            return Ok(None);
        };
        self.check_edit(&edit, span, row, self.recorded.contains(&id))?;
        let Edit {
            pairs, text: new, ..
        } = edit;
        let action = replace_text(self.refresh, self.entity_set, id, &pairs, self.acting_as);
        Ok(Some(Change {
            key: keys::flow_definition(id),
            name: format!("replace text in cloud flow '{}'", name_of(row)),
            before: difference(&pairs, data).into(),
            after: difference(&pairs, &new).into(),
            follows: Vec::new(),
            action,
        }))
    }

    /// A definition must stay JSON, and can be changed only while the flow is off and recorded.
    fn check_edit(
        &self,
        edit: &Edit,
        span: Span,
        row: &Fields,
        is_recorded: bool,
    ) -> Result<(), Failure> {
        let name = name_of(row);
        if serde_json::from_str::<Value>(&edit.text).is_err() {
            return Err(rule_error(
                self.refresh,
                span,
                &format!("after this replacement the definition of '{name}' is not valid JSON"),
                "replace a whole value: an id, an address, a name",
            ));
        }
        if is_on(row) {
            return Err(Failure::failed(format!(
                "cloud flow '{name}' is on, so its text cannot be replaced"
            ))
            .with_help("turn it off, then run again")
            .permanent());
        }
        if !is_recorded {
            return Err(Failure::failed(format!(
                "cloud flow '{name}' is newer than the recorded definitions, so its present \
                 definition could not be restored"
            ))
            .with_help("leave it out of `replace`, and change it in the designer")
            .permanent());
        }
        Ok(())
    }
}

impl Replace {
    /// Every rule must name a flow and find its text, now or in the before-image.
    fn check_rules(
        &self,
        journal: &JournalView,
        flows: &BTreeMap<Uuid, FlowText>,
    ) -> Result<(), Failure> {
        let replacements = &self.0.runbook.steps.activate_flows.options.replace;
        if replacements.is_empty() {
            return Ok(());
        }
        let of_flows = |list: fn(&FlowText) -> Vec<usize>| flows.values().flat_map(list).collect();
        let named: BTreeSet<usize> = of_flows(|flow| flow.applicable.clone());
        let mut found: BTreeSet<usize> = of_flows(|flow| flow.found.iter().copied().collect());
        seals::each_row(journal, Part::FlowDefinitions, WORKFLOW, |id, row| {
            let applicable = flows.get(&id).map(|flow| flow.applicable.as_slice());
            if let Some(applicable) = applicable.filter(|rules| !rules.is_empty()) {
                let data = text(&row, "clientdata").unwrap_or_default();
                found.extend(found_in(replacements, applicable, &data));
            }
        });
        for (index, rule) in replacements.iter().enumerate() {
            if !named.contains(&index) {
                return Err(rule_error(
                    &self.0,
                    rule.flow.span,
                    &format!("no cloud flow matches '{}'", rule.flow.value),
                    "correct it, or remove the rule; flows that providers deployed and compiled \
                     flows are recreated and not changed",
                ));
            }
            if !found.contains(&index) {
                return Err(rule_error(
                    &self.0,
                    rule.find.span,
                    "no flow that this rule names contains this text",
                    "correct it, or remove the rule; case and spaces matter",
                ));
            }
        }
        Ok(())
    }
}

/// The failure of a rule, with its place in the runbook.
fn rule_error(refresh: &RefreshContext, span: Span, message: &str, help: &str) -> Failure {
    let diagnostic = refresh.runbook.diagnostic(span, message, Some(help));
    failure_at(FailureKind::InvalidInput, &diagnostic)
}

/// Which of these rules find their text in a definition, one after the other: a rule may find what
/// an earlier one wrote.
fn found_in(replacements: &[Replacement], applicable: &[usize], data: &str) -> BTreeSet<usize> {
    let mut data = Cow::Borrowed(data);
    let mut found = BTreeSet::new();
    for index in applicable {
        let rule = &replacements[*index];
        if let Cow::Owned(next) = replaced(&data, &rule.find.value, &rule.with.value) {
            found.insert(*index);
            data = Cow::Owned(next);
        }
    }
    found
}

/// Those, and those whose new text the definition holds: an older state file does not know that it
/// was replaced. That a deleted text is absent shows nothing.
fn found_or_replaced(
    replacements: &[Replacement],
    applicable: &[usize],
    data: &str,
) -> BTreeSet<usize> {
    let mut found = found_in(replacements, applicable, data);
    found.extend(applicable.iter().filter(|index| {
        let with = replacements[**index].with.value.as_str();
        !with.is_empty() && holds(data, with)
    }));
    found
}

/// Does a definition hold this text, as it is written in it?
fn holds(data: &str, text: &str) -> bool {
    matches!(replaced(data, text, ""), Cow::Owned(_))
}

/// The text that a rule finds, at its place in the runbook, and what it puts there.
type TextRule<'a> = (&'a Located<String>, &'a str);

/// The changes of the rules to one definition.
struct Edit {
    /// The texts to find and their replacements, of the rules that find something.
    pairs: Vec<(String, String)>,
    /// The definition afterwards.
    text: String,
    /// The place of the last of those rules; none if no rule finds anything.
    span: Option<Span>,
}

impl Edit {
    fn new(rules: &[TextRule<'_>], data: &str) -> Self {
        let mut edit = Self {
            pairs: Vec::new(),
            text: data.to_owned(),
            span: None,
        };
        for (find, with) in rules {
            if let Cow::Owned(next) = replaced(&edit.text, &find.value, with) {
                edit.text = next;
                edit.pairs.push((find.value.clone(), (*with).to_owned()));
                edit.span = Some(find.span);
            }
        }
        edit
    }
}

/// Replaces every pair in a flow's definition.
pub(super) fn replace_text(
    refresh: &Arc<RefreshContext>,
    entity_set: &str,
    id: Uuid,
    pairs: &[(String, String)],
    acting_as: Option<Uuid>,
) -> Action {
    let request: MakeRequest = {
        let (entity_set, pairs) = (entity_set.to_owned(), pairs.to_vec());
        Box::new(move |reading| {
            let data = reading.basis.as_str().unwrap_or_default();
            let body = json!({ "clientdata": apply(&pairs, data) });
            Ok(Request::patch(&entity_set, id, &body).acting_as(acting_as))
        })
    };
    let pairs = pairs.to_vec();
    Action::Set(Arc::new(TargetWrite {
        refresh: Arc::clone(refresh),
        reader: RowReader::shared(refresh, entity_set, id, move |row: Option<&Row>| {
            read_text(&pairs, row)
        }),
        request,
        settle_timeout: Duration::from_mins(2),
        is_destructive: false,
        asks_when_undone: false,
    }))
}

/// A definition with every pair replaced.
pub(super) fn apply(pairs: &[(String, String)], data: &str) -> String {
    pairs.iter().fold(data.to_owned(), |data, (find, with)| {
        replaced(&data, find, with).into_owned()
    })
}

/// Only the replaced texts, as they may be shown: for each pair, the text that the definition has
/// now.
pub(super) fn difference(pairs: &[(String, String)], data: &str) -> Value {
    let mut data = data.to_owned();
    let mut lines = Vec::new();
    for (find, with) in pairs {
        let next = replaced(&data, find, with);
        let present = if matches!(next, Cow::Owned(_)) {
            find
        } else {
            with
        };
        lines.push(for_message(present));
        data = next.into_owned();
    }
    json!({ "text": lines })
}

/// Reads the replaced texts of a row, and keeps the definition for the write.
fn read_text(pairs: &[(String, String)], row: Option<&Row>) -> Reading {
    let Some(data) = row.and_then(|row| row.string("clientdata")) else {
        return Reading::of(Value::Null);
    };
    Reading {
        value: difference(pairs, data),
        etag: None,
        basis: json!(data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(find: &str, with: &str) -> (String, String) {
        (find.to_owned(), with.to_owned())
    }

    #[test]
    fn the_difference_has_only_the_replaced_text_and_no_signature() {
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
    fn a_second_reading_finds_the_replaced_text_and_its_basis_is_the_definition() {
        let pairs = [pair("a1", "b2")];
        let row = |data: &str| Row {
            etag: None,
            text: String::new(),
            value: json!({ "clientdata": data }).as_object().unwrap().clone(),
        };
        let old = row(r#"{"x":"a1"}"#);
        let new = apply(&pairs, r#"{"x":"a1"}"#);
        assert_eq!(read_text(&pairs, Some(&old)).basis, json!(r#"{"x":"a1"}"#));
        assert_eq!(
            read_text(&pairs, Some(&row(&new))).value,
            json!({ "text": ["b2"] })
        );
        assert_eq!(read_text(&pairs, None).value, Value::Null);
    }

    #[test]
    fn a_rule_whose_text_was_replaced_before_this_state_file_is_not_wrong() {
        let located = |text: &str| Located::new(text.to_owned(), Span::default());
        let rule = |find: &str, with: &str| Replacement {
            flow: located("*"),
            find: located(find),
            with: located(with),
        };
        let rules = [
            rule("shop.contoso.com", "shop-uat.contoso.com"),
            rule("typo", "other"),
            rule("gone", ""),
            rule(r#"a "b""#, r#"c "d""#),
        ];
        let found = |data: &str| found_or_replaced(&rules, &[0, 1, 2, 3], data);
        let new = r#"{"url":"https://shop-uat.contoso.com","x":"c \"d\""}"#;
        assert_eq!(found(new), BTreeSet::from([0, 3]));
        assert_eq!(found(r#"{"x":"gone"}"#), BTreeSet::from([2]));
        assert!(found("{}").is_empty());
    }

    #[test]
    fn a_rule_may_replace_text_that_an_earlier_rule_wrote() {
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
