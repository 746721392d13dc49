//! The URL by which IOM's own references name a connection.

use url::Url;
use uuid::Uuid;

use super::choices::ChosenConnection;

/// The connector that a connection URL names: `apiName=shared_azureblob`, or the segment after
/// `connections`.
pub(crate) fn connector_of_url(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let by_query = url
        .query_pairs()
        .find(|(key, _)| key.eq_ignore_ascii_case("apiName"))
        .map(|(_, name)| name.to_ascii_lowercase());
    by_query.or_else(|| {
        let mut segments = url.path_segments()?;
        segments.find(|segment| segment.eq_ignore_ascii_case("connections"))?;
        let connector = segments.next().filter(|connector| !connector.is_empty())?;
        Some(connector.to_ascii_lowercase())
    })
}

/// A connection URL like this one, for another environment and its connection. Takes the connection
/// with its connector, which is another one if an environment has its own. IOM's forms take the
/// address of a connection's page, `https://<region>.flow.microsoft.com/manage/environments/<id>/
/// connections?apiName=…&connectionName=…` (seen in Microsoft's own guide to setting up providers);
/// newer portals write `…/environments/<id>/connections/<connector>/<connection>/details`. Host and
/// form are kept as this tenant has them.
pub(crate) fn connection_url(
    template: &str,
    environment: Uuid,
    ChosenConnection {
        connection,
        connector,
    }: &ChosenConnection,
) -> Option<String> {
    let mut url = Url::parse(template).ok()?;
    let environment = environment.to_string();
    let mut segments: Vec<String> = url.path_segments()?.map(str::to_owned).collect();
    let after = |segments: &[String], word: &str, distance: usize| {
        let place = segments.iter().position(|s| s.eq_ignore_ascii_case(word))? + distance;
        segments
            .get(place)
            .is_some_and(|s| !s.is_empty())
            .then_some(place)
    };
    if let Some(place) = after(&segments, "environments", 1) {
        segments[place] = environment;
    }
    // An equal connector is left as it is written.
    let is_other =
        |present: &str| !connector.is_empty() && !present.eq_ignore_ascii_case(connector);
    if let Some(place) = after(&segments, "connections", 2) {
        connection.clone_into(&mut segments[place]);
        if is_other(&segments[place - 1]) {
            connector.clone_into(&mut segments[place - 1]);
        }
    }
    url.path_segments_mut().ok()?.clear().extend(segments);
    if url.query().is_none() {
        return Some(url.into());
    }
    let pairs: Vec<(String, String)> = url
        .query_pairs()
        .map(|(key, value)| {
            let value = if key.eq_ignore_ascii_case("connectionName") {
                connection.clone()
            } else if key.eq_ignore_ascii_case("apiName") && is_other(&value) {
                connector.clone()
            } else {
                value.into_owned()
            };
            (key.into_owned(), value)
        })
        .collect();
    url.query_pairs_mut().clear().extend_pairs(pairs);
    Some(url.into())
}

/// Does a connection URL point to this environment?
pub(crate) fn is_in_environment(url: &str, environment: Uuid) -> bool {
    url.to_ascii_lowercase().contains(&environment.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUSTOM: &str = "shared_new-5fcarrier-5f0a1b2c3d4e5f6071";
    const CUSTOM_HERE: &str = "shared_new-5fcarrier-5f9999999999999999";

    fn chosen(connector: &str, connection: &str) -> ChosenConnection {
        ChosenConnection {
            connection: connection.to_owned(),
            connector: connector.to_owned(),
        }
    }

    #[test]
    fn a_connection_url_gets_the_connector_of_its_connection() {
        let target = Uuid::from_u128(0x22);
        for form in [
            "connections?apiName={}&connectionName=abc",
            "connections/{}/abc/details",
        ] {
            let url = |environment: Uuid, connector: &str, connection: &str| {
                let page = form.replace("{}", connector).replace("abc", connection);
                format!("https://x.flow.microsoft.com/manage/environments/{environment}/{page}")
            };
            let old = url(Uuid::nil(), CUSTOM, "abc");
            let new = connection_url(&old, target, &chosen(CUSTOM_HERE, "new"));
            assert_eq!(new, Some(url(target, CUSTOM_HERE, "new")), "{form}");
            // The same connector keeps its letters, and an unknown one changes nothing.
            let written = url(Uuid::nil(), "shared_AzureBlob", "abc");
            for connector in ["shared_azureblob", ""] {
                let new = connection_url(&written, target, &chosen(connector, "new"));
                assert_eq!(new, Some(url(target, "shared_AzureBlob", "new")), "{form}");
            }
        }
    }

    #[test]
    fn a_connection_url_keeps_its_form_and_changes_environment_and_connection() {
        let old = "https://europe.flow.microsoft.com/manage/environments/11111111-1111-1111-1111-111111111111/connections?apiName=shared_azureblob&connectionName=abc";
        let target = Uuid::try_parse("22222222-2222-2222-2222-222222222222").unwrap();
        let new = connection_url(old, target, &chosen("shared_azureblob", "x y&z")).unwrap();
        assert_eq!(
            new,
            "https://europe.flow.microsoft.com/manage/environments/22222222-2222-2222-2222-222222222222/connections?apiName=shared_azureblob&connectionName=x+y%26z"
        );
        assert!(is_in_environment(&new, target) && !is_in_environment(old, target));
        assert_eq!(connector_of_url(&new).as_deref(), Some("shared_azureblob"));
        assert_eq!(connection_url("not a url", target, &chosen("", "x")), None);
    }

    #[test]
    fn a_connection_url_of_the_newer_form_is_rewritten_too() {
        let old = "https://make.powerautomate.com/environments/11111111-1111-1111-1111-111111111111/connections/shared_azureblob/abc/details";
        let target = Uuid::try_parse("22222222-2222-2222-2222-222222222222").unwrap();
        assert_eq!(connector_of_url(old).as_deref(), Some("shared_azureblob"));
        assert_eq!(
            connection_url(old, target, &chosen("", "new")).as_deref(),
            Some(
                "https://make.powerautomate.com/environments/22222222-2222-2222-2222-222222222222/connections/shared_azureblob/new/details"
            )
        );
    }
}
