//! Registries that DNS knows.

mod announcement;

use onair_nmos::discovery::{Service, Sources, discover};

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
