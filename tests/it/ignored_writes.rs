//! Writes that the service accepts and ignores: the step fails and names the object, and nothing
//! reports success.

use crate::harness::{Stage, sample};

fn assert_ignored_write_fails(fault: &str, named: &str) {
    assert_ignored_write_exits(fault, named, 1);
}

fn assert_ignored_write_exits(fault: &str, named: &str, code: i32) {
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
fn an_ignored_copy_is_detected() {
    // The service accepted the copy and does not know its operation: a person confirms a second one.
    assert_ignored_write_exits("POST */copy", "confirm that it may be sent again", 11);
}

#[test]
fn an_ignored_end_of_administration_mode_is_detected() {
    assert_ignored_write_fails("PATCH */environments/*", "administration mode");
}

#[test]
fn ignored_row_writes_are_detected_and_named() {
    let cases = [
        (
            "PATCH */connectionreferences(*",
            "connect connection reference",
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
    ];
    for (fault, named) in sample(&cases, 3) {
        assert_ignored_write_fails(fault, named);
    }
}
