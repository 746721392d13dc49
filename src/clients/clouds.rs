//! Microsoft's clouds: their hosts, token scopes, and the hosts that links may lead to.

use std::fmt;

use super::http::ServiceEndpoint;

/// One of Microsoft's clouds. Hosts and scopes are those of the Terraform provider for Power
/// Platform (its `constants.go`); for GCC High, where Microsoft's own PowerShell modules differ,
/// the modules' names are used. Each can be overridden in the runbook.
///
/// The admin API responds with regional poll hosts. They are accepted exactly one label below the
/// cloud's own [`bap`](Self::bap) host, whose children only Microsoft assigns:
/// `europe.api.bap.microsoft.com` below `api.bap.microsoft.com`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MicrosoftCloud {
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
    /// The host that issues tokens.
    authority: &'static str,
    /// The older admin API, and the parent of its regional poll hosts.
    bap: &'static str,
    /// The token scope of the older admin API and of Power Apps.
    power_apps_scope: &'static str,
    /// The Power Platform API, which is also its token scope.
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

impl MicrosoftCloud {
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

    /// Where tokens are issued: scheme and host.
    pub fn authority(self) -> String {
        format!("https://{}", self.hosts().authority)
    }

    /// The older admin API (BAP).
    pub fn bap(self) -> ServiceEndpoint {
        let hosts = self.hosts();
        endpoint(hosts.bap, hosts.power_apps_scope)
    }

    /// The Power Platform API.
    pub fn power_platform(self) -> ServiceEndpoint {
        let hosts = self.hosts();
        endpoint(hosts.power_platform, hosts.power_platform)
    }

    /// The Power Apps API.
    pub fn power_apps(self) -> ServiceEndpoint {
        let hosts = self.hosts();
        endpoint(hosts.power_apps, hosts.power_apps_scope)
    }
}

fn endpoint(host: &str, scope: &str) -> ServiceEndpoint {
    ServiceEndpoint {
        url: format!("https://{host}"),
        scope: format!("https://{scope}/.default"),
    }
}

impl fmt::Display for MicrosoftCloud {
    /// The name in a runbook.
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

/// The geography of a project of Lifecycle Services. Hosts as the cmdlets of the community tool
/// d365fo.tools list them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LcsRegion {
    /// Every project outside of the other geographies.
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

impl LcsRegion {
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

    /// The API of Lifecycle Services. The host is also the token scope, which has two slashes
    /// (Microsoft Learn, *Dynamics Lifecycle Services API: authentication*). It accepts tokens of
    /// people only.
    pub fn endpoint(self) -> ServiceEndpoint {
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

/// Lifecycle Services at another address, which is also the token scope.
pub fn lcs_endpoint(url: &str) -> ServiceEndpoint {
    let url = url.trim_end_matches('/');
    ServiceEndpoint {
        url: url.to_owned(),
        scope: format!("{url}//.default"),
    }
}

/// The token scope of the dual-write gateway: the resource of the first-party application "Dynamics
/// Data Integration", which accepts tokens of people only (the community tool `DualWriteHelper`,
/// its `TokenRefresh.cs`).
pub const DUAL_WRITE_SCOPE: &str = "https://IntegratorApp.com/.default";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::http::Origin;
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
        for (cloud, published) in MicrosoftCloud::ALL.into_iter().zip(PUBLISHED) {
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
    fn poll_hosts_are_accepted_below_their_own_cloud_only() {
        let follows = |cloud: MicrosoftCloud, link: &str| {
            let bap = Origin::parse(&cloud.bap().url).unwrap();
            let requested = bap.join("/x").unwrap();
            bap.follow(&requested, link, true).is_ok()
        };
        for cloud in MicrosoftCloud::ALL {
            let host = cloud.bap().url.split_off("https://".len());
            assert!(follows(cloud, &format!("https://europe.{host}/y")));
            for other in MicrosoftCloud::ALL
                .into_iter()
                .filter(|other| *other != cloud)
            {
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
        for geography in LcsRegion::ALL {
            let endpoint = geography.endpoint();
            let origin = Origin::parse(&endpoint.url).unwrap();
            assert!(origin.host().starts_with("lcsapi."), "{}", endpoint.url);
            assert_eq!(endpoint.scope, format!("{}//.default", endpoint.url));
            hosts.insert(endpoint.url);
        }
        assert_eq!(hosts.len(), LcsRegion::ALL.len());
        assert_eq!(
            LcsRegion::Eu.endpoint().scope,
            "https://lcsapi.eu.lcs.dynamics.com//.default"
        );
        assert_eq!(
            lcs_endpoint("http://127.0.0.1:9/").url,
            "http://127.0.0.1:9"
        );
    }
}
