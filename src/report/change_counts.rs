//! How many changes of a step are done, as every table, line and report says it.

use std::time::Duration;

use super::documents::StepCondition;
use super::duration;
use crate::base::text::count;
use crate::engine::StepTotal;
use crate::journal::{ChangeCounts, ReopenedBy, State};

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
    /// How many changes were done before the step was opened again. Some may have been made again.
    pub(super) before: usize,
    /// How long it had taken before that.
    pub(super) time_before: Duration,
    /// Which flag opened it again, if one did.
    pub(super) reopened_by: Option<ReopenedBy>,
}

impl StepCounts {
    /// The counts of a step, from the state of its run.
    pub(super) fn of(state: &State, step: &str) -> Self {
        let planned = state.planned.get(step).map(|planned| planned.changes);
        let reopened = state.step(step).and_then(|step| step.reopened);
        let took = reopened.map(|reopened| reopened.took);
        Self {
            automatic: state.progress_since_reopening(step),
            by_hand: state.by_hand(step),
            waived: state.waived(step),
            planned,
            before: state.done_before_reopening(step),
            time_before: took.unwrap_or_default(),
            reopened_by: reopened.map(|reopened| reopened.by),
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
            before: total.changes_before,
            time_before: Duration::try_from_secs_f64(total.seconds_before).unwrap_or_default(),
            reopened_by: total.reopened_by,
        }
    }

    /// The counts of a step in this condition as text. The first number has every change that is done,
    /// also those by hand, which follow it; a waived change is not done.
    pub(super) fn describe(&self, condition: StepCondition) -> String {
        let is_left = matches!(condition, StepCondition::Begun | StepCondition::Failed);
        let all = if is_left {
            self.describe_unfinished()
        } else {
            self.describe_finished()
        };
        let mut parts = vec![all];
        parts.extend(self.describe_manual());
        parts.join(", ")
    }

    /// What follows the counts and the time of a step, as text to append; empty if there is nothing
    /// to say.
    ///
    /// Of a step that is done, how many changes of its plan it did not need: its last survey has
    /// found nothing left to do, so somebody or something else has made them. How many changes a
    /// step had before it was opened again, and how long they took: that is part of the run's time.
    pub(super) fn describe_rest(&self, condition: StepCondition) -> String {
        let spared = match condition {
            StepCondition::Skipped => return String::new(),
            StepCondition::Done => self.describe_spared(),
            StepCondition::NotBegun | StepCondition::Begun | StepCondition::Failed => String::new(),
        };
        let time = Some(self.time_before).filter(|time| time.as_secs() > 0);
        let changes = count(self.before, "change");
        let before = match time.map(duration) {
            Some(time) if self.before == 0 => time,
            Some(time) => format!("{changes}, {time}"),
            None => changes,
        };
        match self.reopened_by {
            None => spared,
            Some(ReopenedBy::Only) => format!(" by --only{spared}; {before} before"),
            Some(ReopenedBy::Again) if self.before == 0 && time.is_none() => spared,
            Some(ReopenedBy::Again) => format!("{spared}; {before} before it was opened again"),
        }
    }

    fn describe_spared(&self) -> String {
        let begun = self.automatic.begun + self.by_hand.begun;
        match self.planned.unwrap_or_default().saturating_sub(begun) {
            0 => String::new(),
            1 => "; 1 planned change was not needed".to_owned(),
            spared => format!("; {spared} planned changes were not needed"),
        }
    }

    /// How many changes of a step that has not reached its end are done, those of a person included,
    /// and of how many; none if that is not known.
    pub(super) fn progress(&self) -> (usize, Option<usize>) {
        let begun = self.automatic.begun + self.by_hand.begun;
        let done = self.automatic.done + self.by_hand.done;
        (done, known_total(self.planned, begun))
    }

    /// All changes of a step that has not reached its end. How many it has is known only from its
    /// plan: those that have begun so far are no total.
    fn describe_unfinished(&self) -> String {
        let (done, total) = self.progress();
        match total {
            Some(total) => format!("{done} of {}", count(total, "change")),
            None if done == 0 => "no changes so far".to_owned(),
            None => format!("{} so far", count(done, "change")),
        }
    }

    /// All changes of a step that has ended.
    fn describe_finished(&self) -> String {
        let begun = self.automatic.begun + self.by_hand.begun;
        match self.automatic.done + self.by_hand.done {
            0 if begun == 0 => "nothing to do".to_owned(),
            done if done == begun => count(done, "change"),
            done => format!("{done} of {}", count(begun, "change")),
        }
    }

    /// Those that a person made, of those that a person was asked for, and those that were waived.
    fn describe_manual(&self) -> Vec<String> {
        let done = self.by_hand.done;
        let asked = self.by_hand.begun.saturating_sub(self.waived);
        let mut parts = Vec::new();
        if done != asked {
            parts.push(format!("{done} of {asked} by hand"));
        } else if done > 0 {
            parts.push(format!("{done} by hand"));
        }
        if self.waived > 0 {
            parts.push(format!("{} waived", self.waived));
        }
        parts
    }
}

/// How many changes a step has: as many as `planned`, unless more are `known`.
pub(super) fn known_total(planned: Option<usize>, known: usize) -> Option<usize> {
    planned.filter(|planned| *planned > 0 && *planned >= known)
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
        assert_eq!(begun(by_hand), "12 of 105 changes, 2 by hand");
    }

    #[test]
    fn a_step_that_was_opened_again_counts_no_change_twice() {
        let again = |done: usize| StepCounts {
            before: 88,
            reopened_by: Some(ReopenedBy::Again),
            ..counts(done, done.max(1), Some(14))
        };
        let begun = again(1).describe(StepCondition::Begun);
        assert_eq!(begun, "1 of 14 changes");
        let ended = StepCounts {
            before: 88,
            reopened_by: Some(ReopenedBy::Again),
            ..counts(14, 14, Some(14))
        };
        let text = ended.describe(StepCondition::Done);
        assert_eq!(text, "14 changes");
        let rest = ended.describe_rest(StepCondition::Done);
        assert_eq!(rest, "; 88 changes before it was opened again");
        let timed = StepCounts {
            time_before: Duration::from_mins(771),
            ..ended
        };
        let rest = timed.describe_rest(StepCondition::Done);
        let expected = "; 88 changes, 12 h 51 min before it was opened again";
        assert_eq!(rest, expected);
        let surveyed = StepCounts { before: 0, ..timed };
        let rest = surveyed.describe_rest(StepCondition::Begun);
        assert_eq!(rest, "; 12 h 51 min before it was opened again");
    }

    #[test]
    fn a_step_that_was_repaired_says_what_the_repair_did() {
        let repaired = StepCounts {
            before: 23,
            reopened_by: Some(ReopenedBy::Only),
            ..counts(1, 1, Some(1))
        };
        assert_eq!(repaired.describe(StepCondition::Done), "1 change");
        let rest = repaired.describe_rest(StepCondition::Done);
        assert_eq!(rest, " by --only; 23 changes before");
        // An interrupted repair does not hide what the run made before.
        let begun = repaired.describe_rest(StepCondition::Begun);
        assert_eq!(begun, " by --only; 23 changes before");
    }

    #[test]
    fn a_step_that_is_done_says_how_much_of_its_plan_it_did_not_need() {
        let done = |counts: StepCounts| counts.describe_rest(StepCondition::Done);
        let some = "; 5 planned changes were not needed";
        assert_eq!(done(counts(23, 23, Some(28))), some);
        let one = "; 1 planned change was not needed";
        assert_eq!(done(counts(0, 0, Some(1))), one);
        assert_eq!(done(counts(28, 28, Some(28))), "");
        assert_eq!(done(counts(30, 30, Some(28))), "");
        assert_eq!(done(counts(30, 30, None)), "");
        // What a person was asked for was needed.
        let by_hand = StepCounts {
            by_hand: ChangeCounts { begun: 5, done: 4 },
            waived: 1,
            ..counts(23, 23, Some(28))
        };
        assert_eq!(done(by_hand), "");
        // What a step that failed has not made may still be needed.
        let failed = counts(23, 23, Some(28)).describe_rest(StepCondition::Failed);
        assert_eq!(failed, "");
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
        assert_eq!(done(waived(4)), "16 of 22 changes, 4 by hand, 6 waived");
        assert_eq!(done(waived(0)), "12 of 18 changes, 6 waived");
    }
    #[test]
    fn a_change_by_hand_is_part_of_the_number_before_and_after_the_end() {
        let step = StepCounts {
            by_hand: ChangeCounts { begun: 2, done: 2 },
            ..counts(10, 10, Some(12))
        };
        let begun = step.describe(StepCondition::Begun);
        assert_eq!(begun, "12 of 12 changes, 2 by hand");
        let done = step.describe(StepCondition::Done);
        assert_eq!(done, "12 changes, 2 by hand");
        let only = StepCounts {
            automatic: ChangeCounts::default(),
            ..step
        };
        let done = only.describe(StepCondition::Done);
        assert_eq!(done, "2 changes, 2 by hand");
    }
}
