//! Metadata: tables by key and as a collection, and the parts of a table (Microsoft Learn, query
//! table definitions using the Web API). There are no pages.

use serde_json::{Map, Value, json};

use super::definitions;
use super::{WebApiRequest, odata};
use crate::rehearsal::behaviour::conditions;
use crate::rehearsal::listeners::message::Response;
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::odata::evaluate;
use crate::rehearsal::odata::filter::Expression;
use crate::rehearsal::odata::path::Segment;
use crate::rehearsal::odata::query::QueryOptions;
use crate::rehearsal::schema::table::Table;

impl<'context> WebApiRequest<'context, '_> {
    /// Handles a read of metadata.
    pub(super) fn metadata(
        &self,
        first: &Segment,
        rest: &[Segment],
    ) -> Result<Response, ODataError> {
        self.expect_method("GET")?;
        let options = self.options()?;
        if options.filter.as_ref().is_some_and(has_text_function) {
            return Err(ODataError::new(
                501,
                "0x8006088a",
                "The function 'startswith' isn't supported for Metadata Entities.",
            ));
        }
        if first.is_bare() {
            let all = self.organization.schema.tables();
            let all: Result<Vec<Value>, ODataError> = all
                .iter()
                .map(|table| self.definition(table, &options))
                .collect();
            let all = all?;
            return self.collection_response("EntityDefinitions", all.iter(), &options);
        }
        let table = self.find_table(first)?;
        let Some((part, rest)) = rest.split_first() else {
            let definition = self.definition(table, &options)?;
            return self.single_response("EntityDefinitions", &definition, &options);
        };
        match part.name.as_str() {
            "Attributes" => self.attributes(table, part, rest, &options),
            "Keys" => {
                let all = definitions::keys(table);
                self.collection_response("Keys", all.iter(), &options)
            }
            "ManyToOneRelationships" => {
                let all = definitions::many_to_one(self.organization.schema, table);
                self.collection_response("ManyToOneRelationships", all.iter(), &options)
            }
            "OneToManyRelationships" => {
                let all = definitions::one_to_many(self.organization.schema, table);
                self.collection_response("OneToManyRelationships", all.iter(), &options)
            }
            "ManyToManyRelationships" => {
                let all = definitions::many_to_many(self.organization.schema, table);
                self.collection_response("ManyToManyRelationships", all.iter(), &options)
            }
            name => Err(ODataError::unknown_segment(name)),
        }
    }

    fn find_table(&self, segment: &Segment) -> Result<&'context Table, ODataError> {
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
            ODataError::new(404, "0x80060888", text)
        })
    }

    /// A table's definition with its expanded parts.
    fn definition(
        &self,
        table: &'context Table,
        options: &QueryOptions,
    ) -> Result<Value, ODataError> {
        let schema = self.organization.schema;
        let mut definition = definitions::table(table).clone();
        for (part, inner) in &options.expand {
            let made;
            let all: Vec<&Value> = match part.as_str() {
                "Attributes" => self.present_columns(table),
                "ManyToOneRelationships" => {
                    definitions::many_to_one(schema, table).iter().collect()
                }
                other => {
                    made = match other {
                        "Keys" => definitions::keys(table),
                        "OneToManyRelationships" => definitions::one_to_many(schema, table),
                        "ManyToManyRelationships" => definitions::many_to_many(schema, table),
                        _ => return Err(ODataError::unknown_property(other, "EntityMetadata")),
                    };
                    made.iter().collect()
                }
            };
            let all: Result<Vec<Value>, ODataError> = all
                .into_iter()
                .map(|item| select_members(item, inner))
                .collect();
            definition[part] = Value::Array(all?);
        }
        Ok(definition)
    }

    /// The columns of a table that this tenant has.
    fn present_columns<'table>(&self, table: &'table Table) -> Vec<&'table Value> {
        let missing = conditions::missing_columns(&self.organization, &table.logical_name);
        let columns = definitions::attributes(table).iter();
        let is_present = |column: &&Value| {
            let name = column["LogicalName"].as_str().unwrap_or_default();
            !missing.contains(&name)
        };
        columns.filter(is_present).collect()
    }

    fn attributes(
        &self,
        table: &'context Table,
        segment: &Segment,
        rest: &[Segment],
        options: &QueryOptions,
    ) -> Result<Response, ODataError> {
        let cast = match rest {
            [] => None,
            [cast] => Some(cast.name.trim_start_matches("Microsoft.Dynamics.CRM.")),
            [_, other, ..] => return Err(ODataError::unknown_segment(&other.name)),
        };
        let all = self.present_columns(table);
        let mut all: Vec<Value> = all.into_iter().cloned().collect();
        if let Some(cast) = cast {
            let kind = format!("#Microsoft.Dynamics.CRM.{cast}");
            all.retain(|attribute| attribute["@odata.type"] == json!(kind));
        }
        for attribute in &mut all {
            definitions::remove_uncast_members(attribute, cast, options)?;
        }
        let Some(name) = segment.argument("LogicalName") else {
            return self.collection_response("Attributes", all.iter(), options);
        };
        let attribute = all
            .into_iter()
            .find(|attribute| attribute["LogicalName"] == json!(name));
        let attribute = attribute.ok_or_else(|| {
            let text = format!("Could not find an attribute with name {name}.");
            ODataError::new(404, "0x80060888", text)
        })?;
        self.single_response("Attributes", &attribute, options)
    }

    fn collection_response<'item>(
        &self,
        name: &str,
        items: impl Iterator<Item = &'item Value>,
        options: &QueryOptions,
    ) -> Result<Response, ODataError> {
        let mut found = Vec::new();
        for item in items {
            let matches = match &options.filter {
                None => true,
                Some(filter) => evaluate::matches(filter, &|property| {
                    let pointer = format!("/{property}");
                    item.pointer(&pointer)
                        .cloned()
                        .ok_or_else(|| ODataError::unknown_property(property, name))
                })?,
            };
            if matches {
                found.push(select_members(item, options)?);
            }
        }
        let context = format!("{}$metadata#{name}", self.root);
        Ok(odata(
            200,
            &json!({"@odata.context": context, "value": found}),
        ))
    }

    fn single_response(
        &self,
        name: &str,
        item: &Value,
        options: &QueryOptions,
    ) -> Result<Response, ODataError> {
        let mut body = Map::new();
        let context = format!("{}$metadata#{name}/$entity", self.root);
        body.insert("@odata.context".to_owned(), json!(context));
        if let Value::Object(members) = select_members(item, options)? {
            body.extend(members);
        }
        Ok(odata(200, &Value::Object(body)))
    }
}

fn has_text_function(filter: &Expression) -> bool {
    match filter {
        Expression::And(one, other) | Expression::Or(one, other) => {
            has_text_function(one) || has_text_function(other)
        }
        Expression::Not(inner) => has_text_function(inner),
        Expression::Compare { .. } => false,
        Expression::Text { .. } => true,
    }
}

/// An item with its selected members, its expanded members and its id.
fn select_members(item: &Value, options: &QueryOptions) -> Result<Value, ODataError> {
    let Value::Object(members) = item else {
        return Ok(item.clone());
    };
    if options.select.is_empty() {
        return Ok(item.clone());
    }
    for name in &options.select {
        if !members.contains_key(name) {
            return Err(ODataError::unknown_property(name, "MetadataBase"));
        }
    }
    let expanded: Vec<&str> = options
        .expand
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let is_selected = |name: &str| {
        name == "MetadataId"
            || name == "@odata.type"
            || expanded.contains(&name)
            || options.select.iter().any(|selected| selected == name)
    };
    let selected = members.iter().filter(|(name, _)| is_selected(name));
    let selected = selected.map(|(name, value)| (name.clone(), value.clone()));
    Ok(Value::Object(selected.collect()))
}
