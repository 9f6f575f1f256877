//! The only way by which bytes come from a model: a socket in a folder of our own that leads to the model's address and
//! counts. The HTTP client has no bound of its own, neither on a line of a stream nor on the body of an error. TLS is
//! spoken through it, from the client to the service; in between there is nothing to read.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

/// Dropped, it takes its connections with it.
pub(super) struct Wire {
    // The folder is readable to nobody else.
    _dir: TempDir,
    path: PathBuf,
    meter: Arc<Meter>,
    accepting: JoinHandle<()>,
}

struct Meter {
    max_bytes: usize,
    bytes: AtomicUsize,
    is_connected: AtomicBool,
}

impl Wire {
    pub(super) fn open(address: &Url, max_bytes: usize) -> io::Result<Self> {
        let none = || io::Error::new(io::ErrorKind::InvalidInput, "the address has no host");
        // Brackets belong to the address of the page, not to the host.
        let host = address.host_str().ok_or_else(none)?.trim_matches(['[', ']']).to_owned();
        let port = address.port_or_known_default().ok_or_else(none)?;
        let dir = tempfile::Builder::new().prefix("model-").tempdir()?;
        let path = dir.path().join("wire");
        let listener = UnixListener::bind(&path)?;
        let meter = Arc::new(Meter {
            max_bytes,
            bytes: AtomicUsize::new(0),
            is_connected: AtomicBool::new(false),
        });
        let accepting = tokio::spawn(accept(listener, host, port, Arc::clone(&meter)));
        Ok(Self {
            _dir: dir,
            path,
            meter,
            accepting,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// More came than may come, and it was cut off.
    pub(super) fn is_flooded(&self) -> bool {
        self.meter.bytes.load(Ordering::Relaxed) > self.meter.max_bytes
    }

    pub(super) fn is_connected(&self) -> bool {
        self.meter.is_connected.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: UnixListener, host: String, port: u16, meter: Arc<Meter>) {
    // Ends with this task: nothing outlives the attempt that it belongs to.
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let (host, meter) = (host.clone(), Arc::clone(&meter));
        connections.spawn(async move { relay(near, &host, port, &meter).await });
    }
}

async fn relay(mut near: UnixStream, host: &str, port: u16, meter: &Meter) -> io::Result<()> {
    let mut far = TcpStream::connect((host, port)).await?;
    far.set_nodelay(true)?;
    meter.is_connected.store(true, Ordering::Relaxed);
    let (mut from_near, mut to_near) = near.split();
    let (mut from_far, mut to_far) = far.split();
    let up = async {
        tokio::io::copy(&mut from_near, &mut to_far).await?;
        to_far.shutdown().await
    };
    let down = async {
        let mut buffer = vec![0_u8; 16 * 1024];
        loop {
            let read = from_far.read(&mut buffer).await?;
            let before = meter.bytes.fetch_add(read, Ordering::Relaxed);
            if read == 0 || before.saturating_add(read) > meter.max_bytes {
                return to_near.shutdown().await;
            }
            to_near.write_all(buffer.get(..read).unwrap_or_default()).await?;
        }
    };
    // When the service has said its last word, nothing that is still being sent matters.
    tokio::select! {
        ended = down => ended,
        Err(broken) = up => Err(broken),
    }
}
