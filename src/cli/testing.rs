//! What the unit tests of the commands share.

use std::collections::BTreeMap;

use crate::base::clock::Clock;
use crate::journal::{Began, FORMAT, Pinned, PinnedTarget};
use crate::report::{self, FleetRun};
use crate::runbook::{self, Runbook};

/// A small runbook of a cloud, with more lines before its steps.
pub(super) fn runbook(cloud: &str, lines: &str) -> Runbook {
    let text = runbook_text(cloud, lines);
    runbook::parse("test.yaml", &text).unwrap_or_else(|error| panic!("{error}"))
}

/// The text of that runbook.
pub(super) fn runbook_text(cloud: &str, lines: &str) -> String {
    format!(
        "runbook: 1\nname: test\ncloud: {cloud}\n\
         identity:\n  tenant: contoso.onmicrosoft.com\n  default: {{ azure-cli: {{}} }}\n\
         source: {{ environment: 11111111-1111-1111-1111-111111111111 }}\n\
         target: {{ environment: 22222222-2222-2222-2222-222222222222, name: UAT }}\n{lines}\
         steps:\n  - copy-environments: {{}}\n  - exit-administration-mode: {{}}\n  \
         - reconfigure-connections: {{ skip: test }}\n  - activate-flows: {{}}\n  \
         - detach-provider-actions: {{}}\n  - reinstall-providers: {{}}\n  \
         - restore-provider-actions: {{}}\n  - reconfigure-dual-write: {{}}\n"
    )
}

/// The first record of a run for the target UAT.
pub(super) fn began() -> Began {
    Began {
        format: FORMAT,
        program: "0.1.0".to_owned(),
        runbook: "uat".to_owned(),
        runbook_digest: "aa".to_owned(),
        runbook_meaning: None,
        pinned: Pinned {
            tenant: "contoso".to_owned(),
            cloud: "public".to_owned(),
            source: None,
            target: PinnedTarget {
                environment: "2222".to_owned(),
                name: "UAT".to_owned(),
                url: None,
                organization: None,
                unique_name: None,
            },
            lcs: None,
        },
        origins: BTreeMap::new(),
    }
}

/// The document of a fleet of these runs.
pub(super) fn fleet_json(runs: Vec<FleetRun>) -> serde_json::Value {
    let fleet = report::fleet(runs, Clock::new(1.0).time_of_day());
    serde_json::from_str(&fleet.json()).unwrap()
}
