//! The whole world, end to end: twelve providers, seven orchestrations in four dialects, and
//! requests that fail at first.

use std::fs;

use crate::harness::{Stage, runbook_text};
use crate::whole_world::assert_whole_tenant_is_refreshed;
use crate::{contained_settings, containment, production_calls, request_counts};

/// One long run: several modules check parts of its result.
#[test]
fn the_whole_tenant_is_refreshed_correctly() {
    let stage = Stage::new();
    contained_settings::assert_forecast(&stage);
    let run = stage.run().exits(0);
    for expected in [
        "24 of 25 slots restored",
        "deadbeef-0000-4000-8000-000000000001",
        "12 providers reinstalled",
        "4 orchestrations published",
        "3 drafts left unchanged",
    ] {
        assert!(run.stdout.contains(expected), "{expected}: {}", run.stdout);
    }
    let world = stage.in_process_world();
    assert_whole_tenant_is_refreshed(&world);
    request_counts::assert_reinstallation_reads_little(&world);
    request_counts::assert_waiting_reads_little(&world);
    contained_settings::assert_nothing_of_production(&run, &world);
    production_calls::assert_nothing_calls_production(&stage, &run, &world);
    containment::assert_everything_is_closed(&stage, &run);
    let writes = stage.in_process_world().writes().len();
    let again = stage.call(&["run", "rehearsal.yaml"]).exits(0);
    assert!(
        again.stdout.contains("nothing is left to do"),
        "{}",
        again.stdout
    );
    assert_eq!(
        stage.in_process_world().writes().len(),
        writes,
        "only reads"
    );
    contained_settings::assert_unset_is_named(&stage);
    containment::assert_what_a_person_opens_is_named(&stage);
}

/// The names in a tenant whose tables, columns and entity sets all have other names. An operator
/// finds them and writes them into the requests; the program finds the rest by metadata.
const OTHER_NAMES: [(&str, &str); 14] = [
    (
        "msdyn_iomplatformconnectionreferences",
        "new_omplatformwirings",
    ),
    (
        "msdyn_iomproviderconnectionreferences",
        "new_omvendorwirings",
    ),
    ("msdyn_iomprovidertransformations", "new_omvendorrecipes"),
    ("msdyn_iomproviderparameters", "new_omvendorsettings"),
    ("msdyn_iomwarehousemappings", "new_omdepotmappings"),
    ("msdyn_iomdesigners", "new_omcanvass"),
    ("msdyn_iomproviders", "new_omvendors"),
    ("msdyn_iompolicies", "new_omguidelines"),
    ("\"msdyn_connectionurl\"", "\"new_connectionurl\""),
    ("\"msdyn_transformation\"", "\"new_recipe\""),
    ("\"msdyn_ProviderId@", "\"new_Vendorid@"),
    ("\"msdyn_graph\"", "\"new_drawing\""),
    ("\"msdyn_value\"", "\"new_value\""),
    ("\"msdyn_name\"", "\"new_title\""),
];

#[test]
fn a_tenant_with_other_names_is_refreshed_to_the_same_end() {
    let text = OTHER_NAMES
        .iter()
        .fold(runbook_text(), |text, (usual, other)| {
            assert!(text.contains(usual), "{usual}");
            text.replace(usual, other)
        });
    let stage = Stage::new();
    let _tenant = stage.start_tenant(&text, &["--table-names", "renamed"]);
    drop(stage.run().exits(0));
    let world = stage.world();
    let usual = world.requests.iter().filter(|request| {
        let path = request["path"].as_str().unwrap_or_default();
        request["status"] != 404 && path.contains("msdyn_iom")
    });
    assert_eq!(usual.count(), 0, "no usual name was of any use");
    assert_whole_tenant_is_refreshed(&world);
}

#[test]
fn a_missing_capture_stops_the_run_before_anything_is_deleted() {
    let stage = Stage::new();
    let _tenant = stage.whole_tenant(&[]);
    let until = |step: &str| {
        stage.call(&[
            "run",
            "rehearsal.yaml",
            "--confirm-target",
            "Contoso UAT",
            "--until",
            step,
        ])
    };
    drop(until("detach-provider-actions").exits(0));
    let whole = fs::read_to_string(stage.state()).expect("the state file can be read");
    for kept in [
        "source/orchestration/",
        "orchestration/",
        "target/provider-parameter/",
    ] {
        let damaged: Vec<String> = whole
            .lines()
            .map(|line| {
                let is_it =
                    line.contains("\"captured\"") && line.contains(&format!("\"key\":\"{kept}"));
                let end = if is_it { line.len() / 2 } else { line.len() };
                line[..end].to_owned()
            })
            .collect();
        assert!(damaged.iter().any(|line| !line.ends_with('}')), "{kept}");
        fs::write(stage.state(), damaged.join("\n") + "\n").expect("it can be damaged");
        let refused = stage.run();
        assert_ne!(refused.code, Some(0), "{}", refused.stdout);
        assert!(
            refused.stderr.contains("iomcopy state check"),
            "{}",
            refused.stderr
        );
        let world = stage.world();
        assert_eq!(world.count_successful("DELETE", "msdyn_iomproviders("), 0);
    }
    // With the original file, the run resumes.
    fs::write(stage.state(), whole).expect("it can be mended");
    drop(stage.run().exits(0));
    assert_whole_tenant_is_refreshed(&stage.world());
}

#[test]
fn one_provider_of_a_finished_run_can_be_reinstalled_again() {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[]);
    drop(stage.run().exits(0));
    let id = |stage: &Stage| {
        let world = stage.world();
        world.rows("msdyn_iomprovider")[0]["msdyn_iomproviderid"].to_string()
    };
    let first = id(&stage);
    let arguments = [
        "run",
        "rehearsal.yaml",
        "--again",
        "reinstall-providers",
        "--provider",
        "msdyn_bigcommerce",
        "--confirm-target",
        "Contoso UAT",
    ];
    drop(stage.call(&arguments).exits(0));
    assert_ne!(id(&stage), first, "it is a new instance");
    crate::thin_run::assert_world_is_refreshed(&stage.world());
    let world = stage.world();
    assert_eq!(world.count_successful("DELETE", "msdyn_iomproviders("), 2);
}
