//! Phase `put-back`: who may enter Finance and Operations after a refresh.
//!
//! A refresh brings the source's users and registered applications, and disables every user but
//! `Admin` (Microsoft Learn, *Refresh database*); `DBMovementAPI`, where there is one, is enabled
//! (documented for the copy of a unified environment). What programs need is put back from the first
//! seal: the applications that were registered in the target, the users whom they enter as, and the
//! user whose connections the flows go by (`act-as`). People stay disabled: an administrator decides
//! about them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::clients::{
    Condition, EntityKey, FinanceOperations, FinanceOperationsWriter, Query, Reachability, Row,
};
use crate::domain::environments::is_replaced;
use crate::domain::{Refresh, seals};
use crate::engine::{
    Action, Ask, Barrier, Captured, Change, Failure, Known, Reading, Set, Survey, WriteError,
    Written,
};

/// The entity sets (as d365bap.tools reads and writes them).
const USERS: &str = "SystemUsers";
const CLIENTS: &str = "SysAADClients";

/// The prefix of their captures.
const CAPTURES: &str = "target/finance/";

/// The users whom a refresh leaves enabled.
pub(super) const KEPT: [&str; 2] = ["Admin", "DBMovementAPI"];

/// A field that is a text, whatever the case of its name: answers disagree (`AADClientId`,
/// `AadClientId`).
pub(super) fn text<'row>(row: &'row Row, field: &str) -> Option<&'row str> {
    member(&row.value, field)?.as_str()
}

fn member<'row>(row: &'row serde_json::Map<String, Value>, field: &str) -> Option<&'row Value> {
    let found = row
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(field));
    found.map(|(_, value)| value)
}

/// Who may enter: users, and applications with the users they enter as. Ids are compared without
/// regard to case.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Ledger {
    /// By the id in lower case: the user.
    users: BTreeMap<String, User>,
    /// By the id in lower case: the application.
    clients: BTreeMap<String, Client>,
}

/// A user.
#[derive(Clone, Debug, Eq, PartialEq)]
struct User {
    id: String,
    /// The name that the user signs in by.
    alias: String,
    is_enabled: bool,
}

/// An application that is registered.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Client {
    id: String,
    user: String,
    name: String,
}

impl Ledger {
    /// What Finance and Operations has now.
    pub(super) async fn read(finance: &FinanceOperations) -> Result<Self, Failure> {
        let users = finance.list(USERS, &Query::new()).await?;
        let clients = finance.list(CLIENTS, &Query::new()).await?;
        let mut ledger = Self::default();
        for row in &users {
            ledger.add_user(&row.value);
        }
        for row in &clients {
            ledger.add_client(&row.value);
        }
        Ok(ledger)
    }

    /// What the target had, by the first seal.
    pub(super) fn captured(known: &Known) -> Self {
        let mut ledger = Self::default();
        for (rest, row) in known.captures(seals::BEFORE_COPY, CAPTURES) {
            let Value::Object(row) = row else { continue };
            if rest.starts_with(USERS) {
                ledger.add_user(&row);
            } else if rest.starts_with(CLIENTS) {
                ledger.add_client(&row);
            }
        }
        ledger
    }

    fn add_user(&mut self, row: &serde_json::Map<String, Value>) {
        let text = |field: &str| member(row, field).and_then(Value::as_str);
        if let Some(id) = text("UserID") {
            let user = User {
                id: id.to_owned(),
                alias: text("Alias").unwrap_or_default().to_owned(),
                is_enabled: member(row, "Enabled").is_some_and(is_yes),
            };
            self.users.insert(id.to_lowercase(), user);
        }
    }

    fn add_client(&mut self, row: &serde_json::Map<String, Value>) {
        let text = |field: &str| member(row, field).and_then(Value::as_str);
        if let (Some(id), Some(user)) = (text("AADClientId"), text("UserId")) {
            let client = Client {
                id: id.to_owned(),
                user: user.to_owned(),
                name: text("Name").unwrap_or_default().to_owned(),
            };
            self.clients.insert(id.to_lowercase(), client);
        }
    }

    /// The same as a refresh leaves it.
    fn refreshed(mut self) -> Self {
        for user in self.users.values_mut() {
            user.is_enabled = KEPT.iter().any(|kept| kept.eq_ignore_ascii_case(&user.id));
        }
        self
    }

    /// The users who are enabled, by id.
    pub(super) fn enabled(&self) -> impl Iterator<Item = &String> {
        let users = self.users.values();
        users.filter(|user| user.is_enabled).map(|user| &user.id)
    }

    /// Is this user there and enabled?
    pub(super) fn is_enabled(&self, user: &str) -> bool {
        let found = self.users.get(&user.to_lowercase());
        found.is_some_and(|user| user.is_enabled)
    }

    fn has_user(&self, user: &str) -> bool {
        self.users.contains_key(&user.to_lowercase())
    }

    /// What programs need and do not find any more. `self` is what the target had; `act_as` is the
    /// sign-in name of the user whose connections the flows go by.
    fn missing(&self, now: &Self, act_as: Option<&str>) -> Vec<Missing> {
        let mut missing = Vec::new();
        let entered_as = self.clients.values().map(|client| &client.user);
        let acting = self
            .users
            .values()
            .filter(|user| act_as.is_some_and(|act_as| user.alias.eq_ignore_ascii_case(act_as)));
        let users: BTreeSet<&String> = entered_as
            .chain(acting.map(|user| &user.id))
            .filter(|user| self.is_enabled(user))
            .collect();
        for user in users {
            if !now.has_user(user) {
                missing.push(Missing::User(user.clone()));
            } else if !now.is_enabled(user) {
                missing.push(Missing::Enabled(user.clone()));
            }
        }
        for (key, client) in &self.clients {
            let found = now.clients.get(key);
            let is_right = found.is_some_and(|found| found.user.eq_ignore_ascii_case(&client.user));
            if !is_right {
                missing.push(Missing::Client {
                    client: client.clone(),
                    entered_as: found.map(|found| found.user.clone()),
                });
            }
        }
        missing
    }

    /// The applications that the refresh brought: they could not enter the target before.
    fn brought(&self, now: &Self) -> Vec<String> {
        now.clients
            .iter()
            .filter(|(key, _)| !self.clients.contains_key(*key))
            .map(|(_, client)| format!("'{}' ({}) as '{}'", client.name, client.id, client.user))
            .collect()
    }
}

/// A program needs it, and it is not there any more.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Missing {
    /// A user whom the source does not have.
    User(String),
    /// A user who is disabled.
    Enabled(String),
    /// An application that is not registered, or enters as somebody else.
    Client {
        client: Client,
        entered_as: Option<String>,
    },
}

/// Some answers write yes and no as words.
fn is_yes(value: &Value) -> bool {
    value
        .as_bool()
        .unwrap_or_else(|| value.as_str() == Some("Yes"))
}

/// The users and registered applications of the target, as captures.
pub(super) async fn captured(finance: &FinanceOperations) -> Result<Vec<Captured>, Failure> {
    let mut captures = Vec::new();
    for (set, key) in [(USERS, "UserID"), (CLIENTS, "AADClientId")] {
        for row in finance.list(set, &Query::new()).await? {
            let Some(id) = text(&row, key) else { continue };
            captures.push(Captured {
                key: format!("{CAPTURES}{set}/{id}"),
                etag: row.etag,
                text: row.text,
                compared: None,
            });
        }
    }
    Ok(captures)
}

/// Waits until Finance and Operations answers again. That it does not let the program in is an answer.
pub(super) async fn answers(refresh: &Refresh) -> Result<Barrier, Failure> {
    let Some(finance) = &refresh.target_finance else {
        return Ok(Barrier::Passed);
    };
    Ok(match finance.reachable().await? {
        Reachability::NotReady(said) => Barrier::Holds(format!(
            "{} does not answer again yet: {said}",
            finance.name()
        )),
        _ => Barrier::Passed,
    })
}

/// Finds what programs need and do not find any more.
pub(super) struct PutBack(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for PutBack {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let Some(finance) = &refresh.target_finance else {
            return Ok(Vec::new());
        };
        let then = Ledger::captured(known);
        if !is_replaced(refresh, known) {
            let Some(source) = &refresh.source_finance else {
                return Ok(Vec::new());
            };
            let forecast = Ledger::read(source).await?.refreshed();
            return Ok(self.changes(finance, &then, &forecast, true));
        }
        match finance.reachable().await? {
            Reachability::NotSignedIn(said) | Reachability::Forbidden(said) => {
                Ok(vec![self.locked_out(&then, &said)])
            }
            // What is away is an error of the reading, which passes.
            Reachability::Reachable | Reachability::NotReady(_) => {
                let now = Ledger::read(finance).await?;
                Ok(self.changes(finance, &then, &now, known.is_planning()))
            }
        }
    }

    async fn notes(&self, known: &Known) -> Result<Vec<String>, Failure> {
        let Some(finance) = &self.0.target_finance else {
            return Ok(Vec::new());
        };
        let brought = Ledger::captured(known).brought(&Ledger::read(finance).await?);
        Ok((!brought.is_empty())
            .then(|| {
                format!(
                    "applications of the source are registered in the target now; remove those that \
                     must not enter it: {}",
                    brought.join(", ")
                )
            })
            .into_iter()
            .collect())
    }
}

impl PutBack {
    /// The changes that put back what is missing. An application waits for its user: in a plan both
    /// are shown.
    fn changes(
        &self,
        finance: &FinanceOperationsWriter,
        then: &Ledger,
        now: &Ledger,
        planning: bool,
    ) -> Vec<Change> {
        let act_as = self
            .0
            .runbook
            .act_as
            .as_ref()
            .map(|name| name.value.as_str());
        let missing = then.missing(now, act_as);
        let is_waited_for = |client: &Client| !now.has_user(&client.user) && !planning;
        missing
            .into_iter()
            .filter_map(|missing| match missing {
                Missing::User(user) => Some(self.create(&user)),
                Missing::Enabled(user) => Some(enable(finance, &user)),
                Missing::Client { client, .. } if is_waited_for(&client) => None,
                Missing::Client { client, entered_as } => {
                    Some(register(finance, &client, entered_as.as_deref()))
                }
            })
            .collect()
    }

    /// A user whom the source does not have is created by a person, who also gives it its roles.
    fn create(&self, user: &str) -> Change {
        let target = &self.0.runbook.target.name;
        Change {
            key: user_key(user),
            name: format!("create user '{user}' of Finance and Operations of '{target}' again"),
            before: json!({ "enabled": null }),
            after: json!({ "enabled": true }),
            follows: Vec::new(),
            action: Action::Ask(Ask {
                instructions: vec![
                    format!(
                        "Finance and Operations of '{target}' > System administration > Users: the \
                         source has no user '{user}'; create it, give it the security roles it had, \
                         and enable it"
                    ),
                    "programs enter as this user; an application is registered again afterwards"
                        .to_owned(),
                ],
                evidence: format!("{USERS} lists '{user}' as enabled"),
            }),
        }
    }

    /// The program itself is kept out: a person lets it in again.
    fn locked_out(&self, then: &Ledger, said: &str) -> Change {
        let refresh = &self.0;
        let target = &refresh.runbook.target.name;
        let ours = refresh.application.as_ref();
        let client = ours.and_then(|id| then.clients.get(&id.to_lowercase()));
        let application = ours.map_or("this program's application", String::as_str);
        let user = client.map_or("the user whom it entered as", |client| &client.user);
        Change {
            key: "finance/let-in".to_owned(),
            name: format!("let the program into Finance and Operations of '{target}' again"),
            before: json!({ "let-in": false }),
            after: json!({ "let-in": true }),
            follows: Vec::new(),
            action: Action::Ask(Ask {
                instructions: vec![
                    format!(
                        "sign in to Finance and Operations of '{target}' as Admin; it said: {said}"
                    ),
                    format!("System administration > Users: enable '{user}'"),
                    format!(
                        "System administration > Setup > Microsoft Entra ID applications: register \
                         {application} as '{user}'"
                    ),
                ],
                evidence: "Finance and Operations lets the program in".to_owned(),
            }),
        }
    }
}

fn user_key(user: &str) -> String {
    format!("finance-user/{}", user.to_lowercase())
}

fn enable(finance: &FinanceOperationsWriter, user: &str) -> Change {
    Change {
        key: user_key(user),
        name: format!("enable user '{user}' of Finance and Operations, whom programs enter as"),
        before: json!({ "enabled": false }),
        after: json!({ "enabled": true }),
        follows: Vec::new(),
        action: Action::Set(Arc::new(EnableUser {
            finance: finance.clone(),
            key: EntityKey::new(USERS, "UserID", user),
        })),
    }
}

fn register(
    finance: &FinanceOperationsWriter,
    client: &Client,
    entered_as: Option<&str>,
) -> Change {
    Change {
        key: format!("finance-application/{}", client.id.to_lowercase()),
        name: format!(
            "register application '{}' ({}) in Finance and Operations as user '{}' again",
            client.name, client.id, client.user
        ),
        before: json!({ "user": entered_as }),
        after: json!({ "user": client.user }),
        // The user comes first: a registration needs it.
        follows: vec![user_key(&client.user)],
        action: Action::Set(Arc::new(RegisterClient {
            finance: finance.clone(),
            client: client.clone(),
        })),
    }
}

struct EnableUser {
    finance: FinanceOperationsWriter,
    key: EntityKey,
}

#[async_trait]
impl Set for EnableUser {
    async fn read(&self) -> Result<Reading, Failure> {
        let row = self.finance.find(&self.key).await?;
        let enabled = row
            .as_ref()
            .map(|row| member(&row.value, "Enabled").is_some_and(is_yes));
        Ok(Reading {
            etag: row.and_then(|row| row.etag),
            ..Reading::of(json!({ "enabled": enabled }))
        })
    }

    async fn write(&self, reading: &Reading) -> Result<Written, WriteError> {
        let body = json!({ "Enabled": true });
        let written = self
            .finance
            .patch(&self.key, &body, condition(reading))
            .await;
        written.map_err(WriteError::from)?;
        Ok(Written::default())
    }
}

struct RegisterClient {
    finance: FinanceOperationsWriter,
    client: Client,
}

impl RegisterClient {
    /// The row; looked for in the whole list, because the spelling of its fields is not one.
    async fn row(&self) -> Result<Option<Row>, Failure> {
        let rows = self.finance.list(CLIENTS, &Query::new()).await?;
        Ok(rows.into_iter().find(|row| {
            text(row, "AADClientId").is_some_and(|id| id.eq_ignore_ascii_case(&self.client.id))
        }))
    }
}

#[async_trait]
impl Set for RegisterClient {
    async fn read(&self) -> Result<Reading, Failure> {
        let row = self.row().await?;
        let user = row.as_ref().and_then(|row| text(row, "UserId"));
        // Ids are compared without regard to case, and shown as the target had them.
        let user = user.map(|user| {
            if user.eq_ignore_ascii_case(&self.client.user) {
                self.client.user.as_str()
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
        let Client { id, user, name } = &self.client;
        let written = if reading.value["user"].is_null() {
            let body = json!({ "AADClientId": id, "UserId": user, "Name": name });
            self.finance.create(CLIENTS, &body).await
        } else {
            let key = EntityKey::new(CLIENTS, "AADClientId", id);
            let body = json!({ "UserId": user });
            self.finance.patch(&key, &body, condition(reading)).await
        };
        written.map_err(WriteError::from)?;
        Ok(Written::default())
    }
}

fn condition(reading: &Reading) -> Condition {
    reading
        .etag
        .clone()
        .map_or(Condition::None, Condition::Etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Users sign in by their id in these tests.
    fn ledger(users: &[(&str, bool)], clients: &[(&str, &str)]) -> Ledger {
        let mut ledger = Ledger::default();
        let object = |value: Value| value.as_object().unwrap().clone();
        for (id, enabled) in users {
            ledger.add_user(&object(
                json!({"UserID": id, "Alias": format!("{id}@contoso.com"), "Enabled": enabled}),
            ));
        }
        for (id, user) in clients {
            ledger.add_client(&object(
                json!({"AadClientId": id, "UserId": user, "Name": id}),
            ));
        }
        ledger
    }

    /// Only `Admin` and the user kept for programs come through a refresh, and registrations are the
    /// source's.
    #[test]
    fn pitfall_6_what_programs_need_is_found_and_people_stay_disabled() {
        let then = ledger(
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
        let source = ledger(
            &[
                ("Admin", true),
                ("Svc", true),
                ("cleo", true),
                ("old", true),
            ],
            &[("APP-A", "admin"), ("app-s", "other"), ("app-p", "prod")],
        );
        let now = source.refreshed();
        let of = |id: &str, user: &str| Client {
            id: id.to_owned(),
            user: user.to_owned(),
            name: id.to_owned(),
        };
        assert_eq!(
            then.missing(&now, None),
            [
                Missing::Enabled("SVC".to_owned()),
                Missing::User("wms".to_owned()),
                Missing::Client {
                    client: of("app-o", "old"),
                    entered_as: None
                },
                Missing::Client {
                    client: of("app-s", "SVC"),
                    entered_as: Some("other".to_owned())
                },
                Missing::Client {
                    client: of("app-w", "wms"),
                    entered_as: None
                },
            ]
        );
        assert_eq!(then.brought(&now), ["'app-p' (app-p) as 'prod'"]);
        assert!(then.missing(&then, Some("cleo@contoso.com")).is_empty());
        let acting = then.missing(&now, Some("Cleo@contoso.com"));
        assert!(acting.contains(&Missing::Enabled("cleo".to_owned())));
        // Whom the target had disabled is not enabled.
        assert_eq!(then.missing(&now, Some("old@contoso.com")).len(), 5);
    }

    #[test]
    fn the_user_kept_for_programs_is_recognised() {
        let source = ledger(&[("DBMovementAPI", false), ("svc", true)], &[]);
        let now = source.refreshed();
        assert!(now.is_enabled("dbmovementapi") && !now.is_enabled("svc"));
    }
}
