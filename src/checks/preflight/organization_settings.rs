//! Settings of the organizations that refuse requests after the copy, which brings the source's:
//! the IP firewall, and blocked unmanaged customizations.
//!
//! Both are read from the organization's own row (columns as in Microsoft's published entity
//! classes). `GetOrgDbOrgSetting` would show the second too, but it is a POST, and preflight sends
//! none.

use serde_json::Value;
use tokio::try_join;

use crate::checks::check::{Check, FIREWALL};
use crate::checks::check_result::CheckResult;
use crate::clients::{Dataverse, Error, ErrorKind, Query};
use crate::domain::RefreshContext;
use crate::domain::names::{Fields, text};
use crate::engine::Failure;
use crate::runbook::StepName;

/// The setting in `orgdborgsettings` that *Block unmanaged customizations* of the admin center sets,
/// in lower case. A setting that is not there has its default, which is off.
const LOCKDOWN: &str = "<islockdownofunmanagedcustomizationenabled>";

/// The columns of the IP firewall (Microsoft Learn, *IP firewall in Power Platform environments*).
const IS_ON: &str = "enableipbasedfirewallrule";
const AUDITS_ONLY: &str = "enableipbasedfirewallruleinauditmode";
const RANGES: &str = "allowediprangeforfirewall";

/// Checks the organizations' own rows.
pub(super) async fn run_checks(refresh: &RefreshContext) -> Result<Vec<CheckResult>, Failure> {
    let (source, target) = try_join!(
        organization(&refresh.source.dataverse),
        organization(&refresh.target.dataverse),
    )?;
    let mut results = vec![of_source().judge(&source), of_target().judge(&target)];
    let steps = &refresh.runbook.steps;
    let edits_components = [
        !steps.exit_administration_mode.is_skipped(),
        !steps.reconfigure_connections.is_skipped(),
        !steps.activate_flows.is_skipped(),
    ];
    if edits_components.contains(&true) {
        results.push(customizations(&source, &target));
    }
    Ok(results)
}

/// The organization's row, or why it could not be read.
type Organization = Result<Fields, Error>;

async fn organization(dataverse: &Dataverse) -> Result<Organization, Failure> {
    match dataverse.list("organizations", &Query::new()).await {
        Ok(rows) => {
            let first = rows.into_iter().next();
            Ok(Ok(first.map(|row| row.value).unwrap_or_default()))
        }
        Err(error) if error.kind == ErrorKind::Cancelled => Err(error.into()),
        Err(error) => Ok(Err(error)),
    }
}

/// The checks of the firewall of one side.
struct Firewall {
    side: &'static str,
    /// Asks whether there is one.
    exists: Check,
    /// Asks whether it refuses this program now.
    refuses: Check,
}

/// The copy brings the organization's row, so the source's list holds for the target.
fn of_source() -> Firewall {
    let check = |problem: &str| {
        Check::protecting(
            StepName::ExitAdministrationMode,
            "the source has no IP firewall that the copy brings to the target",
            problem,
            "continue from an address that the list allows, or change the list in the admin center \
             (environment > Settings > Privacy + Security > IP firewall)",
        )
        .not_allowed()
    };
    Firewall {
        side: "source",
        exists: check("the source has an IP firewall, which the copy brings to the target"),
        refuses: check("the source's IP firewall refuses this program's address"),
    }
}

fn of_target() -> Firewall {
    let check = |problem: &str| {
        Check::protecting(
            StepName::CopyEnvironments,
            "the target has no IP firewall",
            problem,
            "until the copy, continue from an address that the list allows; afterwards the target has \
             the source's list: compare both in the admin center (environment > Settings > Privacy + \
             Security > IP firewall)",
        )
        .not_allowed()
    };
    Firewall {
        side: "target",
        exists: check(
            "the target has an IP firewall, whose list the copy replaces by the source's",
        ),
        refuses: check("the target's IP firewall refuses this program's address"),
    }
}

impl Firewall {
    fn judge(&self, organization: &Organization) -> CheckResult {
        let row = match organization {
            Ok(row) => row,
            Err(error) if error.code.as_deref() == Some(FIREWALL) => {
                return self.refuses.fail(error.to_string());
            }
            Err(error) => return self.exists.unread(error.clone().into()),
        };
        let is_set = |column: &str| row.get(column).and_then(Value::as_bool) == Some(true);
        let side = self.side;
        if !row.contains_key(IS_ON) {
            let read = format!("the organization's row of the {side} has no column `{IS_ON}`");
            return self.exists.unknown(read);
        }
        if !is_set(IS_ON) {
            return self.exists.pass("it is off");
        }
        if is_set(AUDITS_ONLY) {
            return self
                .exists
                .pass("it is in audit mode, in which it refuses nothing");
        }
        let ranges = text(row, RANGES).filter(|ranges| !ranges.trim().is_empty());
        self.exists.warn(format!(
            "it allows {}; the {side} has answered this program, so its present address is allowed",
            ranges.as_deref().unwrap_or("no address by its list")
        ))
    }
}

/// May connection references, flows and environment variables be changed? The copy brings the
/// source's setting; whether an environment's own setting survives the copy is not published, so
/// both must allow it.
fn customizations(source: &Organization, target: &Organization) -> CheckResult {
    let check = Check::protecting(
        StepName::ReconfigureConnections,
        "both environments allow unmanaged customizations",
        "unmanaged customizations are blocked",
        "turn 'Block unmanaged customizations' off while the refresh runs (admin center > environment \
         > Settings > Features), because changes of connection references and flows would be refused",
    );
    let of = |organization: &Organization| organization.as_ref().ok().map(blocks_customizations);
    let answers = [of(source), of(target)];
    let word = |answer: &Option<Option<bool>>| match answer {
        Some(Some(true)) => "blocked",
        Some(Some(false)) => "allowed",
        Some(None) => "the organization's row has no column `orgdborgsettings`",
        None => "not read",
    };
    let shown = format!(
        "source: {}; target: {}",
        word(&answers[0]),
        word(&answers[1])
    );
    if answers.contains(&Some(Some(true))) {
        return check.fail(shown);
    }
    match (source, target) {
        (Err(error), _) | (_, Err(error)) => check.unread(error.clone().into()),
        _ if answers.contains(&Some(None)) => check.unknown(shown),
        _ => check.pass(shown),
    }
}

/// None if the row does not show its settings.
fn blocks_customizations(row: &Fields) -> Option<bool> {
    let settings = row.get("orgdborgsettings")?;
    let settings = settings.as_str().unwrap_or_default().to_ascii_lowercase();
    let value = settings.split_once(LOCKDOWN).map(|(_, rest)| rest.trim());
    Some(value.is_some_and(|value| value.starts_with("true")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;
    use crate::engine::FailureKind;
    use serde_json::json;

    #[expect(
        clippy::unnecessary_wraps,
        reason = "it replaces an answer that was read"
    )]
    fn row(value: &Value) -> Organization {
        Ok(value.as_object().unwrap().clone())
    }

    fn refused(code: &str) -> Organization {
        let detail = crate::clients::Detail {
            code: Some(code.to_owned()),
            message: "no".to_owned(),
            ..crate::clients::Detail::default()
        };
        Err(Error::from_detail(ErrorKind::Forbidden, detail, None))
    }

    #[test]
    fn a_firewall_is_a_warning_with_its_list_unless_it_only_audits() {
        let of = |value: Value| of_source().judge(&row(&value));
        let on = of(json!({IS_ON: true, AUDITS_ONLY: false, RANGES: "10.0.0.0/8"}));
        assert_eq!(on.label(), "warning");
        assert_eq!(
            on.protection().as_deref(),
            Some("affects step exit-administration-mode")
        );
        assert!(
            on.found
                .starts_with("it allows 10.0.0.0/8; the source has answered")
        );
        assert_eq!(
            of(json!({IS_ON: true, AUDITS_ONLY: true})).verdict,
            Verdict::Pass
        );
        assert_eq!(of(json!({IS_ON: null})).verdict, Verdict::Pass);
        let unknown = of(json!({}));
        assert_eq!(unknown.label(), "unknown");
        assert!(unknown.remedy.unwrap().contains("IP firewall"));
    }

    #[test]
    fn a_firewall_that_refuses_this_program_fails_and_is_named() {
        let result = of_source().judge(&refused(FIREWALL));
        assert_eq!(
            (result.verdict, result.kind),
            (Verdict::Fail, FailureKind::NotAllowed)
        );
        assert_eq!(
            result.headline,
            "the source's IP firewall refuses this program's address"
        );
        // Another refusal says nothing about the firewall.
        assert_eq!(
            of_target().judge(&refused("0x80040220")).verdict,
            Verdict::Unknown
        );
    }

    #[test]
    fn customizations_that_either_side_blocks_are_a_failure() {
        let blocked = json!({"orgdborgsettings":
            "<OrgSettings><IsLockdownOfUnmanagedCustomizationEnabled>true</IsLockdownOfUnmanagedCustomizationEnabled></OrgSettings>"});
        let open = json!({"orgdborgsettings": "<OrgSettings/>"});
        let of = |source: &Value, target: &Value| customizations(&row(source), &row(target));
        let result = of(&blocked, &open);
        assert_eq!(result.verdict, Verdict::Fail);
        assert_eq!(result.found, "source: blocked; target: allowed");
        assert_eq!(of(&open, &blocked).verdict, Verdict::Fail);
        assert_eq!(
            of(&open, &json!({"orgdborgsettings": null})).verdict,
            Verdict::Pass
        );
        assert_eq!(of(&open, &json!({})).verdict, Verdict::Unknown);
    }
}
