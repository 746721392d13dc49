//! Suggestions for a name that does not exist: also for a runbook's file.

use std::path::Path;

use crate::base::files;
use crate::base::shell::quote_argument;
use crate::base::suggestions::nearest;

pub(super) use crate::base::suggestions::advice;

/// How many files of a folder are looked at.
const FILES: usize = 500;

/// The runbook that was probably meant by the path of a file that does not exist: a file in the same
/// folder, as an argument.
pub(super) fn runbook_like(path: &Path) -> Option<String> {
    let given = path.file_name()?.to_str()?;
    let entries = std::fs::read_dir(files::parent_folder(path)).ok()?;
    let names = entries.take(FILES).filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        let is_runbook = [".yaml", ".yml", ".json"]
            .iter()
            .any(|end| name.to_ascii_lowercase().ends_with(end));
        is_runbook.then_some(name)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    let name = nearest(given, names.iter().map(String::as_str))?;
    Some(quote_argument(
        &path.with_file_name(name).display().to_string(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runbook_of_the_same_folder_is_suggested() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["uat.yaml", "uat.iomcopy.jsonl", "notes.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let meant = runbook_like(&folder.path().join("uta.yaml")).unwrap();
        assert!(meant.contains("uat.yaml"), "{meant}");
        assert_eq!(runbook_like(&folder.path().join("production.yaml")), None);
        assert_eq!(runbook_like(&folder.path().join("gone/uat.yaml")), None);
    }
}
