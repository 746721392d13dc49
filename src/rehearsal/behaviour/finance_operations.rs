//! The Finance and Operations of an environment: its users, rows and actions.

use serde_json::{Map, Value, json};

use super::directory::PrincipalKind;
use super::outside;
use crate::rehearsal::schema::finance_operations::EntitySet;
use crate::rehearsal::world::names;
use crate::rehearsal::world::store::Draft;

/// The role System administrator.
const ADMINISTRATOR: &str = "-SYSADMIN-";

/// The Finance and Operations of one environment.
pub(crate) struct FinanceOperations<'draft, 'world> {
    pub(crate) draft: &'draft mut Draft<'world>,
    /// The environment's id.
    pub(crate) environment: &'static str,
}

/// A row: its fields.
pub(crate) type Row = Map<String, Value>;

/// Why Finance and Operations refuses a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FinanceOperationsError {
    /// The HTTP status.
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl FinanceOperationsError {
    fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

/// The user of a request.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    /// The user's default company.
    pub(crate) company: String,
    /// Whether the user is a system administrator.
    pub(crate) administrator: bool,
}

/// The prefix of the keys of a set's rows.
pub(crate) fn rows_key(environment: &str, set: &str) -> String {
    format!("finance-operations/{environment}/{set}/")
}

/// The key of the HTTP status of an environment's Finance and Operations while it is unavailable.
pub(crate) fn unavailable_key(environment: &str) -> String {
    format!("finance-operations-away/{environment}")
}

/// The key of the facts of an environment's Finance and Operations outside its rows.
pub(crate) fn facts_key(environment: &str) -> String {
    format!("finance-operations-facts/{environment}")
}

impl FinanceOperations<'_, '_> {
    /// The HTTP status of all responses while it is unavailable.
    pub(crate) fn unavailable_status(&self) -> Option<u16> {
        let status = self
            .draft
            .get(&unavailable_key(self.environment))?
            .as_u64()?;
        u16::try_from(status).ok()
    }

    /// The user of a caller, if the user is enabled: an application's user is the one that it is
    /// registered for, a person's the one with the sign-in name.
    pub(crate) fn find_user(
        &self,
        client: &str,
        kind: PrincipalKind,
    ) -> Result<User, FinanceOperationsError> {
        let equals = |row: &Row, field: &str, text: &str| {
            row.get(field)
                .and_then(Value::as_str)
                .is_some_and(|found| found.eq_ignore_ascii_case(text))
        };
        let users = self.rows("SystemUsers");
        let id = match kind {
            PrincipalKind::Application => {
                let clients = self.rows("SysAADClients");
                let registered = clients
                    .iter()
                    .find(|row| equals(row, "AADClientId", client));
                registered.and_then(|row| row.get("UserId")?.as_str().map(str::to_owned))
            }
            PrincipalKind::Person => {
                let user = users.iter().find(|row| equals(row, "Alias", client));
                user.and_then(|row| row.get("UserID")?.as_str().map(str::to_owned))
            }
        };
        let Some(id) = id.as_deref() else {
            let message = format!("The application or user {client} is not registered.");
            return Err(FinanceOperationsError::new(401, message));
        };
        let user = users.iter().find(|row| equals(row, "UserID", id));
        let Some(user) = user.filter(|row| row.get("Enabled") == Some(&json!(true))) else {
            let message = format!("The user '{id}' is not enabled.");
            return Err(FinanceOperationsError::new(401, message));
        };
        let roles = self.rows("SecurityUserRoles");
        let text = |field: &str| user.get(field).and_then(Value::as_str);
        Ok(User {
            id: id.to_owned(),
            company: text("Company").unwrap_or_default().to_owned(),
            administrator: roles.iter().any(|row| {
                equals(row, "UserId", id) && equals(row, "SecurityRoleIdentifier", ADMINISTRATOR)
            }),
        })
    }

    /// The rows of a set, in the order of their keys.
    pub(crate) fn rows(&self, set: &str) -> Vec<Row> {
        self.draft
            .under(&rows_key(self.environment, set))
            .filter_map(|(_, row)| row.as_object().cloned())
            .collect()
    }

    /// The row with a key and the name of its object, ignoring case.
    pub(crate) fn find(&self, set: &EntitySet, key: &[(&str, String)]) -> Option<(String, Row)> {
        self.draft
            .under(&rows_key(self.environment, set.name))
            .filter_map(|(name, row)| Some((name.to_owned(), row.as_object()?.clone())))
            .find(|(_, row)| {
                key.iter().all(|(field, value)| {
                    key_text(row.get(*field)).is_some_and(|found| found.eq_ignore_ascii_case(value))
                })
            })
    }

    /// Creates a row.
    pub(crate) fn create(
        &mut self,
        set: &EntitySet,
        body: Row,
    ) -> Result<Row, FinanceOperationsError> {
        check(set, &body)?;
        let mut key = Vec::new();
        for field in set.keys {
            let value = key_text(body.get(*field)).ok_or_else(|| {
                FinanceOperationsError::new(400, format!("Field '{field}' must be filled in."))
            })?;
            key.push((*field, value));
        }
        if self.find(set, &key).is_some() {
            let message = format!(
                "Cannot create a record in {}. The record already exists.",
                set.name
            );
            return Err(FinanceOperationsError::new(400, message));
        }
        let values: Vec<&str> = key.iter().map(|(_, value)| value.as_str()).collect();
        let name = format!(
            "{}{}",
            rows_key(self.environment, set.name),
            values.join(",")
        );
        self.draft.put(name, Value::Object(body.clone()));
        Ok(body)
    }

    /// Updates fields of a row.
    pub(crate) fn update(
        &mut self,
        set: &EntitySet,
        name: &str,
        body: Row,
    ) -> Result<(), FinanceOperationsError> {
        check(set, &body)?;
        let mut row = self
            .draft
            .get(name)
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        for (field, value) in body {
            if !set.keys.contains(&field.as_str()) {
                row.insert(field, value);
            }
        }
        self.draft.put(name.to_owned(), Value::Object(row));
        outside::finance::after_change(self.draft, self.environment, set.name, name);
        Ok(())
    }

    /// Deletes a row by the name of its object.
    pub(crate) fn delete(&mut self, name: &str) {
        self.draft.delete(name);
    }

    /// Runs an action and returns its result; `None` if there is no such action.
    pub(crate) fn run_action(&mut self, set: &str, action: &str, user: &User) -> Option<Value> {
        let fact = |name: &str| {
            let facts = self.draft.get(&facts_key(self.environment));
            facts.and_then(|facts| facts.get(name).cloned())
        };
        match (set, action) {
            ("DataManagementEntities", "GetApplicationVersion") => fact("applicationVersion"),
            ("DataManagementEntities", "GetPlatformBuildVersion") => fact("platformVersion"),
            ("DataManagementDefinitionGroups", "InitializeDataManagement") => {
                let now = json!(self.draft.now().to_iso_seconds());
                self.set_fact("entityListRefreshed", now);
                Some(Value::Null)
            }
            // JSON in a text, with `1` and `0` as texts.
            ("ApprovalUsers", "getCurrentUserDetails") => Some(json!(
                json!({
                    "UserId": user.id,
                    "IsAdmin": if user.administrator { "1" } else { "0" },
                    "UserObjectId": names::identifier(&["finance-user", &user.id]),
                })
                .to_string()
            )),
            ("DualWriteProjectConfigurations", "ValidateCurrentUserRole") => {
                Some(json!(user.administrator))
            }
            _ => None,
        }
    }

    /// Sets a fact outside the rows.
    pub(crate) fn set_fact(&mut self, name: &str, value: Value) {
        let key = facts_key(self.environment);
        let mut facts = self.draft.get(&key).cloned().unwrap_or_else(|| json!({}));
        if let Some(facts) = facts.as_object_mut() {
            facts.insert(name.to_owned(), value);
        }
        self.draft.put(key, facts);
    }
}

/// The text of a key field, which is a text or a number.
fn key_text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Checks that the set has the fields of a body and that their values are valid.
fn check(set: &EntitySet, body: &Row) -> Result<(), FinanceOperationsError> {
    for (name, value) in body {
        let Some(field) = set.field(name) else {
            let message = format!(
                "The property '{name}' does not exist on type 'Microsoft.Dynamics.DataEntities.{}'.",
                set.name
            );
            return Err(FinanceOperationsError::new(400, message));
        };
        if !field.accepts(value) {
            let message = format!("The value {value} is not valid for the field '{name}'.");
            return Err(FinanceOperationsError::new(400, message));
        }
    }
    Ok(())
}
