//! How many changes of a step are done, as every table, line and report says it.

use super::documents::StepCondition;
use crate::base::text::count;
use crate::engine::StepTotal;
use crate::journal::{ChangeCounts, State};

/// How many changes a step has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StepCounts {
    /// The changes of the program.
    pub(super) automatic: ChangeCounts,
    /// The changes that a person was asked for.
    pub(super) by_hand: ChangeCounts,
    /// How many of those are not done because their task was waived.
    pub(super) waived: usize,
    /// How many changes its plan has, also those of a person, if that is known.
    pub(super) planned: Option<usize>,
}

impl StepCounts {
    /// The counts of a step, from the state of its run.
    pub(super) fn of(state: &State, step: &str) -> Self {
        // The plan of a repair has only what is repaired, not what the run made before.
        let planned = state
            .planned
            .get(step)
            .filter(|_| state.repair.is_none())
            .map(|planned| planned.changes);
        Self {
            automatic: state.progress(step, None),
            by_hand: state.by_hand(step),
            waived: state.waived(step),
            planned,
        }
    }

    /// The counts of a step, from the event of its end.
    pub(super) fn of_total(total: &StepTotal, planned: Option<usize>) -> Self {
        let (automatic, by_hand) = total.counts();
        Self {
            automatic,
            by_hand,
            waived: total.by_hand_waived,
            planned,
        }
    }

    /// The counts of a step in this condition as text.
    pub(super) fn describe(&self, condition: StepCondition) -> String {
        let is_left = matches!(condition, StepCondition::Begun | StepCondition::Failed);
        let manual = self.describe_manual(is_left);
        let all = if is_left {
            Some(self.describe_unfinished())
        } else {
            self.describe_finished(!manual.is_empty())
        };
        let parts: Vec<String> = all.into_iter().chain(manual).collect();
        parts.join(", ")
    }

    /// All changes of a step that has not reached its end. How many it has is known only from its
    /// plan: those that have begun so far are no total.
    fn describe_unfinished(&self) -> String {
        let done = self.automatic.done + self.by_hand.done;
        let begun = self.automatic.begun + self.by_hand.begun;
        let total = self
            .planned
            .filter(|planned| *planned > 0 && *planned >= begun);
        match total {
            Some(total) => format!("{done} of {}", count(total, "change")),
            None if done == 0 => "no changes so far".to_owned(),
            None => format!("{} so far", count(done, "change")),
        }
    }

    /// The changes of the program in a step that has ended; none if there are only manual ones.
    fn describe_finished(&self, has_manual: bool) -> Option<String> {
        match (self.automatic.done, self.automatic.begun) {
            (0, 0) if has_manual => None,
            (0, 0) => Some("nothing to do".to_owned()),
            (done, begun) if done == begun => Some(count(done, "change")),
            (done, begun) => Some(format!("{done} of {}", count(begun, "change"))),
        }
    }

    /// The manual changes, and those that were waived. Takes whether they are among the changes that
    /// the text names first.
    fn describe_manual(&self, is_among: bool) -> Vec<String> {
        let done = self.by_hand.done;
        let asked = self.by_hand.begun.saturating_sub(self.waived);
        let mut parts = Vec::new();
        if done != asked {
            parts.push(format!("{done} of {asked} by hand"));
        } else if done > 0 {
            let among = if is_among { " of them" } else { "" };
            parts.push(format!("{done}{among} by hand"));
        }
        if self.waived > 0 {
            parts.push(format!("{} waived", self.waived));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(done: usize, begun: usize, planned: Option<usize>) -> StepCounts {
        StepCounts {
            automatic: ChangeCounts { begun, done },
            planned,
            ..StepCounts::default()
        }
    }

    #[test]
    fn the_total_of_a_step_that_has_not_ended_is_that_of_its_plan() {
        let begun = |counts: StepCounts| counts.describe(StepCondition::Begun);
        assert_eq!(begun(counts(90, 91, Some(105))), "90 of 105 changes");
        assert_eq!(begun(counts(0, 0, Some(10))), "0 of 10 changes");
        assert_eq!(begun(counts(90, 91, None)), "90 changes so far");
        // What has begun shows that the plan's number is too small.
        assert_eq!(begun(counts(11, 12, Some(10))), "11 changes so far");
        assert_eq!(begun(counts(0, 1, None)), "no changes so far");
        let failed = counts(90, 91, Some(105)).describe(StepCondition::Failed);
        assert_eq!(failed, "90 of 105 changes");
        let by_hand = StepCounts {
            by_hand: ChangeCounts { begun: 2, done: 2 },
            ..counts(10, 10, Some(105))
        };
        assert_eq!(begun(by_hand), "12 of 105 changes, 2 of them by hand");
    }

    #[test]
    fn waived_changes_are_not_done_by_hand() {
        let done = |counts: StepCounts| counts.describe(StepCondition::Done);
        assert_eq!(done(counts(0, 0, None)), "nothing to do");
        let waived = |by_hand: usize| StepCounts {
            by_hand: ChangeCounts {
                begun: by_hand + 6,
                done: by_hand,
            },
            waived: 6,
            ..counts(12, 12, Some(12))
        };
        assert_eq!(done(waived(4)), "12 changes, 4 by hand, 6 waived");
        assert_eq!(done(waived(0)), "12 changes, 6 waived");
    }
}
