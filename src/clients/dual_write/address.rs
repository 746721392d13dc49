//! Valid addresses of the gateway. It receives a user's token with wide permissions, so a
//! mistyped or foreign host is refused before anything is sent.

use crate::clients::http::{Origin, is_dns_label};

/// The first label of every gateway host.
const FIRST_LABEL: &str = "projectmanagementservice";

/// The end of every gateway host, after its region (`weu-il107`).
const SUFFIX: &str = "gateway.prod.island.powerapps.com";

/// The address is not the gateway's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "it is not a dual-write gateway: https://{FIRST_LABEL}.REGION.{SUFFIX}, for example with \
     REGION weu-il107"
)]
pub(super) struct GatewayAddressError;

/// Whether this is the address of a dual-write gateway: scheme, host and port.
pub fn is_dual_write_gateway(url: &str) -> bool {
    Origin::parse(url).is_ok_and(|origin| check_gateway_address(&origin).is_ok())
}

/// Checks an origin: https on the default port, exactly this first label, one label for the region,
/// and exactly this suffix, whose children only Microsoft assigns; or this machine, for a
/// rehearsal.
pub(super) fn check_gateway_address(origin: &Origin) -> Result<(), GatewayAddressError> {
    if origin.is_loopback() {
        return Ok(());
    }
    let region = origin
        .host()
        .strip_prefix(FIRST_LABEL)
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.strip_suffix(SUFFIX))
        .and_then(|rest| rest.strip_suffix('.'));
    if origin.port() == 443 && region.is_some_and(is_dns_label) {
        Ok(())
    } else {
        Err(GatewayAddressError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_gateways_own_hosts_and_this_machine_are_valid() {
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
                "{bad} was accepted"
            );
        }
    }

    #[test]
    fn a_gateway_is_one_region_below_microsofts_parent() {
        for url in [
            "https://projectmanagementservice.weu-il107.gateway.prod.island.powerapps.com",
            "https://projectmanagementservice.us-il101.gateway.prod.island.powerapps.com/",
            "http://127.0.0.1:4001",
        ] {
            assert!(is_dual_write_gateway(url), "{url}");
        }
        for url in [
            "https://projectmanagementservice.gateway.prod.island.powerapps.com",
            "https://projectmanagementservice.a.b.gateway.prod.island.powerapps.com",
            "https://projectmanagementservice..gateway.prod.island.powerapps.com",
            "https://evilprojectmanagementservice.us.gateway.prod.island.powerapps.com",
            "https://projectmanagementservice.us.gateway.prod.island.powerapps.com.evil.example",
            "https://projectmanagementservice.us.gateway.prod.island.powerapps.com:8443",
            "https://u@projectmanagementservice.us.gateway.prod.island.powerapps.com",
            "http://projectmanagementservice.us.gateway.prod.island.powerapps.com",
            "https://projectmanagementservice.us.evilgateway.prod.island.powerapps.com",
            "https://evil.example",
        ] {
            assert!(!is_dual_write_gateway(url), "{url}");
        }
    }
}
