//! IOM's solutions and tables: versions that differ, a known defect, rows without versions.

use std::collections::BTreeMap;

use tokio::try_join;

use crate::base::text::count;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{ReadResult, Rows, available, rows};
use crate::domain::RefreshContext;
use crate::domain::failure::unless_interrupted;
use crate::domain::names::{Fields, text};
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::{IomTable, StepName};
use crate::steps::reconfigure_connections::is_iom_solution;

/// The first release that finds duplicate provider actions when a provider is activated, in place
/// of failing on the database's constraint (Microsoft Learn, *What's new* in Intelligent Order
/// Management, February 2026).
const FINDS_DUPLICATES: &str = "1.1.3322.1";

/// The tables whose rows the steps edit.
const EDITED: [IomTable; 5] = [
    IomTable::Orchestration,
    IomTable::Provider,
    IomTable::ProviderParameter,
    IomTable::ProviderConnectionReference,
    IomTable::PlatformConnectionReference,
];

/// Checks both environments' solutions and the source's metadata.
pub(super) async fn run_checks(refresh: &RefreshContext) -> Result<Vec<CheckResult>, Failure> {
    let (source, target) = try_join!(
        rows(View::AsIs(&refresh.source.dataverse), "solution"),
        rows(View::AsIs(&refresh.target.dataverse), "solution"),
    )?;
    let source = versions(&source);
    let target = versions(&target);
    let same = Check::protecting(
        StepName::CopyEnvironments,
        "both environments have the same versions of IOM's solutions",
        "the versions of IOM's solutions differ between the environments",
        "after the copy the target has the source's: update the older environment first if that \
         is not wanted",
    );
    let duplicates = Check::protecting(
        StepName::ReinstallProviders,
        format!("IOM finds duplicate provider actions (version {FINDS_DUPLICATES} or later)"),
        "this version of IOM does not find duplicate provider actions",
        "update Intelligent Order Management in the source, or delete leftover provider actions \
         before a provider is activated: earlier versions fail on a database constraint",
    );
    let etags = Check::protecting(
        StepName::DetachProviderActions,
        "rows of IOM's tables have versions",
        "rows of some IOM tables have no versions",
        "let nobody edit orchestrations and providers of the target during the run: an edit made \
         between reading and writing is seen only in the fields that are compared",
    );
    let tables = tables(refresh).await?;
    Ok(vec![
        same.settle(
            available(&source)
                .and_then(|source| Ok(differences(&same, source, available(&target)?))),
        ),
        duplicates.settle(available(&source).map(|source| newest(&duplicates, source))),
        etags.settle(tables.map(|tables| versioned(&etags, &tables))),
    ])
}

/// The version of each solution, by unique name.
type Versions = BTreeMap<String, String>;

fn versions(rows: &ReadResult<Rows>) -> ReadResult<Versions> {
    let rows = available(rows)?;
    let of = |row: &Fields| Some((text(row, "uniquename")?, text(row, "version")?));
    Ok(rows
        .values()
        .filter(|row| is_iom_solution(row))
        .filter_map(of)
        .collect())
}

fn differences(check: &Check, source: &Versions, target: &Versions) -> CheckResult {
    if source.is_empty() {
        return check.unknown("no solution of the source is known as IOM's");
    }
    let other: Vec<String> = source
        .iter()
        .filter(|(name, version)| target.get(*name).is_none_or(|found| found != *version))
        .map(|(name, version)| {
            let found = target.get(name).map_or("none", String::as_str);
            let which = match (parts(version), target.get(name).and_then(|v| parts(v))) {
                (Some(source), Some(target)) if source < target => ": the source's is older",
                (Some(source), Some(target)) if source > target => ": the source's is newer",
                _ => "",
            };
            format!("{name}: source {version}, target {found}{which}")
        })
        .collect();
    check.warn_of(&other, &count(source.len(), "solution"))
}

/// A version's numbers, to be compared; leading zeros do not count.
pub(super) fn parts(version: &str) -> Option<Vec<u64>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}

fn newest(check: &Check, source: &Versions) -> CheckResult {
    let newest = source
        .iter()
        .filter_map(|(name, version)| Some((parts(version)?, name, version)))
        .max();
    let Some((found, name, version)) = newest else {
        return check.unknown("no solution of the source is known as IOM's");
    };
    let read = format!("{name} {version}");
    if parts(FINDS_DUPLICATES).is_some_and(|first| found >= first) {
        check.pass(read)
    } else {
        check.warn(read)
    }
}

async fn tables(refresh: &RefreshContext) -> Result<ReadResult<Vec<(String, bool)>>, Failure> {
    let mut found = Vec::new();
    for table in EDITED {
        let name = refresh.names.table(table);
        match unless_interrupted(
            refresh
                .source
                .dataverse
                .table(name)
                .await
                .map_err(Failure::from),
        )? {
            Ok(Some(table)) => found.push((name.to_owned(), table.optimistic_concurrency)),
            Ok(None) => {}
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(Ok(found))
}

fn versioned(check: &Check, tables: &[(String, bool)]) -> CheckResult {
    let without: Vec<String> = tables
        .iter()
        .filter(|(_, versioned)| !versioned)
        .map(|(name, _)| name.clone())
        .collect();
    check.warn_of(&without, &count(tables.len(), "table"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;

    fn of(version: &str) -> Versions {
        Versions::from([("msdyn_iomdesigner".to_owned(), version.to_owned())])
    }

    #[test]
    fn versions_are_compared_by_number() {
        let check = Check::new("same", "a problem", "update");
        let judge = |source: &str, target: &str| differences(&check, &of(source), &of(target));
        assert_eq!(judge("1.1.1", "1.1.1").verdict, Verdict::Pass);
        assert!(judge("1.1.9", "1.1.10").found.ends_with("older"));
        assert!(judge("1.1.10", "1.1.9").found.ends_with("newer"));
        let missing = differences(&check, &of("1.1"), &Versions::new());
        assert_eq!(missing.verdict, Verdict::Unknown);
        assert!(missing.found.ends_with("target none"), "{}", missing.found);
        assert_eq!(
            differences(&check, &Versions::new(), &of("1")).verdict,
            Verdict::Unknown
        );
    }

    #[test]
    fn an_old_version_is_warned_of() {
        let check = Check::new("finds duplicates", "a problem", "update");
        assert_eq!(newest(&check, &of("1.1.03322.1")).verdict, Verdict::Pass);
        assert_eq!(newest(&check, &of("1.1.3417.4")).verdict, Verdict::Pass);
        assert_eq!(newest(&check, &of("1.1.1.541")).verdict, Verdict::Unknown);
        assert_eq!(newest(&check, &of("unreadable")).verdict, Verdict::Unknown);
    }

    #[test]
    fn tables_without_versions_are_named() {
        let check = Check::new("versions", "a problem", "beware");
        let table = |versioned| [("msdyn_iomdesigner".to_owned(), versioned)];
        assert_eq!(versioned(&check, &table(true)).verdict, Verdict::Pass);
        assert_eq!(versioned(&check, &table(false)).found, "msdyn_iomdesigner");
    }
}
