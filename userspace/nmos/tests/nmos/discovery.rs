//! Registries that DNS knows.

use onair_nmos::discovery::{Sources, discover};

use crate::support::dns::Zone;

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
        &["api_proto=https", "api_ver=v1.3", "pri=0"],
    );
    zone.add(
        new,
        "old",
        8205,
        &["api_proto=http", "api_ver=v1.2", "pri=0"],
    );
    zone.add(new, "trial", 8206, &with("pri=100"));
    let mut found = discover(Sources {
        unicast: Some(("plant.test".to_owned(), zone.serve().await)),
        ..Sources::default()
    });
    let found = found.wait_for(|it| !it.is_empty()).await.unwrap().clone();
    let shown: Vec<_> = found
        .iter()
        .map(|it| (it.priority, it.to_string()))
        .collect();
    let expected = [(10, 8201), (20, 8202), (30, 8203)];
    assert_eq!(
        shown,
        expected.map(|(at, port)| (at, format!("127.0.0.1:{port}")))
    );
}
