//! Which process a caller counts for: other processes, reused pids, namespaces, indices.

use std::os::unix::fs::MetadataExt;

use onair_probe::{Probe, ProbeError};

use crate::common::{
    Client, SESSION, block_on, config, introduce, is_asleep, own_site, probe, program, prove,
    registered, stat, until,
};

/// A client in a pid namespace of its own, and its pid here.
fn in_a_pid_namespace() -> (Client, u32) {
    let mut command = std::process::Command::new("unshare");
    command
        .args(["--pid", "--fork", "--kill-child"])
        .arg(program());
    let client = Client::run(&mut command);
    let outer = client.pid();
    let children = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).unwrap();
    (client, children.trim().parse().expect("one child"))
}

#[test]
fn another_client_of_the_same_file_then_not_counted() {
    let probe = probe();
    let (mut client, mut other) = (Client::start(), Client::start());
    let (_armed, proof) = introduce(&probe, &mut client).unwrap();
    probe.register(&proof, SESSION, 1, 0).unwrap();
    other.block(SESSION, 1, 2);
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
fn proof_without_an_answer_then_none_and_forgotten() {
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
    one.ask("wake");
    probe.register(&second, SESSION + 1, 1, 0).unwrap();
    assert_eq!(probe.reading(SESSION).unwrap().users(), 0);
}

#[test]
fn client_in_another_pid_namespace_then_all_numbers_are_told() {
    let probe = probe();
    let (mut client, pid) = in_a_pid_namespace();

    let _armed = block_on(probe.arm(pid)).unwrap();
    let proof = prove(&probe, &mut client).unwrap();
    assert_eq!((proof.ns_tgid, proof.own_tid), (pid, 1));
    probe.register(&proof, SESSION, 1, 0).unwrap();
    client.send(&format!("block {SESSION} 1 1"));
    let waiter = until("a waiter", || probe.reading(SESSION).unwrap().blocked.pop());
    assert_eq!((waiter.ns_tgid, waiter.own_tid), (pid, 2));
    until("its sleep", || is_asleep(pid, waiter.ns_tid).then_some(()));
}

#[test]
fn probe_for_another_pid_namespace_then_numbers_are_of_that() {
    let (mut client, pid) = in_a_pid_namespace();
    let namespace = std::fs::metadata(format!("/proc/{pid}/ns/pid")).unwrap();

    // As if the daemon ran in the client's namespace.
    let mut config = config();
    config.daemon_pidns_inum = Some(namespace.ino().try_into().unwrap());
    let probe = Probe::start(config).unwrap();
    let _armed = block_on(probe.arm(pid)).unwrap();
    let proof = prove(&probe, &mut client).unwrap();
    assert_eq!((proof.ns_tgid, proof.ns_tid, proof.own_tid), (1, 1, 1));
    // This process is not visible from there.
    let token = probe.challenge().unwrap();
    own_site(u64::MAX, token);
    assert_eq!(probe.proof(token).unwrap().expect("answered").ns_tgid, 0);
}

#[test]
fn register_a_successor_before_settlement_then_counted_there() {
    let probe = probe();
    let (mut client, _armed, proof) = registered(&probe, 1);
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
