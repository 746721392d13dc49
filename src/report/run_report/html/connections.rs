//! For each connection reference, the connection before and the one that it has now.

use maud::{Markup, html};

use crate::report::page::{breakable, safe};
use crate::report::run_report::pictures::{Connection, Wire};

/// All wires of a run.
pub(super) fn connections(wires: &[Wire]) -> Markup {
    html! {
        ol.wires {
            @for wire in wires {
                li {
                    h3 { code { (breakable(&wire.reference)) } }
                    div.end { (end("Before", &wire.before)) }
                    svg.wire viewBox="0 0 48 16" aria-hidden="true" focusable="false" {
                        @let class = if wire.is_done { "arrow" } else { "arrow back" };
                        path class=(class) d="M1 8H40" {}
                        path.head d="M38 3L47 8L38 13Z" {}
                    }
                    div.end { (end(if wire.is_done { "Now" } else { "After" }, &wire.after)) }
                }
            }
        }
    }
}

fn end(when: &str, connection: &Connection) -> Markup {
    html! {
        p.faint { (when) }
        @match &connection.name {
            Some(name) => p { code { (breakable(name)) } },
            None => p { "no connection" },
        }
        @if let Some(connector) = &connection.connector { p.faint { "connector " (safe(connector)) } }
        @if let Some(environment) = &connection.environment {
            p.faint { "in environment " (breakable(environment)) }
        }
        @if let Some(owner) = &connection.owner { p.faint { "owner " (breakable(owner)) } }
    }
}
