//! Phase `access`: both halves may call each other (Microsoft Learn, *Set up dual-write security
//! roles and permissions*, *Dual-write requirements and prerequisites*).
//!
//! - In Dataverse, the application users, the default team of the root business unit and the owning
//!   team of each company have both dual-write roles; each company has a default owning team. These
//!   are sets by the Web API.
//! - In Finance and Operations, both applications are registered, for a user that is enabled
//!   (`finance_access.rs`). A refresh disables that user, and brings the registrations of the
//!   source.
//! - A person adds an application user that is missing.
//!
//! A copy brings the source's teams. A company's owning team is found by the name that it had
//! before the copy, else the root's default team is used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::try_join;
use uuid::Uuid;

use super::finance_access::finance_changes;
use super::recorded_to_restore;
use crate::clients::{Query, Row};
use crate::domain::dual_write::root_team::{RootTeam, role_holders};
use crate::domain::manual_change::ManualChange;
use crate::domain::names::{Fields, lookup, text};
use crate::domain::row_changes::{Reader, Request, TargetWrite, row_set};
use crate::domain::seals::Part;
use crate::domain::view::View;
use crate::domain::{RefreshContext, keys, seals};
use crate::engine::{Action, Change, Failure, JournalView, Reading, Survey};
use crate::runbook::Method;

/// The roles of every user and team that takes part in dual-write.
pub(super) const ROLES: [&str; 2] = ["Dual-write runtime user", "Dual-write app user"];

/// The applications that are users of Dataverse: the one that writes for Finance and Operations,
/// and Dynamics Data Integration.
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

/// How long Dataverse may take to show an accepted change.
const SETTLE_TIMEOUT: Duration = Duration::from_mins(1);

/// Finds roles, owning teams, registrations and users that are missing.
pub(super) struct Access(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for Access {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        if recorded_to_restore(refresh, journal).is_none() {
            return Ok(Vec::new());
        }
        let view = refresh.view(journal);
        let of_finance = async {
            match view {
                View::AsIs(_) => finance_changes(refresh, journal).await,
                // The users of Finance and Operations after a copy are not forecast.
                View::AfterCopy(_) => Ok(Vec::new()),
            }
        };
        let of_dataverse = Box::pin(self.dataverse_changes(journal, view));
        let (mut changes, more) = try_join!(of_dataverse, of_finance)?;
        changes.extend(more);
        Ok(changes)
    }
}

/// The users, teams and roles of Dataverse.
struct UsersAndTeams {
    roles: BTreeMap<Uuid, Fields>,
    users: BTreeMap<Uuid, Fields>,
    teams: BTreeMap<Uuid, Fields>,
    root: RootTeam,
    user_roles: BTreeSet<(Uuid, Uuid)>,
    team_roles: BTreeSet<(Uuid, Uuid)>,
}

impl UsersAndTeams {
    async fn read(view: View<'_>) -> Result<Self, Failure> {
        let (teams, roles, users, units, user_roles, team_roles) = try_join!(
            view.by_id("team"),
            view.by_id("role"),
            view.by_id("systemuser"),
            view.by_id("businessunit"),
            role_holders(view, "systemuserroles", "systemuserid"),
            role_holders(view, "teamroles", "teamid"),
        )?;
        Ok(Self {
            roles,
            users,
            root: RootTeam::among(&units, &teams),
            user_roles,
            team_roles,
            teams,
        })
    }

    /// The role of this name in the business unit of its holder: each unit has its own roles.
    fn role(&self, name: &str, holder: &Fields) -> Option<Uuid> {
        let unit = lookup(holder, "businessunitid");
        let role = self.roles.iter().find(|(_, role)| {
            text(role, "name").as_deref() == Some(name) && lookup(role, "businessunitid") == unit
        });
        role.map(|(id, _)| *id)
    }
}

impl Access {
    async fn dataverse_changes(
        &self,
        journal: &JournalView,
        view: View<'_>,
    ) -> Result<Vec<Change>, Failure> {
        let existing = Box::pin(UsersAndTeams::read(view));
        let (existing, companies) = try_join!(existing, view.by_id("cdm_company"))?;
        let mut changes = Vec::new();
        for (application, name) in DATAVERSE_USERS {
            let user = existing
                .users
                .iter()
                .find(|(_, user)| is_application(user, application) && !is_disabled(user));
            match user {
                Some((id, user)) => {
                    changes.extend(self.missing_roles(&existing, USERS, *id, user, name));
                }
                None => changes.push(missing_user(application, name)),
            }
        }
        let mut owning: BTreeSet<Uuid> = existing.root.team.into_iter().collect();
        for (id, company) in &companies {
            match lookup(company, "cdm_defaultowningteam") {
                Some(team) => {
                    owning.insert(team);
                }
                None => changes.extend(
                    self.owning_team(journal, view, &existing, *id, company)
                        .await?,
                ),
            }
        }
        for team in owning {
            if let Some(row) = existing.teams.get(&team) {
                let name = text(row, "name").unwrap_or_default();
                changes.extend(self.missing_roles(&existing, TEAMS, team, row, &name));
            }
        }
        Ok(changes)
    }

    /// Assigns the roles that a user or a team lacks.
    fn missing_roles(
        &self,
        existing: &UsersAndTeams,
        kind: HolderKind,
        holder: Uuid,
        row: &Fields,
        name: &str,
    ) -> Vec<Change> {
        let has = match kind.set {
            "teams" => &existing.team_roles,
            _ => &existing.user_roles,
        };
        ROLES
            .into_iter()
            .filter_map(|wanted| {
                let Some(role) = existing.role(wanted, row) else {
                    return Some(missing_role(wanted));
                };
                (!has.contains(&(holder, role)))
                    .then(|| self.assign_role(kind, holder, name, role, wanted))
            })
            .collect()
    }

    fn assign_role(
        &self,
        kind: HolderKind,
        holder: Uuid,
        name: &str,
        role: Uuid,
        wanted: &str,
    ) -> Change {
        let dataverse = self.0.target.environment.dataverse.as_ref();
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
            binding: None,
            shown: &[],
        };
        Change {
            key: keys::dual_write_role(kind.word, holder, wanted),
            name: format!("give {} '{name}' the role {wanted}", kind.word),
            before: json!({ "has": false }).into(),
            after: json!({ "has": true }).into(),
            follows: Vec::new(),
            action: Action::Set(Arc::new(TargetWrite {
                refresh: Arc::clone(&self.0),
                reader: Arc::new(RoleReader {
                    refresh: Arc::clone(&self.0),
                    kind,
                    holder,
                    role,
                }),
                request: Box::new(move |_| Ok(request.clone())),
                settle_timeout: SETTLE_TIMEOUT,
                is_destructive: false,
                asks_when_undone: false,
            })),
        }
    }

    async fn owning_team(
        &self,
        journal: &JournalView,
        view: View<'_>,
        existing: &UsersAndTeams,
        id: Uuid,
        company: &Fields,
    ) -> Result<Option<Change>, Failure> {
        let code = text(company, "cdm_companycode").unwrap_or_default();
        let Some(team) = owning_team_before(journal, &code)
            .and_then(|name| team_with_name(&existing.teams, &name))
            .or(existing.root.team)
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
        let name = existing.teams.get(&team).and_then(|row| text(row, "name"));
        Ok(Some(Change {
            key: keys::owning_team(&code),
            name: format!(
                "make '{}' the default owning team of company {code}",
                name.unwrap_or_default()
            ),
            before: json!({ "team": null }).into(),
            after: json!({ "team": team }).into(),
            follows: Vec::new(),
            action: Action::Set(row_set(
                &self.0,
                &table.entity_set,
                id,
                |row: Option<&Row>| {
                    let team = row.and_then(|row| row.lookup("cdm_defaultowningteam"));
                    json!({ "team": team })
                },
                request,
                SETTLE_TIMEOUT,
            )),
        }))
    }
}

/// Is this the user of an application?
pub(super) fn is_application(user: &Fields, application: &str) -> bool {
    text(user, "applicationid").is_some_and(|id| id.eq_ignore_ascii_case(application))
}

pub(super) fn is_disabled(user: &Fields) -> bool {
    user.get("isdisabled").and_then(Value::as_bool) == Some(true)
}

/// A kind of row that can have roles.
#[derive(Clone, Copy)]
struct HolderKind {
    /// Its noun.
    word: &'static str,
    /// The entity set.
    set: &'static str,
    /// The relationship to roles.
    navigation: &'static str,
    /// The table that links holders to roles, and its column with the holder.
    pairs: (&'static str, &'static str),
}

const USERS: HolderKind = HolderKind {
    word: "application user",
    set: "systemusers",
    navigation: "systemuserroles_association",
    pairs: ("systemuserroles", "systemuserid"),
};

const TEAMS: HolderKind = HolderKind {
    word: "team",
    set: "teams",
    navigation: "teamroles_association",
    pairs: ("teamroles", "teamid"),
};

/// Reads whether a user or a team has a role.
struct RoleReader {
    refresh: Arc<RefreshContext>,
    kind: HolderKind,
    holder: Uuid,
    role: Uuid,
}

#[async_trait]
impl Reader for RoleReader {
    async fn read(&self) -> Result<Reading, Failure> {
        let (table, column) = self.kind.pairs;
        let table = View::AsIs(&self.refresh.target.dataverse)
            .table(table)
            .await?;
        let (holder, role) = (self.holder, self.role);
        let query = Query::new().filter(format!("{column} eq {holder} and roleid eq {role}"));
        let pairs = self
            .refresh
            .target
            .dataverse
            .list(&table.entity_set, &query)
            .await?;
        Ok(Reading::of(json!({ "has": !pairs.is_empty() })))
    }
}

/// The name of a company's default owning team before the copy.
fn owning_team_before(journal: &JournalView, code: &str) -> Option<String> {
    let companies = seals::rows(journal, Part::Target, "cdm_company");
    let (_, company) = companies
        .iter()
        .find(|(_, row)| text(row, "cdm_companycode").as_deref() == Some(code))?;
    let team = lookup(company, "cdm_defaultowningteam")?;
    let teams = seals::rows(journal, Part::Target, "team");
    let (_, team) = teams.iter().find(|(id, _)| *id == team)?;
    text(team, "name")
}

fn team_with_name(teams: &BTreeMap<Uuid, Fields>, name: &str) -> Option<Uuid> {
    let team = teams
        .iter()
        .find(|(_, team)| text(team, "name").as_deref() == Some(name));
    team.map(|(id, _)| *id)
}

/// A change that a person makes: something that must be present.
pub(super) fn manual_task(
    key: String,
    name: String,
    instructions: Vec<String>,
    evidence: &str,
) -> Change {
    ManualChange {
        key,
        name,
        before: json!({ "present": false }),
        after: json!({ "present": true }),
        instructions,
        evidence: evidence.to_owned(),
    }
    .into_change()
}

fn missing_user(application: &str, name: &str) -> Change {
    manual_task(
        keys::dual_write_application_user(application),
        format!("add the application user {name}"),
        vec![format!(
            "Power Platform admin center > the target > Settings > Users + permissions > Application \
             users: add {name} ({application}), or enable it"
        )],
        "the application users of the target's Dataverse",
    )
}

fn missing_role(role: &str) -> Change {
    manual_task(
        keys::dual_write_missing_role(role),
        format!("install the role {role} in the target"),
        vec![format!(
            "install or update the dual-write core solution in the target: it contains the role {role}"
        )],
        "the roles of the target's Dataverse",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dual_write::recorded::tests::sealed;

    #[test]
    fn pitfall_16_an_owning_team_is_found_by_its_name() {
        let (company, team) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let journal = sealed(&[
            (
                &format!("target/cdm_company/{company}"),
                json!({"cdm_companycode": "DEMF", "_cdm_defaultowningteam_value": team}),
            ),
            (&format!("target/team/{team}"), json!({"name": "Germany"})),
        ]);
        assert_eq!(
            owning_team_before(&journal, "DEMF").as_deref(),
            Some("Germany")
        );
        assert_eq!(owning_team_before(&journal, "USMF"), None);
        // The recorded id is useless: after the copy, the teams are the source's.
        let after = Uuid::from_u128(9);
        let row = json!({"name": "Germany"})
            .as_object()
            .cloned()
            .unwrap_or_default();
        assert_eq!(
            team_with_name(&BTreeMap::from([(after, row)]), "Germany"),
            Some(after)
        );
    }

    #[test]
    fn a_role_belongs_to_the_business_unit_of_its_holder() {
        let (unit, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let role = |unit: Uuid| {
            let row = json!({"name": ROLES[0], "_businessunitid_value": unit});
            row.as_object().cloned().unwrap_or_default()
        };
        let existing = UsersAndTeams {
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
        assert_eq!(existing.role(ROLES[0], &holder), Some(Uuid::from_u128(4)));
        assert_eq!(existing.role(ROLES[1], &holder), None);
    }
}
