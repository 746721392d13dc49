//! The part of phase `access` in Finance and Operations: both applications are registered, for a
//! user that is enabled.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use tokio::try_join;

use crate::clients::{EntityKey, FinanceOperations, FinanceOperationsWriter, Query};
use crate::domain::dual_write::capture::APPLICATIONS;
use crate::domain::dual_write::tables::field_text;
use crate::domain::finance_users::{EnableUser, FinanceUsers, USERS};
use crate::domain::{RefreshContext, keys};
use crate::engine::{Action, Change, Failure, JournalView, Reading, Set, WriteError, Written};

/// The applications that sign in to Finance and Operations: Dynamics Data Integration, and the
/// runtime of the core solution since 1.0.16.0. Earlier versions used
/// 33976c19-1db5-4c02-810e-c243db79efde.
pub(super) const FINANCE_APPLICATIONS: [(&str, &str); 2] = [
    (
        "2e49aa60-1bd3-43b6-8ab6-03ada3d9f08b",
        "Dynamics Data Integration",
    ),
    ("6f7d0213-62b1-43a8-b7f4-ff2bb8b7b452", "Dual-write runtime"),
];

/// Reads the users and applications of Finance and Operations.
pub(super) async fn read_users(finance: &FinanceOperations) -> Result<FinanceUsers, Failure> {
    let every = Query::new();
    let (applications, users) = try_join!(
        finance.list(APPLICATIONS, &every),
        finance.list(USERS, &every),
    )?;
    Ok(FinanceUsers::from_rows(&users, &applications))
}

/// The registrations that are missing, and the users that are disabled.
pub(super) async fn finance_changes(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Vec<Change>, Failure> {
    let finance = refresh.target.finance.as_ref();
    let finance = finance.ok_or_else(|| {
        Failure::failed("no Finance and Operations is linked with the target").permanent()
    })?;
    let now = read_users(finance).await?;
    let recorded = FinanceUsers::recorded(journal);
    let mut changes = Vec::new();
    let mut disabled = BTreeSet::new();
    for (id, name) in FINANCE_APPLICATIONS {
        let registration = now.application(id);
        let application = registration.or_else(|| recorded.application(id));
        let user = application
            .and_then(|application| application.user.as_deref())
            .filter(|user| now.user(user).is_some());
        if let Some(user) = user
            && now.user(user).and_then(|user| user.enabled) == Some(false)
        {
            disabled.insert(user);
        }
        match (registration, user) {
            (Some(_), Some(_)) => {}
            (None, Some(user)) => changes.push(register(finance, id, name, user)),
            (_, None) => changes.push(ask_to_register(id, name)),
        }
    }
    changes.extend(disabled.into_iter().map(|user| enable(finance, user)));
    Ok(changes)
}

fn register(
    finance: &FinanceOperationsWriter,
    application: &str,
    name: &str,
    user: &str,
) -> Change {
    Change {
        key: keys::dual_write_application(application),
        name: format!("register {name} in Finance and Operations as user {user}"),
        before: json!({ "user": null }).into(),
        after: json!({ "user": user }).into(),
        follows: Vec::new(),
        action: Action::Set(Arc::new(RegisterApplication {
            finance: finance.clone(),
            key: EntityKey::new(APPLICATIONS, "AADClientId", application),
            application: application.to_owned(),
            name: name.to_owned(),
            user: user.to_owned(),
        })),
    }
}

fn enable(finance: &FinanceOperationsWriter, user: &str) -> Change {
    Change {
        key: keys::dual_write_user(user),
        name: format!("enable user {user} of Finance and Operations, which dual-write signs in as"),
        before: json!({ "enabled": false }).into(),
        after: json!({ "enabled": true }).into(),
        follows: Vec::new(),
        action: Action::Set(Arc::new(EnableUser::new(finance, user))),
    }
}

fn ask_to_register(application: &str, name: &str) -> Change {
    super::access::manual_task(
        keys::dual_write_application(application),
        format!("register {name} in Finance and Operations"),
        vec![format!(
            "Finance and Operations of the target > System administration > Setup > Microsoft Entra \
             ID applications: add {application} ({name}) for an enabled user with dual-write rights"
        )],
        "the Microsoft Entra ID applications and users of Finance and Operations",
    )
}

/// Registers one application.
struct RegisterApplication {
    finance: FinanceOperationsWriter,
    key: EntityKey,
    application: String,
    name: String,
    user: String,
}

#[async_trait]
impl Set for RegisterApplication {
    async fn read(&self) -> Result<Reading, Failure> {
        let row = self.finance.find(&self.key).await?;
        let user = row
            .as_ref()
            .and_then(|row| field_text(&row.value, "UserId"));
        let value = json!({ "user": user });
        Ok(Reading {
            etag: row.and_then(|row| row.etag),
            ..Reading::of(value)
        })
    }

    async fn write(&self, _reading: &Reading) -> Result<Written, WriteError> {
        let body = json!({
            "AADClientId": self.application,
            "UserId": self.user,
            "Name": self.name,
        });
        let created = self.finance.create(self.key.set(), &body).await;
        created
            .map(|_| Written::default())
            .map_err(WriteError::from)
    }
}
