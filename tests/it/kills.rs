//! SIGKILL of the program, of the tenant, between intent and handle; Ctrl-C.

use std::collections::BTreeSet;
use std::process::{Child, Command};

use serde_json::Value;

use crate::harness::{Stage, Tail, Tenant, World, is, is_full_campaign, sample};
use crate::thin_run::assert_world_is_refreshed;
use crate::whole_world::assert_whole_tenant_is_refreshed;

/// The comparable rows of the world after an undisturbed run.
fn undisturbed() -> &'static Vec<String> {
    static ROWS: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
    ROWS.get_or_init(|| {
        let stage = Stage::new();
        let _tenant = stage.tenant(&[]);
        drop(stage.run_again().exits(0));
        let world = stage.world();
        assert_world_is_refreshed(&world);
        world.comparable_rows()
    })
}

fn assert_ends_like_an_undisturbed_run(stage: &Stage) {
    let world = stage.world();
    assert_eq!(world.count_successful("POST", "/copy"), 1, "one copy");
    assert_eq!(
        world.count_successful("DELETE", "msdyn_iomproviders("),
        1,
        "one delete"
    );
    is_the_same(&world, undisturbed());
}

/// Fails unless the comparable rows of the world are these.
pub(crate) fn is_the_same(world: &World, expected: &[String]) {
    let comparable_rows: BTreeSet<String> = world.comparable_rows().into_iter().collect();
    let expected: BTreeSet<&String> = expected.iter().collect();
    let missing: Vec<&String> = expected
        .iter()
        .filter(|line| !comparable_rows.contains(**line))
        .copied()
        .collect();
    let extra: Vec<&String> = comparable_rows
        .iter()
        .filter(|line| !expected.contains(line))
        .collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "missing: {missing:#?}\nextra: {extra:#?}"
    );
}

/// Waits until the request that a fault such as `hold#1:POST */copy` holds has arrived. If the
/// program were killed before it sends, the fault would hold the next process until its time limit.
fn wait_for_request(stage: &Stage, fault: &str) {
    let path = fault.rsplit('*').next().unwrap_or_default();
    let began = std::time::Instant::now();
    let mut requests = Tail::of(stage.path("world.jsonl"));
    let has_arrived = |request: &Value| {
        request["method"] == "POST"
            && request["path"]
                .as_str()
                .is_some_and(|sent| sent.contains(path))
            && request["status"]
                .as_u64()
                .is_some_and(|status| status < 300)
    };
    while !requests.new_lines().iter().any(has_arrived) {
        assert!(
            began.elapsed() < std::time::Duration::from_mins(1),
            "{fault}"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Kills the program once a record appears, then runs to the end.
fn kill_when(fits: impl Fn(&serde_json::Value) -> bool, faults: &[&str]) {
    let stage = Stage::new();
    let _tenant = stage.tenant(faults);
    let mut child = stage.start();
    assert!(stage.wait_for(&mut child, fits), "the record appears");
    if let Some(held) = faults.first() {
        wait_for_request(&stage, held);
    }
    drop(child.kill());
    drop(child.wait());
    let again = stage.run_again();
    // The kill came before the copy was sent: a person confirms that it did not begin.
    let again = match again.code {
        Some(11) => {
            let token = again.token().expect("the token is named");
            stage.run_with(&["--confirm-repeat", &token])
        }
        _ => again,
    };
    drop(again.exits(0));
    assert_ends_like_an_undisturbed_run(&stage);
}

/// The names of the eight steps.
fn steps() -> Vec<String> {
    iomcopy::steps::names()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_run_that_is_killed_in_any_step_is_resumed_to_the_same_end() {
    for step in sample(&steps(), 2) {
        kill_when(|record| is(record, "step-began", "step", &step), &[]);
    }
}

#[test]
fn a_run_that_is_killed_at_a_change_is_resumed_to_the_same_end() {
    let keys = [
        "/clear",
        "/deactivate",
        "/delete",
        "provider/new/msdyn_bigcommerce",
        "/restore",
    ];
    for part in sample(&keys, 2) {
        kill_when(
            |record| {
                record["type"] == "intent"
                    && record["data"]["key"]
                        .as_str()
                        .is_some_and(|key| key.ends_with(part))
            },
            &[],
        );
    }
}

#[test]
fn a_copy_is_not_sent_again_after_a_kill_before_its_handle_is_recorded() {
    // The copy is applied without a response; the program is killed while it waits.
    let is_copy = |record: &serde_json::Value| {
        record["type"] == "intent"
            && record["data"]["key"]
                .as_str()
                .is_some_and(|key| key.starts_with("copy/"))
    };
    kill_when(is_copy, &["hold#1:POST */copy"]);
    // The same before the request is sent: the kill comes with the intent.
    kill_when(is_copy, &[]);
}

#[test]
fn any_other_launch_is_resumed_after_a_kill_before_its_handle_is_recorded() {
    // Only the launch with the held response is killed: the program would wait for another held
    // launch.
    let launches = [
        ("activate-system", "", "hold#1:POST *ActivateSystem"),
        (
            "provider/new/",
            "/activate",
            "hold#1:POST *ActivateProvider",
        ),
        (
            "orchestration/",
            "/publish",
            "hold#1:POST *PublishOrchestration",
        ),
    ];
    for (start, end, fault) in sample(&launches, 1) {
        kill_when(
            |record| {
                record["type"] == "intent"
                    && record["data"]["kind"] == "launch"
                    && record["data"]["key"]
                        .as_str()
                        .is_some_and(|key| key.starts_with(start) && key.ends_with(end))
            },
            &[fault],
        );
    }
}

/// How many runs may pass a step before one can be paused in it. The shortest step takes a few
/// requests, and the file is read every two milliseconds.
const TRIES: usize = 20;

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([name, &pid]).status();
    assert!(sent.expect("kill can be started").success(), "{name}");
}

/// Starts a run and pauses its process (SIGSTOP) in this step: the step has begun and cannot end
/// while the process is paused. Returns `None` if the step ended first.
fn pause_in(stage: &Stage, step: &str) -> Option<Child> {
    let mut child = stage.start();
    stage.wait_for(&mut child, |record| is(record, "step-began", "step", step));
    if child
        .try_wait()
        .expect("the process can be polled")
        .is_some()
    {
        return None;
    }
    signal(&child, "-STOP");
    let id = child.id().to_string();
    let is_stopped = || {
        let output = Command::new("ps")
            .args(["-o", "state=", "-p", &id])
            .output();
        let letters = output.expect("ps can be started").stdout;
        letters.trim_ascii().starts_with(b"T")
    };
    while !is_stopped() {
        // It may have ended before the signal: the last step is short.
        let status = child.try_wait().expect("the process can be polled");
        if status.is_some() {
            return None;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let has_ended = |record: &serde_json::Value| is(record, "step-ended", "step", step);
    if stage.records().iter().any(has_ended) {
        drop(child.kill());
        drop(child.wait());
        return None;
    }
    Some(child)
}

/// Kills the tenant while a run is in this step, and restarts it. Returns false if the step ended
/// first.
fn kill_tenant_in(step: &str) -> bool {
    let stage = Stage::new();
    let mut tenant = stage.tenant(&[]);
    let Some(mut child) = pause_in(&stage, step) else {
        return false;
    };
    tenant.kill();
    signal(&child, "-CONT");
    let restarted = stage.tenant(&[]);
    assert_eq!(
        restarted.endpoints, tenant.endpoints,
        "a restart takes the same ports"
    );
    let status = child.wait().expect("the run ends");
    assert!(matches!(status.code(), Some(0 | 75)), "{step}: {status}");
    if status.code() == Some(75) {
        drop(stage.run_again().exits(0));
    }
    assert_ends_like_an_undisturbed_run(&stage);
    end(restarted);
    true
}

#[test]
fn a_run_whose_tenant_is_killed_and_restarted_comes_to_the_same_end() {
    for step in sample(&steps(), 2) {
        let was_killed = (0..TRIES).any(|_| kill_tenant_in(&step));
        assert!(
            was_killed,
            "in {TRIES} runs, {step} was over before the kill"
        );
    }
}

fn end(mut tenant: Tenant) {
    tenant.kill();
}

#[test]
fn control_c_exits_with_130_and_running_again_resumes() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    let mut child = stage.start();
    assert!(stage.wait_for(&mut child, |record| record["type"] == "launched"));
    let signalled = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(signalled.expect("kill can be started").success());
    let status = child.wait().expect("the run ends");
    assert_eq!(status.code(), Some(130));
    let shown = stage.call(&["status", "rehearsal.yaml"]).exits(0);
    assert!(
        shown.stdout.contains("was requested; not read since"),
        "{}",
        shown.stdout
    );
    drop(stage.run_again().exits(0));
    assert_ends_like_an_undisturbed_run(&stage);
}

/// A small seeded generator: a failed run can be repeated from the printed seed.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

#[test]
fn a_run_that_is_killed_at_random_moments_is_resumed_to_the_same_end() {
    let calm = Stage::new();
    let calm_tenant = calm.whole_tenant(&[]);
    let began = std::time::Instant::now();
    drop(calm.run().exits(0));
    // The duration of a whole run on this machine, so that the moments cover all of it.
    let lasts = u64::try_from(began.elapsed().as_millis()).expect("a run is shorter");
    let expected = calm.world().comparable_rows();
    end(calm_tenant);
    let mut kills = 0;
    let mut seed = 0;
    let wanted = if is_full_campaign() { 100 } else { 8 };
    while kills < wanted {
        seed += 1;
        let mut moments = Moments(seed);
        let stage = Stage::new();
        let _tenant = stage.whole_tenant(&[]);
        for _ in 0..12 {
            let mut child = stage.start();
            let moment = 20 + moments.next(lasts / 3);
            std::thread::sleep(std::time::Duration::from_millis(moment));
            if child
                .try_wait()
                .expect("the process can be polled")
                .is_some()
            {
                break;
            }
            drop(child.kill());
            drop(child.wait());
            kills += 1;
        }
        println!("seed {seed}: {kills} kills");
        drop(stage.run_again().exits(0));
        let world = stage.world();
        assert_whole_tenant_is_refreshed(&world);
        assert_eq!(world.count_successful("POST", "/copy"), 1, "one copy");
        assert_eq!(world.count_successful("DELETE", "msdyn_iomproviders("), 13);
        is_the_same(&world, &expected);
    }
}
