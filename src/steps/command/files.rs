//! The files and the lock of a program that outlives a process of the run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::base::platform;
use crate::base::program::OutputFiles;
use crate::engine::Failure;

/// How often the lock of a program of an earlier process is tried.
const LOCK_INTERVAL: Duration = Duration::from_millis(200);

/// The files of a step beside the state file.
pub(super) struct StepFiles {
    /// What the program wrote.
    pub(super) output: PathBuf,
    /// Held by the program, and by what it starts, as its standard input.
    pub(super) lock: PathBuf,
}

impl StepFiles {
    pub(super) fn of_step(state_file: &Path, step: &str) -> Self {
        let state = state_file.with_extension("");
        let beside = |name: String| {
            let mut path = state.as_os_str().to_owned();
            path.push(name);
            PathBuf::from(path)
        };
        Self {
            output: beside(format!(".{step}.output.txt")),
            // A step may have any name, also one that would make this the state file's own lock.
            lock: beside(format!(".step-{step}.lock")),
        }
    }

    /// Files for what the program writes. They have no names, because it may write a secret.
    pub(super) fn create_outputs(&self) -> Result<OutputFiles, Failure> {
        let create = |stream: &str| {
            let path = self.lock.with_extension(stream);
            // A process that was killed may have left its name.
            drop(std::fs::remove_file(&path));
            platform::create_unnamed(&path).map_err(|error| {
                let path = path.display();
                let message = format!("the file {path} cannot be created: {error}");
                Failure::failed(message).permanent()
            })
        };
        Ok(OutputFiles {
            stdout: create("stdout")?,
            stderr: create("stderr")?,
        })
    }

    /// Does a program hold the lock?
    pub(super) fn is_held(&self) -> bool {
        platform::is_locked(&self.lock).unwrap_or(false)
    }

    /// Waits until the program of an earlier process has ended, if there is one.
    pub(super) async fn wait_for_earlier(&self, limit: Duration) -> Result<(), Failure> {
        if self.lock.exists() {
            platform::release_lock(&self.wait_for_lock(limit).await?);
            self.remove_lock();
        }
        Ok(())
    }

    /// Waits until no program of an earlier process runs.
    pub(super) async fn wait_for_lock(&self, limit: Duration) -> Result<File, Failure> {
        let began = Instant::now();
        loop {
            match platform::take_lock_of_programs(&self.lock) {
                Ok(Some(file)) => return Ok(file),
                Ok(None) if began.elapsed() < limit => tokio::time::sleep(LOCK_INTERVAL).await,
                Ok(None) => {
                    let message = "the program of an earlier process of this run still runs";
                    let help = "wait for its end or stop it, then run again";
                    return Err(Failure::temporary(message).with_help(help));
                }
                Err(error) => {
                    let path = self.lock.display();
                    let message = format!("the lock file {path} cannot be opened: {error}");
                    return Err(Failure::failed(message).permanent());
                }
            }
        }
    }

    /// The program has ended, and no other process of the run waits for it.
    pub(super) fn remove_lock(&self) {
        // A file that stays does no harm.
        drop(std::fs::remove_file(&self.lock));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::platform::LockFile;
    use crate::engine::FailureKind;

    #[test]
    fn the_files_of_a_step_are_never_those_of_the_run() {
        for name in ["jsonl", "prepare"] {
            let files = StepFiles::of_step(Path::new("uat.iomcopy.jsonl"), name);
            for path in [&files.lock, &files.output] {
                let path = path.display().to_string();
                let others = ["uat.iomcopy.jsonl", "uat.iomcopy.jsonl.lock"];
                assert!(!others.contains(&path.as_str()), "{path}");
                assert!(path.contains(name), "{path}");
            }
        }
    }

    /// While a program still runs, the check proves nothing.
    #[tokio::test]
    async fn the_program_of_an_earlier_process_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let files = StepFiles::of_step(&folder.path().join("uat.iomcopy.jsonl"), "prepare");
        assert!(files.wait_for_earlier(Duration::ZERO).await.is_ok());
        assert!(!files.is_held() && !files.lock.exists());
        let held = LockFile::take(&files.lock).unwrap().unwrap();
        assert!(files.is_held());
        let failure = files.wait_for_earlier(Duration::ZERO).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Temporary, "{failure}");
        drop(held);
        assert!(files.wait_for_earlier(Duration::ZERO).await.is_ok());
        assert!(!files.lock.exists());
    }
}
