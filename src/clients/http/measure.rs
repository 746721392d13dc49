//! What reading a JSON text would cost, counted before it is read.
//!
//! A body of 64 MiB may hold 20 million empty objects, and each takes a hundred bytes in memory. So
//! the values are counted in the text, without making any of them.

/// How deep arrays and objects may lie in each other.
pub(crate) const DEEPEST: usize = 64;

/// How many values one answer may have.
pub(crate) const MOST_VALUES: usize = 5_000_000;

/// What a JSON text holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Size {
    /// How deep arrays and objects lie in each other.
    pub(crate) depth: usize,
    /// How many values there are, names of members included; never fewer than there are.
    pub(crate) values: usize,
}

/// Measures a text that may be JSON. What is none is measured too, and refused by whoever reads it.
pub(crate) fn measure(text: &[u8]) -> Size {
    let mut size = Size {
        depth: 0,
        values: 1,
    };
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in text {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                size.depth = size.depth.max(depth);
                // Its first element, if it has one.
                size.values += 1;
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' | b':' => size.values += 1,
            _ => {}
        }
    }
    size
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn values_of(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(values_of).sum::<usize>(),
            Value::Object(members) => {
                1 + members.len() + members.values().map(values_of).sum::<usize>()
            }
            _ => 1,
        }
    }

    fn depth_of(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
            Value::Object(members) => 1 + members.values().map(depth_of).max().unwrap_or(0),
            _ => 0,
        }
    }

    #[test]
    fn a_text_is_measured_as_it_is_read() {
        for text in [
            "1",
            "[]",
            "{}",
            r#"{"a":[1,2,{"b":"],}\\\"[{"}],"c":null}"#,
            r#"[[[[]]],{"x":{"y":{}}}]"#,
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            let size = measure(text.as_bytes());
            assert_eq!(size.depth, depth_of(&value), "{text}");
            let values = values_of(&value);
            assert!(
                (values..=2 * values).contains(&size.values),
                "{text}: {size:?}"
            );
        }
        assert_eq!(measure(&vec![b'['; 100_000]).depth, 100_000);
        assert_eq!(measure(b"}}}]]]{").depth, 1);
    }
}
