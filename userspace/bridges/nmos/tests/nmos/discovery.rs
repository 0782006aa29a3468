//! Registries that DNS knows.

use std::time::Duration;

use mdns_sd::{IfKind, Receiver, ServiceDaemon, ServiceEvent};
use onair_nmos::discovery::{Announcing, Service, Sources, announce, discover, responder};
use tokio::sync::watch;

use crate::support::dns::Zone;
use crate::support::facts::{formats, host, session};
use crate::support::site::Site;

#[tokio::test]
async fn instances_of_both_types_then_the_usable_in_their_order() {
    let zone = Zone::default();
    let usable = ["api_proto=http", "api_ver=v1.2,v1.3", "api_auth=false"];
    let with = |priority| [&usable[..], &[priority]].concat();
    let (new, old) = ("_nmos-register._tcp", "_nmos-registration._tcp");
    zone.add(new, "second", 8202, &with("pri=20"));
    zone.add(new, "first", 8201, &with("pri=10"));
    zone.add(old, "first", 8201, &with("pri=10"));
    zone.add(old, "third", 8203, &with("pri=30"));
    zone.add(
        new,
        "tls",
        8204,
        &["api_proto=https", "api_ver=v1.3", "pri=10"],
    );
    zone.add(
        new,
        "old",
        8205,
        &["api_proto=http", "api_ver=v1.2", "pri=0"],
    );
    zone.add(new, "trial", 8206, &with("pri=100"));
    let resolver = zone.serve().await;
    let plain = ["127.0.0.1:8201", "127.0.0.1:8202", "127.0.0.1:8203"];
    let secure = "tls.plant.test:8204";
    let all = [&[secure], &plain[..]].concat();
    for (only_tls, expected) in [(false, all), (true, vec![secure])] {
        let sources = Sources {
            unicast: Some(("plant.test".to_owned(), resolver.clone())),
            ..Sources::default()
        };
        let mut found = discover(Service::registration(only_tls), sources);
        let found = found.wait_for(|it| !it.is_empty()).await.unwrap().clone();
        let shown: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(shown, expected);
        assert!(found.iter().all(|it| it.host == "127.0.0.1"));
    }
}

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
