//! Functions and actions: those of the platform that surveys and checks use, and the tenant's own
//! requests for the buttons of Intelligent Order Management.
//!
//! Microsoft has not published the requests behind those buttons. The names `rehearsal_…` show that
//! these are not Microsoft's.

use serde_json::{Value, json};

use super::{NAMESPACE, WebApiRequest, odata};
use crate::rehearsal::application::TENANT;
use crate::rehearsal::behaviour::organization::{lookup, text};
use crate::rehearsal::behaviour::{
    environments, orchestrations, policies, providers, system, users,
};
use crate::rehearsal::listeners::message::Response;
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::odata::path::{Segment, unquoted};
use crate::rehearsal::schema::table::Table;

impl WebApiRequest<'_, '_> {
    /// A function or action without a row.
    pub(super) fn unbound_operation(&mut self, segment: &Segment) -> Result<Response, ODataError> {
        let method = self.request.method.as_str();
        match (method, segment.name.as_str()) {
            ("GET", "WhoAmI") => Ok(self.who_am_i()),
            ("GET", "RetrieveVersion") => {
                let version = self.environment_metadata("version");
                Ok(self.function_response("RetrieveVersionResponse", json!({"Version": version})))
            }
            ("GET", "RetrieveCurrentOrganization") => self.current_organization(segment),
            ("GET", "RetrieveAadUserRoles") => self.directory_roles(segment),
            ("POST", "rehearsal_ActivateSystem") => {
                users::check_write_privilege(
                    &self.organization,
                    "msdyn_iomplatformconnectionreference",
                )?;
                system::activate(&mut self.organization)?;
                Ok(Response::empty(204))
            }
            ("POST", "rehearsal_InstallProvider") => {
                users::check_write_privilege(&self.organization, "msdyn_iomprovider")?;
                let provider = self.guid_parameter("ProviderId")?;
                let definition = self.guid_parameter("ProviderDefinitionId")?;
                providers::install(&mut self.organization, &provider, &definition)?;
                Ok(Response::empty(204))
            }
            _ => Err(ODataError::unknown_segment(&segment.name)),
        }
    }

    /// A function or action of a row.
    pub(super) fn bound_operation(
        &mut self,
        table: &Table,
        id: &str,
        segment: &Segment,
    ) -> Result<Response, ODataError> {
        let name = segment.name.trim_start_matches(NAMESPACE);
        let method = self.request.method.as_str();
        let run = match (method, table.logical_name.as_str(), name) {
            ("POST", "msdyn_iomprovider", "rehearsal_ActivateProvider") => providers::activate,
            ("POST", "msdyn_iompolicy", "rehearsal_PublishPolicy") => policies::publish,
            ("POST", "msdyn_iomdesigner", "rehearsal_PublishOrchestration") => {
                orchestrations::publish
            }
            _ => return Err(ODataError::unknown_segment(&segment.name)),
        };
        users::check_write_privilege(&self.organization, &table.logical_name)?;
        run(&mut self.organization, id)?;
        Ok(Response::empty(204))
    }

    pub(super) fn function_response(&self, kind: &str, mut body: Value) -> Response {
        let context = format!("{}$metadata#Microsoft.Dynamics.CRM.{kind}", self.root);
        body["@odata.context"] = json!(context);
        odata(200, &body)
    }

    fn environment_metadata(&self, name: &str) -> String {
        let pointer = format!("/properties/linkedEnvironmentMetadata/{name}");
        let environment = &self.organization.environment;
        environments::property(self.organization.draft, environment, &pointer)
            .unwrap_or_default()
            .to_owned()
    }

    fn who_am_i(&self) -> Response {
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
        self.function_response("WhoAmIResponse", body)
            .with("x-ms-dop-hint", "8")
    }

    fn current_organization(&self, segment: &Segment) -> Result<Response, ODataError> {
        let access = segment.argument("AccessType").unwrap_or_default();
        let access = if access.starts_with('@') {
            self.request.option(&access).unwrap_or_default().to_owned()
        } else {
            access
        };
        if !access.starts_with("Microsoft.Dynamics.CRM.EndpointAccessType'") {
            return Err(ODataError::bad_request(
                "The parameter AccessType is missing.",
            ));
        }
        let origin = self.root.split("/api/").next().unwrap_or_default();
        let detail = json!({
            "OrganizationId": self.organization.id,
            "FriendlyName": self.environment_metadata("friendlyName"),
            "OrganizationVersion": self.environment_metadata("version"),
            "EnvironmentId": self.organization.environment,
            "DatacenterId": self.organization.id,
            "Geo": "NA",
            "TenantId": TENANT,
            "UrlName": self.environment_metadata("domainName"),
            "UniqueName": self.environment_metadata("uniqueName"),
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
        Ok(self.function_response("RetrieveCurrentOrganizationResponse", body))
    }

    /// The roles of a user, given by its directory object, also those of its teams.
    fn directory_roles(&self, segment: &Segment) -> Result<Response, ODataError> {
        let object = segment.argument("DirectoryObjectId").unwrap_or_default();
        let object = if object.starts_with('@') {
            self.request.option(&object).unwrap_or_default().to_owned()
        } else {
            object
        };
        let object = unquoted(&object);
        let users = self.organization.borrowed_rows("systemuser");
        let user = users
            .into_iter()
            .find(|user| text(user, "azureactivedirectoryobjectid") == Some(&object))
            .and_then(|user| text(user, "systemuserid"))
            .ok_or_else(|| ODataError::row_not_found("systemuser", &object))?;
        let table = self.organization.table("role")?;
        let options = self.options()?;
        let roles = self.organization.roles_of(user).into_iter();
        let roles = self.rows_json(table, roles, &options)?;
        let body = json!({
            "@odata.context": format!("{}$metadata#roles", self.root),
            "value": roles,
        });
        Ok(odata(200, &body))
    }
}
