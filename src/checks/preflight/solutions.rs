//! IOM's solutions and tables: versions that differ, a known defect, rows without versions.

use std::collections::BTreeMap;

use crate::base::text::count;
use crate::checks::finding::{Finding, Probe};
use crate::checks::reading::{Reading, Rows, kept, rows, told};
use crate::domain::Refresh;
use crate::domain::names::{Fields, Names, text};
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::IomTable;
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

/// Judges both environments' solutions and the source's metadata.
pub(super) async fn ask(refresh: &Refresh) -> Result<Vec<Finding>, Failure> {
    let source = rows(View::Target(&refresh.source), "solution").await?;
    let target = rows(View::Target(&refresh.target), "solution").await?;
    let source = versions(&source);
    let target = versions(&target);
    let same = Probe::new(
        "both environments have the same versions of IOM's solutions",
        "after the copy the target has the source's: update the older environment first where that \
         is not what is wanted",
    );
    let duplicates = Probe::new(
        format!("IOM finds duplicate provider actions (version {FINDS_DUPLICATES} or later)"),
        "update Intelligent Order Management in the source, or delete leftover provider actions \
         before a provider is activated: earlier versions fail on a database constraint",
    );
    let etags = Probe::new(
        "rows of IOM's tables have versions",
        "let nobody edit orchestrations and providers of the target during the run: an edit made \
         between reading and writing is seen only in the fields that are compared",
    );
    let tables = tables(refresh).await?;
    Ok(vec![
        same.settle(
            told(&source).and_then(|source| Ok(differences(&same, source, told(&target)?))),
        ),
        duplicates.settle(told(&source).map(|source| newest(&duplicates, source))),
        etags.settle(tables.map(|tables| versioned(&etags, &tables))),
    ])
}

/// The version of each solution, by unique name.
type Versions = BTreeMap<String, String>;

fn versions(rows: &Reading<Rows>) -> Reading<Versions> {
    let rows = told(rows)?;
    let of = |row: &Fields| Some((text(row, "uniquename")?, text(row, "version")?));
    Ok(rows
        .values()
        .filter(|row| is_iom_solution(row))
        .filter_map(of)
        .collect())
}

fn differences(probe: &Probe, source: &Versions, target: &Versions) -> Finding {
    if source.is_empty() {
        return probe.unknown("no solution of the source is known as IOM's");
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
    probe.unless_any(&other, &count(source.len(), "solution"))
}

/// A version's numbers, to be compared; leading zeros do not count.
fn parts(version: &str) -> Option<Vec<u64>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}

fn newest(probe: &Probe, source: &Versions) -> Finding {
    let newest = source
        .iter()
        .filter_map(|(name, version)| Some((parts(version)?, name, version)))
        .max();
    let Some((found, name, version)) = newest else {
        return probe.unknown("no solution of the source is known as IOM's");
    };
    let read = format!("{name} {version}");
    if parts(FINDS_DUPLICATES).is_some_and(|first| found >= first) {
        probe.pass(read)
    } else {
        probe.unknown(read)
    }
}

async fn tables(refresh: &Refresh) -> Result<Reading<Vec<(String, bool)>>, Failure> {
    let mut found = Vec::new();
    for table in EDITED {
        let name = Names::of(refresh).table(table);
        match kept(refresh.source.table(name).await.map_err(Failure::from))? {
            Ok(Some(table)) => found.push((name.to_owned(), table.optimistic_concurrency)),
            Ok(None) => {}
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(Ok(found))
}

fn versioned(probe: &Probe, tables: &[(String, bool)]) -> Finding {
    let without: Vec<String> = tables
        .iter()
        .filter(|(_, versioned)| !versioned)
        .map(|(name, _)| name.clone())
        .collect();
    probe.unless_any(&without, "all of them")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Verdict;

    fn of(version: &str) -> Versions {
        Versions::from([("msdyn_iomdesigner".to_owned(), version.to_owned())])
    }

    #[test]
    fn versions_are_compared_by_number() {
        let probe = Probe::new("same", "update");
        let judged = |source: &str, target: &str| differences(&probe, &of(source), &of(target));
        assert_eq!(judged("1.1.1", "1.1.1").verdict, Verdict::Pass);
        assert!(judged("1.1.9", "1.1.10").read.ends_with("older"));
        assert!(judged("1.1.10", "1.1.9").read.ends_with("newer"));
        let missing = differences(&probe, &of("1.1"), &Versions::new());
        assert_eq!(missing.verdict, Verdict::Unknown);
        assert!(missing.read.ends_with("target none"), "{}", missing.read);
        assert_eq!(
            differences(&probe, &Versions::new(), &of("1")).verdict,
            Verdict::Unknown
        );
    }

    #[test]
    fn an_old_version_is_warned_of() {
        let probe = Probe::new("finds duplicates", "update");
        assert_eq!(newest(&probe, &of("1.1.03322.1")).verdict, Verdict::Pass);
        assert_eq!(newest(&probe, &of("1.1.3417.4")).verdict, Verdict::Pass);
        assert_eq!(newest(&probe, &of("1.1.1.541")).verdict, Verdict::Unknown);
        assert_eq!(newest(&probe, &of("unreadable")).verdict, Verdict::Unknown);
    }

    #[test]
    fn tables_without_versions_are_named() {
        let probe = Probe::new("versions", "beware");
        let table = |versioned| [("msdyn_iomdesigner".to_owned(), versioned)];
        assert_eq!(versioned(&probe, &table(true)).verdict, Verdict::Pass);
        assert_eq!(versioned(&probe, &table(false)).read, "msdyn_iomdesigner");
    }
}
