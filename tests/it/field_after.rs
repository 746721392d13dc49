//! One run for each refusal that the tenant can give after the copy: preflight finds the cause, or
//! the run names the refusal; a permanent refusal is tried once; nothing is deleted before it.
//!
//! The whole table: `IOMCOPY_CAMPAIGN=full cargo test --test it field_after -- --nocapture`.

use std::collections::BTreeMap;

use crate::harness::{Stage, World, sample};

/// A refusal, and what the run shows of it.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// The fault.
    fault: &'static str,
    /// The part of the output that tells the cause or the remedy.
    remedy: &'static str,
    /// Whether the step comes before the deletion of providers, or protects it.
    deletes_nothing: bool,
}

const POLICY: &str = "refuse=403/0x80060467/DlpViolation:PATCH */workflows(*";

const CASES: [Case; 7] = [
    Case {
        fault: "refuse=400/InsufficientCapacity_StorageDriven:POST */copy",
        remedy: "InsufficientCapacity_StorageDriven",
        deletes_nothing: true,
    },
    Case {
        fault: "refuse=400/0x80072042:PATCH */connectionreferences(*",
        remedy: "blocks unmanaged customizations",
        deletes_nothing: true,
    },
    Case {
        fault: "refuse=403/0x80095ffe:PATCH */connectionreferences(*",
        remedy: "IP firewall",
        deletes_nothing: true,
    },
    Case {
        fault: POLICY,
        remedy: "polic",
        deletes_nothing: false,
    },
    Case {
        fault: "refuse=403/0x80040220:PATCH */msdyn_iomdesigners(*",
        remedy: "lack a privilege",
        deletes_nothing: true,
    },
    Case {
        fault: "refuse=403/0x80040220:DELETE */msdyn_iomproviders(*",
        remedy: "lack a privilege",
        deletes_nothing: true,
    },
    Case {
        fault: "refuse=403/0x80040220:POST */msdyn_iomproviders",
        remedy: "lack a privilege",
        deletes_nothing: false,
    },
];

/// The largest number of times that one refused request was sent.
fn attempts(world: &World) -> usize {
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for request in &world.requests {
        if request.get("fault").is_some() {
            let address = format!("{} {}", request["method"], request["path"]);
            *counted.entry(address).or_default() += 1;
        }
    }
    counted.into_values().max().unwrap_or_default()
}

/// The successful deletions in Dataverse.
fn deletions(world: &World) -> usize {
    let is_deletion = |request: &&serde_json::Value| {
        let status = request["status"].as_u64().unwrap_or_default();
        request["method"] == "DELETE" && status < 400
    };
    world.requests.iter().filter(is_deletion).count()
}

#[test]
fn a_refusal_after_the_copy_is_named_and_tried_once() {
    let mut wrong = Vec::new();
    println!("refusal | exit | attempts | deletions | cause or remedy shown");
    for case in sample(&CASES, 3) {
        let stage = Stage::new();
        let _tenant = stage.tenant(&[case.fault]);
        let answer = stage.run();
        let world = stage.world();
        let output = format!("{}{}", answer.stdout, answer.stderr);
        let (attempts, deletions) = (attempts(&world), deletions(&world));
        let is_named = output.contains(case.remedy);
        let line = format!(
            "{} | {:?} | {attempts} | {deletions} | {is_named}",
            case.fault, answer.code
        );
        println!("{line}");
        let is_right = answer.code != Some(0)
            && attempts == 1
            && is_named
            && (deletions == 0 || !case.deletes_nothing);
        if !is_right {
            wrong.push(format!("{line}\n{output}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
