//! Where the service is, by where the project lives.

use crate::clients::http::Endpoint;

/// Where a project lives (hosts as d365fo.tools lists them).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LcsGeography {
    /// Every project outside the geographies below.
    Default,
    /// The European Union.
    Europe,
    /// France.
    France,
    /// South Africa.
    SouthAfrica,
    /// The United Arab Emirates.
    UnitedArabEmirates,
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
    /// The service's address and the scope of its tokens. The resource is the address with a slash at
    /// its end, so that the scope has two (Microsoft Learn, *Dynamics Lifecycle Services API -
    /// Authentication*).
    pub fn endpoint(self) -> Endpoint {
        let host = match self {
            Self::Default => "lcsapi.lcs.dynamics.com",
            Self::Europe => "lcsapi.eu.lcs.dynamics.com",
            Self::France => "lcsapi.fr.lcs.dynamics.com",
            Self::SouthAfrica => "lcsapi.sa.lcs.dynamics.com",
            Self::UnitedArabEmirates => "lcsapi.uae.lcs.dynamics.com",
            Self::Switzerland => "lcsapi.ch.lcs.dynamics.com",
            Self::Norway => "lcsapi.no.lcs.dynamics.com",
            Self::China => "lcsapi.lcs.dynamics.cn",
            Self::Government => "lcsapi.gov.lcs.microsoftdynamics.us",
        };
        Endpoint {
            url: format!("https://{host}"),
            scope: format!("https://{host}//.default"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_audience_change_together() {
        let endpoint = LcsGeography::Europe.endpoint();
        assert_eq!(endpoint.url, "https://lcsapi.eu.lcs.dynamics.com");
        assert_eq!(
            endpoint.scope,
            "https://lcsapi.eu.lcs.dynamics.com//.default"
        );
    }
}
