//! A whole tenant: Contoso's twelve providers, seven orchestrations, and everything around them.
//!
//! - `catalogue`: connectors and provider definitions, read from `library.json`.
//! - `library`, `providers`: the definitions, and the instances made from them.
//! - `references`: connection references, and the connections they are wired to.
//! - `flows`: cloud flows of every kind.
//! - `policies`, `orchestrations`: the graphs stand in `graphs/`, one file each, in the dialect in
//!   which they are stored.
//! - `quirks`: what goes otherwise than one would think.
//!
//! Providers, actions and orchestrations have the numbers 100 to 1200, 101 to 1201 and 100 to 700.
//! In the target, an older configuration of five providers stands before the copy.

pub(super) mod catalogue;
mod flows;
mod library;
mod orchestrations;
mod policies;
mod providers;
mod quirks;
mod references;
#[cfg(test)]
mod tests;

use self::catalogue::Catalogue;
use super::Garden;
use super::environments::Connection;
use super::plots::Plot;

/// The connections of an environment.
pub(super) fn connections(plot: &Plot) -> Vec<Connection> {
    references::connections(&Catalogue::read(), plot)
}

/// Plants them.
pub(super) fn plant(garden: &mut Garden<'_, '_>) {
    let catalogue = Catalogue::read();
    references::plant(garden, &catalogue);
    flows::plant(garden, &catalogue);
    library::plant(garden, &catalogue);
    providers::plant(garden, &catalogue);
    policies::plant(garden);
    orchestrations::plant(garden);
    quirks::plant(garden, &catalogue);
}
