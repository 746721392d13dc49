//! Who can sign in to a new world.

use super::environments::USERS;
use crate::rehearsal::application::{CLIENT, CLIENT_OBJECT};
use crate::rehearsal::behaviour::directory::{self, Federated, Kind, Principal};
use crate::rehearsal::listeners::{Issuer, TOKEN_EXCHANGE};
use crate::rehearsal::world::store::Draft;

/// Plants the program's application, which trusts each of the tenant's issuers, and the people.
pub(super) fn plant(draft: &mut Draft<'_>) {
    let federated = Issuer::ALL.map(|issuer| Federated {
        issuer: issuer.name().to_owned(),
        subject: issuer.subject().to_owned(),
        audience: TOKEN_EXCHANGE.to_owned(),
    });
    let application = Principal {
        federated: federated.to_vec(),
        ..principal(Kind::Application, CLIENT_OBJECT, "iomcopy rehearsal", true)
    };
    directory::plant(draft, CLIENT, &application);
    for (number, name, address, object) in USERS {
        let is_administrator = number != super::ids::CLERK;
        let person = principal(Kind::Person, object, name, is_administrator);
        directory::plant(draft, address, &person);
    }
}

fn principal(kind: Kind, object: &str, name: &str, administrator: bool) -> Principal {
    Principal {
        kind,
        object: object.to_owned(),
        name: name.to_owned(),
        administrator,
        hindrance: None,
        federated: Vec::new(),
    }
}
