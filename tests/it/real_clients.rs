//! Two client libraries that other people wrote, against the rehearsal tenant: Microsoft's
//! `PowerPlatform-Dataverse-Client` 1.1.0 over TLS, and `dataverse-api` 1.4.3. They read, write and send
//! batches, so they show that the tenant's Dataverse is not what our own client expects only.
//!
//! They need Python packages, so the tests run only when asked: `.ci/run` installs
//! `tests/clients/requirements.txt` and sets `IOMCOPY_CLIENTS_PYTHON` to that Python.

use std::env;
use std::path::Path;
use std::process::Command;

use iomcopy::rehearsal::{CLIENT, SECRET, TENANT};

use crate::harness::{Stage, runbook_text};

/// Runs a script of `tests/clients` against the source's Dataverse; returns its output.
fn run(script: &str, tenant: &[&str]) -> String {
    let python = env::var("IOMCOPY_CLIENTS_PYTHON");
    let python =
        python.expect("IOMCOPY_CLIENTS_PYTHON is a Python with tests/clients/requirements.txt");
    let stage = Stage::new();
    // At the usual speed of the tests, a token lasts only a second of real time.
    let _tenant = stage.tenant_at(1, &runbook_text(), tenant);
    let scheme = if tenant.contains(&"--tls") {
        "https"
    } else {
        "http"
    };
    let ports = stage.world().objects["ports"].clone();
    let origin = |listener: &str| format!("{scheme}://127.0.0.1:{}", ports[listener]);
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let output = Command::new(python)
        .arg(scripts.join(script))
        .args([origin("authority"), origin("dataverse-source")])
        .env_clear()
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("REQUESTS_CA_BUNDLE", stage.path("world.pem"))
        .env("NO_PROXY", "127.0.0.1")
        .envs([("TENANT", TENANT), ("CLIENT", CLIENT), ("SECRET", SECRET)])
        .output()
        .expect("Python can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    text
}

/// Fails unless the output has a line for each part of the script.
fn expect_parts(output: &str, parts: &[&str]) {
    for part in parts {
        let line = format!("{part} passed");
        assert!(output.contains(&line), "{part}: {output}");
    }
}

#[test]
#[ignore = "needs Python packages; .ci/run installs them"]
fn microsofts_python_client_reads_writes_and_sends_batches_over_tls() {
    let output = run("powerplatform_dataverse_client.py", &["--tls"]);
    expect_parts(&output, &["reads", "writes", "batches"]);
}

#[test]
#[ignore = "needs Python packages; .ci/run installs them"]
fn dataverse_api_reads_writes_and_sends_batches() {
    let output = run("dataverse_api_client.py", &[]);
    expect_parts(&output, &["reads", "writes", "errors"]);
}
