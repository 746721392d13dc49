//! The whole world: twelve providers, seven orchestrations in four dialects, and what goes wrong at
//! first.

use std::fs;
use std::path::Path;

use crate::harness::{Stage, with_endpoints};

#[test]
fn the_whole_tenant_ends_right() {
    let stage = Stage::new();
    let tenant = stage.tenant_with(&["--seed", "whole"]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runbooks/whole/rehearsal.yaml");
    let text = fs::read_to_string(path).expect("the runbook can be read");
    stage.write_runbook(&with_endpoints(&text, &tenant.endpoints));
    let run = stage.run().exits(0);
    assert!(
        run.stdout.contains("24 of 25 slots restored"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("deadbeef-0000-4000-8000-000000000001"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("12 providers installed again"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("4 orchestrations published"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("3 drafts left as it was"),
        "{}",
        run.stdout
    );

    let world = stage.world();
    assert_eq!(world.rows("msdyn_iomprovider").len(), 12);
    assert_eq!(world.rows("msdyn_iomprovideraction").len(), 28);
    let orchestrations = world.rows("msdyn_iomdesigner");
    assert_eq!(
        orchestrations
            .iter()
            .filter(|row| row["statecode"] == 1)
            .count(),
        4
    );
    let old: Vec<&str> = world
        .rows_of("source", "msdyn_iomprovideraction")
        .iter()
        .filter_map(|row| row["msdyn_iomprovideractionid"].as_str())
        .collect();
    for row in &orchestrations {
        let graph = row["msdyn_graph"]
            .as_str()
            .unwrap_or_default()
            .to_lowercase();
        assert!(
            !old.iter().any(|id| graph.contains(id)),
            "no old action is left: {graph}"
        );
    }
    let dangling = orchestrations
        .iter()
        .filter(|row| row["msdyn_graph"].to_string().contains("deadbeef"));
    assert_eq!(dangling.count(), 1, "the dangling one is untouched");

    let again = stage.call(&["run", "rehearsal.yaml"]).exits(0);
    assert!(
        again.stdout.contains("nothing is left to do"),
        "{}",
        again.stdout
    );
}

#[test]
fn one_provider_of_a_finished_run_is_reinstalled_again() {
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
    crate::thin_line::the_world_is_right(&stage.world());
    let world = stage.world();
    assert_eq!(world.heard("DELETE", "msdyn_iomproviders("), 2);
}
