//! Phase `health-check`: Microsoft's health check, rebuilt from documented reads, with Microsoft's
//! codes. No request for the check itself is known.
//!
//! A failed check becomes a manual task with the code's remedy. A check that cannot be read is
//! unknown: the run notes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::try_join;
use uuid::Uuid;

use super::access::{DATAVERSE_USERS, is_application, is_disabled};
use super::finance_access::{FINANCE_APPLICATIONS, read_users};
use super::recorded_to_restore;
use crate::clients::{Query, Row};
use crate::domain::dual_write::capture::COMPANIES;
use crate::domain::dual_write::error_codes::remedy;
use crate::domain::dual_write::evidence::Evidence;
use crate::domain::dual_write::recorded::RecordedDualWrite;
use crate::domain::dual_write::reset_key;
use crate::domain::dual_write::root_team::{RootTeam, role_holders};
use crate::domain::dual_write::tables::field_text;
use crate::domain::failure::or_why_unknown;
use crate::domain::manual_change::ManualChange;
use crate::domain::names::{Fields, lookup, text};
use crate::domain::verdict::Answer;
use crate::domain::view::View;
use crate::domain::{RefreshContext, keys};
use crate::engine::{Change, Failure, JournalView, Note, Survey};

/// One part of the health check, with its answer.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// What is the case in a healthy environment.
    pub(crate) name: String,
    /// Microsoft's code for the failure, if there is one.
    pub(super) code: Option<&'static str>,
    /// What was read.
    pub(super) answer: Answer,
    /// What to do.
    pub(crate) remedy: String,
}

impl Check {
    /// The name with its code.
    pub(crate) fn title(&self) -> String {
        match self.code {
            Some(code) => format!("{} ({code})", self.name),
            None => self.name.clone(),
        }
    }

    /// The problem, if the check does not pass.
    pub(crate) fn problem(&self) -> String {
        let code = self.code.map(|code| format!(" ({code})"));
        format!(
            "the dual-write health check does not find that {}{}",
            self.name,
            code.unwrap_or_default()
        )
    }

    /// The answer, with what was found.
    pub(crate) fn answer(&self) -> &Answer {
        &self.answer
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

/// Pass if there are no problems, else fail with them.
fn answer_from_problems(problems: &[String], pass: &str) -> Answer {
    if problems.is_empty() {
        Answer::Pass(pass.to_owned())
    } else {
        Answer::Fail(problems.join("; "))
    }
}

/// Checks the target.
pub(crate) async fn check_health(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Vec<Check>, Failure> {
    let view = View::AsIs(&refresh.target.dataverse);
    let recorded = RecordedDualWrite::from_journal(journal);
    let rows = Box::pin(async {
        let evidence = async { or_why_unknown(Evidence::read(refresh, journal).await) };
        try_join!(
            view.by_id("cdm_company"),
            view.by_id("team"),
            view.by_id("businessunit"),
            evidence,
        )
    });
    let answers = Box::pin(async {
        try_join!(
            core_solution(view),
            plug_ins(view),
            finance_to_dataverse(view),
            dataverse_to_finance(refresh),
        )
    });
    let ((companies, teams, units, evidence), (core, plug_ins, to_dataverse, to_finance)) =
        try_join!(rows, answers)?;
    let mut checks = vec![
        core,
        plug_ins,
        to_dataverse,
        to_finance,
        owning_teams(&companies),
        coded(
            "the default team has the name that dual-write knows it by",
            "DWFOEV1006",
            team_name(&RootTeam::among(&units, &teams)),
        ),
    ];
    checks.extend(stale(&evidence));
    checks.extend(legal_entities(refresh, &recorded, &companies).await?);
    Ok(checks)
}

/// The unique name of the solution is inferred, so its absence proves nothing.
async fn core_solution(view: View<'_>) -> Result<Check, Failure> {
    let filter = Some("uniquename eq 'DualWriteCore'".to_owned());
    let found = view.rows_where("solution", filter).await?;
    let version = found.first().and_then(|row| row.string("version"));
    let answer = match version {
        Some(version) => Answer::Pass(format!("version {version}")),
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
    let (types, steps) = try_join!(
        view.by_id("plugintype"),
        view.by_id("sdkmessageprocessingstep"),
    )?;
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
        answer_from_problems(&disabled, "all steps are enabled")
    };
    Ok(uncoded(name, answer, help))
}

async fn finance_to_dataverse(view: View<'_>) -> Result<Check, Failure> {
    let (users, roles) = try_join!(
        view.by_id("systemuser"),
        role_holders(view, "systemuserroles", "systemuserid"),
    )?;
    let mut missing = Vec::new();
    for (application, name) in DATAVERSE_USERS {
        let user = users
            .iter()
            .find(|(_, user)| is_application(user, application));
        match user {
            None => missing.push(format!("{name} is not an application user")),
            Some((_, user)) if is_disabled(user) => {
                missing.push(format!("the application user {name} is disabled"));
            }
            Some((id, _)) if !roles.iter().any(|(holder, _)| holder == id) => {
                missing.push(format!("the application user {name} has no role"));
            }
            Some(_) => {}
        }
    }
    let answer = answer_from_problems(
        &missing,
        "both application users are enabled and have roles",
    );
    Ok(uncoded(
        "Finance and Operations can connect to Dataverse",
        answer,
        &remedy("DW9003"),
    ))
}

async fn dataverse_to_finance(refresh: &RefreshContext) -> Result<Check, Failure> {
    let users = match &refresh.target.finance {
        None => Err("no Finance and Operations is linked".to_owned()),
        Some(finance) => or_why_unknown(read_users(finance).await)?,
    };
    let answer = users.map_or_else(Answer::Unknown, |users| {
        let mut missing = Vec::new();
        for (id, name) in FINANCE_APPLICATIONS {
            let application = users.application(id);
            match application.and_then(|application| application.user.as_deref()) {
                None => missing.push(format!("{name} is not registered")),
                Some(user) if !users.is_enabled(user) => {
                    missing.push(format!("the user {user} of {name} is disabled"));
                }
                Some(_) => {}
            }
        }
        answer_from_problems(
            &missing,
            "both applications are registered for an enabled user",
        )
    });
    Ok(uncoded(
        "Dataverse can connect to Finance and Operations",
        answer,
        &remedy("DW9003"),
    ))
}

fn owning_teams(companies: &BTreeMap<Uuid, Fields>) -> Check {
    let without: Vec<String> = companies
        .values()
        .filter(|row| lookup(row, "cdm_defaultowningteam").is_none())
        .map(|row| text(row, "cdm_companycode").unwrap_or_default())
        .collect();
    let answer = answer_from_problems(&without, "each has one");
    coded(
        "every company has a default owning team",
        "DWDVEV1007",
        answer,
    )
}

fn team_name(team: &RootTeam) -> Answer {
    match (&team.unit_name, &team.team_name) {
        (Some(unit), Some(team)) if unit == team => Answer::Pass(format!("'{team}'")),
        (Some(unit), Some(team)) => Answer::Fail(format!("business unit '{unit}', team '{team}'")),
        _ => Answer::Unknown("the root business unit's team is not shown".to_owned()),
    }
}

fn stale(evidence: &Result<Evidence, String>) -> [Check; 2] {
    let answer = |problems: fn(&Evidence) -> Vec<String>, pass: &str| match evidence {
        Ok(evidence) => answer_from_problems(&problems(evidence), pass),
        Err(why) => Answer::Unknown(why.clone()),
    };
    [
        coded(
            "no runtime configuration in Dataverse is stale",
            "DWDVEV1004",
            answer(Evidence::stale, "no row is from before the copy"),
        ),
        coded(
            "no runtime configuration in Finance and Operations is stale",
            "DWFOEV1004",
            answer(
                Evidence::foreign,
                "no project is connected to another Dataverse",
            ),
        ),
    ]
}

/// The legal entities that synchronized must be companies of both sides.
async fn legal_entities(
    refresh: &RefreshContext,
    recorded: &RecordedDualWrite,
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
            answer_from_problems(&missing, "each is there")
        }
    };
    let of_dataverse = companies
        .values()
        .filter_map(|row| Some(text(row, "cdm_companycode")?.to_ascii_lowercase()))
        .collect();
    let of_finance = match &refresh.target.finance {
        None => Err("no Finance and Operations is linked".to_owned()),
        Some(finance) => {
            let rows = finance.list(COMPANIES, &Query::new()).await;
            let code =
                |row: &Row| field_text(&row.value, "LegalEntityId").map(str::to_ascii_lowercase);
            or_why_unknown(rows.map_err(Failure::from))?
                .map(|rows| rows.iter().filter_map(code).collect())
        }
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

/// Finds the parts of the health check that fail.
pub(super) struct HealthCheck(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for HealthCheck {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let forecast = matches!(refresh.view(journal), View::AfterCopy(_));
        // Before the reset most parts fail, so a plan does not include them.
        if recorded_to_restore(refresh, journal).is_none()
            || forecast
            || (journal.is_planning() && !journal.is_launch_proved(&reset_key(refresh)))
        {
            return Ok(Vec::new());
        }
        let checks = check_health(refresh, journal).await?;
        let failed = checks
            .iter()
            .filter(|check| matches!(check.answer, Answer::Fail(_)));
        Ok(failed.map(repair).collect())
    }

    async fn notes(&self, journal: &JournalView) -> Result<Vec<Note>, Failure> {
        if recorded_to_restore(&self.0, journal).is_none() {
            return Ok(Vec::new());
        }
        let checks = check_health(&self.0, journal).await?;
        Ok(checks
            .iter()
            .filter(|check| matches!(check.answer, Answer::Unknown(_)))
            .map(|check| format!("unknown: {}: {}", check.title(), check.answer.found()).into())
            .collect())
    }
}

fn repair(check: &Check) -> Change {
    ManualChange {
        key: keys::dual_write_health(&check.title()),
        name: format!("repair: {}", check.title()),
        before: json!({ "read": check.answer.found() }),
        after: json!({ "healthy": true }),
        instructions: vec![format!(
            "{}: {}; {}",
            check.title(),
            check.answer.found(),
            check.remedy
        )],
        evidence: format!("the program reads again whether {}", check.name),
    }
    .into_change()
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
        assert_eq!(check.answer, Answer::Fail("DEMF".to_owned()));
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
        assert!(team(Some("org"), Some("org")).is_pass());
        assert!(matches!(
            team(Some("org"), Some("orgprod")),
            Answer::Fail(_)
        ));
        assert!(matches!(team(Some("org"), None), Answer::Unknown(_)));
    }

    #[test]
    fn an_unread_check_is_not_healthy() {
        let [dataverse, finance] = stale(&Err("it is away".to_owned()));
        assert!(matches!(dataverse.answer, Answer::Unknown(_)));
        assert!(matches!(finance.answer, Answer::Unknown(_)));
        assert_eq!(dataverse.answer.found(), "it is away");
    }
}
