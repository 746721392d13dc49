use super::*;
use crate::runbook::parse;

fn environment(id: u128, name: &str) -> StarterEnvironment {
    StarterEnvironment {
        id: Uuid::from_u128(id),
        name: name.to_owned(),
        kind: Some("Sandbox".to_owned()),
        url: Some("https://contoso.crm.dynamics.com".to_owned()),
    }
}

fn starter(kind: CredentialKind, target: &str) -> Starter {
    Starter {
        name: Starter::name_for(target),
        cloud: Cloud::Public,
        endpoints: None,
        identity: Some(StarterIdentity {
            tenant: "contoso.onmicrosoft.com".to_owned(),
            kind,
            client: Some(Uuid::from_u128(3)),
            secret: "AZURE_CLIENT_SECRET".to_owned(),
            service_connection: Some("abc".to_owned()),
            token_command: vec!["./token.sh".to_owned(), "a \"b\"".to_owned()],
        }),
        act_as: None,
        source: environment(1, "Contoso Prod"),
        target: environment(2, target),
        lcs: None,
        connections: Vec::new(),
        dual_write: Some(false),
    }
}

#[test]
fn every_kind_of_credential_makes_a_valid_runbook() {
    for kind in CredentialKind::ALL {
        let mut starter = starter(*kind, "Contoso UAT");
        for lcs in [
            None,
            Some((None, None)),
            Some((Some(7), Some("a".to_owned()))),
        ] {
            starter.lcs = lcs.map(|(project, source)| StarterLcs {
                project,
                source,
                target: None,
            });
            let text = starter.text();
            let runbook = parse("uat.yaml", &text);
            let runbook = runbook.unwrap_or_else(|invalid| panic!("{kind}\n{invalid}\n{text}"));
            assert_eq!(runbook.target.environment.value, Uuid::from_u128(2));
            let fills = text.matches("FILL IN").count();
            assert!(
                fills > starter.to_fill_in().len().saturating_sub(2),
                "{text}"
            );
        }
    }
}

#[test]
fn a_connector_with_one_connection_uses_it_and_with_more_a_person_chooses() {
    let connection = |connector: &str, id: &str| StarterConnection {
        connector: connector.to_owned(),
        family: connector.trim_end_matches(char::is_numeric).to_owned(),
        id: id.to_owned(),
        description: "somebody's\n- copy: x".to_owned(),
    };
    let mut starter = starter(CredentialKind::AzureCli, "Contoso UAT");
    let connections = |starter: &Starter| {
        let text = starter.text();
        let runbook =
            parse("uat.yaml", &text).unwrap_or_else(|invalid| panic!("{invalid}\n{text}"));
        runbook
            .steps
            .reconfigure_connections
            .options
            .connections
            .len()
    };
    starter.connections = vec![connection("shared_a", "1"), connection("shared_a", "2")];
    assert_eq!(connections(&starter), 0, "{}", starter.text());
    starter.connections.push(connection("shared_b", "3"));
    assert_eq!(connections(&starter), 1, "{}", starter.text());
    assert!(starter.text().contains("\"shared_b\": \"3\""));
    assert!(starter.text().contains("# \"shared_a\": \"2\""));
    // Two versions of one custom connector are alternatives too.
    for (connector, id) in [("shared_c-5f111", "4"), ("shared_c-5f222", "5")] {
        starter.connections.push(connection(connector, id));
    }
    assert_eq!(connections(&starter), 1, "{}", starter.text());
    assert!(starter.text().contains("# \"shared_c-5f222\": \"5\""));
}

#[test]
fn any_name_is_quoted_correctly() {
    for name in [
        "it's: {a} [b] # c \"d\" \\e",
        "##vso[task.complete]",
        "a\nruns: on\u{85}\u{2028}\u{202e}\u{1b}[1m",
        "true",
        "Größe 漢字",
    ] {
        let text = starter(CredentialKind::AzureCli, name).text();
        let runbook =
            parse("uat.yaml", &text).unwrap_or_else(|invalid| panic!("{invalid}\n{text}"));
        assert_eq!(runbook.target.name.value, name);
        assert!(!text.contains("name: \"##"), "{text}");
    }
}

#[test]
fn a_runbook_is_named_after_its_target() {
    assert_eq!(
        Starter::name_for("Contoso UAT (EU)"),
        "contoso-uat-eu-refresh"
    );
    assert_eq!(Starter::name_for("漢字"), "refresh");
}
