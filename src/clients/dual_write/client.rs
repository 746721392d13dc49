//! The gateway's reads and requests.
//!
//! Routes and bodies are those that Microsoft's own *Dual-write-automations* sends; none is a
//! published contract. Each is in one place, so that a change of the service is one change here.

use std::time::Duration;

use serde_json::{Value, json};

use super::address::check_gateway_address;
use super::connection_set::{ConnectionSet, DualWriteLink};
use super::field_mappings::FieldMappings;
use super::map::{EntityMap, MapAction};
use super::request_state::RequestState;
use super::solution::MapSolution;
use crate::base::encoding::{ALL_BUT_UNRESERVED_AND_COLON, percent_encode};
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::{Method, Request, Response, Service};
use crate::clients::json::text_at;

/// The root of the management routes.
const MANAGEMENT: &str = "/api/DualWriteManagement/1.0";

/// The timeouts of a map request and of a reset (those of *Dual-write-automations*).
const MAP_REQUEST: Duration = Duration::from_mins(3);
const RESET: Duration = Duration::from_mins(5);

/// The dual-write gateway, which Microsoft does not support.
#[derive(Clone, Debug)]
pub struct DualWriteGateway {
    service: Service,
}

impl DualWriteGateway {
    /// Takes the gateway's service. Fails with [`ErrorKind::Configuration`] if the address is not a
    /// gateway's; nothing is ever sent there.
    pub fn new(service: Service) -> Result<Self, Error> {
        match check_gateway_address(service.origin()) {
            Ok(()) => Ok(Self { service }),
            Err(error) => {
                let why = format!("{}: {error}", service.origin());
                let failed = Error::new(ErrorKind::Configuration, service.name(), "anything", &why);
                Err(failed
                    .with_source(error)
                    .with_help("correct `endpoints: { dual-write: … }` in the runbook"))
            }
        }
    }

    /// The link of a Finance and Operations environment. Takes its bare host: with a scheme the
    /// gateway returns an empty list. `None` does not prove "not linked": a stopped environment,
    /// another region and a wrong host get the same response.
    pub async fn link(&self, host: &str) -> Result<Option<DualWriteLink>, Error> {
        if host.contains('/') {
            let why = format!("'{host}' is not a bare host");
            let what = "GET Environments";
            return Err(Error::new(
                ErrorKind::Configuration,
                self.service.name(),
                what,
                &why,
            ));
        }
        let path = format!(
            "{MANAGEMENT}/Environments?targetType=AX&identifier={}",
            encode(host)
        );
        let response = self.get(&path).await?;
        let body = response.value()?;
        let items = body
            .as_array()
            .ok_or_else(|| response.malformed("not a list of environments"))?;
        Ok(items.first().and_then(DualWriteLink::from_value))
    }

    /// Every map of a link, in any state. An item that cannot be parsed fails the list.
    pub async fn maps(&self, link: &DualWriteLink) -> Result<Vec<EntityMap>, Error> {
        let path = format!(
            "{MANAGEMENT}/Entities?targetType=AX&cid={}",
            encode(&link.id)
        );
        let response = self.get(&path).await?;
        response.parse_items(Some(&response.value()?), "maps", EntityMap::from_value)
    }

    /// The connection set of a link. It is read by name, not by id.
    pub async fn connection_set(&self, link: &DualWriteLink) -> Result<ConnectionSet, Error> {
        let path = format!("/api/ConnectionSet/{}", encode(&link.name));
        let response = self.get(&path).await?;
        ConnectionSet::from_value(response.value()?)
            .ok_or_else(|| response.malformed("a connection set without environments"))
    }

    /// Resets the link: deletes maps, versions, integration keys, filters, legal entities and the
    /// runtime configuration of both sides. Addressed by the id of the connection set. Maps must be
    /// stopped; the gateway's *force* option, which resets running maps, is never used. The body
    /// describes the pair, which the caller has compared with the target.
    pub async fn reset(&self, link: &DualWriteLink, body: &Value) -> Result<Option<String>, Error> {
        let path = format!(
            "/api/ConnectionSet/{}/Reset?targetType=AX&forceReset=False",
            encode(&link.id)
        );
        let request = post(&path).json(body).with_timeout(RESET).once();
        Ok(self.service.send(&request).await?.date())
    }

    /// Requests an action of a map; returns the id of the request.
    pub async fn request_action(
        &self,
        link: &DualWriteLink,
        map: &EntityMap,
        action: MapAction,
    ) -> Result<String, Error> {
        let mut detail = json!({ "tid": map.template.id, "cid": link.id });
        if action != MapAction::Initialise {
            detail["pid"] = json!(map.project);
        }
        if action == MapAction::Start {
            detail["parameters"] = json!({
                "skipInitialSync": true,
                "conflictResolution": { "option": "1", "master": "CRM" },
            });
        }
        let body = json!({ "action": action.number(), "details": [detail] });
        let request = post(&format!("{MANAGEMENT}/Start"));
        let request = request.json(&body).with_timeout(MAP_REQUEST);
        read_request_id(&self.service.send(&request).await?)
    }

    /// The state of a map request, found by its id among the maps' last requests.
    pub async fn map_request(&self, id: &str) -> Result<RequestState, Error> {
        let response = self
            .get(&format!("{MANAGEMENT}/Status/{}", encode(id)))
            .await?;
        Ok(RequestState::find(&response.value()?, id))
    }

    /// Makes another version of a map the active one. The body is the bare id, which is not JSON.
    pub async fn switch_version(
        &self,
        link: &DualWriteLink,
        map: &EntityMap,
        template: &str,
    ) -> Result<(), Error> {
        let path = format!(
            "{MANAGEMENT}/SolutionAware/{}/SwitchActive/{}?pid={}",
            encode(&link.id),
            encode(template),
            encode(map.project.as_deref().unwrap_or_default())
        );
        let request = post(&path).json_text(template);
        self.service.send(&request).await.map(|_| ())
    }

    /// The solutions that contain map versions.
    pub async fn solutions(&self, link: &DualWriteLink) -> Result<Vec<MapSolution>, Error> {
        let path = format!("{MANAGEMENT}/SolutionAware/{}/Solutions/", encode(&link.id));
        let response = self.get(&path).await?;
        response.parse_items(
            Some(&response.value()?),
            "solutions",
            MapSolution::from_value,
        )
    }

    /// Applies one solution; returns the id of the request. Several in one call create duplicates.
    pub async fn apply_solution(
        &self,
        link: &DualWriteLink,
        unique_name: &str,
    ) -> Result<String, Error> {
        let path = format!(
            "{MANAGEMENT}/SolutionAware/{}/RestoreTemplates",
            encode(&link.id)
        );
        let body = json!({
            "action": "2",
            "solutions": [{ "criteria": { "uniquename": unique_name } }],
        });
        let request = post(&path).json(&body).with_timeout(MAP_REQUEST).once();
        read_request_id(&self.service.send(&request).await?)
    }

    /// The state of a request to apply a solution.
    pub async fn solution_request(
        &self,
        link: &DualWriteLink,
        id: &str,
    ) -> Result<RequestState, Error> {
        let path = format!(
            "{MANAGEMENT}/SolutionAware/{}/Status/{}",
            encode(&link.id),
            encode(id)
        );
        let body = self.get(&path).await?.value()?;
        let state = body.get("state").and_then(Value::as_str);
        Ok(RequestState::parse(
            state,
            text_at(&body, "/result/message"),
        ))
    }

    /// The field mappings of a map's project.
    pub async fn field_mappings(&self, project: &str) -> Result<FieldMappings, Error> {
        let path = format!("{MANAGEMENT}/{}/FieldMappings", encode(project));
        let response = self.get(&path).await?;
        FieldMappings::from_value(response.value()?)
            .ok_or_else(|| response.malformed("a project without directions"))
    }

    /// Refreshes the tables of a project, as *Refresh tables* does. Takes the name in its field
    /// mappings. A response that is neither empty nor JSON, such as the page of a proxy or of a
    /// sign-in, is [`ErrorKind::Ambiguous`]: the gateway may or may not have received the request.
    pub async fn refresh_tables(&self, name: &str) -> Result<Option<String>, Error> {
        let path = format!("/api/Project/{}/Refresh", encode(name));
        let request = post(&path).json(&json!({ "tokens": [""] }));
        let request = request.with_timeout(MAP_REQUEST).once();
        let response = self.service.send(&request).await?;
        if response.body().trim_ascii().is_empty() || response.maybe_value().is_some() {
            return Ok(response.date());
        }
        Err(response.error(
            ErrorKind::Ambiguous,
            "the response is a web page, not the gateway's",
        ))
    }

    /// Sets the integration key of one table. Takes the name of the Dataverse environment in the
    /// connection set, the table's entity set, and the columns in order.
    pub async fn set_key(
        &self,
        dataset: &str,
        table: &str,
        columns: &[String],
    ) -> Result<(), Error> {
        let path = format!("/api/dataset/{}/IntegrationKeys", encode(dataset));
        let body = json!({ "integrationKeys": { table: columns }, "datasetName": dataset });
        let request = post(&path).json(&body);
        self.service.send(&request).await.map(|_| ())
    }

    /// The maps that must run before a map, and the map itself: lists of version ids, in order. It
    /// is a read, although it is sent by POST.
    pub async fn prerequisites(
        &self,
        link: &DualWriteLink,
        template: &str,
    ) -> Result<Vec<Vec<String>>, Error> {
        let path = format!(
            "{MANAGEMENT}/GetTemplatePrerequisiteSequences/{}",
            encode(&link.id)
        );
        let request = post(&path).json(&json!([template]));
        self.service.send(&request).await?.json()
    }

    async fn get(&self, path: &str) -> Result<Response, Error> {
        self.service.send(&Request::get(path)).await
    }
}

fn post(path: &str) -> Request {
    Request::new(Method::POST, path)
}

fn encode(value: &str) -> String {
    percent_encode(value, ALL_BUT_UNRESERVED_AND_COLON)
}

fn read_request_id(response: &Response) -> Result<String, Error> {
    // The request was accepted; without its id it cannot be polled.
    let id = response
        .maybe_value()
        .and_then(|body| text_at(&body, "/requestId"));
    id.ok_or_else(|| {
        let why = "it was accepted, but its response has no request id";
        response.error(ErrorKind::Ambiguous, why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::testing::{Listener, Reply, Setup};

    fn gateway(setup: &Setup, listener: &Listener) -> DualWriteGateway {
        DualWriteGateway::new(setup.service(&listener.url)).unwrap()
    }

    fn link() -> DualWriteLink {
        DualWriteLink::from_value(&json!({"cid": "the-id", "cname": "the name"})).unwrap()
    }

    fn map() -> EntityMap {
        let detail = json!({"tid": "t-1", "tName": "a - A", "pid": "DWM-1", "state": "6"});
        EntityMap::from_value(&json!({ "detail": detail })).unwrap()
    }

    async fn listening(replies: Vec<Reply>) -> (Setup, Listener) {
        (Setup::new(1_000.0), Listener::replying(replies).await)
    }

    #[tokio::test]
    async fn pitfall_10_the_identifier_is_a_bare_host_and_an_empty_list_is_not_unlinked() {
        let (setup, listener) = listening(vec![Reply::json(200, "[]")]).await;
        let gateway = gateway(&setup, &listener);
        let error = gateway
            .link("https://uat.operations.dynamics.com")
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind, listener.count()),
            (ErrorKind::Configuration, 0)
        );
        assert_eq!(
            gateway.link("uat.operations.dynamics.com").await.unwrap(),
            None
        );
        let path = &listener.received()[0].path;
        assert_eq!(
            path,
            "/api/DualWriteManagement/1.0/Environments?targetType=AX&identifier=uat.operations.dynamics.com"
        );
    }

    #[tokio::test]
    async fn a_connection_set_is_read_by_name_and_reset_by_id_without_force() {
        let set = Reply::json(200, json!({"environments": {}}));
        let (setup, listener) = listening(vec![set, Reply::json(200, "")]).await;
        let gateway = gateway(&setup, &listener);
        gateway.connection_set(&link()).await.unwrap();
        gateway.reset(&link(), &json!({"a": 1})).await.unwrap();
        let received = listener.received();
        assert_eq!(received[0].path, "/api/ConnectionSet/the%20name");
        assert_eq!(
            received[1].path,
            "/api/ConnectionSet/the-id/Reset?targetType=AX&forceReset=False"
        );
        assert_eq!(
            (received[1].method.as_str(), received[1].body.as_str()),
            ("POST", r#"{"a":1}"#)
        );
    }

    #[tokio::test]
    async fn a_reset_that_may_have_been_received_is_sent_once() {
        let (setup, listener) = listening(vec![Reply::HangUp]).await;
        let error = gateway(&setup, &listener)
            .reset(&link(), &json!({}))
            .await
            .unwrap_err();
        assert_eq!((error.kind, listener.count()), (ErrorKind::Ambiguous, 1));
    }

    #[tokio::test]
    async fn each_action_has_the_body_that_the_page_sends() {
        let accepted = Reply::json(200, r#"{"requestId":"r-1"}"#);
        let (setup, listener) = listening(vec![accepted]).await;
        let gateway = gateway(&setup, &listener);
        for action in [MapAction::Start, MapAction::Stop, MapAction::Initialise] {
            assert_eq!(
                gateway
                    .request_action(&link(), &map(), action)
                    .await
                    .unwrap(),
                "r-1"
            );
        }
        let bodies: Vec<Value> = listener
            .received()
            .iter()
            .map(|request| serde_json::from_str(&request.body).unwrap())
            .collect();
        assert_eq!(bodies[0]["action"], "1");
        assert_eq!(
            bodies[0]["details"][0]["parameters"]["skipInitialSync"],
            true
        );
        assert_eq!(
            bodies[1],
            json!({"action": "4", "details": [{"tid": "t-1", "cid": "the-id", "pid": "DWM-1"}]})
        );
        assert_eq!(
            bodies[2],
            json!({"action": "8", "details": [{"tid": "t-1", "cid": "the-id"}]})
        );
    }

    #[tokio::test]
    async fn an_accepted_request_without_an_id_is_ambiguous() {
        let (setup, listener) = listening(vec![Reply::json(200, "{}")]).await;
        let error = gateway(&setup, &listener)
            .request_action(&link(), &map(), MapAction::Start)
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Ambiguous);
    }

    #[tokio::test]
    async fn versions_keys_solutions_and_tables_have_their_routes() {
        let (setup, listener) = listening(vec![
            Reply::json(200, "{}"),
            Reply::json(200, "{}"),
            Reply::json(200, r#"{"requestId":"r"}"#),
            Reply::json(200, "{}"),
            Reply::json(200, r#"[["a","b"]]"#),
        ])
        .await;
        let gateway = gateway(&setup, &listener);
        gateway
            .switch_version(&link(), &map(), "t-2")
            .await
            .unwrap();
        let columns = ["number".to_owned(), "company.code".to_owned()];
        gateway
            .set_key("crm-set", "salesorders", &columns)
            .await
            .unwrap();
        gateway.apply_solution(&link(), "Maps").await.unwrap();
        gateway.refresh_tables("DWM-1").await.unwrap();
        let order = gateway.prerequisites(&link(), "t-1").await.unwrap();
        assert_eq!(order, [["a", "b"]]);
        let sent: Vec<(String, String)> = listener
            .received()
            .into_iter()
            .map(|one| (one.path, one.body))
            .collect();
        let root = "/api/DualWriteManagement/1.0";
        assert_eq!(
            sent[0].0,
            format!("{root}/SolutionAware/the-id/SwitchActive/t-2?pid=DWM-1")
        );
        assert_eq!(sent[0].1, "t-2", "the bare id");
        assert_eq!(sent[1].0, "/api/dataset/crm-set/IntegrationKeys");
        assert_eq!(
            sent[1].1,
            r#"{"integrationKeys":{"salesorders":["number","company.code"]},"datasetName":"crm-set"}"#
        );
        assert_eq!(
            sent[2].0,
            format!("{root}/SolutionAware/the-id/RestoreTemplates")
        );
        assert_eq!(
            sent[2].1,
            r#"{"action":"2","solutions":[{"criteria":{"uniquename":"Maps"}}]}"#
        );
        assert_eq!(
            sent[3],
            (
                "/api/Project/DWM-1/Refresh".to_owned(),
                r#"{"tokens":[""]}"#.to_owned()
            )
        );
        assert_eq!(sent[4].1, r#"["t-1"]"#);
    }

    #[tokio::test]
    async fn an_unexpected_shape_is_not_an_empty_list() {
        let (setup, listener) =
            listening(vec![Reply::json(200, "{}"), Reply::json(200, "[{}]")]).await;
        let gateway = gateway(&setup, &listener);
        for _ in 0..2 {
            let error = gateway.maps(&link()).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Malformed);
        }
    }

    #[tokio::test]
    async fn pitfall_21_no_other_host_receives_the_token() {
        let setup = Setup::new(1_000.0);
        let service = setup.service("https://contoso.operations.dynamics.com");
        let error = DualWriteGateway::new(service).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Configuration);
        assert!(error.help.unwrap().contains("dual-write"));
    }
}
