//! A worksheet as lines of text, for a terminal or a log: the advice as plain lines, then a box for each
//! thing.

use super::{Palette, TaskCommands};
use crate::base::text::{count, escape};
use crate::engine::{EventKind, WorksheetThing};

/// The lines of a worksheet, without what is read as evidence. Takes its advice and its things.
pub fn worksheet_text(advice: &[String], things: &[WorksheetThing]) -> Vec<String> {
    let advice = advice.iter().map(|line| format!("  {}", escape(line)));
    let mut lines: Vec<String> = advice.collect();
    for thing in things {
        let (head, below) = thing.lines();
        lines.push(format!("  [ ] {}", escape(head)));
        lines.extend(below.iter().map(|line| format!("      {}", escape(line))));
    }
    lines
}

/// A manual task as its worksheet. None for another event. Takes the arguments that name the runbook
/// and its state file.
pub(super) fn manual_task_text(
    kind: &EventKind,
    arguments: &str,
    palette: Palette,
) -> Option<String> {
    let EventKind::ManualTask {
        task,
        things,
        advice,
        to_do,
        evidence,
        needs_waiver,
        ..
    } = kind
    else {
        return None;
    };
    let head = palette.notable("Manual task");
    let mut lines = vec![format!("{head} {task} ({})", count(*things, "thing"))];
    lines.extend(worksheet_text(advice, to_do));
    lines.extend(
        evidence
            .iter()
            .map(|line| format!("  evidence: {}", escape(line))),
    );
    if *needs_waiver {
        let next = TaskCommands::new(arguments, task, true).while_waiting();
        lines.push(format!("  when it is done, {next}"));
    }
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worksheet_has_as_many_boxes_as_things() {
        let thing = |name: &str, instructions: &[&str]| WorksheetThing {
            name: name.to_owned(),
            instructions: instructions.iter().map(|&line| line.to_owned()).collect(),
        };
        let things = [
            thing("delete 'A'", &["Providers > 'A': delete it"]),
            thing("call finance", &["call finance", "dial 4711", "say hello"]),
            thing("stop 'B'", &[]),
        ];
        let lines = worksheet_text(&["sign in as Ann".to_owned()], &things);
        assert_eq!(
            lines,
            [
                "  sign in as Ann",
                "  [ ] Providers > 'A': delete it",
                "  [ ] call finance",
                "      dial 4711",
                "      say hello",
                "  [ ] stop 'B'",
            ]
        );
    }
}
