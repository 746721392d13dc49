//! The rows of one Dataverse organization, for one caller.
//!
//! A row is a JSON object of its columns' logical names; columns without a value are left out. A
//! lookup is an object with one member, table to id: `{"systemuser": "…"}`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::environments;
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::schema::Schema;
use crate::rehearsal::schema::table::Table;
use crate::rehearsal::world::names;
use crate::rehearsal::world::store::Draft;

/// A row of a table.
pub(crate) type Row = Map<String, Value>;

/// The caller of a request to an organization: a user, known by two ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Caller {
    /// The id of the user's row.
    pub(crate) user: Option<String>,
    /// The user's object id in the directory.
    pub(crate) object: Option<String>,
}

/// One organization during a request.
#[derive(Debug)]
pub(crate) struct Organization<'request, 'world> {
    pub(crate) draft: &'request mut Draft<'world>,
    /// The tables.
    pub(crate) schema: &'request Schema,
    pub(crate) id: String,
    pub(crate) environment: String,
    pub(crate) caller: Caller,
}

impl<'request, 'world> Organization<'request, 'world> {
    /// The organization of an environment, without a caller.
    pub(crate) fn in_environment(
        draft: &'request mut Draft<'world>,
        schema: &'request Schema,
        environment: &str,
    ) -> Option<Self> {
        Some(Self {
            id: environments::organization(draft, environment)?,
            draft,
            schema,
            environment: environment.to_owned(),
            caller: Caller::default(),
        })
    }
}

impl<'request> Organization<'request, '_> {
    /// A table of the schema.
    pub(crate) fn table(&self, logical_name: &str) -> Result<&'request Table, ODataError> {
        self.schema
            .table(logical_name)
            .ok_or_else(|| ODataError::unknown_segment(logical_name))
    }
}

impl Organization<'_, '_> {
    pub(crate) fn row(&self, table: &str, id: &str) -> Option<Row> {
        self.borrowed_row(table, id).cloned()
    }

    /// A row that is only looked at.
    pub(crate) fn borrowed_row(&self, table: &str, id: &str) -> Option<&Row> {
        self.draft
            .get(&names::row(&self.id, table, id))
            .and_then(Value::as_object)
    }

    /// A row, or an error if it does not exist.
    pub(crate) fn existing(&self, table: &str, id: &str) -> Result<Row, ODataError> {
        self.row(table, id)
            .ok_or_else(|| ODataError::row_not_found(table, id))
    }

    /// The rows of a table, in the order of their ids.
    pub(crate) fn rows(&self, table: &str) -> Vec<Row> {
        self.rows_where(table, |_| true)
    }

    /// The matching rows of a table, in the order of their ids. Rows are large: only these are
    /// cloned.
    pub(crate) fn rows_where(&self, table: &str, matches: impl Fn(&Row) -> bool) -> Vec<Row> {
        let rows = self.borrowed_rows(table).into_iter();
        rows.filter(|row| matches(row)).cloned().collect()
    }

    /// The rows of a table that are only looked at, in the order of their ids.
    pub(crate) fn borrowed_rows(&self, table: &str) -> Vec<&Row> {
        let prefix = names::table(&self.id, table);
        let rows = self.draft.under(&prefix);
        rows.filter_map(|(_, row)| row.as_object()).collect()
    }

    /// The rows of a table that have this text in a column, in the order of their ids.
    pub(crate) fn rows_with_text(&self, table: &str, column: &str, value: &str) -> Vec<&Row> {
        let prefix = names::table(&self.id, table);
        let rows = self.draft.with_text(&prefix, column, value);
        rows.into_iter().filter_map(Value::as_object).collect()
    }

    /// The rows of a table whose lookup refers to a row.
    pub(crate) fn rows_referencing(&self, table: &str, column: &str, id: &str) -> Vec<Row> {
        self.rows_where(table, |row| lookup(row, column) == Some(id))
    }

    /// Inserts a row. The common columns (times, owner, state) get default values.
    pub(crate) fn insert(&mut self, table: &Table, id: &str, mut row: Row) {
        let now = self.draft.now().to_iso_seconds();
        row.insert(table.primary_id.clone(), json!(id));
        let mut fill = |column: &str, value: Option<Value>| {
            if let Some(value) = value.filter(|_| table.column(column).is_some()) {
                row.entry(column).or_insert(value);
            }
        };
        fill("createdon", Some(json!(now)));
        let user = self.caller.user.as_deref();
        let user = user.map(|user| lookup_value("systemuser", user));
        fill("createdby", user.clone());
        fill("ownerid", user);
        let unit = self.root_business_unit();
        let unit = unit.and_then(|unit| text(unit, "businessunitid"));
        fill(
            "owningbusinessunit",
            unit.map(|id| lookup_value("businessunit", id)),
        );
        if table.column("statecode").is_some() {
            fill("statecode", Some(json!(0)));
            fill("statuscode", table.default_status(0).map(Value::from));
        }
        self.save(table, row);
    }

    /// Saves a row. Each save creates a new version, even if nothing changed.
    pub(crate) fn save(&mut self, table: &Table, mut row: Row) {
        let version = self.draft.count("version");
        row.insert("versionnumber".to_owned(), json!(version));
        let now = self.draft.now().to_iso_seconds();
        row.insert("modifiedon".to_owned(), json!(now));
        if let Some(user) = &self.caller.user {
            row.insert("modifiedby".to_owned(), lookup_value("systemuser", user));
        }
        row.retain(|_, value| !value.is_null());
        let id = text(&row, &table.primary_id).unwrap_or_default();
        let key = names::row(&self.id, &table.logical_name, id);
        self.draft.put(key, Value::Object(row));
    }

    /// Changes the rows of a table, except those for which `change` returns false.
    pub(crate) fn change_rows(&mut self, table: &str, change: impl Fn(&mut Row) -> bool) {
        if let Ok(definition) = self.table(table) {
            for mut row in self.rows(table) {
                if change(&mut row) {
                    self.save(definition, row);
                }
            }
        }
    }

    /// Changes a row, if it exists.
    pub(crate) fn change_row(&mut self, table: &str, id: &str, change: impl Fn(&mut Row)) {
        if let (Ok(table), Some(mut row)) = (self.table(table), self.row(table, id)) {
            change(&mut row);
            self.save(table, row);
        }
    }

    /// Removes a row without its dependent rows.
    pub(crate) fn remove_row(&mut self, table: &str, id: &str) {
        self.draft.delete(&names::row(&self.id, table, id));
    }

    pub(crate) fn root_business_unit(&self) -> Option<&Row> {
        self.borrowed_rows("businessunit")
            .into_iter()
            .find(|unit| lookup(unit, "parentbusinessunitid").is_none())
    }

    /// Renames the default team of the root business unit.
    pub(crate) fn rename_default_team(&mut self, name: &str) {
        let Some(root) = self.root_business_unit() else {
            return;
        };
        let root = text(root, "businessunitid").map(str::to_owned);
        self.change_rows("team", |team| {
            let is_default = team.get("isdefault") == Some(&json!(true));
            let renamed = is_default && lookup(team, "businessunitid") == root.as_deref();
            if renamed {
                team.insert("name".to_owned(), json!(name));
            }
            renamed
        });
    }

    /// The roles a user has, directly and through teams.
    pub(crate) fn roles_of(&self, user: &str) -> Vec<&Row> {
        let member = |row: &Row, column: &str, id: &str| text(row, column) == Some(id);
        let mut roles: Vec<&str> = Vec::new();
        let mut add = |pairs: &str, column: &str, id: &str| {
            let pairs = self.borrowed_rows(pairs).into_iter();
            let of = pairs.filter(|pair| member(pair, column, id));
            roles.extend(of.filter_map(|pair| text(pair, "roleid")));
        };
        add("systemuserroles", "systemuserid", user);
        for membership in self.borrowed_rows("teammembership") {
            if member(membership, "systemuserid", user) {
                let team = text(membership, "teamid").unwrap_or_default();
                add("teamroles", "teamid", team);
            }
        }
        roles.sort_unstable();
        roles.dedup();
        roles
            .into_iter()
            .filter_map(|id| self.borrowed_row("role", id))
            .collect()
    }

    /// Whether a user has a role with one of these templates.
    pub(crate) fn has_template(&self, user: &str, templates: &[&str]) -> bool {
        self.roles_of(user).iter().any(|role| {
            lookup(role, "roletemplateid").is_some_and(|template| templates.contains(&template))
        })
    }
}

/// The template of the role System Administrator (Microsoft's sample `IsSystemAdmin`).
pub(crate) const SYSTEM_ADMINISTRATOR: &str = "627090ff-40a3-4053-8790-584edc5be201";

/// The template of the role System Customizer.
pub(crate) const SYSTEM_CUSTOMIZER: &str = "119f245c-3cc8-4b62-b31c-d1a046ced15d";

pub(crate) fn text<'row>(row: &'row Row, column: &str) -> Option<&'row str> {
    row.get(column).and_then(Value::as_str)
}

pub(crate) fn number(row: &Row, column: &str) -> Option<i64> {
    row.get(column).and_then(Value::as_i64)
}

pub(crate) fn set_state(row: &mut Row, state: i64, status: i64) {
    row.insert("statecode".to_owned(), json!(state));
    row.insert("statuscode".to_owned(), json!(status));
}

/// The id of the row that a lookup refers to.
pub(crate) fn lookup<'row>(row: &'row Row, column: &str) -> Option<&'row str> {
    lookup_of(row.get(column)?).map(|(_, id)| id)
}

/// The table and the id of a lookup's value.
pub(crate) fn lookup_of(value: &Value) -> Option<(&str, &str)> {
    let (table, id) = value.as_object()?.iter().next()?;
    Some((table, id.as_str()?))
}

pub(crate) fn lookup_value(table: &str, id: &str) -> Value {
    let mut value = Map::new();
    value.insert(table.to_owned(), json!(id));
    Value::Object(value)
}

/// A row from a JSON object; another value is an empty row.
pub(crate) fn row_of(value: Value) -> Row {
    match value {
        Value::Object(row) => row,
        _ => Row::new(),
    }
}
