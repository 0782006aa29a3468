//! DNS-SD over mDNS.

use std::collections::HashMap;

use mdns_sd::{ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent};
use tokio::sync::watch;

use super::{Advert, TYPES, sorted};
use crate::publish::publish;
use crate::registration::Registry;

/// Follows the registries of this link, by both service types.
#[must_use]
pub fn browse(responder: ServiceDaemon) -> watch::Receiver<Vec<Registry>> {
    let (found, reader) = watch::channel(Vec::new());
    tokio::spawn(follow(responder, found));
    reader
}

async fn follow(responder: ServiceDaemon, found: watch::Sender<Vec<Registry>>) {
    let [newer, older] = TYPES.map(|kind| responder.browse(&format!("{kind}.local.")));
    let (newer, older) = match (newer, older) {
        (Ok(newer), Ok(older)) => (newer, older),
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!(%error, "no registry is looked for by mDNS");
            return;
        }
    };
    let mut instances = HashMap::new();
    loop {
        let event = tokio::select! {
            it = newer.recv_async() => it,
            it = older.recv_async() => it,
            () = found.closed() => return,
        };
        match event {
            Ok(ServiceEvent::ServiceResolved(service)) => {
                match registry(&service) {
                    Some(it) => instances.insert(service.fullname.clone(), it),
                    None => instances.remove(&service.fullname),
                };
            }
            Ok(ServiceEvent::ServiceRemoved(_, name)) => drop(instances.remove(&name)),
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%error, "mDNS has ended");
                return;
            }
        }
        let now = sorted(instances.values().cloned().collect());
        publish(&found, now);
    }
}

fn registry(service: &ResolvedService) -> Option<Registry> {
    let value = |key| service.get_property_val_str(key);
    let advert = Advert {
        protocol: value("api_proto"),
        versions: value("api_ver"),
        authorization: value("api_auth"),
        priority: value("pri"),
    };
    // An address of IPv6 may be of this link only, and then needs its interface, which a URL does not have.
    let addresses = service.get_addresses().iter().filter_map(|it| match it {
        ScopedIp::V4(it) => Some(it.addr().to_string()),
        _ => None,
    });
    advert.registry(addresses.min()?, service.get_port())
}
