//! `iomcopy rehearsal`: the rehearsal tenant as a server of its own.

use super::arguments::{Output, RehearsalArguments};
use super::exit::DONE;
use super::session::Session;
use crate::base::files;
use crate::engine::{Failure, FailureKind};
use crate::rehearsal::{Endpoints, Fault, Options, Rehearsal, Variant};
use crate::report::{
    RehearsalDocument, RehearsalEndpoint, RehearsalEndpoints, Version, document as written,
};

/// Serves the tenant until it is asked to stop. Once it listens, its first line on stdout is an
/// `endpoints:` block for a runbook.
pub(super) async fn rehearsal(
    session: &Session,
    arguments: &RehearsalArguments,
) -> Result<u8, Failure> {
    let faults = arguments
        .faults
        .iter()
        .map(|fault| {
            fault.parse::<Fault>().map_err(|error| {
                Failure::new(FailureKind::Wrong, format!("--fault '{fault}': {error}"))
                    .with_help("write KIND:\"METHOD path-glob\", e.g. hold:\"POST */copy\"")
            })
        })
        .collect::<Result<Vec<Fault>, Failure>>()?;
    let options = Options {
        world: arguments.world.clone(),
        speed: arguments.speed,
        faults,
        seed: arguments.seed,
        skin: arguments.skin,
        variant: Variant {
            target: arguments.target,
            dual_write: arguments.dual_write,
        },
        tls: arguments.tls,
    };
    let tenant = Rehearsal::start(options)
        .await
        .map_err(|error| Failure::failed(format!("the rehearsal tenant cannot begin: {error}")))?;
    trust(session, arguments, &tenant)?;
    let endpoints = tenant.endpoints();
    session.printer.data(&match session.output {
        Output::Human => endpoints.to_string(),
        Output::Json => written(&RehearsalDocument {
            v: Version,
            endpoints: block(endpoints),
            world: arguments.world.display().to_string(),
        }),
    });
    session.printer.remark(&format!(
        "world: {}; Ctrl-C ends it",
        arguments.world.display()
    ));
    session.cancellation.on_ask().await;
    tenant.stop().await;
    Ok(DONE)
}

/// Writes the root of a tenant that speaks TLS beside its world, and says how it is trusted.
fn trust(
    session: &Session,
    arguments: &RehearsalArguments,
    tenant: &Rehearsal,
) -> Result<(), Failure> {
    let Some(root) = tenant.root_certificate() else {
        return Ok(());
    };
    let path = arguments.world.with_extension("pem");
    // A world that is served again has the same root.
    let same = |found: &[u8]| found == root.as_bytes();
    let kind = "this world's root certificate";
    files::write_output(&path, root.as_bytes(), kind, Some(&same)).map_err(|error| {
        let message = format!("the root certificate: {}: {error}", path.display());
        Failure::new(FailureKind::Wrong, message)
            .with_help("name another world with --world, or move that file away")
    })?;
    session.printer.remark(&format!(
        "root certificate: {0}; whoever speaks to this tenant needs SSL_CERT_FILE={0}",
        path.display()
    ));
    Ok(())
}

/// The tenant's addresses as a runbook's `endpoints`.
fn block(endpoints: &Endpoints) -> RehearsalEndpoints {
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
