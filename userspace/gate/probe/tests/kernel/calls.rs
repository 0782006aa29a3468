//! Callers that block, return, exit, exec and are killed.

use std::os::unix::fs::MetadataExt;

use onair_probe::{Blind, Probe, ProbeError, ProbeEvent, SiteKind, SurveyError};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::common::{
    Client, DEADLINE, SESSION, block_on, config, introduce, probe, program, registered, stat,
};
use crate::event;

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
            .wait(std::time::Instant::now() + DEADLINE)
    );
    assert_eq!(probe.health().detaching, 0);
}

/// Linux 6.1 loads the program for links of many sites, and refuses each such link.
#[test]
fn caller_on_a_kernel_without_links_of_many_sites_then_listed() {
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
    client.ask("wake");
    let reading = probe.reading(SESSION).unwrap();
    assert_eq!((reading.users(), reading.blocked.len()), (0, 0));
    assert_eq!(stat(probe, "end"), 3);
}

#[test]
fn thread_exits_inside_then_event_and_gone() {
    let probe = probe();
    let mut events = probe.events().expect("first reader");
    assert!(probe.events().is_none());
    let (mut client, _armed, _) = registered(&probe, 1);
    let mut tids = client.block(SESSION, 1, 1);
    tids.extend(client.block(SESSION, 1, 1));
    client.ask("exit-inside 0");
    let ProbeEvent::Exit {
        ns_tid,
        own_tid,
        session,
        attachment,
        last,
        ..
    } = event(&mut events, |it| matches!(it, ProbeEvent::Exit { .. }))
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
    client.ask("exit-outside");
    assert_eq!(events.drain(), []);
    probe.register(&proof, SESSION, 1, 0).unwrap();
    client.ask("exit-outside");
    let ProbeEvent::Exit {
        tgid,
        session,
        last,
        ..
    } = event(&mut events, |it| matches!(it, ProbeEvent::Exit { .. }))
    else {
        unreachable!("matched above")
    };
    assert_eq!((tgid, session, last), (proof.tgid, 0, false));
    probe.unregister(proof.tgid, SESSION, 1).unwrap();
    client.ask("exit-outside");
    assert_eq!(events.drain(), []);
}

#[test]
fn process_killed_inside_then_nothing_left() {
    let probe = probe();
    let mut events = probe.events().expect("first reader");
    let (mut client, armed, _) = registered(&probe, 1);
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
    assert!(matches!(armed.checker.look(), Err(Blind::AddressSpaceGone)));
    assert!(matches!(
        block_on(probe.arm(client.pid())),
        Err(ProbeError::Process(SurveyError::Gone { .. }))
    ));
}

#[test]
fn thread_execs_inside_then_gone_and_told() {
    let probe = probe();
    let mut events = probe.events().expect("first reader");
    let (mut client, armed, proof) = registered(&probe, 1);
    client.block(SESSION, 1, 3);
    client.ask("exec-inside 1");
    event(&mut events, |event| {
        *event
            == ProbeEvent::Exec {
                tgid: proof.tgid,
                ns_tgid: client.pid(),
            }
    });
    assert_eq!(probe.reading(SESSION).unwrap().users(), 0);
    assert!(matches!(armed.checker.look(), Err(Blind::AddressSpaceGone)));
    assert!(matches!(
        block_on(probe.arm(client.pid())),
        Err(ProbeError::Process(SurveyError::NoSites { .. }))
    ));
}
