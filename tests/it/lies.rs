//! Writes that are accepted and ignored: the step fails and names the object; nothing claims
//! success.

use crate::harness::Stage;

fn lied_to(fault: &str, named: &str) {
    lied_to_and_exits(fault, named, 1);
}

fn lied_to_and_exits(fault: &str, named: &str, code: i32) {
    let stage = Stage::new();
    let _tenant = stage.tenant(&[&format!("accept-and-ignore:{fault}")]);
    let answer = stage.run().exits(code);
    assert!(answer.stderr.contains(named), "{fault}: {}", answer.stderr);
    assert!(
        !stage
            .records()
            .iter()
            .any(|record| record["type"] == "finished")
    );
}

#[test]
fn an_ignored_copy_is_seen() {
    // The service has accepted it and does not know its operation: that proves nothing, so it stays open.
    lied_to_and_exits("POST */copy", "Contoso UAT", 75);
}

#[test]
fn an_ignored_end_of_administration_mode_is_seen() {
    lied_to("PATCH */environments/*", "administration mode");
}

#[test]
fn ignored_rows_are_seen_by_name() {
    for (fault, named) in [
        (
            "PATCH */connectionreferences(*",
            "wire connection reference",
        ),
        (
            "PATCH */msdyn_iomplatformconnectionreferences(*",
            "system connection reference",
        ),
        (
            "POST *ActivateSystem",
            "activate the Intelligent Order Management system",
        ),
        ("PATCH */workflows(*", "turn on cloud flow"),
        ("PATCH */msdyn_iomdesigners(*", "orchestration"),
        ("PATCH */msdyn_iomproviders(*", "deactivate provider"),
        ("DELETE */msdyn_iomproviders(*", "delete provider"),
        ("POST *InstallProvider", "install provider"),
        ("PATCH */msdyn_iomproviderparameters(*", "parameter"),
        ("PATCH */msdyn_iomproviderconnectionreferences(*", "connect"),
        ("POST *ActivateProvider", "activate the new provider"),
        ("POST *PublishPolicy", "publish policy"),
        ("POST *PublishOrchestration", "publish orchestration"),
    ] {
        lied_to(fault, named);
    }
}
