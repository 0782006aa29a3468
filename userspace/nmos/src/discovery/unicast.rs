//! DNS-SD over unicast DNS.

use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Advert, TYPES, sorted};
use crate::publish::publish;
use crate::registration::Registry;

/// Between two looks. The resolver's cache keeps records for their own time.
const PAUSE: Duration = Duration::from_secs(5);
/// Most instances of a service type that are looked at.
const MOST: usize = 32;

/// Asks about `domain` again and again, until the last reader is gone.
pub async fn poll(resolver: TokioResolver, domain: String, found: watch::Sender<Vec<Registry>>) {
    loop {
        let now = sorted(look(&resolver, &domain).await);
        publish(&found, now);
        tokio::select! {
            () = sleep(PAUSE) => {}
            () = found.closed() => return,
        }
    }
}

/// The registries of a domain. What has no answer is not there.
async fn look(resolver: &TokioResolver, domain: &str) -> Vec<Registry> {
    let mut registries = Vec::new();
    for kind in TYPES {
        let service = format!("{kind}.{}.", domain.trim_end_matches('.'));
        let instances = records(resolver, &service, RecordType::PTR).await;
        let names = instances.into_iter().filter_map(|it| match it {
            RData::PTR(name) => Some(name.0),
            _ => None,
        });
        for name in names.take(MOST) {
            registries.extend(instance(resolver, name).await);
        }
    }
    registries
}

async fn instance(resolver: &TokioResolver, name: Name) -> Option<Registry> {
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
    let advert = Advert {
        protocol: value("api_proto"),
        versions: value("api_ver"),
        authorization: value("api_auth"),
        priority: value("pri"),
    };
    let addresses = resolver.lookup_ip(place.target).await.ok()?;
    let address = addresses.iter().next()?;
    advert.registry(address.to_string(), place.port)
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
