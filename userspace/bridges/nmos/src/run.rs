//! The whole process.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use onair_control::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::connection::{Connections, MxlConnections, router};
use crate::control::{Control, SocketLimits, router as control_router};
use crate::discovery::{Announcing, Service, Sources, announce, discover, responder};
use crate::model::follow;
use crate::mxl::MxlClient;
use crate::registration::{Registering, apart as register};
use crate::server::{site, with_hsts};
use crate::settings::{Settings, SettingsError};
use crate::{Inputs, node_api, system, watch as watch_daemon};
use onair_http::tls::{Certificates, TlsError};
use onair_http::{Limits, serve};

/// Longest answer of the daemon.
const ANSWER: Duration = Duration::from_secs(5);
/// Requests to the daemon at once: a process has some 56 connections of `limits.http_connections`.
const AT_ONCE: usize = 24;
/// Time to leave the registry at the end.
const FAREWELL: Duration = Duration::from_secs(8);

/// Why the process ends.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A certificate cannot be used.
    #[error("nmos.tls: {0}")]
    Tls(#[from] TlsError),
    /// The address of the APIs is not to be had.
    #[error("cannot listen on {0}: {1}: set nmos.listen to an address and a port that are free")]
    Listen(std::net::SocketAddr, io::Error),
    /// The registration's thread does not start.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// Serves the APIs and registers the node, until `ending` is true. `ready` is called once the APIs answer.
///
/// # Errors
/// [`RunError`].
pub async fn run(
    settings: Settings,
    ending: watch::Receiver<bool>,
    ready: impl FnOnce(),
) -> Result<(), RunError> {
    let ids = settings.ids()?;
    let tls = match settings.tls.as_slice() {
        [] => None,
        files => Some(Arc::new(Certificates::read(files)?)),
    };
    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener.and_then(|it| Ok((it.local_addr()?.port(), it)));
    let (port, listener) = listener.map_err(|error| RunError::Listen(settings.listen, error))?;
    let host = settings.of_host(port)?;
    let client = Client::new(&settings.control, ANSWER).at_once(AT_ONCE);
    let facts = watch_daemon(client.clone());
    let connections = Connections::new(client, ids, facts.clone());
    let subscriptions = connections.follow();
    let mxl = settings.mxl.as_deref().map(|socket| {
        let client = MxlClient::at(socket);
        MxlConnections::new(client, ids, facts.clone())
    });
    let inputs = Inputs {
        facts: facts.clone(),
        subscriptions,
        mxl: mxl.as_ref().map(MxlConnections::follow),
        ids,
        host: host.clone(),
    };
    let control = Control::follow(inputs.clone());
    let model = follow(inputs);
    let mdns = settings.mdns.then(responder).and_then(|it| {
        it.inspect_err(|error| tracing::warn!(%error, "no mDNS"))
            .ok()
    });
    let found = |service, fixed| {
        let domain = settings.domain.clone();
        let unicast = domain.and_then(|it| Some((it, resolver()?)));
        let multicast = mdns.clone();
        let sources = Sources {
            fixed,
            unicast,
            multicast,
        };
        discover(service, sources)
    };
    let system = settings.system.iter().cloned().collect();
    let system = found(Service::system(tls.is_some()), system);
    let system = system::ask(system, settings.ca.clone());
    tokio::spawn(system::compare(system.clone(), facts.clone()));
    let (registered, registered_of) = watch::channel(None);
    let registration = register(Registering {
        node: ids.node(),
        model: model.clone(),
        registries: found(
            Service::registration(tls.is_some()),
            settings.registries.clone(),
        ),
        system,
        ca: settings.ca.clone(),
        ending: ending.clone(),
        registered,
    });
    let registration = registration.map_err(RunError::Thread)?;
    let announcement = mdns.clone().map(|responder| {
        tokio::spawn(announce(Announcing {
            responder,
            host: host.clone(),
            model: model.clone(),
            registered: registered_of,
            ending: ending.clone(),
        }))
    });
    let limits = Limits::default();
    let control = control_router(control, SocketLimits::default(), ending.clone());
    let apis = [node_api::router(model), router(connections, mxl), control];
    let site = site(apis, &limits);
    let site = match (&tls, settings.hsts) {
        (None, _) | (_, 0) => site,
        (Some(_), seconds) => with_hsts(site, seconds),
    };
    let acceptor = tls.as_ref().map(Certificates::acceptor);
    tls.map(|it| tokio::spawn(it.follow()));
    tracing::info!(url = host.base(), node = %ids.node(), "the APIs answer");
    ready();
    serve((listener, acceptor), site, limits, ending).await;
    let farewell = async {
        let _ = registration.await;
        if let Some(announcement) = announcement {
            let _ = announcement.await;
        }
        if let Some(ended) = mdns.and_then(|it| it.shutdown().ok()) {
            let _ = ended.recv_async().await;
        }
    };
    if timeout(FAREWELL, farewell).await.is_err() {
        tracing::warn!("the registry keeps the node until its time is over");
    }
    Ok(())
}

fn resolver() -> Option<TokioResolver> {
    let resolver = TokioResolver::builder_tokio().and_then(|it| it.build());
    resolver
        .inspect_err(|error| tracing::warn!(%error, "unicast DNS is not asked"))
        .ok()
}
