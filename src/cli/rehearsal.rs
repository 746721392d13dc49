//! `iomcopy rehearsal`: serves the rehearsal tenant in its own process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::common_arguments::Output;
use super::exit_code::DONE;
use super::session::Session;
use crate::base::files;
use crate::engine::{Failure, FailureKind};
use crate::rehearsal::{
    DualWrite, Endpoints, Fault, Management, Options, Rehearsal, Seed, TableNames, Variant, Volume,
};
use crate::report::{RehearsalDocument, RehearsalEndpoint, RehearsalEndpoints, Version, document};

/// The arguments of `rehearsal`.
#[derive(Debug, Args)]
pub(super) struct RehearsalArguments {
    /// The file with the content of the tenant; if it exists, the tenant continues from it
    #[arg(long, value_name = "FILE", default_value = "rehearsal.world.jsonl")]
    pub(super) world: PathBuf,
    /// Speed of the clock: N times real time
    #[arg(long, value_name = "N", default_value = "1")]
    pub(super) speed: f64,
    /// Content of a new world: thin (one thing of each kind) or whole
    #[arg(long, value_name = "SEED", default_value = "whole")]
    pub(super) seed: Seed,
    /// Names of IOM's tables and columns in a new world: usual, or renamed (to test `iom.tables`)
    #[arg(long, alias = "skin", value_name = "NAMES", default_value = "usual")]
    pub(super) table_names: TableNames,
    /// How a new world manages Finance and Operations: unified, or lcs-linked
    #[arg(long, alias = "target", value_name = "KIND", default_value = "unified")]
    pub(super) management: Management,
    /// Dual-write in a new world: on or off
    #[arg(long, value_name = "STATE", default_value = "off")]
    pub(super) dual_write: DualWrite,
    /// Cloud flows in a new world in addition to its seed, for measurements
    #[arg(long, value_name = "N", default_value = "0")]
    pub(super) flows: u32,
    /// Connection references in a new world in addition to its seed, for measurements
    #[arg(long, value_name = "N", default_value = "0")]
    pub(super) references: u32,
    /// Orchestrations in a new world in addition to its seed, every second one published, for
    /// measurements
    #[arg(long, value_name = "N", default_value = "0")]
    pub(super) orchestrations: u32,
    /// Environments that a new world has as targets, from 1 to 8: Contoso UAT, Contoso UAT 2, …
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(super) targets: u8,
    /// Delay every response by MS milliseconds, in real time
    #[arg(long, value_name = "MS", default_value = "0")]
    pub(super) latency: u64,
    /// Refuse requests beyond the documented limits of Dataverse for each user: 6,000 requests and
    /// 20 minutes of execution in 5 minutes of the tenant's time, and 52 requests at once
    #[arg(long)]
    pub(super) limits: bool,
    /// Serve a new world over TLS; the root certificate to trust is written next to the world file
    #[arg(long)]
    pub(super) tls: bool,
    /// Cause a fault in matching requests: 'KIND:METHOD PATH', where PATH may contain `*`, or
    /// 'KIND#N:METHOD PATH' for the Nth request only; may be repeated. Kinds of applied requests:
    /// hold (no response), lose (the connection ends before the response), garble (half a response),
    /// answer=STATUS (a response with this status). Kinds of requests that are not applied:
    /// accept-and-ignore (a success is reported), refuse=STATUS[/CODE[/INNER]], echo=STATUS (as
    /// refuse, and the response repeats the request), throttle (429), throttle=SECONDS and
    /// away=MINUTES (429, or no connection, for so long). Ends of a copy or another long operation:
    /// fail, roll-back, fail-to-roll-back, abort
    #[arg(long = "fault", value_name = "FAULT")]
    pub(super) faults: Vec<String>,
}

/// Serves the tenant until Ctrl-C. Once it listens, its first line on stdout is an `endpoints:` block
/// for a runbook.
pub(super) async fn rehearsal(
    session: &Session,
    arguments: &RehearsalArguments,
) -> Result<u8, Failure> {
    let faults = arguments
        .faults
        .iter()
        .map(|fault| {
            fault.parse::<Fault>().map_err(|error| {
                let message = format!("--fault '{fault}': {error}");
                Failure::new(FailureKind::InvalidInput, message)
            })
        })
        .collect::<Result<Vec<Fault>, Failure>>()?;
    let changed = last_changed(&arguments.world);
    let tenant = Rehearsal::start(options(arguments, faults))
        .await
        .map_err(|error| Failure::failed(format!("the rehearsal tenant did not start: {error}")))?;
    write_root_certificate(session, arguments, &tenant)?;
    let endpoints = tenant.endpoints();
    session.printer.data(&match session.output {
        Output::Human => endpoints.to_string(),
        Output::Json => document(&RehearsalDocument {
            v: Version,
            endpoints: endpoints_block(endpoints),
            world: arguments.world.display().to_string(),
        }),
    });
    let file = arguments.world.display().to_string();
    let origin = describe_origin(&file, tenant.continued_at(), changed);
    session.printer.info(&origin);
    session.printer.info("press Ctrl-C to stop");
    session.cancellation.wait_for_stop_request().await;
    tenant.stop().await;
    Ok(DONE)
}

/// How the tenant is started.
fn options(arguments: &RehearsalArguments, faults: Vec<Fault>) -> Options {
    Options {
        world: arguments.world.clone(),
        speed: arguments.speed,
        faults,
        seed: arguments.seed,
        table_names: arguments.table_names,
        variant: Variant {
            target: arguments.management,
            dual_write: arguments.dual_write,
        },
        volume: Volume {
            flows: arguments.flows,
            references: arguments.references,
            orchestrations: arguments.orchestrations,
            more_targets: arguments.targets.saturating_sub(1),
        },
        latency: Duration::from_millis(arguments.latency),
        limits: arguments.limits,
        tls: arguments.tls,
    }
}

/// When a file was last changed, if that can be read.
fn last_changed(path: &Path) -> Option<Timestamp> {
    let changed = std::fs::metadata(path).ok()?.modified().ok()?;
    Timestamp::try_from(changed).ok()
}

/// Says whether the world is new, or continues, and how to start over. Takes the file, the simulated
/// time at which it continues, and when the file was last changed before.
fn describe_origin(file: &str, continued_at: Option<&str>, changed: Option<Timestamp>) -> String {
    let Some(simulated) = continued_at else {
        return format!("world: {file}, new");
    };
    let changed = changed.map_or_else(String::new, |changed| {
        format!(", last changed {changed:.0}")
    });
    format!(
        "world: continues from {file}{changed}, at {simulated} of the tenant's time; what the flags say \
         about a new world has no effect; to start over, stop, delete that file and the state file of \
         the runbook that used it, and start again"
    )
}

/// Writes the root certificate of a tenant with TLS next to its world file, and shows how to trust it.
fn write_root_certificate(
    session: &Session,
    arguments: &RehearsalArguments,
    tenant: &Rehearsal,
) -> Result<(), Failure> {
    let Some(root) = tenant.root_certificate() else {
        return Ok(());
    };
    let path = arguments.world.with_extension("pem");
    // A world that is served again has the same root certificate.
    let is_same = |found: &[u8]| found == root.as_bytes();
    let kind = "this world's root certificate";
    files::write_output(&path, root.as_bytes(), kind, Some(&is_same)).map_err(|error| {
        let message = format!("the root certificate: {}: {error}", path.display());
        Failure::new(FailureKind::InvalidInput, message)
            .with_help("choose another world with --world, or move that file")
    })?;
    session.printer.info(&format!(
        "root certificate: {0}; set SSL_CERT_FILE={0} for each program that calls this tenant",
        path.display()
    ));
    Ok(())
}

/// The tenant's addresses as a runbook's `endpoints`.
fn endpoints_block(endpoints: &Endpoints) -> RehearsalEndpoints {
    let authority = RehearsalEndpoint {
        url: endpoints.authority.clone(),
        scope: None,
    };
    let services = endpoints.services.iter().map(|service| {
        let endpoint = RehearsalEndpoint {
            url: service.url.clone(),
            scope: Some(service.scope.clone()),
        };
        (service.key.to_owned(), endpoint)
    });
    RehearsalEndpoints {
        speed: endpoints.speed,
        services: services
            .chain([("authority".to_owned(), authority)])
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::arguments::{Arguments, Command};

    #[tokio::test]
    async fn a_world_that_exists_is_said_to_continue_and_a_new_one_to_be_new() {
        let folder = tempfile::tempdir().unwrap();
        let world = folder.path().join("a.world.jsonl");
        let words = ["iomcopy", "rehearsal", "--seed", "thin", "--world"];
        let words = words.map(Path::new).into_iter().chain([world.as_path()]);
        let parsed = Arguments::try_parse_from(words).unwrap();
        let Command::Rehearsal(arguments) = parsed.command else {
            panic!("another command");
        };
        let said = async || {
            let changed = last_changed(&world);
            let options = options(&arguments, Vec::new());
            let tenant = Rehearsal::start(options).await.unwrap();
            let said = describe_origin("a.world.jsonl", tenant.continued_at(), changed);
            tenant.stop().await;
            said
        };
        assert_eq!(said().await, "world: a.world.jsonl, new");
        let again = said().await;
        for part in [
            "world: continues from a.world.jsonl, last changed 2",
            ", at 2026-03-06T20:",
            "to start over, stop, delete that file",
        ] {
            assert!(again.contains(part), "{again}");
        }
    }
}
