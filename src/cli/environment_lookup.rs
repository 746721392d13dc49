//! Finds an environment of a tenant by its id, its display name, or its address.

use url::Url;
use uuid::Uuid;

use super::connect::display_name;
use crate::base::text::{count, escape};
use crate::clients::Environment;
use crate::engine::{Failure, FailureKind};

/// Finds the environment that a flag names. Fails if no environment or more than one matches, and
/// lists the candidates.
pub(super) fn find_environment<'a>(
    all: &'a [Environment],
    flag: &str,
    given: &str,
) -> Result<&'a Environment, Failure> {
    let given = given.trim();
    let matches = matching_environments(all, given);
    match matches.as_slice() {
        [one] => Ok(one),
        [] => {
            let message = format!(
                "{flag}: no environment matches '{}'{}",
                escape(given),
                list_environments(all.iter())
            );
            Err(Failure::new(FailureKind::InvalidInput, message).with_help(
                "use the environment's id, its display name, or the address of its Dataverse",
            ))
        }
        several => {
            let message = format!(
                "{flag}: {} match '{}'{}",
                count(several.len(), "environment"),
                escape(given),
                list_environments(several.iter().copied())
            );
            Err(Failure::new(FailureKind::InvalidInput, message)
                .with_help("use the environment's id"))
        }
    }
}

fn matching_environments<'a>(all: &'a [Environment], given: &str) -> Vec<&'a Environment> {
    if Uuid::try_parse(given).is_ok() {
        let is = |side: &&Environment| side.id.eq_ignore_ascii_case(given);
        return all.iter().filter(is).collect();
    }
    let named = |same: fn(&str, &str) -> bool| -> Vec<&Environment> {
        let is = |side: &&Environment| {
            side.display_name
                .as_deref()
                .is_some_and(|name| same(name, given))
        };
        all.iter().filter(is).collect()
    };
    // Two names may differ only in case.
    let exactly = named(|name, given| name == given);
    if !exactly.is_empty() {
        return exactly;
    }
    let address = if given.contains("://") {
        Url::parse(given).ok()
    } else {
        Url::parse(&format!("https://{given}"))
            .ok()
            .filter(|_| given.contains('.'))
    };
    if let Some(address) = address {
        let at = |url: Option<&String>| {
            url.and_then(|url| Url::parse(url).ok())
                .is_some_and(|url| url.origin() == address.origin())
        };
        let is = |side: &&Environment| {
            at(side.dataverse.as_ref().and_then(|it| it.url.as_ref()))
                || at(side
                    .finance_operations
                    .as_ref()
                    .and_then(|it| it.url.as_ref()))
        };
        let found: Vec<&Environment> = all.iter().filter(is).collect();
        if !found.is_empty() {
            return found;
        }
    }
    named(|name, given| name.to_lowercase() == given.to_lowercase())
}

/// The environments as a list below a message.
fn list_environments<'a>(some: impl Iterator<Item = &'a Environment>) -> String {
    const LIMIT: usize = 30;
    let lines: Vec<String> = some
        .map(|side| {
            let kind = side.sku.as_deref().unwrap_or("unknown kind");
            let url = side.dataverse.as_ref().and_then(|it| it.url.as_deref());
            format!(
                "\n  - '{}' {} ({}{})",
                display_name(side),
                escape(&side.id),
                escape(kind),
                url.map(|url| format!(", {}", escape(url)))
                    .unwrap_or_default()
            )
        })
        .collect();
    if lines.is_empty() {
        return "; this sign-in can see no environment".to_owned();
    }
    let more = lines.len().saturating_sub(LIMIT);
    let rest = if more > 0 {
        format!("\n  … and {more} more")
    } else {
        String::new()
    };
    format!(": {}{rest}", lines[..lines.len() - more].concat())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn environment(id: u128, name: &str, url: &str) -> Environment {
        let value = json!({
            "name": Uuid::from_u128(id),
            "properties": {
                "displayName": name,
                "environmentSku": "Sandbox",
                "linkedEnvironmentMetadata": { "instanceUrl": url },
            },
        });
        Environment::from_value(value).unwrap()
    }

    fn all() -> Vec<Environment> {
        vec![
            environment(1, "Contoso UAT", "https://uat.crm.dynamics.com/"),
            environment(2, "contoso uat", "https://uat2.crm.dynamics.com/"),
            environment(3, "Twin", "https://a.crm.dynamics.com/"),
            environment(4, "Twin", "https://b.crm.dynamics.com/"),
        ]
    }

    #[test]
    fn an_environment_is_found_by_id_name_and_address() {
        let all = all();
        let found = |given: &str| find_environment(&all, "--target", given).map(|it| it.id.clone());
        let id = |id: u128| Uuid::from_u128(id).to_string();
        assert_eq!(found(&id(3)).unwrap(), id(3));
        assert_eq!(
            found("Contoso UAT").unwrap(),
            id(1),
            "the case distinguishes names"
        );
        assert_eq!(found("contoso uat").unwrap(), id(2));
        assert_eq!(
            found("https://uat2.crm.dynamics.com/main.aspx").unwrap(),
            id(2)
        );
        assert_eq!(found("b.crm.dynamics.com").unwrap(), id(4));
    }

    #[test]
    fn an_ambiguous_name_is_refused_with_the_candidates() {
        let all = all();
        let failure = |given: &str| find_environment(&all, "--target", given).unwrap_err();
        let twins = failure("Twin");
        assert_eq!(twins.kind, FailureKind::InvalidInput);
        assert!(
            twins.message.starts_with("--target: 2 environments"),
            "{twins}"
        );
        assert!(
            twins.message.contains(&Uuid::from_u128(4).to_string()),
            "{twins}"
        );
        assert!(!twins.message.contains("Contoso"), "{twins}");
        let cases = failure("CONTOSO UAT");
        assert!(
            cases.message.starts_with("--target: 2 environments"),
            "{cases}"
        );
        let none = failure("Contoso QA");
        assert!(none.message.contains("'Contoso UAT'"), "{none}");
        let other = failure("https://uat.crm.dynamics.com.evil.example");
        assert!(other.message.contains("no environment"), "{other}");
    }
}
