//! Refusals by their kind: a permanent one is tried once and stops only what depends on it, a lock is
//! waited for, half a response is read again, and the end says what failed, what was not begun, and
//! what to do.

use serde_json::{Map, json};

use crate::harness::{CommandOutput, Stage, World};

/// A step's state in the table of a run.
fn state_of<'a>(answer: &'a CommandOutput, step: &str) -> &'a str {
    let line = answer.stdout.lines().find(|line| {
        let mut words = line.split_whitespace();
        words.next().is_some_and(|word| word.parse::<u8>().is_ok()) && words.next() == Some(step)
    });
    let line = line.expect("the step has a line");
    let (_, state) = line.split_once(step).unwrap_or_default();
    state.trim_start().split("  ").next().unwrap_or_default()
}

/// The requests that were refused on purpose or by a condition, with this method and this text in
/// the path.
fn refused(world: &World, method: &str, path: &str) -> usize {
    world.count_with(method, path, |status| status >= 400)
}

#[test]
fn a_data_policy_leaves_flows_off_and_the_run_continues() {
    let stage = Stage::new();
    let tenant = stage.tenant(&["refuse=403/0x80060467/DlpViolation:PATCH */workflows(30000000-*"]);
    let answer = stage.run();
    assert!(matches!(answer.code, Some(1 | 4)), "{}", answer.stderr);
    answer.warns(&[
        "a data policy of the tenant forbids it",
        "(a task for an administrator of the data policies)",
    ]);
    assert!(
        !answer.stderr.contains("steps not begun"),
        "{}",
        answer.stderr
    );
    assert_eq!(state_of(&answer, "activate-flows"), "failed");
    // The figures name what was refused, beside what the run leaves off on purpose.
    let off = |answer: &CommandOutput| {
        let mut lines = answer.stdout.lines().map(str::to_owned);
        lines.find(|line| line.contains("off: ") && line.contains("refused by the service ("))
    };
    let refused = off(&answer).unwrap_or_default();
    assert!(
        refused.contains("DlpViolation"),
        "{refused}: {}",
        answer.stdout
    );
    for step in [
        "detach-provider-actions",
        "reinstall-providers",
        "restore-provider-actions",
        "reconfigure-dual-write",
    ] {
        assert_eq!(state_of(&answer, step), "done", "{}", answer.stdout);
    }
    let deleted = stage
        .world()
        .count_successful("DELETE", "msdyn_iomproviders");
    assert!(deleted > 0, "the providers were reinstalled");

    // The policy changes; the next run does only what is left.
    drop(tenant);
    let _tenant = stage.tenant(&[]);
    let answer = stage.run().exits(0);
    assert_eq!(off(&answer), None, "{}", answer.stdout);
    let world = stage.world();
    assert_eq!(
        world.count_successful("DELETE", "msdyn_iomproviders"),
        deleted
    );
}

#[test]
fn a_failure_that_a_deletion_depends_on_stops_it_and_not_the_rest() {
    let stage = Stage::new();
    let tenant = stage.tenant(&["refuse=400/0x80072042:PATCH */connectionreferences(*"]);
    let answer = stage.run().exits(1);
    answer.warns(&[
        "blocks unmanaged customizations",
        "(a task for a System Administrator of the environment)",
        "steps not begun:",
        "activate-flows: it needs reconfigure-connections, which failed",
        "reinstall-providers: it needs reconfigure-connections, which failed",
        "detach-provider-actions: it needs reconfigure-connections, which failed",
        "restore-provider-actions: it needs detach-provider-actions, which was not begun, and \
             reinstall-providers, which was not begun",
    ]);
    for (step, state) in [
        ("reconfigure-connections", "failed"),
        ("activate-flows", "not begun"),
        ("detach-provider-actions", "not begun"),
        ("reinstall-providers", "not begun"),
        ("reconfigure-dual-write", "done"),
    ] {
        assert_eq!(state_of(&answer, step), state, "{step}: {}", answer.stdout);
    }
    let providers = "msdyn_iomproviders(";
    assert_eq!(stage.world().count_successful("DELETE", providers), 0);
    let why = "it needs reconfigure-connections, which failed";
    for command in ["status", "report"] {
        let shown = stage.call(&[command, "rehearsal.yaml"]).exits(0).stdout;
        assert!(shown.contains(why), "{command}: {shown}");
    }
    drop(tenant);
    // Half a response to a read is read again.
    let _tenant = stage.tenant(&[
        "garble#1:GET */workflows*",
        "garble#2:GET */connectionreferences*",
        "garble#1:GET */EntityDefinitions*",
        "garble#1:GET */data/*",
    ]);
    drop(stage.run().exits(0));
    assert!(stage.world().count_successful("DELETE", providers) > 0);
    let report = stage.call(&["report", "rehearsal.yaml"]).exits(0).stdout;
    assert!(!report.contains(why), "it was begun since: {report}");
}

/// A lock of minutes is waited for. One that does not end is temporary: nothing needs correcting.
#[test]
fn a_customization_lock_is_waited_for_and_is_never_a_failure() {
    let stage = Stage::new();
    let tenant = stage.tenant(&["refuse=429/0x80071151:PATCH */workflows(*"]);
    let answer = stage.run().exits(75);
    answer.warns(&[
        "still refused after",
        "0x80071151",
        "customizations are locked",
    ]);
    drop(tenant);
    let before = refused(&stage.world(), "PATCH", "/workflows(");
    let lock = ["1", "2", "3"].map(|n| format!("refuse=429/0x80071151#{n}:PATCH */workflows(*"));
    let faults: Vec<&str> = lock.iter().map(String::as_str).collect();
    let _tenant = stage.tenant(&faults);
    let answer = stage.run().exits(0);
    assert_eq!(refused(&stage.world(), "PATCH", "/workflows("), before + 3);
    answer.warns(&["not possible yet"]);
    assert!(!answer.stderr.contains("failed"), "{}", answer.stderr);
}

/// The list of addresses came with the source's organization. Waiting would not open the firewall.
#[test]
fn a_firewall_that_came_with_the_copy_is_explained_at_first_sight() {
    let stage = Stage::new();
    let tenant = stage.tenant(&[]);
    drop(stage.run_with(&["--until", "copy-environments"]).exits(0));
    drop(tenant);
    let world = stage.world();
    let id =
        world.environment("Contoso UAT")["properties"]["linkedEnvironmentMetadata"]["resourceId"]
            .as_str()
            .expect("it has an organization");
    let prefix = format!("row/{id}/organization/");
    let mut puts = Map::new();
    for (key, row) in &world.objects {
        if key.starts_with(&prefix) {
            let mut row = row.clone();
            row["enableipbasedfirewallrule"] = json!(true);
            row["allowediprangeforfirewall"] = json!("10.0.0.1");
            puts.insert(key.clone(), row);
        }
    }
    assert_eq!(puts.len(), 1);
    stage.edit_world(&puts);
    let _tenant = stage.tenant(&[]);
    let answer = stage.run().exits(4);
    answer.warns(&["0x80095ffe", "IP firewall", "run from an allowed address"]);
    assert!(
        !answer.stderr.contains("in the source too"),
        "{}",
        answer.stderr
    );
    let asked = refused(&stage.world(), "GET", "WhoAmI");
    assert!((1..=3).contains(&asked), "{asked} requests");
}

#[test]
fn half_a_response_that_stays_so_is_an_unavailable_service() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&["garble:GET */connectionreferences*"]);
    let answer = stage.run().exits(75);
    answer.warns(&["a body that is not JSON", "nothing was begun"]);
    assert!(stage.world().writes().is_empty());
}
