//! The whole process.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use onair_control::Client;
use onair_http::tls::{Certificates, TlsError};
use onair_http::{Limits, serve};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::daemon::follow;
use crate::looks::Looks;
use crate::news::News;
use crate::settings::Settings;
use crate::site::{Players, Site, router};
use crate::users::{Users, UsersError};

/// Longest answer of the daemon.
const ANSWER: Duration = Duration::from_secs(5);
/// Requests to the daemon at once.
const AT_ONCE: usize = 16;

/// A viewer that is idle keeps one connection, for its stream. Addresses in front of many viewers have many.
const LIMITS: Limits = Limits {
    connections: 1_500,
    per_peer: 256,
    body: 64 << 10,
    head: 16 << 10,
    head_time: Duration::from_secs(15),
    handshake: Duration::from_secs(5),
    body_time: Duration::from_secs(5),
    request: Duration::from_secs(90),
    write: Duration::from_secs(10),
};

/// Descriptors that this process may have, after it has asked for all that it may ask for.
fn descriptors() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let current = match setrlimit(Resource::Nofile, most) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    current.map_or(usize::MAX, |it| usize::try_from(it).unwrap_or(usize::MAX))
}

/// Why the process ends.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The users cannot log in.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// A certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address is not free, or not one of this machine.
    #[error("cannot listen on {0}: {1}: give --listen an address of this machine and a free port")]
    Listen(SocketAddr, io::Error),
    /// A thread or random numbers are not to be had.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Serves the page until `ending` is true. `ready` is called once it answers.
///
/// # Errors
/// [`RunError`].
pub async fn run(
    settings: Settings,
    ending: watch::Receiver<bool>,
    ready: impl FnOnce(),
) -> Result<(), RunError> {
    let tls = match settings.tls() {
        None => None,
        Some(files) => Some(Arc::new(Certificates::read(&[files])?)),
    };
    let limits = Limits {
        connections: LIMITS.connections.min(descriptors() / 2),
        ..LIMITS
    };
    let users = settings.users.clone().map(Users::open).transpose()?;
    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener.map_err(|error| RunError::Listen(settings.listen, error))?;
    let address = listener.local_addr()?;
    let client = Client::new(&settings.control, ANSWER).at_once(AT_ONCE);
    let news = News::new(u64::from_ne_bytes(crate::users::random()?));
    let looks = Looks::start(&onair::Client::at(&settings.attach), client.clone())?;
    let site = Site {
        daemon: follow(client.clone(), news.clone(), settings.remote),
        client,
        news,
        looks: looks.clone(),
        players: Players::default(),
        users: users.map(Arc::new),
        names: settings.names.into(),
        is_remote: settings.remote,
        is_tls: tls.is_some(),
        limits,
        ending: ending.clone(),
    };
    let acceptor = tls.as_ref().map(Certificates::acceptor);
    let scheme = if tls.is_some() { "https" } else { "http" };
    tls.map(|it| tokio::spawn(it.follow()));
    tracing::info!("open {scheme}://{address}/");
    ready();
    serve((listener, acceptor), router(site), limits, ending).await;
    looks.end();
    Ok(())
}
