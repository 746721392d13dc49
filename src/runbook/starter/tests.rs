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

/// What a person has to fill in: the path of each value, in the order of the text. Fails if the text
/// has another mistake, or one without a place and advice.
fn to_fill_in(text: &str) -> Vec<String> {
    let Err(diagnostics) = parse("uat.yaml", text) else {
        return Vec::new();
    };
    let paths = diagnostics.iter().map(|diagnostic| {
        let path = diagnostic.message().strip_suffix("` is not filled in");
        let path = path.unwrap_or_else(|| panic!("{diagnostic}\n{text}"));
        let help = diagnostic.help().unwrap_or_default();
        assert!(help.starts_with("write "), "{diagnostic}");
        path.rsplit('`').next().unwrap_or_default().to_owned()
    });
    paths.collect()
}

/// The text after a person filled everything in.
fn filled_in(text: &str) -> String {
    let mut filled = String::new();
    for line in text.lines() {
        let value = match line.split_once("\"FILL IN") {
            None => line.to_owned(),
            Some((key, _)) if key.contains("token-command") => format!("{key}./token.sh] }}"),
            Some((key, _)) if key.contains("act-as") => format!("{key}svc-iom@contoso.com"),
            Some((key, _)) if key.contains("geography") => format!("{key}eu"),
            Some((key, _)) if key.contains("project") => format!("{key}7"),
            Some((key, _)) if key.contains("connections:") => format!("{key}{{}}"),
            Some((key, _)) => format!("{key}id-{}", filled.lines().count()),
        };
        filled.push_str(&value);
        filled.push('\n');
    }
    filled
}

#[test]
fn every_kind_of_credential_makes_a_runbook_that_is_valid_once_it_is_filled_in() {
    for kind in CredentialKind::ALL {
        let mut starter = starter(*kind, "Contoso UAT");
        for (lcs, open) in [
            (None, vec![]),
            (
                Some((None, None)),
                vec!["geography", "project", "source", "target"],
            ),
            (
                Some((Some(7), Some("a".to_owned()))),
                vec!["geography", "target"],
            ),
        ] {
            let has_lcs = lcs.is_some();
            starter.lcs = lcs.map(|(project, source)| StarterLcs {
                project,
                source,
                target: None,
            });
            let text = starter.text();
            let token = has_lcs.then(|| "identity.lcs.token-command".to_owned());
            let expected: Vec<String> = token
                .into_iter()
                .chain(["act-as".to_owned()])
                .chain(open.iter().map(|key| format!("lcs.{key}")))
                .chain(["steps.reconfigure-connections.connections".to_owned()])
                .collect();
            assert_eq!(to_fill_in(&text), expected, "{text}");
            let filled = filled_in(&text);
            let runbook = parse("uat.yaml", &filled);
            let runbook = runbook.unwrap_or_else(|invalid| panic!("{kind}\n{invalid}\n{filled}"));
            assert_eq!(runbook.target.environment.value, Uuid::from_u128(2));
            // The text that signs in needs nothing that a person fills in.
            let text = starter.text_to_sign_in();
            let bound = parse("uat.yaml", &text);
            drop(bound.unwrap_or_else(|invalid| panic!("{kind}\n{invalid}\n{text}")));
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
    starter.act_as = Some("svc-iom@contoso.com".to_owned());
    let open = |starter: &Starter| {
        let fill_in = to_fill_in(&starter.text());
        let key = "steps.reconfigure-connections.connections.";
        let connectors = fill_in.iter().map(|path| path.replace(key, ""));
        connectors.collect::<Vec<_>>()
    };
    starter.connections = vec![connection("shared_a", "1"), connection("shared_a", "2")];
    assert_eq!(open(&starter), ["shared_a"]);
    starter.connections.push(connection("shared_b", "3"));
    assert_eq!(open(&starter), ["shared_a"]);
    assert!(starter.text().contains("        \"shared_b\": \"3\""));
    assert!(starter.text().contains("# \"shared_a\": \"2\""));
    // Two versions of one custom connector are alternatives too.
    for (connector, id) in [("shared_c-5f111", "4"), ("shared_c-5f222", "5")] {
        starter.connections.push(connection(connector, id));
    }
    assert_eq!(open(&starter), ["shared_a", "shared_c-5f111"]);
    assert!(starter.text().contains("# \"shared_c-5f222\": \"5\""));
    let text = filled_in(&starter.text());
    let runbook = parse("uat.yaml", &text).unwrap_or_else(|invalid| panic!("{invalid}\n{text}"));
    let options = &runbook.steps.reconfigure_connections.options;
    assert_eq!(options.connections.len(), 3, "{text}");
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
        let text = filled_in(&starter(CredentialKind::AzureCli, name).text());
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

#[test]
fn a_rehearsal_gets_the_answers_and_requests_of_the_rehearsal_tenant() {
    let mut starter = starter(CredentialKind::AzureCli, "Contoso UAT");
    let sections = |starter: &Starter| {
        let text = filled_in(&starter.text());
        let parsed = parse("uat.yaml", &text);
        let runbook = parsed.unwrap_or_else(|invalid| panic!("{invalid}\n{text}"));
        let requests = runbook.iom.requests.len();
        (requests, runbook.containment.replace.len())
    };
    assert_eq!(sections(&starter), (0, 0));
    (starter.cloud, starter.identity) = (Cloud::Rehearsal, None);
    assert_eq!(sections(&starter), (16, 4));
    // Its project has one geography.
    starter.lcs = Some(StarterLcs {
        project: Some(REHEARSAL_PROJECT),
        source: Some("a".to_owned()),
        target: Some("b".to_owned()),
    });
    let open = to_fill_in(&starter.text());
    assert!(!open.iter().any(|key| key.starts_with("lcs.")), "{open:?}");
}
