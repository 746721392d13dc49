//! Functions and actions: those of the platform that preflight and surveys ask, and the
//! tenant's own requests for the buttons of Intelligent Order Management.
//!
//! Microsoft has not published the requests behind those buttons; the ones here are named
//! `rehearsal_…` so that nobody takes them for Microsoft's.

use serde_json::{Value, json};

use super::{Visit, odata};
use crate::rehearsal::application::TENANT;
use crate::rehearsal::behaviour::organization::{lookup, text};
use crate::rehearsal::behaviour::{
    environments, orchestrations, policies, providers, system, users,
};
use crate::rehearsal::listeners::message::Answer;
use crate::rehearsal::odata::error::Refusal;
use crate::rehearsal::odata::path::{Segment, unquoted};
use crate::rehearsal::schema::table::Table;

impl Visit<'_, '_> {
    /// A function or action that belongs to no row.
    pub(super) fn unbound(&mut self, segment: &Segment) -> Result<Answer, Refusal> {
        let method = self.request.method.as_str();
        match (method, segment.name.as_str()) {
            ("GET", "WhoAmI") => Ok(self.who_am_i()),
            ("GET", "RetrieveVersion") => {
                let version = self.metadata_of("version");
                Ok(self.response("RetrieveVersionResponse", json!({"Version": version})))
            }
            ("GET", "RetrieveCurrentOrganization") => self.current_organization(segment),
            ("GET", "RetrieveAadUserRoles") => self.directory_roles(segment),
            ("POST", "rehearsal_ActivateSystem") => {
                users::may_write(&self.organization, "msdyn_iomplatformconnectionreference")?;
                system::activate(&mut self.organization)?;
                Ok(Answer::empty(204))
            }
            ("POST", "rehearsal_InstallProvider") => {
                users::may_write(&self.organization, "msdyn_iomprovider")?;
                let provider = self.parameter("ProviderId")?;
                let definition = self.parameter("ProviderDefinitionId")?;
                providers::install(&mut self.organization, &provider, &definition)?;
                Ok(Answer::empty(204))
            }
            _ => Err(Refusal::no_segment(&segment.name)),
        }
    }

    /// A function or action of a row.
    pub(super) fn bound(
        &mut self,
        table: &Table,
        id: &str,
        segment: &Segment,
    ) -> Result<Answer, Refusal> {
        let name = segment.name.trim_start_matches("Microsoft.Dynamics.CRM.");
        let method = self.request.method.as_str();
        let act = match (method, table.logical_name.as_str(), name) {
            ("POST", "msdyn_iomprovider", "rehearsal_ActivateProvider") => providers::activate,
            ("POST", "msdyn_iompolicy", "rehearsal_PublishPolicy") => policies::publish,
            ("POST", "msdyn_iomdesigner", "rehearsal_PublishOrchestration") => {
                orchestrations::publish
            }
            _ => return Err(Refusal::no_segment(&segment.name)),
        };
        users::may_write(&self.organization, &table.logical_name)?;
        act(&mut self.organization, id)?;
        Ok(Answer::empty(204))
    }

    fn response(&self, kind: &str, mut body: Value) -> Answer {
        let context = format!("{}$metadata#Microsoft.Dynamics.CRM.{kind}", self.root);
        body["@odata.context"] = json!(context);
        odata(200, &body)
    }

    fn metadata_of(&self, name: &str) -> String {
        let pointer = format!("/properties/linkedEnvironmentMetadata/{name}");
        let environment = &self.organization.environment;
        environments::property(self.organization.draft, environment, &pointer)
            .unwrap_or_default()
            .to_owned()
    }

    fn who_am_i(&self) -> Answer {
        let user = self.organization.caller.user.clone().unwrap_or_default();
        let row = self
            .organization
            .row("systemuser", &user)
            .unwrap_or_default();
        let body = json!({
            "BusinessUnitId": lookup(&row, "businessunitid"),
            "UserId": user,
            "OrganizationId": self.organization.id,
        });
        self.response("WhoAmIResponse", body)
            .with("x-ms-dop-hint", "8")
    }

    fn current_organization(&self, segment: &Segment) -> Result<Answer, Refusal> {
        let access = segment.argument("AccessType").unwrap_or_default();
        let access = if access.starts_with('@') {
            self.request.option(&access).unwrap_or_default().to_owned()
        } else {
            access
        };
        if !access.starts_with("Microsoft.Dynamics.CRM.EndpointAccessType'") {
            return Err(Refusal::bad_request("The parameter AccessType is missing."));
        }
        let origin = self.root.split("/api/").next().unwrap_or_default();
        let detail = json!({
            "OrganizationId": self.organization.id,
            "FriendlyName": self.metadata_of("friendlyName"),
            "OrganizationVersion": self.metadata_of("version"),
            "EnvironmentId": self.organization.environment,
            "DatacenterId": self.organization.id,
            "Geo": "NA",
            "TenantId": TENANT,
            "UrlName": self.metadata_of("domainName"),
            "UniqueName": self.metadata_of("uniqueName"),
            "State": "Enabled",
            "OrganizationType": "Customer",
            "Endpoints": {
                "Count": 2,
                "IsReadOnly": false,
                "Keys": ["WebApplication", "OrganizationDataService"],
                "Values": [format!("{origin}/"), format!("{origin}/api/data/")],
            },
        });
        let body = json!({"Detail": detail});
        Ok(self.response("RetrieveCurrentOrganizationResponse", body))
    }

    /// The roles of a user of the directory, also those that come through teams.
    fn directory_roles(&self, segment: &Segment) -> Result<Answer, Refusal> {
        let object = segment.argument("DirectoryObjectId").unwrap_or_default();
        let object = if object.starts_with('@') {
            self.request.option(&object).unwrap_or_default().to_owned()
        } else {
            object
        };
        let object = unquoted(&object);
        let users = self.organization.rows("systemuser");
        let user = users
            .iter()
            .find(|user| text(user, "azureactivedirectoryobjectid") == Some(&object))
            .and_then(|user| text(user, "systemuserid"))
            .ok_or_else(|| Refusal::no_row("systemuser", &object))?;
        let table = self.organization.table("role")?;
        let options = self.options()?;
        let roles: Result<Vec<Value>, Refusal> = self
            .organization
            .roles_of(user)
            .iter()
            .map(|role| self.represent(&table, role, &options).map(Value::Object))
            .collect();
        let body = json!({
            "@odata.context": format!("{}$metadata#roles", self.root),
            "value": roles?,
        });
        Ok(odata(200, &body))
    }
}
