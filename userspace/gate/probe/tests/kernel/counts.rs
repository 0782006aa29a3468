//! The programs' two counts, which spare the walk of the list while both are zero.

use aya::maps::{Array, Map, MapData, loaded_maps};
use onair_probe::ProbeEvent;

use crate::common::{SESSION, probe, registered};
use crate::event;

#[test]
fn callers_leave_in_each_way_then_both_counts_are_zero_again() {
    for way in ["wake", "exit-inside 0", "exec-inside 0", "kill"] {
        let probe = probe();
        let mut events = probe.events().expect("first reader");
        let (mut client, _armed, _) = registered(&probe, 1);
        assert!(!probe.reading(SESSION).unwrap().listed, "before {way}");
        client.block(SESSION, 1, 1);
        let reading = probe.reading(SESSION).unwrap();
        assert_eq!((reading.users(), reading.listed), (1, true), "{way}");
        let counted = probe.counts(&[SESSION]).unwrap().remove(&SESSION);
        let counted = counted.map(|it| (it.users(), it.listed, it.blocked.len()));
        assert_eq!(counted, Some((1, false, 0)), "{way}");
        match way {
            "kill" => {
                client.kill();
            }
            way => {
                client.ask(way);
            }
        }
        let told = |it: &ProbeEvent| match it {
            ProbeEvent::Exit { .. } => way == "exit-inside 0" || way == "kill",
            ProbeEvent::Exec { .. } => way == "exec-inside 0",
            _ => false,
        };
        if way != "wake" {
            event(&mut events, told);
        }
        let reading = probe.reading(SESSION).unwrap();
        assert_eq!((reading.users(), reading.listed), (0, false), "{way}");
    }
}

#[test]
fn count_of_the_session_that_is_too_low_then_the_list_is_read() {
    const INDEX: u32 = 777;
    let probe = probe();
    let (mut client, _armed, proof) = registered(&probe, 1);
    probe.register(&proof, SESSION + 1, 2, INDEX).unwrap();
    client.block(SESSION + 1, 2, 1);
    let mut of_this_probe: Array<MapData, u64> = loaded_maps()
        .filter_map(|info| {
            let info = info.ok().filter(|it| it.name_as_str() == Some("blocked"))?;
            let map = Map::from_map_data(MapData::from_id(info.id()).ok()?).ok()?;
            let counts = Array::<_, u64>::try_from(map).ok()?;
            (counts.get(&INDEX, 0).ok()? == 1).then_some(counts)
        })
        .next()
        .expect("no other probe counts there");
    of_this_probe.set(INDEX, 0, 0).unwrap();
    assert_eq!(probe.blocked(INDEX).unwrap(), 0);
    // The counts contradict each other.
    assert!(probe.counts(&[SESSION + 1]).unwrap().is_empty());
    let reading = probe.reading(SESSION + 1).unwrap();
    assert_eq!((reading.users(), reading.blocked.len()), (1, 1));
    of_this_probe.set(INDEX, 1, 0).unwrap();
    client.ask("wake");
    assert!(!probe.reading(SESSION + 1).unwrap().listed);
}

#[test]
fn caller_of_an_earlier_attachment_then_listed_until_it_leaves() {
    let probe = probe();
    let (mut client, _armed, proof) = registered(&probe, 1);
    client.block(SESSION, 1, 1);
    probe.register(&proof, SESSION, 2, 0).unwrap();
    client.block(SESSION, 2, 1);
    assert_eq!(probe.reading(SESSION).unwrap().users(), 2);
    probe.unregister(proof.tgid, SESSION, 2).unwrap();
    assert_eq!(probe.reading(SESSION).unwrap().users(), 2);
    client.ask("wake");
    let reading = probe.reading(SESSION).unwrap();
    assert_eq!((reading.users(), reading.listed), (0, false));
    probe.unregister(proof.tgid, SESSION, 1).unwrap();
    assert!(
        probe.reading(SESSION).unwrap().listed,
        "no attachment counts"
    );
}
