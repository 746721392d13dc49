//! The caller, the organization, and whether a user is System Administrator.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::client::Dataverse;
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::{Response, Wait, WaitReason};
use crate::clients::odata::{Query, Row};

/// The template of the System Administrator role. Every business unit has its own copy of a role,
/// so it is identified by its template, never by its id (recorded with the tests of the Terraform
/// provider for Power Platform, and in Microsoft's own samples).
const SYSTEM_ADMINISTRATOR: Uuid = Uuid::from_u128(0x627090ff_40a3_4053_8790_584edc5be201);

/// The interval between checks whether an organization has provisioned the caller: the Terraform
/// provider for Power Platform checks every 15 seconds for 10 minutes.
const PROVISIONING_POLL: Duration = Duration::from_secs(15);

/// The caller as the organization identifies it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WhoAmI {
    /// The caller's `systemuserid`.
    pub user: Uuid,
    /// The organization.
    pub organization: Uuid,
}

/// The organization behind an environment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Organization {
    /// Its id.
    pub id: Uuid,
    /// Its unique name.
    pub unique_name: Option<String>,
    /// Its state.
    pub state: Option<String>,
}

impl Dataverse {
    /// The caller as the organization identifies it (`WhoAmI`).
    pub async fn who_am_i(&self) -> Result<WhoAmI, Error> {
        let response = self.read("WhoAmI").await?;
        let body = response.value()?;
        Ok(WhoAmI {
            user: parse_id(&response, &body, "UserId")?,
            organization: parse_id(&response, &body, "OrganizationId")?,
        })
    }

    /// Waits until the organization has provisioned the caller, at most for `limit` on the
    /// program's clock. A new or copied organization responds with 403 until then. Every other 403
    /// is returned at once, because waiting does not help: administration mode, the IP firewall, a
    /// missing privilege, a code that is not known.
    pub async fn wait_until_provisioned(&self, limit: Duration) -> Result<WhoAmI, Error> {
        let clock = self.service.http().clock();
        let end = clock.elapsed() + limit;
        let mut attempt = 1;
        loop {
            let error = match self.who_am_i().await {
                Ok(caller) => return Ok(caller),
                Err(error) => error,
            };
            let is_timed_out = clock.elapsed() + PROVISIONING_POLL > end;
            if !error.may_be_provisioning() || is_timed_out {
                return Err(error);
            }
            let wait = Wait {
                service: self.name().to_owned(),
                reason: WaitReason::NotYetProvisioned,
                duration: PROVISIONING_POLL,
                attempt,
                message: error.message.clone(),
            };
            self.service.http().pause(wait, &error.what).await?;
            attempt += 1;
        }
    }

    /// The organization as it describes itself (`RetrieveCurrentOrganization`).
    pub async fn organization(&self) -> Result<Organization, Error> {
        let response = self
            .read(
                "RetrieveCurrentOrganization(AccessType=@p1)\
                 ?@p1=Microsoft.Dynamics.CRM.EndpointAccessType'Default'",
            )
            .await?;
        let body = response.value()?;
        let detail = body
            .get("Detail")
            .ok_or_else(|| response.malformed("the response has no member 'Detail'"))?;
        let text = |member: &str| Some(detail.get(member)?.as_str()?.to_owned());
        Ok(Organization {
            id: parse_id(&response, detail, "OrganizationId")?,
            unique_name: text("UniqueName"),
            state: text("State"),
        })
    }

    /// Whether this user is System Administrator, directly or through a team. A missing user
    /// is an error.
    pub async fn is_system_administrator(&self, user: Uuid) -> Result<bool, Error> {
        let path = format!(
            "systemusers({user})?$select=systemuserid\
             &$expand=systemuserroles_association($select=roleid,name,_roletemplateid_value)"
        );
        let response = self.read(&path).await?;
        if has_administrator_role(
            &Row::from_response(&response)?,
            "systemuserroles_association",
        ) {
            return Ok(true);
        }
        let teams = Query::new()
            .select(&["teamid", "name"])
            .expand("teamroles_association($select=roleid,name,_roletemplateid_value)");
        let path = format!("systemusers({user})/teammembership_association");
        let teams = self.list(&path, &teams).await?;
        Ok(teams
            .iter()
            .any(|team| has_administrator_role(team, "teamroles_association")))
    }
}

/// Whether the roles in a row include System Administrator.
fn has_administrator_role(row: &Row, roles: &str) -> bool {
    let roles = row.value.get(roles).and_then(Value::as_array);
    roles.into_iter().flatten().any(|role| {
        let template = role["_roletemplateid_value"].as_str();
        template.and_then(|id| Uuid::try_parse(id).ok()) == Some(SYSTEM_ADMINISTRATOR)
    })
}

fn parse_id(response: &Response, value: &Value, member: &str) -> Result<Uuid, Error> {
    let id = value.get(member).and_then(Value::as_str);
    id.and_then(|id| Uuid::try_parse(id).ok()).ok_or_else(|| {
        let why = format!("the response has no id in '{member}'");
        response.error(ErrorKind::Malformed, &why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::testing::{Listener, Reply, Setup};

    const ADMINISTRATOR: &str = r#"{"name":"System Administrator","_roletemplateid_value":"627090FF-40a3-4053-8790-584edc5be201"}"#;
    const OTHER: &str = r#"{"name":"System Administrator","_roletemplateid_value":null}"#;

    async fn is_administrator(own: &str, of_team: &str) -> Result<bool, Error> {
        let setup = Setup::new(1_000.0);
        let own = format!(r#"{{"systemuserid":"x","systemuserroles_association":[{own}]}}"#);
        let teams = format!(
            r#"{{"value":[{{"teamroles_association":[]}},{{"teamroles_association":[{of_team}]}}]}}"#
        );
        let listener = Listener::start(move |request, _| {
            let is_team = request.path.contains("teammembership_association");
            Reply::json(200, if is_team { teams.clone() } else { own.clone() })
        })
        .await;
        Dataverse::new(setup.service(&listener.url))
            .is_system_administrator(Uuid::nil())
            .await
    }

    #[tokio::test]
    async fn the_administrators_role_is_found_by_its_template_also_through_a_team() {
        assert!(is_administrator(ADMINISTRATOR, "").await.unwrap());
        assert!(is_administrator(OTHER, ADMINISTRATOR).await.unwrap());
        assert!(!is_administrator(OTHER, OTHER).await.unwrap());
    }

    #[tokio::test]
    async fn a_missing_user_is_an_error() {
        let setup = Setup::new(1_000.0);
        let missing = r#"{"error":{"code":"0x80040217","message":"x"}}"#;
        let listener = Listener::replying(vec![Reply::json(404, missing)]).await;
        let dataverse = Dataverse::new(setup.service(&listener.url));
        assert!(
            dataverse
                .is_system_administrator(Uuid::nil())
                .await
                .unwrap_err()
                .is_missing_row()
        );
    }

    #[tokio::test]
    async fn the_organization_is_parsed() {
        let setup = Setup::new(1_000.0);
        let body = r#"{"Detail":{"OrganizationId":"00000000-0000-0000-0000-000000000002","UniqueName":"unq1","FriendlyName":"Contoso UAT","State":"Enabled"}}"#;
        let listener =
            Listener::replying(vec![Reply::json(200, body), Reply::json(200, "{}")]).await;
        let dataverse = Dataverse::new(setup.service(&listener.url));
        let organization = dataverse.organization().await.unwrap();
        assert_eq!(organization.id, Uuid::from_u128(2));
        assert_eq!(organization.unique_name.as_deref(), Some("unq1"));
        assert_eq!(
            dataverse.organization().await.unwrap_err().kind,
            ErrorKind::Malformed
        );
    }

    #[tokio::test]
    async fn a_403_after_a_copy_is_retried_until_the_caller_is_provisioned() {
        let me = r#"{"UserId":"00000000-0000-0000-0000-000000000001","OrganizationId":"00000000-0000-0000-0000-000000000002","BusinessUnitId":"00000000-0000-0000-0000-000000000003"}"#;
        let refused = |code: &str| {
            Reply::json(
                403,
                format!(r#"{{"error":{{"code":"{code}","message":"no"}}}}"#),
            )
        };
        let setup = Setup::new(1_000.0);
        let listener = Listener::replying(vec![
            refused("0x80072560"),
            refused("0x80072560"),
            Reply::json(200, me),
        ])
        .await;
        let limit = Duration::from_mins(10);
        let caller = Dataverse::new(setup.service(&listener.url))
            .wait_until_provisioned(limit)
            .await
            .unwrap();
        assert_eq!(caller.user, Uuid::from_u128(1));
        let waits = setup.waits.all();
        assert_eq!(waits.len(), 2);
        assert!(
            waits
                .iter()
                .all(|wait| wait.reason == WaitReason::NotYetProvisioned)
        );

        // The firewall, a missing privilege, a code that is not known: one request each.
        for code in ["0x80095ffe", "0x80040220", "Novelty"] {
            let listener = Listener::replying(vec![refused(code)]).await;
            let error = Dataverse::new(setup.service(&listener.url))
                .wait_until_provisioned(limit)
                .await
                .unwrap_err();
            assert_eq!(
                (error.kind, listener.count()),
                (ErrorKind::Forbidden, 1),
                "{code}"
            );
            assert!(error.to_string().contains(code), "{error}");
        }

        let closed = Listener::replying(vec![refused("0x8004A113")]).await;
        let error = Dataverse::new(setup.service(&closed.url))
            .wait_until_provisioned(limit)
            .await
            .unwrap_err();
        assert_eq!((error.kind, closed.count()), (ErrorKind::Forbidden, 1));
        assert!(
            error
                .help
                .as_deref()
                .unwrap()
                .contains("administration mode")
        );

        let forever = Listener::replying(vec![refused("0x80072560")]).await;
        let error = Dataverse::new(setup.service(&forever.url))
            .wait_until_provisioned(Duration::from_mins(1))
            .await;
        assert_eq!(error.unwrap_err().kind, ErrorKind::Forbidden);
    }
}
