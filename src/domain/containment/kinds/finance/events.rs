//! End points of business events that are active.

use async_trait::async_trait;
use serde_json::Value;

use super::reading::{EntityRead, EntityRows, rows, unread};
use super::{Acting, judged, off};
use crate::base::text::count;
use crate::clients::Row;
use crate::domain::containment::hosts::hosts_of_address;
use crate::domain::containment::kind::SurfaceKind;
use crate::domain::containment::{Scope, Surface};
use crate::engine::Failure;

/// The kind.
pub(crate) struct BusinessEvents;

const NAME: &str = "business events";

const ENDPOINTS: EntityRead = EntityRead {
    set: "BusinessEventsEndpoints",
    fields: &["Name", "Type", "EventGridEndpointURL"],
};

const EVENTS: EntityRead = EntityRead {
    set: "BusinessEventsConfigurations",
    fields: &[
        "BusinessEventsTable",
        "LegalEntity",
        "BusinessEventsEndpoint_Name",
        "Disabled",
    ],
};

const REMEDY: &str = "deactivate the events, or delete the end point (System administration > Setup > \
                      Business events), or allow the end point by its name under `containment.allow`";

fn is_active(event: &Row) -> bool {
    event.value.get("Disabled") != Some(&Value::from("Yes"))
}

#[async_trait]
impl SurfaceKind for BusinessEvents {
    fn key(&self) -> &'static str {
        "business-events"
    }

    fn title(&self) -> &'static str {
        "business events of Finance and Operations"
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let read = (rows(scope, &ENDPOINTS).await?, rows(scope, &EVENTS).await?);
        let (endpoints, events) = match read {
            (EntityRows::NotRead(why), _) | (_, EntityRows::NotRead(why)) => {
                return Ok(unread(scope, self.key(), NAME, why));
            }
            (EntityRows::Read(endpoints), EntityRows::Read(events)) => (endpoints, events),
            _ => return Ok(Vec::new()),
        };
        let active_of = |endpoint: &str| {
            let of_endpoint = events.iter().filter(|event| {
                let name = event.string("BusinessEventsEndpoint_Name");
                name.is_some_and(|name| name.eq_ignore_ascii_case(endpoint))
            });
            of_endpoint.filter(|event| is_active(event)).count()
        };
        let mut surfaces = Vec::new();
        for endpoint in &endpoints {
            let Some(name) = endpoint.string("Name") else {
                continue;
            };
            let active = active_of(name);
            if active == 0 {
                continue;
            }
            let address = endpoint.string("EventGridEndpointURL").unwrap_or_default();
            let hosts: Vec<String> = hosts_of_address(address).into_iter().collect();
            let where_to = match hosts.as_slice() {
                [] => endpoint.string("Type").unwrap_or("an address").to_owned(),
                hosts => hosts.join(", "),
            };
            let acting = Acting {
                kind: self.key(),
                name,
                reach: format!("{} to {where_to}", count(active, "active event")),
                hosts: &hosts,
                remedy: REMEDY,
            };
            surfaces.push(judged(scope, acting));
        }
        if surfaces.is_empty() {
            let how = match endpoints.len() {
                0 => "no end point is listed".to_owned(),
                read => format!(
                    "{} read, and none has an active event",
                    count(read, "end point")
                ),
            };
            return Ok(off(
                scope,
                self.key(),
                NAME,
                ("are sent to end points", how),
            ));
        }
        Ok(surfaces)
    }
}
