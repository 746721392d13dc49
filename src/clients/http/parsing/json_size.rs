//! The memory that a JSON text would take, measured before it is parsed.
//!
//! A body of 64 MiB may hold 20 million empty objects, and each takes a hundred bytes in memory. So
//! the values are counted in the text, without parsing it.

/// The maximum nesting of arrays and objects.
pub(crate) const MAX_DEPTH: usize = 64;

/// The maximum number of values in one response.
pub(crate) const MAX_VALUES: usize = 5_000_000;

/// The size of a JSON text.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct JsonSize {
    /// The nesting of arrays and objects.
    pub(crate) depth: usize,
    /// The number of values, including member names; an upper bound.
    pub(crate) values: usize,
}

/// Measures a text that may be JSON. Other text is measured too, and refused later by the parser.
pub(crate) fn measure_json(text: &[u8]) -> JsonSize {
    let mut size = JsonSize {
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
    fn a_text_is_measured_as_it_is_parsed() {
        for text in [
            "1",
            "[]",
            "{}",
            r#"{"a":[1,2,{"b":"],}\\\"[{"}],"c":null}"#,
            r#"[[[[]]],{"x":{"y":{}}}]"#,
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            let size = measure_json(text.as_bytes());
            assert_eq!(size.depth, depth_of(&value), "{text}");
            let values = values_of(&value);
            assert!(
                (values..=2 * values).contains(&size.values),
                "{text}: {size:?}"
            );
        }
        assert_eq!(measure_json(&vec![b'['; 100_000]).depth, 100_000);
        assert_eq!(measure_json(b"}}}]]]{").depth, 1);
    }
}
