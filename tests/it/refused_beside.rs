//! A change that a person can make, refused in a phase in which other changes are refused as well.

use serde_json::Value;

use crate::harness::Stage;

const TASK: &str = "reconfigure-connections/connection-references";

/// The reference of a custom connector, which a person can connect.
const REFERENCE: &str = "'msdyn_iom_crfff-5frequestbin-5f3d1c9a7e'";

/// A missing permission is tried again by each run, and a data policy is not: both times the change
/// is handed out by the second run, and the others stay failures, which decide the exit code.
#[test]
fn a_refused_change_is_handed_out_while_others_of_its_phase_fail() {
    for (refusal, code) in [("403/0x80040220", 4), ("400/0x80060467", 1)] {
        let stage = Stage::new();
        let _tenant = stage.whole_tenant(&[
            "--fault",
            &format!("refuse={refusal}:PATCH *connectionreferences*"),
        ]);
        let first = stage.run().exits(code);
        assert!(
            first.stderr.contains("it becomes a manual task"),
            "{}",
            first.stderr
        );
        for _ in 0..2 {
            let output = stage.run().exits(code);
            let (_, end) = output.stderr.split_once("\nerror: ").unwrap();
            // Two phases fail, each for one cause, whose help is there once.
            assert_eq!(end.matches("\n      help for these").count(), 2, "{end}");
            assert!(!end.contains("request id"), "{end}");
            let (_, waits) = end.split_once("also waits for a person:").unwrap();
            for part in [TASK, REFERENCE, "iomcopy complete rehearsal.yaml"] {
                assert!(waits.contains(part), "{part}: {waits}");
            }
            let next = "next: correct what failed and do what the worksheet says, then";
            assert!(output.stdout.contains(next), "{}", output.stdout);
            assert!(output.stderr.contains(&format!("Manual task {TASK}")));
        }
        let status = stage.call(&[
            "status",
            "rehearsal.yaml",
            "--output",
            "json",
            "--exit-code",
        ]);
        let status: Value = serde_json::from_str(&status.exits(code).stdout).unwrap();
        assert_eq!(status["waiting"][0], TASK, "{status:#}");
        assert_eq!(status["state"], "failed");
        assert_eq!(
            status["failures"].as_array().map(Vec::len),
            Some(18),
            "each by itself"
        );
        let status = stage.call(&["status", "rehearsal.yaml"]).exits(0).stdout;
        assert_eq!(status.matches("\nfailed: ").count(), 2, "{status}");
        let sheets = ["report", "rehearsal.yaml", "--format", "worksheets"];
        let sheets = stage.call(&sheets).exits(0).stdout;
        assert!(sheets.contains(&format!("To do: `{TASK}`")), "{sheets}");
    }
}
