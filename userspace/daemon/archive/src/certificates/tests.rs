use std::time::{Duration, SystemTime};

use onair_api::Timestamp;
use onair_certificate::{CheckOutcome, seal, verify};
use serde_json::{Value, json};

use super::*;
use crate::host::tests::{Now, real};
use crate::room::Kind;

const FOR_EVER: Retention = Retention {
    count: 10,
    age: None,
};

/// A certificate of session `number`, issued `age` ago.
pub(super) fn certificate(number: u64, age: Duration) -> Certificate {
    let at = Timestamp(SystemTime::now() - age);
    let who = json!({"uid": 0, "gid": 0, "pid": 1, "command": "c", "via": "control.sock"});
    let mut certificate: Certificate = serde_json::from_value(json!({
        "format": 2, "session": format!("{number:016x}"), "name": "cam1", "generation": 1,
        "boot_id": "b", "versions": {"onaird": "0", "dpdk": "0", "kernel": "0"},
        "probe": {"mode": "off", "state": "off", "reason": null, "canary_at": null, "files": []},
        "operation": "destroy", "deadline_ms": null, "owner": who, "requester": who, "issued_at": at,
        "steps": [], "readings": [], "reconciled": [], "counts": {}, "frames": {},
        "memory": {"state": "pending", "bytes": 1, "held_by": []}, "disagreements": []}))
    .unwrap();
    seal(&mut certificate);
    certificate
}

/// A certificate of a session of `uid` that a client used, or none did.
fn of_user(number: u64, uid: u32, is_used: bool) -> Certificate {
    let mut it = certificate(number, Duration::ZERO);
    it.owner.uid = uid;
    it.counts.attachments = u64::from(is_used);
    seal(&mut it);
    it
}

fn open(dir: &Path, retention: Retention) -> Archive<Now<CertificateJob>> {
    let (mut archive, unread) = begin(dir, retention);
    archive.take_in(unread.read());
    archive
}

/// The archive without what is unread.
fn begin(dir: &Path, retention: Retention) -> (Archive<Now<CertificateJob>>, Unread) {
    let start = |mut files: CertificateFiles| Ok(Now::new(move |job| drop(files.work(&[job]))));
    Archive::open(real(), dir, LOG_BYTES, retention, start).unwrap()
}

fn close(archive: Archive<Now<CertificateJob>>) {
    archive.close(Instant::now()).unwrap();
}

fn listed(archive: &Archive<Now<CertificateJob>>) -> Vec<u64> {
    let list = archive.list(&CertificateQuery::default());
    list.certificates.iter().map(|it| it.session.0).collect()
}

fn names(dir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(dir.join("certificates")).unwrap();
    let mut names: Vec<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn archive_completed_and_opened_again_then_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path(), FOR_EVER);
    archive.keep(certificate(1, Duration::from_secs(2)));
    archive.keep(certificate(2, Duration::from_secs(1)));
    let mut completed = certificate(1, Duration::from_secs(2));
    completed.generation = 7;
    seal(&mut completed);
    archive.keep(completed);
    close(archive);
    let archive = open(dir.path(), FOR_EVER);
    assert_eq!(listed(&archive), [2, 1]);
    let found = archive.find(&SessionRef::Id(SessionId(1))).unwrap();
    assert_eq!(found.generation, 7);
    let document = serde_json::to_value(found).unwrap();
    let checks = verify(&document).unwrap().checks;
    assert_eq!(checks[0].outcome, CheckOutcome::Holds, "{checks:?}");
    let by_name = SessionRef::Name("cam1".parse().unwrap());
    assert_eq!(archive.find(&by_name).unwrap().session, SessionId(2));
}

#[test]
fn files_still_unread_then_new_ones_kept_and_none_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path(), FOR_EVER);
    for number in 1..=3 {
        archive.keep(certificate(number << 32, Duration::from_secs(9 - number)));
    }
    close(archive);
    // Its name alone counts.
    let broken = dir.path().join("certificates/0000000700000001.json");
    std::fs::write(broken, "{").unwrap();
    let two = Retention {
        count: 2,
        age: None,
    };
    let (mut archive, unread) = begin(dir.path(), two);
    assert_eq!(archive.newest_incarnation(), 7);
    archive.keep(certificate(8 << 32, Duration::from_secs(60)));
    archive.trim();
    assert_eq!(listed(&archive), [8 << 32]);
    assert_eq!(names(dir.path()).len(), 5);
    archive.take_in(unread.read());
    // The newest by what was kept last, not by the clock.
    assert_eq!(listed(&archive), [8 << 32, 3 << 32]);
    close(archive);
    assert_eq!(names(dir.path()).len(), 3);
}

#[test]
fn archive_too_many_or_too_old_then_the_oldest_leave_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let mut archive = open(dir.path(), FOR_EVER);
    for (number, age) in [(1, 50), (2, 30), (3, 3), (4, 2)] {
        archive.keep(certificate(number, hours(age)));
    }
    close(archive);
    let day = Retention {
        count: 10,
        age: Some(hours(24)),
    };
    let archive = open(dir.path(), day);
    assert_eq!(listed(&archive), [4, 3]);
    close(archive);
    assert_eq!(
        names(dir.path()),
        ["0000000000000003.json", "0000000000000004.json"]
    );
    let one = Retention {
        count: 1,
        age: None,
    };
    let mut archive = open(dir.path(), one);
    assert_eq!(listed(&archive), [4]);
    archive.keep(certificate(5, hours(0)));
    assert_eq!(listed(&archive), [5]);
    close(archive);
    assert_eq!(names(dir.path()), ["0000000000000005.json"]);
}

#[test]
fn user_ends_many_sessions_then_certificates_of_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path(), FOR_EVER);
    for number in 1..=3 {
        archive.keep(of_user(number, 0, true));
    }
    // Created and aborted: no client used them.
    for number in 100..200 {
        archive.keep(of_user(number, 7, false));
    }
    assert_eq!(archive.uses().map(|it| it.used), [3, 10]);
    // Used by clients: each user has a part of the places.
    for number in 200..300 {
        archive.keep(of_user(number, 7, true));
    }
    let [used, _] = archive.uses();
    assert_eq!((used.used, used.greatest), (10, Some((7, 7))));
    let listed = listed(&archive);
    assert!((1..=3).all(|it| listed.contains(&it)), "{listed:?}");
    assert!(
        listed.contains(&299) && !listed.contains(&292),
        "{listed:?}"
    );
    for number in 300..400 {
        archive.keep(of_user(number, 0, false));
    }
    let [used, passing] = archive.uses();
    assert_eq!((used.used, passing.used), (10, 10));
    assert_eq!(passing.greatest.map(|(_, count)| count), Some(5));
    close(archive);
    assert_eq!(names(dir.path()).len(), 20);
    let archive = open(dir.path(), FOR_EVER);
    assert_eq!(archive.uses().map(|it| it.used), [10, 10]);
}

thread_local! {
    static FILLS: std::cell::RefCell<Vec<RoomUse>> = const { std::cell::RefCell::new(Vec::new()) };
}

#[test]
fn archive_nearly_full_then_said_before_one_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host {
        tell: |note| {
            if let Note::ArchiveFills(it) = note {
                FILLS.with_borrow_mut(|fills| fills.push(it));
            }
        },
        ..real()
    };
    let start = |mut files: CertificateFiles| Ok(Now::new(move |job| drop(files.work(&[job]))));
    let (mut archive, unread) =
        Archive::open(host, dir.path(), LOG_BYTES, FOR_EVER, start).unwrap();
    archive.take_in(unread.read());
    let fills = || FILLS.with_borrow(Vec::len);
    for number in 1..=8 {
        archive.keep(of_user(number, 0, true));
    }
    assert_eq!(fills(), 0);
    archive.keep(of_user(9, 0, true));
    assert_eq!((fills(), listed(&archive).len()), (1, 9));
    for number in 10..20 {
        archive.keep(of_user(number, 0, true));
    }
    assert_eq!(fills(), 1, "once");
    let told = FILLS.with_borrow(Clone::clone);
    assert_eq!((told[0].kind, told[0].used), (Kind::Used, 9));
    assert_eq!(archive.take_fills(), told);
    assert_eq!(archive.take_fills(), []);
}

#[test]
fn older_form_in_the_log_than_in_the_file_then_file_stays() {
    let reading = |at_monotonic_ns: u64| {
        let reading = json!({"witness": "W4", "name": "mapping", "says": "users", "users": 1,
            "left_out": 0, "detail": "", "word_of": "kernel", "at_monotonic_ns": at_monotonic_ns});
        serde_json::from_value(reading).unwrap()
    };
    let pending = |it: &mut Certificate| it.readings = vec![reading(9)];
    let completed = |it: &mut Certificate| {
        let at = it.issued_at;
        it.memory = onair_api::Memory::Returned {
            bytes: 1,
            at,
            left_to: Vec::new(),
        };
    };
    for later in [&pending as &dyn Fn(&mut Certificate), &completed] {
        let dir = tempfile::tempdir().unwrap();
        let mut certificate = certificate(1, Duration::ZERO);
        certificate.readings = vec![reading(8)];
        seal(&mut certificate);
        open(dir.path(), FOR_EVER).keep(certificate.clone());
        // As after a log that could not be written any more: the file was synced instead.
        later(&mut certificate);
        seal(&mut certificate);
        let text = serde_json::to_vec(&certificate).unwrap();
        let file = dir.path().join("certificates/0000000000000001.json");
        std::fs::write(file, text).unwrap();
        let archive = open(dir.path(), FOR_EVER);
        let found = archive.find(&SessionRef::Id(SessionId(1))).unwrap();
        assert_eq!(found.digest, certificate.digest);
    }
}

#[test]
fn something_else_in_the_place_of_the_log_then_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let log = |name: &str| dir.path().join(name);
    std::fs::create_dir(log("certificates.wal")).unwrap();
    open(dir.path(), FOR_EVER).keep(certificate(1, Duration::ZERO));
    assert!(log("certificates.wal").is_file());
    assert!(log("certificates.wal.corrupt").is_dir());
}

#[test]
fn archive_foreign_and_half_written_files_then_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path(), FOR_EVER);
    archive.keep(certificate(1, Duration::ZERO));
    close(archive);
    let folder = dir.path().join("certificates");
    let whole = std::fs::read(folder.join("0000000000000001.json")).unwrap();
    let mut later: Value = serde_json::from_slice(&whole).unwrap();
    later["format"] = json!(99);
    for (name, text) in [
        ("0000000000000002.json", &whole[..whole.len() / 2]),
        ("0000000000000003.json", &whole[..]),
        ("0000000000000004.json", later.to_string().as_bytes()),
        ("0000000000000005.part", &whole[..9]),
        ("0000000000000006.json", b""),
        ("notes.txt", b"mine"),
        ("notes.json.part", b"mine"),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    std::fs::create_dir(folder.join("0000000000000007.json")).unwrap();
    std::os::unix::fs::symlink("notes.txt", folder.join("0000000000000008.json")).unwrap();
    let before = names(dir.path());
    // The archive's own part, left by a daemon that was killed while it wrote.
    let part = folder.join("0000000000000010.json.part");
    std::fs::write(&part, &whole[..9]).unwrap();
    let mut archive = open(dir.path(), FOR_EVER);
    assert_eq!(listed(&archive), [1]);
    archive.keep(certificate(9, Duration::ZERO));
    close(archive);
    let mut after = names(dir.path());
    after.retain(|name| name != "0000000000000009.json");
    assert_eq!(after, before);
}

#[test]
fn disk_full_at_stop_and_start_then_the_log_keeps_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("certificates");
    let mut archive = open(dir.path(), FOR_EVER);
    archive.keep(certificate(1, Duration::from_secs(9)));
    archive.settle();
    // No part can be created in the place of a folder that is not empty.
    let block = |number: u64| folder.join(format!("{number:016x}.json.part/x"));
    for number in 2..=4 {
        std::fs::create_dir_all(block(number)).unwrap();
    }
    archive.keep(certificate(2, Duration::from_secs(8)));
    archive.retry();
    assert!(archive.close(Instant::now()).is_err());
    // The next daemon has it, and keeps another.
    let mut archive = open(dir.path(), FOR_EVER);
    assert_eq!(listed(&archive), [2, 1]);
    archive.keep(certificate(3, Duration::from_secs(7)));
    assert!(archive.close(Instant::now()).is_err());
    let archive = open(dir.path(), FOR_EVER);
    assert_eq!(listed(&archive), [3, 2, 1]);
    assert_eq!(archive.unwritten().unwrap().count, 2);
    drop(archive);
    for number in 2..=4 {
        std::fs::remove_dir_all(folder.join(format!("{number:016x}.json.part"))).unwrap();
    }
    close(open(dir.path(), FOR_EVER));
    assert_eq!(names(dir.path()).len(), 3);
    std::fs::remove_file(dir.path().join("certificates.wal")).unwrap();
    assert_eq!(listed(&open(dir.path(), FOR_EVER)), [3, 2, 1]);
}
