//! `preflight` and `verify` against the rehearsal tenant: each trouble is named, a run stops before
//! the copy, nothing but reads is sent.

use serde_json::Value;

use crate::harness::{Answer, Stage, runbook_text};

/// A runbook with seven mistakes that only the tenant can show.
fn troubled() -> String {
    let owner = "  - reconfigure-connections:\n      owner: { user: nobody@contoso.com }\n      connections:\n        shared_nowhere: \"0000000000000000000000000000dead\"\n        shared_bigcommerce: \"91ab7c3e52d84f60b1f7d9c8e6a4b3f0\"\n";
    let flows = "  - activate-flows: { except: [\"Nothing is called so *\"] }\n";
    let providers = "  - reinstall-providers:\n      accept-terms: [msdyn_unheardof]\n      connections:\n        shared_bigcommerce: \"91ab7c3e52d84f60b1f7d9c8e6a4b3f0\"\n      parameters:\n        msdyn_bigcommerce:\n          msdyn_misspelled: { env: IOMCOPY_TEST_UNSET }\n";
    let text = runbook_text();
    let (head, _) = text
        .split_once("steps:\n")
        .expect("the runbook has its steps");
    format!(
        "{head}steps:\n  - copy-environments: {{}}\n  - exit-administration-mode: {{}}\n{owner}{flows}  \
         - detach-provider-actions: {{}}\n{providers}  - restore-provider-actions: {{}}\n  \
         - reconfigure-dual-write: {{}}\n"
    )
}

/// What each of the seven must be told by: a part of the question, and what is read.
const TROUBLES: [(&str, &str); 7] = [
    ("`owner`, user 'nobody@contoso.com'", "none of that name"),
    ("is in 'Contoso UAT'", "shared_nowhere"),
    (
        "system connection reference of the source",
        "add `shared_commondataserviceforapps:",
    ),
    ("every pattern of activate-flows", "Nothing is called so *"),
    ("`providers` and `accept-terms`", "msdyn_unheardof"),
    ("every secret of `parameters`", "IOMCOPY_TEST_UNSET"),
    ("every key of `parameters`", "msdyn_misspelled"),
];

fn probes(answer: &Answer) -> Vec<Value> {
    let document: Value = serde_json::from_str(&answer.stdout).expect("one JSON document");
    assert_eq!(document["v"], 1);
    document["probes"].as_array().cloned().unwrap_or_default()
}

fn text<'a>(probe: &'a Value, member: &str) -> &'a str {
    probe[member].as_str().unwrap_or_default()
}

#[test]
fn preflight_names_every_trouble_and_a_run_stops_before_the_copy() {
    let stage = Stage::new();
    stage.write_runbook(&troubled());
    let answer = stage
        .call(&["preflight", "rehearsal.yaml", "--output", "json"])
        .exits(3);
    let failed: Vec<Value> = probes(&answer)
        .into_iter()
        .filter(|probe| text(probe, "verdict") == "fail")
        .collect();
    for (probe, read) in TROUBLES {
        let named = failed.iter().any(|finding| {
            text(finding, "probe").contains(probe) && text(finding, "read").contains(read)
        });
        assert!(named, "{probe}: {read}\n{failed:#?}");
        assert!(
            failed
                .iter()
                .all(|finding| !text(finding, "remedy").is_empty())
        );
    }
    let answer = stage.run().exits(3);
    for (probe, _) in TROUBLES {
        assert!(answer.stderr.contains(probe), "{}", answer.stderr);
    }
    assert!(!stage.state().exists(), "no run has begun");
    assert!(stage.own_world().writes().is_empty());
}

#[test]
fn verify_passes_after_the_refresh_and_only_reads() {
    let stage = Stage::new();
    drop(stage.run().exits(0));
    let writes = stage.own_world().writes().len();
    let answer = stage
        .call(&["verify", "rehearsal.yaml", "--output", "json"])
        .exits(0);
    let steps = probes(&answer)
        .iter()
        .filter(|probe| {
            text(probe, "probe").starts_with("step ") && text(probe, "verdict") == "pass"
        })
        .count();
    assert_eq!(steps, 8, "{}", answer.stdout);
    assert_eq!(
        stage.own_world().writes().len(),
        writes,
        "verify only reads"
    );
}

#[test]
fn verify_names_what_a_run_that_was_stopped_has_left() {
    let stage = Stage::new();
    drop(
        stage
            .call(&[
                "run",
                "rehearsal.yaml",
                "--confirm-target",
                "Contoso UAT",
                "--until",
                "exit-administration-mode",
            ])
            .exits(0),
    );
    let answer = stage
        .call(&["verify", "rehearsal.yaml", "--output", "json"])
        .exits(1);
    let failed: Vec<String> = probes(&answer)
        .iter()
        .filter(|probe| text(probe, "verdict") == "fail")
        .map(|probe| text(probe, "probe").to_owned())
        .collect();
    for expected in [
        "step reconfigure-connections",
        "step activate-flows",
        "step reinstall-providers",
        "every platform flow",
        "no system connection reference names the source",
    ] {
        assert!(
            failed.iter().any(|probe| probe.contains(expected)),
            "{expected}: {failed:#?}"
        );
    }
}
