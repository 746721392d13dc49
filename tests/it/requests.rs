//! Requests of the runbook and what is done by hand: placeholders before the copy, a recording
//! without its values, what preflight shows, and captured values on a terminal only.

use std::fs::File;
use std::io::Read as _;

use crate::harness::{Stage, runbook_text, thin_text, with_endpoints};
use crate::person::{Person, worksheet_lines};
use crate::terminal::open_terminal;

#[test]
fn an_owner_that_nobody_is_named_for_is_refused_offline() {
    let stage = Stage::new();
    let text = runbook_text();
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with("act-as:"))
        .flat_map(|line| [line, "\n"])
        .collect();
    stage.write_runbook(&text);
    let answer = stage.call(&["validate", "rehearsal.yaml"]).exits(3);
    let shown = format!("{}{}", answer.stdout, answer.stderr);
    for request in [
        "`save-platform-connection-reference` uses `<owner>`",
        "`save-provider-connection-reference` uses `<owner>`",
        "write `owner` under `reconfigure-connections`, or `act-as`",
    ] {
        assert!(shown.contains(request), "{request}\n{shown}");
    }
}

#[test]
fn a_recorded_value_is_neither_printed_nor_written() {
    let stage = Stage::new();
    let id = "66666666-6666-6666-6666-666666666666";
    let url =
        format!("https://contoso.crm.dynamics.com/api/data/v9.2/msdyn_iomproviderparameters({id})");
    let har = serde_json::json!({ "log": { "entries": [{
        "request": { "method": "PATCH", "url": url, "postData": {
            "text": "{\"msdyn_value\":\"hunter2\",\"msdyn_note\":\"hunter2 too\"}",
        } },
        "response": { "status": 204 },
    }] } });
    std::fs::write(stage.path("click.har"), har.to_string()).expect("it can be written");
    let text = stage.call(&["import-har", "click.har"]).exits(0).stdout;
    assert!(text.contains("    set-provider-parameter:"), "{text}");
    assert!(text.contains("\"msdyn_value\":\"<value>\""), "{text}");
    assert!(text.contains("\"msdyn_note\":\"<fill-in>\""), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    let import = ["import-har", "click.har"];
    let document = crate::outputs::document(&stage, "import-har", &import, 0);
    assert_eq!(document["writes"][0]["request"], "set-provider-parameter");
    assert!(!document.to_string().contains("hunter2"), "{document}");
}

#[test]
fn preflight_shows_each_bound_request() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let text = stage.call(&["preflight", "rehearsal.yaml", "-v"]).stdout;
    for (request, shown) in [
        ("set-provider-parameter", "{\"msdyn_value\":\"sha256:"),
        ("delete-provider", "DELETE msdyn_iomproviders("),
        ("edit-orchestration", "{\"msdyn_graph\":\"sha256:"),
        ("activate-system", "POST rehearsal_ActivateSystem {}"),
    ] {
        let line = format!("the request for `{request}` can be filled for a row (affects step ");
        let found = text.split(&line).nth(1).unwrap_or_default();
        let found = found.lines().nth(1).unwrap_or_default();
        assert!(found.contains(shown), "{request}: {found}\n{text}");
    }
}

/// A captured key and its seal.
fn capture(stage: &Stage) -> (String, String) {
    let records = stage.records();
    let row = records
        .iter()
        .find(|record| record["type"] == "captured" && record["data"]["text"].is_string())
        .expect("there is a capture");
    let text = |member: &str| row["data"][member].as_str().unwrap_or_default().to_owned();
    (text("key"), text("seal"))
}

/// What a command writes to a terminal that is its standard output.
fn at_terminal(stage: &Stage, arguments: &[&str]) -> (Option<i32>, String) {
    let (terminal, screen) = open_terminal();
    let mut command = stage.command(arguments);
    command.env("TERM", "dumb").stdout(screen);
    let mut child = command.spawn().expect("the program can be started");
    // The command holds this process's copy of the screen.
    drop(command);
    let mut seen = Vec::new();
    let mut part = [0; 4096];
    let mut terminal = File::from(terminal);
    // Reading ends with an error when the other end is closed.
    while let Ok(count @ 1..) = terminal.read(&mut part) {
        seen.extend(&part[..count]);
    }
    let status = child.wait().expect("the program ends");
    (status.code(), String::from_utf8_lossy(&seen).into_owned())
}

#[test]
fn a_captured_value_is_shown_on_a_terminal_only() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    drop(stage.run().exits(0));
    let (key, seal) = capture(&stage);
    let file = stage.state();
    let file = file.to_str().expect("the path is text");
    let show = ["state", "show", file, &key, "--seal", &seal];

    let piped = stage.call(&show).exits(11);
    assert!(piped.stdout.is_empty(), "{}", piped.stdout);
    assert!(
        piped.stderr.contains("on a terminal only"),
        "{}",
        piped.stderr
    );

    let (code, shown) = at_terminal(&stage, &show);
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.trim().is_empty());
    let unknown = ["state", "show", file, "no/such/key"];
    assert_eq!(at_terminal(&stage, &unknown).0, Some(3));
}

/// The figures at the end of a run, without what was done by hand.
fn figures(stdout: &str) -> Vec<String> {
    let after = stdout.split("8 reconfigure-dual-write").nth(1);
    let after = after.unwrap_or_default().lines().skip(1);
    after
        .take_while(|line| {
            let is_end = ["state file:", "needs a look:", "did not succeed at first:"];
            !is_end.iter().any(|end| line.starts_with(end))
        })
        .map(|line| match line.split_once(" by hand)") {
            Some((before, rest)) => {
                let kept = before.rsplit_once(" (").map_or(before, |(kept, _)| kept);
                format!("{kept}{rest}")
            }
            None => line.to_owned(),
        })
        .filter(|line| !line.trim().is_empty())
        .collect()
}

#[test]
fn the_two_summaries_differ_only_in_by_hand() {
    let automatic = Stage::new();
    let _tenant = automatic.tenant(&[]);
    let automatic = automatic.run().exits(0).stdout;

    let stage = Stage::new();
    let tenant = stage.tenant(&[]);
    let text = thin_text();
    let (before, rest) = text.split_once("\niom:").expect("it has requests");
    let (_, steps) = rest.split_once("\nsteps:").expect("it has steps");
    let guided = format!("{before}\nsteps:{steps}");
    stage.write_runbook(&with_endpoints(&guided, &tenant.endpoints));
    let mut linked = 0;
    let by_hand = loop {
        let answer = stage.run();
        if answer.code != Some(10) {
            break answer.exits(0).stdout;
        }
        let person = Person::of(&stage, &tenant.endpoints);
        let lines = worksheet_lines(&answer.stderr);
        assert!(!lines.is_empty(), "{}", answer.stderr);
        assert!(
            answer.stderr.contains("\n  sign in as ") && answer.stderr.contains("--waive"),
            "{}",
            answer.stderr
        );
        for line in lines {
            linked += usize::from(line.contains("/main.aspx?pagetype=entityrecord&etn="));
            person.follow(&line);
        }
        assert!(linked < 200, "{}", answer.stderr);
        std::thread::sleep(std::time::Duration::from_millis(200));
    };
    assert!(linked > 5, "{linked}");
    assert!(by_hand.contains(" by hand)"), "{by_hand}");
    assert!(!figures(&automatic).is_empty(), "{automatic}");
    assert_eq!(figures(&automatic), figures(&by_hand));
}
