//! Containment: nothing of production acts from the copy.
//!
//! A copy brings everything that production uses to reach the outside. A [`Surface`] is anything in
//! the target that can act on the outside world. Each kind of surface is one file, which knows how
//! to find it and what closes it; everything that has to do with containment asks the same
//! [`Inventory`].
//!
//! ```text
//! surface.rs        one surface: what it could do, whether it can, what closes it
//! kind.rs           the trait of a kind, and the list of all kinds
//! scope.rs          where surfaces are looked for, and by what they are judged
//! policy.rs         what the runbook allows, replaces, keeps and closes
//! figures.rs        the outcome for every surface, counted from the journal
//! hosts.rs          the hosts that a text names
//! inventory.rs      every surface of an environment at one time
//! kinds/            the kinds that step 2 closes or reports
//! changes.rs        the changes that close surfaces
//! text_scan.rs      rows that name production and that no kind knows, within a limit
//! sealed.rs         the record of a surface, which step 2 writes before it closes anything
//! sealed_state.rs   the state of a recorded surface now
//! flows.rs          cloud flows that name production or a fixed address
//! provider_flows.rs flows that providers deploy
//! provider_settings.rs
//!                   parameters and transformations for which the target had no value
//! variables.rs      environment variables
//! ```

pub(crate) mod changes;
pub(crate) mod figures;
mod flows;
pub(crate) mod hosts;
pub(crate) mod inventory;
pub(crate) mod kind;
mod kinds;
pub(crate) mod policy;
mod provider_flows;
pub(crate) mod provider_settings;
pub(crate) mod scope;
pub(crate) mod sealed;
mod sealed_state;
pub(crate) mod surface;
pub(crate) mod text_scan;
pub(crate) mod variables;

pub(crate) use self::inventory::Inventory;
pub(crate) use self::policy::{Policy, Treatment};
pub(crate) use self::scope::Scope;
pub(crate) use self::surface::{Closing, Surface, SurfaceState};
