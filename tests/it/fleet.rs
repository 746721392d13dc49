//! Several refreshes at once, each in its own process, as a pipeline's matrix starts them; and the
//! fleet that shows them.

use std::collections::BTreeSet;
use std::fs::File;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Stage, World, is_full_campaign, thin_text};
use crate::outputs::document;

/// The tenant's targets, by their numbers from 1: the environment's id.
const ENVIRONMENTS: [&str; 8] = [
    "22222222-2222-2222-2222-222222222222",
    "33333333-3333-3333-3333-333333333333",
    "44444444-4444-4444-4444-444444444444",
    "55555555-5555-5555-5555-555555555555",
    "66666666-6666-6666-6666-666666666666",
    "77777777-7777-7777-7777-777777777777",
    "88888888-8888-8888-8888-888888888888",
    "99999999-9999-9999-9999-999999999999",
];

fn target_name(number: usize) -> String {
    match number {
        1 => "Contoso UAT".to_owned(),
        number => format!("Contoso UAT {number}"),
    }
}

/// The listener of a target's Dataverse.
fn listener(number: usize) -> String {
    match number {
        1 => "dataverse-target".to_owned(),
        number => format!("dataverse-target-{number}"),
    }
}

/// Starts the refresh of one target with its own values, and leaves it running.
fn start(stage: &Stage, number: usize) -> Child {
    let values = format!("values-{number}.yaml");
    let (name, environment) = (target_name(number), ENVIRONMENTS[number - 1]);
    let text =
        format!("name: refresh-{number}\ntarget: {{ environment: {environment}, name: {name} }}\n");
    std::fs::write(stage.path(&values), text).expect("the values can be written");
    let log = File::create(stage.path(&format!("log-{number}.txt"))).expect("a log can be made");
    let mut command = stage.command(&["run", "rehearsal.yaml", "--values", &values]);
    command
        .args(["--confirm-target", &name])
        .stdout(Stdio::null())
        .stderr(log);
    command.spawn().expect("the program can be started")
}

/// The objects of one target: its environment, and how many rows of a table it has.
fn rows(world: &World, environment: &Value, table: &str) -> usize {
    let organization = environment["properties"]["linkedEnvironmentMetadata"]["resourceId"]
        .as_str()
        .expect("it has an organization");
    let prefix = format!("row/{organization}/{table}/");
    let keys = world.objects.keys();
    keys.filter(|key| key.starts_with(&prefix)).count()
}

#[test]
fn refreshes_of_several_targets_at_once_do_not_disturb_each_other() {
    let count = if is_full_campaign() { 8 } else { 3 };
    let stage = Stage::new();
    // From the fourth poll of an operation on, the service throttles the user that all share.
    let fault = "throttle=600#4:GET */operations/*";
    let targets = count.to_string();
    let arguments = ["--seed", "thin", "--targets", &targets, "--fault", fault];
    let tenant = stage.start_tenant(&thin_text(), &arguments);
    let mut children: Vec<Child> = (1..=count).map(|number| start(&stage, number)).collect();

    // While they run, the fleet shows each and disturbs none.
    let file = |number: usize| stage.path(&format!("refresh-{number}.iomcopy.jsonl"));
    let began = Instant::now();
    while !(1..=count).all(|number| file(number).exists()) {
        assert!(
            began.elapsed() < Duration::from_mins(2),
            "a run did not begin"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let fleet = document(&stage, "fleet", &["fleet", "."], 0);
    let runs = fleet["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), count, "{fleet:#}");

    for (at, child) in children.iter_mut().enumerate() {
        let ended = child.wait().expect("it ends");
        let log = stage.path(&format!("log-{}.txt", at + 1));
        let log = std::fs::read_to_string(log).unwrap_or_default();
        assert_eq!(ended.code(), Some(0), "target {}: {log}", at + 1);
    }

    let fleet = document(&stage, "fleet", &["fleet", "."], 0);
    let runs = fleet["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), count, "{fleet:#}");
    assert!(
        runs.iter().all(|run| run["state"] == "finished"),
        "{fleet:#}"
    );
    let table = stage.call(&["fleet", "."]).exits(0).stdout;
    let page = stage.call(&["fleet", ".", "--format", "html"]).exits(0);
    for number in 1..=count {
        let name = target_name(number);
        assert!(
            table.contains(&name) && page.stdout.contains(&name),
            "{name}"
        );
    }
    let summary = format!("{count} runs: {count} finished");
    assert!(table.contains(&summary) && page.stdout.contains(&summary));

    drop(tenant);
    let world = stage.world();
    assert_eq!(world.count_successful("POST", "/copy"), count);
    for number in 1..=count {
        let environment = &world.objects[&format!("environment/{}", ENVIRONMENTS[number - 1])];
        let runtime = &environment["properties"]["states"]["runtime"]["id"];
        assert_eq!(runtime, "Enabled", "target {number}");
        let listener = listener(number);
        let installed = world.requests.iter().filter(|request| {
            let path = request["path"].as_str().unwrap_or_default();
            let ended = request["status"].as_u64().unwrap_or_default();
            request["listener"] == listener.as_str()
                && path.contains("rehearsal_InstallProvider")
                && ended < 300
        });
        assert_eq!(installed.count(), 1, "target {number}");
    }

    every_target_has_the_same(&world, count);
    a_limit_slows_all_that_meet_it(&world);
}

/// No process wrote into another's target: each target got as many writes as the first, and has as many
/// rows of each table.
fn every_target_has_the_same(world: &World, count: usize) {
    let writes = |number: usize| {
        let listener = listener(number);
        let writes = world.writes().into_iter();
        writes
            .filter(|request| request["listener"] == listener.as_str())
            .filter(|request| {
                request["status"]
                    .as_u64()
                    .is_some_and(|status| status < 300)
            })
            .count()
    };
    let first = &world.objects[&format!("environment/{}", ENVIRONMENTS[0])];
    let tables: BTreeSet<&str> = world
        .objects
        .keys()
        .filter_map(|key| key.strip_prefix("row/")?.split('/').nth(1))
        // The platform's jobs: how many there are depends on how long a run took.
        .filter(|table| *table != "asyncoperation")
        .collect();
    assert!(tables.len() > 10, "{tables:?}");
    for number in 2..=count {
        assert_eq!(writes(number), writes(1), "writes to target {number}");
        let environment = &world.objects[&format!("environment/{}", ENVIRONMENTS[number - 1])];
        for table in &tables {
            let (found, expected) = (rows(world, environment, table), rows(world, first, table));
            assert_eq!(found, expected, "target {number}, {table}");
        }
    }
}

/// While the limit lasts, the service refuses every process of the user, and each waits as long as the
/// service asked.
fn a_limit_slows_all_that_meet_it(world: &World) {
    let polls: Vec<(&str, u64, bool)> = world
        .requests
        .iter()
        .filter_map(|request| {
            let path = request["path"]
                .as_str()
                .filter(|it| it.contains("/operations/"))?;
            let is_refused = request["status"] == 429;
            (request["method"] == "GET").then_some((path, request["elapsed"].as_u64()?, is_refused))
        })
        .collect();
    let began = polls.iter().find(|(_, _, is_refused)| *is_refused);
    let began = began.expect("a process met the limit").1;
    let end = began + 600_000;
    let mut met = BTreeSet::new();
    for (path, at, is_refused) in &polls {
        if (began..end).contains(at) {
            assert!(is_refused, "{path} at {at}");
            assert!(
                met.insert(path),
                "{path} was asked again at {at}, before {end}"
            );
        }
    }
    for path in met {
        let later = polls
            .iter()
            .find(|(other, at, _)| other == path && *at >= end);
        assert!(
            later.is_some_and(|(_, _, is_refused)| !is_refused),
            "{path}"
        );
    }
}
