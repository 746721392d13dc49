//! `iomcopy rehearsal`: serves the rehearsal tenant in its own process.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

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
    /// Names in a new world's Dataverse: usual, or renamed
    #[arg(long = "skin", value_name = "NAMES", default_value = "usual")]
    pub(super) table_names: TableNames,
    /// How a new world manages Finance and Operations: unified, or lcs-linked
    #[arg(long, value_name = "KIND", default_value = "unified")]
    pub(super) target: Management,
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
    /// Milliseconds that every response takes longer, in real time
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
    /// 'KIND#N:METHOD PATH' for the Nth request only; may be repeated. Kinds: accept-and-ignore,
    /// hold, lose, garble, throttle, refuse=STATUS[/CODE[/INNER]], echo=STATUS, answer=STATUS (the
    /// request is applied), away=MINUTES, throttle=SECONDS, and for a copy or another long operation: fail, roll-back,
    /// fail-to-roll-back, abort
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
                Failure::new(
                    FailureKind::InvalidInput,
                    format!("--fault '{fault}': {error}"),
                )
                .with_help("write 'KIND:METHOD PATH', for example 'hold:POST */copy'")
            })
        })
        .collect::<Result<Vec<Fault>, Failure>>()?;
    let options = Options {
        world: arguments.world.clone(),
        speed: arguments.speed,
        faults,
        seed: arguments.seed,
        table_names: arguments.table_names,
        variant: Variant {
            target: arguments.target,
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
    };
    let tenant = Rehearsal::start(options)
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
    session.printer.info(&format!(
        "world: {}; press Ctrl-C to stop",
        arguments.world.display()
    ));
    session.cancellation.wait_for_stop_request().await;
    tenant.stop().await;
    Ok(DONE)
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
