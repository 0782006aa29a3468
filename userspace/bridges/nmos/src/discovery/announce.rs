//! Peer-to-peer mode: where no registry has the node, controllers find it by mDNS.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mdns_sd::{ServiceDaemon, ServiceInfo};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::endpoint::Endpoint;
use crate::model::Model;
use crate::resources::{Host, Kind};

const TYPE: &str = "_nmos-node._tcp.local.";
/// How long no registry has the node before it announces itself: a registration takes less.
const GRACE: Duration = Duration::from_secs(10);

/// Inputs of an announcement.
pub struct Announcing {
    /// The mDNS responder of this process.
    pub responder: ServiceDaemon,
    /// Where the node answers.
    pub host: Host,
    /// The resources: their changes are announced.
    pub model: watch::Receiver<Arc<Model>>,
    /// The registry that has the node.
    pub registered: watch::Receiver<Option<Endpoint>>,
    /// True: it leaves.
    pub ending: watch::Receiver<bool>,
}

/// Announces the node whenever no registry has it, until it leaves.
pub async fn announce(mut with: Announcing) {
    let mut counters = Counters::default();
    let mut shown = None;
    loop {
        let is_alone = with.registered.borrow_and_update().is_none();
        let changed = counters.count(&with.model.borrow_and_update().clone());
        match (&shown, is_alone) {
            (None, true) => {
                let is_over = tokio::select! {
                    () = sleep(GRACE) => true,
                    _ = with.registered.wait_for(Option::is_some) => false,
                    _ = with.ending.wait_for(|it| *it) => return,
                };
                if is_over {
                    shown = with.show(&counters);
                }
                continue;
            }
            (Some(_), true) if changed => shown = with.show(&counters),
            (Some(name), false) => {
                with.hide(name);
                shown = None;
            }
            _ => {}
        }
        tokio::select! {
            Ok(()) = with.registered.changed() => {}
            Ok(()) = with.model.changed() => {}
            _ = with.ending.wait_for(|it| *it) => break,
        }
    }
    if let Some(name) = shown {
        with.hide(&name);
    }
}

impl Announcing {
    /// The full name of the announced instance.
    fn show(&self, counters: &Counters) -> Option<String> {
        let host = &self.host;
        let name = host.hostname.as_deref().unwrap_or(&host.label);
        let label = name.split('.').next().unwrap_or_default();
        // A name of its own: when the node leaves, the machine's name stays with the machine's own responder.
        let short: String = label.chars().take(50).collect();
        let server = format!("{short}-{}.local.", host.port);
        let of_url = host.address.parse::<std::net::IpAddr>();
        let address = of_url.map(|it| it.to_string()).unwrap_or_default();
        let instance = format!("onair-nmos {label} {}", host.port);
        let texts = counters.texts(host.protocol());
        let info = ServiceInfo::new(TYPE, &instance, &server, address.as_str(), host.port, texts);
        let info = info.map(|it| match address.is_empty() {
            true => it.enable_addr_auto(),
            false => it,
        });
        let shown = info.and_then(|it| {
            let name = it.get_fullname().to_owned();
            self.responder.register(it).map(|()| name)
        });
        shown
            .inspect_err(|error| tracing::warn!(%error, "the node is not announced"))
            .ok()
    }

    fn hide(&self, name: &str) {
        if let Err(error) = self.responder.unregister(name) {
            tracing::warn!(%error, "the node is still announced");
        }
    }
}

/// How often the resources of each kind changed, modulo 256: `ver_` of the announcement.
#[derive(Debug, Default)]
struct Counters {
    last: Option<Arc<Model>>,
    changes: HashMap<Kind, u8>,
}

impl Counters {
    /// Counts what changed since the last time; false if nothing did.
    fn count(&mut self, model: &Arc<Model>) -> bool {
        let last = self.last.replace(model.clone()).unwrap_or_default();
        let mut changed = false;
        for kind in Kind::ALL {
            if !last.of_kind(kind).eq(model.of_kind(kind)) {
                let count = self.changes.entry(kind).or_default();
                *count = count.wrapping_add(1);
                changed = true;
            }
        }
        changed
    }

    fn texts(&self, protocol: &str) -> HashMap<String, String> {
        let fixed = [
            ("api_proto", protocol),
            ("api_ver", "v1.3"),
            ("api_auth", "false"),
        ];
        let fixed = fixed.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let counts = Kind::ALL.map(|kind| {
            let key = match kind {
                Kind::Node => "ver_slf",
                Kind::Device => "ver_dvc",
                Kind::Source => "ver_src",
                Kind::Flow => "ver_flw",
                Kind::Sender => "ver_snd",
                Kind::Receiver => "ver_rcv",
            };
            let count = self.changes.get(&kind).copied().unwrap_or_default();
            (key.to_owned(), count.to_string())
        });
        fixed.into_iter().chain(counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::Tai;
    use crate::model::Document;

    #[test]
    fn sender_changes_then_only_its_counter_rises_and_wraps() {
        let model = |version: u64| {
            let document = Document {
                version: Tai::at(Duration::from_secs(version)),
                body: json!({}),
            };
            let key = (Kind::Sender, Uuid::from_u128(1));
            Arc::new(Model {
                documents: [(key, Arc::new(document))].into(),
                is_known: true,
            })
        };
        let mut counters = Counters::default();
        assert!(counters.count(&model(0)));
        assert!(!counters.count(&model(0)));
        for version in 1..=255 {
            assert!(counters.count(&model(version)));
        }
        let texts = counters.texts("http");
        assert_eq!((&*texts["ver_snd"], &*texts["ver_rcv"]), ("0", "0"));
        assert_eq!(texts["api_ver"], "v1.3");
    }
}
