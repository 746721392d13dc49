//! The version of a map.

use std::fmt;

use serde_json::Value;

use crate::clients::json::field_any_case;

/// A map's version: `1.0.0.14`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct MapVersion(pub [u64; 4]);

impl fmt::Display for MapVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, build, revision] = self.0;
        write!(f, "{major}.{minor}.{build}.{revision}")
    }
}

impl std::str::FromStr for MapVersion {
    type Err = std::num::ParseIntError;

    /// Parses `1.0.0.14`; missing parts are 0, and parts after the fourth are ignored.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = [0; 4];
        for (part, digits) in parts.iter_mut().zip(text.trim().split('.')) {
            *part = digits.parse()?;
        }
        Ok(Self(parts))
    }
}

impl MapVersion {
    /// Parses an object with `major`, `minor`, `build` and `revision`, regardless of the case of
    /// the names.
    pub fn from_value(value: &Value) -> Option<Self> {
        let members = value.as_object()?;
        let part = |name: &str| field_any_case(members, name)?.as_u64();
        Some(Self([
            part("major")?,
            part("minor")?,
            part("build").unwrap_or(0),
            part("revision").unwrap_or(0),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn versions_are_parsed_from_text_and_from_objects() {
        let version =
            MapVersion::from_value(&json!({"Major": 1, "Minor": 0, "Build": 1, "Revision": 6}));
        assert_eq!(version, "1.0.1.6".parse().ok());
        assert!("1.0.1.6".parse::<MapVersion>().unwrap() < "1.0.1.10".parse().unwrap());
        assert!("one".parse::<MapVersion>().is_err());
    }
}
