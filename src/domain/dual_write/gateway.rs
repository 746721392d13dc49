//! What the gateway shows now, and changes of one map or one integration key.

use crate::engine::{Action, Change};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use tokio::try_join;

use super::error_codes::explained;
use crate::base::text::escape;
use crate::clients::{
    ConnectionSet, DualWriteGateway, DualWriteLink, EntityMap, FieldMappings, MapAction,
    MapVersion, RequestState,
};
use crate::domain::environments::host;
use crate::domain::keys::{self, MapChange};
use crate::domain::{RefreshContext, service_fields};
use crate::engine::{Failure, Progress, Reading, Set, WriteError, Written};

/// How long the gateway may take to show what it has accepted.
const SETTLE_TIMEOUT: Duration = Duration::from_mins(2);

/// How many maps are asked about at once. Nothing is published about the gateway's limits.
pub(crate) const CONCURRENT_MAPS: usize = 4;

/// The target's link as the gateway shows it now.
pub(crate) struct GatewayState {
    pub(crate) link: DualWriteLink,
    pub(crate) set: ConnectionSet,
    pub(crate) maps: Vec<EntityMap>,
}

/// The link of the target's Finance and Operations. If the gateway shows none, there may still be
/// one.
pub(crate) async fn read_link(
    refresh: &RefreshContext,
    gateway: &DualWriteGateway,
) -> Result<DualWriteLink, Failure> {
    let app = refresh.target.environment.finance_operations.as_ref();
    let host = app.and_then(|app| host(app.url.as_deref()?));
    let host = host.ok_or_else(|| {
        Failure::failed("no Finance and Operations is linked with the target").permanent()
    })?;
    gateway.link(&host).await?.ok_or_else(|| {
        Failure::failed(format!(
            "the dual-write gateway shows no link for {}, which does not prove that there is none",
            escape(&host)
        ))
        .with_help(
            "it also answers like this if the environment is stopped, or linked in another region: \
             correct `endpoints: { dual-write: … }`; if the target does not use dual-write, \
             leave `gateway` out",
        )
        .permanent()
    })
}

/// The field mappings of each map that has a project, in the order of the maps.
pub(crate) async fn read_mappings<'a>(
    gateway: &DualWriteGateway,
    maps: &'a [EntityMap],
) -> Result<Vec<(&'a EntityMap, FieldMappings)>, Failure> {
    let reads: Vec<_> = maps
        .iter()
        .filter_map(|map| {
            let project = map.project.as_deref()?;
            Some(async move { Ok::<_, Failure>((map, gateway.field_mappings(project).await?)) })
        })
        .collect();
    let reads = stream::iter(reads).buffered(CONCURRENT_MAPS);
    reads.try_collect().await
}

/// The gateway of a runbook that acknowledges it.
pub(crate) fn acknowledged_gateway(refresh: &RefreshContext) -> Result<&DualWriteGateway, Failure> {
    refresh
        .services
        .dual_write
        .as_ref()
        .ok_or_else(|| Failure::failed("the runbook does not acknowledge the dual-write gateway"))
}

impl GatewayState {
    /// Reads the link, its connection set and its maps.
    pub(crate) async fn read(refresh: &RefreshContext) -> Result<Self, Failure> {
        let gateway = acknowledged_gateway(refresh)?;
        let link = read_link(refresh, gateway).await?;
        let (set, maps) = try_join!(gateway.connection_set(&link), gateway.maps(&link))?;
        Ok(Self { link, set, maps })
    }

    /// A map by its name.
    pub(crate) fn map(&self, name: &str) -> Option<&EntityMap> {
        self.maps.iter().find(|map| map.name == name)
    }
}

/// The state of a map, in the words of a change.
pub(crate) fn map_state(map: Option<&EntityMap>) -> Value {
    let state = map.map_or_else(
        || "not listed".to_owned(),
        |map| {
            if map.state.is_stopped() {
                "stopped".to_owned()
            } else {
                map.state.to_string()
            }
        },
    );
    json!({ "state": state })
}

/// Whether a map has a project.
pub(crate) fn map_initialised(map: Option<&EntityMap>) -> Value {
    json!({ "initialised": map.is_some_and(|map| map.project.is_some()) })
}

/// The active version of a map.
pub(crate) fn map_version(map: Option<&EntityMap>) -> Value {
    let version = map.and_then(|map| map.template.version);
    json!({ "version": version.map(|version| version.to_string()) })
}

/// What is done to a map.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MapWrite {
    /// An action, which the gateway accepts and ends later.
    Action(MapAction),
    /// Another version becomes the active one.
    SwitchVersion(MapVersion),
}

/// A set on one map.
pub(crate) struct MapSet {
    pub(crate) refresh: Arc<RefreshContext>,
    /// The map's name.
    pub(crate) map: String,
    pub(crate) write: MapWrite,
}

impl MapSet {
    /// Takes the map's name.
    pub(crate) fn action(refresh: &Arc<RefreshContext>, map: &str, write: MapWrite) -> Action {
        Action::Set(Arc::new(Self {
            refresh: Arc::clone(refresh),
            map: map.to_owned(),
            write,
        }))
    }

    fn projected(&self, map: Option<&EntityMap>) -> Value {
        match self.write {
            MapWrite::Action(MapAction::Initialise) => map_initialised(map),
            MapWrite::Action(MapAction::Start | MapAction::Stop) => map_state(map),
            MapWrite::SwitchVersion(_) => map_version(map),
        }
    }

    async fn send(&self) -> Result<Option<String>, WriteError> {
        let refused = |failure| WriteError::Refused(failure);
        let linked = GatewayState::read(&self.refresh).await.map_err(refused)?;
        let missing = || {
            let message = format!("the gateway lists no map '{}'", self.map);
            WriteError::Refused(Failure::failed(message))
        };
        let map = linked.map(&self.map).ok_or_else(missing)?;
        let gateway = acknowledged_gateway(&self.refresh).map_err(refused)?;
        match self.write {
            MapWrite::Action(action) => gateway
                .request_action(&linked.link, map, action)
                .await
                .map(Some)
                .map_err(WriteError::from),
            MapWrite::SwitchVersion(wanted) => {
                let template = map
                    .templates
                    .iter()
                    .find(|template| template.version == Some(wanted));
                let template = template.ok_or_else(|| {
                    let message = format!("the map has no version {wanted}");
                    WriteError::Refused(Failure::failed(message).permanent())
                })?;
                let sent = gateway.switch_version(&linked.link, map, &template.id);
                sent.await.map(|()| None).map_err(WriteError::from)
            }
        }
    }
}

#[async_trait]
impl Set for MapSet {
    async fn read(&self) -> Result<Reading, Failure> {
        let linked = GatewayState::read(&self.refresh).await?;
        Ok(Reading::of(self.projected(linked.map(&self.map))))
    }

    async fn write(&self, _reading: &Reading) -> Result<Written, WriteError> {
        let request = self.send().await?;
        Ok(Written {
            operation: request.map(|id| json!({ "request": id })),
            ..Written::default()
        })
    }

    async fn poll(&self, operation: &Value) -> Result<Progress, Failure> {
        let id = operation["request"].as_str().unwrap_or_default();
        let state = acknowledged_gateway(&self.refresh)?.map_request(id).await?;
        Ok(progress(state))
    }

    fn only_people_write(&self, member: &str) -> bool {
        service_fields::only_people_write(member)
    }

    fn settle_timeout(&self) -> Duration {
        SETTLE_TIMEOUT
    }
}

/// The progress of a gateway request. A failure is shown with its known remedy.
pub(crate) fn progress(state: RequestState) -> Progress {
    match state {
        RequestState::Waiting => Progress::Running("the gateway is working on it".to_owned()),
        RequestState::Done => Progress::Succeeded(Value::Null),
        RequestState::Failed(why) => Progress::Failed(explained(&escape(&why))),
        RequestState::Unknown(state) => Progress::Running(format!("state '{}'", escape(&state))),
        RequestState::Missing => Progress::Missing,
    }
}

/// The integration key of one table.
pub(crate) struct KeySet {
    pub(crate) refresh: Arc<RefreshContext>,
    /// The entity set of Dataverse.
    pub(crate) table: String,
    pub(crate) columns: Vec<String>,
}

/// The integration key of a table, in the words of a change.
pub(crate) fn integration_key(set: &ConnectionSet, table: &str) -> Value {
    json!({ "key": set.key(table) })
}

#[async_trait]
impl Set for KeySet {
    async fn read(&self) -> Result<Reading, Failure> {
        let linked = GatewayState::read(&self.refresh).await?;
        Ok(Reading::of(integration_key(&linked.set, &self.table)))
    }

    async fn write(&self, _reading: &Reading) -> Result<Written, WriteError> {
        let refused = |failure| WriteError::Refused(failure);
        let linked = GatewayState::read(&self.refresh).await.map_err(refused)?;
        let gateway = acknowledged_gateway(&self.refresh).map_err(refused)?;
        let dataset = linked.set.dataverse().and_then(|side| side.name.clone());
        let dataset = dataset.ok_or_else(|| {
            let message = "the connection set does not name its Dataverse environment";
            WriteError::Refused(Failure::failed(message).permanent())
        })?;
        let sent = gateway.set_key(&dataset, &self.table, &self.columns);
        sent.await.map_err(WriteError::from)?;
        Ok(Written::default())
    }

    fn settle_timeout(&self) -> Duration {
        SETTLE_TIMEOUT
    }
}

/// A change that stops a map; `when` distinguishes the keys of several stops.
pub(crate) fn stop_map(
    refresh: &Arc<RefreshContext>,
    linked: &GatewayState,
    map: &str,
    when: MapChange,
) -> Change {
    Change {
        key: keys::dual_write_map(map, when),
        name: format!("stop dual-write map '{map}'"),
        before: map_state(linked.map(map)).into(),
        after: json!({ "state": "stopped" }).into(),
        follows: Vec::new(),
        action: MapSet::action(refresh, map, MapWrite::Action(MapAction::Stop)),
    }
}
