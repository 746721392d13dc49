//! The world: everything the tenant holds, as objects with a key, without any HTTP.
//!
//! - `store`: the objects and the changes of one request.
//! - `log`: the append-only file whose fold the objects are.
//! - `names`: the keys, and ids derived from names.
//!
//! Keys are texts: `environment/<id>`, `organization/<id>`, `operation/<id>`,
//! `row/<organization>/<table>/<id>`, `connection/<environment>/<name>`, `token/<hash>`,
//! `timer/<number>`, `assertion/<hash>`, `principal/<name>`, `counter/<name>`, `quirk/<name>`, `ports`, `skin`.

pub(crate) mod log;
pub(crate) mod names;
pub(crate) mod store;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use self::log::{Line, Log, LogError, RequestFacts};
use self::store::{Changes, Draft, Objects};
use super::clock::{Moment, SimulatedClock};

/// The objects, the file they are the fold of, and the clock.
#[derive(Debug)]
pub(crate) struct World {
    objects: Objects,
    log: Log,
    clock: SimulatedClock,
    requests: u64,
}

/// A world file that is open and locked: a world already, or still to be seeded.
#[derive(Debug)]
pub(crate) enum Opened {
    /// The file has a world.
    World(Box<World>),
    /// The file is empty.
    Empty(Log),
}

impl World {
    /// Opens the file and folds it. The clock goes on from the last line.
    pub(crate) fn open(path: &Path, speed: f64) -> Result<Opened, LogError> {
        let (log, lines) = Log::open(path)?;
        let Some(last) = lines.last() else {
            return Ok(Opened::Empty(log));
        };
        let (requests, elapsed) = (last.n, last.elapsed);
        let mut objects = Objects::new();
        for line in lines {
            store::apply(&mut objects, line.put, line.delete);
        }
        Ok(Opened::World(Box::new(Self {
            objects,
            log,
            clock: SimulatedClock::new(speed, elapsed),
            requests,
        })))
    }

    /// Writes the seed to an empty file.
    pub(crate) fn seed(mut log: Log, speed: f64, objects: Objects) -> Result<Self, LogError> {
        log.append(&Line::seed(objects.clone()))?;
        Ok(Self {
            objects,
            log,
            clock: SimulatedClock::new(speed, Moment::default()),
            requests: 0,
        })
    }

    /// Begins a request: the world as it is now, to be changed.
    pub(crate) fn draft(&self) -> Draft<'_> {
        Draft::new(&self.objects, self.clock.now())
    }

    /// Ends a request: its line is written, and only then are its changes the world's.
    pub(crate) fn commit(
        &mut self,
        now: Moment,
        facts: RequestFacts,
        changes: Changes,
    ) -> Result<(), LogError> {
        let n = self.requests + 1;
        let mut put = BTreeMap::new();
        let mut delete = Vec::new();
        for (key, value) in changes {
            match value {
                Some(value) => {
                    put.insert(key, value);
                }
                None => delete.push(key),
            }
        }
        let line = Line::request(n, now, facts, put, delete);
        self.log.append(&line)?;
        self.requests = n;
        store::apply(&mut self.objects, line.put, line.delete);
        Ok(())
    }

    /// One object.
    pub(crate) fn object(&self, key: &str) -> Option<&Value> {
        self.objects.get(key)
    }

    /// Sets the clock forward.
    #[cfg(test)]
    pub(crate) fn skip(&mut self, duration: std::time::Duration) {
        self.clock.skip(duration);
    }

    /// Puts objects otherwise, in memory.
    #[cfg(test)]
    pub(crate) fn change(&mut self, put: Objects) {
        store::apply(&mut self.objects, put, Vec::new());
    }

    /// Every object.
    #[cfg(test)]
    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }
}
