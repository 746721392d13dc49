//! A row becomes JSON, with annotations and expansions.

use serde_json::{Map, Value, json};

use super::Visit;
use crate::rehearsal::behaviour::organization::{Row, lookup_of, text};
use crate::rehearsal::odata::error::Refusal;
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

/// The value of a column as the Web API shows it: of a lookup the id.
pub(super) fn shown(column: &Column, row: &Row) -> Value {
    let value = row.get(&column.logical_name).unwrap_or(&Value::Null);
    match column.kind {
        Kind::Lookup(_) => lookup_of(value).map_or(Value::Null, |(_, id)| json!(id)),
        _ => value.clone(),
    }
}

impl Visit<'_, '_> {
    /// A row with the properties that were selected, and its relatives where they are expanded.
    pub(super) fn represent(
        &self,
        table: &Table,
        row: &Row,
        options: &QueryOptions,
    ) -> Result<Map<String, Value>, Refusal> {
        let mut shown_row = Map::new();
        shown_row.insert("@odata.etag".to_owned(), json!(etag(row)));
        for property in &options.select {
            if table.property(property).is_none() {
                return Err(Refusal::no_property(property, &table.logical_name));
            }
        }
        for column in &table.columns {
            let property = column.property();
            let selected = options.select.is_empty()
                || options.select.contains(&property)
                || column.logical_name == table.primary_id;
            if selected {
                self.annotate(column, &property, row, &mut shown_row);
                shown_row.insert(property, shown(column, row));
            }
        }
        for (navigation, inner) in &options.expand {
            let value = self.expand(table, row, navigation, inner)?;
            shown_row.insert(navigation.clone(), value);
        }
        Ok(shown_row)
    }

    /// Annotations stand before the property that they describe.
    fn annotate(&self, column: &Column, property: &str, row: &Row, into: &mut Map<String, Value>) {
        let Some(value) = row.get(&column.logical_name) else {
            return;
        };
        let mut annotate = |annotation: &str, value: Option<Value>| {
            if let Some(value) = value.filter(|_| self.preferences.wants(annotation)) {
                into.insert(format!("{property}@{annotation}"), value);
            }
        };
        annotate(FORMATTED, self.formatted(column, value).map(Value::from));
        if let (Some(lookup), Some((table, _))) = (column.lookup(), lookup_of(value)) {
            annotate(NAVIGATION, Some(json!(lookup.navigation)));
            annotate(LOOKUP_TABLE, Some(json!(table)));
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
                let row = self.organization.row(table, id)?;
                text(&row, name).map(str::to_owned)
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
    ) -> Result<Value, Refusal> {
        let schema = self.organization.schema;
        let found = schema
            .navigation(table, navigation)
            .ok_or_else(|| Refusal::no_property(navigation, &table.logical_name))?;
        if let Navigation::One(column) = found {
            let Some((table, id)) = row.get(&column.logical_name).and_then(lookup_of) else {
                return Ok(Value::Null);
            };
            let (Some(table), Some(row)) = (schema.table(table), self.organization.row(table, id))
            else {
                return Ok(Value::Null);
            };
            return self.represent(table, &row, options).map(Value::Object);
        }
        let (other, rows) = self.related(table, row, &found);
        let mut rows = self.filtered(other, rows, options)?;
        rows.truncate(options.top.unwrap_or(usize::MAX));
        let rows: Result<Vec<Value>, Refusal> = rows
            .iter()
            .map(|row| self.represent(other, row, options).map(Value::Object))
            .collect();
        Ok(Value::Array(rows?))
    }

    /// The rows that a navigation property to many leads to, and their table.
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
                let rows = self
                    .organization
                    .led_to(&table.logical_name, &column.logical_name, id);
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
                    .rows(&pairs.logical_name)
                    .iter()
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

    /// The rows that pass the filter, in the order asked for; the primary key settles what is equal.
    pub(super) fn filtered(
        &self,
        table: &Table,
        mut rows: Vec<Row>,
        options: &QueryOptions,
    ) -> Result<Vec<Row>, Refusal> {
        if let Some(filter) = &options.filter {
            let mut kept = Vec::new();
            // A filter on properties that do not exist is refused even where there is no row.
            let empty = Row::new();
            evaluate::holds(filter, &|property| self.read(table, &empty, property))?;
            for row in rows {
                if evaluate::holds(filter, &|property| self.read(table, &row, property))? {
                    kept.push(row);
                }
            }
            rows = kept;
        }
        for (property, _) in &options.order_by {
            self.read(table, &Row::new(), property)?;
        }
        rows.sort_by(|one, other| {
            let value =
                |row: &Row, property: &str| self.read(table, row, property).unwrap_or(Value::Null);
            for (property, down) in &options.order_by {
                let order = evaluate::order(&value(one, property), &value(other, property));
                let order = if *down { order.reverse() } else { order };
                if order.is_ne() {
                    return order;
                }
            }
            text(one, &table.primary_id).cmp(&text(other, &table.primary_id))
        });
        Ok(rows)
    }

    /// The value of a property, with slashes where it leads through lookups or into a managed
    /// property.
    fn read(&self, table: &Table, row: &Row, property: &str) -> Result<Value, Refusal> {
        if let Some(column) = table.property(property) {
            return Ok(shown(column, row));
        }
        let unknown = || Refusal::no_property(property, &table.logical_name);
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
        let led = row.get(&column.logical_name).and_then(lookup_of);
        let target = column.lookup().and_then(|lookup| lookup.targets.first());
        let name = led.map(|(name, _)| name).or(target.map(String::as_str));
        let other = name
            .and_then(|name| schema.table(name))
            .ok_or_else(unknown)?;
        let other_row = led.and_then(|(table, id)| self.organization.row(table, id));
        self.read(other, &other_row.unwrap_or_default(), rest)
    }
}
