//! Every unpublished write as a manual task, on the whole tenant: the run stops once per phase. A
//! task that is not done, done except for one line, or unreadable never passes. The end is the
//! same.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{CommandOutput, Stage, Tenant, is_sampled, runbook_text, with_endpoints};
use crate::outputs::document;
use crate::person::{Person, is_work, with_links, without_link, worksheet_lines};
use crate::whole_world::assert_whole_tenant_is_refreshed;

/// The rehearsal's runbook with every request guided.
fn guided() -> String {
    let text = runbook_text();
    let before = text.split("\niom:").next().unwrap_or_default().to_owned();
    let after = text.split("\nsteps:").nth(1).unwrap_or_default().to_owned();
    format!("{before}\nsteps:{after}")
}

/// A tenant whose runbook has every request guided. A second start continues its world.
pub(crate) fn tenant(stage: &Stage, faults: &[&str]) -> Tenant {
    let faults: Vec<&str> = faults.iter().flat_map(|fault| ["--fault", fault]).collect();
    let tenant = stage.whole_tenant(&faults);
    stage.write_runbook(&with_endpoints(&guided(), &tenant.endpoints));
    tenant
}

/// The one manual task that a run waits for.
fn open_task(answer: &CommandOutput) -> String {
    let mut open = answer
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("waits for a person: "));
    let task = open.next().unwrap_or_default().to_owned();
    assert_eq!(open.next(), None, "one task a phase: {}", answer.stdout);
    assert!(!task.is_empty(), "{}", answer.stdout);
    task
}

fn complete(stage: &Stage, task: &str) -> CommandOutput {
    stage.call(&["complete", "rehearsal.yaml", task])
}

/// Every line about a row has a link to it, and a command to copy names this run's state file.
fn has_links_and_commands(answer: &CommandOutput) {
    let lines = with_links(&answer.stderr);
    let lines = lines.iter();
    for line in lines.filter_map(|line| line.strip_prefix("  [ ] ")) {
        let is_about_a_row = ["tile '", "Installed > '"]
            .iter()
            .any(|it| line.contains(it))
            || ["save '", "open '"].iter().any(|it| line.starts_with(it));
        assert!(!is_about_a_row || line.contains(" (open http"), "{line}");
        if let Some((_, command)) = line.split_once("`iomcopy state show ") {
            assert!(command.contains(".iomcopy.jsonl "), "{line}");
        }
    }
}

/// The lines of the worksheet that an answer shows, without the links, whose addresses have a port.
fn worksheet(answer: &CommandOutput) -> Vec<String> {
    let lines = worksheet_lines(&answer.stderr);
    let lines = lines.iter().map(|line| without_link(line).to_owned());
    lines.collect()
}

fn completed(stage: &Stage, task: &str) -> usize {
    let records = stage.records();
    let done = records
        .iter()
        .filter(|record| record["type"] == "completed" && record["data"]["task"] == task);
    done.count()
}

/// The entity set that the evidence of a task is read from.
fn evidence_of(task: &str) -> &'static str {
    match task.split_once('/').map(|(_, phase)| phase) {
        Some("platform-references" | "activate-system") => "msdyn_iomplatformconnectionreferences",
        Some("stop" | "clear" | "restore" | "publish") => "msdyn_iomdesigners",
        Some("publish-policies") => "msdyn_iompolicies",
        Some("parameters") => "msdyn_iomproviderparameters",
        Some("transformations") => "msdyn_iomprovidertransformations",
        Some("mappings") => "msdyn_iomwarehousemappings",
        Some("connections" | "activate-connections") => "msdyn_iomproviderconnectionreferences",
        _ => "msdyn_iomproviders",
    }
}

/// Does all lines except one: the answer names that line, and nothing else.
fn do_all_but_one(stage: &Stage, tenant: &Tenant, task: &str, lines: &[String]) {
    let work: Vec<&String> = lines.iter().filter(|line| is_work(line)).collect();
    let Some((last, others)) = work.split_last() else {
        panic!("{task} has nothing to do: {lines:?}");
    };
    if others.is_empty() {
        return;
    }
    let person = Person::of(stage, &tenant.endpoints);
    for line in lines.iter().filter(|line| line != last) {
        person.follow(line);
    }
    // Some operations of the tenant take time, and the first activation fails.
    let began = Instant::now();
    let mut accepted = 0;
    loop {
        let answer = complete(stage, task).exits(10);
        accepted += answer.stderr.matches(" (by hand)\n").count();
        let left = worksheet(&answer);
        let left: Vec<&String> = left.iter().filter(|line| is_work(line)).collect();
        assert!(left.contains(last), "{task}: {last} is left: {left:?}");
        if left == [*last] {
            assert!(
                answer.stderr.contains(": the box above is left\n"),
                "{}",
                answer.stderr
            );
            assert!(
                accepted > 0,
                "{task}: each thing that was accepted is named"
            );
            return;
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{task}: {left:?}"
        );
        if began.elapsed() > Duration::from_secs(2) {
            left.iter()
                .filter(|line| **line != *last)
                .for_each(|line| person.follow(line));
        }
    }
}

/// Does the remaining lines, until the tenant shows the result.
fn do_the_rest(stage: &Stage, tenant: &Tenant, task: &str) {
    let person = Person::of(stage, &tenant.endpoints);
    let began = Instant::now();
    loop {
        let answer = complete(stage, task);
        if answer.code == Some(0) {
            return;
        }
        let answer = answer.exits(10);
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "{task}: {}",
            answer.stderr
        );
        for line in worksheet(&answer) {
            person.follow(&line);
        }
        // A button that was pressed gets some time before it is pressed again: five minutes of the
        // tenant's.
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// While the evidence of a task cannot be read, its state is unknown to `complete` and to the run.
/// Returns the tenant, which is started again before and after.
fn assert_unknown_while_unreadable(
    stage: &Stage,
    mut running: Tenant,
    task: &str,
    number: usize,
) -> Tenant {
    let status = if number.is_multiple_of(2) { 403 } else { 500 };
    let fault = format!("refuse={status}:GET */{}*", evidence_of(task));
    running.kill();
    running = tenant(stage, &[&fault]);
    let unread = complete(stage, task);
    assert!(!matches!(unread.code, Some(0 | 10)), "{task}: {unread:?}");
    assert!(
        unread.stderr.contains("its state is unknown"),
        "{task}: {}",
        unread.stderr
    );
    if is_sampled(number, 8) {
        assert!(!matches!(stage.run().code, Some(0 | 10)), "{task}");
    }
    running.kill();
    tenant(stage, &[])
}

#[test]
fn with_every_request_guided_a_person_reaches_the_same_end() {
    let stage = Stage::new();
    let mut running = tenant(&stage, &[]);
    let mut done: Vec<String> = Vec::new();
    let last = loop {
        let answer = stage.run();
        if answer.code != Some(10) {
            break answer;
        }
        let task = open_task(&answer);
        assert!(!done.contains(&task), "{task} is asked for once");
        let early = complete(&stage, &task).exits(10);
        let lines = worksheet(&early);
        assert_eq!(worksheet(&answer), lines, "the run has shown the same");
        has_links_and_commands(&early);

        if is_sampled(done.len(), 4) {
            running = assert_unknown_while_unreadable(&stage, running, &task, done.len());
        }

        do_all_but_one(&stage, &running, &task, &lines);
        assert_eq!(completed(&stage, &task), 0, "{task} never passed");
        do_the_rest(&stage, &running, &task);
        assert_eq!(completed(&stage, &task), 1, "{task}");
        done.push(task);
    };
    drop(last.exits(0));
    for task in [
        "reconfigure-connections/platform-references",
        "reconfigure-connections/activate-system",
        "detach-provider-actions/stop",
        "detach-provider-actions/clear",
        "reinstall-providers/deactivate",
        "reinstall-providers/delete",
        "reinstall-providers/install",
        "reinstall-providers/parameters",
        "reinstall-providers/transformations",
        "reinstall-providers/mappings",
        "reinstall-providers/connections",
        "reinstall-providers/activate-connections",
        "reinstall-providers/activate",
        "restore-provider-actions/restore",
        "restore-provider-actions/publish-policies",
        "restore-provider-actions/publish",
    ] {
        assert!(done.iter().any(|done| done == task), "{task}: {done:?}");
    }
    let mut world = stage.world();
    for (key, row) in &mut world.objects {
        if key.contains("/msdyn_iomdesigner/") {
            // A designer writes its own spaces and line ends.
            let graph = row["msdyn_graph"].as_str().unwrap_or_default();
            row["msdyn_graph"] = Value::from(without_spaces(graph));
        }
    }
    assert_whole_tenant_is_refreshed(&world);
}

/// A JSON text without spaces, also inside the JSON texts in its strings.
fn without_spaces(text: &str) -> String {
    fn within(value: &mut Value) {
        match value {
            Value::Object(members) => members.values_mut().for_each(within),
            Value::Array(items) => items.iter_mut().for_each(within),
            Value::String(text) if text.starts_with(['{', '[']) => *text = without_spaces(text),
            _ => {}
        }
    }
    let Ok(mut value) = serde_json::from_str::<Value>(text) else {
        return text.to_owned();
    };
    within(&mut value);
    value.to_string()
}

/// Does every task until one has several things. Returns it with the lines of its worksheet.
fn first_long_task(stage: &Stage, running: &Tenant) -> (String, Vec<String>) {
    loop {
        let answer = stage.run().exits(10);
        let (task, lines) = (open_task(&answer), worksheet(&answer));
        if lines.iter().filter(|line| is_work(line)).count() > 1 {
            return (task, lines);
        }
        let person = Person::of(stage, &running.endpoints);
        for line in &lines {
            person.follow(line);
        }
        do_the_rest(stage, running, &task);
    }
}

/// After a resume, what a person has done of a worksheet counts the same in the events of the run,
/// from which its bar is made, in what it prints, in the status and in the reports.
#[test]
fn a_worksheet_that_is_half_done_counts_the_same_everywhere() {
    let stage = Stage::new();
    let running = tenant(&stage, &[]);
    let (task, lines) = first_long_task(&stage, &running);
    do_all_but_one(&stage, &running, &task, &lines);
    let (step, phase) = task.split_once('/').expect("STEP/PHASE");
    let answer = stage.run_with(&["--output", "json"]).exits(10);
    let events = answer.stdout.lines();
    let events: Vec<Value> = events
        .map(|line| serde_json::from_str(line).expect("an event"))
        .collect();
    let last_of = |kind: &str| {
        let mut of_kind = events.iter().rev().filter(|event| event["type"] == kind);
        of_kind.next().expect("there is one").clone()
    };
    let (surveyed, asked) = (last_of("surveyed"), last_of("manual-task"));
    assert_eq!(
        (&surveyed["step"], &surveyed["phase"]),
        (&step.into(), &phase.into())
    );
    assert_eq!(
        (&surveyed["changes"], &asked["things"]),
        (&1.into(), &1.into())
    );

    let printed = stage.run().exits(10);
    assert!(
        printed.stderr.contains(&format!("{task} (1 thing)")),
        "{}",
        printed.stderr
    );

    let status = document(&stage, "status", &["status", "rehearsal.yaml"], 0);
    let report = document(
        &stage,
        "report",
        &["report", "rehearsal.yaml", "--format", "json"],
        0,
    );
    let of_step = |document: &Value| {
        let mut steps = document["steps"].as_array().into_iter().flatten();
        let found = steps.find(|one| one["name"] == step);
        found.expect("the step is listed").clone()
    };
    let number = |value: &Value| value.as_u64().expect("a number");
    for document in [&status, &report] {
        let step = of_step(document);
        let (begun, done) = (
            number(&step["by-hand-begun"]),
            number(&step["by-hand-done"]),
        );
        assert_eq!(begun - done, 1, "{step:#}");
        let all_done = number(&step["changes-done"]) + done;
        assert_eq!(number(&surveyed["done"]), all_done, "{step:#}");
    }
    // The warnings are those of all processes.
    let findings = report["findings"].as_array().map_or(0, Vec::len);
    assert!(findings > 1, "{report:#}");
    assert_eq!(status["findings"], report["findings"]);
    let line = format!("needs a look: {findings} warnings, see: iomcopy report");
    let all = printed.stdout.clone() + &printed.stderr;
    assert!(all.contains(&line), "{line}: {all}");
    let sheet = &status["worksheets"][0];
    assert_eq!(
        sheet["things"].as_array().map(Vec::len),
        Some(1),
        "{sheet:#}"
    );
    assert_eq!(sheet["things-done"], surveyed["done-in-phase"], "{sheet:#}");
    assert_eq!(
        report["tasks"]
            .as_array()
            .and_then(|tasks| tasks.last())
            .map(|task| &task["things"]),
        Some(&sheet["things"])
    );
    let shown = stage.call(&["status", "rehearsal.yaml"]).exits(0);
    let done = number(&sheet["things-done"]);
    let line = format!("{done} of {} things done", done + 1);
    assert!(shown.stdout.contains(&line), "{line}: {}", shown.stdout);
    let boxes = shown
        .stdout
        .lines()
        .filter(|line| line.starts_with("  [ ] "));
    assert_eq!(boxes.count(), 1, "a box for each thing: {}", shown.stdout);
}

#[test]
fn a_waiver_is_recorded_with_who_and_why() {
    let stage = Stage::new();
    let _tenant = tenant(&stage, &[]);
    drop(stage.run().exits(10));
    let task = "reconfigure-connections/platform-references";
    let arguments = [
        "complete",
        "rehearsal.yaml",
        task,
        "--waive",
        "the supplier does it tomorrow",
    ];
    drop(stage.call(&arguments).exits(0));
    let records = stage.records();
    let waived = records
        .iter()
        .find(|record| record["type"] == "completed")
        .expect("it is recorded");
    assert_eq!(waived["data"]["who"], "tester");
    assert_eq!(waived["data"]["waived"], "the supplier does it tomorrow");
    assert!(waived["time"].is_string());
    let next = stage.run().exits(10);
    assert!(
        next.stderr
            .contains("reconfigure-connections/activate-system"),
        "{}",
        next.stderr
    );
    // A waived task is not shown as left to do.
    let plan = stage.call(&["plan", "rehearsal.yaml"]).exits(0);
    assert!(
        !plan.stdout.contains("save system connection reference"),
        "{}",
        plan.stdout
    );
}

/// What `complete` has read is known afterwards, and a waiver covers nothing else.
#[test]
fn a_waiver_covers_only_what_is_left_after_the_evidence_was_read() {
    let stage = Stage::new();
    let running = tenant(&stage, &[]);
    let (task, lines) = first_long_task(&stage, &running);
    do_all_but_one(&stage, &running, &task, &lines);
    let (step, _) = task.split_once('/').expect("STEP/PHASE");
    let status = |stage: &Stage| document(stage, "status", &["status", "rehearsal.yaml"], 0);
    let before = status(&stage);
    let sheet = &before["worksheets"][0];
    let things = sheet["things"].as_array().expect("a list");
    let [Value::String(left)] = things.as_slice() else {
        panic!("no run has read it since: {sheet:#}");
    };
    let done = sheet["things-done"].as_u64().expect("a number");
    assert!(done > 0, "{sheet:#}");

    // The state file of another refresh is not touched.
    let text = std::fs::read_to_string(stage.runbook()).expect("it can be read");
    stage.write_runbook(&text.replacen("name: Contoso UAT", "name: Contoso QA", 1));
    let records = stage.records().len();
    let waive = ["complete", "rehearsal.yaml", &task, "--waive", "tomorrow"];
    let refused = stage.call(&waive).exits(5);
    assert!(
        refused.stderr.contains("belongs to a refresh of"),
        "{}",
        refused.stderr
    );
    assert_eq!(stage.records().len(), records);
    // Nor is it read for another one.
    for command in [
        ["plan", "rehearsal.yaml"].as_slice(),
        &["verify", "rehearsal.yaml"],
        &["run", "rehearsal.yaml", "--dry-run"],
    ] {
        let refused = stage.call(command).exits(5);
        assert!(
            refused.stderr.contains("belongs to a refresh of"),
            "{command:?}: {}",
            refused.stderr
        );
    }
    stage.write_runbook(&text);

    let waived = stage.call(&waive).exits(0);
    for part in ["(tomorrow), 1 thing; ", &format!("  waived: {left}\n")] {
        assert!(waived.stdout.contains(part), "{part}: {}", waived.stdout);
    }
    let after = status(&stage);
    let steps = after["steps"].as_array().expect("a list");
    let of_step = steps.iter().find(|one| one["name"] == step);
    let of_step = of_step.expect("it is listed");
    assert_eq!(of_step["by-hand-waived"], 1, "{of_step:#}");
    let report = |format: &str| {
        let arguments = ["report", "rehearsal.yaml", "--format", format];
        stage.call(&arguments).exits(0).stdout
    };
    let sheets = report("worksheets");
    let last = sheets.split("\n## ").last().unwrap_or_default();
    assert!(
        last.starts_with(&format!("Done, 1 waived: `{task}`")),
        "{last}"
    );
    assert_eq!(last.matches("- [ ] ").count(), 1, "{last}");
    let ticks = u64::try_from(last.matches("- [x] ").count());
    assert_eq!(ticks, Ok(done), "{last}");
    let counts = format!("{done} done, 1 waived");
    assert!(report("markdown").contains(&counts), "{counts}");
    assert!(report("html").contains(&counts), "{counts}");
}

#[test]
fn a_tenant_that_is_down_proves_nothing() {
    let stage = Stage::new();
    let mut running = tenant(&stage, &[]);
    drop(stage.run().exits(10));
    running.kill();
    let task = "reconfigure-connections/platform-references";
    assert_ne!(complete(&stage, task).code, Some(0));
    assert_eq!(completed(&stage, task), 0);
    // A waiver needs no evidence: it covers everything that was open.
    let open = document(&stage, "status", &["status", "rehearsal.yaml"], 0);
    let open = &open["worksheets"][0]["things"];
    let waive = ["complete", "rehearsal.yaml", task, "--waive", "it is down"];
    let waived = document(&stage, "complete", &waive, 0);
    assert_eq!(&waived["waived"], open);
}

#[test]
fn a_running_run_reads_its_evidence_itself() {
    let stage = Stage::new();
    let _tenant = tenant(&stage, &[]);
    let mut child = stage.start();
    assert!(stage.wait_for(&mut child, |record| record["type"] == "launched"));
    let task = "reconfigure-connections/platform-references";
    let refused = complete(&stage, task).exits(5);
    let holder = format!("process {}", child.id());
    assert!(refused.stderr.contains(&holder), "{}", refused.stderr);
    assert_eq!(child.wait().expect("the run ends").code(), Some(10));
}
