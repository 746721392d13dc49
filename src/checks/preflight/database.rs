//! Finance and Operations of the pair: can its database come along? Who manages both, whether the
//! runbook says the same, and what Lifecycle Services tell of both.

use crate::checks::finding::{Finding, Probe, Verdict};
use crate::checks::reading::kept;
use crate::clients::{Environment, Error, ErrorKind, HistoryEntry, Lcs, LcsEnvironment, Query};
use crate::domain::Refresh;
use crate::domain::environments::database_history::{Spent, described, running};
use crate::domain::environments::{is_guided, is_linked};
use crate::engine::Failure;
use crate::runbook;

/// Whose Finance and Operations an environment has, by the kinds of Microsoft's table (*Copy an LCS
/// environment to a unified environment*).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// It has none.
    None,
    /// Lifecycle Services manage it: a sandbox.
    LcsSandbox,
    /// Lifecycle Services manage it: production.
    LcsProduction,
    /// A cloud-hosted environment: a virtual machine for development.
    CloudHosted,
    /// Unified, for developers.
    UnifiedDeveloper,
    /// Unified, a sandbox.
    UnifiedSandbox,
    /// Unified, production.
    UnifiedProduction,
    /// A kind that is not known.
    Other,
}

impl Kind {
    /// By `linkedAppMetadata` and the environment's own kind (rules of d365bap.tools).
    fn of(environment: &Environment) -> Self {
        let Some(app) = &environment.finance_operations else {
            return Self::None;
        };
        let sku = environment.sku.as_deref().unwrap_or_default();
        let url = app.url.as_deref().unwrap_or_default().to_ascii_lowercase();
        let is_hosted = url.contains("axcloud") || url.contains("cloudax");
        match (app.kind.as_deref().unwrap_or_default(), sku) {
            ("Linked", _) if is_hosted => Self::CloudHosted,
            ("Linked", "Production") => Self::LcsProduction,
            ("Linked", _) => Self::LcsSandbox,
            ("Internal", "Developer") => Self::UnifiedDeveloper,
            ("Internal", "Sandbox") => Self::UnifiedSandbox,
            ("Internal", "Production") => Self::UnifiedProduction,
            _ => Self::Other,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::None => "none is linked",
            Self::LcsSandbox => "a sandbox that LCS manages",
            Self::LcsProduction => "a production environment that LCS manages",
            Self::CloudHosted => "a cloud-hosted development machine",
            Self::UnifiedDeveloper => "unified, for developers",
            Self::UnifiedSandbox => "a unified sandbox",
            Self::UnifiedProduction => "unified production",
            Self::Other => "of a kind that is not known",
        }
    }
}

/// The pairs that Microsoft supports: into unified environments as its table has it (*Copy an LCS
/// environment to a unified environment*), within LCS by a refresh (*Database movement operations*).
const SUPPORTED: [(Kind, Kind); 9] = [
    (Kind::None, Kind::None),
    (Kind::LcsSandbox, Kind::UnifiedDeveloper),
    (Kind::LcsProduction, Kind::UnifiedDeveloper),
    (Kind::LcsSandbox, Kind::UnifiedSandbox),
    (Kind::UnifiedSandbox, Kind::UnifiedDeveloper),
    (Kind::UnifiedProduction, Kind::UnifiedDeveloper),
    (Kind::UnifiedProduction, Kind::UnifiedSandbox),
    (Kind::LcsSandbox, Kind::LcsSandbox),
    (Kind::LcsProduction, Kind::LcsSandbox),
];

/// Whether the data of one kind can come onto another; none where no page says so.
fn is_supported(source: Kind, target: Kind) -> Option<bool> {
    if SUPPORTED.contains(&(source, target)) {
        return Some(true);
    }
    let is_unified = matches!(
        target,
        Kind::UnifiedDeveloper | Kind::UnifiedSandbox | Kind::UnifiedProduction
    );
    let is_refused = match source {
        Kind::CloudHosted => is_unified,
        Kind::UnifiedDeveloper => target == Kind::UnifiedSandbox,
        _ => false,
    };
    // Nothing is copied or refreshed into production.
    let is_production = matches!(target, Kind::UnifiedProduction | Kind::LcsProduction);
    (is_refused || is_production).then_some(false)
}

/// Asks what the runbook and both descriptions tell, then, where LCS manages the target, LCS itself.
pub(super) async fn ask(refresh: &Refresh) -> Result<Vec<Finding>, Failure> {
    let (source, target) = (&refresh.source_environment, &refresh.target_environment);
    let mut findings = vec![
        pair(Kind::of(source), Kind::of(target)),
        section(
            is_linked(refresh),
            refresh.runbook.lcs.is_some(),
            is_guided(refresh),
        ),
    ];
    if !is_linked(refresh) {
        return Ok(findings);
    }
    let options = &refresh.runbook.steps.copy_environments.options;
    findings.push(transactions(options.transactionless.value));
    findings.push(stays_let_in(refresh).await?);
    let (Some(lcs), Some(pair)) = (&refresh.lcs, &refresh.runbook.lcs) else {
        return Ok(findings);
    };
    findings.push(ids(&pair.value, source, target));
    findings.extend(lifecycle_services(refresh, lcs, &pair.value).await?);
    Ok(findings)
}

fn pair(source: Kind, target: Kind) -> Finding {
    let probe = Probe::new(
        "the source's Finance and Operations can come onto the target's",
        "Microsoft does not support this pair: choose another; for what is not known, look at \
         'Copy an LCS environment to a unified environment'",
    );
    let read = format!("source: {}; target: {}", source.word(), target.word());
    match is_supported(source, target) {
        Some(good) => probe.judged(good, read),
        None => probe.unknown(read),
    }
}

fn section(is_linked: bool, has_section: bool, is_guided: bool) -> Finding {
    let probe = Probe::new(
        "the runbook says who manages the target's database",
        if is_linked {
            "write an `lcs` section with project, source and target; or `finops: guided`, and a \
             person refreshes it in LCS"
        } else {
            "leave out `lcs` and `finops: guided`: one copy carries both halves of this target"
        },
    )
    .wrong();
    let read = match (is_linked, has_section, is_guided) {
        (true, _, true) => "LCS does, and a person refreshes it",
        (true, true, false) => "LCS does, and the runbook has an `lcs` section",
        (true, false, false) => "LCS does, and the runbook has no `lcs` section",
        (false, true, _) => "the Power Platform does, and the runbook has an `lcs` section",
        (false, false, true) => "the Power Platform does, and the runbook says `finops: guided`",
        (false, false, false) => "the Power Platform does",
    };
    let good = is_linked == (has_section || is_guided);
    probe.judged(good, read)
}

/// Only the copy of a unified environment can leave the transactions behind (Microsoft Learn, *Copy an
/// environment*, transaction-less copy); a refresh in LCS brings the whole database.
fn transactions(left_behind: bool) -> Finding {
    let probe = Probe::new(
        "both halves bring the same transactions",
        "write `transactionless: false`: a refresh in LCS brings every transaction",
    );
    let read = if left_behind {
        "the runbook says `transactionless: true`, and LCS knows no such refresh"
    } else {
        "all of them"
    };
    probe.wrong().judged(!left_behind, read)
}

/// The ids of the runbook are those that both environments are linked to.
fn ids(pair: &runbook::Lcs, source: &Environment, target: &Environment) -> Finding {
    let probe = Probe::new(
        "the LCS environments of the runbook are those of the pair",
        "write the ids under `lcs` that the environments are linked to: a refresh of another \
         environment cannot be undone",
    )
    .wrong();
    // Some tenants write GUIDs with hyphens, some without.
    let bare = |id: &str| id.replace('-', "").to_ascii_lowercase();
    let mut bad = Vec::new();
    let mut untold = Vec::new();
    for (side, written, environment) in [
        ("source", &pair.source.value, source),
        ("target", &pair.target.value, target),
    ] {
        let app = environment.finance_operations.as_ref();
        match app.and_then(|app| app.id.as_deref()) {
            Some(id) if bare(id) == bare(written) => {}
            Some(id) => bad.push(format!("{side}: {written} is written, {id} is linked")),
            None => untold.push(format!("{side}: its description tells no id")),
        }
    }
    if bad.is_empty() {
        probe.unless_any(&untold, "both are")
    } else {
        probe.none_of(&bad, "both are")
    }
}

/// Will the program still be let in after the refresh, which brings the source's registrations and
/// leaves only `Admin` and `DBMovementAPI` enabled?
async fn stays_let_in(refresh: &Refresh) -> Result<Finding, Failure> {
    let probe = Probe::new(
        "Finance and Operations of the target lets the program in after the refresh",
        "in the source, register the application as user Admin, or create the user DBMovementAPI with \
         its roles and register it as that; otherwise step 1 waits for a person to let it in again",
    );
    let (Some(source), Some(application)) = (&refresh.source_finance, &refresh.application) else {
        let read = "not asked: it signs in as no application, or the source has none";
        return Ok(probe.unknown(read));
    };
    let rows = match source.list("SysAADClients", &Query::new()).await {
        Ok(rows) => rows,
        Err(error) => return Ok(probe.settle(kept(Err(error.into()))?)),
    };
    let text = |row: &crate::clients::Row, field: &str| {
        let found = row
            .value
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(field));
        found.and_then(|(_, value)| value.as_str().map(str::to_owned))
    };
    let user = rows
        .iter()
        .find(|row| text(row, "AADClientId").is_some_and(|id| id.eq_ignore_ascii_case(application)))
        .and_then(|row| text(row, "UserId"));
    Ok(match user {
        Some(user) if is_kept(&user) => probe.pass(format!("in the source it enters as '{user}'")),
        Some(user) => probe.unknown(format!(
            "in the source it enters as '{user}', whom the refresh disables"
        )),
        None => probe.unknown("in the source it is not registered"),
    })
}

fn is_kept(user: &str) -> bool {
    ["Admin", "DBMovementAPI"]
        .iter()
        .any(|kept| kept.eq_ignore_ascii_case(user))
}

/// What Lifecycle Services tell: both environments, and the target's history.
async fn lifecycle_services(
    refresh: &Refresh,
    lcs: &Lcs,
    pair: &runbook::Lcs,
) -> Result<Vec<Finding>, Failure> {
    let access = Probe::new(
        "LCS lets the caller see both environments",
        "LCS takes a person's token only, never an application's: write one for `lcs` under \
         `identity`, of a project owner or environment manager who has accepted the invitation; or \
         `finops: guided`",
    )
    .not_allowed();
    let mut sides = Vec::new();
    for id in [&pair.source.value, &pair.target.value] {
        match lcs.environment(id).await {
            Ok(Some(environment)) => sides.push(environment),
            Ok(None) => {
                let read = format!("project {} has no environment {id}", pair.project.value);
                return Ok(vec![access.fail(read)]);
            }
            Err(error) => return unreadable(refresh, &access, error),
        }
    }
    let history = match lcs.history(&pair.target.value, None).await {
        Ok(history) => history,
        Err(error) => return unreadable(refresh, &access, error),
    };
    let [source, target] = [&sides[0], &sides[1]];
    let mut findings = vec![access.pass(format!("{} and {}", name(source), name(target)))];
    findings.extend(judged(source, target));
    let guided = is_guided(refresh);
    findings.extend(history_judged(&history, lcs.time(), guided));
    findings.push(version(lcs.end_of_life()));
    Ok(findings)
}

/// A person who refreshes by hand needs no access for the program.
fn unreadable(refresh: &Refresh, access: &Probe, error: Error) -> Result<Vec<Finding>, Failure> {
    if error.kind == ErrorKind::Cancelled {
        return Err(error.into());
    }
    let refused = access.refused(&error);
    Ok(vec![
        if is_guided(refresh) && refused.verdict == Verdict::Fail {
            access.unknown(error.to_string())
        } else {
            refused
        },
    ])
}

fn name(environment: &LcsEnvironment) -> String {
    format!(
        "'{}'",
        environment.name.as_deref().unwrap_or(&environment.id)
    )
}

/// Judges what Lifecycle Services tell of both environments (Microsoft Learn, *Refresh database*).
fn judged(source: &LcsEnvironment, target: &LcsEnvironment) -> Vec<Finding> {
    let both = |of: fn(&LcsEnvironment) -> &Option<String>| {
        let shown = |side| of(side).clone().unwrap_or_else(|| "not told".to_owned());
        format!("source {}, target {}", shown(source), shown(target))
    };
    let equal = |probe: Probe, of: fn(&LcsEnvironment) -> &Option<String>| {
        if of(source).is_none() || of(target).is_none() {
            return probe.unknown(both(of));
        }
        probe.judged(of(source) == of(target), both(of))
    };
    let is = |told: &Option<String>, word: &str| {
        told.as_deref()
            .is_some_and(|told| told.eq_ignore_ascii_case(word))
    };
    vec![
        equal(
            Probe::new(
                "both run the same release of the application",
                "bring both to one release first: a refresh needs equal ones",
            ),
            |side| &side.release,
        ),
        equal(
            Probe::new(
                "the databases are in one geography",
                "a refresh stays within a geography: choose another pair",
            ),
            |side| &side.location,
        ),
        Probe::new(
            "the target is no production environment in LCS",
            "nothing is refreshed into production: choose another target",
        )
        .judged(
            !is(&target.kind, "Production"),
            target.kind.clone().unwrap_or_else(|| "not told".to_owned()),
        ),
        Probe::new(
            "the target is deployed, and not in maintenance",
            "look at the environment's page in LCS; wait, or end what runs there",
        )
        .judged(
            is(&target.status, "Deployed"),
            target
                .status
                .clone()
                .unwrap_or_else(|| "not told".to_owned()),
        ),
    ]
}

/// Judges the target's history: nothing running, and a trigger left of the day's.
fn history_judged(
    history: &[HistoryEntry],
    now: Option<jiff::Timestamp>,
    is_guided: bool,
) -> Vec<Finding> {
    let idle = Probe::new(
        "no operation is running on the target in LCS",
        "somebody has begun it by hand, or a call whose answer was lost has; wait for its end, then \
         run again",
    );
    let running = running(history);
    let mut findings = vec![idle.judged(
        running.is_none(),
        running.map_or_else(|| "none".to_owned(), described),
    )];
    // What people start is not refused by the quota.
    if !is_guided {
        let left = Probe::new(
            "the quota of database movements leaves one for the refresh",
            "run again then; what people start in LCS counts as well",
        )
        .temporary();
        findings.push(match now {
            None => left.unknown("LCS told no time of its own"),
            Some(now) => match Spent::of(history, now) {
                None => left.pass("it does"),
                Some(spent) => left.fail(spent.explained()),
            },
        });
    }
    findings
}

fn version(end_of_life: Option<String>) -> Finding {
    let probe = Probe::new(
        "the version of the LCS API that is spoken has no end yet",
        "a newer version of this program may be needed by then",
    );
    match end_of_life {
        None => probe.pass("none is announced"),
        Some(end) => probe.unknown(format!("it ends {end}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Verdict;
    use crate::engine::FailureKind;
    use serde_json::{Value, json};

    fn environment(sku: &str, kind: &str, url: &str) -> Environment {
        let raw = json!({"name": "e", "properties": {"environmentSku": sku,
            "linkedAppMetadata": {"type": kind, "url": url, "id": "AB-cd"}}});
        Environment::from_value(raw).unwrap()
    }

    #[test]
    fn kinds_are_told_by_link_and_address() {
        let of = |sku, kind, url| Kind::of(&environment(sku, kind, url));
        let sandbox = "https://a.sandbox.operations.dynamics.com/";
        assert_eq!(of("Sandbox", "Linked", sandbox), Kind::LcsSandbox);
        assert_eq!(
            of("Production", "Linked", "https://a.operations.dynamics.com/"),
            Kind::LcsProduction
        );
        assert_eq!(
            of("Sandbox", "Linked", "https://a.axcloud.dynamics.com/"),
            Kind::CloudHosted
        );
        assert_eq!(of("Developer", "Internal", ""), Kind::UnifiedDeveloper);
        assert_eq!(of("Sandbox", "New", ""), Kind::Other);
    }

    #[test]
    fn pitfall_17_a_refresh_in_lcs_leaves_no_transactions_behind() {
        assert_eq!(transactions(false).verdict, Verdict::Pass);
        let finding = transactions(true);
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.remedy.unwrap().contains("`transactionless: false`"));
    }

    #[test]
    fn the_table_of_pairs_is_microsofts() {
        for (source, target) in [
            (Kind::CloudHosted, Kind::UnifiedSandbox),
            (Kind::CloudHosted, Kind::UnifiedDeveloper),
            (Kind::UnifiedDeveloper, Kind::UnifiedSandbox),
            (Kind::UnifiedDeveloper, Kind::UnifiedProduction),
            (Kind::UnifiedSandbox, Kind::UnifiedProduction),
            (Kind::LcsSandbox, Kind::LcsProduction),
        ] {
            let answer = is_supported(source, target);
            assert_eq!(answer, Some(false), "{source:?} {target:?}");
        }
        let of = |source, target| is_supported(source, target);
        assert_eq!(of(Kind::LcsProduction, Kind::LcsSandbox), Some(true));
        assert_eq!(
            of(Kind::UnifiedProduction, Kind::UnifiedSandbox),
            Some(true)
        );
        for (source, target) in [
            (Kind::None, Kind::LcsSandbox),
            (Kind::UnifiedSandbox, Kind::UnifiedSandbox),
            (Kind::LcsProduction, Kind::UnifiedSandbox),
            (Kind::Other, Kind::UnifiedSandbox),
        ] {
            assert_eq!(of(source, target), None, "{source:?} {target:?}");
        }
    }

    #[test]
    fn runbook_and_link_must_say_the_same() {
        let of = |linked, section_there, guided| section(linked, section_there, guided).verdict;
        assert_eq!(of(true, true, false), Verdict::Pass);
        assert_eq!(of(true, false, true), Verdict::Pass);
        assert_eq!(of(false, false, false), Verdict::Pass);
        for wrong in [
            (true, false, false),
            (false, true, false),
            (false, false, true),
        ] {
            let (linked, section_there, guided) = wrong;
            let finding = section(linked, section_there, guided);
            assert_eq!(finding.verdict, Verdict::Fail, "{wrong:?}");
            assert_eq!(finding.kind, FailureKind::Wrong);
        }
    }

    fn side(changed: &[(&str, Value)]) -> LcsEnvironment {
        let mut side = LcsEnvironment {
            id: "e".to_owned(),
            name: None,
            kind: Some("Sandbox".to_owned()),
            infrastructure: None,
            release: Some("10.0.44".to_owned()),
            location: Some("East US".to_owned()),
            status: Some("Deployed".to_owned()),
            url: None,
            raw: Value::Null,
        };
        for (field, value) in changed {
            let value = value.as_str().map(str::to_owned);
            match *field {
                "release" => side.release = value,
                "location" => side.location = value,
                "kind" => side.kind = value,
                _ => side.status = value,
            }
        }
        side
    }

    /// A refresh needs equal releases, and one geography.
    #[test]
    fn pitfall_19_releases_and_geographies_are_compared() {
        let failed = |changed: &[(&str, Value)]| -> Vec<String> {
            let findings = judged(&side(&[]), &side(changed));
            let failed = findings.into_iter().filter(|f| f.verdict == Verdict::Fail);
            failed.map(|finding| finding.probe).collect()
        };
        assert!(failed(&[]).is_empty());
        for (field, value, expected) in [
            ("release", "10.0.43", "same release"),
            ("location", "West Europe", "one geography"),
            ("kind", "Production", "production"),
            ("status", "In Maintenance", "maintenance"),
        ] {
            let failed = failed(&[(field, json!(value))]);
            assert!(
                failed.len() == 1 && failed[0].contains(expected),
                "{failed:?}"
            );
        }
    }
}
