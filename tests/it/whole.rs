//! The whole world: twelve providers, seven orchestrations in four dialects, and what goes wrong at
//! first.

use crate::harness::Stage;
use crate::whole_world::the_whole_world_is_right;

#[test]
fn the_whole_tenant_ends_right() {
    let stage = Stage::new();
    let run = stage.run().exits(0);
    for told in [
        "24 of 25 slots restored",
        "deadbeef-0000-4000-8000-000000000001",
        "12 providers installed again",
        "4 orchestrations published",
        "3 drafts left as they were",
    ] {
        assert!(run.stdout.contains(told), "{told}: {}", run.stdout);
    }
    let world = stage.own_world();
    the_whole_world_is_right(&world);
    let writes = world.writes().len();
    let again = stage.call(&["run", "rehearsal.yaml"]).exits(0);
    assert!(
        again.stdout.contains("nothing is left to do"),
        "{}",
        again.stdout
    );
    assert_eq!(stage.own_world().writes().len(), writes, "only reads");
    drop(stage.call(&["verify", "rehearsal.yaml"]).exits(0));
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
