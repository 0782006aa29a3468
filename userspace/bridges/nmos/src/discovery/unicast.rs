//! DNS-SD over unicast DNS.

use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Service, advert, sorted};
use crate::endpoint::Endpoint;
use crate::publish::publish;

/// Between two looks. The resolver's cache keeps records for their own time.
const PAUSE: Duration = Duration::from_secs(5);
/// Most instances of a service type that are looked at.
const MOST: usize = 32;

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
