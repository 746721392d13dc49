//! The ports of worlds. A world keeps its ports, also while no tenant runs on it, so that a runbook
//! and a state file that name them stay valid.
//!
//! No process can hold a port while it does not run. So three rules keep the port free:
//!
//! - It is outside the range for outgoing connections (Linux from 32768, others from 49152).
//! - It is bound before its number is published, and that socket serves: no port is chosen first
//!   and bound later.
//! - A reservation, which is a file with the port's number in the machine's temporary directory,
//!   names the world that keeps the port. A new world does not use a port that another existing
//!   world keeps. If the directory cannot be used, ports are chosen without reservations.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;
use uuid::Uuid;

/// The range for the ports of new worlds.
const PORTS: Range<u16> = 20_000..32_000;

/// How many of these are tried before the system chooses one.
const ATTEMPTS: u32 = 256;

/// How many times and how often a world's own port is tried: the previous process may still be
/// exiting.
const OWN_ATTEMPTS: u32 = 20;
const OWN_WAIT: Duration = Duration::from_millis(50);

/// The directory with the reservations.
pub(super) fn reservations() -> PathBuf {
    std::env::temp_dir().join("iomcopy-rehearsal-ports")
}

/// Listens on a new port and reserves it for a world.
pub(super) async fn bind_new_port(
    reservations: &Path,
    world: &Path,
) -> std::io::Result<TcpListener> {
    for _ in 0..ATTEMPTS {
        let [high, low, ..] = Uuid::new_v4().into_bytes();
        let port = PORTS.start + u16::from_be_bytes([high, low]) % (PORTS.end - PORTS.start);
        if !reserve(reservations, port, world) {
            continue;
        }
        if let Ok(socket) = TcpListener::bind(("127.0.0.1", port)).await {
            return Ok(socket);
        }
    }
    TcpListener::bind(("127.0.0.1", 0)).await
}

/// Listens on a port that a world keeps.
pub(super) async fn bind_own_port(port: u16) -> std::io::Result<TcpListener> {
    let mut attempts = 1;
    loop {
        match TcpListener::bind(("127.0.0.1", port)).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse && attempts < OWN_ATTEMPTS => {
                attempts += 1;
                tokio::time::sleep(OWN_WAIT).await;
            }
            result => return result,
        }
    }
}

/// Reserves a port for a world. False if another existing world keeps the port.
fn reserve(reservations: &Path, port: u16, world: &Path) -> bool {
    let world = std::path::absolute(world).unwrap_or_else(|_| world.to_owned());
    let reservation = reservations.join(port.to_string());
    drop(fs::create_dir(reservations));
    for _ in 0..2 {
        match fs::File::create_new(&reservation) {
            Ok(mut file) => {
                // A reservation that cannot be written protects nothing and blocks nothing.
                drop(file.write_all(world.as_os_str().as_encoded_bytes()));
                return true;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let owner = fs::read_to_string(&reservation).unwrap_or_default();
                // Another process is writing an empty reservation at this moment.
                if owner.is_empty() || (Path::new(&owner) != world && Path::new(&owner).exists()) {
                    return false;
                }
                // The other world was deleted.
                if fs::remove_file(&reservation).is_err() {
                    return false;
                }
            }
            Err(_) => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_reserved_until_its_world_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let reservations = folder.path().join("ports");
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::write(&one, "").unwrap();
        fs::write(&other, "").unwrap();
        assert!(reserve(&reservations, 20_001, &one));
        assert!(
            !reserve(&reservations, 20_001, &other),
            "it is reserved while its tenant does not run"
        );
        assert!(reserve(&reservations, 20_002, &other));
        fs::remove_file(&one).unwrap();
        assert!(
            reserve(&reservations, 20_001, &other),
            "its world was deleted"
        );
        let missing = folder.path().join("one/two/three");
        assert!(reserve(&missing, 20_003, &one), "reservations are optional");
    }

    #[tokio::test]
    async fn a_new_world_uses_no_port_of_a_world_without_a_tenant() {
        let folder = tempfile::tempdir().unwrap();
        let reservations = folder.path().join("ports");
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::write(&one, "").unwrap();
        // One world keeps every port except one, and no tenant runs on it.
        let free = PORTS.end - 1;
        for port in PORTS.start..free {
            assert!(reserve(&reservations, port, &one));
        }
        for _ in 0..8 {
            let socket = bind_new_port(&reservations, &other).await.unwrap();
            let port = socket.local_addr().unwrap().port();
            assert!(port == free || !PORTS.contains(&port), "{port}");
        }
    }

    #[tokio::test]
    async fn binding_waits_for_a_port_that_becomes_free() {
        let held = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = held.local_addr().unwrap().port();
        let waiting = tokio::spawn(bind_own_port(port));
        tokio::task::yield_now().await;
        drop(held);
        assert_eq!(
            waiting.await.unwrap().unwrap().local_addr().unwrap().port(),
            port
        );
    }
}
