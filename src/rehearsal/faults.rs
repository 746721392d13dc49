//! Faults: failures that the tenant simulates on purpose.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A fault and the requests that it applies to, written `KIND:METHOD path-glob`, for example
/// `accept-and-ignore:PATCH */workflows(*`, `hold#1:POST *copy` or `refuse=403:GET */workflows*`.
///
/// `*` in the glob matches any characters. The glob is compared with the decoded path, and with the
/// path and its query, ignoring case. The method may be `*`. With `#N` after the kind, the fault
/// applies only to the N-th such request. A refusal may name the service's code, and the code of a
/// service behind it: `refuse=403/0x80060467/DlpViolation:PATCH */workflows(*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    kind: FaultKind,
    codes: Option<RefusalCodes>,
    only: Option<u64>,
    method: String,
    path: String,
}

/// The codes in the response of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefusalCodes {
    /// The code of the service that responds.
    pub(crate) code: String,
    /// The code of the service behind it.
    pub(crate) inner: Option<String>,
}

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The response says that the request was applied, but nothing changes.
    AcceptAndIgnore,
    /// The request is applied and gets no response.
    Hold,
    /// The request is applied, and the connection ends before its response.
    Lose,
    /// The request is applied, and the body of its response ends in the middle.
    Garble,
    /// The request is refused with 429.
    Throttle,
    /// The request succeeds, and the operation that it starts fails.
    FailOperation(FailureMode),
    /// The response has this status, from 400 to 599, and nothing changes.
    Refuse(u16),
    /// The same, and the response repeats the request's body, as services do when they explain what
    /// they did not understand.
    Echo(u16),
    /// The request is applied, and the response has this status, from 300 to 599.
    Answer(u16),
    /// From the first such request on, for this many minutes of the tenant's time, the connection
    /// ends before the request is handled.
    Unavailable(u16),
    /// From the first such request on, for this many seconds of the tenant's time, each is refused
    /// with 429, which says how long that still lasts.
    ThrottleFor(u16),
}

impl FaultKind {
    /// How long the fault lasts from its first request on, in milliseconds of the tenant's time;
    /// none if it has no end.
    pub(crate) fn duration(self) -> Option<u64> {
        match self {
            Self::Unavailable(minutes) => Some(u64::from(minutes) * 60_000),
            Self::ThrottleFor(seconds) => Some(u64::from(seconds) * 1000),
            _ => None,
        }
    }
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureMode {
    /// It fails.
    Fail,
    /// A database refresh fails, and the old database is restored.
    RollBack,
    /// A database refresh fails, and the old database cannot be restored.
    FailToRollBack,
    /// It is aborted without a rollback.
    Abort,
}

/// The faults without a value, by name.
const KINDS: [(&str, FaultKind); 9] = [
    ("accept-and-ignore", FaultKind::AcceptAndIgnore),
    ("hold", FaultKind::Hold),
    ("lose", FaultKind::Lose),
    ("garble", FaultKind::Garble),
    ("throttle", FaultKind::Throttle),
    ("fail", FaultKind::FailOperation(FailureMode::Fail)),
    ("roll-back", FaultKind::FailOperation(FailureMode::RollBack)),
    (
        "fail-to-roll-back",
        FaultKind::FailOperation(FailureMode::FailToRollBack),
    ),
    ("abort", FaultKind::FailOperation(FailureMode::Abort)),
];

/// An invalid fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// The text is not of the form `KIND:METHOD path-glob`.
    #[error("`{text}` is not a fault; write `KIND:METHOD path`, such as `hold:POST *copy`")]
    Form {
        /// The text.
        text: String,
    },
    /// No fault has this name.
    #[error("`{kind}` is not a fault; write one of {}, refuse=STATUS[/CODE[/INNER]], echo=STATUS, answer=STATUS, away=MINUTES and throttle=SECONDS", KINDS.map(|(word, _)| word).join(", "))]
    Kind {
        /// The name.
        kind: String,
    },
    /// The value of `refuse=` or `echo=` is not an error status.
    #[error("`{status}` is not an error status; write one from 400 to 599")]
    Status {
        /// The value.
        status: String,
    },
    /// The value of `answer=`, `away=` or `throttle=` is out of range.
    #[error(
        "`{kind}` is not a valid fault: answer=STATUS takes 300 to 599, away=MINUTES and throttle=SECONDS take 1 to 9999"
    )]
    Value {
        /// The kind with its value.
        kind: String,
    },
    /// The text after `#` is not a number from 1.
    #[error("`#{number}` is not the number of a request; write `#1` for the first one")]
    Number {
        /// The text after `#`.
        number: String,
    },
}

impl Fault {
    /// What the fault does.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// The codes in the response of a refusal, if the fault names them.
    pub(crate) fn codes(&self) -> Option<&RefusalCodes> {
        self.codes.as_ref()
    }

    /// Whether the method and path of a request match. `path` is decoded, without its query.
    pub(crate) fn matches_request(&self, method: &str, path: &str, query: Option<&str>) -> bool {
        let method_matches = self.method == "*" || self.method.eq_ignore_ascii_case(method);
        let glob = self.path.to_lowercase();
        let path = path.to_lowercase();
        let with_query = query.map(|query| format!("{path}?{}", query.to_lowercase()));
        method_matches
            && (matches_glob(&glob, &path)
                || with_query.is_some_and(|address| matches_glob(&glob, &address)))
    }

    /// Whether the fault applies to the `number`-th matching request, counted from 1. A service
    /// that becomes unavailable with the N-th request stays unavailable for the following ones.
    pub(crate) fn applies_to(&self, number: u64) -> bool {
        match self.kind.duration() {
            Some(_) => number >= self.only.unwrap_or(1),
            None => self.only.is_none_or(|only| only == number),
        }
    }
}

/// Whether a text matches a glob whose only special character is `*`.
fn matches_glob(glob: &str, text: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else {
        return glob == text;
    };
    let Some(text) = text.strip_prefix(head) else {
        return false;
    };
    (0..=text.len())
        .filter(|at| text.is_char_boundary(*at))
        .any(|at| matches_glob(rest, &text[at..]))
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
        let (kind, codes) = split_codes(kind)?;
        let without_value = KINDS.iter().find(|(word, _)| *word == kind);
        let kind = match without_value {
            Some((_, kind)) => *kind,
            None => parse_with_value(kind)?,
        };
        let path = path.trim();
        if method.is_empty() || path.is_empty() {
            return Err(form());
        }
        Ok(Self {
            kind,
            codes,
            only,
            method: method.to_owned(),
            path: path.to_owned(),
        })
    }
}

/// Splits `refuse=STATUS/CODE/INNER` into the kind with its status and the codes.
fn split_codes(kind: &str) -> Result<(&str, Option<RefusalCodes>), FaultError> {
    let Some((status, codes)) = kind.split_once('/') else {
        return Ok((kind, None));
    };
    let (code, inner) = match codes.split_once('/') {
        None => (codes, None),
        Some((code, inner)) => (code, Some(inner)),
    };
    if !kind.starts_with("refuse=") || code.is_empty() || inner == Some("") {
        return Err(FaultError::Kind {
            kind: kind.to_owned(),
        });
    }
    let codes = RefusalCodes {
        code: code.to_owned(),
        inner: inner.map(str::to_owned),
    };
    Ok((status, Some(codes)))
}

/// Parses `refuse=STATUS`, `echo=STATUS`, `answer=STATUS`, `away=MINUTES` and `throttle=SECONDS`.
fn parse_with_value(kind: &str) -> Result<FaultKind, FaultError> {
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
        Some(("away", minutes)) => return number(minutes, 1..10_000).map(FaultKind::Unavailable),
        Some(("throttle", seconds)) => {
            return number(seconds, 1..10_000).map(FaultKind::ThrottleFor);
        }
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
            Self::Unavailable(minutes) => return write!(formatter, "away={minutes}"),
            Self::ThrottleFor(seconds) => return write!(formatter, "throttle={seconds}"),
            _ => {}
        }
        let known = KINDS.iter().find(|(_, kind)| kind == self);
        formatter.write_str(known.map_or("unknown", |(word, _)| word))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.kind)?;
        if let Some(codes) = &self.codes {
            write!(formatter, "/{}", codes.code)?;
            if let Some(inner) = &codes.inner {
                write!(formatter, "/{inner}")?;
            }
        }
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
    fn a_fault_is_parsed_and_displayed_alike() {
        for text in [
            "accept-and-ignore:PATCH */workflows(*",
            "hold#2:POST *copy",
            "lose:POST *copy",
            "throttle#1:GET *",
            "fail-to-roll-back:POST */refresh/*",
            "refuse=403#1:GET */workflows*",
            "refuse=429/0x80071151#2:PATCH */workflows*",
            "refuse=403/0x80060467/DlpViolation:PATCH */workflows*",
            "garble#1:GET */workflows*",
            "echo=400:PATCH *parameters*",
            "answer=302:POST *copy",
            "away=25#3:GET */lifecycleOperations*",
            "throttle=90#3:GET */lifecycleOperations*",
        ] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_fault_matches_method_and_path() {
        let fault: Fault = "hold:POST */environments/*/copy".parse().unwrap();
        assert!(fault.matches_request("POST", "/environmentmanagement/environments/1/copy", None));
        assert!(!fault.matches_request("GET", "/environmentmanagement/environments/1/copy", None));
        assert!(!fault.matches_request("POST", "/environments/1/copyCandidates", None));
        let query: Fault = "hold:* *ValidateOnly=true*".parse().unwrap();
        assert!(query.matches_request("POST", "/copy", Some("ValidateOnly=true&api-version=1")));
    }

    #[test]
    fn a_numbered_fault_applies_once() {
        let fault: Fault = "hold#2:* *".parse().unwrap();
        let applies: Vec<bool> = (1..4).map(|number| fault.applies_to(number)).collect();
        assert_eq!(applies, [false, true, false]);
    }

    #[test]
    fn an_invalid_fault_is_refused() {
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
            "refuse=403/:GET *",
            "refuse=403/0x1/:GET *",
            "echo=400/0x1:GET *",
            "echo=200:GET *",
            "echo:GET *",
            "answer=202:GET *",
            "away=0:GET *",
        ] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }
}
