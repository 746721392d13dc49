//! Custom steps between the eight: two of each kind are planned, run, killed and
//! resumed, verified and reported; one that fails stops what comes after it; mistakes are found
//! before the copy.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Map, Value, json};

use crate::edits::row;
use crate::harness::{
    CommandOutput, Stage, Tenant, World, is, runbook_text, sample, thin_text, with_endpoints,
};

/// The steps, in order.
const OWN: [&str; 6] = [
    "scrub-addresses",
    "restore-addresses",
    "note-the-phone",
    "tell-sales",
    "rebuild-index",
    "smoke-test",
];

/// Right after the copy, while the target is still closed: customers have no address any more.
const SCRUB: &str = r#"  - dataverse-update:
      name: scrub-addresses
      table: contact
      filter: "contains(emailaddress1,'@') and not contains(emailaddress1,'uat-')"
      values: { emailaddress1: null, donotbulkemail: true }
"#;

/// The target's own customers get the addresses that they had.
const RESTORE: &str = r#"  - dataverse-update:
      name: restore-addresses
      table: contact
      filter: "externaluseridentifier ne null"
      match: externaluseridentifier
      values: { emailaddress1: { captured: before-copy }, telephone1: { env: UAT_PHONE } }
"#;

const GUIDED: &str = r#"  - guided:
      name: note-the-phone
      title: Write the phone number of the test desk to a customer
      instructions: ["open a customer", "write 4711 to Business Phone"]
      evidence: { table: contact, filter: "emailaddress2 eq 'desk@contoso.com'", rows: some }
  - guided:
      name: tell-sales
      title: Tell sales that the copy is open
      instructions: [call the sales desk]
      evidence: none
"#;

const COMMANDS: &str = r#"  - command:
      name: rebuild-index
      run: [./own.sh, run, "two words", "$HOME"]
      check: [./own.sh, check]
      services: [dataverse-target]
      variables: { MODE: uat, SHOP_KEY: { env: UAT_SHOP_KEY } }
  - command:
      name: smoke-test
      run: [./own.sh, run]
      check: [./own.sh, check]
      timeout: 60s
"#;

/// The program of both steps: it writes what it was given, works for a moment, and is then done.
const PROGRAM: &str = r#"#!/bin/sh
if [ "$1" = check ]; then
  echo checked >> "checked.$IOMCOPY_STEP"
  test -e "done.$IOMCOPY_STEP"
  exit $?
fi
echo "began with $# arguments: $2 $3; key $SHOP_KEY; token $IOMCOPY_TOKEN_DATAVERSE_TARGET"
env | sort > "env.$IOMCOPY_STEP"
sleep 0.4
echo ran >> "ran.$IOMCOPY_STEP"
touch "done.$IOMCOPY_STEP"
"#;

const SHOP_KEY: &str = "a-key-of-the-test-shop-0815";

/// The thin runbook with these steps before `reconfigure-connections`, and these at the end. The
/// address is scrubbed right after the copy.
fn runbook(middle: &str, last: &str) -> String {
    let text = thin_text();
    let text = text.replace(
        "  - exit-administration-mode: {}\n",
        &format!("{SCRUB}  - exit-administration-mode: {{}}\n{middle}"),
    );
    format!("{}\n{last}", text.trim_end())
}

fn all_kinds() -> String {
    runbook(&format!("{RESTORE}{GUIDED}"), COMMANDS)
}

fn write_program(stage: &Stage, text: &str) {
    let path = stage.path("own.sh");
    fs::write(&path, text).expect("the program can be written");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&path, mode).expect("the program can be made executable");
}

/// A thin tenant with this runbook. A second start continues its world.
fn tenant(stage: &Stage, text: &str) -> Tenant {
    if stage.path("world.jsonl").exists() {
        return stage.start_tenant(text, &["--seed", "thin"]);
    }
    stage.start_tenant(text, &["--seed", "thin"]).kill();
    add_customers(stage);
    stage.start_tenant(text, &["--seed", "thin"])
}

/// Four customers in the source; two of them in the target, with its own addresses and ids.
fn add_customers(stage: &Stage) {
    let world = stage.world();
    let mut puts = Map::new();
    for (side, customer, address) in [
        ("source", 1, "grace.ito@fabrikam.com"),
        ("source", 2, "ravi.menon@northwind.com"),
        ("source", 3, "lena.vogel@adatum.com"),
        ("source", 4, "omar.haddad@tailspin.com"),
        ("target", 1, "uat-orders@contoso.com"),
        ("target", 2, "uat-returns@contoso.com"),
    ] {
        let user = row(
            &world,
            side,
            "systemuser",
            "domainname",
            "svc-iom@contoso.com",
        );
        let organization = user
            .split('/')
            .nth(1)
            .expect("a key names the organization");
        let own = if side == "source" { 0 } else { 900 };
        let id = format!("ca000000-0000-4000-8000-{:012}", own + customer);
        let contact = json!({
            "contactid": id,
            "fullname": format!("Customer {customer}"),
            "emailaddress1": address,
            "externaluseridentifier": format!("C-{customer:04}"),
            "donotbulkemail": false,
            "versionnumber": 90_000 + own + customer,
            "createdon": "2025-11-03T09:30:00Z",
            "modifiedon": "2025-11-03T09:30:00Z",
        });
        puts.insert(format!("row/{organization}/contact/{id}"), contact);
    }
    stage.edit_world(&puts);
}

/// A command with the secrets that the steps name.
fn call(stage: &Stage, arguments: &[&str]) -> CommandOutput {
    CommandOutput::of(&mut command(stage, arguments))
}

fn command(stage: &Stage, arguments: &[&str]) -> std::process::Command {
    let mut command = stage.command(arguments);
    command
        .env("UAT_PHONE", "0123 4711")
        .env("UAT_SHOP_KEY", SHOP_KEY)
        .env("AZURE_CLIENT_SECRET", "not-for-programs");
    command
}

const RUN: [&str; 4] = ["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"];

/// The key of a customer of the target.
fn customer(world: &World, number: &str) -> String {
    row(world, "target", "contact", "externaluseridentifier", number)
}

/// A person does the guided step: a customer has the address of the desk.
fn do_by_hand(stage: &Stage, tenant: &mut Tenant, text: &str) {
    tenant.kill();
    let world = stage.world();
    let key = customer(&world, "C-0003");
    let mut contact = world.objects[&key].clone();
    contact["emailaddress2"] = "desk@contoso.com".into();
    stage.edit_world(&Map::from_iter([(key, contact)]));
    *tenant = self::tenant(stage, text);
}

/// The tenant has no evidence that sales were informed: the task is waived.
fn waive_task(stage: &Stage) -> CommandOutput {
    let task = "tell-sales/by-hand";
    let why = "Ada called them";
    call(stage, &["complete", "rehearsal.yaml", task, "--waive", why])
}

/// Runs like an operator with a person at hand, until the run has finished.
fn run_to_the_end(stage: &Stage, tenant: &mut Tenant, text: &str) {
    for _ in 0..4 {
        let answer = call(stage, &RUN);
        match answer.code {
            Some(0) => return,
            Some(10) if answer.stdout.contains("note-the-phone/by-hand") => {
                do_by_hand(stage, tenant, text);
            }
            _ => {
                let answer = answer.exits(10);
                assert!(
                    answer.stdout.contains("tell-sales/by-hand"),
                    "{}",
                    answer.stdout
                );
                drop(waive_task(stage).exits(0));
            }
        }
    }
    panic!("the run did not finish");
}

fn file(stage: &Stage, name: &str) -> String {
    fs::read_to_string(stage.path(name)).unwrap_or_default()
}

fn assert_done(stage: &Stage) {
    let world = stage.world();
    let contact = |number: &str| world.objects[&customer(&world, number)].clone();
    for (number, address) in [
        ("C-0001", json!("uat-orders@contoso.com")),
        ("C-0002", json!("uat-returns@contoso.com")),
        ("C-0003", Value::Null),
        ("C-0004", Value::Null),
    ] {
        let contact = contact(number);
        assert_eq!(contact["emailaddress1"], address, "{number}");
        assert_eq!(contact["donotbulkemail"], true, "{number}");
    }
    assert_eq!(contact("C-0001")["telephone1"], "0123 4711");
    assert_eq!(
        contact("C-0003")
            .get("telephone1")
            .cloned()
            .unwrap_or_default(),
        Value::Null
    );
    for step in ["rebuild-index", "smoke-test"] {
        assert_eq!(
            file(stage, &format!("ran.{step}")),
            "ran\n",
            "{step} ran once"
        );
    }
}

#[test]
fn steps_of_every_kind_are_planned_run_verified_and_reported() {
    let stage = Stage::new();
    write_program(&stage, PROGRAM);
    let text = all_kinds();
    let mut tenant = tenant(&stage, &text);

    let plan = call(&stage, &["plan", "rehearsal.yaml"]).exits(0).stdout;
    for part in OWN.iter().chain(&[
        "set donotbulkemail, emailaddress1 of contact",
        "Tell sales that the copy is open",
        "if its check says that it is needed",
    ]) {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    assert!(!plan.contains("fabrikam.com"), "personal data: {plan}");
    assert!(
        !stage.path("checked.smoke-test").exists(),
        "a plan runs no program"
    );
    assert!(stage.world().writes().is_empty(), "a plan only reads");

    run_to_the_end(&stage, &mut tenant, &text);
    assert_done(&stage);
    assert_records(&stage);

    let verify = call(&stage, &["verify", "rehearsal.yaml", "-v"]).stdout;
    for step in OWN {
        let line = format!("step {step} finds nothing left to do");
        assert!(
            verify.contains(&format!("pass     {line}")),
            "{line}: {verify}"
        );
    }
    assert!(
        verify.contains("pass     the check of step smoke-test passes"),
        "{verify}"
    );
    drop(call(&stage, &RUN).exits(0));
    let status = call(&stage, &["status", "rehearsal.yaml"]).exits(0).stdout;
    let places = OWN.map(|step| status.find(step).expect(step));
    assert!(places.is_sorted(), "{status}");
    for format in ["markdown", "html", "junit", "json"] {
        let report = call(&stage, &["report", "rehearsal.yaml", "--format", format]).exits(0);
        for step in OWN {
            assert!(report.stdout.contains(step), "{format}: {step}");
        }
    }

    // The target changes afterwards: verify names the steps.
    fs::remove_file(stage.path("done.smoke-test")).expect("the file is there");
    let verify = call(&stage, &["verify", "rehearsal.yaml"]).exits(1).stdout;
    let line = "failed   the check of step smoke-test does not pass";
    assert!(verify.contains(line), "{verify}");
    let broken = PROGRAM.replace("exit $?", "exit 4");
    write_program(&stage, &broken);
    let verify = call(&stage, &["verify", "rehearsal.yaml"]).stdout;
    let line = "unknown  could not check that the check of step smoke-test passes";
    assert!(verify.contains(line), "{verify}");
}

/// Nothing in the tenant shows that the task is done, so no other run continues it: each place that
/// suggests what follows names the waiver, with the files of this command.
#[test]
fn a_task_without_evidence_is_followed_by_its_waiver_everywhere() {
    let stage = Stage::new();
    let guided = GUIDED.split("  - guided:\n").last().unwrap_or_default();
    let text = runbook(&format!("  - guided:\n{guided}"), "");
    let _tenant = tenant(&stage, &text);
    let run = call(&stage, &RUN).exits(10);
    let waive = "iomcopy complete rehearsal.yaml tell-sales/by-hand --waive \"who, when\"";
    let said = run.stdout + &run.stderr;
    assert!(said.contains(&format!("\nnext: {waive}")), "{said}");
    assert!(
        said.contains(&format!("confirm it with `{waive}`")),
        "{said}"
    );
    assert!(said.contains("tell-sales/by-hand (1 thing)"), "{said}");
    let sheet = "\n  [ ] Tell sales that the copy is open\n      call the sales desk\n";
    assert!(said.contains(sheet), "{said}");
    let again = "iomcopy run rehearsal.yaml";
    for arguments in [
        ["status", "rehearsal.yaml"].as_slice(),
        &["status", "rehearsal.yaml", "--output", "json"],
        &["report", "rehearsal.yaml", "--format", "worksheets"],
        &["report", "rehearsal.yaml", "--format", "json"],
        &["preflight", "rehearsal.yaml"],
    ] {
        let shown = call(&stage, arguments).stdout.replace("\\\"", "\"");
        assert!(shown.contains(waive), "{arguments:?}: {shown}");
        assert!(!shown.contains(again), "{arguments:?}: {shown}");
    }
    let fleet = call(&stage, &["fleet", "."]).exits(0).stdout;
    let there = "do the task, then iomcopy complete ./rehearsal.yaml tell-sales/by-hand --waive";
    assert!(fleet.contains(there), "{fleet}");
    let unread = ["complete", "rehearsal.yaml", "tell-sales/by-hand"];
    let unread = call(&stage, &unread).exits(10).stderr;
    assert!(
        unread.contains(&format!("next: do what the worksheet says, then {waive}")),
        "{unread}"
    );
    drop(waive_task(&stage).exits(0));
    drop(call(&stage, &RUN).exits(0));
}

/// What the state file, the kept output and the program's environment hold.
fn assert_records(stage: &Stage) {
    let records = stage.records();
    let run = records[0]["run"]
        .as_str()
        .expect("the run has an id")
        .to_owned();
    let environment = file(stage, "env.rebuild-index");
    for line in [
        format!("IOMCOPY_RUN={run}"),
        "IOMCOPY_STEP=rebuild-index".to_owned(),
        "MODE=uat".to_owned(),
        format!("SHOP_KEY={SHOP_KEY}"),
    ] {
        assert!(
            environment.lines().any(|found| found == line),
            "{line}: {environment}"
        );
    }
    for name in [
        "IOMCOPY_STATE=/",
        "IOMCOPY_TARGET_DATAVERSE_URL=http",
        "IOMCOPY_TOKEN_DATAVERSE_TARGET=",
    ] {
        assert!(environment.contains(name), "{name}: {environment}");
    }
    assert!(
        !environment.contains("AZURE_CLIENT_SECRET"),
        "{environment}"
    );
    let other = file(stage, "env.smoke-test");
    assert!(
        !other.contains("TOKEN") && !other.contains(SHOP_KEY),
        "{other}"
    );

    let output = file(stage, "rehearsal.iomcopy.rebuild-index.output.txt");
    assert!(output.contains("exit status: 0 after"), "{output}");
    assert!(
        output.contains("began with 3 arguments: two words $HOME"),
        "no shell: {output}"
    );
    let done = records
        .iter()
        .find(|record| is(record, "done", "key", "own/rebuild-index/run"))
        .expect("the journal has the end of the command");
    assert_eq!(done["data"]["observed"]["report"]["exit-code"], 0, "{done}");
    let journal = fs::read_to_string(stage.state()).expect("the state file can be read");
    let token = environment
        .lines()
        .find_map(|line| line.strip_prefix("IOMCOPY_TOKEN_DATAVERSE_TARGET="))
        .expect("it has a token");
    for secret in [SHOP_KEY, token] {
        assert!(
            !journal.contains(secret) && !output.contains(secret),
            "{secret}"
        );
    }
    let waived = records
        .iter()
        .any(|record| is(record, "completed", "waived", "Ada called them"));
    assert!(waived, "the waiver is recorded");
    let seals = records
        .iter()
        .filter(|record| record["type"] == "sealed")
        .filter(|record| {
            record["data"]["seal"]
                .as_str()
                .is_some_and(|seal| seal.starts_with("own-"))
        });
    assert_eq!(seals.count(), 2, "one for each update");
}

#[test]
fn a_run_that_is_killed_in_an_own_step_is_resumed_to_the_same_end() {
    for step in sample(&OWN, 2) {
        let stage = Stage::new();
        write_program(&stage, PROGRAM);
        let text = all_kinds();
        let mut tenant = tenant(&stage, &text);
        // The first process that reaches the step is killed in it.
        for _ in 0..4 {
            let mut child = command(&stage, &RUN)
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .expect("the program can be started");
            let has_begun = |record: &Value| is(record, "phase-began", "step", step);
            if stage.wait_for(&mut child, has_begun) {
                drop(child.kill());
                drop(child.wait());
                break;
            }
            drop(child.wait());
            let status = call(&stage, &["status", "rehearsal.yaml"]).exits(0).stdout;
            if status.contains("waits for a person: note-the-phone/by-hand") {
                do_by_hand(&stage, &mut tenant, &text);
            } else {
                drop(waive_task(&stage));
            }
        }
        run_to_the_end(&stage, &mut tenant, &text);
        assert_done(&stage);
        assert_eq!(stage.world().count_successful("POST", "/copy"), 1, "{step}");
    }
}

/// Surfaces that act on writes are closed before the first write, also before the first write of an
/// own step. Later rows, and values that a later step has set, do not stop a resumed run.
#[test]
fn an_own_step_before_the_target_opens_calls_nobody_and_stops_no_resumed_run() {
    const OPENING: &str = "  - exit-administration-mode: {}\n";
    const VARIABLES: &str = r#"  - dataverse-update:
      name: scrub-variables
      table: environmentvariablevalue
      filter: "contains(value,'shop.contoso.com')"
      values: { value: "https://scrubbed.invalid" }
"#;
    let stage = Stage::new();
    let text = runbook_text();
    assert!(text.contains(OPENING), "the runbook has the step");
    stage.write_runbook(&text.replace(OPENING, &format!("{VARIABLES}{SCRUB}{OPENING}")));
    let plan = stage.call(&["plan", "rehearsal.yaml"]).exits(0).stdout;
    let disabled: Vec<&str> = plan
        .lines()
        .filter(|line| line.contains("disable "))
        .collect();
    let once: BTreeSet<&str> = disabled.iter().copied().collect();
    assert!(!once.is_empty() && once.len() == disabled.len(), "{plan}");
    drop(
        stage
            .run_with(&["--until", "exit-administration-mode"])
            .exits(0),
    );
    let world = stage.in_process_world();
    let calls = world.calls();
    let audited = calls
        .iter()
        .find(|call| call["host"] == "audit.contoso.com");
    assert_eq!(audited, None, "{calls:?}");

    // The target is open: a customer is added.
    let key = customer(&world, "C-0003");
    let (table, _) = key.rsplit_once('/').expect("a key ends with the id");
    let id = "ca000000-0000-4000-8000-00000000beef";
    let mut contact = world.objects[&key].clone();
    contact["contactid"] = id.into();
    contact["externaluseridentifier"] = "C-0099".into();
    contact["emailaddress1"] = "new.customer@fabrikam.com".into();
    let added = format!("{table}/{id}");
    stage.edit_in_process_world(&Map::from_iter([(added.clone(), contact)]));
    let answer = stage.run().exits(0);
    let said = format!("{}{}", answer.stdout, answer.stderr);
    for note in [
        "1 row of contact, because the filter selects them only since this step has ended",
        "of environmentvariablevalue, because a later step of this run has set them",
    ] {
        assert!(said.contains(note), "{note}: {said}");
    }
    let world = stage.in_process_world();
    assert_eq!(
        world.objects[&added]["emailaddress1"],
        "new.customer@fabrikam.com"
    );
    let values = world.rows_of("target", "environmentvariablevalue");
    let scrubbed = values
        .iter()
        .filter(|row| row["value"] == "https://scrubbed.invalid");
    assert!(scrubbed.count() < values.len(), "{values:?}");
}

/// A program of a killed process continues, although it writes: the next process waits for its end,
/// even if the check is content already, and does not start it again.
#[test]
fn a_program_that_outlives_its_process_is_not_started_twice() {
    let stage = Stage::new();
    let working = "touch \"done.$IOMCOPY_STEP\"; sleep 3; echo it still works; sleep 0.1";
    write_program(&stage, &PROGRAM.replace("sleep 0.4", working));
    let last = COMMANDS
        .split("  - command:\n      name: smoke-test")
        .next();
    let text = runbook("", last.expect("the first part"));
    let _tenant = tenant(&stage, &text);
    let mut child = command(&stage, &RUN)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the program can be started");
    while file(&stage, "env.rebuild-index").is_empty() {
        let status = child.try_wait().expect("the process can be polled");
        assert_eq!(status, None, "the program is started");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    drop(child.kill());
    drop(child.wait());
    drop(call(&stage, &RUN).exits(0));
    assert_eq!(file(&stage, "ran.rebuild-index"), "ran\n", "it ran once");
}

#[test]
fn an_own_step_that_fails_stops_what_comes_after_it_unless_the_runbook_says_otherwise() {
    let stage = Stage::new();
    let failing = PROGRAM.replace("sleep 0.4", "echo the index is broken >&2; exit 3");
    write_program(&stage, &PROGRAM.replace("exit $?", "exit 2"));
    let (first, second) = COMMANDS.split_at(
        COMMANDS
            .find("  - command:\n      name: smoke")
            .expect("two"),
    );
    let text = runbook(first, second);
    let tenant = tenant(&stage, &text);
    let answer = call(&stage, &RUN).exits(1);
    for part in [
        "cannot say whether `./own.sh run two words $HOME` is needed: it ended with exit status: 2",
        "reconfigure-connections: it needs",
        "rebuild-index, which failed",
        "smoke-test: it needs",
    ] {
        assert!(answer.stderr.contains(part), "{part}: {}", answer.stderr);
    }
    assert!(
        !stage.path("ran.rebuild-index").exists(),
        "nothing follows from an unknown"
    );

    write_program(&stage, &failing);
    let going_on = text.replace("services: [dataverse-target]", "on-failure: continue");
    stage.write_runbook(&with_endpoints(&going_on, &tenant.endpoints));
    let answer = call(&stage, &RUN).exits(1);
    for part in [
        "ended with exit status: 3: the index is broken",
        "smoke-test: it needs rebuild-index, which failed",
    ] {
        assert!(answer.stderr.contains(part), "{part}: {}", answer.stderr);
    }
    let changed = stage
        .records()
        .into_iter()
        .find(|it| it["type"] == "runbook-changed");
    let difference = changed.expect("the edit is recorded")["data"]["difference"].to_string();
    assert!(
        difference
            .contains(r#"steps.own.rebuild-index.on-failure: \"stop\" before, \"continue\" now"#),
        "{difference}"
    );
    let status = call(&stage, &["status", "rehearsal.yaml"]).exits(0).stdout;
    let line = status
        .lines()
        .find(|line| line.contains("reconfigure-dual-write"));
    assert!(line.is_some_and(|line| line.contains("done")), "{status}");

    write_program(&stage, PROGRAM);
    drop(call(&stage, &RUN).exits(0));
    assert!(stage.path("ran.smoke-test").exists());
}

#[test]
fn mistakes_that_only_the_tenant_shows_are_located_before_the_copy() {
    let stage = Stage::new();
    write_program(&stage, PROGRAM);
    let scrub = SCRUB.replace("table: contact", "table: contacts");
    let restore = RESTORE.replace("telephone1:", "phone:");
    let guided = GUIDED.replace("emailaddress2 eq", "no_such_column eq");
    let commands = COMMANDS.replace("run: [./own.sh, run]", "run: [./none.sh]");
    let text = all_kinds()
        .replace(SCRUB, &scrub)
        .replace(RESTORE, &restore)
        .replace(GUIDED, &guided)
        .replace(COMMANDS, &commands);
    let line = |part: &str| {
        text.lines()
            .position(|line| line.contains(part))
            .expect(part)
            + 1
    };
    let _tenant = tenant(&stage, &text);
    let answer = call(&stage, &["preflight", "rehearsal.yaml"]);
    for (part, problem) in [
        ("table: contacts", "the environment has no table 'contacts'"),
        ("phone:", "the table 'contact' has no column 'phone'"),
        (
            "no_such_column",
            "the service does not accept this condition",
        ),
        ("./none.sh", "was not found"),
    ] {
        let place = format!("rehearsal.yaml:{}:", line(part));
        let found = answer
            .stdout
            .lines()
            .any(|line| line.contains(&place) && line.contains(problem));
        assert!(found, "{place} {problem}: {}", answer.stdout);
    }
    let answer = call(&stage, &RUN);
    assert_eq!(answer.code, Some(3), "{}", answer.stderr);
    assert!(!stage.state().exists(), "nothing has begun");

    let until = ["run", "rehearsal.yaml", "--until", "tell-sale"];
    let answer = call(&stage, &until).exits(3);
    assert!(
        answer.stderr.contains("no step 'tell-sale'"),
        "{}",
        answer.stderr
    );
}
