//! The ports of worlds. A world keeps its ports from its first start to its last, also while no
//! tenant runs on it, so that a runbook and a state file that name them stay right.
//!
//! Nobody can hold a port while no process runs. So three things keep it free:
//!
//! - It is none of those that systems give to outgoing connections (Linux from 32768, others from
//!   49152).
//! - It is bound before anybody is told of it, and that socket serves: no port is chosen first and
//!   bound later.
//! - A file with the port's number, in a folder of the machine for temporary files, names the world
//!   that keeps it. A new world takes no port that another one keeps whose file still exists. This is
//!   a courtesy among tenants: where the folder cannot be used, a port is taken without it.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;
use uuid::Uuid;

/// The ports of new worlds.
const PORTS: Range<u16> = 20_000..32_000;

/// How many of these are tried before the system is asked for any.
const TRIES: u32 = 256;

/// How often a world's own port is tried, and how long is waited in between: the process that was
/// killed a moment ago may still be going away.
const OWN_TRIES: u32 = 20;
const OWN_WAIT: Duration = Duration::from_millis(50);

/// Where it is written which world keeps which port.
pub(super) fn keepers() -> PathBuf {
    std::env::temp_dir().join("iomcopy-rehearsal-ports")
}

/// Listens on a port that a new world may keep. Takes where the keepers are written, and the world's
/// file.
pub(super) async fn on_a_port_to_keep(
    keepers: &Path,
    world: &Path,
) -> std::io::Result<TcpListener> {
    for _ in 0..TRIES {
        let [high, low, ..] = Uuid::new_v4().into_bytes();
        let port = PORTS.start + u16::from_be_bytes([high, low]) % (PORTS.end - PORTS.start);
        if !keep(keepers, port, world) {
            continue;
        }
        if let Ok(socket) = TcpListener::bind(("127.0.0.1", port)).await {
            return Ok(socket);
        }
    }
    TcpListener::bind(("127.0.0.1", 0)).await
}

/// Listens on the port that a world keeps.
pub(super) async fn on_its_own_port(port: u16) -> std::io::Result<TcpListener> {
    let mut tries = 1;
    loop {
        match TcpListener::bind(("127.0.0.1", port)).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse && tries < OWN_TRIES => {
                tries += 1;
                tokio::time::sleep(OWN_WAIT).await;
            }
            result => return result,
        }
    }
}

/// May a world keep a port from now on? Not where another one does whose file still exists.
fn keep(keepers: &Path, port: u16, world: &Path) -> bool {
    let world = std::path::absolute(world).unwrap_or_else(|_| world.to_owned());
    let note = keepers.join(port.to_string());
    drop(fs::create_dir(keepers));
    for _ in 0..2 {
        match fs::File::create_new(&note) {
            Ok(mut file) => {
                // A note that cannot be written keeps nothing, and takes nothing from anybody.
                drop(file.write_all(world.as_os_str().as_encoded_bytes()));
                return true;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let keeper = fs::read_to_string(&note).unwrap_or_default();
                // An empty note is being written at this moment.
                if keeper.is_empty() || (Path::new(&keeper) != world && Path::new(&keeper).exists())
                {
                    return false;
                }
                // That world was deleted. Where the note cannot be, another port is tried.
                if fs::remove_file(&note).is_err() {
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
    fn a_port_is_kept_until_its_world_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let keepers = folder.path().join("ports");
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::write(&one, "").unwrap();
        fs::write(&other, "").unwrap();
        assert!(keep(&keepers, 20_001, &one));
        assert!(
            !keep(&keepers, 20_001, &other),
            "it is kept while it is down"
        );
        assert!(keep(&keepers, 20_002, &other));
        fs::remove_file(&one).unwrap();
        assert!(keep(&keepers, 20_001, &other), "its world is gone");
        let nowhere = folder.path().join("one/two/three");
        assert!(keep(&nowhere, 20_003, &one), "a courtesy, not a condition");
    }

    #[tokio::test]
    async fn no_new_world_takes_a_port_of_one_that_is_down() {
        let folder = tempfile::tempdir().unwrap();
        let keepers = folder.path().join("ports");
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::write(&one, "").unwrap();
        // One world keeps every port but one, and runs on none of them.
        let free = PORTS.end - 1;
        for port in PORTS.start..free {
            assert!(keep(&keepers, port, &one));
        }
        for _ in 0..8 {
            let socket = on_a_port_to_keep(&keepers, &other).await.unwrap();
            let port = socket.local_addr().unwrap().port();
            assert!(port == free || !PORTS.contains(&port), "{port}");
        }
    }

    #[tokio::test]
    async fn a_port_that_comes_free_in_a_moment_is_waited_for() {
        let held = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = held.local_addr().unwrap().port();
        let waiting = tokio::spawn(on_its_own_port(port));
        tokio::task::yield_now().await;
        drop(held);
        assert_eq!(
            waiting.await.unwrap().unwrap().local_addr().unwrap().port(),
            port
        );
    }
}
