//! Phase `put-back`: who may sign in to Finance and Operations after a database refresh.
//!
//! A refresh brings the source's users and registered applications, and disables every user except
//! `Admin` (Microsoft Learn, *Refresh database*). The phase restores from the first seal what
//! programs need: the applications that were registered in the target, the users that these
//! applications sign in as, and the user whose connections the flows use (`act-as`). Other people
//! stay disabled: an administrator decides about them.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use crate::clients::{EntityKey, FinanceOperationsWriter, Query, Reachability, Row};
use crate::domain::dual_write::capture::APPLICATIONS;
use crate::domain::dual_write::tables::field_text;
use crate::domain::environments::is_replaced;
use crate::domain::finance_users::{
    Application, EnableUser, FinanceUsers, USERS, User, version_condition,
};
use crate::domain::manual_change::ManualChange;
use crate::domain::{RefreshContext, keys};
use crate::engine::{
    Action, Change, Failure, JournalView, Note, Reading, Set, Survey, WriteError, Written,
};

/// Finds the users and applications that programs need and that the refresh removed or disabled.
pub(super) struct PutBack(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for PutBack {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let Some(finance) = &refresh.target.finance else {
            return Ok(Vec::new());
        };
        let recorded = FinanceUsers::recorded(journal);
        if !is_replaced(refresh, journal) {
            let Some(source) = &refresh.source.finance else {
                return Ok(Vec::new());
            };
            let forecast = FinanceUsers::read(source).await?.after_refresh();
            let mut changes = self.changes(finance, &recorded, &forecast, |_| false);
            for change in changes.iter_mut().filter(|change| change.is_manual()) {
                let is_unread = |user: &&User| {
                    change.key == keys::finance_user(&user.id)
                        && recorded.roles(&user.id).next().is_none()
                };
                if recorded.users().any(|user| is_unread(&user)) {
                    change.name += "; note its security roles now: the copy removes them";
                }
            }
            return Ok(changes);
        }
        match finance.reachability().await? {
            Reachability::NotSignedIn(message) | Reachability::Forbidden(message) => {
                Ok(vec![self.let_in(&recorded, &message)])
            }
            // An unavailable service makes the reading below fail, and that error is retryable.
            Reachability::Reachable | Reachability::NotReady(_) => {
                let now = FinanceUsers::read(finance).await?;
                // Only a plan shows an application whose user does not exist yet; of a user that
                // was waived it shows none.
                let waits = |user: &str| !journal.is_planning() || is_waived(journal, user);
                Ok(self.changes(finance, &recorded, &now, waits))
            }
        }
    }

    async fn notes(&self, journal: &JournalView) -> Result<Vec<Note>, Failure> {
        let Some(finance) = &self.0.target.finance else {
            return Ok(Vec::new());
        };
        let recorded = FinanceUsers::recorded(journal);
        let now = FinanceUsers::read(finance).await?;
        let mut notes = Vec::new();
        let added = added_applications(&recorded, &now);
        if !added.is_empty() {
            notes.push(Note::new(
                format!(
                    "applications of the source are now registered in the target: {}",
                    added.join(", ")
                ),
                "remove those that must not sign in to the target",
            ));
        }
        let waived = |user: &str| now.user(user).is_none() && is_waived(journal, user);
        let lost = lost_applications(
            missing(&recorded, &now, self.0.runbook.act_as_name()),
            waived,
        );
        if !lost.is_empty() {
            let note = format!(
                "applications are not registered again, because the task to recreate their users was \
                 waived: {}",
                lost.join(", ")
            );
            notes.push(note.into());
        }
        Ok(notes)
    }
}

/// Something that a program needs and that is missing.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Missing {
    /// A user that the source does not have.
    User(String),
    /// A user that is disabled.
    Enabled(String),
    /// An application that is not registered, or that signs in as another user.
    Application {
        application: Application,
        /// The user that it should sign in as.
        user: String,
        /// The user that it signs in as now.
        current_user: Option<String>,
    },
}

/// The users and applications that programs need and that are missing now. Takes the sign-in name
/// of the user whose connections the flows use.
fn missing(recorded: &FinanceUsers, now: &FinanceUsers, act_as: Option<&str>) -> Vec<Missing> {
    let mut missing = Vec::new();
    for user in recorded.needed_users(act_as) {
        match now.user(user) {
            None => missing.push(Missing::User(user.clone())),
            Some(found) if !found.is_enabled() => missing.push(Missing::Enabled(user.clone())),
            Some(_) => {}
        }
    }
    for application in recorded.applications() {
        let Some(user) = &application.user else {
            continue;
        };
        let current_user = now
            .application(&application.id)
            .and_then(|found| found.user.clone());
        if !current_user
            .as_ref()
            .is_some_and(|current| current.eq_ignore_ascii_case(user))
        {
            missing.push(Missing::Application {
                application: application.clone(),
                user: user.clone(),
                current_user,
            });
        }
    }
    missing
}

/// The applications that the refresh added: before it, they could not sign in to the target.
fn added_applications(recorded: &FinanceUsers, now: &FinanceUsers) -> Vec<String> {
    now.applications()
        .filter(|application| recorded.application(&application.id).is_none())
        .filter_map(|application| {
            let user = application.user.as_ref()?;
            Some(format!(
                "'{}' ({}) as '{user}'",
                application.name, application.id
            ))
        })
        .collect()
}

/// The applications among what is missing whose user was waived.
fn lost_applications(missing: Vec<Missing>, is_waived: impl Fn(&str) -> bool) -> Vec<String> {
    let lost = missing.into_iter().filter_map(|missing| match missing {
        Missing::Application {
            application, user, ..
        } if is_waived(&user) => Some(format!("'{}' as '{user}'", application.name)),
        _ => None,
    });
    lost.collect()
}

/// Did a person waive to recreate this user?
fn is_waived(journal: &JournalView, user: &str) -> bool {
    journal.waived_task_of(&keys::finance_user(user)).is_some()
}

impl PutBack {
    /// The changes that restore what is missing. `waits` tells of a user that does not exist whether
    /// its applications are left out.
    fn changes(
        &self,
        finance: &FinanceOperationsWriter,
        recorded: &FinanceUsers,
        now: &FinanceUsers,
        waits: impl Fn(&str) -> bool,
    ) -> Vec<Change> {
        missing(recorded, now, self.0.runbook.act_as_name())
            .into_iter()
            .filter_map(|missing| match missing {
                Missing::User(user) => Some(self.create_user(recorded, &user)),
                Missing::Enabled(user) => Some(enable_user(finance, &user)),
                Missing::Application { user, .. } if now.user(&user).is_none() && waits(&user) => {
                    None
                }
                Missing::Application {
                    application,
                    user,
                    current_user,
                } => Some(register_application(
                    finance,
                    &application,
                    &user,
                    current_user.as_deref(),
                )),
            })
            .collect()
    }

    /// A person creates a user that the source does not have, and gives it its roles.
    fn create_user(&self, recorded: &FinanceUsers, user: &str) -> Change {
        let target = &self.0.runbook.target.name;
        ManualChange {
            key: keys::finance_user(user),
            name: format!("recreate user '{user}' in Finance and Operations of '{target}'"),
            before: json!({ "enabled": null }),
            after: json!({ "enabled": true }),
            instructions: vec![format!(
                "Finance and Operations of '{target}' > System administration > Users: the source \
                 has no user '{user}'; create it as it was ({}), give it its security roles, and \
                 enable it",
                recorded.description(user)
            )],
            evidence: format!("{USERS} lists '{user}' as enabled"),
        }
        .into_change()
        .with_advice([
            "programs sign in as these users; their applications are registered again afterwards",
        ])
    }

    /// Finance and Operations refuses the program itself: a person lets it in again.
    fn let_in(&self, recorded: &FinanceUsers, message: &str) -> Change {
        let refresh = &self.0;
        let target = &refresh.runbook.target.name;
        let ours = refresh.caller.application.as_ref();
        let user = ours
            .and_then(|id| recorded.application(id)?.user.as_deref())
            .unwrap_or("the user that it signed in as");
        let application = ours.map_or("this program's application", String::as_str);
        ManualChange {
            key: keys::FINANCE_ACCESS.to_owned(),
            name: format!("let the program into Finance and Operations of '{target}' again"),
            before: json!({ "let-in": false }),
            after: json!({ "let-in": true }),
            instructions: vec![
                format!(
                    "sign in to Finance and Operations of '{target}' as Admin; its answer to the \
                     program was: {message}"
                ),
                format!("System administration > Users: enable '{user}'"),
                format!(
                    "System administration > Setup > Microsoft Entra ID applications: register \
                     {application} as '{user}'"
                ),
            ],
            evidence: "Finance and Operations lets the program in".to_owned(),
        }
        .into_change()
    }
}

fn enable_user(finance: &FinanceOperationsWriter, user: &str) -> Change {
    Change {
        key: keys::finance_user(user),
        name: format!("enable user '{user}' of Finance and Operations, which programs sign in as"),
        before: json!({ "enabled": false }).into(),
        after: json!({ "enabled": true }).into(),
        follows: Vec::new(),
        action: Action::Set(Arc::new(EnableUser::new(finance, user))),
    }
}

fn register_application(
    finance: &FinanceOperationsWriter,
    application: &Application,
    user: &str,
    current_user: Option<&str>,
) -> Change {
    Change {
        key: keys::finance_application(&application.id),
        name: format!(
            "register application '{}' ({}) in Finance and Operations as user '{user}' again",
            application.name, application.id
        ),
        before: json!({ "user": current_user }).into(),
        after: json!({ "user": user }).into(),
        // The user comes first: a registration needs it.
        follows: vec![keys::finance_user(user)],
        action: Action::Set(Arc::new(RegisterApplication {
            finance: finance.clone(),
            application: application.clone(),
            user: user.to_owned(),
        })),
    }
}

struct RegisterApplication {
    finance: FinanceOperationsWriter,
    application: Application,
    /// The user that it should sign in as.
    user: String,
}

impl RegisterApplication {
    /// Finds the row in the whole list, because services spell its key field differently.
    async fn row(&self) -> Result<Option<Row>, Failure> {
        let rows = self.finance.list(APPLICATIONS, &Query::new()).await?;
        Ok(rows.into_iter().find(|row| {
            field_text(&row.value, "AADClientId")
                .is_some_and(|id| id.eq_ignore_ascii_case(&self.application.id))
        }))
    }
}

#[async_trait]
impl Set for RegisterApplication {
    async fn read(&self) -> Result<Reading, Failure> {
        let row = self.row().await?;
        let user = row
            .as_ref()
            .and_then(|row| field_text(&row.value, "UserId"));
        // Ids are compared without regard to case, and shown as the target had them.
        let user = user.map(|user| {
            if user.eq_ignore_ascii_case(&self.user) {
                self.user.as_str()
            } else {
                user
            }
        });
        let value = json!({ "user": user });
        Ok(Reading {
            etag: row.and_then(|row| row.etag),
            ..Reading::of(value)
        })
    }

    async fn write(&self, reading: &Reading) -> Result<Written, WriteError> {
        let Application { id, name, .. } = &self.application;
        let written = if reading.value["user"].is_null() {
            let body = json!({ "AADClientId": id, "UserId": self.user, "Name": name });
            self.finance.create(APPLICATIONS, &body).await
        } else {
            let key = EntityKey::new(APPLICATIONS, "AADClientId", id);
            let body = json!({ "UserId": self.user });
            let condition = version_condition(reading);
            self.finance.patch(&key, &body, condition).await
        };
        written.map_err(WriteError::from)?;
        Ok(Written::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finance_users::tests::finance_users;

    /// Only `Admin` and the user kept for programs stay enabled after a refresh, and registrations
    /// are the source's.
    #[test]
    fn pitfall_6_what_programs_need_is_found_and_people_stay_disabled() {
        let recorded = finance_users(
            &[
                ("Admin", true),
                ("svc", true),
                ("wms", true),
                ("cleo", true),
                ("old", false),
            ],
            &[
                ("app-a", "Admin"),
                ("app-s", "SVC"),
                ("app-w", "wms"),
                ("app-o", "old"),
            ],
        );
        let source = finance_users(
            &[
                ("Admin", true),
                ("Svc", true),
                ("cleo", true),
                ("old", true),
            ],
            &[("APP-A", "admin"), ("app-s", "other"), ("app-p", "prod")],
        );
        let now = source.after_refresh();
        let lost = |id: &str, user: &str, current_user: Option<&str>| Missing::Application {
            application: Application {
                id: id.to_owned(),
                user: Some(user.to_owned()),
                name: id.to_owned(),
            },
            user: user.to_owned(),
            current_user: current_user.map(str::to_owned),
        };
        assert_eq!(
            missing(&recorded, &now, None),
            [
                Missing::Enabled("SVC".to_owned()),
                Missing::User("wms".to_owned()),
                lost("app-o", "old", None),
                lost("app-s", "SVC", Some("other")),
                lost("app-w", "wms", None),
            ]
        );
        assert_eq!(
            added_applications(&recorded, &now),
            ["'app-p' (app-p) as 'prod'"]
        );
        assert!(missing(&recorded, &recorded, Some("cleo@contoso.com")).is_empty());
        let acting = missing(&recorded, &now, Some("Cleo@contoso.com"));
        assert!(acting.contains(&Missing::Enabled("cleo".to_owned())));
        assert_eq!(
            lost_applications(missing(&recorded, &now, None), |user| user == "wms"),
            ["'app-w' as 'wms'"]
        );
        // A user that was disabled in the target is not enabled.
        assert_eq!(missing(&recorded, &now, Some("old@contoso.com")).len(), 5);
    }
}
