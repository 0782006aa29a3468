//! Metrics for Prometheus: collects existing counters on request.
//!
//! The actor fills an [`Exposition`](onair_settings::diagnostics::exposition::Exposition) from the counters that pollers,
//! probe, sessions and the event hub keep; nothing is counted here. The control socket serves it,
//! and a separate TCP socket if the configuration names one.

use std::net::SocketAddr;
use std::time::Duration;

use onair_settings::config::{Config, ms};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::control::handle::ControlHandle;
use crate::control::http::{self, Limits};

/// Pause after a failed accept, which fails again at once while descriptors are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How much of the daemon all clients of the port may use together.
pub fn limits(config: &Config) -> Limits {
    Limits {
        connections: config.metrics.connections,
        body_bytes: 0,
        head: ms(config.timeouts.metrics_head_ms),
        ..Limits::of(config)
    }
}

/// Listens on `address`.
///
/// # Errors
/// The kernel's: the address is in use, or does not belong to this machine.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Serves the metrics on `listener` until `shutdown` is ready. Connections beyond the limit wait in
/// the kernel's queue until a served one ends.
pub async fn serve(
    listener: TcpListener,
    handle: ControlHandle,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let router = http::metrics_alone(handle);
    let (ending, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < limits.connections => {
                match accepted {
                    Ok((stream, peer)) => {
                        tracing::debug!(%peer, "metrics connection");
                        let over = ending.subscribe();
                        connections.spawn(http::connection(stream, router.clone(), limits, over));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept on metrics.listen");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    }
    drop(listener);
    ending.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    // A reader that does not finish is disconnected when the set is dropped.
    let _ = tokio::time::timeout(limits.final_event, all).await;
}
