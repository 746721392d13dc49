//! Metadata: tables by key and as a collection, and what belongs to a table (Microsoft Learn,
//! query table definitions using the Web API). There are no pages.

use serde_json::{Map, Value, json};

use super::definitions;
use super::{Visit, odata};
use crate::rehearsal::listeners::message::Answer;
use crate::rehearsal::odata::error::Refusal;
use crate::rehearsal::odata::evaluate;
use crate::rehearsal::odata::filter::Expression;
use crate::rehearsal::odata::path::Segment;
use crate::rehearsal::odata::query::QueryOptions;
use crate::rehearsal::schema::table::Table;

impl<'turn> Visit<'turn, '_> {
    /// Answers a read of metadata.
    pub(super) fn metadata(&self, first: &Segment, rest: &[Segment]) -> Result<Answer, Refusal> {
        self.expect_method("GET")?;
        let options = self.options()?;
        if options.filter.as_ref().is_some_and(asks_for_text) {
            return Err(Refusal::new(
                501,
                "0x8006088a",
                "The function 'startswith' isn't supported for Metadata Entities.",
            ));
        }
        if first.is_bare() {
            let all = self.organization.schema.tables();
            let all: Result<Vec<Value>, Refusal> = all
                .iter()
                .map(|table| self.definition(table, &options))
                .collect();
            return self.collection("EntityDefinitions", all?, &options);
        }
        let table = self.table_of(first)?;
        let Some((part, rest)) = rest.split_first() else {
            let definition = self.definition(table, &options)?;
            return self.single("EntityDefinitions", definition, &options);
        };
        match part.name.as_str() {
            "Attributes" => self.attributes(table, part, rest, &options),
            "Keys" => self.collection("Keys", definitions::keys(table), &options),
            "ManyToOneRelationships" => {
                let all = definitions::many_to_one(self.organization.schema, table);
                self.collection("ManyToOneRelationships", all, &options)
            }
            "OneToManyRelationships" => {
                let all = definitions::one_to_many(self.organization.schema, table);
                self.collection("OneToManyRelationships", all, &options)
            }
            "ManyToManyRelationships" => {
                let all = definitions::many_to_many(self.organization.schema, table);
                self.collection("ManyToManyRelationships", all, &options)
            }
            name => Err(Refusal::no_segment(name)),
        }
    }

    fn table_of(&self, segment: &Segment) -> Result<&'turn Table, Refusal> {
        let schema = self.organization.schema;
        let by_name = segment.argument("LogicalName");
        let table = match (&by_name, segment.id()) {
            (Some(name), _) => schema.table(name),
            (None, Some(id)) => schema
                .tables()
                .iter()
                .find(|table| definitions::metadata_id(&[&table.logical_name]) == id),
            (None, None) => None,
        };
        table.ok_or_else(|| {
            let name = by_name.unwrap_or_default();
            let text = format!("Could not find an entity with name {name} and id 00000000-0000-0000-0000-000000000000.");
            Refusal::new(404, "0x80060888", text)
        })
    }

    /// A table's definition with what is expanded.
    fn definition(&self, table: &'turn Table, options: &QueryOptions) -> Result<Value, Refusal> {
        let schema = self.organization.schema;
        let mut definition = definitions::table(table);
        for (part, inner) in &options.expand {
            let all = match part.as_str() {
                "Attributes" => definitions::attributes(table),
                "Keys" => definitions::keys(table),
                "ManyToOneRelationships" => definitions::many_to_one(schema, table),
                "OneToManyRelationships" => definitions::one_to_many(schema, table),
                "ManyToManyRelationships" => definitions::many_to_many(schema, table),
                other => return Err(Refusal::no_property(other, "EntityMetadata")),
            };
            let all: Result<Vec<Value>, Refusal> =
                all.into_iter().map(|item| selected(item, inner)).collect();
            definition[part] = Value::Array(all?);
        }
        Ok(definition)
    }

    fn attributes(
        &self,
        table: &'turn Table,
        segment: &Segment,
        rest: &[Segment],
        options: &QueryOptions,
    ) -> Result<Answer, Refusal> {
        let cast = match rest {
            [] => None,
            [cast] => Some(cast.name.trim_start_matches("Microsoft.Dynamics.CRM.")),
            [_, other, ..] => return Err(Refusal::no_segment(&other.name)),
        };
        let mut all = definitions::attributes(table);
        if let Some(cast) = cast {
            let kind = format!("#Microsoft.Dynamics.CRM.{cast}");
            all.retain(|attribute| attribute["@odata.type"] == json!(kind));
        }
        for attribute in &mut all {
            definitions::trim(attribute, cast, options)?;
        }
        let Some(name) = segment.argument("LogicalName") else {
            return self.collection("Attributes", all, options);
        };
        let attribute = all
            .into_iter()
            .find(|attribute| attribute["LogicalName"] == json!(name));
        let attribute = attribute.ok_or_else(|| {
            let text = format!("Could not find an attribute with name {name}.");
            Refusal::new(404, "0x80060888", text)
        })?;
        self.single("Attributes", attribute, options)
    }

    fn collection(
        &self,
        name: &str,
        items: Vec<Value>,
        options: &QueryOptions,
    ) -> Result<Answer, Refusal> {
        let mut shown = Vec::new();
        for item in items {
            let fits = match &options.filter {
                None => true,
                Some(filter) => evaluate::holds(filter, &|property| {
                    let pointer = format!("/{property}");
                    item.pointer(&pointer)
                        .cloned()
                        .ok_or_else(|| Refusal::no_property(property, name))
                })?,
            };
            if fits {
                shown.push(selected(item, options)?);
            }
        }
        let context = format!("{}$metadata#{name}", self.root);
        Ok(odata(
            200,
            &json!({"@odata.context": context, "value": shown}),
        ))
    }

    fn single(&self, name: &str, item: Value, options: &QueryOptions) -> Result<Answer, Refusal> {
        let mut body = Map::new();
        let context = format!("{}$metadata#{name}/$entity", self.root);
        body.insert("@odata.context".to_owned(), json!(context));
        if let Value::Object(members) = selected(item, options)? {
            body.extend(members);
        }
        Ok(odata(200, &Value::Object(body)))
    }
}

fn asks_for_text(filter: &Expression) -> bool {
    match filter {
        Expression::And(one, other) | Expression::Or(one, other) => {
            asks_for_text(one) || asks_for_text(other)
        }
        Expression::Not(inner) => asks_for_text(inner),
        Expression::Compare { .. } => false,
        Expression::Text { .. } => true,
    }
}

/// An item with the members that were selected, those that were expanded, and its id.
fn selected(item: Value, options: &QueryOptions) -> Result<Value, Refusal> {
    let Value::Object(mut members) = item else {
        return Ok(item);
    };
    if options.select.is_empty() {
        return Ok(Value::Object(members));
    }
    for name in &options.select {
        if !members.contains_key(name) {
            return Err(Refusal::no_property(name, "MetadataBase"));
        }
    }
    let expanded: Vec<&str> = options
        .expand
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    members.retain(|name, _| {
        name == "MetadataId"
            || name == "@odata.type"
            || expanded.contains(&name.as_str())
            || options.select.contains(name)
    });
    Ok(Value::Object(members))
}
