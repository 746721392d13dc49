//! The metadata of tables, columns, keys and relationships.

use serde_json::{Value, json};

use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::odata::query::QueryOptions;
use crate::rehearsal::schema::Schema;
use crate::rehearsal::schema::column::{Column, Kind, OnDelete};
use crate::rehearsal::schema::navigation::Relationship;
use crate::rehearsal::schema::table::{Ownership, Table};
use crate::rehearsal::world::names;

/// The language of labels: English.
const LANGUAGE: u32 = 1033;

/// Members of specific column types, which can only be read after a cast.
const TYPE_MEMBERS: [&str; 4] = ["MaxLength", "Targets", "OptionSet", "DefaultFormValue"];

/// The id of a metadata object.
pub(super) fn metadata_id(path: &[&str]) -> String {
    let mut names = vec!["metadata"];
    names.extend(path);
    names::identifier(&names)
}

fn label(text: &str) -> Value {
    let label = json!({
        "Label": text,
        "LanguageCode": LANGUAGE,
        "IsManaged": true,
        "MetadataId": metadata_id(&["label", text]),
        "HasChanged": null,
    });
    json!({"LocalizedLabels": [label], "UserLocalizedLabel": label})
}

fn managed(value: bool, name: &str) -> Value {
    json!({"Value": value, "CanBeChanged": true, "ManagedPropertyLogicalName": name})
}

/// The definition of a table, without its parts.
pub(super) fn table(table: &Table) -> &Value {
    table.shown.definition.get_or_init(|| definition(table))
}

fn definition(table: &Table) -> Value {
    let is_pairs = table.primary_name.is_none();
    json!({
        "MetadataId": metadata_id(&[&table.logical_name]),
        "HasChanged": null,
        "LogicalName": table.logical_name,
        "SchemaName": table.schema_name,
        "EntitySetName": table.set,
        "LogicalCollectionName": table.set,
        "PrimaryIdAttribute": table.primary_id,
        "PrimaryNameAttribute": table.primary_name,
        "PrimaryImageAttribute": null,
        "OwnershipType": match table.ownership {
            Ownership::User => "UserOwned",
            Ownership::Organization => "OrganizationOwned",
        },
        "TableType": "Standard",
        "IsCustomEntity": table.custom,
        "IsManaged": true,
        "IsIntersect": is_pairs,
        "IsActivity": false,
        "IsOptimisticConcurrencyEnabled": !is_pairs,
        "IsSolutionAware": table.column("componentstate").is_some(),
        "DisplayName": label(&table.display_name),
        "DisplayCollectionName": label(&table.display_plural),
        "Description": label(&table.display_name),
        "IsCustomizable": managed(true, "iscustomizable"),
    })
}

/// The columns of a table.
pub(super) fn attributes(table: &Table) -> &[Value] {
    table.shown.attributes.get_or_init(|| {
        let columns = table.columns.iter();
        columns.map(|column| attribute(table, column)).collect()
    })
}

fn attribute(table: &Table, column: &Column) -> Value {
    let (class, kind) = type_names(column);
    let is_id = column.logical_name == table.primary_id;
    let path = [table.logical_name.as_str(), &column.logical_name];
    let mut attribute = json!({
        "@odata.type": format!("#Microsoft.Dynamics.CRM.{class}AttributeMetadata"),
        "MetadataId": metadata_id(&path),
        "HasChanged": null,
        "LogicalName": column.logical_name,
        "SchemaName": column.schema_name,
        "EntityLogicalName": table.logical_name,
        "AttributeType": kind,
        "AttributeTypeName": {"Value": format!("{class}Type")},
        "AttributeOf": null,
        "DisplayName": label(&column.display_name),
        "Description": label(&column.display_name),
        "IsPrimaryId": is_id,
        "IsPrimaryName": table.primary_name.as_ref() == Some(&column.logical_name),
        "IsCustomAttribute": table.custom && column.logical_name.starts_with("msdyn_"),
        "IsManaged": true,
        "IsLogical": false,
        "IsValidForRead": column.readable,
        "IsValidForCreate": column.writable || is_id,
        "IsValidForUpdate": column.writable,
        "RequiredLevel": {
            "Value": if is_id { "SystemRequired" } else { "None" },
            "CanBeChanged": false,
            "ManagedPropertyLogicalName": "canmodifyrequirementlevelsettings",
        },
    });
    match &column.kind {
        Kind::Text(length) | Kind::Memo(length) => attribute["MaxLength"] = json!(length),
        Kind::Lookup(lookup) => attribute["Targets"] = json!(lookup.targets),
        Kind::Choice(_) | Kind::State(_) | Kind::Status(_) => {
            attribute["OptionSet"] = option_set(&path, column);
        }
        Kind::Boolean => {
            attribute["OptionSet"] = json!({
                "OptionSetType": "Boolean",
                "TrueOption": {"Value": 1, "Label": label("Yes")},
                "FalseOption": {"Value": 0, "Label": label("No")},
            });
        }
        _ => {}
    }
    attribute
}

/// The class of a column's metadata, and its type.
fn type_names(column: &Column) -> (&'static str, &'static str) {
    match column.kind {
        Kind::Text(_) => ("String", "String"),
        Kind::Memo(_) => ("Memo", "Memo"),
        Kind::Integer => ("Integer", "Integer"),
        Kind::BigInteger => ("BigInt", "BigInt"),
        Kind::Boolean => ("Boolean", "Boolean"),
        Kind::DateTime => ("DateTime", "DateTime"),
        Kind::Identifier => ("UniqueIdentifier", "Uniqueidentifier"),
        Kind::Lookup(_) if column.logical_name == "ownerid" => ("Lookup", "Owner"),
        Kind::Lookup(_) => ("Lookup", "Lookup"),
        Kind::Choice(_) => ("Picklist", "Picklist"),
        Kind::State(_) => ("State", "State"),
        Kind::Status(_) => ("Status", "Status"),
        Kind::Managed => ("ManagedProperty", "ManagedProperty"),
    }
}

fn option_set(path: &[&str; 2], column: &Column) -> Value {
    let option = |value: i64, text: &str| {
        json!({
            "Value": value,
            "Color": null,
            "IsManaged": true,
            "ExternalValue": "",
            "MetadataId": null,
            "HasChanged": null,
            "Label": label(text),
            "Description": {"LocalizedLabels": [], "UserLocalizedLabel": null},
        })
    };
    let options: Vec<Value> = match &column.kind {
        Kind::Status(statuses) => statuses
            .iter()
            .map(|status| {
                let mut shown = option(status.value, &status.label);
                shown["@odata.type"] = json!("#Microsoft.Dynamics.CRM.StatusOptionMetadata");
                shown["State"] = json!(status.state);
                shown
            })
            .collect(),
        kind => kind
            .choices()
            .into_iter()
            .map(|(value, text)| option(value, text))
            .collect(),
    };
    let name = format!("{}_{}", path[0], path[1]);
    json!({
        "MetadataId": metadata_id(&["options", &name]),
        "HasChanged": null,
        "IsCustomOptionSet": false,
        "IsGlobal": false,
        "IsManaged": true,
        "Name": name,
        "OptionSetType": type_names(column).1,
        "Options": options,
    })
}

/// Removes the members of a column that cannot be read without a cast, and the options if they are
/// not expanded. Selecting such a member without the cast is refused.
pub(super) fn remove_uncast_members(
    attribute: &mut Value,
    cast: Option<&str>,
    options: &QueryOptions,
) -> Result<(), ODataError> {
    for (name, _) in &options.expand {
        if name != "OptionSet" || attribute.get(name).is_none() || cast.is_none() {
            return Err(ODataError::unknown_property(
                name,
                cast.unwrap_or("AttributeMetadata"),
            ));
        }
    }
    let Some(members) = attribute.as_object_mut() else {
        return Ok(());
    };
    let needs_cast = |name: &&String| TYPE_MEMBERS.contains(&name.as_str());
    if cast.is_none()
        && let Some(name) = options.select.iter().find(needs_cast)
    {
        return Err(ODataError::unknown_property(name, "AttributeMetadata"));
    }
    if options.expand.is_empty() {
        members.shift_remove("OptionSet");
    }
    Ok(())
}

/// The alternate keys of a table.
pub(super) fn keys(table: &Table) -> Vec<Value> {
    table
        .keys
        .iter()
        .map(|(name, columns)| {
            json!({
                "MetadataId": metadata_id(&["key", &table.logical_name, name]),
                "HasChanged": null,
                "LogicalName": name,
                "SchemaName": name,
                "EntityLogicalName": table.logical_name,
                "KeyAttributes": columns,
                "EntityKeyIndexStatus": "Active",
                "DisplayName": label(name),
            })
        })
        .collect()
}

/// The relationships in which a table refers to others.
pub(super) fn many_to_one<'schema>(
    schema: &'schema Schema,
    table: &'schema Table,
) -> &'schema [Value] {
    let shown = &table.shown.many_to_one;
    shown.get_or_init(|| relationships_of_lookups(schema, table))
}

fn relationships_of_lookups(schema: &Schema, table: &Table) -> Vec<Value> {
    let lookups = table.columns.iter().filter_map(|column| {
        let lookup = column.lookup()?;
        Some((column, lookup))
    });
    lookups
        .flat_map(|(column, lookup)| {
            lookup.targets.iter().filter_map(|target| {
                let referenced = schema.table(target)?;
                Some(relationship(&Relationship {
                    referenced,
                    referencing: table,
                    column,
                }))
            })
        })
        .collect()
}

/// The relationships in which other tables refer to a table.
pub(super) fn one_to_many<'schema>(schema: &'schema Schema, table: &'schema Table) -> Vec<Value> {
    schema
        .relationships_to(table)
        .map(|found| relationship(&found))
        .collect()
}

fn relationship(relationship: &Relationship<'_>) -> Value {
    let name = relationship.name();
    let navigation = relationship
        .column
        .lookup()
        .map(|lookup| lookup.navigation.clone());
    let delete = match relationship.on_delete() {
        OnDelete::Cascade => "Cascade",
        OnDelete::RemoveLink => "RemoveLink",
        OnDelete::Restrict => "Restrict",
    };
    json!({
        "@odata.type": "#Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata",
        "MetadataId": metadata_id(&["relationship", &name]),
        "HasChanged": null,
        "SchemaName": name,
        "RelationshipType": "OneToManyRelationship",
        "IsCustomRelationship": relationship.referencing.custom,
        "IsManaged": true,
        "ReferencedEntity": relationship.referenced.logical_name,
        "ReferencedAttribute": relationship.referenced.primary_id,
        "ReferencedEntityNavigationPropertyName": name,
        "ReferencingEntity": relationship.referencing.logical_name,
        "ReferencingAttribute": relationship.column.logical_name,
        "ReferencingEntityNavigationPropertyName": navigation,
        "CascadeConfiguration": {
            "Assign": "NoCascade",
            "Delete": delete,
            "Merge": "NoCascade",
            "Reparent": "NoCascade",
            "Share": "NoCascade",
            "Unshare": "NoCascade",
            "RollupView": "NoCascade",
        },
    })
}

/// The many-to-many relationships of a table.
pub(super) fn many_to_many(schema: &Schema, table: &Table) -> Vec<Value> {
    schema
        .intersects()
        .iter()
        .filter(|intersect| {
            intersect
                .sides
                .iter()
                .any(|(side, _)| *side == table.logical_name)
        })
        .map(|intersect| {
            let [first, second] = &intersect.sides;
            json!({
                "@odata.type": "#Microsoft.Dynamics.CRM.ManyToManyRelationshipMetadata",
                "MetadataId": metadata_id(&["relationship", &intersect.name]),
                "HasChanged": null,
                "SchemaName": intersect.name,
                "RelationshipType": "ManyToManyRelationship",
                "IntersectEntityName": intersect.table,
                "Entity1LogicalName": first.0,
                "Entity1IntersectAttribute": first.1,
                "Entity1NavigationPropertyName": intersect.name,
                "Entity2LogicalName": second.0,
                "Entity2IntersectAttribute": second.1,
                "Entity2NavigationPropertyName": intersect.name,
            })
        })
        .collect()
}
