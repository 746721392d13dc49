//! The guard of every reset: the link must be the target's own.
//!
//! After a copy the gateway's record of the link may describe the source's pair, and every request
//! for it goes there. A reset of the production pair is the worst that this program could do,
//! so Finance and Operations, the organization and the environment must all be the target's, each
//! confirmed separately. The connection set alone is not enough.

use serde_json::{Value, json};

use super::gateway::GatewayState;
use crate::base::text::escape;
use crate::clients::{ConnectionSet, DualWriteLink, LinkedEnvironment};
use crate::domain::RefreshContext;
use crate::domain::environments::host;
use crate::engine::Failure;

/// Who the target is, by the admin API and by Dataverse itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pair {
    /// The Power Platform environment.
    pub(crate) environment: String,
    /// The Dataverse organization.
    pub(crate) organization: String,
    /// The host of Dataverse.
    pub(crate) dataverse: String,
    /// The host of Finance and Operations.
    pub(crate) finance: String,
}

/// Reads again who the target is. Fails if the admin API and Dataverse do not name the same
/// organization.
pub(crate) async fn read_target_pair(refresh: &RefreshContext) -> Result<Pair, Failure> {
    let id = refresh.target_id();
    let environment = refresh.services.bap.environment(id).await?;
    let environment =
        environment.ok_or_else(|| Failure::failed(format!("there is no environment {id}")))?;
    let dataverse = environment.dataverse.as_ref();
    let finance = environment.finance_operations.as_ref();
    let missing = |what: &str| {
        Failure::refused(format!("the admin API does not show {what} of the target"))
            .with_help("nothing is reset; look at the environment in the admin center")
    };
    let pair = Pair {
        environment: environment.id.clone(),
        organization: dataverse
            .and_then(|d| d.organization_id.clone())
            .ok_or_else(|| missing("the organization"))?,
        dataverse: dataverse
            .and_then(|d| host(d.url.as_deref()?))
            .ok_or_else(|| missing("the Dataverse"))?,
        finance: finance
            .and_then(|f| host(f.url.as_deref()?))
            .ok_or_else(|| missing("the Finance and Operations"))?,
    };
    let answering = refresh
        .target
        .dataverse
        .who_am_i()
        .await?
        .organization
        .to_string();
    if same(&answering, &pair.organization) {
        return Ok(pair);
    }
    Err(Failure::refused(format!(
        "the admin API says that the target is the organization {}, and the Dataverse at {} is the \
         organization {answering}",
        escape(&pair.organization),
        escape(&pair.dataverse)
    ))
    .with_help("nothing is reset; wait for the copy to end, then run again"))
}

fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Fails unless link and connection set describe exactly this pair. A missing value is not the
/// target's.
pub(crate) fn require_same_pair(
    pair: &Pair,
    link: &DualWriteLink,
    set: &ConnectionSet,
) -> Result<(), Failure> {
    let mut others = Vec::new();
    let mut compare = |what: &str, found: Option<&str>, wanted: &str| {
        if !found.is_some_and(|found| same(found, wanted)) {
            let found = found.map_or_else(
                || "nothing".to_owned(),
                |found| format!("'{}'", escape(found)),
            );
            others.push(format!(
                "\n  - {what}: it names {found}, the target is '{wanted}'"
            ));
        }
    };
    compare(
        "environment",
        link.environment.as_deref(),
        &pair.environment,
    );
    if let Some(id) = &set.id {
        compare("connection set", Some(id), &link.id);
    }
    let side = |side: Option<&LinkedEnvironment>| {
        let url = side.and_then(|side| side.url.clone());
        let environment = side.and_then(|side| side.environment.clone());
        (url.and_then(|url| host(&url)), environment)
    };
    for (name, linked, wanted) in [
        ("Finance and Operations", set.finance(), &pair.finance),
        ("Dataverse", set.dataverse(), &pair.dataverse),
    ] {
        let (url, environment) = side(linked);
        compare(&format!("host of {name}"), url.as_deref(), wanted);
        let what = format!("environment of {name}");
        compare(&what, environment.as_deref(), &pair.environment);
    }
    // The gateway is not known to name the organization; if it does, it must be the target's.
    if let Some(organization) = set
        .dataverse()
        .and_then(|side| side.organization.as_deref())
    {
        compare("organization", Some(organization), &pair.organization);
    }
    if set.environments.len() != 2 {
        let count = set.environments.len();
        others.push(format!(
            "\n  - it has {count} environments, and a link has two"
        ));
    }
    if others.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "the link '{}' is not the target's, so it is not reset and nothing was sent{}",
        escape(&link.name),
        others.concat()
    ))
    .with_help(
        "in Finance and Operations of the target, Data management > Dual-write, look at which \
         Dataverse it is linked to; link it to the target's own there, then run again",
    ))
}

/// Reads whether the link that the gateway shows is the target's own. Fails if it is not
/// ([`FailureKind::Refused`](crate::engine::FailureKind::Refused)) and if that is unknown.
pub(crate) async fn own_link(refresh: &RefreshContext) -> Result<String, Failure> {
    let pair = read_target_pair(refresh).await?;
    let linked = GatewayState::read(refresh).await?;
    require_same_pair(&pair, &linked.link, &linked.set)?;
    Ok(format!(
        "'{}' links {} with {}",
        escape(&linked.link.name),
        pair.finance,
        pair.dataverse
    ))
}

/// The body of a reset, made of what was compared and of nothing else but the names that the
/// gateway gives to the two environments.
pub(crate) fn reset_body(pair: &Pair, set: &ConnectionSet, legal_entities: &[String]) -> Value {
    let side = |kind: &str, linked: Option<&LinkedEnvironment>| {
        json!({
            "targetType": kind,
            "name": linked.and_then(|one| one.name.clone()),
            "displayName": linked.and_then(|one| one.display_name.clone()),
            "id": pair.environment,
            "isDevInstance": linked.is_some_and(|one| one.is_development),
            "directUrl": linked.and_then(|one| one.url.clone()),
        })
    };
    json!({
        "powerAppsEnvironmentName": pair.environment,
        "environments": [side("CRM", set.dataverse()), side("AX", set.finance())],
        "legalEntities": legal_entities,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::FailureKind;

    const ENVIRONMENT: &str = "22222222-2222-2222-2222-222222222222";

    fn pair() -> Pair {
        Pair {
            environment: ENVIRONMENT.to_owned(),
            organization: "0a22".to_owned(),
            dataverse: "orguat.crm4.dynamics.com".to_owned(),
            finance: "contoso-uat.sandbox.operations.dynamics.com".to_owned(),
        }
    }

    fn link(environment: &str) -> DualWriteLink {
        let raw = json!({"cid": "c", "cname": "n", "powerAppsEnvironment": environment});
        DualWriteLink::from_value(&raw).unwrap()
    }

    fn set() -> Value {
        json!({"id": "c", "environments": {
            "a": {"name": "crm", "targetType": "CRM", "powerAppsEnvironment": ENVIRONMENT,
                "directUrl": "https://OrgUAT.crm4.dynamics.com/"},
            "b": {"name": "ax", "targetType": "AX", "powerAppsEnvironment": ENVIRONMENT,
                "directUrl": "https://contoso-uat.sandbox.operations.dynamics.com"},
        }})
    }

    fn checked(link: &DualWriteLink, set: Value) -> Result<(), Failure> {
        require_same_pair(&pair(), link, &ConnectionSet::from_value(set).unwrap())
    }

    #[test]
    fn pitfall_9_a_reset_at_any_other_pair_is_refused() {
        assert!(checked(&link(ENVIRONMENT), set()).is_ok());
        let refused = |link: &DualWriteLink, set: Value, names: &str| {
            let failure = checked(link, set).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Refused);
            assert!(failure.message.contains(names), "{names}: {failure}");
        };
        refused(&link("11111111"), set(), "'11111111', the target is '2222");
        for (pointer, value, names) in [
            (
                "/environments/a/directUrl",
                json!("https://orgprod.crm4.dynamics.com"),
                "'orgprod.crm4.dynamics.com', the target is 'orguat.crm4",
            ),
            (
                "/environments/a/directUrl",
                json!("https://orguat.crm4.dynamics.com.evil.example"),
                "evil",
            ),
            (
                "/environments/b/directUrl",
                json!("https://contoso.operations.dynamics.com"),
                "contoso.operations",
            ),
            (
                "/environments/b/directUrl",
                json!("not an address"),
                "it names nothing",
            ),
            (
                "/environments/a/powerAppsEnvironment",
                json!("1111"),
                "environment of Dataverse: it names '1111'",
            ),
            (
                "/environments/b/powerAppsEnvironment",
                Value::Null,
                "environment of Finance and Operations: it names nothing",
            ),
            ("/id", json!("another"), "connection set"),
        ] {
            let mut set = set();
            *set.pointer_mut(pointer).unwrap() = value;
            refused(&link(ENVIRONMENT), set, names);
        }
        let mut other = set();
        other["environments"]["a"]["organizationId"] = json!("0a11");
        refused(
            &link(ENVIRONMENT),
            other,
            "organization: it names '0a11', the target is '0a22'",
        );
        let mut three = set();
        three["environments"]["c"] = json!({"targetType": "CRM", "directUrl": "https://orgprod"});
        refused(&link(ENVIRONMENT), three, "3 environments");
    }

    #[test]
    fn a_reset_names_the_target_and_the_recorded_companies() {
        let set = ConnectionSet::from_value(set()).unwrap();
        let body = reset_body(&pair(), &set, &["USMF".to_owned()]);
        assert_eq!(body["powerAppsEnvironmentName"], ENVIRONMENT);
        assert_eq!(body["environments"][0]["targetType"], "CRM");
        assert_eq!(body["environments"][1]["id"], ENVIRONMENT);
        // A legal entity that is not named is not selected.
        assert_eq!(body["legalEntities"], json!(["USMF"]));
    }
}
