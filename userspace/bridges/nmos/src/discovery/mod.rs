//! Finds registries and System APIs, and shows the node where there is none (IS-04 v1.3, Discovery).
//!
//! Registries come from the settings, else of unicast DNS, else of mDNS: the first of the three that has any. All by
//! DNS-SD (RFC 6763) under the name of version 1.3 and the older, longer one.

mod advert;
mod announce;
mod multicast;
mod unicast;

use hickory_resolver::TokioResolver;
use mdns_sd::ServiceDaemon;
use tokio::sync::watch;

use crate::endpoint::Endpoint;
use crate::publish::publish;

pub use announce::{Announcing, announce};
pub use multicast::browse;
pub use unicast::poll;

/// The APIs that are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// Service types, without a domain.
    pub types: &'static [&'static str],
    /// Version of the API.
    pub version: &'static str,
    /// Those over plain HTTP are not used.
    pub only_tls: bool,
}

impl Service {
    /// Registries, by the service type of IS-04 v1.3 and that of versions before.
    #[must_use]
    pub const fn registration(only_tls: bool) -> Self {
        Self {
            types: &["_nmos-register._tcp", "_nmos-registration._tcp"],
            version: "v1.3",
            only_tls,
        }
    }

    /// System APIs (IS-09).
    #[must_use]
    pub const fn system(only_tls: bool) -> Self {
        Self {
            types: &["_nmos-system._tcp"],
            version: "v1.0",
            only_tls,
        }
    }
}

/// Longest name of a service type: the older one has more than the 15 bytes that RFC 6763 §7 allows.
const LONGEST_NAME: u8 = 17;

/// Where to look for APIs.
#[derive(Default)]
pub struct Sources {
    /// Those of the settings, in order. If there are any, no others are looked for.
    pub fixed: Vec<Endpoint>,
    /// Domain of unicast DNS, and who answers about it.
    pub unicast: Option<(String, TokioResolver)>,
    /// The mDNS responder of this process.
    pub multicast: Option<ServiceDaemon>,
}

/// Looks for a service: the APIs that are there now, in the order of their priority. Ends with the last reader.
#[must_use]
pub fn discover(service: Service, sources: Sources) -> watch::Receiver<Vec<Endpoint>> {
    let (found, reader) = watch::channel(sources.fixed.clone());
    if !sources.fixed.is_empty() {
        tokio::spawn(async move { found.closed().await });
        return reader;
    }
    let mut unicast = sources.unicast.map_or_else(nothing, |(domain, resolver)| {
        let (sender, reader) = watch::channel(Vec::new());
        tokio::spawn(poll(resolver, (service, domain), sender));
        reader
    });
    let multicast = sources.multicast;
    let mut multicast = multicast.map_or_else(nothing, |it| browse(it, service));
    tokio::spawn(async move {
        loop {
            let first = unicast.borrow_and_update().clone();
            let second = multicast.borrow_and_update().clone();
            let now = if first.is_empty() { second } else { first };
            publish(&found, now);
            tokio::select! {
                Ok(()) = unicast.changed() => {}
                Ok(()) = multicast.changed() => {}
                () = found.closed() => return,
            }
        }
    });
    reader
}

/// None, for ever.
fn nothing() -> watch::Receiver<Vec<Endpoint>> {
    watch::channel(Vec::new()).1
}

/// The mDNS responder of this process. It has a thread of its own, which ends with the process.
///
/// # Errors
/// The machine has no multicast, or no thread.
pub fn responder() -> mdns_sd::Result<ServiceDaemon> {
    let responder = ServiceDaemon::new()?;
    responder.set_service_name_len_max(LONGEST_NAME)?;
    Ok(responder)
}

/// In the order of their priority, of one priority those over TLS first; each once.
fn sorted(mut all: Vec<Endpoint>) -> Vec<Endpoint> {
    all.sort_by(|a, b| (a.priority, a.tls.is_none(), a).cmp(&(b.priority, b.tls.is_none(), b)));
    let mut once: Vec<Endpoint> = Vec::new();
    for it in all {
        if !once
            .iter()
            .any(|one| (&one.host, one.port) == (&it.host, it.port))
        {
            once.push(it);
        }
    }
    once
}
