//! `iom`: this tenant's names for tables and columns, and its confirmed requests.

use super::fields::{Fields, unknown_key};
use super::scalar::text;
use super::template::binding;
use super::{Binder, Field};
use crate::runbook::model::iom::{IOM_COLUMNS, Iom, IomTable, is_column};
use crate::runbook::model::request::IomRequest;
use crate::runbook::model::words::{Word, find};
use crate::runbook::source::Located;
use crate::runbook::tree::Entry;

pub(super) fn iom(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Iom> {
    let help = "write `iom: { tables: { … }, columns: { … }, requests: { … } }`";
    let mut fields = Fields::open(binder, field, help)?;
    let defaults = Iom::default();
    let tables = fields.or(binder, "tables", defaults.tables, |binder, field| {
        let entries = binder.entries(field, "write `provider: msdyn_iomprovider`")?;
        binder.each(entries, |binder, field| {
            let table = known_word::<IomTable>(binder, entries, field, "`iom.tables`");
            let name = logical_name(binder, field);
            table.zip(name)
        })
    });
    let columns = fields.or(binder, "columns", defaults.columns, |binder, field| {
        let entries = binder.entries(field, "write `orchestration.graph: msdyn_graph`")?;
        binder.each(entries, |binder, field| {
            let key = column_key(binder, entries, field);
            let name = logical_name(binder, field);
            key.zip(name)
        })
    });
    let requests = fields.or(binder, "requests", defaults.requests, |binder, field| {
        let entries = binder.entries(field, "write `activate-system: guided`")?;
        binder.each(entries, |binder, field| {
            let request = known_word::<IomRequest>(binder, entries, field, "`iom.requests`")?;
            Some((request, binding(binder, field, request)?))
        })
    });
    fields.close(binder);
    Some(Iom {
        tables: tables?,
        columns: columns?,
        requests: requests?,
    })
}

/// A key that is a word of a list.
fn known_word<W: Word>(
    binder: &mut Binder<'_>,
    entries: &[Entry],
    field: Field<'_>,
    of: &str,
) -> Option<W> {
    let word = find(field.name);
    if word.is_none() {
        let known: Vec<&str> = W::ALL.iter().map(|word| word.word()).collect();
        report_unknown(binder, entries, field, of, &known);
    }
    word
}

fn column_key(binder: &mut Binder<'_>, entries: &[Entry], field: Field<'_>) -> Option<String> {
    if is_column(field.name) {
        return Some(field.name.to_owned());
    }
    let known: Vec<&str> = IOM_COLUMNS.iter().map(|(key, _)| *key).collect();
    report_unknown(binder, entries, field, "`iom.columns`", &known);
    None
}

fn report_unknown(
    binder: &mut Binder<'_>,
    entries: &[Entry],
    field: Field<'_>,
    of: &str,
    known: &[&str],
) {
    if let Some(entry) = entries.iter().find(|entry| entry.key.span == field.key) {
        unknown_key(binder, entry, of, known);
    }
}

/// A logical name of Dataverse: lower-case letters, digits and underscores.
fn logical_name(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<String>> {
    let name = text(binder, field)?;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.bytes().all(allowed) {
        return Some(name);
    }
    let message = format!("{} is not a logical name", binder.quoted(name.span, &name));
    let help = "logical names are lower-case letters, digits and underscores, such as \
                `msdyn_iomprovider`; the schema name and the display name are others";
    binder.error(name.span, message, help);
    None
}
