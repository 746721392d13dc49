//! The command that a message suggests next.
//!
//! The command that was just run is not suggested, unless something must be done first, which the
//! message then says, or the command was stopped and continues.

use crate::base::text::escape;
use crate::engine::{OpenWorksheet, complete_command};
use crate::journal::State;

/// A command to suggest, and what comes before it.
pub struct NextCommand {
    command: String,
    before: Before,
}

/// The commands that follow a manual task. A task that the tenant shows to be done is over when the run
/// reads that; another one only once a person has completed it with a waiver.
pub struct TaskCommands {
    run: String,
    complete: String,
    needs_waiver: bool,
}

impl TaskCommands {
    /// What a person does before the run continues.
    pub const FIRST: &str = "do what the worksheet says";

    /// Takes the arguments that name the runbook and its state file; the task; and whether nothing in
    /// the tenant shows that it is done.
    pub fn new(arguments: &str, task: &str, needs_waiver: bool) -> Self {
        Self {
            run: format!("iomcopy run {arguments}"),
            complete: complete_command(arguments, &escape(task), needs_waiver),
            needs_waiver,
        }
    }

    /// The commands of the manual task that waits, the first one if there are several. Takes the
    /// arguments that name the runbook and its state file.
    pub fn of_waiting(arguments: &str, state: &State) -> Option<Self> {
        let task = state.waiting().next()?;
        let needs_waiver = OpenWorksheet::of(state, task).needs_waiver;
        Some(Self::new(arguments, &task.waiting.task, needs_waiver))
    }

    /// Does nothing in the tenant show that the task is done?
    pub fn needs_waiver(&self) -> bool {
        self.needs_waiver
    }

    /// The command after the person is done, while no process waits for the task.
    pub fn next(&self) -> &str {
        if self.needs_waiver {
            &self.complete
        } else {
            &self.run
        }
    }

    /// The command that completes the task.
    pub fn complete(&self) -> &str {
        &self.complete
    }

    /// The command that continues without evidence.
    pub fn waive(&self) -> String {
        format!("{} --waive \"REASON\"", self.complete)
    }

    /// What follows when the person is done, while a process waits for the task.
    pub fn while_waiting(&self) -> String {
        if self.needs_waiver {
            format!("stop the run (Ctrl-C), then {}", self.complete)
        } else {
            "the run continues by itself".to_owned()
        }
    }

    /// The line about a check that does not continue the run; none if there is nothing to check.
    pub fn check(&self) -> Option<String> {
        (!self.needs_waiver).then(|| format!("only to check it: {}", self.complete))
    }

    /// Each command with its words, one line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("when it is done: {}", self.next())];
        if let Some(check) = self.check() {
            lines.push(check);
            lines.push(format!("to continue without evidence: {}", self.waive()));
        }
        lines
    }
}

/// What must be done before a command shows or does something new.
enum Before {
    /// Nothing.
    Nothing,
    /// Nothing: it was stopped, and continues.
    Stopped,
    /// What a person does.
    Done(String),
}

impl NextCommand {
    /// A command that needs nothing before it.
    pub fn new(command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            before: Before::Nothing,
        }
    }

    /// A command that was stopped, and continues when it is run again.
    pub fn to_continue(command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            before: Before::Stopped,
        }
    }

    /// A command that shows or does something new only once a person has done this.
    pub fn once_done(first: impl Into<String>, command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            before: Before::Done(first.into()),
        }
    }

    /// The line below the output of the command `ran`; `None` if it would only name that command
    /// again.
    pub fn line(&self, ran: &str) -> Option<String> {
        let command = &self.command;
        match &self.before {
            _ if command != ran => Some(format!("next: {command}")),
            Before::Done(first) => Some(format!("next: {first}, then {command}")),
            Before::Stopped => Some(format!("next: {command}")),
            Before::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_without_evidence_ends_only_with_a_waiver() {
        let of = |needs_waiver| TaskCommands::new("w.yaml", "call/by-hand", needs_waiver);
        let waive = "iomcopy complete w.yaml call/by-hand --waive \"who, when\"";
        let task = of(true);
        assert_eq!(task.next(), waive);
        assert_eq!(task.lines(), [format!("when it is done: {waive}")]);
        assert_eq!(
            task.while_waiting(),
            format!("stop the run (Ctrl-C), then {waive}")
        );
        assert_eq!(task.check(), None);
        let task = of(false);
        assert_eq!(task.next(), "iomcopy run w.yaml");
        assert_eq!(task.while_waiting(), "the run continues by itself");
        assert_eq!(task.lines().len(), 3);
    }

    #[test]
    fn the_command_that_was_just_run_is_suggested_only_after_something_else() {
        let (ran, other) = ("iomcopy verify uat.yaml", "iomcopy report uat.yaml");
        let line = |next: NextCommand| next.line(ran);
        assert_eq!(line(NextCommand::new(ran)), None);
        assert_eq!(
            line(NextCommand::once_done("release an order", ran)).as_deref(),
            Some("next: release an order, then iomcopy verify uat.yaml")
        );
        assert_eq!(
            line(NextCommand::to_continue(ran)).as_deref(),
            Some("next: iomcopy verify uat.yaml")
        );
        for next in [
            NextCommand::new(other),
            NextCommand::once_done("release an order", other),
        ] {
            let named = line(next);
            assert_eq!(named.as_deref(), Some("next: iomcopy report uat.yaml"));
        }
    }
}
