//! Evaluation of an expression for a row.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::Value;

use super::error::ODataError;
use super::filter::{Expression, Literal, Operator, TextFunction};

/// Whether a row matches an expression. `read` returns the value of a property, or an error for an
/// unknown property.
pub(crate) fn matches(
    expression: &Expression,
    read: &dyn Fn(&str) -> Result<Value, ODataError>,
) -> Result<bool, ODataError> {
    match expression {
        Expression::And(one, other) => Ok(matches(one, read)? & matches(other, read)?),
        Expression::Or(one, other) => Ok(matches(one, read)? | matches(other, read)?),
        Expression::Not(inner) => Ok(!matches(inner, read)?),
        Expression::Compare {
            property,
            operator,
            literal,
        } => compare(property, &read(property)?, *operator, literal),
        Expression::Text {
            function,
            property,
            text,
        } => {
            let value = read(property)?;
            let value = value.as_str().unwrap_or_default().to_lowercase();
            let text = text.to_lowercase();
            Ok(match function {
                TextFunction::Contains => value.contains(&text),
                TextFunction::StartsWith => value.starts_with(&text),
                TextFunction::EndsWith => value.ends_with(&text),
            })
        }
    }
}

fn compare(
    property: &str,
    value: &Value,
    operator: Operator,
    literal: &Literal,
) -> Result<bool, ODataError> {
    if matches!(literal, Literal::Null) || value.is_null() {
        let both = matches!(literal, Literal::Null) && value.is_null();
        return Ok(match operator {
            Operator::Equal => both,
            Operator::NotEqual => !both,
            _ => false,
        });
    }
    let order = order_of(value, literal).ok_or_else(|| {
        ODataError::bad_request(format!(
            "A binary operator with incompatible types was detected at '{property}': {value} and {literal:?}."
        ))
    })?;
    Ok(match operator {
        Operator::Equal => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
    })
}

fn order_of(value: &Value, literal: &Literal) -> Option<Ordering> {
    match (value, literal) {
        (Value::Bool(value), Literal::Boolean(literal)) => Some(value.cmp(literal)),
        (Value::Number(value), Literal::Number(literal)) => value.as_f64()?.partial_cmp(literal),
        (Value::String(value), Literal::Text(literal) | Literal::Guid(literal)) => {
            Some(value.to_lowercase().cmp(&literal.to_lowercase()))
        }
        (Value::String(value), Literal::Time(literal)) => {
            Some(value.parse::<Timestamp>().ok()?.cmp(literal))
        }
        _ => None,
    }
}

/// The order of two values of a property: null first, texts ignoring case.
pub(crate) fn order(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (Value::Number(one), Value::Number(other)) => one
            .as_f64()
            .partial_cmp(&other.as_f64())
            .unwrap_or(Ordering::Equal),
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::String(one), Value::String(other)) => one.to_lowercase().cmp(&other.to_lowercase()),
        _ => one.to_string().cmp(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::filter::parse;
    use super::*;

    fn evaluated(filter: &str) -> Result<bool, ODataError> {
        let row = json!({
            "name": "IOM Raise Business Event", "statecode": 1, "managed": true, "empty": null,
            "createdon": "2026-03-06T20:00:00Z",
            "_ownerid_value": "8061643d-ebf7-e811-a974-000d3a1e1c9a",
        });
        matches(&parse(filter)?, &|property| {
            row.get(property)
                .cloned()
                .ok_or_else(|| ODataError::unknown_property(property, "workflow"))
        })
    }

    #[test]
    fn values_are_compared_as_dataverse_compares_them() {
        for (filter, expected) in [
            ("statecode eq 1 and managed eq true", true),
            ("statecode ne 1 or name eq 'iom raise business event'", true),
            ("not (statecode eq 0)", true),
            ("empty eq null", true),
            ("empty ne null", false),
            ("empty eq 5", false),
            ("empty ne 5", true),
            ("name ne null", true),
            ("statecode gt 0 and statecode le 1", true),
            (
                "createdon ge 2026-03-06T20:00:00Z and createdon lt 2026-03-06T20:00:01Z",
                true,
            ),
            (
                "_ownerid_value eq 8061643D-EBF7-E811-A974-000D3A1E1C9A",
                true,
            ),
            (
                "_ownerid_value eq '8061643d-ebf7-e811-a974-000d3a1e1c9a'",
                true,
            ),
            ("startswith(name,'iom') and endswith(name,'event')", true),
            ("contains(name,'xyz')", false),
        ] {
            assert_eq!(evaluated(filter), Ok(expected), "{filter}");
        }
    }

    #[test]
    fn a_wrong_type_and_an_unknown_property_are_refused() {
        assert_eq!(evaluated("statecode eq '1'").unwrap_err().status, 400);
        assert_eq!(evaluated("nothing eq 1").unwrap_err().status, 400);
        assert_eq!(
            evaluated("statecode eq 1 or nothing eq 1")
                .unwrap_err()
                .status,
            400
        );
    }
}
