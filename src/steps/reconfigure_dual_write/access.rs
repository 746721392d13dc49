//! Phase `access`: both halves may speak to each other (Microsoft Learn, *Set up dual-write security
//! roles and permissions*, *Dual-write requirements and prerequisites*).
//!
//! - In Dataverse the application users, the default team of the root business unit and the owning
//!   team of each company have both dual-write roles; each company has a default owning team. These
//!   are sets by the Web API.
//! - In Finance and Operations both applications are registered, for a user who is enabled. A refresh
//!   disables that user, and brings the registrations of the source.
//! - An application user that is missing is a person's task.
//!
//! Owning teams do not travel between environments: a company's is found again by the name that it
//! had before the copy, else it is the root's default team.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clients::{Condition, EntityKey, FinanceOperationsWriter, Query};
use crate::domain::dual_write::capture::APPLICATIONS;
use crate::domain::dual_write::is_left_out;
use crate::domain::dual_write::people::{RootTeam, holders};
use crate::domain::dual_write::record::Recorded;
use crate::domain::dual_write::tables::{field_text, field_yes};
use crate::domain::names::{Fields, lookup, text};
use crate::domain::tenant_set::{Reader, Request, RowReader, TenantSet};
use crate::domain::view::View;
use crate::domain::{Refresh, seals};
use crate::engine::{
    Action, Ask, Change, Failure, Known, Reading, Set, Survey, WriteError, Written,
};
use crate::runbook::Method;

/// The roles that everybody has who takes part.
pub(super) const ROLES: [&str; 2] = ["Dual-write runtime user", "Dual-write app user"];

/// The applications that are users of Dataverse: who writes for Finance and Operations, and Dynamics
/// Data Integration.
pub(super) const DATAVERSE_USERS: [(&str, &str); 2] = [
    (
        "00000015-0000-0000-c000-000000000000",
        "Microsoft Dynamics ERP",
    ),
    (
        "2e49aa60-1bd3-43b6-8ab6-03ada3d9f08b",
        "Dynamics Data Integration",
    ),
];

/// The applications that may enter Finance and Operations: Dynamics Data Integration, and the runtime
/// of the core solution since 1.0.16.0. Before, that was 33976c19-1db5-4c02-810e-c243db79efde.
pub(super) const FINANCE_APPLICATIONS: [(&str, &str); 2] = [
    (
        "2e49aa60-1bd3-43b6-8ab6-03ada3d9f08b",
        "Dynamics Data Integration",
    ),
    ("6f7d0213-62b1-43a8-b7f4-ff2bb8b7b452", "Dual-write runtime"),
];

/// How long either side may take to show what it has accepted.
const PATIENCE: Duration = Duration::from_mins(1);

/// Finds what is missing.
pub(super) struct Access(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for Access {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        if !Recorded::of(known).in_use() || is_left_out(refresh) {
            return Ok(Vec::new());
        }
        let view = refresh.view(known);
        let mut changes = self.dataverse(known, view).await?;
        // What a copy leaves of Finance and Operations' users is not forecast.
        if let View::Target(_) = view {
            changes.extend(self.finance(known).await?);
        }
        Ok(changes)
    }
}

/// What Dataverse shows of people.
struct People {
    roles: BTreeMap<Uuid, Fields>,
    users: BTreeMap<Uuid, Fields>,
    teams: BTreeMap<Uuid, Fields>,
    root: RootTeam,
    user_roles: BTreeSet<(Uuid, Uuid)>,
    team_roles: BTreeSet<(Uuid, Uuid)>,
}

impl People {
    async fn read(view: View<'_>) -> Result<Self, Failure> {
        let teams = view.by_id("team").await?;
        Ok(Self {
            roles: view.by_id("role").await?,
            users: view.by_id("systemuser").await?,
            root: RootTeam::among(&view.by_id("businessunit").await?, &teams),
            user_roles: holders(view, "systemuserroles", "systemuserid").await?,
            team_roles: holders(view, "teamroles", "teamid").await?,
            teams,
        })
    }

    /// The role of this name in the business unit of whoever shall have it: roles exist once a unit.
    fn role(&self, name: &str, holder: &Fields) -> Option<Uuid> {
        let unit = lookup(holder, "businessunitid");
        let role = self.roles.iter().find(|(_, role)| {
            text(role, "name").as_deref() == Some(name) && lookup(role, "businessunitid") == unit
        });
        role.map(|(id, _)| *id)
    }
}

impl Access {
    async fn dataverse(&self, known: &Known, view: View<'_>) -> Result<Vec<Change>, Failure> {
        let people = People::read(view).await?;
        let companies = view.by_id("cdm_company").await?;
        let mut changes = Vec::new();
        for (application, name) in DATAVERSE_USERS {
            let user = people.users.iter().find(|(_, user)| {
                text(user, "applicationid").is_some_and(|id| id.eq_ignore_ascii_case(application))
                    && user.get("isdisabled").and_then(Value::as_bool) != Some(true)
            });
            match user {
                Some((id, user)) => changes.extend(self.roles(&people, USERS, *id, user, name)),
                None => changes.push(missing_user(application, name)),
            }
        }
        let mut owning: BTreeSet<Uuid> = people.root.team.into_iter().collect();
        for (id, company) in &companies {
            match lookup(company, "cdm_defaultowningteam") {
                Some(team) => {
                    owning.insert(team);
                }
                None => changes.extend(self.owning_team(known, view, &people, *id, company).await?),
            }
        }
        for team in owning {
            if let Some(row) = people.teams.get(&team) {
                let name = text(row, "name").unwrap_or_default();
                changes.extend(self.roles(&people, TEAMS, team, row, &name));
            }
        }
        Ok(changes)
    }

    /// The roles that a user or a team lacks.
    fn roles(
        &self,
        people: &People,
        kind: Holders,
        holder: Uuid,
        row: &Fields,
        name: &str,
    ) -> Vec<Change> {
        let has = match kind.set {
            "teams" => &people.team_roles,
            _ => &people.user_roles,
        };
        ROLES
            .into_iter()
            .filter_map(|wanted| {
                let Some(role) = people.role(wanted, row) else {
                    return Some(missing_role(wanted));
                };
                (!has.contains(&(holder, role)))
                    .then(|| self.role(kind, holder, name, role, wanted))
            })
            .collect()
    }

    fn role(&self, kind: Holders, holder: Uuid, name: &str, role: Uuid, wanted: &str) -> Change {
        let dataverse = self.0.target_environment.dataverse.as_ref();
        let address = dataverse.and_then(|d| d.url.clone()).unwrap_or_default();
        let request = Request {
            method: Method::Post,
            path: format!("{}({holder})/{}/$ref", kind.set, kind.navigation),
            body: Some(
                json!({ "@odata.id": format!("{address}/api/data/v9.2/roles({role})") })
                    .to_string(),
            ),
            creates: false,
            acting_as: None,
        };
        Change {
            key: format!("dual-write/{}/{holder}/role/{wanted}", kind.word),
            name: format!("give {} '{name}' the role {wanted}", kind.word),
            before: json!({ "has": false }),
            after: json!({ "has": true }),
            follows: Vec::new(),
            action: Action::Set(Arc::new(TenantSet {
                refresh: Arc::clone(&self.0),
                reader: Arc::new(RoleReader {
                    refresh: Arc::clone(&self.0),
                    kind,
                    holder,
                    role,
                }),
                request: move |_: &Reading| Ok(request.clone()),
                patience: PATIENCE,
            })),
        }
    }

    async fn owning_team(
        &self,
        known: &Known,
        view: View<'_>,
        people: &People,
        id: Uuid,
        company: &Fields,
    ) -> Result<Option<Change>, Failure> {
        let code = text(company, "cdm_companycode").unwrap_or_default();
        let Some(team) = owning_team_before(known, &code)
            .and_then(|name| named(&people.teams, &name))
            .or(people.root.team)
        else {
            return Ok(None);
        };
        let table = view.table("cdm_company").await?;
        let navigation = table
            .lookups_of("cdm_defaultowningteam")
            .map(|lookup| lookup.navigation.clone())
            .next();
        let bind = format!(
            "{}@odata.bind",
            navigation.unwrap_or_else(|| "cdm_defaultowningteam".to_owned())
        );
        let body = json!({ bind: format!("teams({team})") });
        let request = Request::patch(&table.entity_set, id, &body);
        let name = people.teams.get(&team).and_then(|row| text(row, "name"));
        Ok(Some(Change {
            key: format!("dual-write/company/{code}/owning-team"),
            name: format!(
                "make '{}' the default owning team of company {code}",
                name.unwrap_or_default()
            ),
            before: json!({ "team": null }),
            after: json!({ "team": team }),
            follows: Vec::new(),
            action: Action::Set(Arc::new(TenantSet {
                refresh: Arc::clone(&self.0),
                reader: RowReader::of(
                    &self.0,
                    &table.entity_set,
                    id,
                    |row: Option<&crate::clients::Row>| {
                        let team = row.and_then(|row| row.lookup("cdm_defaultowningteam"));
                        Reading::of(json!({ "team": team }))
                    },
                ),
                request: move |_: &Reading| Ok(request.clone()),
                patience: PATIENCE,
            })),
        }))
    }

    async fn finance(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let finance = refresh.target_finance.as_ref().ok_or_else(|| {
            Failure::failed("no Finance and Operations is linked with the target").lasting()
        })?;
        let rows = finance.list(APPLICATIONS, &Query::new()).await?;
        let users = finance.list("SystemUsers", &Query::new()).await?;
        let mut changes = Vec::new();
        let mut disabled = BTreeSet::new();
        for (application, name) in FINANCE_APPLICATIONS {
            let row = rows.iter().find(|row| {
                field_text(row, "AADClientId")
                    .is_some_and(|id| id.eq_ignore_ascii_case(application))
            });
            let user = match row {
                Some(row) => field_text(row, "UserId").map(str::to_owned),
                None => registered_before(known, application),
            };
            let user = user.filter(|user| {
                let has = |row: &crate::clients::Row| {
                    field_text(row, "UserID").is_some_and(|id| id.eq_ignore_ascii_case(user))
                };
                let found = users.iter().find(|row| has(row));
                if found.is_some_and(|row| field_yes(row, "Enabled") == Some(false)) {
                    disabled.insert(user.clone());
                }
                found.is_some()
            });
            match (row, user) {
                (Some(_), Some(_)) => {}
                (None, Some(user)) => changes.push(self.register(application, name, &user)),
                (_, None) => changes.push(unregistered(application, name)),
            }
        }
        let enabling = disabled.into_iter().map(|user| self.enable(&user));
        changes.extend(enabling);
        Ok(changes)
    }

    fn register(&self, application: &str, name: &str, user: &str) -> Change {
        Change {
            key: format!("dual-write/finance/application/{application}"),
            name: format!("register {name} in Finance and Operations for the user {user}"),
            before: json!({ "user": null }),
            after: json!({ "user": user }),
            follows: Vec::new(),
            action: Action::Set(Arc::new(FinanceSet {
                refresh: Arc::clone(&self.0),
                key: EntityKey::new(APPLICATIONS, "AADClientId", application),
                project: |row| json!({ "user": row.and_then(|row| field_text(row, "UserId")) }),
                body: json!({ "AADClientId": application, "UserId": user, "Name": name }),
                creates: true,
            })),
        }
    }

    fn enable(&self, user: &str) -> Change {
        Change {
            key: format!("dual-write/finance/user/{user}/enabled"),
            name: format!(
                "enable the user {user} of Finance and Operations, whom dual-write enters as"
            ),
            before: json!({ "enabled": false }),
            after: json!({ "enabled": true }),
            follows: Vec::new(),
            action: Action::Set(Arc::new(FinanceSet {
                refresh: Arc::clone(&self.0),
                key: EntityKey::new("SystemUsers", "UserID", user),
                project: |row| json!({ "enabled": row.and_then(|row| field_yes(row, "Enabled")) }),
                body: json!({ "Enabled": true }),
                creates: false,
            })),
        }
    }
}

/// Who can have roles.
#[derive(Clone, Copy)]
struct Holders {
    /// What people call one.
    word: &'static str,
    /// The entity set.
    set: &'static str,
    /// The relationship to roles.
    navigation: &'static str,
    /// The entity set of the pairs, and the column that names the holder.
    pairs: (&'static str, &'static str),
}

const USERS: Holders = Holders {
    word: "application user",
    set: "systemusers",
    navigation: "systemuserroles_association",
    pairs: ("systemuserroles", "systemuserid"),
};

const TEAMS: Holders = Holders {
    word: "team",
    set: "teams",
    navigation: "teamroles_association",
    pairs: ("teamroles", "teamid"),
};

/// Reads whether a user or a team has a role.
struct RoleReader {
    refresh: Arc<Refresh>,
    kind: Holders,
    holder: Uuid,
    role: Uuid,
}

#[async_trait]
impl Reader for RoleReader {
    async fn read(&self) -> Result<Reading, Failure> {
        let (table, column) = self.kind.pairs;
        let table = View::Target(&self.refresh.target).table(table).await?;
        let (holder, role) = (self.holder, self.role);
        let query = Query::new().filter(format!("{column} eq {holder} and roleid eq {role}"));
        let pairs = self.refresh.target.list(&table.entity_set, &query).await?;
        Ok(Reading::of(json!({ "has": !pairs.is_empty() })))
    }
}

/// A set on one row of Finance and Operations.
struct FinanceSet {
    refresh: Arc<Refresh>,
    key: EntityKey,
    project: fn(Option<&crate::clients::Row>) -> Value,
    body: Value,
    /// Is the row made, under a key of ours?
    creates: bool,
}

impl FinanceSet {
    fn finance(&self) -> Result<&FinanceOperationsWriter, Failure> {
        self.refresh.target_finance.as_ref().ok_or_else(|| {
            Failure::failed("no Finance and Operations is linked with the target").lasting()
        })
    }
}

#[async_trait]
impl Set for FinanceSet {
    async fn read(&self) -> Result<Reading, Failure> {
        let row = self.finance()?.find(&self.key).await?;
        let reading = Reading::of((self.project)(row.as_ref()));
        Ok(Reading {
            etag: row.and_then(|row| row.etag),
            ..reading
        })
    }

    async fn write(&self, reading: &Reading) -> Result<Written, WriteError> {
        let finance = self.finance().map_err(WriteError::Refused)?;
        let sent = if self.creates {
            finance.create(self.key.set(), &self.body).await
        } else {
            let condition = match &reading.etag {
                Some(etag) => Condition::Etag(etag.clone()),
                None => Condition::None,
            };
            finance.patch(&self.key, &self.body, condition).await
        };
        sent.map(|_| Written::default()).map_err(WriteError::from)
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }
}

/// The name of a company's default owning team before the copy.
fn owning_team_before(known: &Known, code: &str) -> Option<String> {
    let companies = seals::rows(known, seals::BEFORE_COPY, "target/cdm_company");
    let (_, company) = companies
        .iter()
        .find(|(_, row)| text(row, "cdm_companycode").as_deref() == Some(code))?;
    let team = lookup(company, "cdm_defaultowningteam")?;
    let teams = seals::rows(known, seals::BEFORE_COPY, "target/team");
    let (_, team) = teams.iter().find(|(id, _)| *id == team)?;
    text(team, "name")
}

fn named(teams: &BTreeMap<Uuid, Fields>, name: &str) -> Option<Uuid> {
    let team = teams
        .iter()
        .find(|(_, team)| text(team, "name").as_deref() == Some(name));
    team.map(|(id, _)| *id)
}

/// The user for whom an application was registered in the target before the refresh.
fn registered_before(known: &Known, application: &str) -> Option<String> {
    let prefix = format!("target/finance/{APPLICATIONS}/");
    let rows = known.captures(seals::BEFORE_COPY, &prefix);
    let row = rows
        .iter()
        .find(|(id, _)| id.eq_ignore_ascii_case(application));
    let fields = row.and_then(|(_, row)| row.as_object())?;
    let user = fields
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("UserId"));
    user.and_then(|(_, user)| user.as_str().map(str::to_owned))
}

fn ask(key: String, name: String, instructions: Vec<String>, evidence: &str) -> Change {
    Change {
        key,
        name,
        before: json!({ "present": false }),
        after: json!({ "present": true }),
        follows: Vec::new(),
        action: Action::Ask(Ask {
            instructions,
            evidence: evidence.to_owned(),
        }),
    }
}

fn missing_user(application: &str, name: &str) -> Change {
    ask(
        format!("dual-write/application-user/{application}"),
        format!("add the application user {name}"),
        vec![format!(
            "Power Platform admin center > the target > Settings > Users + permissions > Application \
             users: add {name} ({application}), or enable it"
        )],
        "the application users of the target's Dataverse",
    )
}

fn missing_role(role: &str) -> Change {
    ask(
        format!("dual-write/role/{role}"),
        format!("bring the role {role} into the target"),
        vec![format!(
            "install or update the dual-write core solution in the target: it brings the role {role}"
        )],
        "the roles of the target's Dataverse",
    )
}

fn unregistered(application: &str, name: &str) -> Change {
    ask(
        format!("dual-write/finance/application/{application}"),
        format!("register {name} in Finance and Operations"),
        vec![format!(
            "Finance and Operations of the target > System administration > Setup > Microsoft Entra \
             ID applications: add {application} ({name}) for an enabled user with the rights of \
             dual-write"
        )],
        "the Microsoft Entra ID applications and users of Finance and Operations",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dual_write::record::tests::sealed;

    #[test]
    fn pitfall_16_an_owning_team_is_found_again_by_its_name() {
        let (company, team) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let known = sealed(&[
            (
                &format!("target/cdm_company/{company}"),
                json!({"cdm_companycode": "DEMF", "_cdm_defaultowningteam_value": team}),
            ),
            (&format!("target/team/{team}"), json!({"name": "Germany"})),
            (
                "target/finance/SysAADClients/2E49AA60-1bd3-43b6-8ab6-03ada3d9f08b",
                json!({"UserId": "DualWrite"}),
            ),
        ]);
        assert_eq!(
            owning_team_before(&known, "DEMF").as_deref(),
            Some("Germany")
        );
        assert_eq!(owning_team_before(&known, "USMF"), None);
        // The id that it had is of no use: after the copy teams are the source's.
        let after = Uuid::from_u128(9);
        let row = json!({"name": "Germany"})
            .as_object()
            .cloned()
            .unwrap_or_default();
        assert_eq!(
            named(&BTreeMap::from([(after, row)]), "Germany"),
            Some(after)
        );
        assert_eq!(
            registered_before(&known, FINANCE_APPLICATIONS[0].0).as_deref(),
            Some("DualWrite")
        );
        assert_eq!(registered_before(&known, FINANCE_APPLICATIONS[1].0), None);
    }

    #[test]
    fn a_role_is_that_of_the_holders_own_business_unit() {
        let (unit, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let role = |unit: Uuid| {
            let row = json!({"name": ROLES[0], "_businessunitid_value": unit});
            row.as_object().cloned().unwrap_or_default()
        };
        let people = People {
            roles: BTreeMap::from([
                (Uuid::from_u128(3), role(other)),
                (Uuid::from_u128(4), role(unit)),
            ]),
            users: BTreeMap::new(),
            teams: BTreeMap::new(),
            root: RootTeam::default(),
            user_roles: BTreeSet::new(),
            team_roles: BTreeSet::new(),
        };
        let holder = json!({"_businessunitid_value": unit});
        let holder = holder.as_object().cloned().unwrap_or_default();
        assert_eq!(people.role(ROLES[0], &holder), Some(Uuid::from_u128(4)));
        assert_eq!(people.role(ROLES[1], &holder), None);
    }
}
