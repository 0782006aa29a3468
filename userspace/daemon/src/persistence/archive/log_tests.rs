//! What the write-ahead log keeps safe, and what happens without it.

use std::time::Duration;

use super::tests::{FOR_EVER, certificate, close, listed, names, open, written};
use super::*;

/// What a loss of power leaves of the state directory `of`: the log as it is, and of each file that was
/// not synced its name at most.
fn after_power_loss(of: &Path, with_names: bool) -> tempfile::TempDir {
    let lost = tempfile::tempdir().unwrap();
    std::fs::create_dir(lost.path().join("certificates")).unwrap();
    std::fs::copy(of.join(WAL), lost.path().join(WAL)).unwrap();
    for name in names(of).iter().filter(|_| with_names) {
        std::fs::write(lost.path().join("certificates").join(name), "").unwrap();
    }
    lost
}

fn completed(number: u64) -> Certificate {
    let mut completed = certificate(number, Duration::ZERO);
    let at = completed.issued_at;
    completed.memory = onair_api::Memory::Returned { bytes: 1, at };
    onair_certificate::seal(&mut completed);
    completed
}

fn is_completed(archive: &Archive, number: u64) -> bool {
    let found = archive.find(&SessionRef::Id(SessionId(number))).unwrap();
    matches!(found.memory, onair_api::Memory::Returned { .. })
}

/// Keeps a certificate, and waits until it is on disk.
fn keep(archive: &mut Archive, certificate: Certificate) {
    let number = certificate.session.0;
    archive.keep(certificate);
    written(archive, number).unwrap();
}

/// Retries what could not be written until all is.
fn retry(archive: &mut Archive) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while archive.unwritten().is_some() && Instant::now() < deadline {
        archive.retry();
        std::thread::yield_now();
    }
}

#[test]
fn power_lost_with_unsynced_files_then_the_next_archive_has_all() {
    for with_names in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let mut archive = open(dir.path(), FOR_EVER);
        for number in 1..=3 {
            keep(&mut archive, certificate(number, Duration::ZERO));
        }
        keep(&mut archive, completed(2));
        let lost = after_power_loss(dir.path(), with_names);
        // Twice: the second time from the files.
        for _ in 0..2 {
            let archive = open(lost.path(), FOR_EVER);
            let mut found = listed(&archive);
            found.sort_unstable();
            assert_eq!(found, [1, 2, 3]);
            assert!(is_completed(&archive, 2) && !is_completed(&archive, 1));
            close(archive);
            assert_eq!(names(lost.path()), names(dir.path()));
        }
    }
}

#[test]
fn settled_then_the_log_is_empty_and_removed_files_stay_away() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path(), FOR_EVER);
    keep(&mut archive, certificate(1, Duration::ZERO));
    keep(&mut archive, certificate(2, Duration::ZERO));
    close(archive);
    let file = dir.path().join("certificates/0000000000000001.json");
    std::fs::remove_file(file).unwrap();
    let archive = open(dir.path(), FOR_EVER);
    assert_eq!(listed(&archive), [2]);
}

#[test]
fn pending_in_the_log_and_completed_in_its_file_then_file_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path(), FOR_EVER);
    keep(&mut archive, certificate(1, Duration::ZERO));
    let lost = after_power_loss(dir.path(), false);
    let text = serde_json::to_vec(&completed(1)).unwrap();
    let file = lost.path().join("certificates/0000000000000001.json");
    std::fs::write(file, text).unwrap();
    assert!(is_completed(&open(lost.path(), FOR_EVER), 1));
}

#[test]
fn more_certificates_than_the_log_holds_then_begins_anew_whole() {
    let all = Retention {
        count: 10_000,
        age: None,
    };
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path(), all);
    // Each takes a block.
    let count = wal::BYTES as u64 / 4096 + 20;
    for number in 1..=count {
        archive.keep(certificate(number, Duration::ZERO));
    }
    (1..=count).for_each(|number| written(&archive, number).unwrap());
    let logged = wal::read(&dir.path().join(WAL)).unwrap();
    assert!(
        (1..=count / 2).contains(&(logged.len() as u64)),
        "{}",
        logged.len()
    );
    assert_eq!(logged.last().unwrap().session, SessionId(count));
    close(archive);
    assert_eq!(open(dir.path(), all).kept.len() as u64, count);
}

#[test]
fn log_cannot_be_written_then_each_file_is_synced_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join(WAL);
    // Something that no file can replace is in its place.
    let blocked = dir.path().join(format!("{WAL}.part"));
    std::fs::create_dir_all(blocked.join("x")).unwrap();
    let mut archive = open(dir.path(), FOR_EVER);
    keep(&mut archive, certificate(1, Duration::ZERO));
    assert!(!log.exists());
    std::fs::remove_dir_all(blocked).unwrap();
    archive.settle();
    keep(&mut archive, certificate(2, Duration::ZERO));
    let logged = wal::read(&log).unwrap();
    assert_eq!(logged.len(), 1, "{logged:?}");
    close(archive);
    assert_eq!(names(dir.path()).len(), 2);
}

#[test]
fn something_else_in_the_place_of_the_log_then_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(WAL)).unwrap();
    let mut archive = open(dir.path(), FOR_EVER);
    keep(&mut archive, certificate(1, Duration::ZERO));
    assert!(dir.path().join(WAL).is_file());
    assert!(dir.path().join(format!("{WAL}.corrupt")).is_dir());
}

#[test]
fn files_that_cannot_be_synced_later_then_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path(), FOR_EVER);
    keep(&mut archive, certificate(1, Duration::ZERO));
    let folder = dir.path().join("certificates");
    std::fs::remove_dir_all(&folder).unwrap();
    archive.settle();
    // After that.
    archive.keep(certificate(2, Duration::ZERO));
    assert!(written(&archive, 2).is_err());
    assert_eq!(archive.unwritten().unwrap().count, 2);
    let logged = wal::read(&dir.path().join(WAL)).unwrap();
    assert_eq!(logged[0].session, SessionId(1));
    std::fs::create_dir(&folder).unwrap();
    retry(&mut archive);
    assert_eq!(names(dir.path()).len(), 2);
    // With a new log.
    archive.settle();
    keep(&mut archive, certificate(3, Duration::ZERO));
    let logged = wal::read(&dir.path().join(WAL)).unwrap();
    assert_eq!(logged[0].session, SessionId(3));
    close(archive);
    assert_eq!(names(dir.path()).len(), 3);
}

#[test]
fn record_that_cannot_be_written_back_then_log_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path(), FOR_EVER);
    keep(&mut archive, certificate(1, Duration::ZERO));
    keep(&mut archive, certificate(2, Duration::ZERO));
    let lost = after_power_loss(dir.path(), false);
    // Something that no file can replace is in its place.
    let blocked = lost.path().join("certificates/0000000000000002.json");
    std::fs::create_dir_all(blocked.join("x")).unwrap();
    let mut archive = open(lost.path(), FOR_EVER);
    assert_eq!(archive.kept.len(), 2);
    let report = archive.unwritten().unwrap();
    assert!(
        report.detail.starts_with("0000000000000002: "),
        "{report:?}"
    );
    assert_eq!(wal::read(&lost.path().join(WAL)).unwrap().len(), 2);
    std::fs::remove_dir_all(&blocked).unwrap();
    retry(&mut archive);
    assert!(blocked.is_file());
    close(archive);
    assert_eq!(listed(&open(lost.path(), FOR_EVER)).len(), 2);
}
