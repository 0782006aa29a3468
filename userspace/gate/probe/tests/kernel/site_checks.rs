//! Whether the sites of a client are armed, and of the probe itself.

use std::os::unix::fs::MetadataExt;

use onair_ipc::memory::EventCountFile;
use onair_probe::{Blind, Looker, Probe, ProbeError, SiteReading};

use crate::common::{
    Client, SESSION, block_on, config, introduce, is_asleep, probe, program, until,
};

#[test]
fn sites_client_restores_its_text_then_blind() {
    let probe = probe();
    let mut client = Client::start();
    let (armed, _proof) = introduce(&probe, &mut client).unwrap();
    assert_eq!(armed.checker.addresses().len(), 2);
    armed.checker.look().expect("armed");
    client.ask("restore");
    let blind = armed.checker.look();
    assert!(
        matches!(blind, Err(Blind::Unarmed { byte: 0x90, .. })),
        "{blind:?}"
    );
}

#[test]
fn sites_client_was_blind_once_then_blind_for_good() {
    let probe = probe();
    let mut client = Client::start();
    let (armed, _proof) = introduce(&probe, &mut client).unwrap();
    client.ask("restore");
    armed.checker.look().expect_err("disarmed");
    client.ask("rearm");
    let blind = armed.checker.look();
    assert!(
        matches!(&blind, Err(Blind::Before { first }) if matches!(**first, Blind::Unarmed { byte: 0x90, .. })),
        "{blind:?}"
    );
    client.kill();
    assert!(matches!(armed.checker.look(), Err(Blind::AddressSpaceGone)));
}

#[test]
fn sites_client_writes_beside_them_or_maps_a_copy_then_blind() {
    let probe = probe();
    for (trick, expected) in [
        ("beside", "beside the sites"),
        ("writable", "no longer mapped"),
        ("copy", "no longer mapped"),
    ] {
        let mut client = Client::start();
        let (armed, _proof) = introduce(&probe, &mut client).unwrap();
        client.ask(trick);
        let blind = armed.checker.look().expect_err(trick);
        assert!(blind.to_string().contains(expected), "{trick}: {blind}");
    }
}

#[test]
fn sites_client_with_too_many_threads_then_blind_and_said_why() {
    let mut config = config();
    config.max_threads = 4;
    let probe = Probe::start(config).unwrap();
    let mut client = Client::start();
    let (armed, _proof) = introduce(&probe, &mut client).unwrap();
    // Any file that it maps, on which no thread sleeps.
    let file = std::fs::metadata(program()).unwrap();
    let event_counts = EventCountFile {
        device: file.dev(),
        inode: file.ino(),
        offsets: [0, 64, 128],
    };
    armed.checker.watch_event_counts(SESSION, event_counts);
    assert_eq!(
        armed.checker.look().expect("one thread"),
        SiteReading::default()
    );
    client.block(SESSION, 1, 8);
    let unknown = armed.checker.look();
    assert!(
        matches!(unknown, Err(Blind::TooManyThreads { count: 9, limit: 4 })),
        "{unknown:?}"
    );
    // That was about this check alone.
    client.ask("wake");
    until("the threads to be gone", || armed.checker.look().ok());
}

/// The word on which a thread of the client sleeps, by the file that it is mapped from.
fn word_of(client: &Client, tid: u32) -> EventCountFile {
    let pid = client.pid();
    let call = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).unwrap();
    let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
    let address = number(call.split(' ').nth(1).unwrap());
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let found = maps.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let offset = number(fields.nth(1)?);
        let is_here = (number(start)..number(end)).contains(&address);
        is_here.then(|| address - number(start) + offset)
    });
    let file = std::fs::metadata(program()).unwrap();
    EventCountFile {
        device: file.dev(),
        inode: file.ino(),
        offsets: [found.unwrap(); 3],
    }
}

#[test]
fn looks_together_at_attachments_then_each_by_its_own_words() {
    let probe = probe();
    let mut client = Client::start();
    let mut tids = client.block(SESSION + 9, 1, 2);
    // They tell their numbers in any order; the kernel lists them in this one.
    tids.sort_unstable();
    let word = word_of(&client, tids[0]);
    let beside = EventCountFile {
        offsets: word.offsets.map(|it| it + 8),
        ..word
    };
    // Nothing is registered: the probe lists none of the sleepers.
    let armed = |session, file| {
        let armed = block_on(probe.arm(client.pid())).unwrap();
        armed.checker.watch_event_counts(session, file);
        armed
    };
    let all = [
        armed(SESSION, beside),
        armed(SESSION + 1, word),
        armed(SESSION + 2, beside),
    ];
    for order in [[0, 1, 2], [1, 0, 2], [2, 0, 1]] {
        let lookers = order.map(|at| all[at].checker.looker());
        let found = Looker::look_together(&lookers);
        for (at, found) in order.into_iter().zip(found) {
            match found {
                Err(Blind::Unlisted { tids: unlisted }) if at == 1 => assert_eq!(unlisted, tids),
                Ok(seen) if at != 1 => assert_eq!(seen, SiteReading::default()),
                other => panic!("{at} of {order:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn looks_together_at_several_processes_then_each_by_its_own() {
    let probe = probe();
    let mut clients: Vec<Client> = (0..4).map(|_| Client::start()).collect();
    let armed: Vec<_> = clients
        .iter()
        .map(|client| block_on(probe.arm(client.pid())).unwrap())
        .collect();
    let looks = |first: usize| {
        let mut lookers: Vec<_> = armed.iter().map(|it| it.checker.looker()).collect();
        lookers.rotate_left(first);
        let mut found = Looker::look_together(&lookers);
        found.rotate_right(first);
        found
    };
    for first in 0..4 {
        assert!(looks(first).iter().all(Result::is_ok), "{first}");
    }
    clients[1].ask("restore");
    clients[2].kill();
    for first in 0..4 {
        let found = looks(first);
        let blind: Vec<_> = found.iter().map(Result::is_err).collect();
        assert_eq!(blind, [false, true, false, false], "{first}: {found:?}");
    }
}

#[test]
fn sites_leader_has_exited_then_still_seen() {
    let probe = probe();
    let mut client = Client::start();
    let tids = client.block(SESSION, 1, 1);
    client.ask("leader-exit");
    let leader = client.pid();
    until("a leader without memory", || {
        std::fs::read_to_string(format!("/proc/{leader}/stat"))
            .is_ok_and(|stat| stat.contains(") Z "))
            .then_some(())
    });
    let armed = block_on(probe.arm(leader)).expect("a thread of it is alive");
    armed.checker.look().expect("armed");
    assert!(is_asleep(leader, tids[0]));
}

#[test]
fn self_test_own_site_then_seen_until_closed() {
    let probe = probe();
    probe.self_test().expect("sees itself");
    let health = probe.health();
    health.state.expect("it watches");
    assert_eq!((health.programs, health.files, health.links), (4, 1, 2));
    block_on(probe.close());
    // Another test's child may hold copies of the links until its exec.
    until("blindness", || {
        matches!(probe.self_test(), Err(Blind::Canary { got: 0 })).then_some(())
    });
    let health = probe.health();
    assert!(matches!(health.state, Err(Blind::Closed)));
    assert_eq!((health.programs, health.links, health.detaching), (0, 0, 0));
    assert!(matches!(
        block_on(probe.arm(std::process::id())),
        Err(ProbeError::Closed)
    ));
}

#[test]
fn start_site_that_is_never_executed_then_refused() {
    let mut config = config();
    config.own_site = |_, _| {};
    let refused = Probe::start(config);
    assert!(
        matches!(
            refused,
            Err(ProbeError::Blind {
                source: Blind::Canary { got: 0 },
                ..
            })
        ),
        "{refused:?}"
    );
}
