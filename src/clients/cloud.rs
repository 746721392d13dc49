//! The clouds: which hosts, which scopes, and which hosts may be followed.

use std::fmt;

use super::http::{Endpoint, Origin};

/// One of Microsoft's clouds. Hosts and scopes are those of the Terraform provider for Power
/// Platform (its `constants.go`); where that source and Microsoft's own PowerShell modules disagree
/// about GCC High, the modules' names are taken. Each can be overridden in the runbook.
///
/// The admin API answers with regional poll hosts. They are followed one label under the cloud's own
/// [`bap`](Self::bap) host, whose children Microsoft alone assigns: `europe.api.bap.microsoft.com`
/// under `api.bap.microsoft.com`, and nothing of one cloud under another's host.
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

/// The hosts of one cloud.
struct Hosts {
    /// Where tokens are asked for.
    authority: &'static str,
    /// The older admin API, and the parent of its regional poll hosts.
    bap: &'static str,
    /// What tokens of the older admin API and of Power Apps are asked for.
    power_apps_scope: &'static str,
    /// The Power Platform API, and what its tokens are asked for.
    power_platform: &'static str,
    /// The Power Apps API.
    power_apps: &'static str,
}

const PUBLIC: Hosts = Hosts {
    authority: "login.microsoftonline.com",
    bap: "api.bap.microsoft.com",
    power_apps_scope: "service.powerapps.com",
    power_platform: "api.powerplatform.com",
    power_apps: "api.powerapps.com",
};
const GCC: Hosts = Hosts {
    authority: "login.microsoftonline.com",
    bap: "gov.api.bap.microsoft.us",
    power_apps_scope: "service.powerapps.us",
    power_platform: "api.gov.powerplatform.microsoft.us",
    power_apps: "gov.api.powerapps.us",
};
const GCC_HIGH: Hosts = Hosts {
    authority: "login.microsoftonline.us",
    bap: "high.api.bap.microsoft.us",
    power_apps_scope: "high.service.powerapps.us",
    power_platform: "api.high.powerplatform.microsoft.us",
    power_apps: "high.api.powerapps.us",
};
const DOD: Hosts = Hosts {
    authority: "login.microsoftonline.us",
    bap: "api.bap.appsplatform.us",
    power_apps_scope: "service.apps.appsplatform.us",
    power_platform: "api.appsplatform.us",
    power_apps: "api.apps.appsplatform.us",
};
const CHINA: Hosts = Hosts {
    authority: "login.chinacloudapi.cn",
    bap: "api.bap.partner.microsoftonline.cn",
    power_apps_scope: "service.powerapps.cn",
    power_platform: "api.powerplatform.partner.microsoftonline.cn",
    power_apps: "api.powerapps.cn",
};

impl Cloud {
    /// Every cloud.
    pub const ALL: [Self; 5] = [
        Self::Public,
        Self::Gcc,
        Self::GccHigh,
        Self::Dod,
        Self::China,
    ];

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
        format!("https://{}", self.hosts().authority)
    }

    /// The older admin API (BAP).
    pub fn bap(self) -> Endpoint {
        let hosts = self.hosts();
        endpoint(hosts.bap, hosts.power_apps_scope)
    }

    /// The Power Platform API.
    pub fn power_platform(self) -> Endpoint {
        let hosts = self.hosts();
        endpoint(hosts.power_platform, hosts.power_platform)
    }

    /// The Power Apps API.
    pub fn power_apps(self) -> Endpoint {
        let hosts = self.hosts();
        endpoint(hosts.power_apps, hosts.power_apps_scope)
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

/// Where a project of Lifecycle Services lives. Hosts as each cmdlet of the community tool
/// d365fo.tools lists them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LcsGeography {
    /// Every project outside the geographies below.
    Default,
    /// The European Union.
    Eu,
    /// France.
    France,
    /// South Africa.
    SouthAfrica,
    /// The United Arab Emirates.
    Emirates,
    /// Switzerland.
    Switzerland,
    /// Norway.
    Norway,
    /// China.
    China,
    /// The US government cloud.
    Government,
}

impl LcsGeography {
    /// Every geography.
    pub const ALL: [Self; 9] = [
        Self::Default,
        Self::Eu,
        Self::France,
        Self::SouthAfrica,
        Self::Emirates,
        Self::Switzerland,
        Self::Norway,
        Self::China,
        Self::Government,
    ];

    /// The API of Lifecycle Services. The host is also what its tokens are asked for, so both change
    /// together; the scope is written with two slashes (Microsoft Learn, *Dynamics Lifecycle
    /// Services API: authentication*). It takes tokens of people only.
    pub fn endpoint(self) -> Endpoint {
        let host = match self {
            Self::Default => "lcsapi.lcs.dynamics.com",
            Self::Eu => "lcsapi.eu.lcs.dynamics.com",
            Self::France => "lcsapi.fr.lcs.dynamics.com",
            Self::SouthAfrica => "lcsapi.sa.lcs.dynamics.com",
            Self::Emirates => "lcsapi.uae.lcs.dynamics.com",
            Self::Switzerland => "lcsapi.ch.lcs.dynamics.com",
            Self::Norway => "lcsapi.no.lcs.dynamics.com",
            Self::China => "lcsapi.lcs.dynamics.cn",
            Self::Government => "lcsapi.gov.lcs.microsoftdynamics.us",
        };
        lcs_endpoint(&format!("https://{host}"))
    }
}

/// Lifecycle Services at another address, under the same rule: the address is the audience too.
pub fn lcs_endpoint(url: &str) -> Endpoint {
    let url = url.trim_end_matches('/');
    Endpoint {
        url: url.to_owned(),
        scope: format!("{url}//.default"),
    }
}

/// What tokens of the dual-write gateway are asked for: the resource of the first-party application
/// "Dynamics Data Integration", which takes tokens of people only (the community tool
/// `DualWriteHelper`, its `TokenRefresh.cs`).
pub const DUAL_WRITE_SCOPE: &str = "https://IntegratorApp.com/.default";

/// Is this the address of a dual-write gateway: `projectmanagementservice`, one label for the
/// region, and the parent whose children Microsoft alone assigns? A gateway on this machine is a
/// rehearsal's. Takes scheme, host and port.
pub fn is_dual_write_gateway(url: &str) -> bool {
    const FIRST: &str = "projectmanagementservice.";
    const PARENT: &str = ".gateway.prod.island.powerapps.com";
    let Ok(origin) = Origin::parse(url) else {
        return false;
    };
    let region = origin
        .host()
        .strip_prefix(FIRST)
        .and_then(|rest| rest.strip_suffix(PARENT));
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    origin.is_loopback() || (origin.port() == 443 && region.is_some_and(is_label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Each cloud's authority, BAP, Power Apps, Power Platform API, and both scopes, as they are
    /// published.
    const PUBLISHED: [[&str; 7]; 5] = [
        [
            "public",
            "https://login.microsoftonline.com",
            "https://api.bap.microsoft.com",
            "https://api.powerapps.com",
            "https://api.powerplatform.com",
            "https://service.powerapps.com/.default",
            "https://api.powerplatform.com/.default",
        ],
        [
            "gcc",
            "https://login.microsoftonline.com",
            "https://gov.api.bap.microsoft.us",
            "https://gov.api.powerapps.us",
            "https://api.gov.powerplatform.microsoft.us",
            "https://service.powerapps.us/.default",
            "https://api.gov.powerplatform.microsoft.us/.default",
        ],
        [
            "gcc-high",
            "https://login.microsoftonline.us",
            "https://high.api.bap.microsoft.us",
            "https://high.api.powerapps.us",
            "https://api.high.powerplatform.microsoft.us",
            "https://high.service.powerapps.us/.default",
            "https://api.high.powerplatform.microsoft.us/.default",
        ],
        [
            "dod",
            "https://login.microsoftonline.us",
            "https://api.bap.appsplatform.us",
            "https://api.apps.appsplatform.us",
            "https://api.appsplatform.us",
            "https://service.apps.appsplatform.us/.default",
            "https://api.appsplatform.us/.default",
        ],
        [
            "china",
            "https://login.chinacloudapi.cn",
            "https://api.bap.partner.microsoftonline.cn",
            "https://api.powerapps.cn",
            "https://api.powerplatform.partner.microsoftonline.cn",
            "https://service.powerapps.cn/.default",
            "https://api.powerplatform.partner.microsoftonline.cn/.default",
        ],
    ];

    #[test]
    fn every_clouds_hosts_and_scopes_are_the_published_ones() {
        for (cloud, published) in Cloud::ALL.into_iter().zip(PUBLISHED) {
            let (bap, apps, platform) = (cloud.bap(), cloud.power_apps(), cloud.power_platform());
            let ours = [
                cloud.to_string(),
                cloud.authority(),
                bap.url,
                apps.url,
                platform.url,
                bap.scope.clone(),
                platform.scope,
            ];
            assert_eq!(ours, published);
            assert_eq!(bap.scope, apps.scope, "{cloud}: one audience for both");
            for url in &ours[1..5] {
                let origin = Origin::parse(url).unwrap();
                assert_eq!((origin.scheme(), origin.port()), ("https", 443), "{url}");
            }
        }
    }

    #[test]
    fn poll_hosts_are_followed_under_their_own_cloud_only() {
        let follows = |cloud: Cloud, link: &str| {
            let bap = Origin::parse(&cloud.bap().url).unwrap();
            let asked = bap.join("/x").unwrap();
            bap.follow(&asked, link, true).is_ok()
        };
        for cloud in Cloud::ALL {
            let host = cloud.bap().url.split_off("https://".len());
            assert!(follows(cloud, &format!("https://europe.{host}/y")));
            for other in Cloud::ALL.into_iter().filter(|other| *other != cloud) {
                let host = other.bap().url.split_off("https://".len());
                for link in [
                    format!("https://{host}/y"),
                    format!("https://europe.{host}/y"),
                ] {
                    assert!(!follows(cloud, &link), "{cloud} followed {link}");
                }
            }
            for link in [
                format!("https://europe.{host}.evil.example/y"),
                format!("https://evil{host}/y"),
                format!("https://a.europe.{host}/y"),
                format!("https://europe.{host}:8443/y"),
                format!("https://user@europe.{host}/y"),
                format!("https://europe.{host}@evil.example/y"),
                format!("http://europe.{host}/y"),
                cloud.power_apps().url,
                cloud.power_platform().url,
                cloud.authority(),
            ] {
                assert!(!follows(cloud, &link), "{cloud} followed {link}");
            }
        }
    }

    #[test]
    fn each_geography_of_lifecycle_services_is_its_own_audience() {
        let mut hosts = BTreeSet::new();
        for geography in LcsGeography::ALL {
            let endpoint = geography.endpoint();
            let origin = Origin::parse(&endpoint.url).unwrap();
            assert!(origin.host().starts_with("lcsapi."), "{}", endpoint.url);
            assert_eq!(endpoint.scope, format!("{}//.default", endpoint.url));
            hosts.insert(endpoint.url);
        }
        assert_eq!(hosts.len(), LcsGeography::ALL.len());
        assert_eq!(
            LcsGeography::Eu.endpoint().scope,
            "https://lcsapi.eu.lcs.dynamics.com//.default"
        );
        assert_eq!(
            lcs_endpoint("http://127.0.0.1:9/").url,
            "http://127.0.0.1:9"
        );
    }

    #[test]
    fn a_gateway_is_one_region_under_microsofts_parent() {
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
