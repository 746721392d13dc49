//! Dual-write, end to end: maps are stopped before the copy and restored afterwards, through the
//! gateway and by hand; resets that would reach another pair; failures and their messages; kills.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{
    CommandOutput, Stage, Tenant, World, client_secret, is, thin_text, with_endpoints,
};
use crate::lcs::says;

const SOURCE: &str = "11111111-1111-1111-1111-111111111111";
const TARGET: &str = "22222222-2222-2222-2222-222222222222";
const ORDERS: &str = "salesorders - CDS sales order headers";
const LINES: &str = "salesorderdetails - CDS sales order lines V2";

/// The rehearsal's runbook with the dual-write gateway acknowledged.
fn acknowledged() -> String {
    thin_text().replace(
        "  - reconfigure-dual-write: {}",
        "  - reconfigure-dual-write: { gateway: { acknowledged-by: tester } }",
    )
}

/// A tenant that uses dual-write, and a runbook for it.
fn linked(stage: &Stage, runbook: &str) -> Tenant {
    let tenant = stage.start_tenant(&thin_text(), &["--seed", "thin", "--dual-write", "on"]);
    stage.write_runbook(&with_endpoints(runbook, &tenant.endpoints));
    tenant
}

/// A map in the world: version, key, filter of the Dataverse rows, state.
type Shown = (String, Vec<String>, String, String);

/// The maps of an environment in the world.
fn maps(world: &World, environment: &str) -> BTreeMap<String, Shown> {
    let prefix = format!("dual-write/{environment}/map/");
    let link = &world.objects[&format!("dual-write/{environment}/link")];
    let sides = link["set"]["environments"].as_object().expect("two sides");
    let crm = sides.values().find(|side| side["targetType"] == "CRM");
    let schemas = crm.expect("a Dataverse")["schemas"]
        .as_array()
        .expect("schemas");
    let versions = world.rows("msdyn_dualwriteentitymap");
    let map = |map: &Value| -> Shown {
        let row = versions
            .iter()
            .find(|row| row["msdyn_dualwriteentitymapid"] == map["template"])
            .expect("the version is there");
        let name = map["name"].as_str().expect("a name");
        let table = name.split(" - ").next().unwrap_or_default();
        let key = schemas.iter().find(|schema| schema["name"] == table);
        let fields = key.map(|schema| schema["keys"][0]["fields"].clone());
        let fields = fields.unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (
            text(&row["msdyn_version"]),
            fields.as_array().into_iter().flatten().map(text).collect(),
            text(&map["mapping"]["legs"][0]["reversedSourceFilter"]),
            text(&map["state"]),
        )
    };
    let all = world.objects.iter();
    all.filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?.to_owned(), map(value))))
        .collect()
}

/// The names of the maps that run.
fn running(world: &World, environment: &str) -> Vec<String> {
    let maps = maps(world, environment).into_iter();
    maps.filter(|(_, map)| map.3 == "4")
        .map(|(name, _)| name)
        .collect()
}

/// Every map that ran runs again, with its version, keys and filters, on both sides; the others are
/// unchanged and stopped.
pub(crate) fn assert_maps_are_as_before(before: &World, after: &World) {
    let (was, now) = (maps(before, TARGET), maps(after, TARGET));
    assert_eq!(
        was.keys().collect::<Vec<_>>(),
        now.keys().collect::<Vec<_>>()
    );
    for (name, was) in &was {
        let now = &now[name];
        assert_eq!((&was.0, &was.1, &was.2), (&now.0, &now.1, &now.2), "{name}");
        assert_eq!(
            was.3 == "4",
            now.3 == "4",
            "{name}: {} then {}",
            was.3,
            now.3
        );
        assert!(
            was.3 == "4" || ["1", "6"].contains(&now.3.as_str()),
            "{name}: {}",
            now.3
        );
    }
    let prefix = format!("finance-operations/{TARGET}/DualWriteProjectConfigurations/");
    let projects: Vec<&Value> = after
        .objects
        .iter()
        .filter(|(key, _)| key.starts_with(&prefix))
        .map(|(_, row)| row)
        .collect();
    let enabled = projects
        .iter()
        .filter(|row| row["Status"] == "Enabled")
        .count();
    assert_eq!(enabled, 2 * running(before, TARGET).len());
    // Nothing of the source's runtime configuration is left.
    let old: Vec<&Value> = before.rows_of("source", "msdyn_dualwriteruntimeconfig");
    for row in after.rows("msdyn_dualwriteruntimeconfig") {
        let id = &row["msdyn_dualwriteruntimeconfigid"];
        assert!(
            old.iter()
                .all(|old| old["msdyn_dualwriteruntimeconfigid"] != *id)
        );
    }
}

/// Both halves may call each other, and companies have owning teams.
pub(crate) fn assert_access_is_restored(world: &World) {
    for row in world.rows("cdm_company") {
        assert!(row["cdm_defaultowningteam"]["team"].is_string(), "{row}");
    }
    let user = &world.objects[&format!("finance-operations/{TARGET}/SystemUsers/DualWrite")];
    assert_eq!(user["Enabled"], true);
    let roles: Vec<&Value> = world
        .rows("role")
        .into_iter()
        .filter(|row| {
            row["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("Dual-write"))
        })
        .collect();
    assert_eq!(roles.len(), 2);
    let team = world
        .rows("team")
        .into_iter()
        .find(|row| row["isdefault"] == true);
    let team = &team.expect("a default team")["teamid"];
    for role in roles {
        let has = |row: &&Value| row["teamid"] == *team && row["roleid"] == role["roleid"];
        assert!(world.rows("teamroles").iter().any(has), "{role}");
    }
}

fn gateway_posts(world: &World) -> Vec<&Value> {
    let posts = world.requests.iter();
    posts
        .filter(|request| request["listener"] == "dual-write" && request["method"] == "POST")
        .collect()
}

fn resets(world: &World) -> usize {
    let is_reset = |r: &&&Value| {
        r["path"]
            .as_str()
            .is_some_and(|path| path.ends_with("/Reset"))
    };
    gateway_posts(world).iter().filter(is_reset).count()
}

/// Changes the world while the tenant is not running.
fn edit_world(stage: &Stage, tenant: &mut Tenant, puts: &[(String, Value)]) -> Tenant {
    tenant.kill();
    let puts: serde_json::Map<String, Value> = puts.iter().cloned().collect();
    stage.edit_world(&puts);
    let text = std::fs::read_to_string(stage.runbook()).expect("the runbook is there");
    let again = stage.start_tenant(&thin_text(), &["--seed", "thin", "--dual-write", "on"]);
    stage.write_runbook(&with_endpoints(&text, &again.endpoints));
    again
}

#[test]
fn through_the_gateway_every_map_runs_again_as_before() {
    let stage = Stage::new();
    let _tenant = linked(&stage, &acknowledged());
    let before = stage.world();
    assert_eq!(running(&before, TARGET).len(), 5);
    let answer = stage.run().exits(0);
    assert!(
        answer
            .stdout
            .contains("5 of 5 dual-write maps running again, 3 left stopped"),
        "{}",
        answer.stdout
    );
    let after = stage.world();
    assert_maps_are_as_before(&before, &after);
    assert_access_is_restored(&after);
    crate::thin_run::assert_world_is_refreshed(&after);
    assert_eq!(resets(&after), 1);
    // Maps were stopped, not paused, before the copy was requested.
    let copy = after.requests.iter().position(|r| {
        r["method"] == "POST" && r["path"].as_str().is_some_and(|p| p.ends_with("/copy"))
    });
    let first_start = after.requests.iter().position(|r| {
        r["path"]
            .as_str()
            .is_some_and(|p| p.ends_with("/1.0/Start"))
    });
    assert!(first_start < copy, "{first_start:?} {copy:?}");

    let verified = stage.call(&["verify", "rehearsal.yaml", "-v"]).exits(0);
    assert!(
        verified
            .stdout
            .contains("every dual-write map does what it did before the copy"),
        "{}",
        verified.stdout
    );
    assert!(
        verified.stdout.contains("DWFOEV1006"),
        "{}",
        verified.stdout
    );
    let writes = stage.world().writes().len();
    let again = stage.run().exits(0);
    assert!(
        again.stdout.contains("nothing is left to do"),
        "{}",
        again.stdout
    );
    // A second run sends only reads.
    assert_eq!(stage.world().writes().len(), writes);
}

#[test]
fn a_tenant_in_the_process_has_its_own_gateway_and_user_token() {
    let stage = Stage::new();
    stage.write_runbook(&acknowledged());
    drop(stage.call(&["validate", "rehearsal.yaml"]).exits(0));
    // The tenant of this runbook does not use dual-write, and its gateway shows no link.
    let answer = stage.call(&["preflight", "rehearsal.yaml", "-v"]);
    assert!(
        answer
            .stdout
            .contains("which does not prove that there is none"),
        "{}{}",
        answer.stdout,
        answer.stderr
    );
}

#[test]
fn a_plan_forecasts_dual_write_and_sends_nothing() {
    let stage = Stage::new();
    let _tenant = linked(&stage, &acknowledged());
    let answer = stage.call(&["plan", "rehearsal.yaml"]).exits(0);
    for wanted in [
        "stop dual-write map 'accounts - Customers V3'",
        "reset the dual-write link of 'Contoso UAT'",
        "apply the dual-write solution 'ContosoOrderMaps'",
        "make 1.0.0.14 the active version of 'accounts - Customers V3'",
        "start dual-write map 'accounts - Customers V3'",
    ] {
        assert!(
            answer.stdout.contains(wanted),
            "{wanted}\n{}",
            answer.stdout
        );
    }
    assert!(stage.world().writes().is_empty());
}

/// The link as the gateway would show it if it belonged to another environment.
fn link_of_the_source(world: &World) -> (String, Value) {
    let key = format!("dual-write/{TARGET}/link");
    let mut link = world.objects[&key].clone();
    let source = &world.objects[&format!("dual-write/{SOURCE}/link")];
    link["set"]["environments"] = source["set"]["environments"].clone();
    (key, link)
}

#[test]
fn pitfall_9_a_reset_of_the_sources_link_is_refused_before_anything_starts() {
    let stage = Stage::new();
    let mut tenant = linked(&stage, &acknowledged());
    let link = link_of_the_source(&stage.world());
    let _tenant = edit_world(&stage, &mut tenant, &[link]);
    let answer = stage.run().exits(5);
    assert!(
        answer.stderr.contains("is not the target's"),
        "{}",
        answer.stderr
    );
    let world = stage.world();
    assert!(world.writes().is_empty(), "{:?}", world.writes());
}

#[test]
fn pitfall_9_a_link_that_moved_to_the_source_during_the_run_is_not_reset() {
    let stage = Stage::new();
    let mut tenant = linked(&stage, &acknowledged());
    let arguments = [
        "run",
        "rehearsal.yaml",
        "--confirm-target",
        "Contoso UAT",
        "--until",
        "restore-provider-actions",
    ];
    drop(stage.call(&arguments).exits(0));
    let before = stage.world();
    let link = link_of_the_source(&before);
    let _tenant = edit_world(&stage, &mut tenant, &[link]);
    let answer = stage.run().exits(5);
    let port = |side: &str| before.objects["ports"][side].to_string();
    for wanted in [
        "is not the target's".to_owned(),
        port("dataverse-source"),
        port("dataverse-target"),
        port("finance-operations-source"),
        format!("it names '{SOURCE}', the target is '{TARGET}'"),
    ] {
        assert!(
            answer.stderr.contains(&wanted),
            "{wanted}: {}",
            answer.stderr
        );
    }
    let after = stage.world();
    assert_eq!(resets(&after), 0);
    assert_eq!(maps(&before, SOURCE), maps(&after, SOURCE));
    assert_eq!(running(&after, SOURCE).len(), 7);
}

#[test]
fn pitfall_7_the_sources_runtime_configuration_is_gone_before_administration_mode_is_off() {
    let stage = Stage::new();
    let _tenant = linked(&stage, &acknowledged());
    let arguments = [
        "run",
        "rehearsal.yaml",
        "--confirm-target",
        "Contoso UAT",
        "--until",
        "exit-administration-mode",
    ];
    drop(stage.call(&arguments).exits(0));
    let world = stage.world();
    assert!(world.rows("msdyn_dualwriteruntimeconfig").is_empty());
    let at = |method: &str, part: &str| {
        let place = world.requests.iter().rposition(|r| {
            r["method"] == method && r["path"].as_str().is_some_and(|path| path.contains(part))
        });
        place.unwrap_or_else(|| panic!("no {method} {part}"))
    };
    let last = at("DELETE", "msdyn_dualwriteruntimeconfigs");
    assert!(last < at("PATCH", "/scopes/admin/environments/"));
}

#[test]
fn pitfall_8_everything_that_a_reset_erases_is_sealed_before_the_copy() {
    let stage = Stage::new();
    let _tenant = linked(&stage, &acknowledged());
    let arguments = [
        "run",
        "rehearsal.yaml",
        "--confirm-target",
        "Contoso UAT",
        "--until",
        "copy-environments",
    ];
    drop(stage.call(&arguments).exits(0));
    let records = stage.records();
    let sealed = records
        .iter()
        .position(|record| record["type"] == "sealed")
        .expect("a seal");
    let asked = records
        .iter()
        .position(|record| record["type"] == "intent")
        .expect("an intent");
    assert!(sealed < asked, "nothing is asked for before the seal");
    let keys: Vec<&str> = records[..sealed]
        .iter()
        .filter_map(|record| record["data"]["key"].as_str())
        .collect();
    for wanted in [
        "target/dual-write/link".to_owned(),
        "target/dual-write/connection-set".to_owned(),
        format!("target/dual-write/map/{ORDERS}"),
        format!("target/dual-write/project/{LINES}"),
        "target/finance/LegalEntities/usmf".to_owned(),
    ] {
        assert!(keys.contains(&wanted.as_str()), "{wanted}: {keys:?}");
    }
    let count = |part: &str| keys.iter().filter(|key| key.starts_with(part)).count();
    assert_eq!(count("target/dual-write/map/"), 8);
    assert_eq!(count("target/finance/DualWriteProjectConfigurations/"), 10);
    assert_eq!(count("source/msdyn_dualwriteruntimeconfig/"), 6);
}

#[test]
fn pitfall_21_the_users_token_is_in_no_file_and_no_message() {
    let stage = Stage::new();
    let _tenant = linked(&stage, &acknowledged());
    let answer = stage.run().exits(0);
    let token = iomcopy::rehearsal::DUAL_WRITE_TOKEN;
    let journal = std::fs::read_to_string(stage.state()).expect("the state file is there");
    let world = std::fs::read_to_string(stage.path("world.jsonl")).expect("the world is there");
    for text in [&answer.stdout, &answer.stderr, &journal, &world] {
        assert!(!text.contains(token));
    }
}

#[test]
fn an_applications_token_is_reported_as_not_a_users_token() {
    let stage = Stage::new();
    let tenant = stage.start_tenant(&thin_text(), &["--seed", "thin", "--dual-write", "on"]);
    let credential = client_secret();
    let identity = format!(
        "identity: {{ tenant: {}, default: {credential}, dual-write: {credential} }}\n",
        iomcopy::rehearsal::TENANT_DOMAIN
    );
    let text = acknowledged().replace("act-as:", &format!("{identity}act-as:"));
    stage.write_runbook(&with_endpoints(&text, &tenant.endpoints));
    let output = stage
        .command(&["preflight", "rehearsal.yaml"])
        .env("SECRET", iomcopy::rehearsal::SECRET)
        .output()
        .expect("the program can be started");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(4), "{shown}");
    assert!(shown.contains("delegated token of a user"), "{shown}");
}

#[test]
fn a_solution_that_fails_once_is_applied_again_and_one_that_always_fails_is_reported() {
    let stage = Stage::new();
    let mut tenant = linked(&stage, &acknowledged());
    let quirk = |left: u64| {
        let message = "Failed to apply solution: DIPV1020 schema missing";
        json!({ "left": left, "message": message })
    };
    let key = "quirk/failing-solution/ContosoOrderMaps".to_owned();
    let mut tenant = edit_world(&stage, &mut tenant, &[(key.clone(), quirk(99))]);
    let before = stage.world();
    let answer = stage.run().exits(1);
    for wanted in [
        "apply the dual-write solution 'ContosoOrderMaps'",
        "DIPV1020",
        "Refresh tables",
    ] {
        assert!(
            answer.stderr.contains(wanted),
            "{wanted}: {}",
            answer.stderr
        );
    }
    let _tenant = edit_world(&stage, &mut tenant, &[(key, quirk(1))]);
    drop(stage.run().exits(0));
    let after = stage.world();
    assert_maps_are_as_before(&before, &after);
    assert_eq!(resets(&after), 1, "what was reset is not reset again");
}

#[test]
fn a_map_that_does_not_start_is_reported_with_the_remedy_of_its_code() {
    let stage = Stage::new();
    let mut tenant = linked(&stage, &acknowledged());
    let before = stage.world();
    let quirk = json!({ "left": 99, "message": "DIPV1008 partition DEMF is invalid \u{1b}[31m" });
    let key = "quirk/failing-start/msdyn_operationalsites - Sites".to_owned();
    let mut tenant = edit_world(&stage, &mut tenant, &[(key.clone(), quirk)]);
    let answer = stage.run().exits(1);
    for wanted in [
        "start dual-write map 'msdyn_operationalsites - Sites'",
        "DIPV1008",
        "rename it back",
        // The maps that depend on it are not started.
        "start dual-write map 'msdyn_warehouses - Warehouses': not begun",
    ] {
        assert!(
            answer.stderr.contains(wanted),
            "{wanted}: {}",
            answer.stderr
        );
    }
    assert!(!answer.stderr.contains('\u{1b}'), "{}", answer.stderr);
    // The others run.
    assert_eq!(running(&stage.world(), TARGET).len(), 3);
    let _tenant = edit_world(&stage, &mut tenant, &[(key, json!({ "left": 0 }))]);
    drop(stage.run().exits(0));
    assert_maps_are_as_before(&before, &stage.world());
}

#[test]
fn a_refresh_of_tables_that_was_accepted_and_ignored_is_sent_again() {
    let stage = Stage::new();
    let fault = "accept-and-ignore#1:POST */Project/*/Refresh";
    let arguments = ["--seed", "thin", "--dual-write", "on", "--fault", fault];
    let tenant = stage.start_tenant(&thin_text(), &arguments);
    stage.write_runbook(&with_endpoints(&acknowledged(), &tenant.endpoints));
    let before = stage.world();
    drop(stage.run().exits(0));
    assert_maps_are_as_before(&before, &stage.world());
}

#[test]
fn pitfall_17_without_transactions_order_maps_wait_for_the_operators_decision() {
    let stage = Stage::new();
    let text = acknowledged().replace(
        "  - copy-environments: {}",
        "  - copy-environments: { transactionless: true }",
    );
    let tenant = linked(&stage, &text);
    let person = Person::of(&stage, &tenant);
    // The order maps ran too.
    for name in [ORDERS, LINES] {
        person.act(name, "1");
    }
    let before = stage.world();
    assert_eq!(running(&before, TARGET).len(), 7);
    let answer = stage.run().exits(10);
    assert!(
        answer.stderr.contains("left out the transactions"),
        "{}",
        answer.stderr
    );
    assert_eq!(running(&stage.world(), TARGET).len(), 5);
    for name in [ORDERS, LINES] {
        person.act(name, "1");
    }
    drop(stage.run().exits(0));
    assert_maps_are_as_before(&before, &stage.world());
}

#[test]
fn a_kill_between_the_intent_and_the_handle_of_a_reset_resets_once() {
    let stage = Stage::new();
    let tenant = stage.start_tenant(
        &thin_text(),
        &[
            "--seed",
            "thin",
            "--dual-write",
            "on",
            "--fault",
            "hold:POST */ConnectionSet/*/Reset",
        ],
    );
    stage.write_runbook(&with_endpoints(&acknowledged(), &tenant.endpoints));
    let before = stage.world();
    let mut child = stage.start();
    let key = format!("dual-write/reset/{TARGET}");
    assert!(stage.wait_for(&mut child, |record| is(record, "intent", "key", &key)));
    // The tenant has reset the link, and its response never arrives.
    let began = std::time::Instant::now();
    while resets(&stage.world()) == 0 {
        assert!(began.elapsed().as_secs() < 60, "the reset does not arrive");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    drop(child.kill());
    drop(child.wait());
    assert!(
        !stage
            .records()
            .iter()
            .any(|record| is(record, "launched", "key", &key))
    );
    drop(tenant);
    let again = stage.start_tenant(&thin_text(), &["--seed", "thin", "--dual-write", "on"]);
    stage.write_runbook(&with_endpoints(&acknowledged(), &again.endpoints));
    drop(stage.run().exits(0));
    let after = stage.world();
    assert_eq!(resets(&after), 1);
    assert_maps_are_as_before(&before, &after);
}

#[test]
fn a_run_that_is_killed_anywhere_in_the_step_resumes_to_the_same_end() {
    let stage = Stage::new();
    let _tenant = linked(&stage, &acknowledged());
    let before = stage.world();
    for key in [
        "dual-write/before/stop",
        "dual-write/solution/ContosoOrderMaps",
        "dual-write/map/accounts - Customers V3/initialise",
        "dual-write/key/salesorders",
        "dual-write/map/cdm_companies - Legal entities/start",
    ] {
        let mut child = stage.start();
        let begun = |record: &Value| {
            let found = record["data"]["key"].as_str().unwrap_or_default();
            record["type"] == "intent"
                && (found == key || (key.ends_with("before/stop") && found.ends_with("/stop")))
        };
        assert!(stage.wait_for(&mut child, begun), "{key}");
        drop(child.kill());
        drop(child.wait());
    }
    drop(stage.run().exits(0));
    let after = stage.world();
    assert_maps_are_as_before(&before, &after);
    assert_eq!(resets(&after), 1);
    // No solution was applied twice.
    let applied = after.objects.iter().filter(|(key, value)| {
        key.starts_with("dual-write-request/") && value["of"]["solution"] == "ContosoOrderMaps"
    });
    assert_eq!(applied.count(), 1);
}

/// A person who is signed in to the gateway's page.
struct Person {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    gateway: String,
    id: String,
    set: String,
}

impl Person {
    fn of(stage: &Stage, tenant: &Tenant) -> Self {
        let rest = tenant.endpoints.split("dual-write: { url: \"").nth(1);
        let gateway = rest
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_default();
        let link = &stage.world().objects[&format!("dual-write/{TARGET}/link")];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            runtime: tokio::runtime::Runtime::new().expect("a runtime can be made"),
            client: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client can be made"),
            gateway: gateway.to_owned(),
            id: text(&link["set"]["id"]),
            set: text(&link["set"]["name"]),
        }
    }

    fn send(&self, method: &str, path: &str, body: Option<String>) -> Value {
        let url = format!("{}/api/{path}", self.gateway);
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        self.runtime.block_on(async {
            let mut request = self
                .client
                .request(method.clone(), url)
                .bearer_auth(iomcopy::rehearsal::DUAL_WRITE_TOKEN);
            if let Some(body) = body {
                request = request.body(body);
            }
            let answer = request.send().await.expect("the gateway answers");
            let status = answer.status();
            let text = answer.text().await.unwrap_or_default();
            assert!(status.is_success(), "{method} {path}: {status} {text}");
            serde_json::from_str(&text).unwrap_or(Value::Null)
        })
    }

    fn get(&self, path: &str) -> Value {
        self.send("GET", path, None)
    }

    fn maps(&self) -> Vec<Value> {
        let path = format!(
            "DualWriteManagement/1.0/Entities?targetType=AX&cid={}",
            self.id
        );
        self.get(&path).as_array().cloned().unwrap_or_default()
    }

    fn detail(&self, name: &str) -> Value {
        let maps = self.maps().into_iter();
        let mut found = maps.filter(|map| map["detail"]["tName"] == name);
        found.next().expect("the map is listed")["detail"].clone()
    }

    /// Requests an action of a map, and waits until it has succeeded.
    fn act(&self, name: &str, action: &str) {
        let detail = self.detail(name);
        let body = json!({"action": action, "details": [
            {"tid": detail["tid"], "pid": detail["pid"], "cid": self.id}]});
        let answer = self.send(
            "POST",
            "DualWriteManagement/1.0/Start",
            Some(body.to_string()),
        );
        Self::wait(&format!("{name}: {action}"), || {
            let detail = self.detail(name);
            let last = &detail["lastRequests"][0];
            assert_eq!(last["requestId"], answer["requestId"]);
            assert_ne!(last["state"], "3", "{name}: {last}");
            last["state"] == "2"
        });
    }

    fn wait(what: &str, mut done: impl FnMut() -> bool) {
        let began = std::time::Instant::now();
        while !done() {
            assert!(began.elapsed().as_secs() < 60, "{what} does not end");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    fn apply(&self, solution: &str) {
        let body = json!({"action": "2", "solutions": [{"criteria": {"uniquename": solution}}]});
        let path = format!("DualWriteManagement/1.0/SolutionAware/{}", self.id);
        let answer = self.send(
            "POST",
            &format!("{path}/RestoreTemplates"),
            Some(body.to_string()),
        );
        let request = answer["requestId"].as_str().unwrap_or_default().to_owned();
        Self::wait(solution, || {
            self.get(&format!("{path}/Status/{request}"))["state"] == "2"
        });
    }

    /// The page's button Reset link, with every company selected.
    fn reset(&self) {
        let set = self.get(&format!("ConnectionSet/{}", self.set));
        let sides: Vec<Value> = set["environments"]
            .as_object()
            .into_iter()
            .flat_map(|all| all.values())
            .map(|side| {
                json!({"targetType": side["targetType"], "name": side["name"],
                "displayName": side["environmentDisplayName"], "id": TARGET,
                "isDevInstance": false, "directUrl": side["directUrl"]})
            })
            .collect();
        let body = json!({"powerAppsEnvironmentName": TARGET, "environments": sides,
            "legalEntities": ["DEMF", "USMF"]});
        let path = format!(
            "ConnectionSet/{}/Reset?targetType=AX&forceReset=False",
            self.id
        );
        self.send("POST", &path, Some(body.to_string()));
    }

    /// Sets up every map as before, and starts those that ran.
    fn set_up(&self, before: &World) {
        for solution in [
            "msdyn_DualWriteAppCoreMaps",
            "Dynamics365GABDualWriteEntityMaps",
            "Dynamics365FinanceAndOperationsDualWriteMaps",
            "msdyn_Dynamics365SupplyChainExtendedMaps",
            "ContosoOrderMaps",
        ] {
            self.apply(solution);
        }
        let set = self.get(&format!("ConnectionSet/{}", self.set));
        let crm = set["environments"].as_object().expect("sides");
        let crm = crm.values().find(|side| side["targetType"] == "CRM");
        let dataset = crm.expect("a Dataverse")["name"]
            .as_str()
            .expect("a name")
            .to_owned();
        let was = maps(before, TARGET);
        for (name, (version, key, ..)) in &was {
            self.act(name, "8");
            let detail = self.detail(name);
            let (project, templates) = (
                detail["pid"].as_str().expect("a project"),
                detail["templates"].as_array(),
            );
            let wanted = templates.into_iter().flatten().find(|one| {
                let numbers = ["major", "minor", "build", "revision"];
                let numbers = numbers.map(|part| one["version"][part].to_string());
                numbers.join(".") == *version
            });
            let id = wanted.expect("the version is listed")["id"]
                .as_str()
                .unwrap_or_default();
            let root = format!("DualWriteManagement/1.0/SolutionAware/{}", self.id);
            self.send(
                "POST",
                &format!("{root}/SwitchActive/{id}?pid={project}"),
                Some(id.to_owned()),
            );
            let table = name.split(" - ").next().unwrap_or_default();
            let keys = json!({"integrationKeys": {table: key}, "datasetName": dataset});
            self.send(
                "POST",
                &format!("dataset/{dataset}/IntegrationKeys"),
                Some(keys.to_string()),
            );
            self.send(
                "POST",
                &format!("Project/{project}/Refresh"),
                Some("{}".to_owned()),
            );
        }
        // In the order of their dependencies.
        for name in [
            "cdm_companies - Legal entities",
            "accounts - Customers V3",
            "msdyn_operationalsites - Sites",
            "msdyn_warehouses - Warehouses",
            "products - CDS released distinct products",
        ] {
            self.act(name, "1");
        }
    }
}

fn complete(stage: &Stage, task: &str) -> CommandOutput {
    stage.call(&["complete", "rehearsal.yaml", task])
}

#[test]
fn worksheets_and_evidence_lead_to_the_same_end_by_hand() {
    let stage = Stage::new();
    let tenant = linked(&stage, &thin_text());
    let person = Person::of(&stage, &tenant);
    let before = stage.world();

    says(
        &stage.run().exits(10),
        &[
            "copy-environments/stop-maps",
            "stop 'accounts - Customers V3'",
            "do not pause",
        ],
    );
    assert_eq!(
        stage.world().count_successful("POST", "/copy"),
        0,
        "nothing is copied before"
    );
    // A paused map is not stopped.
    let names = running(&before, TARGET);
    person.act(&names[0], "4");
    drop(complete(&stage, "copy-environments/stop-maps").exits(10));
    for name in &names[1..] {
        person.act(name, "4");
    }
    drop(complete(&stage, "copy-environments/stop-maps").exits(0));

    let answer = stage.run().exits(10);
    assert!(
        answer.stderr.contains("reconfigure-dual-write/link"),
        "{}",
        answer.stderr
    );
    says(
        &answer,
        &[
            TARGET,
            "the wizard preselects none",
            "a reset would affect the other environment",
            "--waive",
        ],
    );
    // Empty tables do not prove a reset.
    drop(complete(&stage, "reconfigure-dual-write/link").exits(10));
    person.reset();
    drop(complete(&stage, "reconfigure-dual-write/link").exits(10));
    let waive = [
        "complete",
        "rehearsal.yaml",
        "reconfigure-dual-write/link",
        "--waive",
        "Ann, 14:10",
    ];
    drop(stage.call(&waive).exits(0));

    says(
        &stage.run().exits(10),
        &[
            "reconfigure-dual-write/maps",
            "'accounts - Customers V3': version 1.0.0.14, key accountnumber + msdyn_company.cdm_companycode",
            "Dynamics365GABDualWriteEntityMaps",
        ],
    );
    drop(complete(&stage, "reconfigure-dual-write/maps").exits(10));
    person.set_up(&before);
    drop(complete(&stage, "reconfigure-dual-write/maps").exits(0));
    let answer = stage.run().exits(0);
    assert!(
        answer
            .stdout
            .contains("5 of 5 dual-write maps running again"),
        "{}",
        answer.stdout
    );
    let after = stage.world();
    assert_maps_are_as_before(&before, &after);
    assert_access_is_restored(&after);
    assert_gateway_is_not_called_by_the_program(&after);
    drop(stage.call(&["verify", "rehearsal.yaml"]).exits(0));
}

fn assert_gateway_is_not_called_by_the_program(world: &World) {
    let is_ours = |request: &&Value| {
        let agent = request["user_agent"].as_str().unwrap_or_default();
        request["listener"] == "dual-write" && agent.starts_with("iomcopy/")
    };
    assert_eq!(world.requests.iter().filter(is_ours).count(), 0);
}

#[test]
fn a_map_at_another_version_is_not_evidence() {
    let stage = Stage::new();
    let tenant = linked(&stage, &thin_text());
    let person = Person::of(&stage, &tenant);
    let before = stage.world();
    drop(stage.run().exits(10));
    for name in running(&before, TARGET) {
        person.act(&name, "4");
    }
    drop(stage.run().exits(10));
    person.reset();
    person.set_up(&before);
    // All evidence is there at once: nobody needs to confirm the reset.
    drop(complete(&stage, "reconfigure-dual-write/link").exits(0));
    person.act("accounts - Customers V3", "4");
    let detail = person.detail("accounts - Customers V3");
    let (project, newest) = (
        &detail["pid"],
        detail["templates"].as_array().and_then(|all| all.last()),
    );
    let newest = newest.expect("versions")["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let path = format!(
        "DualWriteManagement/1.0/SolutionAware/{}/SwitchActive/{newest}?pid={}",
        person.id,
        project.as_str().unwrap_or_default()
    );
    person.send("POST", &path, Some(newest));
    let path = format!("Project/{}/Refresh", project.as_str().unwrap_or_default());
    person.send("POST", &path, Some("{}".to_owned()));
    person.act("accounts - Customers V3", "1");
    let answer = stage.run().exits(10);
    assert!(
        answer
            .stderr
            .contains("set up and start dual-write map 'accounts - Customers V3'"),
        "{}",
        answer.stderr
    );
    let answer = complete(&stage, "reconfigure-dual-write/maps").exits(10);
    assert!(
        answer.stderr.contains("accounts - Customers V3"),
        "{}",
        answer.stderr
    );
}
