//! `report`: what a run did, in each format, from the state file only.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;

use crate::harness::{Stage, runbook_text};
use crate::outputs::document;

const REPORT: [&str; 2] = ["report", "rehearsal.yaml"];

/// The report in a format other than JSON.
fn report(stage: &Stage, format: &str) -> String {
    let arguments = ["report", "rehearsal.yaml", "--format", format];
    stage.call(&arguments).exits(0).stdout
}

fn json(stage: &Stage) -> Value {
    document(stage, "report", &REPORT, 0)
}

/// The runbook with *Activate system* as a manual task.
pub(crate) fn by_hand(text: &str) -> String {
    let (before, after) = text
        .split_once("    activate-system:\n")
        .expect("it is bound");
    let rest = after.split_once("own\"\n").expect("the binding ends").1;
    format!("{before}    activate-system: guided\n{rest}")
}

/// An element of a `JUnit` file: its name, what may contain it, the attributes that it must have and
/// those that it may have. As Jenkins' schema says (junit-10.xsd of its xUnit plugin).
type JenkinsRule = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
);

const JENKINS: [JenkinsRule; 9] = [
    (
        "testsuites",
        &[],
        &[],
        &["name", "time", "tests", "failures", "errors"],
    ),
    (
        "testsuite",
        &["testsuites", "testsuite"],
        &["name", "tests", "failures", "errors"],
        &[
            "group",
            "time",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
            "file",
            "log",
            "url",
        ],
    ),
    ("properties", &["testsuite"], &[], &[]),
    ("property", &["properties"], &["name", "value"], &[]),
    (
        "testcase",
        &["testsuite"],
        &["name"],
        &["time", "classname", "group"],
    ),
    ("skipped", &["testcase"], &[], &["type", "message"]),
    ("failure", &["testcase"], &[], &["type", "message"]),
    ("system-out", &["testcase", "testsuite"], &[], &[]),
    ("system-err", &["testcase", "testsuite"], &[], &[]),
];

/// Fails unless Jenkins' schema allows this element there with these attributes.
fn assert_as_jenkins_reads(name: &str, parent: Option<&str>, found: &BTreeMap<String, String>) {
    let rule = JENKINS.iter().find(|(element, ..)| *element == name);
    let (_, parents, required, optional) = rule.expect("Jenkins knows the element");
    match parent {
        None => assert!(parents.is_empty(), "{name} is not the first element"),
        Some(parent) => assert!(parents.contains(&parent), "{name} in {parent}"),
    }
    for attribute in *required {
        assert!(found.contains_key(*attribute), "{name} has no {attribute}");
    }
    for (attribute, value) in found {
        let attribute = attribute.as_str();
        let is_known = required.contains(&attribute) || optional.contains(&attribute);
        assert!(is_known, "{name} {attribute}");
        if attribute == "time" {
            let is_number = value
                .chars()
                .all(|sign| sign.is_ascii_digit() || sign == '.');
            assert!(is_number && value.matches('.').count() <= 1, "{value}");
        }
        if attribute == "timestamp" {
            let time = value.parse::<jiff::Timestamp>();
            assert!(time.is_ok() && value.ends_with('Z'), "{value}");
        }
    }
}

/// A `JUnit` file: the number of cases of each suite, and the number of elements of each kind.
/// Fails if it is not well-formed, or if a suite's count differs from its cases.
struct Junit {
    suites: Vec<(String, usize)>,
    /// How many suites say when they began.
    timestamps: usize,
    elements: BTreeMap<String, usize>,
}

impl Junit {
    fn read(xml: &str) -> Self {
        assert!(xml.starts_with("<?xml"), "{xml}");
        let mut reader = Reader::from_str(xml);
        reader.config_mut().check_end_names = true;
        let mut junit = Self {
            suites: Vec::new(),
            timestamps: 0,
            elements: BTreeMap::new(),
        };
        let mut open: Vec<String> = Vec::new();
        loop {
            let event = reader.read_event().expect("the XML is well-formed");
            let (element, is_empty) = match &event {
                Event::Start(element) => (element, false),
                Event::Empty(element) => (element, true),
                Event::End(_) => {
                    open.pop();
                    continue;
                }
                Event::Text(text) => {
                    text.xml10_content().expect("the text can be read");
                    continue;
                }
                Event::Eof => break,
                _ => continue,
            };
            let name = String::from_utf8_lossy(element.name().as_ref()).into_owned();
            let attributes: BTreeMap<String, String> = element
                .attributes()
                .map(|attribute| {
                    let attribute = attribute.expect("the attribute is right");
                    let key = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
                    let value = String::from_utf8_lossy(&attribute.value).into_owned();
                    (key, value)
                })
                .collect();
            assert_as_jenkins_reads(&name, open.last().map(String::as_str), &attributes);
            if !is_empty {
                open.push(name.clone());
            }
            if name == "testsuite" {
                let tests = attributes["tests"].parse().expect("a number");
                junit.suites.push((attributes["name"].clone(), tests));
                junit.timestamps += usize::from(attributes.contains_key("timestamp"));
            }
            *junit.elements.entry(name).or_default() += 1;
        }
        assert!(open.is_empty(), "every element is closed");
        let reported: usize = junit.suites.iter().map(|(_, tests)| tests).sum();
        assert_eq!(reported, junit.of("testcase"));
        junit
    }

    fn of(&self, element: &str) -> usize {
        self.elements.get(element).copied().unwrap_or_default()
    }
}

/// Fails unless every line of a Markdown table has as many cells as the line above it.
fn assert_tables_are_complete(markdown: &str) {
    let bars = |line: &str| {
        line.replace("\\\\", "")
            .replace("\\|", "")
            .matches('|')
            .count()
    };
    let lines: Vec<&str> = markdown.lines().collect();
    let mut rows = 0;
    for pair in lines.windows(2) {
        if pair[0].starts_with('|') && pair[1].starts_with('|') {
            assert_eq!(bars(pair[0]), bars(pair[1]), "{}\n{}", pair[0], pair[1]);
            rows += 1;
        }
    }
    assert!(rows > 10, "{markdown}");
}

/// Fails unless the HTML page is complete and loads nothing else.
fn assert_page_is_complete(html: &str) {
    assert!(html.starts_with("<!DOCTYPE html>"), "{html}");
    assert!(html.trim_end().ends_with("</html>"), "{html}");
    assert!(html.contains("prefers-color-scheme: dark"));
    for foreign in ["<script", "src=", "@import", "url("] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    // A link leads to a part of the page, or from a worksheet to a record's form.
    for link in html.split(" href=\"").skip(1) {
        let address = link.split('"').next().unwrap_or_default();
        let is_record = address.contains("/main.aspx?pagetype=entityrecord&amp;");
        assert!(address.starts_with('#') || is_record, "{address}");
    }
    for tag in [
        "table", "tbody", "tr", "td", "th", "ul", "ol", "li", "h2", "details", "body", "section",
        "main", "nav", "header", "svg", "figure", "rect", "path", "text", "g", "fieldset", "label",
    ] {
        let opened =
            html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        let closed = html.matches(&format!("</{tag}>")).count();
        assert_eq!(opened, closed, "{tag}");
    }
}

#[test]
fn before_a_run_the_report_says_that_nothing_has_begun() {
    let stage = Stage::new();
    let reported = json(&stage);
    assert_eq!(reported["state"], "not-begun");
    assert_eq!(reported["run"], Value::Null);
    assert_eq!(reported["next"], "iomcopy run rehearsal.yaml");
    for format in ["markdown", "html"] {
        let text = report(&stage, format);
        let line = "not begun: rehearsal.iomcopy.jsonl does not exist";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("iomcopy run rehearsal.yaml"), "{text}");
    }
    let junit = Junit::read(&report(&stage, "junit"));
    assert_eq!((junit.suites.len(), junit.of("skipped")), (8, 8));
    assert!(!stage.state().exists(), "a report writes nothing");
    approval_page(&stage);
    graph_before_a_run(&stage);
    let both = [
        "report",
        "rehearsal.yaml",
        "--format",
        "html",
        "--output",
        "json",
    ];
    let refused = stage.call(&both).exits(3);
    assert!(refused.stdout.contains("remove one"), "{}", refused.stdout);
}

/// The plan as a page: what is approved comes first, and nothing of it is missing.
fn approval_page(stage: &Stage) {
    let plan = [
        "plan",
        "rehearsal.yaml",
        "--format",
        "html",
        "--out",
        "uat.plan",
    ];
    let page = stage.call(&plan).exits(0).stdout;
    assert_page_is_complete(&page);
    assert!(page.len() < 2_000_000, "{}", page.len());
    for part in [
        "<h1>Plan for Contoso UAT</h1>",
        "cannot be undone",
        "Window to plan",
        "forecast</span>",
        "A run may make other changes",
        "Not known yet",
        "delete provider 'BigCommerce'",
        "→ <ins>3f6d0c5a9b7e4d21a8c4e0f1b2a39d55</ins>",
        "iomcopy run rehearsal.yaml --plan uat.plan",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let both = [&plan[..4], &["--output", "json"]].concat();
    drop(stage.call(&both).exits(3));
    let detailed = stage
        .call(&["plan", "rehearsal.yaml", "-v"])
        .exits(0)
        .stdout;
    for part in [
        "\n  ! > copy 'Contoso Prod' onto 'Contoso UAT'\n",
        "\n  ! - delete provider 'BigCommerce'\n        installed: true → nothing\n",
        "\n    + install provider 'BigCommerce' from the library\n",
        ", forecast\n",
        "\nNot known yet:\n",
    ] {
        assert!(detailed.contains(part), "{part}\n{detailed}");
    }
}

/// Before a run has recorded the orchestrations, the graph is read with GET only.
fn graph_before_a_run(stage: &Stage) {
    let graph = ["graph", "rehearsal.yaml", "Demo Order Journey"];
    let now = stage.call(&graph).exits(0);
    assert!(
        now.stdout.contains("subgraph s0 [\"Now\"]"),
        "{}",
        now.stdout
    );
    assert!(now.stdout.contains("● old action<br/>"), "{}", now.stdout);
    assert!(now.stderr.contains("as it is now"), "{}", now.stderr);
    assert!(
        stage.in_process_world().writes().is_empty(),
        "it only reads"
    );
}

/// After a run, the graph has every stage, and a wrong name gets suggestions.
fn graph_after_a_run(stage: &Stage) {
    let graph = [
        "graph",
        "rehearsal.yaml",
        "manual orders - draft (do not use)",
    ];
    let mermaid = stage.call(&graph).exits(0).stdout;
    for part in [
        "flowchart LR\n",
        "\n  s0 ~~~ s1 ~~~ s2\n",
        "subgraph s0 [\"Before\"]",
        "subgraph s1 [\"Detached\"]",
        "subgraph s2 [\"After\"]",
        "● old action<br/>",
        "○ no action\"]:::empty",
        "★ new action<br/>",
        "! dangling<br/>",
    ] {
        assert!(mermaid.contains(part), "{part}\n{mermaid}");
    }
    let svg = stage
        .call(&[&graph[..], &["--format", "svg"]].concat())
        .exits(0)
        .stdout;
    assert!(svg.starts_with("<svg xmlns="), "{svg}");
    assert!(
        svg.contains("★ new action") && svg.contains("class=\"tile dangling\""),
        "{svg}"
    );
    let unchanged = stage
        .call(&["graph", "rehearsal.yaml", "Test Order flow sample"])
        .exits(0);
    assert!(
        unchanged.stdout.contains("subgraph s0 [\"As recorded\"]"),
        "{}",
        unchanged.stdout
    );
    let written = document(
        stage,
        "graph",
        &["graph", "rehearsal.yaml", "Returns - FedEx"],
        0,
    );
    assert_eq!(
        written["stages"],
        serde_json::json!(["Before", "Detached", "After"])
    );
    let wrong = stage
        .call(&["graph", "rehearsal.yaml", "Return - FedEx"])
        .exits(3);
    let advice = "did you mean 'Returns - FedEx'? orchestrations: ";
    assert!(wrong.stderr.contains(advice), "{}", wrong.stderr);
}

#[test]
fn a_finished_run_is_reported_in_every_format() {
    let stage = Stage::new();
    let run = stage.run().exits(0);
    let before = std::fs::read(stage.state()).expect("the state file is there");

    let reported = json(&stage);
    assert_eq!(reported["state"], "finished");
    assert_eq!(reported["run"]["target"]["name"], "Contoso UAT");
    assert_eq!(
        reported["run"]["source"],
        "11111111-1111-1111-1111-111111111111"
    );
    assert!(
        reported["run"]["finished"].is_string(),
        "{}",
        reported["run"]
    );
    assert_eq!(reported["confirmations"][0]["who"], "tester");
    assert_eq!(reported["confirmations"][0]["how"], "--confirm-target");
    assert_eq!(reported["processes"][0]["ending"]["exit"], 0);
    assert_eq!(reported["next"], "iomcopy verify rehearsal.yaml");
    let steps = reported["steps"].as_array().expect("the steps are a list");
    let changes = |step: &Value| step["changes"].as_array().map_or(0, Vec::len);
    for step in steps {
        assert_eq!(
            step["changes-done"].as_u64(),
            Some(changes(step) as u64),
            "{step}"
        );
        for change in step["changes"].as_array().into_iter().flatten() {
            assert_eq!(change["result"], "done", "{change}");
        }
    }
    let all: usize = steps.iter().map(changes).sum();
    assert!(all > 150, "{all}");
    // The figures are those of the end of the run.
    let figures = &reported["figures"];
    let line = format!(
        "{} of {} slots restored to new provider actions",
        figures["slots-restored"], figures["slots-recorded"]
    );
    assert!(run.stdout.contains(&line), "{line}\n{}", run.stdout);
    let off = figures["flows-off"].as_array().map_or(0, Vec::len);
    let line = format!(
        "{} cloud flows turned on, {off} left off",
        figures["flows-on"]
    );
    assert!(run.stdout.contains(&line), "{line}\n{}", run.stdout);
    let dangling = figures["dangling"][0].as_str().expect("one slot dangles");
    let found = reported["findings"].as_array().expect("a list");
    assert!(
        found
            .iter()
            .any(|it| it.as_str().is_some_and(|it| it.ends_with(dangling))),
        "{found:?}"
    );

    let markdown = report(&stage, "markdown");
    assert_eq!(
        stage.call(&REPORT).exits(0).stdout,
        markdown,
        "it is the usual form"
    );
    assert_tables_are_complete(&markdown);
    let html = report(&stage, "html");
    assert_page_is_complete(&html);
    for drawn in [
        "● old action",
        "○ no action",
        "★ new action",
        "! dangling",
        "Operations at the service",
        "operation at the service",
        "msdyn_iom_bigcommerce",
    ] {
        assert!(html.contains(drawn), "{drawn}");
    }
    assert!(html.len() < 2_000_000, "{}", html.len());
    let change = "→ <ins>3f6d0c5a9b7e4d21a8c4e0f1b2a39d55</ins>";
    assert!(html.contains(change), "each change has its values");
    let published = figures["published"][0].as_str().expect("one is published");
    for text in [&markdown, &html] {
        for fact in [
            "Refresh of Contoso UAT",
            "finished",
            "reinstall-providers",
            "delete provider 'BigCommerce'",
            "off in the source",
            published,
            "rehearsal.iomcopy.jsonl",
        ] {
            assert!(text.contains(fact), "{fact}\n{text}");
        }
    }
    let junit = Junit::read(&report(&stage, "junit"));
    // One for each step, and one for the surfaces.
    assert_eq!(junit.suites.len(), 9);
    assert_eq!(junit.timestamps, 8, "each step, not the list of surfaces");
    assert!(junit.of("testcase") >= all);
    assert_eq!(junit.of("failure"), 0);
    assert_eq!(
        std::fs::read(stage.state()).ok(),
        Some(before),
        "a report only reads"
    );

    graph_after_a_run(&stage);
    let follow = ["report", "rehearsal.yaml", "--follow", "night.html"];
    let complete = stage.call(&follow).exits(0);
    assert!(
        complete.stderr.contains("night.html is complete"),
        "{}",
        complete.stderr
    );
    let page = std::fs::read_to_string(stage.path("night.html")).expect("the page is there");
    assert_eq!(
        page, html,
        "the run has ended: the page does not load itself again"
    );

    // One provider is reinstalled: the others' actions exist, and no slot with one of them dangles.
    let again = [
        "run",
        "rehearsal.yaml",
        "--again",
        "reinstall-providers",
        "--provider",
        "msdyn_bigcommerce",
        "--confirm-target",
        "Contoso UAT",
    ];
    drop(stage.call(&again).exits(0));
    let after = json(&stage);
    assert_eq!(after["figures"]["dangling"], figures["dangling"]);
    assert_eq!(after["figures"]["providers"], figures["providers"]);
}

#[test]
fn a_waiting_run_shows_its_task_and_the_report_shows_a_waiver() {
    let stage = Stage::new();
    stage.write_runbook(&by_hand(&runbook_text()));
    let waits = stage.run().exits(10);
    let task = "reconfigure-connections/activate-system";
    let reported = json(&stage);
    assert!(waits.stderr.contains(task), "{}", waits.stderr);
    assert_eq!(reported["state"], "waiting");
    assert_eq!(reported["tasks"][0]["task"], task);
    assert_eq!(reported["tasks"][0]["state"], "waiting");
    assert_eq!(reported["next"], "iomcopy run rehearsal.yaml");
    let instruction = reported["tasks"][0]["instructions"][0]
        .as_str()
        .expect("a line");
    let markdown = report(&stage, "markdown");
    assert_tables_are_complete(&markdown);
    assert!(markdown.contains("waits for a person"), "{markdown}");
    assert!(
        markdown.contains(&format!("### To do: `{task}`")),
        "{markdown}"
    );
    let html = report(&stage, "html");
    assert_page_is_complete(&html);
    assert!(html.contains("To do") && html.contains(task), "{html}");
    let boxes = reported["tasks"][0]["things"]
        .as_array()
        .map_or(0, Vec::len);
    assert_eq!(boxes, 1, "a box for each thing");
    assert_eq!(html.matches("type=\"checkbox\"").count(), boxes, "{html}");
    let sheets = report(&stage, "worksheets");
    assert!(sheets.contains(&format!("## To do: `{task}`")), "{sheets}");
    assert_eq!(sheets.matches("\n- [ ] ").count(), boxes, "{sheets}");
    let xml = report(&stage, "junit");
    let junit = Junit::read(&xml);
    assert!(junit.of("skipped") > 0 && junit.of("failure") == 0, "{xml}");
    let words: Vec<&str> = instruction.split(' ').take(2).collect();
    assert!(xml.contains(&words.join(" ")), "{instruction}\n{xml}");

    // The report shows who waived the evidence and why, with any characters in the reason.
    let reason = "pressed by <A|B> & \"C\" ##vso[task.complete]";
    let waive = ["complete", "rehearsal.yaml", task, "--waive", reason];
    let waived = stage.call(&waive).exits(0);
    assert!(waived.stdout.starts_with("waived: "), "{}", waived.stdout);
    let reported = json(&stage);
    let waived = &reported["tasks"][0];
    assert_eq!(waived["state"], "waived");
    assert_eq!(waived["waived"], reason);
    assert_eq!(waived["who"], "tester");
    let markdown = report(&stage, "markdown");
    assert_tables_are_complete(&markdown);
    let cell = "pressed by &lt;A\\|B&gt; &amp; \"C\" &#35;&#35;vso\\[task.complete\\]";
    assert!(markdown.contains(cell), "{markdown}");
    let html = report(&stage, "html");
    assert_page_is_complete(&html);
    assert!(html.contains("pressed by &lt;A|B&gt; &amp; "), "{html}");
    assert!(!html.contains("type=\"checkbox\""), "{html}");
    let sheets = report(&stage, "worksheets");
    assert!(sheets.contains(&format!("## Waived: `{task}`")), "{sheets}");
    assert!(!sheets.contains("[x]"), "nothing was proved: {sheets}");
    let xml = report(&stage, "junit");
    drop(Junit::read(&xml));
    for text in [&markdown, &html, &xml] {
        assert!(!text.contains("##vso["), "{text}");
    }
}

#[test]
fn a_failed_run_shows_its_failure_with_message_and_help() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&["fail:POST *Copy*", "fail:POST *copy*"]);
    let run = stage.run();
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    let reported = json(&stage);
    assert_eq!(reported["state"], "failed");
    let failure = &reported["failures"][0];
    assert_eq!(failure["step"], "copy-environments");
    let message = failure["message"].as_str().expect("a message");
    assert!(run.stderr.contains(message), "{message}\n{}", run.stderr);
    let changes = reported["steps"][0]["changes"].as_array().expect("a list");
    assert!(
        changes.iter().any(|change| change["result"] == "failed"),
        "{changes:#?}"
    );
    let markdown = report(&stage, "markdown");
    assert_tables_are_complete(&markdown);
    assert!(markdown.contains("## What stopped it"), "{markdown}");
    let html = report(&stage, "html");
    assert_page_is_complete(&html);
    assert!(html.contains("What stopped it"), "{html}");
    let junit = Junit::read(&report(&stage, "junit"));
    assert!(junit.of("failure") >= 1);
    assert_eq!(junit.suites.len(), 8);
}

#[test]
fn an_active_run_is_reported_with_its_progress_so_far() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&["hold#1:POST *copy*", "hold#1:POST *Copy*"]);
    let mut child = stage.start();
    let begun = stage.wait_for(&mut child, |record| record["type"] == "step-began");
    assert!(begun);
    let reported = json(&stage);
    assert_eq!(reported["state"], "running");
    assert!(
        reported["condition"]
            .as_str()
            .is_some_and(|it| it.contains("running by process"))
    );
    assert_eq!(reported["figures"], Value::Null);
    drop(Junit::read(&report(&stage, "junit")));
    // A page that is kept current says how to load it again until the run's process ends.
    let mut follow = stage
        .command(&["report", "rehearsal.yaml", "--follow", "night.html"])
        .spawn()
        .expect("the program can be started");
    let page = || std::fs::read_to_string(stage.path("night.html")).unwrap_or_default();
    let is_current = |page: &str| page.contains(">load it again</a>");
    while !is_current(&page()) {
        assert!(
            follow.try_wait().expect("it can be asked").is_none(),
            "{}",
            page()
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().expect("it can be killed");
    child.wait().expect("it has ended");
    assert!(follow.wait().expect("it ends with the run").success());
    assert_page_is_complete(&page());
    assert!(!is_current(&page()), "{}", page());
    assert_eq!(json(&stage)["processes"][0]["ending"], Value::Null);
}
