//! Faults: what the tenant does wrong on purpose.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A fault and the requests that it strikes, written `KIND:METHOD path-glob`, for example
/// `accept-and-ignore:PATCH */workflows(*`, `hold#1:POST *copy` or `refuse=403:GET */workflows*`.
///
/// `*` in the glob stands for any run of characters; the glob is compared without regard to case
/// with the decoded path, and with the path and its query. The method may be `*`. `#N` after the
/// kind strikes the N-th such request only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    kind: FaultKind,
    only: Option<u64>,
    method: String,
    path: String,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The request is answered as if it had been applied, and nothing has changed.
    AcceptAndIgnore,
    /// The request is applied and never answered.
    Hold,
    /// The request is applied, and the connection ends before its answer.
    Lose,
    /// The request is refused, because there were too many.
    Throttle,
    /// The request is answered well, and the operation that it begins ends otherwise.
    Doom(Fate),
    /// The request is answered with this status, from 400 to 599, and nothing has changed.
    Refuse(u16),
    /// The same, and the answer repeats the request's body, as a service does that explains what it
    /// did not understand.
    Echo(u16),
    /// The request is applied, and answered with this status, from 300 to 599.
    Answer(u16),
    /// From the first such request on, and for so many minutes of the tenant's time, the connection
    /// ends before the request is heard.
    Away(u16),
}

/// How an operation ends that does not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It fails.
    Fail,
    /// It fails, and what was there is put back; of the refresh of a database.
    RollBack,
    /// It fails, and what was there cannot be put back.
    FailToRollBack,
    /// It is given up without cleaning up.
    Abort,
}

/// Each fault by its name.
const KINDS: [(&str, FaultKind); 8] = [
    ("accept-and-ignore", FaultKind::AcceptAndIgnore),
    ("hold", FaultKind::Hold),
    ("lose", FaultKind::Lose),
    ("throttle", FaultKind::Throttle),
    ("fail", FaultKind::Doom(Fate::Fail)),
    ("roll-back", FaultKind::Doom(Fate::RollBack)),
    ("fail-to-roll-back", FaultKind::Doom(Fate::FailToRollBack)),
    ("abort", FaultKind::Doom(Fate::Abort)),
];

/// A fault that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// The text is not of the form `KIND:METHOD path-glob`.
    #[error("`{text}` is not a fault; write `KIND:METHOD path-glob`, such as `hold:POST *copy`")]
    Form {
        /// The text.
        text: String,
    },
    /// No fault has this name.
    #[error("no fault is called `{kind}`; there are {}, refuse=STATUS, echo=STATUS, answer=STATUS and away=MINUTES", KINDS.map(|(word, _)| word).join(", "))]
    Kind {
        /// The name.
        kind: String,
    },
    /// What follows `refuse=` or `echo=` is no status of a refusal.
    #[error("`{status}` is not the status of a refusal; write one from 400 to 599")]
    Status {
        /// What follows `refuse=` or `echo=`.
        status: String,
    },
    /// What follows `answer=` or `away=` is not a number that fits.
    #[error("`{kind}` does not fit: answer=STATUS takes 300 to 599, away=MINUTES takes 1 to 9999")]
    Value {
        /// The whole kind.
        kind: String,
    },
    /// What follows `#` is not a number from 1.
    #[error("`#{number}` does not say which request; write `#1` for the first one")]
    Number {
        /// What follows `#`.
        number: String,
    },
}

impl Fault {
    /// What goes wrong.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// Whether a request is one that this fault looks at. `path` is decoded, without its query.
    pub(crate) fn looks_at(&self, method: &str, path: &str, query: Option<&str>) -> bool {
        let method_fits = self.method == "*" || self.method.eq_ignore_ascii_case(method);
        let glob = self.path.to_lowercase();
        let path = path.to_lowercase();
        let with_query = query.map(|query| format!("{path}?{}", query.to_lowercase()));
        method_fits
            && (fits(&glob, &path) || with_query.is_some_and(|address| fits(&glob, &address)))
    }

    /// Whether the fault strikes the `number`-th request that it looks at, counted from 1. A service
    /// that goes away with the N-th request stays away for the ones that follow.
    pub(crate) fn strikes(&self, number: u64) -> bool {
        match self.kind {
            FaultKind::Away(_) => number >= self.only.unwrap_or(1),
            _ => self.only.is_none_or(|only| only == number),
        }
    }
}

/// Whether a text fits a glob whose only special character is `*`.
fn fits(glob: &str, text: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else {
        return glob == text;
    };
    let Some(text) = text.strip_prefix(head) else {
        return false;
    };
    (0..=text.len())
        .filter(|at| text.is_char_boundary(*at))
        .any(|at| fits(rest, &text[at..]))
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let form = || FaultError::Form {
            text: text.to_owned(),
        };
        let (kind, target) = text.split_once(':').ok_or_else(form)?;
        let (method, path) = target.trim().split_once(' ').ok_or_else(form)?;
        let (kind, only) = match kind.trim().split_once('#') {
            None => (kind.trim(), None),
            Some((kind, number)) => {
                let only = number.parse().ok().filter(|only| *only > 0);
                let only = only.ok_or_else(|| FaultError::Number {
                    number: number.to_owned(),
                })?;
                (kind, Some(only))
            }
        };
        let known = KINDS.iter().find(|(word, _)| *word == kind);
        let kind = match known {
            Some((_, kind)) => *kind,
            None => refusal(kind)?,
        };
        let path = path.trim();
        if method.is_empty() || path.is_empty() {
            return Err(form());
        }
        Ok(Self {
            kind,
            only,
            method: method.to_owned(),
            path: path.to_owned(),
        })
    }
}

/// Reads `refuse=STATUS`, `echo=STATUS`, `answer=STATUS` and `away=MINUTES`.
fn refusal(kind: &str) -> Result<FaultKind, FaultError> {
    let number = |text: &str, range: std::ops::Range<u16>| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| FaultError::Value {
            kind: kind.to_owned(),
        })
    };
    let (kind_of, status): (fn(u16) -> FaultKind, &str) = match kind.split_once('=') {
        Some(("refuse", status)) => (FaultKind::Refuse, status),
        Some(("echo", status)) => (FaultKind::Echo, status),
        Some(("answer", status)) => return number(status, 300..600).map(FaultKind::Answer),
        Some(("away", minutes)) => return number(minutes, 1..10_000).map(FaultKind::Away),
        _ => {
            return Err(FaultError::Kind {
                kind: kind.to_owned(),
            });
        }
    };
    let number = status
        .parse()
        .ok()
        .filter(|status| (400..600).contains(status));
    number.map(kind_of).ok_or_else(|| FaultError::Status {
        status: status.to_owned(),
    })
}

impl fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse(status) => return write!(formatter, "refuse={status}"),
            Self::Echo(status) => return write!(formatter, "echo={status}"),
            Self::Answer(status) => return write!(formatter, "answer={status}"),
            Self::Away(minutes) => return write!(formatter, "away={minutes}"),
            _ => {}
        }
        let known = KINDS.iter().find(|(_, kind)| kind == self);
        formatter.write_str(known.map_or("unknown", |(word, _)| word))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.kind)?;
        if let Some(only) = self.only {
            write!(formatter, "#{only}")?;
        }
        write!(formatter, ":{} {}", self.method, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_and_written_alike() {
        for text in [
            "accept-and-ignore:PATCH */workflows(*",
            "hold#2:POST *copy",
            "lose:POST *copy",
            "throttle#1:GET *",
            "fail-to-roll-back:POST */refresh/*",
            "refuse=403#1:GET */workflows*",
            "echo=400:PATCH *parameters*",
            "answer=302:POST *copy",
            "away=25#3:GET */lifecycleOperations*",
        ] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_fault_looks_at_method_and_path() {
        let fault: Fault = "hold:POST */environments/*/copy".parse().unwrap();
        assert!(fault.looks_at("POST", "/environmentmanagement/environments/1/copy", None));
        assert!(!fault.looks_at("GET", "/environmentmanagement/environments/1/copy", None));
        assert!(!fault.looks_at("POST", "/environments/1/copyCandidates", None));
        let query: Fault = "hold:* *ValidateOnly=true*".parse().unwrap();
        assert!(query.looks_at("POST", "/copy", Some("ValidateOnly=true&api-version=1")));
    }

    #[test]
    fn a_numbered_fault_strikes_once() {
        let fault: Fault = "hold#2:* *".parse().unwrap();
        let strikes: Vec<bool> = (1..4).map(|number| fault.strikes(number)).collect();
        assert_eq!(strikes, [false, true, false]);
    }

    #[test]
    fn what_is_not_a_fault_is_refused() {
        for text in [
            "",
            "hold",
            "hold:POST",
            "hold#0:GET *",
            "hold#x:GET *",
            "burn:GET *",
            "refuse:GET *",
            "refuse=200:GET *",
            "refuse=much:GET *",
            "echo=200:GET *",
            "echo:GET *",
            "answer=202:GET *",
            "away=0:GET *",
        ] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }
}
