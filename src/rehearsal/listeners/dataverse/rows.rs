//! JSON of a row, with annotations and expansions.

use serde_json::{Map, Value, json};

use super::WebApiRequest;
use crate::rehearsal::behaviour::conditions;
use crate::rehearsal::behaviour::organization::{Row, lookup_of, text};
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::odata::evaluate;
use crate::rehearsal::odata::query::QueryOptions;
use crate::rehearsal::schema::column::{Column, Kind};
use crate::rehearsal::schema::navigation::Navigation;
use crate::rehearsal::schema::table::Table;

const FORMATTED: &str = "OData.Community.Display.V1.FormattedValue";
const LOOKUP_TABLE: &str = "Microsoft.Dynamics.CRM.lookuplogicalname";
const NAVIGATION: &str = "Microsoft.Dynamics.CRM.associatednavigationproperty";

/// The `ETag` of a row.
pub(super) fn etag(row: &Row) -> String {
    let version = row
        .get("versionnumber")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    format!("W/\"{version}\"")
}

/// The value of a column in the Web API; for a lookup, the id.
pub(super) fn column_value(column: &Column, row: &Row) -> Value {
    let value = row.get(&column.logical_name);
    value.map_or(Value::Null, |value| shown_value(column, value))
}

fn shown_value(column: &Column, value: &Value) -> Value {
    match column.kind {
        Kind::Lookup(_) => lookup_of(value).map_or(Value::Null, |(_, id)| Value::from(id)),
        _ => value.clone(),
    }
}

impl WebApiRequest<'_, '_> {
    /// A row with its selected properties and expanded related rows.
    pub(super) fn row_json(
        &self,
        table: &Table,
        row: &Row,
        options: &QueryOptions,
    ) -> Result<Map<String, Value>, ODataError> {
        let columns = self.selected_columns(table, options)?;
        self.row_with(&columns, table, row, options)
    }

    /// The same for each of these rows. Nothing is wrong with a selection of no row.
    pub(super) fn rows_json<'rows>(
        &self,
        table: &Table,
        rows: impl Iterator<Item = &'rows Row>,
        options: &QueryOptions,
    ) -> Result<Vec<Value>, ODataError> {
        let mut rows = rows.peekable();
        if rows.peek().is_none() {
            return Ok(Vec::new());
        }
        let columns = self.selected_columns(table, options)?;
        rows.map(|row| {
            self.row_with(&columns, table, row, options)
                .map(Value::Object)
        })
        .collect()
    }

    /// The columns that a response shows.
    fn selected_columns<'table>(
        &self,
        table: &'table Table,
        options: &QueryOptions,
    ) -> Result<Vec<&'table Column>, ODataError> {
        for property in &options.select {
            if table.readable(property).is_none() {
                return Err(ODataError::unknown_property(property, &table.logical_name));
            }
        }
        let missing = conditions::missing_columns(&self.organization, &table.logical_name);
        let is_shown = |column: &&Column| {
            let is_selected = options.select.is_empty()
                || options.select.contains(&column.property)
                || column.logical_name == table.primary_id;
            column.readable && is_selected && !missing.contains(&column.logical_name.as_str())
        };
        Ok(table.columns.iter().filter(is_shown).collect())
    }

    fn row_with(
        &self,
        columns: &[&Column],
        table: &Table,
        row: &Row,
        options: &QueryOptions,
    ) -> Result<Map<String, Value>, ODataError> {
        let mut json_row = Map::with_capacity(columns.len() + 1);
        json_row.insert("@odata.etag".to_owned(), Value::String(etag(row)));
        for column in columns {
            let value = row.get(&column.logical_name);
            if let Some(value) = value.filter(|_| self.preferences.wants_any()) {
                self.annotate(column, value, &mut json_row);
            }
            let shown = value.map_or(Value::Null, |value| shown_value(column, value));
            json_row.insert(column.property.clone(), shown);
        }
        for (navigation, inner) in &options.expand {
            let value = self.expand(table, row, navigation, inner)?;
            json_row.insert(navigation.clone(), value);
        }
        Ok(json_row)
    }

    /// Inserts the annotations, which come before their property.
    fn annotate(&self, column: &Column, value: &Value, into: &mut Map<String, Value>) {
        let property = &column.property;
        let mut annotate = |annotation: &str, value: Option<Value>| {
            if let Some(value) = value {
                into.insert(format!("{property}@{annotation}"), value);
            }
        };
        if self.preferences.wants(FORMATTED) {
            annotate(FORMATTED, self.formatted(column, value).map(Value::from));
        }
        if let (Some(lookup), Some((table, _))) = (column.lookup(), lookup_of(value)) {
            let wanted = |annotation| self.preferences.wants(annotation);
            let navigation = wanted(NAVIGATION).then(|| json!(lookup.navigation));
            annotate(NAVIGATION, navigation);
            annotate(LOOKUP_TABLE, wanted(LOOKUP_TABLE).then(|| json!(table)));
        }
    }

    fn formatted(&self, column: &Column, value: &Value) -> Option<String> {
        match &column.kind {
            Kind::Boolean => Some(if value.as_bool()? { "Yes" } else { "No" }.to_owned()),
            Kind::Lookup(_) => {
                let (table, id) = lookup_of(value)?;
                let name = self
                    .organization
                    .schema
                    .table(table)?
                    .primary_name
                    .as_ref()?;
                let row = self.organization.borrowed_row(table, id)?;
                text(row, name).map(str::to_owned)
            }
            Kind::Choice(_) | Kind::State(_) | Kind::Status(_) => {
                column.kind.label(value.as_i64()?).map(str::to_owned)
            }
            Kind::Integer | Kind::BigInteger => Some(value.to_string()),
            Kind::DateTime => value.as_str().map(str::to_owned),
            _ => None,
        }
    }

    fn expand(
        &self,
        table: &Table,
        row: &Row,
        navigation: &str,
        options: &QueryOptions,
    ) -> Result<Value, ODataError> {
        let schema = self.organization.schema;
        let found = schema
            .navigation(table, navigation)
            .ok_or_else(|| ODataError::unknown_property(navigation, &table.logical_name))?;
        if let Navigation::One(column) = found {
            let Some((table, id)) = row.get(&column.logical_name).and_then(lookup_of) else {
                return Ok(Value::Null);
            };
            // The navigation property of one of several tables: `eventhandler_serviceendpoint`.
            let lookup = column.lookup();
            if lookup.is_some_and(|lookup| {
                lookup.navigation != navigation && !navigation.ends_with(&format!("_{table}"))
            }) {
                return Ok(Value::Null);
            }
            let (Some(table), Some(row)) = (schema.table(table), self.organization.row(table, id))
            else {
                return Ok(Value::Null);
            };
            return self.row_json(table, &row, options).map(Value::Object);
        }
        let (other, rows) = self.related(table, row, &found);
        let mut rows = self.filter_and_sort(other, rows.iter().collect(), options)?;
        rows.truncate(options.top.unwrap_or(usize::MAX));
        let rows = self.rows_json(other, rows.into_iter(), options)?;
        Ok(Value::Array(rows))
    }

    /// The related rows of a collection-valued navigation property, and their table.
    pub(super) fn related<'schema>(
        &self,
        table: &'schema Table,
        row: &Row,
        navigation: &Navigation<'schema>,
    ) -> (&'schema Table, Vec<Row>) {
        let id = text(row, &table.primary_id).unwrap_or_default();
        match navigation {
            Navigation::One(_) => (table, Vec::new()),
            Navigation::Many { table, column } => {
                let rows = self.organization.rows_referencing(
                    &table.logical_name,
                    &column.logical_name,
                    id,
                );
                (table, rows)
            }
            Navigation::Pairs {
                table,
                pairs,
                here,
                there,
            } => {
                let rows = self
                    .organization
                    .borrowed_rows(&pairs.logical_name)
                    .into_iter()
                    .filter(|pair| text(pair, here) == Some(id))
                    .filter_map(|pair| {
                        self.organization
                            .row(&table.logical_name, text(pair, there)?)
                    })
                    .collect();
                (table, rows)
            }
        }
    }

    /// The rows that match the filter, in the requested order, then by primary key.
    pub(super) fn filter_and_sort<'rows>(
        &self,
        table: &Table,
        mut rows: Vec<&'rows Row>,
        options: &QueryOptions,
    ) -> Result<Vec<&'rows Row>, ODataError> {
        if let Some(filter) = &options.filter {
            let mut kept = Vec::new();
            // A filter with unknown properties is refused even if there are no rows.
            let empty = Row::new();
            evaluate::matches(filter, &|property| {
                self.property_value(table, &empty, property)
            })?;
            for row in rows {
                if evaluate::matches(filter, &|property| {
                    self.property_value(table, row, property)
                })? {
                    kept.push(row);
                }
            }
            rows = kept;
        }
        for (property, _) in &options.order_by {
            self.property_value(table, &Row::new(), property)?;
        }
        let by_key = |one: &Row, other: &Row| {
            text(one, &table.primary_id).cmp(&text(other, &table.primary_id))
        };
        let is_by_key = match options.order_by.as_slice() {
            [] => true,
            [(property, descending)] => !descending && *property == table.primary_id,
            _ => false,
        };
        if is_by_key {
            rows.sort_by(|one, other| by_key(one, other));
            return Ok(rows);
        }
        let value = |row: &Row, property: &str| {
            self.property_value(table, row, property)
                .unwrap_or(Value::Null)
        };
        let by_row = |row: &'rows Row| {
            let order_by = options.order_by.iter();
            let values: Vec<Value> = order_by.map(|(name, _)| value(row, name)).collect();
            (values, row)
        };
        let mut valued: Vec<(Vec<Value>, &Row)> = rows.into_iter().map(by_row).collect();
        valued.sort_by(|(values, one), (others, other)| {
            for ((value, other), (_, descending)) in
                values.iter().zip(others).zip(&options.order_by)
            {
                let order = evaluate::order(value, other);
                let order = if *descending { order.reverse() } else { order };
                if order.is_ne() {
                    return order;
                }
            }
            by_key(one, other)
        });
        Ok(valued.into_iter().map(|(_, row)| row).collect())
    }

    /// The value of a property. A path with slashes goes through lookups or into a managed
    /// property.
    fn property_value(
        &self,
        table: &Table,
        row: &Row,
        property: &str,
    ) -> Result<Value, ODataError> {
        if let Some(column) = table.readable(property) {
            return Ok(column_value(column, row));
        }
        let unknown = || ODataError::unknown_property(property, &table.logical_name);
        let (head, rest) = property.split_once('/').ok_or_else(unknown)?;
        if let Some(column) = table.property(head) {
            return match column.kind {
                Kind::Managed => Ok(row
                    .get(&column.logical_name)
                    .and_then(|value| value.get(rest))
                    .cloned()
                    .unwrap_or(Value::Null)),
                _ => Err(unknown()),
            };
        }
        let schema = self.organization.schema;
        let Some(Navigation::One(column)) = schema.navigation(table, head) else {
            return Err(unknown());
        };
        let lookup = row.get(&column.logical_name).and_then(lookup_of);
        let target = column.lookup().and_then(|lookup| lookup.targets.first());
        let name = lookup.map(|(name, _)| name).or(target.map(String::as_str));
        let other = name
            .and_then(|name| schema.table(name))
            .ok_or_else(unknown)?;
        let other_row = lookup.and_then(|(table, id)| self.organization.borrowed_row(table, id));
        self.property_value(other, other_row.unwrap_or(&Row::new()), rest)
    }
}
