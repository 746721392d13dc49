//! The world: everything that the tenant stores, as objects with keys.
//!
//! - `store`: the objects and the changes of one request. `index`: rows by the value of a column.
//! - `log`: the append-only file that the objects are replayed from.
//! - `private_file`: opens that file, which is private.
//! - `names`: the keys of objects, and ids derived from names.
//!
//! Keys are texts: `environment/<id>`, `organization/<id>`, `operation/<id>`,
//! `row/<organization>/<table>/<id>`, `connection/<environment>/<name>`, `token/<hash>`,
//! `timer/<number>`, `assertion/<hash>`, `principal/<name>`, `counter/<name>`, `quirk/<name>`,
//! `finance-operations/<environment>/<set>/<key>`, `finance-operations-facts/<environment>`,
//! `finance-operations-away/<environment>`, `lcs-environment/<id>`, `lcs-activity/<id>`,
//! `lcs-calls/<what>`, `call/<number>` (a call to the outside), `dual-write/<environment>/…`,
//! `dual-write-request/<id>`, `secure-configuration/<row>`, `ports`, `skin`, `variant`, `tls`.

mod index;
pub(crate) mod log;
pub(crate) mod names;
mod private_file;
pub(crate) mod store;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use self::index::Index;
use self::log::{Line, Log, LogError, RequestFacts};
use self::store::{Changes, Draft, Objects};
use super::clock::{Moment, SimulatedClock};

/// The objects, their file, and the clock.
#[derive(Debug)]
pub(crate) struct World {
    objects: Objects,
    index: Index,
    log: Log,
    clock: SimulatedClock,
    requests: u64,
    /// When the last request of an earlier process was; `None` for a new world.
    continued_at: Option<Moment>,
}

/// An open and locked world file.
#[derive(Debug)]
pub(crate) enum Opened {
    /// The file contains a world.
    World(Box<World>),
    /// The file is empty; the world must be seeded.
    Empty(Log),
}

impl World {
    /// Opens the file and replays it. The clock continues from the last line.
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
            index: Index::of(&objects),
            objects,
            log,
            clock: SimulatedClock::new(speed, elapsed),
            requests,
            continued_at: Some(elapsed),
        })))
    }

    /// Writes the seed to an empty file.
    pub(crate) fn seed(mut log: Log, speed: f64, objects: Objects) -> Result<Self, LogError> {
        log.append(&Line::seed(objects.clone()))?;
        Ok(Self {
            index: Index::of(&objects),
            objects,
            log,
            clock: SimulatedClock::new(speed, Moment::default()),
            requests: 0,
            continued_at: None,
        })
    }

    /// The moment at which an existing world continues; `None` for a new one.
    pub(crate) fn continued_at(&self) -> Option<Moment> {
        self.continued_at
    }

    /// Starts a request: a draft of the current world.
    pub(crate) fn draft(&self) -> Draft<'_> {
        Draft::indexed(&self.objects, &self.index, self.clock.now())
    }

    /// Ends a request: writes its line, and only then applies its changes.
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
        store::apply_indexed(&mut self.objects, &mut self.index, line.put, line.delete);
        Ok(())
    }

    pub(crate) fn object(&self, key: &str) -> Option<&Value> {
        self.objects.get(key)
    }

    /// Sets the clock forward.
    #[cfg(test)]
    pub(crate) fn skip(&mut self, duration: std::time::Duration) {
        self.clock.skip(duration);
    }

    /// Replaces objects, only in memory.
    #[cfg(test)]
    pub(crate) fn change(&mut self, put: Objects) {
        store::apply_indexed(&mut self.objects, &mut self.index, put, Vec::new());
    }

    #[cfg(test)]
    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }
}
