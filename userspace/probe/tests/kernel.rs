//! The probe against a real kernel and real processes. Needs root.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, not in their helpers"
)]

mod common;

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use common::{
    Client, block_on, config, introduce, is_asleep, own_site, probe, program, stat, until,
};
use onair_ipc::memory::BellFile;
use onair_probe::{
    Blind, Events, Probe, ProbeError, ProbeEvent, Seen, SiteKind, State, SurveyError,
};
use rustix::event::{PollFd, PollFlags, poll};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

const SESSION: u64 = 0x6700_0000_0000_0001;

/// Drains until the expected event arrives.
fn event(events: &mut Events, wanted: impl Fn(&ProbeEvent) -> bool) -> ProbeEvent {
    until("an event", || {
        let mut ready = [PollFd::new(events, PollFlags::IN)];
        poll(
            &mut ready,
            Some(&Duration::from_millis(50).try_into().unwrap()),
        )
        .unwrap();
        events.drain().into_iter().find(&wanted)
    })
}

#[test]
fn caller_blocks_and_returns_then_listed_and_gone() {
    let probe = probe();
    // uprobe.multi came with Linux 6.6.
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap(), numbers.next().unwrap());
    assert_eq!(probe.health().shared_links, version >= (6, 6), "{release}");
    is_listed_and_gone(&probe);
}

#[test]
fn caller_at_sites_with_a_link_each_then_listed_and_gone_alike() {
    let mut config = config();
    config.shared_links = false;
    let probe = Probe::start(config).unwrap();
    assert!(!probe.health().shared_links);
    is_listed_and_gone(&probe);
    assert!(
        probe
            .begin_close()
            .wait(std::time::Instant::now() + common::DEADLINE)
    );
    assert_eq!(probe.health().detaching, 0);
}

/// Linux 6.1 loads the program for links of many sites, and refuses each such link.
#[test]
fn caller_on_a_kernel_that_refuses_links_of_many_sites_then_listed_and_gone_alike() {
    refuse_links_of_many_sites();
    let probe = probe();
    assert!(!probe.health().shared_links);
    is_listed_and_gone(&probe);
}

/// From now on the kernel refuses to this thread, and to the threads and processes that it starts,
/// the request that only [`onair_ipc::sys::bpf::attach_uprobes`] makes: `BPF_LINK_CREATE` with 64
/// bytes.
fn refuse_links_of_many_sites() {
    const BPF_LINK_CREATE: u64 = 28;
    let equals = |argument, value| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value).unwrap()
    };
    let is_it = SeccompRule::new(vec![equals(0, BPF_LINK_CREATE), equals(2, 64)]).unwrap();
    let filter = SeccompFilter::new(
        [(libc::SYS_bpf, vec![is_it])].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EINVAL.cast_unsigned()),
        TargetArch::x86_64,
    );
    let filter: BpfProgram = filter.unwrap().try_into().unwrap();
    seccompiler::apply_filter(&filter).unwrap();
}

fn is_listed_and_gone(probe: &Probe) {
    let mut client = Client::start();
    let (armed, proof) = introduce(probe, &mut client).unwrap();
    assert_eq!(proof.ns_tgid, client.pid());
    let inode = program().metadata().unwrap().ino();
    assert_eq!(proof.inode, inode);
    assert_eq!(armed.files.len(), 1);
    let kinds: Vec<SiteKind> = armed.files[0].sites.iter().map(|site| site.kind).collect();
    assert_eq!(kinds, [SiteKind::WaitBegin, SiteKind::WaitEnd]);
    assert_eq!(armed.files[0].path, program().to_str().unwrap());
    assert!(
        armed.files[0]
            .build_id
            .as_ref()
            .is_some_and(|id| id.len() == 40)
    );

    probe.register(&proof, SESSION, 42, 3).unwrap();
    assert!(probe.reading(SESSION).unwrap().blocked.is_empty());
    let mut tids = client.block(SESSION, 42, 3);
    let reading = probe.reading(SESSION).unwrap();
    assert_eq!((reading.counter, reading.lost, reading.users()), (3, 0, 3));
    let mut seen: Vec<u32> = reading.blocked.iter().map(|waiter| waiter.ns_tid).collect();
    seen.sort_unstable();
    tids.sort_unstable();
    assert_eq!(seen, tids);
    for waiter in &reading.blocked {
        assert_eq!(
            (waiter.ns_tgid, waiter.attachment, waiter.session),
            (client.pid(), 42, SESSION)
        );
        assert_eq!((waiter.inode, waiter.own_tid), (inode, waiter.ns_tid));
        assert!(waiter.comm.starts_with("sleeper"), "{}", waiter.comm);
        assert!(waiter.since < reading.at && waiter.start_boottime > 0);
    }
    client.tell("wake");
    let reading = probe.reading(SESSION).unwrap();
    assert_eq!((reading.users(), reading.blocked.len()), (0, 0));
    assert_eq!(stat(probe, "end"), 3);
}

#[test]
fn thread_exits_inside_then_event_and_gone() {
    let probe = probe();
    let mut events = probe.events().expect("first reader");
    assert!(probe.events().is_none());
    let mut client = Client::start();
    let (_armed, proof) = introduce(&probe, &mut client).unwrap();
    probe.register(&proof, SESSION, 1, 0).unwrap();
    let mut tids = client.block(SESSION, 1, 1);
    tids.extend(client.block(SESSION, 1, 1));
    client.tell("exit-inside 0");
    let exit = event(&mut events, |event| {
        matches!(event, ProbeEvent::Exit { .. })
    });
    let ProbeEvent::Exit {
        ns_tid,
        own_tid,
        session,
        attachment,
        last,
        ..
    } = exit
    else {
        unreachable!("matched above")
    };
    assert_eq!((ns_tid, own_tid), (tids[0], tids[0]));
    assert_eq!((session, attachment, last), (SESSION, 1, false));
    let reading = probe.reading(SESSION).unwrap();
    assert_eq!((reading.users(), reading.blocked[0].ns_tid), (1, tids[1]));
}

#[test]
fn thread_exits_outside_then_event_without_session() {
    let probe = probe();
    let mut events = probe.events().expect("first reader");
    let mut client = Client::start();
    let (_armed, proof) = introduce(&probe, &mut client).unwrap();
    client.tell("exit-outside");
    assert_eq!(events.drain(), []);
    probe.register(&proof, SESSION, 1, 0).unwrap();
    client.tell("exit-outside");
    let told = event(&mut events, |event| {
        matches!(event, ProbeEvent::Exit { .. })
    });
    let ProbeEvent::Exit {
        tgid,
        session,
        last,
        ..
    } = told
    else {
        unreachable!("matched above")
    };
    assert_eq!((tgid, session, last), (proof.tgid, 0, false));
    probe.unregister(proof.tgid, SESSION, 1).unwrap();
    client.tell("exit-outside");
    assert_eq!(events.drain(), []);
}

#[test]
fn process_killed_inside_then_nothing_left() {
    let probe = probe();
    let mut events = probe.events().expect("first reader");
    let mut client = Client::start();
    let (armed, proof) = introduce(&probe, &mut client).unwrap();
    probe.register(&proof, SESSION, 1, 0).unwrap();
    client.block(SESSION, 1, 8);
    assert_eq!(probe.reading(SESSION).unwrap().users(), 8);
    client.kill();
    event(&mut events, |event| {
        matches!(event, ProbeEvent::Exit { last: true, .. })
    });
    let reading = probe.reading(SESSION).unwrap();
    assert_eq!(
        (
            reading.users(),
            reading.blocked.len(),
            stat(&probe, "residue")
        ),
        (0, 0, 8)
    );
    assert!(matches!(armed.sight.look(), Err(Blind::AddressSpaceGone)));
    assert!(matches!(
        block_on(probe.arm(client.pid())),
        Err(ProbeError::Process(SurveyError::Gone { .. }))
    ));
}

#[test]
fn thread_execs_inside_then_gone_and_told() {
    let probe = probe();
    let mut events = probe.events().expect("first reader");
    let mut client = Client::start();
    let (armed, proof) = introduce(&probe, &mut client).unwrap();
    probe.register(&proof, SESSION, 1, 0).unwrap();
    client.block(SESSION, 1, 3);
    client.tell("exec-inside 1");
    event(&mut events, |event| {
        *event
            == ProbeEvent::Exec {
                tgid: proof.tgid,
                ns_tgid: client.pid(),
            }
    });
    assert_eq!(probe.reading(SESSION).unwrap().users(), 0);
    assert!(matches!(armed.sight.look(), Err(Blind::AddressSpaceGone)));
    assert!(matches!(
        block_on(probe.arm(client.pid())),
        Err(ProbeError::Process(SurveyError::NoSites { .. }))
    ));
}

#[test]
fn stranger_of_the_same_file_then_not_counted() {
    let probe = probe();
    let (mut client, mut stranger) = (Client::start(), Client::start());
    let (_armed, proof) = introduce(&probe, &mut client).unwrap();
    probe.register(&proof, SESSION, 1, 0).unwrap();
    stranger.block(SESSION, 1, 2);
    client.block(SESSION, 1, 1);
    let reading = probe.reading(SESSION).unwrap();
    assert_eq!(
        (reading.users(), reading.blocked[0].ns_tgid),
        (1, client.pid())
    );
    client.block(SESSION + 1, 1, 1);
    assert_eq!(probe.reading(SESSION + 1).unwrap().users(), 0);
    // At least: other tests' clients execute the same file.
    assert!(stat(&probe, "unknown") >= 3);
}

#[test]
fn pid_of_an_earlier_process_then_refused_as_stale() {
    let probe = probe();
    let mut client = Client::start();
    let (_armed, mut proof) = introduce(&probe, &mut client).unwrap();
    proof.start_boottime -= 1;
    probe.register(&proof, SESSION, 1, 0).unwrap();
    client.block(SESSION, 1, 1);
    assert_eq!(
        (
            probe.reading(SESSION).unwrap().users(),
            stat(&probe, "stale")
        ),
        (0, 1)
    );
    // The living process takes the number over, without an unregister in between.
    proof.start_boottime += 1;
    probe.register(&proof, SESSION, 1, 0).unwrap();
    client.block(SESSION, 1, 1);
    assert_eq!(probe.reading(SESSION).unwrap().users(), 1);
}

#[test]
fn sight_client_restores_its_text_then_blind() {
    let probe = probe();
    let mut client = Client::start();
    let (armed, _proof) = introduce(&probe, &mut client).unwrap();
    assert_eq!(armed.sight.addresses().len(), 2);
    armed.sight.look().expect("armed");
    client.tell("restore");
    let blind = armed.sight.look();
    assert!(
        matches!(blind, Err(Blind::Unarmed { octet: 0x90, .. })),
        "{blind:?}"
    );
}

#[test]
fn sight_client_was_blind_once_then_blind_for_good() {
    let probe = probe();
    let mut client = Client::start();
    let (armed, _proof) = introduce(&probe, &mut client).unwrap();
    client.tell("restore");
    armed.sight.look().expect_err("disarmed");
    client.tell("rearm");
    let blind = armed.sight.look();
    assert!(
        matches!(&blind, Err(Blind::Before { first }) if first.contains("0x90")),
        "{blind:?}"
    );
    client.kill();
    assert!(matches!(armed.sight.look(), Err(Blind::AddressSpaceGone)));
}

#[test]
fn sight_client_writes_beside_its_sites_or_maps_a_copy_then_blind() {
    let probe = probe();
    for (trick, expected) in [
        ("beside", "beside the sites"),
        ("writable", "no longer mapped"),
        ("copy", "no longer mapped"),
    ] {
        let mut client = Client::start();
        let (armed, _proof) = introduce(&probe, &mut client).unwrap();
        client.tell(trick);
        let blind = armed.sight.look().expect_err(trick);
        assert!(blind.to_string().contains(expected), "{trick}: {blind}");
    }
}

#[test]
fn sight_client_with_more_threads_than_are_looked_at_then_said_why() {
    let mut config = config();
    config.max_threads = 4;
    let probe = Probe::start(config).unwrap();
    let mut client = Client::start();
    let (armed, _proof) = introduce(&probe, &mut client).unwrap();
    // Any file that it maps, on which no thread sleeps.
    let file = std::fs::metadata(program()).unwrap();
    let bells = BellFile {
        device: file.dev(),
        inode: file.ino(),
        offsets: [0, 64],
    };
    armed.sight.watch_bells(SESSION, bells);
    assert_eq!(armed.sight.look().expect("one thread"), Seen::default());
    client.block(SESSION, 1, 8);
    let unknown = armed.sight.look();
    assert!(
        matches!(unknown, Err(Blind::TooManyThreads { count: 9, limit: 4 })),
        "{unknown:?}"
    );
    // That was about this check alone.
    client.tell("wake");
    until("the threads to be gone", || armed.sight.look().ok());
}

#[test]
fn sight_leader_has_exited_then_still_seen() {
    let probe = probe();
    let mut client = Client::start();
    let tids = client.block(SESSION, 1, 1);
    client.tell("leader-exit");
    let leader = client.pid();
    until("a leader without memory", || {
        std::fs::read_to_string(format!("/proc/{leader}/stat"))
            .is_ok_and(|stat| stat.contains(") Z "))
            .then_some(())
    });
    let armed = block_on(probe.arm(leader)).expect("a thread of it is alive");
    armed.sight.look().expect("armed");
    assert!(is_asleep(leader, tids[0]));
}

#[test]
fn self_test_own_site_then_seen_until_closed() {
    let probe = probe();
    probe.self_test().expect("sees itself");
    let health = probe.health();
    assert_eq!(health.state, State::Watching);
    assert_eq!((health.programs, health.files, health.links), (4, 1, 2));
    assert_eq!(probe.own_files().len(), 1);
    block_on(probe.close());
    // Another test's child may hold copies of the links until its exec.
    until("blindness", || {
        matches!(probe.self_test(), Err(Blind::Canary { got: 0 })).then_some(())
    });
    let health = probe.health();
    assert!(matches!(health.state, State::Blind { .. }));
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

#[test]
fn file_of_two_clients_then_attached_once_and_kept() {
    let probe = probe();
    let (mut one, mut two) = (Client::start(), Client::start());
    let first = introduce(&probe, &mut one).unwrap();
    let links = probe.health().links;
    assert_eq!(links, 4, "two of this program, two of the client's");
    let second = introduce(&probe, &mut two).unwrap();
    assert_eq!((probe.health().links, probe.health().files), (links, 2));
    drop((first, second, one, two));
    assert_eq!(probe.health().links, links);
}

#[test]
fn file_no_place_left_then_idle_one_goes_and_held_one_stays() {
    let copy = |name: &str| {
        let path = program().with_file_name(format!("{name}-{}", std::process::id()));
        std::fs::copy(program(), &path).unwrap();
        path
    };
    let (a, b) = (copy("probe-client-a"), copy("probe-client-b"));
    let mut config = config();
    config.max_files = 2;
    let probe = Probe::start(config).unwrap();
    let (mut of_a, mut of_b) = (Client::of(&a), Client::of(&b));
    let (armed, _) = introduce(&probe, &mut of_a).unwrap();
    let full = block_on(probe.arm(of_b.pid()));
    assert!(
        matches!(
            &full,
            Err(ProbeError::Full(refused))
                if refused.share.what == "watched files" && refused.share.limit == 2
        ),
        "{full:?}"
    );
    armed.sight.look().expect("kept");
    drop(armed);
    let (armed, _) = introduce(&probe, &mut of_b).expect("the place of the idle one");
    armed.sight.look().expect("armed");
    assert_eq!(probe.health().files, 2);
    for path in [a, b] {
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn file_overwritten_in_place_then_let_go() {
    let path = program().with_file_name(format!("probe-client-w-{}", std::process::id()));
    std::fs::copy(program(), &path).unwrap();
    let probe = probe();
    let mut client = Client::of(&path);
    drop(introduce(&probe, &mut client).unwrap());
    assert_eq!(probe.health().files, 2);
    drop(client);
    std::fs::copy("/bin/true", &path).unwrap();
    until("the file to be let go", || {
        let health = probe.health();
        (health.files == 1 && health.detaching == 0).then_some(())
    });
    // The breakpoints would be in the middle of its instructions.
    assert!(
        std::process::Command::new(&path)
            .status()
            .unwrap()
            .success()
    );
    std::fs::remove_file(path).unwrap();
}

#[test]
fn process_without_sites_then_refused() {
    let probe = probe();
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    // Until its exec it is a copy of this program, which has sites.
    until("its exec", || {
        std::fs::read_to_string(format!("/proc/{}/comm", child.id()))
            .is_ok_and(|comm| comm.trim() == "sleep")
            .then_some(())
    });
    let refused = block_on(probe.arm(child.id()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        matches!(
            refused,
            Err(ProbeError::Process(SurveyError::NoSites { .. }))
        ),
        "{refused:?}"
    );
}

#[test]
fn proof_nobody_answers_then_none_and_forgotten() {
    let probe = probe();
    let token = probe.challenge().unwrap();
    assert_eq!(probe.proof(token).unwrap(), None);
    own_site(u64::MAX, token);
    let proof = probe.proof(token).unwrap().expect("answered");
    assert_eq!(proof.ns_tgid, std::process::id());
    assert_eq!(probe.proof(token).unwrap(), None);
    let token = probe.challenge().unwrap();
    probe.forget_challenge(token).unwrap();
    own_site(u64::MAX, token);
    assert_eq!(probe.proof(token).unwrap(), None);
}

#[test]
fn register_twice_or_at_a_taken_index_then_refused() {
    let probe = probe();
    let (mut one, mut two) = (Client::start(), Client::start());
    let (_armed, first) = introduce(&probe, &mut one).unwrap();
    let (_armed, second) = introduce(&probe, &mut two).unwrap();
    probe.register(&first, SESSION, 1, 0).unwrap();
    probe.register(&second, SESSION, 2, 0).unwrap();
    let twice = probe.register(&first, SESSION, 1, 0);
    assert!(
        matches!(twice, Err(ProbeError::Registered { .. })),
        "{twice:?}"
    );
    let taken = probe.register(&first, SESSION + 1, 1, 0);
    assert!(
        matches!(taken, Err(ProbeError::IndexTaken { index: 0, .. })),
        "{taken:?}"
    );
    let range = probe.register(&first, SESSION + 1, 1, 1024);
    assert!(
        matches!(range, Err(ProbeError::IndexRange { .. })),
        "{range:?}"
    );

    // Unregistered while inside: still counted, and the index not yet free for another session.
    one.block(SESSION, 1, 1);
    probe.unregister(first.tgid, SESSION, 1).unwrap();
    probe.unregister(second.tgid, SESSION, 2).unwrap();
    assert_eq!(probe.reading(SESSION).unwrap().users(), 1);
    let taken = probe.register(&second, SESSION + 1, 1, 0);
    assert!(
        matches!(taken, Err(ProbeError::IndexTaken { .. })),
        "{taken:?}"
    );
    one.tell("wake");
    probe.register(&second, SESSION + 1, 1, 0).unwrap();
    assert_eq!(probe.reading(SESSION).unwrap().users(), 0);
}

#[test]
fn client_in_another_pid_namespace_then_all_numbers_are_told() {
    let probe = probe();
    let mut command = std::process::Command::new("unshare");
    command
        .args(["--pid", "--fork", "--kill-child"])
        .arg(program());
    let mut client = Client::run(&mut command);
    let outer = client.pid();
    let children = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).unwrap();
    let pid: u32 = children.trim().parse().expect("one child");

    let _armed = block_on(probe.arm(pid)).unwrap();
    let token = probe.challenge().unwrap();
    client.tell(&format!("canary {token}"));
    let proof = probe
        .proof(token)
        .unwrap()
        .expect("the canary comes through");
    assert_eq!((proof.ns_tgid, proof.own_tid), (pid, 1));
    probe.register(&proof, SESSION, 1, 0).unwrap();
    client.tell_only(&format!("block {SESSION} 1 1"));
    let waiter = until("a waiter", || probe.reading(SESSION).unwrap().blocked.pop());
    assert_eq!((waiter.ns_tgid, waiter.own_tid), (pid, 2));
    until("its sleep", || is_asleep(pid, waiter.ns_tid).then_some(()));
}

#[test]
fn probe_for_another_pid_namespace_then_numbers_are_of_that() {
    let mut command = std::process::Command::new("unshare");
    command
        .args(["--pid", "--fork", "--kill-child"])
        .arg(program());
    let mut client = Client::run(&mut command);
    let outer = client.pid();
    let children = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).unwrap();
    let pid: u32 = children.trim().parse().expect("one child");
    let namespace = std::fs::metadata(format!("/proc/{pid}/ns/pid")).unwrap();

    // As if the daemon ran in the client's namespace.
    let mut config = config();
    config.daemon_pidns_inum = Some(namespace.ino().try_into().unwrap());
    let probe = Probe::start(config).unwrap();
    let _armed = block_on(probe.arm(pid)).unwrap();
    let token = probe.challenge().unwrap();
    client.tell(&format!("canary {token}"));
    let proof = probe
        .proof(token)
        .unwrap()
        .expect("the canary comes through");
    assert_eq!((proof.ns_tgid, proof.ns_tid, proof.own_tid), (1, 1, 1));
    // This process is not visible from there.
    let token = probe.challenge().unwrap();
    own_site(u64::MAX, token);
    assert_eq!(probe.proof(token).unwrap().expect("answered").ns_tgid, 0);
}

#[test]
fn register_a_successor_before_its_predecessor_is_settled_then_counted_under_it() {
    let probe = probe();
    let mut client = Client::start();
    let (_armed, proof) = introduce(&probe, &mut client).unwrap();
    probe.register(&proof, SESSION, 1, 0).unwrap();
    client.block(SESSION, 1, 1);
    probe.register(&proof, SESSION, 2, 0).unwrap();
    client.block(SESSION, 2, 1);
    let counted = |probe: &Probe| {
        let blocked = probe.reading(SESSION).unwrap().blocked;
        let mut under: Vec<u64> = blocked.iter().map(|it| it.attachment).collect();
        under.sort_unstable();
        under
    };
    assert_eq!(counted(&probe), [1, 2]);
    // The predecessor is settled: its successor is still counted.
    probe.unregister(proof.tgid, SESSION, 1).unwrap();
    client.block(SESSION, 2, 1);
    assert_eq!(counted(&probe), [1, 2, 2]);
    probe.register(&proof, SESSION, 3, 0).unwrap();
    // The successor leaves first.
    probe.unregister(proof.tgid, SESSION, 3).unwrap();
    client.block(SESSION, 2, 1);
    assert_eq!(counted(&probe), [1, 2, 2, 2]);
    probe.unregister(proof.tgid, SESSION, 2).unwrap();
    client.block(SESSION, 2, 1);
    assert_eq!(counted(&probe), [1, 2, 2, 2], "nothing new is counted");
}
