//! Finds registries and System APIs, and shows the node where there is none (IS-04 v1.3, Discovery).
//!
//! Registries come from the settings, else of unicast DNS, else of mDNS: the first of the three that has any. All by
//! DNS-SD (RFC 6763) under the name of version 1.3 and the older, longer one.

mod advert;
mod announce;

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::select_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use mdns_sd::{ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::endpoint::Endpoint;

pub use announce::{Announcing, announce};

/// Between two looks. The resolver's cache keeps records for their own time.
const PAUSE: Duration = Duration::from_secs(5);
/// Most instances of a service type that are looked at.
const MOST: usize = 32;

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

/// Follows the APIs of this link, by all their service types.
#[must_use]
pub fn browse(responder: ServiceDaemon, service: Service) -> watch::Receiver<Vec<Endpoint>> {
    let (found, reader) = watch::channel(Vec::new());
    tokio::spawn(follow(responder, service, found));
    reader
}

async fn follow(responder: ServiceDaemon, service: Service, found: watch::Sender<Vec<Endpoint>>) {
    let types = service.types.iter();
    let browsed = types.map(|kind| responder.browse(&format!("{kind}.local.")));
    let mut events = match browsed.collect::<Result<Vec<_>, _>>() {
        Ok(all) => select_all(all.into_iter().map(|it| it.into_stream())),
        Err(error) => {
            tracing::warn!(%error, "mDNS is not asked");
            return;
        }
    };
    let mut instances = HashMap::new();
    loop {
        let event = tokio::select! {
            it = events.next() => it,
            () = found.closed() => return,
        };
        match event {
            Some(ServiceEvent::ServiceResolved(instance)) => {
                match endpoint(&service, &instance) {
                    Some(it) => instances.insert(instance.fullname.clone(), it),
                    None => instances.remove(&instance.fullname),
                };
            }
            Some(ServiceEvent::ServiceRemoved(_, name)) => drop(instances.remove(&name)),
            Some(_) => continue,
            None => {
                tracing::warn!("mDNS has ended");
                return;
            }
        }
        let now = sorted(instances.values().cloned().collect());
        publish(&found, now);
    }
}

fn endpoint(service: &Service, instance: &ResolvedService) -> Option<Endpoint> {
    // An address of IPv6 may be of this link only, and then needs its interface, which a URL does not have.
    let addresses = instance.get_addresses().iter().filter_map(|it| match it {
        ScopedIp::V4(it) => Some(it.addr().to_string()),
        _ => None,
    });
    let place = (
        addresses.min()?,
        instance.get_hostname(),
        instance.get_port(),
    );
    advert::endpoint(service, place, |key| instance.get_property_val_str(key))
}

/// Asks about `domain` again and again, until the last reader is gone.
pub async fn poll(
    resolver: TokioResolver,
    (service, domain): (Service, String),
    found: watch::Sender<Vec<Endpoint>>,
) {
    loop {
        let now = sorted(look(&resolver, &service, &domain).await);
        publish(&found, now);
        tokio::select! {
            () = sleep(PAUSE) => {}
            () = found.closed() => return,
        }
    }
}

/// The APIs of a domain. What has no answer is not there.
async fn look(resolver: &TokioResolver, service: &Service, domain: &str) -> Vec<Endpoint> {
    let mut all = Vec::new();
    for kind in service.types {
        let name = format!("{kind}.{}.", domain.trim_end_matches('.'));
        let instances = records(resolver, &name, RecordType::PTR).await;
        let names = instances.into_iter().filter_map(|it| match it {
            RData::PTR(name) => Some(name.0),
            _ => None,
        });
        for name in names.take(MOST) {
            all.extend(instance(resolver, service, name).await);
        }
    }
    all
}

async fn instance(resolver: &TokioResolver, service: &Service, name: Name) -> Option<Endpoint> {
    let text = name.to_ascii();
    let places = records(resolver, &text, RecordType::SRV).await;
    let place = places.into_iter().find_map(|it| match it {
        RData::SRV(place) => Some(place),
        _ => None,
    })?;
    let texts = records(resolver, &text, RecordType::TXT).await;
    let pairs = texts.into_iter().filter_map(|it| match it {
        RData::TXT(text) => Some(text.txt_data),
        _ => None,
    });
    let pairs: Vec<_> = pairs
        .flatten()
        .filter_map(|it| String::from_utf8(it.into()).ok())
        .collect();
    let value = |key: &str| {
        let mut pairs = pairs.iter().filter_map(|it| it.split_once('='));
        pairs
            .find(|(it, _)| it.eq_ignore_ascii_case(key))
            .map(|(_, value)| value)
    };
    let name = place.target.to_ascii();
    let addresses = resolver.lookup_ip(place.target).await.ok()?;
    let address = addresses.iter().next()?.to_string();
    advert::endpoint(service, (address, &name, place.port), value)
}

async fn records(resolver: &TokioResolver, name: &str, kind: RecordType) -> Vec<RData> {
    match resolver.lookup(name, kind).await {
        Ok(answer) => {
            let records = answer
                .answers()
                .iter()
                .filter(|it| it.record_type() == kind);
            records.map(|it| it.data.clone()).collect()
        }
        Err(error) => {
            tracing::debug!(%error, name, "no answer of DNS");
            Vec::new()
        }
    }
}

/// Gives `now` to the readers if it is another value than the last.
pub(crate) fn publish<T: PartialEq>(readers: &watch::Sender<T>, now: T) {
    readers.send_if_modified(|it| {
        let changed = *it != now;
        *it = now;
        changed
    });
}
