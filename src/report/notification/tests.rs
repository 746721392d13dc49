//! The exact text of each form.

use serde_json::{Value, json};

use super::*;
use crate::base::secrets::register_secret;

fn notice() -> Notice {
    Notice {
        target: "Contoso UAT".to_owned(),
        environment: "22222222-2222-2222-2222-222222222222".to_owned(),
        runbook: "contoso-uat".to_owned(),
        run: Some("0198c0de".to_owned()),
        step: Some("activate-flows/activate".to_owned()),
        what: vec![
            "cloud flow 'Release <order>' was not turned on: *the* [licence](https://evil.example) & more\n  \
             the service said: no"
                .to_owned(),
        ],
        to_do: vec!["give the owner a licence".to_owned()],
        since: Some("2026-11-29T02:50:00Z".to_owned()),
        next: Some("iomcopy run uat.yaml".to_owned()),
        page: Some("https://github.com/contoso/refresh/actions/runs/4711?a=1&b=2".to_owned()),
        host: "runner-7".to_owned(),
        state_file: "/work/contoso-uat.iomcopy.jsonl".to_owned(),
    }
}

fn exact(occasion: Occasion, notice: &Notice, form: NotificationForm) -> String {
    serde_json::to_string_pretty(&notification(occasion, notice, form)).unwrap()
}

#[test]
fn teams_gets_a_card_of_plain_text() {
    let expected = include_str!("testdata/failed.teams.json");
    let card = exact(Occasion::Failed, &notice(), NotificationForm::Teams);
    assert_eq!(card, expected.trim_end(), "{card}");
}

#[test]
fn slack_gets_blocks_and_a_text_for_where_they_are_not_shown() {
    let expected = include_str!("testdata/failed.slack.json");
    let message = exact(Occasion::Failed, &notice(), NotificationForm::Slack);
    assert_eq!(message, expected.trim_end(), "{message}");
}

#[test]
fn any_other_receiver_gets_the_facts() {
    let message = notification(Occasion::Failed, &notice(), NotificationForm::Json);
    let expected = json!({
        "v": 1,
        "type": "notification",
        "on": "failed",
        "headline": "Contoso UAT: the refresh failed in activate-flows/activate",
        "target": "Contoso UAT",
        "environment": "22222222-2222-2222-2222-222222222222",
        "runbook": "contoso-uat",
        "run": "0198c0de",
        "step": "activate-flows/activate",
        "what": [
            "cloud flow 'Release <order>' was not turned on: *the* [licence](https://evil.example) & more",
            "  the service said: no",
        ],
        "to-do": ["give the owner a licence"],
        "since": "2026-11-29T02:50:00Z",
        "next": "iomcopy run uat.yaml",
        "page": "https://github.com/contoso/refresh/actions/runs/4711?a=1&b=2",
        "host": "runner-7",
        "state-file": "/work/contoso-uat.iomcopy.jsonl",
    });
    assert_eq!(message, expected);
}

#[test]
fn the_headline_says_what_happened_and_where() {
    let mut notice = notice();
    let headline = |occasion, notice: &Notice| {
        let message = notification(occasion, notice, NotificationForm::Slack);
        message["text"].as_str().map(str::to_owned).unwrap()
    };
    assert_eq!(
        headline(Occasion::Waiting, &notice),
        "Contoso UAT: the refresh waits for a person in activate-flows/activate"
    );
    notice.step = None;
    notice.run = None;
    assert_eq!(
        headline(Occasion::Failed, &notice),
        "Contoso UAT: the refresh did not begin"
    );
    notice.target = "<!channel> & co".to_owned();
    assert_eq!(
        headline(Occasion::Finished, &notice),
        "&lt;!channel&gt; &amp; co: the refresh is finished"
    );
}

fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(members) => members.values().for_each(|member| strings(member, found)),
        _ => {}
    }
}

#[test]
fn a_message_holds_no_secret_no_control_character_and_no_more_than_fits() {
    let secret = "hunter2-hunter2-hunter2";
    register_secret(secret);
    let long = format!("{secret} \u{1b}[2J{}", "x".repeat(5000));
    let lines = || (0..50).map(|_| format!("{secret}\n{long}")).collect();
    let mut notice = notice();
    notice.what = lines();
    notice.to_do = lines();
    for text in [&mut notice.target, &mut notice.host, &mut notice.state_file] {
        text.clone_from(&long);
    }
    notice.step = Some(long.clone());
    notice.next = Some(format!("iomcopy run {secret}.yaml"));
    for form in [
        NotificationForm::Teams,
        NotificationForm::Slack,
        NotificationForm::Json,
    ] {
        let message = notification(Occasion::Failed, &notice, form);
        let text = message.to_string();
        assert!(!text.contains(secret) && text.contains("sha256:"), "{text}");
        assert!(text.len() < 20_000, "{form}: {}", text.len());
        assert!(text.contains("and 92 lines more"), "{text}");
        let mut found = Vec::new();
        strings(&message, &mut found);
        assert!(found.iter().all(|text| !text.contains('\u{1b}')));
        assert!(found.iter().all(|text| text.chars().count() <= 3000));
    }
}
