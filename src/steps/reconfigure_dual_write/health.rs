//! Phase `health-check`: Microsoft's health check, rebuilt of reads that are documented, under its own
//! codes. No request for the check itself is known.
//!
//! What fails is a person's task with the code's remedy; what cannot be read is noted, and is neither
//! good nor bad.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::access::{DATAVERSE_USERS, FINANCE_APPLICATIONS};
use crate::clients::Query;
use crate::domain::Refresh;
use crate::domain::dual_write::capture::{APPLICATIONS, COMPANIES};
use crate::domain::dual_write::evidence::{Answer, Evidence};
use crate::domain::dual_write::findings::remedy;
use crate::domain::dual_write::is_left_out;
use crate::domain::dual_write::people::{RootTeam, holders};
use crate::domain::dual_write::record::Recorded;
use crate::domain::dual_write::tables::{field_text, field_yes};
use crate::domain::names::{Fields, lookup, text};
use crate::domain::view::View;
use crate::engine::{Action, Ask, Change, Failure, FailureKind, Known, Survey};

/// One question of the health check, answered.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// What is so where all is well.
    pub(crate) name: String,
    /// Microsoft's code for its opposite, where there is one.
    pub(super) code: Option<&'static str>,
    /// What was read.
    pub(super) answer: Answer,
    /// What to do.
    pub(crate) remedy: String,
}

impl Check {
    /// The question with its code.
    pub(crate) fn title(&self) -> String {
        match self.code {
            Some(code) => format!("{} ({code})", self.name),
            None => self.name.clone(),
        }
    }

    /// Pass, fail, or neither; and what was read.
    pub(crate) fn verdict(&self) -> (Option<bool>, &str) {
        let verdict = match self.answer {
            Answer::Yes(_) => Some(true),
            Answer::No(_) => Some(false),
            Answer::Unknown(_) => None,
        };
        (verdict, self.answer.read())
    }
}

fn coded(name: &str, code: &'static str, answer: Answer) -> Check {
    Check {
        name: name.to_owned(),
        code: Some(code),
        answer,
        remedy: remedy(code).into_owned(),
    }
}

fn uncoded(name: &str, answer: Answer, remedy: &str) -> Check {
    Check {
        name: name.to_owned(),
        code: None,
        answer,
        remedy: remedy.to_owned(),
    }
}

/// Nothing of these, or these by name.
fn none_of(found: &[String], good: &str) -> Answer {
    if found.is_empty() {
        Answer::Yes(good.to_owned())
    } else {
        Answer::No(found.join("; "))
    }
}

/// Asks every question of the target.
pub(crate) async fn check(refresh: &Refresh, known: &Known) -> Result<Vec<Check>, Failure> {
    let view = View::Target(&refresh.target);
    let recorded = Recorded::of(known);
    let companies = view.by_id("cdm_company").await?;
    let teams = view.by_id("team").await?;
    let evidence = Evidence::read(refresh, known).await;
    if let Err(failure) = &evidence
        && failure.kind == FailureKind::Interrupted
    {
        return Err(failure.clone());
    }
    let mut checks = vec![
        core_solution(view).await?,
        plug_ins(view).await?,
        finance_to_dataverse(view).await?,
        dataverse_to_finance(refresh).await?,
        owning_teams(&companies),
        coded(
            "the default team has the name that dual-write knows it by",
            "DWFOEV1006",
            team_name(&RootTeam::among(&view.by_id("businessunit").await?, &teams)),
        ),
    ];
    checks.extend(stale(evidence));
    checks.extend(legal_entities(refresh, &recorded, &companies).await?);
    Ok(checks)
}

/// The unique name of the solution is inferred: where it is not there, nothing is known.
async fn core_solution(view: View<'_>) -> Result<Check, Failure> {
    let filter = Some("uniquename eq 'DualWriteCore'".to_owned());
    let found = view.rows_where("solution", filter).await?;
    let version = found.first().and_then(|row| row.string("version"));
    let answer = match version {
        Some(version) => Answer::Yes(format!("version {version}")),
        None => Answer::Unknown("no solution has the name DualWriteCore".to_owned()),
    };
    let help = "install the dual-write core solution in the target";
    Ok(uncoded(
        "the dual-write core solution is there",
        answer,
        help,
    ))
}

async fn plug_ins(view: View<'_>) -> Result<Check, Failure> {
    let help = "enable the steps of the dual-write plug-ins in the target's solutions";
    let name = "the dual-write plug-ins are enabled";
    let types = view.by_id("plugintype").await?;
    let ours: BTreeSet<Uuid> = types
        .iter()
        .filter(|(_, row)| {
            text(row, "assemblyname").is_some_and(|name| {
                ["DualWriteRegistration.Plugins", "DualWriteRuntime.Plugins"]
                    .contains(&name.as_str())
            })
        })
        .map(|(id, _)| *id)
        .collect();
    let steps = view.by_id("sdkmessageprocessingstep").await?;
    let ours: Vec<&Fields> = steps
        .values()
        .filter(|row| {
            let plugin = lookup(row, "plugintypeid").or_else(|| lookup(row, "eventhandler"));
            plugin.is_some_and(|id| ours.contains(&id))
        })
        .collect();
    let disabled: Vec<String> = ours
        .iter()
        .filter(|row| row.get("statecode").and_then(Value::as_i64) != Some(0))
        .map(|row| format!("'{}' is disabled", text(row, "name").unwrap_or_default()))
        .collect();
    let answer = if ours.is_empty() {
        Answer::Unknown("no step of these plug-ins is shown".to_owned())
    } else {
        none_of(&disabled, "all steps are enabled")
    };
    Ok(uncoded(name, answer, help))
}

async fn finance_to_dataverse(view: View<'_>) -> Result<Check, Failure> {
    let users = view.by_id("systemuser").await?;
    let roles = holders(view, "systemuserroles", "systemuserid").await?;
    let mut missing = Vec::new();
    for (application, name) in DATAVERSE_USERS {
        let user = users.iter().find(|(_, user)| {
            text(user, "applicationid").is_some_and(|id| id.eq_ignore_ascii_case(application))
        });
        match user {
            None => missing.push(format!("{name} is no application user")),
            Some((_, user)) if user.get("isdisabled").and_then(Value::as_bool) == Some(true) => {
                missing.push(format!("the application user {name} is disabled"));
            }
            Some((id, _)) if !roles.iter().any(|(holder, _)| holder == id) => {
                missing.push(format!("the application user {name} has no role"));
            }
            Some(_) => {}
        }
    }
    let answer = none_of(
        &missing,
        "both application users are enabled and have roles",
    );
    Ok(uncoded(
        "Finance and Operations can connect to Dataverse",
        answer,
        &remedy("DW9003"),
    ))
}

async fn dataverse_to_finance(refresh: &Refresh) -> Result<Check, Failure> {
    let name = "Dataverse can connect to Finance and Operations";
    let Some(finance) = &refresh.target_finance else {
        let answer = Answer::Unknown("no Finance and Operations is linked".to_owned());
        return Ok(uncoded(name, answer, &remedy("DW9003")));
    };
    let read = async {
        let rows = finance.list(APPLICATIONS, &Query::new()).await?;
        Ok::<_, Failure>((rows, finance.list("SystemUsers", &Query::new()).await?))
    };
    let (rows, users) = match read.await {
        Ok(read) => read,
        Err(failure) if failure.kind == FailureKind::Interrupted => return Err(failure),
        Err(failure) => {
            return Ok(uncoded(
                name,
                Answer::Unknown(failure.message),
                &remedy("DW9003"),
            ));
        }
    };
    let mut missing = Vec::new();
    for (application, name) in FINANCE_APPLICATIONS {
        let same = |found: Option<&str>, wanted: &str| {
            found.is_some_and(|found| found.eq_ignore_ascii_case(wanted))
        };
        let row = rows
            .iter()
            .find(|row| same(field_text(row, "AADClientId"), application));
        let user = row.and_then(|row| field_text(row, "UserId"));
        let enabled = user.is_some_and(|user| {
            let row = users
                .iter()
                .find(|row| same(field_text(row, "UserID"), user));
            row.is_some_and(|row| field_yes(row, "Enabled") == Some(true))
        });
        match user {
            None => missing.push(format!("{name} is not registered")),
            Some(user) if !enabled => {
                missing.push(format!("the user {user} of {name} is disabled"));
            }
            Some(_) => {}
        }
    }
    let answer = none_of(
        &missing,
        "both applications are registered for an enabled user",
    );
    Ok(uncoded(name, answer, &remedy("DW9003")))
}

fn owning_teams(companies: &BTreeMap<Uuid, Fields>) -> Check {
    let without: Vec<String> = companies
        .values()
        .filter(|row| lookup(row, "cdm_defaultowningteam").is_none())
        .map(|row| text(row, "cdm_companycode").unwrap_or_default())
        .collect();
    let answer = none_of(&without, "each has one");
    coded(
        "every company has a default owning team",
        "DWDVEV1007",
        answer,
    )
}

fn team_name(team: &RootTeam) -> Answer {
    match (&team.unit_name, &team.team_name) {
        (Some(unit), Some(team)) if unit == team => Answer::Yes(format!("'{team}'")),
        (Some(unit), Some(team)) => Answer::No(format!("business unit '{unit}', team '{team}'")),
        _ => Answer::Unknown("the root business unit's team is not shown".to_owned()),
    }
}

fn stale(evidence: Result<Evidence, Failure>) -> [Check; 2] {
    let (dataverse, finance) = match evidence {
        Ok(evidence) => (
            none_of(&evidence.stale(), "none is of before the copy"),
            none_of(&evidence.foreign(), "none speaks to another Dataverse"),
        ),
        Err(failure) => (
            Answer::Unknown(failure.message.clone()),
            Answer::Unknown(failure.message),
        ),
    };
    [
        coded(
            "no runtime configuration in Dataverse is stale",
            "DWDVEV1004",
            dataverse,
        ),
        coded(
            "no runtime configuration in Finance and Operations is stale",
            "DWFOEV1004",
            finance,
        ),
    ]
}

/// The legal entities that synchronized must be companies of both sides.
async fn legal_entities(
    refresh: &Refresh,
    recorded: &Recorded,
    companies: &BTreeMap<Uuid, Fields>,
) -> Result<[Check; 2], Failure> {
    let wanted = recorded.legal_entities.clone();
    let among = |codes: Result<BTreeSet<String>, String>| match (&wanted, codes) {
        (None, _) => Answer::Unknown("the legal entities of the link are not recorded".to_owned()),
        (Some(_), Err(why)) => Answer::Unknown(why),
        (Some(wanted), Ok(codes)) => {
            let missing: Vec<String> = wanted
                .iter()
                .filter(|code| !codes.contains(&code.to_ascii_lowercase()))
                .cloned()
                .collect();
            none_of(&missing, "each is there")
        }
    };
    let of_dataverse = companies
        .values()
        .filter_map(|row| Some(text(row, "cdm_companycode")?.to_ascii_lowercase()))
        .collect();
    let of_finance = match &refresh.target_finance {
        None => Err("no Finance and Operations is linked".to_owned()),
        Some(finance) => match finance.list(COMPANIES, &Query::new()).await {
            Ok(rows) => Ok(rows
                .iter()
                .filter_map(|row| Some(field_text(row, "LegalEntityId")?.to_ascii_lowercase()))
                .collect()),
            Err(error) => {
                let failure = Failure::from(error);
                if failure.kind == FailureKind::Interrupted {
                    return Err(failure);
                }
                Err(failure.message)
            }
        },
    };
    Ok([
        coded(
            "the legal entities of dual-write are companies of Dataverse",
            "DWDVEV1003",
            among(Ok(of_dataverse)),
        ),
        coded(
            "the legal entities of dual-write are companies of Finance and Operations",
            "DWFOEV1003",
            among(of_finance),
        ),
    ])
}

/// Finds what fails.
pub(super) struct HealthCheck(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for HealthCheck {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let forecast = matches!(refresh.view(known), View::AfterCopy(_));
        // Before the reset most of it fails by nature; a plan does not foresee it.
        if !Recorded::of(known).in_use()
            || is_left_out(refresh)
            || forecast
            || (known.is_planning()
                && !known.launch_proved(&crate::domain::dual_write::reset_key(refresh)))
        {
            return Ok(Vec::new());
        }
        let checks = check(refresh, known).await?;
        let failed = checks
            .iter()
            .filter(|check| matches!(check.answer, Answer::No(_)));
        Ok(failed.map(ask).collect())
    }

    async fn notes(&self, known: &Known) -> Result<Vec<String>, Failure> {
        if !Recorded::of(known).in_use() || is_left_out(&self.0) {
            return Ok(Vec::new());
        }
        let checks = check(&self.0, known).await?;
        Ok(checks
            .iter()
            .filter(|check| matches!(check.answer, Answer::Unknown(_)))
            .map(|check| format!("not known: {}: {}", check.title(), check.answer.read()))
            .collect())
    }
}

fn ask(check: &Check) -> Change {
    Change {
        key: format!("dual-write/health/{}", check.title()),
        name: format!("mend: {}", check.title()),
        before: json!({ "read": check.answer.read() }),
        after: json!({ "healthy": true }),
        follows: Vec::new(),
        action: Action::Ask(Ask {
            instructions: vec![format!(
                "{}: {}; {}",
                check.title(),
                check.answer.read(),
                check.remedy
            )],
            evidence: format!("it is read again whether {}", check.name),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: &Value) -> Fields {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_company_without_an_owning_team_has_microsofts_code_and_remedy() {
        let rows = BTreeMap::from([
            (
                Uuid::from_u128(1),
                fields(
                    &json!({"cdm_companycode": "USMF", "_cdm_defaultowningteam_value": Uuid::nil()}),
                ),
            ),
            (
                Uuid::from_u128(2),
                fields(&json!({"cdm_companycode": "DEMF"})),
            ),
        ]);
        let check = owning_teams(&rows);
        assert_eq!(check.answer, Answer::No("DEMF".to_owned()));
        assert!(check.title().contains("DWDVEV1007"));
        assert!(
            check.remedy.contains("both dual-write roles"),
            "{}",
            check.remedy
        );
    }

    #[test]
    fn a_renamed_team_fails_and_one_that_is_not_shown_is_unknown() {
        let team = |unit: Option<&str>, team: Option<&str>| {
            team_name(&RootTeam {
                team: None,
                unit_name: unit.map(str::to_owned),
                team_name: team.map(str::to_owned),
            })
        };
        assert!(team(Some("org"), Some("org")).is_yes());
        assert!(matches!(team(Some("org"), Some("orgprod")), Answer::No(_)));
        assert!(matches!(team(Some("org"), None), Answer::Unknown(_)));
    }

    #[test]
    fn what_could_not_be_read_is_not_healthy() {
        let [dataverse, finance] = stale(Err(Failure::failed("it is away")));
        assert!(matches!(dataverse.answer, Answer::Unknown(_)));
        assert!(matches!(finance.answer, Answer::Unknown(_)));
        assert_eq!(dataverse.verdict(), (None, "it is away"));
    }
}
