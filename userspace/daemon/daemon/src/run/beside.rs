//! Work that goes on beside the rest of the start.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread::{Builder, JoinHandle};

use onair_settings::config::Config;
use rustix::net::SocketType;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Runtime;

use super::{RunError, system};
use crate::control::attach::Listener;
use crate::control::metrics;
use crate::sockets::socket_file::{SocketFile, bind_datagram, bind_socket, inherit_socket};
use crate::takeover::{Inherited, Listening};

/// Work on a thread of its own, or its result. Dropping it waits for the end: a start that has failed must not leave the process
/// while a library is being loaded.
#[derive(Debug)]
pub(super) struct Beside<T>(Option<Work<T>>);

#[derive(Debug)]
enum Work<T> {
    Begun(JoinHandle<T>),
    Done(T),
}

impl<T: Send + 'static> Beside<T> {
    /// Begins `work` on a thread called `name`.
    ///
    /// # Errors
    /// No thread.
    pub(super) fn begin(
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Self, RunError> {
        let thread = Builder::new().name(name.into()).spawn(work);
        let thread = thread.map_err(system("cannot start a thread"))?;
        Ok(Self(Some(Work::Begun(thread))))
    }

    /// The result of work that has ended.
    pub(super) fn done(result: T) -> Self {
        Self(Some(Work::Done(result)))
    }

    /// Its result, once it has ended.
    ///
    /// # Panics
    /// If the work panicked.
    pub(super) fn result(mut self) -> T {
        match self.0.take().expect("taken here alone") {
            Work::Begun(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Work::Done(result) => result,
        }
    }
}

impl<T> Drop for Beside<T> {
    fn drop(&mut self) {
        if let Some(Work::Begun(thread)) = self.0.take() {
            // A panic was logged, and the start has failed.
            let _ = thread.join();
        }
    }
}

pub(super) struct Sockets {
    pub(super) http: UnixListener,
    pub(super) http_file: SocketFile,
    pub(super) attach: Listener,
    pub(super) metrics: Option<TcpListener>,
    /// For the answers of ptp4l.
    pub(super) ptp: Option<(UnixDatagram, SocketFile)>,
}

impl Sockets {
    /// Takes those of `inherited` that the configuration has, and binds the others.
    ///
    /// # Errors
    /// One cannot be had.
    pub(super) fn bind(
        config: &Config,
        group: Option<u32>,
        runtime: &Runtime,
        mut inherited: Inherited,
    ) -> Result<Self, RunError> {
        let _inside = runtime.enter();
        let mode =
            |text: &str| u32::from_str_radix(text, 8).expect("checked with the configuration");
        // One whose file was removed meanwhile is found by no client.
        let mut listen =
            |name: Listening, path: &Path, kind, bits: &str| match inherited.take(&name) {
                Some(socket) if path.exists() => inherit_socket(socket, path, mode(bits), group),
                _ => bind_socket(path, kind, mode(bits), group),
            };
        let (control, attach) = (&config.control, &config.attach);
        let (path, kind) = (&control.socket, SocketType::STREAM);
        let http = listen(Listening::Control(path.clone()), path, kind, &control.mode)?;
        let (path, kind) = (&attach.socket, SocketType::SEQPACKET);
        let attach = listen(Listening::Attach(path.clone()), path, kind, &attach.mode)?;
        let attach = Listener::of(attach)?;
        let metrics = config.metrics.listen.map(|address| {
            match inherited.take(&Listening::Metrics(address)) {
                Some(socket) => TcpListener::from_std(socket.into()),
                None => metrics::bind(address),
            }
        });
        let metrics = metrics.transpose();
        inherited.discard();
        let asks = config.clock.question().is_some();
        let ptp = asks.then(|| bind_datagram(&config.ptp_reply_socket()));
        Ok(Self {
            http: UnixListener::from_std(http.socket.into())
                .map_err(system("cannot poll the control socket"))?,
            http_file: http.file,
            attach,
            ptp: ptp.transpose()?,
            metrics: metrics.map_err(system("cannot listen on metrics.listen"))?,
        })
    }

    /// Copies for a daemon that takes over.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(super) fn copies(&self, config: &Config) -> Result<Vec<(Listening, OwnedFd)>, RunError> {
        let (control, attach) = (&config.control.socket, &config.attach.socket);
        let mut sockets = vec![
            (Listening::Control(control.clone()), self.http.as_fd()),
            (Listening::Attach(attach.clone()), self.attach.as_fd()),
        ];
        if let (Some(socket), Some(address)) = (&self.metrics, config.metrics.listen) {
            sockets.push((Listening::Metrics(address), socket.as_fd()));
        }
        let copies = sockets.into_iter().map(|(name, socket)| {
            let copy = socket.try_clone_to_owned();
            copy.map(|copy| (name, copy))
                .map_err(system("no descriptor is left"))
        });
        copies.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn work_whose_start_failed_then_waited_for() {
        let (go_on, wait) = channel::<()>();
        let has_ended = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&has_ended);
        let work = move || {
            // The sender is dropped.
            let _ = wait.recv();
            ends.store(true, Ordering::SeqCst);
        };
        let work = Beside::begin("test", work).unwrap();
        drop(go_on);
        drop(work);
        assert!(has_ended.load(Ordering::SeqCst));
        assert_eq!(Beside::begin("test", || 7).unwrap().result(), 7);
    }
}
