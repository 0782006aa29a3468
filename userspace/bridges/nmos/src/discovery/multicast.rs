//! DNS-SD over mDNS.

use std::collections::HashMap;

use futures_util::StreamExt as _;
use futures_util::stream::select_all;
use mdns_sd::{ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent};
use tokio::sync::watch;

use super::{Service, advert, sorted};
use crate::endpoint::Endpoint;
use crate::publish::publish;

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
