//! Scripts and pages of forms (`webresource`) that name production: a browser runs them. Only
//! unmanaged ones are read; the others are a publisher's. Their text is kept in base64, and a change
//! must be published afterwards, so a person makes it.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::Treatment;
use super::super::hosts::hosts_in;
use super::super::kind::SurfaceKind;
use super::super::scope::Scope;
use super::super::surface::{Closing, Surface, SurfaceState};
use crate::domain::names::text;
use crate::engine::Failure;

const TABLE: &str = "webresource";

/// Pages, scripts and data that a customer made.
const TEXTS: &str =
    "ismanaged eq false and (webresourcetype eq 1 or webresourcetype eq 3 or webresourcetype eq 4)";

/// The kind.
pub(crate) struct Scripts;

#[async_trait]
impl SurfaceKind for Scripts {
    fn key(&self) -> &'static str {
        "script"
    }

    fn title(&self) -> &'static str {
        "scripts and pages of forms that name production"
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let rows = scope.rows(TABLE, &["name", "content"], Some(TEXTS)).await?;
        let surfaces = rows.iter().filter_map(|(id, row)| {
            // One without content runs nothing.
            let content = text(&row.value, "content")?;
            let name = text(&row.value, "name").unwrap_or_else(|| id.to_string());
            let Ok(content) = STANDARD.decode(content) else {
                let allowed = scope.policy.allows_name(&name);
                let allowed = allowed.or_else(|| scope.policy.keeps_everything());
                let state = SurfaceState::allowed_or_unclear(allowed, UNREADABLE, READ_IT);
                let reach = "a browser that opens the form runs it".to_owned();
                return Some(self.surface(id, name, reach, state));
            };
            let content = String::from_utf8_lossy(&content).into_owned();
            let named = scope.names_production(&content);
            let key = format!("{}/{id}", self.key());
            let treatment = scope.treat(&key, &name, (&content, &hosts_in(&content)));
            if named.is_empty() && !matches!(treatment, Treatment::Replaced(_)) {
                return None;
            }
            let kept = scope.policy.keeps_everything().map(SurfaceState::Allowed);
            let state = match treatment {
                Treatment::Allowed(by) => SurfaceState::Allowed(by),
                Treatment::Replaced(how) if named.is_empty() => SurfaceState::Replaced(how),
                _ => kept.unwrap_or(SurfaceState::Open),
            };
            let closing = if state == SurfaceState::Open {
                Closing::Finding(REMEDY.to_owned())
            } else {
                Closing::Nothing
            };
            let reach = format!(
                "a browser that opens the form runs it; it holds {}",
                named.join(", ")
            );
            Some(self.surface(id, name, reach, (state, closing)))
        });
        Ok(surfaces.collect())
    }
}

const UNREADABLE: &str = "its content cannot be read";

const READ_IT: &str = "look at it in the maker portal; correct it there and publish it, or allow it by \
                       its name under `containment.allow`";

const REMEDY: &str = "correct it in the maker portal and publish it, or allow it by its name under \
                      `containment.allow`";
