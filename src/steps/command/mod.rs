//! The custom step `command`: runs a program if a check says that it is needed.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `run` | the check, a program of the customer's: exit code 0 means that nothing is left to do, 1 that the program is needed | runs the program, then reads the check again |
//!
//! A dry run runs neither: the plan shows that the program may run. A check that cannot run, or ends
//! in another way, leaves it unknown whether the program is needed, and the step stops.
//!
//! The output of a program is kept next to the state file, without secrets; its exit code is in the
//! journal. A program outlives a process of the run that is killed: it holds a lock, and the next
//! process waits until it has ended before it runs the check. It writes to files without names, not
//! to pipes, which would stop it.
//!
//! ```text
//! environment.rs  the program's path and its variables
//! files.rs        the files and the lock of a program that outlives a process of the run
//! output.rs       the output that is kept
//! ```

mod environment;
mod files;
mod output;

use std::fs::File;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::{Value, json};

use self::files::StepFiles;
use super::CustomStepRunner;
use crate::base::program::{OutputFiles, Program, ProgramOutput, last_lines};
use crate::base::redaction::redact;
use crate::base::sync::lock;
use crate::base::text::duration;
use crate::domain::custom_steps;
use crate::domain::failure::unless_interrupted;
use crate::domain::verdict::Answer;
use crate::domain::{RefreshContext, keys};
use crate::engine::{
    Action, Change, Failure, JournalView, Phase, Reading, Set, Survey, WriteError, Written,
};
use crate::runbook::{Command, CustomStep, Located};

/// The phase in which the program runs.
const RUN: &str = "run";
/// How long the program may run if the runbook sets no limit.
const TIMEOUT: Duration = Duration::from_mins(30);
/// How long the check may run if the runbook sets no limit.
const CHECK_TIMEOUT: Duration = Duration::from_mins(2);

/// One step of this kind.
#[derive(Clone)]
struct RunCommand {
    refresh: Arc<RefreshContext>,
    step: CustomStep,
    options: Command,
}

/// What the program does for a step.
pub(super) fn runner(
    refresh: &Arc<RefreshContext>,
    step: &CustomStep,
    options: &Command,
) -> Box<dyn CustomStepRunner> {
    Box::new(RunCommand {
        refresh: Arc::clone(refresh),
        step: step.clone(),
        options: options.clone(),
    })
}

#[async_trait]
impl CustomStepRunner for RunCommand {
    fn phases(&self) -> Vec<Phase> {
        vec![Phase::changes(RUN, self.clone())]
    }

    async fn forecast(&self) -> Result<Answer, Failure> {
        custom_steps::forecast(self.try_out().await)
    }

    fn unknown_in_plan(&self, _is_forecast: bool) -> Option<String> {
        Some("a plan does not start programs, so its check runs only in the run".to_owned())
    }

    async fn verify(&self, journal: Option<&JournalView>) -> Result<Option<Answer>, Failure> {
        let journal = journal.cloned().unwrap_or_else(JournalView::empty);
        if self.files(&journal).is_some_and(|files| files.is_held()) {
            let found = format!("{} still runs", self.command_line());
            return Ok(Some(Answer::Unknown(found)));
        }
        let is_needed = unless_interrupted(self.is_needed(&journal).await)?;
        Ok(Some(match is_needed {
            Ok(false) => Answer::Pass("its check says that there is nothing to do".to_owned()),
            Ok(true) => Answer::Fail(format!(
                "its check says that {} is needed",
                self.command_line()
            )),
            Err(failure) => Answer::Unknown(failure.message),
        }))
    }
}

#[async_trait]
impl Survey for RunCommand {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let is_needed = if journal.is_planning() {
            !journal.has_phase_ended(&self.step.name, RUN)
        } else {
            // While the program still runs, the check proves nothing.
            if let Some(files) = self.files(journal) {
                files.wait_for_earlier(self.limit()).await?;
            }
            self.is_needed(journal).await?
        };
        Ok(is_needed
            .then(|| self.change(journal))
            .into_iter()
            .collect())
    }
}

impl RunCommand {
    /// Finds the programs and their variables, and starts neither.
    async fn try_out(&self) -> Result<String, Failure> {
        self.require_programs()?;
        self.variables(&JournalView::empty()).await?;
        Ok(format!(
            "{} can be started where its check says that it is needed; neither runs before",
            self.command_line()
        ))
    }

    /// The program and its arguments.
    fn arguments(&self) -> Vec<&str> {
        self.options.run.iter().map(|word| word.as_str()).collect()
    }

    /// The same, as they may be shown.
    fn command_line(&self) -> String {
        format!("`{}`", redact(&self.arguments().join(" ")))
    }

    fn change(&self, journal: &JournalView) -> Change {
        let words = self.arguments();
        let state = |needed: bool| json!({ "needed": needed, "run": words });
        let condition = if journal.is_planning() {
            ", if its check says that it is needed"
        } else {
            ""
        };
        Change {
            key: keys::own_command(&self.step.name),
            name: format!("run {}{condition}", self.command_line()),
            before: state(true).into(),
            after: state(false).into(),
            follows: Vec::new(),
            action: Action::Set(Arc::new(Needed {
                command: self.clone(),
                journal: journal.clone(),
                after: state(false),
                before: state(true),
                report: Mutex::default(),
            })),
        }
    }

    /// Runs the check. An answer other than yes or no is a failure.
    async fn is_needed(&self, journal: &JournalView) -> Result<bool, Failure> {
        let limit = self
            .options
            .check_timeout
            .map_or(CHECK_TIMEOUT, Duration::from_secs);
        let unknown = |why: String| {
            Failure::failed(format!(
                "the check of the step cannot say whether {} is needed: {why}",
                self.command_line()
            ))
            .with_help(
                "run the check yourself: exit code 0 means that nothing is left to do, 1 that the \
                 program is needed",
            )
            .permanent()
        };
        let output = self
            .start(&self.options.check, journal, (None, None), limit)
            .await?;
        match output.status.and_then(|status| status.code()) {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            _ => Err(unknown(how_it_ended(&output, limit))),
        }
    }

    /// How long the program may run.
    fn limit(&self) -> Duration {
        self.step.common.timeout.unwrap_or(TIMEOUT)
    }

    /// The files of the step; none without a state file.
    fn files(&self, journal: &JournalView) -> Option<StepFiles> {
        let state = journal.state_file()?;
        Some(StepFiles::of_step(state, &self.step.name))
    }

    /// Runs one of the two programs to its end or its limit. `input` is what it reads, `output` is
    /// where it writes.
    async fn start(
        &self,
        words: &[Located<String>],
        journal: &JournalView,
        (input, output): (Option<File>, Option<OutputFiles>),
        limit: Duration,
    ) -> Result<ProgramOutput, Failure> {
        let (program, arguments) = self.resolve(words)?;
        let folder = self.refresh.runbook.folder();
        let output = Program {
            program: program.as_os_str(),
            arguments: arguments.iter().map(AsRef::as_ref).collect(),
            variables: self.variables(journal).await?,
            inherits_variables: false,
            folder: (!folder.as_os_str().is_empty()).then_some(folder),
            input,
            output,
            limit,
        }
        .run()
        .await;
        output.map_err(|error| {
            let message = format!("'{}' cannot be started: {error}", program.display());
            self.invalid_program(words, &message)
        })
    }

    /// Runs the program, records how it ended, and fails unless it ended with 0.
    async fn run(&self, journal: &JournalView) -> Result<Value, Failure> {
        let limit = self.limit();
        let files = self.files(journal);
        let was_started = files.as_ref().is_some_and(|files| files.lock.exists());
        let lock = match &files {
            Some(files) => Some(files.wait_for_lock(limit).await?),
            None => None,
        };
        // The program of a process that was killed may have done it in the meantime.
        if was_started && !self.is_needed(journal).await? {
            if let Some(files) = &files {
                files.remove_lock();
            }
            return Ok(json!({ "done-by": "the program of an earlier process" }));
        }
        let written = files.as_ref().map(StepFiles::create_outputs).transpose()?;
        let began = Instant::now();
        let output = self
            .start(&self.options.run, journal, (lock, written), limit)
            .await?;
        let seconds = began.elapsed().as_secs();
        let code = output.status.and_then(|status| status.code());
        let kept = files.as_ref().map(|files| &files.output);
        if let Some(path) = kept {
            output::keep(path, &self.command_line(), &output, seconds)?;
        }
        if let Some(files) = &files {
            files.remove_lock();
        }
        let report = json!({
            "exit-code": code,
            "seconds": seconds,
            "output": kept.map(|path| path.display().to_string()),
            "last-lines": redact(&last_lines(&output.stdout)),
        });
        if code == Some(0) {
            return Ok(report);
        }
        let failure = Failure::failed(how_it_ended(&output, limit));
        let advice = match kept {
            Some(path) => format!(
                "its output is in {}; correct the problem, then run again",
                path.display()
            ),
            None => "correct the problem, then run again".to_owned(),
        };
        Err(failure.with_help(advice).permanent())
    }
}

/// How a program ended that did not do what it should, and what it said last.
fn how_it_ended(output: &ProgramOutput, limit: Duration) -> String {
    let said = said(output);
    match output.status {
        None => format!(
            "it was still running after {} and was stopped{said}",
            duration(limit)
        ),
        Some(status) => format!("it ended with {status}{said}"),
    }
}

/// The last lines of what a program wrote, as a part of a message.
fn said(output: &ProgramOutput) -> String {
    let stderr = last_lines(&output.stderr);
    let text = if stderr.is_empty() {
        last_lines(&output.stdout)
    } else {
        stderr
    };
    if text.is_empty() {
        String::new()
    } else {
        format!(": {}", redact(&text))
    }
}

/// The check as a set: what the program leaves is that it is not needed.
struct Needed {
    command: RunCommand,
    journal: JournalView,
    before: Value,
    after: Value,
    /// How the program ended.
    report: Mutex<Option<Value>>,
}

#[async_trait]
impl Set for Needed {
    async fn read(&self) -> Result<Reading, Failure> {
        let is_needed = self.command.is_needed(&self.journal).await?;
        let value = if is_needed { &self.before } else { &self.after };
        Ok(Reading::of(value.clone()))
    }

    async fn write(&self, _reading: &Reading) -> Result<Written, WriteError> {
        let report = self.command.run(&self.journal).await;
        *lock(&self.report) = Some(report.map_err(WriteError::Refused)?);
        Ok(Written::default())
    }

    fn report(&self) -> Option<Value> {
        lock(&self.report).clone()
    }

    /// The check answers for the tenant as it is: nobody types its answer.
    fn only_people_write(&self, _member: &str) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(stdout: &str, stderr: &str) -> ProgramOutput {
        ProgramOutput {
            status: None,
            stdout: stdout.as_bytes().to_vec(),
            stderr: stderr.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_message_has_the_last_lines_of_what_a_program_wrote() {
        assert_eq!(said(&output("", "")), "");
        assert_eq!(said(&output("done\n", "")), ": done");
        assert_eq!(said(&output("done\n", "one\n\ntwo\n")), ": one two");
    }
}
