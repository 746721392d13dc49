//! How many requests to one service, by one user, may be in flight at once: arithmetic only.
//!
//! It starts low, rises while every response is welcome and all of it is in use, to the number that
//! the service recommends (`x-ms-dop-hint`), and is halved by a 429. Microsoft Learn, *Send parallel
//! requests* and *Service protection API limits*: the recommended number differs by environment, and
//! 52 requests at once is the limit of a user at one server.

/// How many are in flight before the service has answered one.
const FIRST: usize = 4;

/// The maximum for a service that recommends no number.
const WITHOUT_HINT: usize = 16;

/// The maximum, even if a service recommends more.
const MOST: usize = 52;

/// After a 429: the round trips of the whole budget before it rises by one.
const ROUND_TRIPS: usize = 4;

/// The number of requests that may be in flight.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    ceiling: usize,
    /// How often it was halved.
    halvings: u64,
    /// The successes since it last rose or was halved.
    successes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            limit: FIRST,
            ceiling: WITHOUT_HINT,
            halvings: 0,
            successes: 0,
        }
    }
}

impl Budget {
    /// The number of requests that may be in flight.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// How often it was halved.
    pub(super) fn halvings(&self) -> u64 {
        self.halvings
    }

    /// The service recommends this number.
    pub(super) fn recommend(&mut self, number: usize) {
        self.ceiling = number.clamp(1, MOST);
        self.limit = self.limit.min(self.ceiling);
    }

    /// A request succeeded while all of the budget was in use. Until the first 429 the budget
    /// doubles with each round trip; later it rises by one with every four of them, so that it
    /// stays near the number that the service allows, and few requests are refused.
    pub(super) fn rise(&mut self) {
        self.successes += 1;
        let needed = match self.halvings {
            0 => 1,
            _ => self.limit * ROUND_TRIPS,
        };
        if self.successes >= needed && self.limit < self.ceiling {
            self.limit += 1;
            self.successes = 0;
        }
    }

    /// A request received a 429. Takes the number of halvings when it was sent: the requests that
    /// were in flight together are refused together, and halve it once.
    pub(super) fn halve(&mut self, halvings_when_sent: u64) {
        if halvings_when_sent == self.halvings {
            self.limit = (self.limit / 2).max(1);
            self.halvings += 1;
            self.successes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn risen(budget: &mut Budget, successes: usize) -> usize {
        for _ in 0..successes {
            budget.rise();
        }
        budget.limit()
    }

    #[test]
    fn it_starts_low_and_rises_to_what_the_service_recommends() {
        let mut budget = Budget::default();
        assert_eq!(budget.limit(), 4);
        // One round trip of four requests doubles it.
        assert_eq!(risen(&mut budget, 4), 8);
        assert_eq!(risen(&mut budget, 1_000), 16, "no recommendation");
        budget.recommend(23);
        assert_eq!(risen(&mut budget, 1_000), 23);
        budget.recommend(1_000);
        assert_eq!(risen(&mut budget, 1_000), 52, "never more");
        budget.recommend(8);
        assert_eq!(budget.limit(), 8, "at once");
        budget.recommend(0);
        assert_eq!(budget.limit(), 1, "never none");
    }

    #[test]
    fn requests_that_are_refused_together_halve_it_once() {
        let mut budget = Budget::default();
        budget.recommend(52);
        assert_eq!(risen(&mut budget, 48), 52);
        for _ in 0..52 {
            budget.halve(0);
        }
        assert_eq!(budget.limit(), 26);
        // One of a later round.
        budget.halve(budget.halvings());
        assert_eq!(budget.limit(), 13);
        for _ in 0..9 {
            budget.halve(budget.halvings());
        }
        assert_eq!(budget.limit(), 1, "never none");
    }

    #[test]
    fn after_a_429_it_rises_by_one_with_every_four_round_trips() {
        let mut budget = Budget::default();
        budget.recommend(52);
        risen(&mut budget, 48);
        budget.halve(0);
        assert_eq!(risen(&mut budget, 4 * 26 - 1), 26);
        assert_eq!(risen(&mut budget, 1), 27);
        assert_eq!(risen(&mut budget, 4 * 27), 28);
    }
}
