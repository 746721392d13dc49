//! The clouds: which hosts, which scopes.

use std::fmt;

use super::http::Endpoint;

/// One of Microsoft's clouds. Hosts and scopes are those of the Terraform provider for Power
/// Platform (its `constants.go`); where that source and Microsoft's own PowerShell modules disagree
/// about GCC High, the modules' names are taken. Each can be overridden in the runbook.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Cloud {
    /// The commercial cloud.
    Public,
    /// US Government Community Cloud.
    Gcc,
    /// US Government Community Cloud High.
    GccHigh,
    /// US Department of Defense.
    Dod,
    /// The cloud in China, run by 21Vianet.
    China,
}

/// The hosts of one cloud: authority, BAP, scope of BAP and Power Apps, Power Platform API, Power
/// Apps.
type Hosts = [&'static str; 5];

const PUBLIC: Hosts = [
    "login.microsoftonline.com",
    "api.bap.microsoft.com",
    "service.powerapps.com",
    "api.powerplatform.com",
    "api.powerapps.com",
];
const GCC: Hosts = [
    "login.microsoftonline.com",
    "gov.api.bap.microsoft.us",
    "service.powerapps.us",
    "api.gov.powerplatform.microsoft.us",
    "gov.api.powerapps.us",
];
const GCC_HIGH: Hosts = [
    "login.microsoftonline.us",
    "high.api.bap.microsoft.us",
    "high.service.powerapps.us",
    "api.high.powerplatform.microsoft.us",
    "high.api.powerapps.us",
];
const DOD: Hosts = [
    "login.microsoftonline.us",
    "api.bap.appsplatform.us",
    "service.apps.appsplatform.us",
    "api.appsplatform.us",
    "api.apps.appsplatform.us",
];
const CHINA: Hosts = [
    "login.chinacloudapi.cn",
    "api.bap.partner.microsoftonline.cn",
    "service.powerapps.cn",
    "api.powerplatform.partner.microsoftonline.cn",
    "api.powerapps.cn",
];

impl Cloud {
    fn hosts(self) -> &'static Hosts {
        match self {
            Self::Public => &PUBLIC,
            Self::Gcc => &GCC,
            Self::GccHigh => &GCC_HIGH,
            Self::Dod => &DOD,
            Self::China => &CHINA,
        }
    }

    /// Where tokens are asked for: scheme and host.
    pub fn authority(self) -> String {
        format!("https://{}", self.hosts()[0])
    }

    /// The older admin API (BAP).
    pub fn bap(self) -> Endpoint {
        let [_, host, scope, ..] = self.hosts();
        endpoint(host, scope)
    }

    /// The Power Platform API.
    pub fn power_platform(self) -> Endpoint {
        let [.., host, _] = self.hosts();
        endpoint(host, host)
    }

    /// The Power Apps API.
    pub fn power_apps(self) -> Endpoint {
        let [_, _, scope, _, host] = self.hosts();
        endpoint(host, scope)
    }
}

fn endpoint(host: &str, scope: &str) -> Endpoint {
    Endpoint {
        url: format!("https://{host}"),
        scope: format!("https://{scope}/.default"),
    }
}

impl fmt::Display for Cloud {
    /// The name that a runbook uses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Gcc => "gcc",
            Self::GccHigh => "gcc-high",
            Self::Dod => "dod",
            Self::China => "china",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::http::Origin;

    #[test]
    fn every_host_of_every_cloud_is_an_origin_of_its_own() {
        for cloud in [
            Cloud::Public,
            Cloud::Gcc,
            Cloud::GccHigh,
            Cloud::Dod,
            Cloud::China,
        ] {
            for url in [
                cloud.authority(),
                cloud.bap().url,
                cloud.power_platform().url,
                cloud.power_apps().url,
            ] {
                assert!(Origin::parse(&url).is_ok(), "{cloud}: {url}");
            }
        }
        assert_eq!(
            Cloud::Public.bap().scope,
            "https://service.powerapps.com/.default"
        );
        assert_eq!(
            Cloud::China.power_platform().scope,
            "https://api.powerplatform.partner.microsoftonline.cn/.default"
        );
        assert_eq!(
            Cloud::Dod.power_apps().url,
            "https://api.apps.appsplatform.us"
        );
    }
}
