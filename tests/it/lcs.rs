//! A target that Lifecycle Services manage, with dual-write: both launches at the same time, kills,
//! and every way in which a refresh can fail. For a refresh by hand, see `lcs_by_hand`.

use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::edits::{names, with_verdict};
use crate::harness::{
    CommandOutput, Stage, Tenant, World, client_secret, is, sample, thin_text, token_request,
    with_endpoints,
};
use crate::kills::is_the_same;

const TARGET: &str = "22222222-2222-2222-2222-222222222222";

/// The rehearsal's runbook for a pair that Lifecycle Services manage. Dual-write uses the gateway.
pub(crate) fn runbook() -> String {
    let lcs = format!(
        "lcs: {{ project: {}, source: {}, target: {} }}\n",
        iomcopy::rehearsal::LCS_PROJECT,
        iomcopy::rehearsal::LCS_SOURCE,
        iomcopy::rehearsal::LCS_TARGET
    );
    thin_text()
        .replace("\niom:", &format!("\n{lcs}\niom:"))
        .replace(
            "  - reconfigure-dual-write: {}",
            "  - reconfigure-dual-write: { gateway: { acknowledged-by: tester } }",
        )
}

/// A tenant of this kind with faults, and a runbook with its endpoints. A second start on the same
/// stage continues its world.
pub(crate) fn tenant(stage: &Stage, runbook: &str, faults: &[&str]) -> Tenant {
    let faults = faults.iter().flat_map(|fault| ["--fault", fault]);
    let kind = [
        "--seed",
        "thin",
        "--management",
        "lcs-linked",
        "--dual-write",
        "on",
    ];
    let arguments: Vec<&str> = kind.into_iter().chain(faults).collect();
    let tenant = stage.start_tenant(runbook, &arguments);
    stage.write_runbook(&with_endpoints(runbook, &tenant.endpoints));
    tenant
}

#[test]
fn a_project_that_lcs_refuses_stops_the_run_before_it_begins() {
    let stage = Stage::new();
    let project = format!("project: {}", iomcopy::rehearsal::LCS_PROJECT);
    let mistyped = runbook().replace(&project, "project: 99");
    let tenant = tenant(&stage, &mistyped, &[]);
    let refusal = "The user is not a member of the project 99.";
    let check = "LCS lets the caller see both environments";
    let preflight = stage.call(&["preflight", "rehearsal.yaml", "--output", "json"]);
    assert!(names(&with_verdict(&preflight, "fail"), check, refusal));
    let run = stage.run();
    assert!(run.stderr.contains("nothing was begun"), "{}", run.stderr);
    assert!(run.stderr.contains(refusal), "{}", run.stderr);
    assert!(stage.records().is_empty(), "no state file");
    let corrected = with_endpoints(&runbook(), &tenant.endpoints);
    stage.write_runbook(&corrected);
    drop(stage.call(&["preflight", "rehearsal.yaml"]).exits(0));
}

/// The numbers of the POST requests whose path contains this part.
fn posts(world: &World, part: &str) -> Vec<usize> {
    let requests = world.requests.iter().enumerate();
    requests
        .filter(|(_, request)| {
            let path = request["path"].as_str().unwrap_or_default();
            request["method"] == "POST" && path.contains(part)
        })
        .map(|(number, _)| number)
        .collect()
}

pub(crate) fn triggers(world: &World) -> usize {
    posts(world, "/databasemovement/v1/refresh/").len()
}

pub(crate) fn copies(world: &World) -> usize {
    posts(world, "/copy").len()
}

/// The index of the first record of a kind whose key starts with this text.
pub(crate) fn place(records: &[Value], kind: &str, key: &str) -> Option<usize> {
    records.iter().position(|record| {
        record["type"] == kind
            && record["data"]["key"]
                .as_str()
                .is_some_and(|found| found.starts_with(key))
    })
}

/// Checks such a pair against the guide, object by object.
pub(crate) fn assert_pair_is_correct(before: &World, after: &World) {
    crate::thin_run::assert_target_is_refreshed(after);
    crate::dual_write::assert_maps_are_as_before(before, after);
    crate::dual_write::assert_access_is_restored(after);
    let user = |name: &str| {
        let key = format!("finance-operations/{TARGET}/SystemUsers/{name}");
        after.objects.get(&key).map(|user| user["Enabled"].clone())
    };
    // The users that programs sign in as are enabled again, and the one whose connections the flows
    // use.
    assert_eq!(user("Admin"), Some(json!(true)));
    assert_eq!(user("svciom"), Some(json!(true)));
    assert_eq!(user("cleo"), Some(json!(false)), "people are not");
    let clients = |world: &World| {
        let prefix = format!("finance-operations/{TARGET}/SysAADClients/");
        let mut found: Vec<String> = world
            .objects
            .iter()
            .filter_map(|(key, row)| {
                let id = key.strip_prefix(&prefix)?;
                Some(format!("{id} as {}", row["UserId"]))
            })
            .collect();
        found.sort();
        found
    };
    let now = clients(after);
    for client in clients(before) {
        assert!(now.contains(&client), "{client}: {now:?}");
    }
}

/// Checks that an answer contains these texts, on stdout or stderr.
pub(crate) fn says(answer: &CommandOutput, wanted: &[&str]) {
    let said = format!("{}{}", answer.stdout, answer.stderr);
    for wanted in wanted {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}

/// Runs again without confirming the target, if no prompt is possible.
fn unconfirmed(stage: &Stage) -> CommandOutput {
    stage.call(&["run", "rehearsal.yaml"])
}

/// A person who is signed in to Lifecycle Services and to Finance and Operations.
pub(crate) struct Person {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    ports: Value,
}

impl Person {
    pub(crate) fn of(stage: &Stage) -> Self {
        Self {
            runtime: tokio::runtime::Runtime::new().expect("a runtime can be made"),
            client: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client can be made"),
            ports: stage.world().objects["ports"].clone(),
        }
    }

    fn origin(&self, listener: &str) -> String {
        format!("http://127.0.0.1:{}", self.ports[listener])
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Value {
        self.runtime.block_on(async {
            let answer = request.send().await.expect("the tenant answers");
            let status = answer.status();
            let text = answer.text().await.unwrap_or_default();
            assert!(status.is_success(), "{status} {text}");
            serde_json::from_str(&text).unwrap_or(Value::Null)
        })
    }

    /// Maintain > Move database > Refresh database.
    pub(crate) fn refreshes(&self) {
        let url = format!(
            "{}/databasemovement/v1/refresh/project/{}/source/{}/target/{}",
            self.origin("lcs"),
            iomcopy::rehearsal::LCS_PROJECT,
            iomcopy::rehearsal::LCS_SOURCE,
            iomcopy::rehearsal::LCS_TARGET
        );
        let request = self
            .client
            .post(url)
            .bearer_auth(iomcopy::rehearsal::LCS_TOKEN)
            .header("x-ms-version", "2017-09-15");
        let answer = self.send(request);
        assert_eq!(answer["IsSuccess"], true, "{answer}");
    }

    /// Signs in to the target's Finance and Operations; its address and a token.
    fn signed_in(&self) -> (String, String) {
        let finance = self.origin("finance-operations-target");
        let form = token_request(&finance);
        let url = format!(
            "{}/{}/oauth2/v2.0/token",
            self.origin("authority"),
            iomcopy::rehearsal::TENANT
        );
        let asked = self
            .client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let token = self.send(asked)["access_token"].clone();
        (finance, token.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until the target's Finance and Operations answers with this status.
    pub(crate) fn waits_until_finance_answers(&self, status: u16) {
        let began = Instant::now();
        loop {
            // A new token each time: it lasts one hour, which is seconds in this tenant.
            let (finance, token) = self.signed_in();
            let request = self.client.get(format!("{finance}/data/LegalEntities"));
            let asked = request.bearer_auth(&token).send();
            let answer = self.runtime.block_on(asked).expect("the tenant answers");
            if answer.status() == status {
                return;
            }
            assert!(began.elapsed() < Duration::from_mins(1), "{answer:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// System administration > Users > New, in the target.
    fn creates_user(&self, user: &str) {
        let (finance, token) = self.signed_in();
        let request = self
            .client
            .post(format!("{finance}/data/SystemUsers"))
            .bearer_auth(token)
            .header("content-type", "application/json")
            .body(json!({"UserID": user, "UserName": user, "Enabled": true}).to_string());
        self.send(request);
    }
}

/// Runs to the end, and completes the one manual task when the run waits for it.
pub(crate) fn finish(stage: &Stage) -> CommandOutput {
    finish_with(stage, "security role 'Contoso warehouse service'")
}

/// The same. Takes what the run knows of the missing user's security roles.
pub(crate) fn finish_with(stage: &Stage, roles: &str) -> CommandOutput {
    let answer = stage.run_again();
    if answer.code != Some(10) {
        return answer;
    }
    says(
        &answer,
        &[
            "waits for a person: copy-environments/put-back",
            &format!(
                "the source has no user 'svcwms'; create it as it was (alias \
                 svc-wms-uat@contoso.com, company usmf, {roles})"
            ),
        ],
    );
    Person::of(stage).creates_user("svcwms");
    stage.run()
}

/// The essential objects of the world after an undisturbed run.
fn undisturbed() -> &'static Vec<String> {
    static ESSENCE: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
    ESSENCE.get_or_init(|| {
        let stage = Stage::new();
        let _tenant = tenant(&stage, &runbook(), &[]);
        drop(finish(&stage).exits(0));
        stage.world().comparable_rows()
    })
}

/// Resumes to the end: the same world as after an undisturbed run, with one refresh and one copy.
fn assert_ends_like_an_undisturbed_run(stage: &Stage, before: &World) {
    drop(finish(stage).exits(0));
    let after = stage.world();
    assert_eq!((triggers(&after), copies(&after)), (1, 1));
    assert_pair_is_correct(before, &after);
    is_the_same(&after, undisturbed());
}

fn kill(mut child: Child) {
    drop(child.kill());
    drop(child.wait());
}

#[test]
fn both_launches_run_at_the_same_time_and_the_pair_is_correct() {
    let stage = Stage::new();
    let _tenant = tenant(&stage, &runbook(), &[]);
    let before = stage.world();
    drop(finish(&stage).exits(0));
    let after = stage.world();
    assert_pair_is_correct(&before, &after);
    assert_eq!((triggers(&after), copies(&after)), (1, 1));
    let records = stage.records();
    let at = |kind, key| place(&records, kind, key).unwrap_or_else(|| panic!("{kind} {key}"));
    // The refresh is accepted before the copy is requested, and neither has ended by then.
    assert!(at("launched", "database-refresh/") < at("intent", "copy/"));
    let both_open = at("launched", "copy/");
    assert!(both_open < at("ended", "database-refresh/"));
    assert!(both_open < at("ended", "copy/"));
    let sent = |part| posts(&after, part)[0];
    assert!(sent("/databasemovement/v1/refresh/") < sent("/copy"));
    drop(stage.call(&["verify", "rehearsal.yaml"]).exits(0));
    let writes = stage.world().writes().len();
    let again = stage.run().exits(0);
    says(&again, &["nothing is left to do"]);
    assert_eq!(stage.world().writes().len(), writes);
}

#[test]
fn a_user_whose_roles_cannot_be_read_is_named_before_the_refresh_removes_it() {
    let stage = Stage::new();
    let _tenant = tenant(&stage, &runbook(), &["refuse=403:GET *SecurityUserRoles*"]);
    let preflight = stage.call(&["preflight", "rehearsal.yaml"]).exits(0);
    says(
        &preflight,
        &[
            "'svcwms': alias svc-wms-uat@contoso.com, company usmf, its security roles were not read",
            "fix: note the security roles of 'svcwms': the copy removes them",
        ],
    );
    let plan = stage.call(&["plan", "rehearsal.yaml"]).exits(0);
    let note = "recreate user 'svcwms' in Finance and Operations of 'Contoso UAT'; note its security \
                roles now: the copy removes them";
    says(&plan, &[note]);
}

#[test]
fn killed_in_each_of_the_eight_steps() {
    for step in sample(&iomcopy::steps::names(), 1) {
        let stage = Stage::new();
        let _tenant = tenant(&stage, &runbook(), &[]);
        let before = stage.world();
        let mut child = stage.start();
        let begun = |record: &Value| is(record, "step-began", "step", step);
        if !stage.wait_for(&mut child, begun) {
            // A manual task comes before it.
            drop(child.wait());
            Person::of(&stage).creates_user("svcwms");
            child = stage.start();
            assert!(stage.wait_for(&mut child, begun), "{step}");
        }
        kill(child);
        assert_ends_like_an_undisturbed_run(&stage, &before);
    }
}

#[test]
fn killed_between_intent_and_handle_of_both_launches() {
    // First: applied and never answered. Second: killed before the request was sent.
    let cases = [
        ("database-refresh/", Some("hold#1:POST */refresh/*")),
        ("copy/", Some("hold#1:POST */copy")),
        ("database-refresh/", None),
        ("copy/", None),
    ];
    for (key, fault) in sample(&cases, 1) {
        let stage = Stage::new();
        let faults: Vec<&str> = fault.into_iter().collect();
        let _tenant = tenant(&stage, &runbook(), &faults);
        let before = stage.world();
        let mut child = stage.start();
        let intended = |record: &Value| {
            let found = record["data"]["key"].as_str().unwrap_or_default();
            record["type"] == "intent" && found.starts_with(key)
        };
        assert!(stage.wait_for(&mut child, intended), "{key}");
        if fault.is_some() {
            // The tenant has received the request.
            let began = Instant::now();
            let count_successful = || match key {
                "copy/" => copies(&stage.world()),
                _ => triggers(&stage.world()),
            };
            while count_successful() == 0 {
                assert!(began.elapsed() < Duration::from_mins(1), "{key}");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        kill(child);
        if fault.is_some() {
            assert_eq!(place(&stage.records(), "launched", key), None, "{key}");
        }
        assert_ends_like_an_undisturbed_run(&stage, &before);
    }
}

#[test]
fn a_refresh_with_a_lost_response_is_found_in_the_history_and_not_sent_again() {
    let stage = Stage::new();
    let _tenant = tenant(&stage, &runbook(), &["lose#1:POST */refresh/*"]);
    let before = stage.world();
    assert_ends_like_an_undisturbed_run(&stage, &before);
}

#[test]
fn a_refused_refresh_changes_nothing() {
    let stage = Stage::new();
    let _tenant = tenant(&stage, &runbook(), &["refuse=401:POST */refresh/*"]);
    let answer = stage.run().exits(4);
    says(
        &answer,
        &["refresh the Finance and Operations database of 'Contoso UAT'"],
    );
    assert_eq!(copies(&stage.world()), 0, "nothing is copied without it");
}

/// One half failed. The next run starts only after a new confirmation, and only that half.
fn assert_only_the_failed_half_runs_again(stage: &Stage, before: &World, launched: (usize, usize)) {
    let refused = unconfirmed(stage).exits(11);
    says(
        &refused,
        &["--confirm-target \"Contoso UAT\" --confirm-repeat "],
    );
    // The confirmation that a pipeline always sends does not confirm it.
    drop(stage.run().exits(11));
    assert!(triggers(&stage.world()) + copies(&stage.world()) <= 2);
    drop(finish(stage).exits(0));
    let after = stage.world();
    assert_eq!((triggers(&after), copies(&after)), launched);
    assert_pair_is_correct(before, &after);
}

#[test]
fn pitfall_5_failed_is_followed_to_the_end_of_its_rollback() {
    let stage = Stage::new();
    let _tenant = tenant(&stage, &runbook(), &["roll-back#1:POST */refresh/*"]);
    let before = stage.world();
    let answer = stage.run().exits(1);
    says(
        &answer,
        &[
            "RollbackCompleted: the refresh failed, and LCS restored the target's database",
            "a mismatched pair: in 'Contoso UAT', Dataverse is now the source's, and its Finance and \
             Operations database is not",
        ],
    );
    let records = stage.records();
    let ended = |key: &str| {
        let record = place(&records, "ended", key).unwrap_or_else(|| panic!("{key}"));
        records[record]["data"]["outcome"].clone()
    };
    assert_eq!(ended("database-refresh/"), "failed");
    assert_eq!(
        ended("copy/"),
        "succeeded",
        "the other half was allowed to finish"
    );
    assert_only_the_failed_half_runs_again(&stage, &before, (2, 1));
}

#[test]
fn a_failed_copy_next_to_a_refresh_is_the_opposite_mismatch() {
    let stage = Stage::new();
    let _tenant = tenant(&stage, &runbook(), &["fail#1:POST */copy"]);
    let before = stage.world();
    let answer = stage.run().exits(1);
    says(
        &answer,
        &[
            "copy 'Contoso Prod' onto 'Contoso UAT'",
            "a mismatched pair: in 'Contoso UAT', its Finance and Operations database is now the \
             source's, and Dataverse is not",
        ],
    );
    assert_only_the_failed_half_runs_again(&stage, &before, (1, 2));
}

#[test]
fn every_other_failure_of_a_refresh_has_its_message() {
    let ends = [
        (
            "fail",
            "Failed: no rollback has started; look at the environment's page in LCS",
        ),
        ("abort", "Aborted: the refresh ended without cleaning up"),
        (
            "fail-to-roll-back",
            "RollbackFailed: the refresh failed, and LCS could not restore the target's database; its \
             state is unknown: open a support request with Microsoft",
        ),
    ];
    for (fate, words) in sample(&ends, 1) {
        let stage = Stage::new();
        let _tenant = tenant(&stage, &runbook(), &[&format!("{fate}#1:POST */refresh/*")]);
        let before = stage.world();
        let answer = stage.run().exits(1);
        says(&answer, &[words, "a mismatched pair"]);
        let world = stage.world();
        assert_eq!((triggers(&world), copies(&world)), (1, 1), "{fate}");
        // Finance and Operations is unavailable, and is refreshed again nevertheless.
        assert_only_the_failed_half_runs_again(&stage, &before, (2, 1));
    }
}

#[test]
fn an_exhausted_quota_is_detected_before_the_fourth_refresh() {
    let stage = Stage::new();
    let _tenant = tenant(&stage, &runbook(), &["roll-back:POST */refresh/*"]);
    for attempt in 1..=3 {
        says(&stage.run_again().exits(1), &["RollbackCompleted"]);
        assert_eq!(triggers(&stage.world()), attempt);
    }
    let answer = stage.run_again().exits(75);
    says(
        &answer,
        &[
            "the quota of 3 database movements in 24 hours is spent: the oldest that counts began \
             2026-03-0",
            ", so the next may begin 2026-03-0",
            "what people start in LCS counts as well",
        ],
    );
    let world = stage.world();
    assert_eq!((triggers(&world), copies(&world)), (3, 1));
}

#[test]
fn a_quota_that_people_exhausted_stops_the_run_before_anything_is_sent() {
    let stage = Stage::new();
    let mut running = tenant(&stage, &runbook(), &[]);
    running.kill();
    let day = "2026-03-06";
    let mut puts = serde_json::Map::new();
    for (number, kind) in [
        "SFSourceDbToSandbox",
        "SFExportSandboxDb",
        "SFSourceDbToSandbox",
    ]
    .into_iter()
    .enumerate()
    {
        let started = format!("{day}T00:0{number}:00.5");
        puts.insert(
            format!("lcs-activity/by-hand-{number}"),
            json!({
                "id": format!("by-hand-{number}"), "environment": iomcopy::rehearsal::LCS_TARGET,
                "source": null, "kind": kind, "title": "by hand", "state": "Completed",
                "started": started, "ended": started, "fate": null,
            }),
        );
    }
    stage.edit_world(&puts);
    let _running = tenant(&stage, &runbook(), &[]);
    let answer = stage.run_again().exits(75);
    says(
        &answer,
        &[
            "the quota of 3 database movements in 24 hours is spent",
            &format!("began {day} 00:00 UTC"),
        ],
    );
    assert!(stage.world().writes().is_empty());
}

#[test]
fn pitfall_3_an_applications_token_cannot_refresh() {
    let stage = Stage::new();
    let running = tenant(&stage, &runbook(), &[]);
    let credential = client_secret();
    let identity = format!(
        "identity: {{ tenant: {}, default: {credential} }}\n",
        iomcopy::rehearsal::TENANT_DOMAIN
    );
    let text = runbook()
        .replace("act-as:", &format!("{identity}act-as:"))
        .replace("{ gateway: { acknowledged-by: tester } }", "{}");
    stage.write_runbook(&with_endpoints(&text, &running.endpoints));
    let output = stage
        .command(&["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"])
        .env("SECRET", iomcopy::rehearsal::SECRET)
        .output()
        .expect("the program can be started");
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{shown}");
    for wanted in ["`lcs: { token-command:", "finops: guided"] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    assert!(stage.world().writes().is_empty());
}
