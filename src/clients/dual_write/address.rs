//! Which addresses can be the gateway's. A person's token with a wide reach goes there, so a
//! mistyped or foreign host is refused before anything is sent.

use crate::clients::http::Origin;

/// The first label of every gateway host.
const FIRST_LABEL: &str = "projectmanagementservice";

/// What every gateway host ends with, after its region (`weu-il107`).
const SUFFIX: &str = "gateway.prod.island.powerapps.com";

/// Why an address cannot be the gateway's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "it is not a dual-write gateway: https://{FIRST_LABEL}.REGION.{SUFFIX}, for example with \
     REGION weu-il107"
)]
pub struct GatewayAddressError;

/// Checks an origin: https on the default port, the first label exactly, one label for the region,
/// the suffix exactly; or this machine, for a rehearsal.
pub fn check_gateway_address(origin: &Origin) -> Result<(), GatewayAddressError> {
    if origin.is_loopback() {
        return Ok(());
    }
    let region = origin
        .host()
        .strip_prefix(FIRST_LABEL)
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.strip_suffix(SUFFIX))
        .and_then(|rest| rest.strip_suffix('.'));
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if origin.port() == 443 && region.is_some_and(is_label) {
        Ok(())
    } else {
        Err(GatewayAddressError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_gateways_own_hosts_and_this_machine_are_let_pass() {
        for good in [
            "https://projectmanagementservice.weu-il107.gateway.prod.island.powerapps.com",
            "https://projectmanagementservice.us-il101.gateway.prod.island.powerapps.com/",
            "http://127.0.0.1:4010",
        ] {
            let origin = Origin::parse(good).unwrap();
            assert_eq!(check_gateway_address(&origin), Ok(()), "{good}");
        }
        for bad in [
            "https://projectmanagementservice.gateway.prod.island.powerapps.com",
            "https://projectmanagementservice.a.b.gateway.prod.island.powerapps.com",
            "https://projectmanagementservice.weu-il107.gateway.prod.island.powerapps.com:8443",
            "https://projectmanagementservice.weu-il107.gateway.prod.island.powerapps.com.evil.example",
            "https://evilprojectmanagementservice.weu-il107.gateway.prod.island.powerapps.com",
            "https://x.projectmanagementservice.weu-il107.gateway.prod.island.powerapps.com",
            "https://projectmanagementservice.weu-il107.evilgateway.prod.island.powerapps.com",
            "https://weu-il107.gateway.prod.island.powerapps.com",
            "https://contoso.operations.dynamics.com",
        ] {
            let origin = Origin::parse(bad).unwrap();
            assert!(
                check_gateway_address(&origin).is_err(),
                "{bad} was let pass"
            );
        }
    }
}
