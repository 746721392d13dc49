//! The command that a message suggests next.
//!
//! The command that was just run is not suggested, unless something must be done first, which the
//! message then says, or the command was stopped and continues.

/// A command to suggest, and what comes before it.
pub struct NextCommand {
    command: String,
    before: Before,
}

/// The commands that follow a manual task while no process waits for it.
pub struct TaskCommands {
    run: String,
    complete: String,
}

impl TaskCommands {
    /// What a person does before the run continues.
    pub const FIRST: &str = "do what the worksheet says";

    /// Takes the arguments that name the runbook and its state file, and the task, safe to show.
    pub fn new(arguments: &str, task: &str) -> Self {
        Self {
            run: format!("iomcopy run {arguments}"),
            complete: format!("iomcopy complete {arguments} {task}"),
        }
    }

    /// The line about a check that does not continue the run.
    pub fn check(&self) -> String {
        format!("only to check it: {}", self.complete)
    }

    /// Each command with its words, one line each.
    pub fn lines(&self) -> [String; 3] {
        [
            format!("when it is done: {}", self.run),
            self.check(),
            format!(
                "to continue without evidence: {} --waive \"REASON\"",
                self.complete
            ),
        ]
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
