//! A server of the APIs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use onair_control::{Client, Facts};
use onair_http::{Limits, serve};
use onair_nmos::connection::{Connections, MxlConnections, Subscriptions};
use onair_nmos::control::{Control, SocketLimits, router};
use onair_nmos::model::{Model, follow};
use onair_nmos::mxl::MxlClient;
use onair_nmos::server::site;
use onair_nmos::{Inputs, node_api};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::facts::{facts, host, ids};
use super::tls::acceptor;

/// For tests of proptest.
pub(crate) fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread();
    { runtime }.enable_all().build().unwrap()
}

/// A server, and what it is given.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) facts: watch::Sender<Option<Arc<Facts>>>,
    pub(crate) subscriptions: watch::Sender<Subscriptions>,
    pub(crate) model: watch::Receiver<Arc<Model>>,
    pub(crate) ending: watch::Sender<bool>,
    pub(crate) served: JoinHandle<()>,
}

impl Site {
    /// Of a daemon with these sessions.
    pub(crate) async fn start(sessions: &[Value]) -> Self {
        Self::with(sessions, Limits::default(), SocketLimits::default()).await
    }

    pub(crate) async fn with(sessions: &[Value], limits: Limits, sockets: SocketLimits) -> Self {
        Self::over(sessions, (limits, sockets), None, None).await
    }

    /// Without sessions, over TLS with the certificate of this name.
    pub(crate) async fn secure(certificate: &str, limits: Limits) -> Self {
        let tls = Some(acceptor(certificate));
        Self::over(&[], (limits, SocketLimits::default()), tls, None).await
    }

    /// Before a daemon that does not answer, and an `onair-mxl` at this socket.
    pub(crate) async fn with_mxl(sessions: &[Value], mxl: &Path) -> Self {
        let limits = (Limits::default(), SocketLimits::default());
        Self::over(sessions, limits, None, Some(mxl)).await
    }

    async fn over(
        sessions: &[Value],
        (limits, sockets): (Limits, SocketLimits),
        tls: Option<TlsAcceptor>,
        mxl: Option<&Path>,
    ) -> Self {
        let (facts, facts_of) = watch::channel(Some(Arc::new(facts(sessions))));
        let (subscriptions, subscriptions_of) = watch::channel(Subscriptions::new());
        let connections =
            mxl.map(|it| MxlConnections::new(MxlClient::at(it), ids(), facts_of.clone()));
        let shown = connections.as_ref().map(MxlConnections::follow);
        let connection = connections.map(|it| {
            let client = Client::new(Path::new("/nowhere"), Duration::from_secs(1));
            let connections = Connections::new(client, ids(), facts_of.clone());
            onair_nmos::connection::router(connections, Some(it))
        });
        let inputs = Inputs {
            facts: facts_of,
            subscriptions: subscriptions_of,
            mxl: shown,
            ids: ids(),
            host: host(),
        };
        let control = Control::follow(inputs.clone());
        let model = follow(inputs);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ending, over) = watch::channel(false);
        let control = router(control, sockets, over.clone());
        let apis = [
            node_api::router(model.clone()),
            connection.unwrap_or_default(),
            control,
        ];
        let router = site(apis, &limits);
        let served = tokio::spawn(serve((listener, tls), router, limits, over));
        Self {
            address,
            facts,
            subscriptions,
            model,
            ending,
            served,
        }
    }

    /// The daemon says this now.
    pub(crate) fn says(&self, sessions: &[Value]) {
        self.facts.send_replace(Some(Arc::new(facts(sessions))));
    }
}
