//! The node by mDNS, as another program on the loopback interface hears it.

use std::time::Duration;

use mdns_sd::{IfKind, Receiver, ServiceDaemon, ServiceEvent};
use onair_nmos::discovery::{Announcing, announce, responder};
use tokio::sync::watch;

use crate::support::facts::{formats, host, session};
use crate::support::site::Site;

/// The event that is wanted, within a minute.
async fn until<T>(
    events: &Receiver<ServiceEvent>,
    wanted: impl Fn(ServiceEvent) -> Option<T>,
) -> T {
    let event = async {
        loop {
            if let Some(it) = wanted(events.recv_async().await.unwrap()) {
                return it;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), event)
        .await
        .unwrap()
}

/// The texts of the node that has this port, once its counter of senders is so.
async fn heard(events: &Receiver<ServiceEvent>, port: u16, senders: &str) -> Vec<String> {
    until(events, |event| match event {
        ServiceEvent::ServiceResolved(it) if it.get_port() == port => {
            assert_ne!(it.get_hostname(), "studio.local.", "the machine's");
            let texts = it.get_properties().iter().map(ToString::to_string);
            let texts: Vec<_> = texts.collect();
            let is_so = texts.contains(&format!("ver_snd={senders}"));
            is_so.then_some(texts)
        }
        _ => None,
    })
    .await
}

#[tokio::test]
async fn no_registry_then_a_browser_hears_the_node_and_its_changes() {
    let format = &formats()[0];
    let site = Site::start(&[session("a", "send", format)]).await;
    let (responder, browser) = (responder().unwrap(), ServiceDaemon::new().unwrap());
    for daemon in [&responder, &browser] {
        daemon.disable_interface(IfKind::All).unwrap();
        daemon.enable_interface(IfKind::LoopbackV4).unwrap();
    }
    let events = browser.browse("_nmos-node._tcp.local.").unwrap();
    let port = site.address.port();
    let (registered, registered_of) = watch::channel(None);
    let (_ending, ending) = watch::channel(false);
    tokio::spawn(announce(Announcing {
        responder,
        host: onair_nmos::resources::Host { port, ..host() },
        model: site.model.clone(),
        registered: registered_of,
        ending,
    }));
    let texts = heard(&events, port, "1").await;
    for text in ["api_proto=http", "api_ver=v1.3", "api_auth=false"] {
        assert!(texts.iter().any(|it| it == text), "{texts:?}");
    }
    for key in ["slf", "dvc", "src", "flw", "rcv"] {
        let key = format!("ver_{key}=");
        assert!(texts.iter().any(|it| it.starts_with(&key)), "{texts:?}");
    }
    site.says(&[session("a", "send", format), session("b", "send", format)]);
    heard(&events, port, "2").await;
    registered.send_replace(Some("http://127.0.0.1:1".parse().unwrap()));
    let port = format!(" {port}.");
    until(&events, |event| match event {
        ServiceEvent::ServiceRemoved(_, name) => name.contains(&port).then_some(()),
        _ => None,
    })
    .await;
}
