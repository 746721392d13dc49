//! Who can sign in to a new world.

use super::environments::USERS;
use crate::rehearsal::application::{CLIENT, CLIENT_OBJECT};
use crate::rehearsal::behaviour::directory::{self, FederatedCredential, Principal, PrincipalKind};
use crate::rehearsal::listeners::{Issuer, TOKEN_EXCHANGE};
use crate::rehearsal::world::store::Draft;

/// Inserts the program's application, which trusts each of the tenant's issuers, and the users.
pub(super) fn insert(draft: &mut Draft<'_>) {
    let federated = Issuer::ALL.map(|issuer| FederatedCredential {
        issuer: issuer.name().to_owned(),
        subject: issuer.subject().to_owned(),
        audience: TOKEN_EXCHANGE.to_owned(),
    });
    let application = Principal {
        federated: federated.to_vec(),
        ..principal(
            PrincipalKind::Application,
            CLIENT_OBJECT,
            "iomcopy rehearsal",
            true,
        )
    };
    directory::insert(draft, CLIENT, &application);
    for (number, name, address, object) in USERS {
        let is_administrator = number != super::ids::CLERK;
        let person = principal(PrincipalKind::Person, object, name, is_administrator);
        directory::insert(draft, address, &person);
    }
}

fn principal(kind: PrincipalKind, object: &str, name: &str, administrator: bool) -> Principal {
    Principal {
        kind,
        object: object.to_owned(),
        name: name.to_owned(),
        administrator,
        sign_in_block: None,
        federated: Vec::new(),
    }
}
