//! Users and registered applications of Finance and Operations: who may sign in, and as which user
//! an application signs in. Ids are compared without regard to case.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::try_join;

use super::dual_write::capture::APPLICATIONS;
use super::dual_write::tables::{field_bool, field_text};
use super::names::Fields;
use super::seals::{self, Part};
use crate::clients::{
    Condition, EntityKey, ErrorKind, FinanceOperations, FinanceOperationsWriter, Query, Row,
};
use crate::engine::{Failure, JournalView, Reading, Set, WriteError, Written};

/// The entity set of users (as d365bap.tools reads and writes it).
pub(crate) const USERS: &str = "SystemUsers";

/// The entity set of the security roles of users (as d365bap.tools reads it). A tenant may not have it.
pub(crate) const ROLES: &str = "SecurityUserRoles";

/// The prefix of the captures of users, applications and roles.
const CAPTURES: &str = "finance/";

/// The users that a database refresh leaves enabled (Microsoft Learn, *Refresh database*;
/// `DBMovementAPI` is documented for the copy of a unified environment).
const KEPT_ENABLED: [&str; 2] = ["Admin", "DBMovementAPI"];

/// Does a database refresh leave this user enabled?
pub(crate) fn is_kept_enabled(user: &str) -> bool {
    KEPT_ENABLED
        .iter()
        .any(|kept| kept.eq_ignore_ascii_case(user))
}

/// The users and registered applications of one environment at one time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct FinanceUsers {
    /// By the id in lower case.
    users: BTreeMap<String, User>,
    /// By the id in lower case.
    applications: BTreeMap<String, Application>,
    /// The names of security roles by the user's id in lower case; only of users whose roles were read.
    roles: BTreeMap<String, BTreeSet<String>>,
}

/// A user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct User {
    pub(crate) id: String,
    /// The name that the user signs in with.
    pub(crate) sign_in_name: String,
    /// None if the service does not say it.
    pub(crate) enabled: Option<bool>,
    /// The company that the user begins in.
    pub(crate) company: Option<String>,
}

impl User {
    /// Is it enabled for certain?
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled == Some(true)
    }
}

/// A registered application.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Application {
    pub(crate) id: String,
    /// The user that it signs in as.
    pub(crate) user: Option<String>,
    pub(crate) name: String,
}

impl FinanceUsers {
    /// Takes rows of both entity sets.
    pub(crate) fn from_rows<'r>(
        users: impl IntoIterator<Item = &'r Row>,
        applications: impl IntoIterator<Item = &'r Row>,
    ) -> Self {
        let mut found = Self::default();
        for row in users {
            found.add_user(&row.value, None);
        }
        for row in applications {
            found.add_application(&row.value, None);
        }
        found
    }

    /// Reads both entity sets.
    pub(crate) async fn read(finance: &FinanceOperations) -> Result<Self, Failure> {
        let query = Query::new();
        let (users, applications) = try_join!(
            finance.list(USERS, &query),
            finance.list(APPLICATIONS, &query)
        )?;
        Ok(Self::from_rows(&users, &applications))
    }

    /// Those of the target before the copy, from the first seal.
    pub(crate) fn recorded(journal: &JournalView) -> Self {
        let mut recorded = Self::default();
        for (place, row) in seals::captures(journal, Part::Target, CAPTURES) {
            let Value::Object(row) = row else { continue };
            match place.split_once('/') {
                Some((USERS, id)) => recorded.add_user(&row, Some(id)),
                Some((APPLICATIONS, id)) => recorded.add_application(&row, Some(id)),
                Some((ROLES, _)) => recorded.add_role(&row),
                _ => {}
            }
        }
        recorded
    }

    fn add_user(&mut self, row: &Fields, captured_id: Option<&str>) {
        let Some(id) = field_text(row, "UserID").or(captured_id) else {
            return;
        };
        let user = User {
            id: id.to_owned(),
            sign_in_name: field_text(row, "Alias").unwrap_or_default().to_owned(),
            enabled: field_bool(row, "Enabled"),
            company: field_text(row, "Company")
                .filter(|company| !company.is_empty())
                .map(str::to_owned),
        };
        self.users.insert(id.to_lowercase(), user);
    }

    fn add_application(&mut self, row: &Fields, captured_id: Option<&str>) {
        let Some(id) = field_text(row, "AADClientId").or(captured_id) else {
            return;
        };
        let application = Application {
            id: id.to_owned(),
            user: field_text(row, "UserId").map(str::to_owned),
            name: field_text(row, "Name").unwrap_or_default().to_owned(),
        };
        self.applications.insert(id.to_lowercase(), application);
    }

    fn add_role(&mut self, row: &Fields) {
        let name =
            field_text(row, "SecurityRoleName").or(field_text(row, "SecurityRoleIdentifier"));
        if let (Some(user), Some(name)) = (field_text(row, "UserId"), name) {
            let roles = self.roles.entry(user.to_lowercase()).or_default();
            roles.insert(name.to_owned());
        }
    }

    /// The same with the security roles in these rows.
    #[must_use]
    pub(crate) fn with_roles<'r>(mut self, rows: impl IntoIterator<Item = &'r Row>) -> Self {
        for row in rows {
            self.add_role(&row.value);
        }
        self
    }

    /// The security roles of a user, as far as they are known.
    pub(crate) fn roles(&self, user: &str) -> impl Iterator<Item = &str> {
        let roles = self.roles.get(&user.to_lowercase()).into_iter().flatten();
        roles.map(String::as_str)
    }

    /// The ids of the enabled users that programs need: applications sign in as them, or the flows use
    /// their connections. Takes the sign-in name of the latter.
    pub(crate) fn needed_users(&self, act_as: Option<&str>) -> BTreeSet<&String> {
        let of_applications = self.applications().filter_map(|it| it.user.as_ref());
        let is_acting = |user: &&User| {
            act_as.is_some_and(|act_as| user.sign_in_name.eq_ignore_ascii_case(act_as))
        };
        let acting = self.users().filter(is_acting).map(|user| &user.id);
        of_applications
            .chain(acting)
            .filter(|user| self.is_enabled(user))
            .collect()
    }

    /// What a person needs to create a user again: its sign-in name, its company and its security
    /// roles.
    pub(crate) fn description(&self, user: &str) -> String {
        let found = self.user(user);
        let alias = found
            .map(|user| user.sign_in_name.as_str())
            .filter(|alias| !alias.is_empty());
        let company = found.and_then(|user| user.company.as_deref());
        let mut parts = Vec::from_iter(alias.map(|alias| format!("alias {alias}")));
        parts.extend(company.map(|company| format!("company {company}")));
        let roles: Vec<String> = self.roles(user).map(|role| format!("'{role}'")).collect();
        parts.push(match roles.as_slice() {
            [] => "its security roles were not read".to_owned(),
            [role] => format!("security role {role}"),
            roles => format!("security roles {}", roles.join(", ")),
        });
        parts.join(", ")
    }

    /// The same users and applications as a database refresh leaves them.
    pub(crate) fn after_refresh(mut self) -> Self {
        for user in self.users.values_mut() {
            user.enabled = Some(is_kept_enabled(&user.id));
        }
        self
    }

    /// Every user.
    pub(crate) fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// Every registered application.
    pub(crate) fn applications(&self) -> impl Iterator<Item = &Application> {
        self.applications.values()
    }

    /// The user with this id.
    pub(crate) fn user(&self, id: &str) -> Option<&User> {
        self.users.get(&id.to_lowercase())
    }

    /// The application with this id.
    pub(crate) fn application(&self, id: &str) -> Option<&Application> {
        self.applications.get(&id.to_lowercase())
    }

    /// Is this user present and enabled?
    pub(crate) fn is_enabled(&self, user: &str) -> bool {
        self.user(user).is_some_and(User::is_enabled)
    }
}

/// The rows of the security roles of these users. None of a tenant that does not have them, or does not let
/// the caller read them: a person then notes the roles before the copy.
pub(crate) async fn read_roles(
    finance: &FinanceOperations,
    users: impl IntoIterator<Item = &String>,
) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for user in users {
        let query = Query::new().filter(EntityKey::new(ROLES, "UserId", user).filter());
        match finance.list(ROLES, &query).await {
            Ok(found) => rows.extend(found),
            Err(error)
                if matches!(
                    error.kind,
                    ErrorKind::NotFound | ErrorKind::Forbidden | ErrorKind::Refused
                ) =>
            {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(rows)
}

/// Enables one user.
pub(crate) struct EnableUser {
    finance: FinanceOperationsWriter,
    key: EntityKey,
}

impl EnableUser {
    /// Takes the user's id.
    pub(crate) fn new(finance: &FinanceOperationsWriter, user: &str) -> Self {
        Self {
            finance: finance.clone(),
            key: EntityKey::new(USERS, "UserID", user),
        }
    }
}

#[async_trait]
impl Set for EnableUser {
    async fn read(&self) -> Result<Reading, Failure> {
        let row = self.finance.find(&self.key).await?;
        let enabled = row
            .as_ref()
            .map(|row| field_bool(&row.value, "Enabled") == Some(true));
        Ok(Reading {
            etag: row.and_then(|row| row.etag),
            ..Reading::of(json!({ "enabled": enabled }))
        })
    }

    async fn write(&self, reading: &Reading) -> Result<Written, WriteError> {
        let body = json!({ "Enabled": true });
        let condition = version_condition(reading);
        let written = self.finance.patch(&self.key, &body, condition).await;
        written.map_err(WriteError::from)?;
        Ok(Written::default())
    }
}

/// The condition of a write: that the row still has the version that was read, if it has one.
pub(crate) fn version_condition(reading: &Reading) -> Condition {
    reading
        .etag
        .clone()
        .map_or(Condition::None, Condition::Etag)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Users and applications for tests. Users sign in as `<id>@contoso.com`.
    pub(crate) fn finance_users(
        users: &[(&str, bool)],
        applications: &[(&str, &str)],
    ) -> FinanceUsers {
        let mut found = FinanceUsers::default();
        let object = |value: Value| value.as_object().unwrap().clone();
        for (id, enabled) in users {
            let row =
                json!({"UserID": id, "Alias": format!("{id}@contoso.com"), "Enabled": enabled});
            found.add_user(&object(row), None);
        }
        for (id, user) in applications {
            let row = json!({"AadClientId": id, "UserId": user, "Name": id});
            found.add_application(&object(row), None);
        }
        found
    }

    #[test]
    fn a_refresh_keeps_the_user_for_programs_enabled() {
        let source = finance_users(&[("DBMovementAPI", false), ("svc", true)], &[]);
        let now = source.after_refresh();
        assert!(now.is_enabled("dbmovementapi") && !now.is_enabled("svc"));
    }

    #[test]
    fn a_user_is_described_with_what_was_captured_of_it() {
        let journal = crate::domain::dual_write::recorded::tests::sealed(&[
            (
                "target/finance/SystemUsers/SvcWms",
                json!({"UserID": "SvcWms", "Alias": "wms@contoso.com", "Company": "usmf"}),
            ),
            (
                "target/finance/SecurityUserRoles/svcwms/A",
                json!({"UserId": "svcwms", "SecurityRoleIdentifier": "A", "SecurityRoleName": "Clerk"}),
            ),
            (
                "target/finance/SecurityUserRoles/svcwms/B",
                json!({"UserId": "svcwms", "SecurityRoleIdentifier": "B"}),
            ),
        ]);
        assert_eq!(
            FinanceUsers::recorded(&journal).description("svcwms"),
            "alias wms@contoso.com, company usmf, security roles 'B', 'Clerk'"
        );
        assert_eq!(
            FinanceUsers::default().description("svcwms"),
            "its security roles were not read"
        );
    }

    #[test]
    fn an_application_of_the_first_seal_is_found_by_the_key_of_its_capture() {
        let journal = crate::domain::dual_write::recorded::tests::sealed(&[(
            "target/finance/SysAADClients/2E49AA60-1bd3-43b6-8ab6-03ada3d9f08b",
            json!({"UserId": "DualWrite"}),
        )]);
        let recorded = FinanceUsers::recorded(&journal);
        let user = |application: &str| {
            let application = recorded.application(application)?;
            application.user.as_deref()
        };
        let registered = "2e49aa60-1bd3-43b6-8ab6-03ada3d9f08b";
        assert_eq!(user(registered), Some("DualWrite"));
        assert_eq!(user("6f7d0213-62b1-43a8-b7f4-ff2bb8b7b452"), None);
    }
}
