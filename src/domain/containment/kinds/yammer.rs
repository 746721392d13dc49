//! The Yammer network of the organization. Posts that wait are not visible as system jobs, and go out
//! when background operations are on (Microsoft Learn, *Copy an environment*): so only a person can
//! see whether some wait.

use async_trait::async_trait;

use super::super::kind::SurfaceKind;
use super::super::scope::Scope;
use super::super::surface::{Closing, Surface, SurfaceState};
use crate::domain::names::{Fields, text};
use crate::engine::Failure;

const TABLE: &str = "organization";

/// The columns that name the network; an organization without one has neither.
const COLUMNS: [&str; 2] = ["yammernetworkpermalink", "yammergroupid"];

/// The name by which it is allowed.
const NAME: &str = "Yammer posts";

const REMEDY: &str = "disconnect the target from Yammer (Settings > Administration > Yammer \
                      configuration) before background operations are on, or write `Yammer posts` \
                      under `containment.allow`";

/// The kind.
pub(crate) struct Yammer;

#[async_trait]
impl SurfaceKind for Yammer {
    fn key(&self) -> &'static str {
        "yammer"
    }

    fn title(&self) -> &'static str {
        "posts to Yammer"
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let table = scope.view.optional_table(TABLE).await?;
        let is_known = table.is_some_and(|table| {
            let mut columns = COLUMNS.iter();
            columns.any(|column| table.has_column(column))
        });
        if !is_known {
            return Ok(Vec::new());
        }
        let rows = scope.rows(TABLE, &COLUMNS, None).await?;
        let allowed = scope.policy.allows_name(NAME);
        let allowed = allowed.or_else(|| scope.policy.keeps_everything());
        let networks = rows.iter().filter_map(|(_, row)| network(&row.value));
        let surfaces = networks.map(|network| self.posts_to(&network, allowed.clone()));
        Ok(surfaces.collect())
    }
}

/// The network that an organization posts to, if it has one.
fn network(organization: &Fields) -> Option<String> {
    let mut names = COLUMNS
        .iter()
        .filter_map(|column| text(organization, column));
    names.find(|name| !name.trim().is_empty())
}

impl Yammer {
    fn posts_to(&self, network: &str, allowed: Option<String>) -> Surface {
        let (state, closing) = match allowed {
            Some(by) => (SurfaceState::Allowed(by), Closing::Nothing),
            None => (
                SurfaceState::Unclear("no system job shows whether posts wait".to_owned()),
                Closing::Finding(REMEDY.to_owned()),
            ),
        };
        let reach = format!("are sent to '{network}' when background operations are on");
        self.surface(&"network", NAME.to_owned(), reach, (state, closing))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn posts_of_a_connected_organization_are_for_a_person_to_look_at() {
        let of = |value: serde_json::Value| network(value.as_object().unwrap());
        let connected = of(json!({ "yammernetworkpermalink": "contoso.com" }));
        assert_eq!(connected.as_deref(), Some("contoso.com"));
        assert_eq!(of(json!({ "yammergroupid": "17" })).as_deref(), Some("17"));
        assert!(of(json!({ "yammergroupid": " ", "name": "x" })).is_none());
        let surface = Yammer.posts_to("contoso.com", None);
        assert_eq!(surface.state.label(), "unclear");
        assert!(surface.reach.contains("'contoso.com'"), "{}", surface.reach);
        let allowed = Yammer.posts_to("contoso.com", Some("x".to_owned()));
        assert_eq!(allowed.state.label(), "allowed");
    }
}
