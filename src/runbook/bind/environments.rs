//! `cloud`, `source`, `target` and `lcs`.

use uuid::Uuid;

use super::fields::Fields;
use super::scalar::{guid, text, whole_number, word};
use super::{Binder, Field, nearest, unknown_choice};
use crate::runbook::model::environments::{Cloud, Lcs, LcsGeography, Target};
use crate::runbook::model::words::{Word as _, find, listed};
use crate::runbook::source::Located;
use crate::runbook::tree::Content;

/// Names that pac has for clouds. Source: the `--cloud` option of `pac auth create`.
pub(in crate::runbook) const PAC_NAMES: [(&str, Cloud); 6] = [
    ("Public", Cloud::Public),
    ("UsGov", Cloud::Gcc),
    ("UsGovHigh", Cloud::GccHigh),
    ("UsGovDod", Cloud::Dod),
    ("China", Cloud::China),
    ("Mooncake", Cloud::China),
];

/// Projects of LCS are numbered in 32 bits.
pub(in crate::runbook) const HIGHEST_PROJECT: u64 = u32::MAX as u64;

pub(super) fn cloud(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<Cloud>> {
    let Content::Text { text: given, .. } = &field.node.content else {
        return word(binder, field);
    };
    let by_pac = PAC_NAMES.iter().find(|(name, _)| name == given);
    let cloud = by_pac.map(|(_, cloud)| *cloud).or(given.parse().ok());
    binder.written.cloud = cloud;
    if cloud.is_none() {
        let words = Cloud::ALL.iter().map(|cloud| cloud.word());
        let words: Vec<&str> = words
            .chain(PAC_NAMES.iter().map(|(name, _)| *name))
            .collect();
        binder.written.cloud = nearest(given, words.iter().copied()).and_then(find);
        let help = format!("allowed: {}", listed::<Cloud>());
        unknown_choice(binder, field, given, &words, &help);
    }
    Some(Located::new(cloud?, field.node.span))
}

pub(super) fn source(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<Uuid>> {
    let mut fields = Fields::open(binder, field, "write `source: { environment: GUID }`")?;
    let environment = fields.required(binder, "environment", "environment: GUID", guid);
    fields.close(binder);
    binder.written.source = environment.as_ref().map(|environment| environment.value);
    environment
}

pub(super) fn target(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Target> {
    let help = "write `target: { environment: GUID, name: DISPLAY NAME }`";
    let mut fields = Fields::open(binder, field, help)?;
    let environment = fields.required(binder, "environment", "environment: GUID", guid);
    let name = fields.required(binder, "name", "name: DISPLAY NAME", text);
    fields.close(binder);
    binder.written.target = environment;
    Some(Target {
        environment: environment?,
        name: name?,
    })
}

pub(super) fn lcs(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<Lcs>> {
    let help = "write `lcs: { geography: default, project: 1234567, source: ID, target: ID }`";
    let mut fields = Fields::open(binder, field, help)?;
    let geography = fields.or(
        binder,
        "geography",
        Located::new(LcsGeography::Default, field.key),
        word,
    );
    let project = fields.required(binder, "project", "project: 1234567", |binder, field| {
        whole_number(binder, field, 1..=HIGHEST_PROJECT)
    });
    let source = fields.required(binder, "source", "source: LCS ENVIRONMENT ID", text);
    let target = fields.required(binder, "target", "target: LCS ENVIRONMENT ID", text);
    fields.close(binder);
    if let (Some(source), Some(target)) = (&source, &target)
        && source.eq_ignore_ascii_case(target)
    {
        let help = "a refresh would overwrite its own source: write the target's id";
        let message = "source and target are the same LCS environment";
        binder.error(target.span, message, help);
        return None;
    }
    let lcs = Lcs {
        geography: geography?,
        project: project?,
        source: source?,
        target: target?,
    };
    Some(Located::new(lcs, field.key))
}
