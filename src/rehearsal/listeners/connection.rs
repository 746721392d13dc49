//! Sockets and their connections, with TLS or without.
//!
//! All of them end when the tenant stops, so that a stopped tenant behaves like a killed one: held
//! requests get no response, and no port stays in use.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Listener;
use super::serve::{self, Tenant};

/// How long a client may take for the TLS handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// How long accepting pauses when the system refuses, for example because it has no more file
/// handles for the process.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves a socket, with TLS if the tenant uses it, until the token is cancelled.
pub(crate) async fn serve(
    tenant: Arc<Tenant>,
    listener: Listener,
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    stop_token: CancellationToken,
) {
    let tls = tls.filter(|_| listener != Listener::Machine);
    let connections = TaskTracker::new();
    while let Some(stream) = stop_token.run_until_cancelled(accept(&socket)).await {
        let serving = serve_connection(tenant.clone(), listener, stream, tls.clone());
        let stopped = stop_token.clone().cancelled_owned();
        connections.spawn(async move {
            tokio::select! {
                // After the token is cancelled, nothing more is sent.
                biased;
                () = stopped => {}
                () = serving => {}
            }
        });
    }
    drop(socket);
    connections.close();
    connections.wait().await;
}

/// The next connection; accepting goes on after errors.
async fn accept(socket: &TcpListener) -> TcpStream {
    loop {
        match socket.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Whether accepting failed because the client has already gone; others wait.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// Responds to the requests of a connection until one side ends it. Each connection has its own
/// task, so that a stalled handshake does not block the others.
async fn serve_connection(
    tenant: Arc<Tenant>,
    listener: Listener,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
) {
    // Without this, each small response waits for the client's acknowledgement. If the socket
    // refuses, it is only slower.
    let _slower = stream.set_nodelay(true);
    let stream = match tls {
        None => Either::Left(stream),
        Some(acceptor) => match encrypt(&acceptor, stream, HANDSHAKE_LIMIT).await {
            Some(stream) => Either::Right(stream),
            None => return,
        },
    };
    let service = service_fn(|request| serve::respond(&tenant, listener, request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A client may end its connection at any time, and a fault ends it with an error.
    let _ended = connection.await;
}

/// The connection after its TLS handshake; none if the handshake fails, which it does for clients
/// without TLS and those that do not trust the root, or does not end within the limit.
async fn encrypt(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    limit: Duration,
) -> Option<TlsStream<TcpStream>> {
    let handshake = tokio::time::timeout(limit, acceptor.accept(stream));
    handshake.await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::listeners::tls::Certificates;

    #[tokio::test]
    async fn a_stalled_handshake_ends() {
        let acceptor = Certificates::make().unwrap().acceptor().unwrap();
        let socket = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let silent = TcpStream::connect(socket.local_addr().unwrap()).await;
        let _silent = silent.unwrap();
        let encrypting = encrypt(&acceptor, accept(&socket).await, Duration::from_millis(20));
        let ended = tokio::time::timeout(Duration::from_secs(20), encrypting).await;
        assert!(ended.unwrap().is_none());
    }

    #[test]
    fn accepting_pauses_only_when_the_system_refuses() {
        assert!(is_of_one_connection(
            &io::ErrorKind::ConnectionAborted.into()
        ));
        // No more file handles.
        assert!(!is_of_one_connection(&io::Error::from_raw_os_error(24)));
    }
}
