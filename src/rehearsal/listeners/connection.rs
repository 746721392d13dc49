//! A connection that ends when the tenant stops, so that a stopped tenant is as silent as a killed
//! one: requests that are held stay unanswered, and nothing keeps a port.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Accepts connections that end with a token.
#[derive(Debug)]
pub(crate) struct EndingListener {
    listener: TcpListener,
    ending: CancellationToken,
}

/// A connection that ends with a token.
pub(crate) struct EndingConnection {
    stream: TcpStream,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl EndingListener {
    /// Accepts on a socket until the token is cancelled.
    pub(crate) fn new(listener: TcpListener, ending: CancellationToken) -> Self {
        Self { listener, ending }
    }
}

impl Listener for EndingListener {
    type Io = EndingConnection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Small answers are sent at once; without that each waits for the client's
        // acknowledgement. A socket that refuses is slower, and nothing else.
        let _slower = stream.set_nodelay(true);
        let connection = EndingConnection {
            stream,
            ended: Box::pin(self.ending.clone().cancelled_owned()),
        };
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

impl EndingConnection {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.ended.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionReset.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for EndingConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for EndingConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
