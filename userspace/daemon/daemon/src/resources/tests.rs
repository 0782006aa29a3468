use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::Command;

use super::*;

const TIMEOUT: Duration = Duration::from_millis(200);

fn open(dir: &Path, timeout: Duration) -> Result<Resources, ResourceError> {
    Resources::open(dir, timeout, |_| false)
}

/// Leaves the folder as a killed daemon does.
fn killed(resources: Resources) {
    let (dir, mut state) = {
        let inner = resources.inner();
        (inner.dir.clone(), inner.state.clone())
    };
    drop(resources);
    state.owner.started_ticks -= 1;
    Journal::in_folder(&dir).write(&state).unwrap();
}

#[test]
fn state_dir_of_a_living_daemon_then_refused_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), TIMEOUT).unwrap();
    let second = open(folder.path(), TIMEOUT).unwrap_err();
    let text = second.to_string();
    assert!(
        text.contains(&format!("daemon {}", std::process::id())),
        "{text}"
    );
    drop(first);
    open(folder.path(), TIMEOUT).unwrap();
}

#[test]
fn state_dir_made_then_only_its_owner_reads_it() {
    let above = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (plain, state) = (above.path().join("plain"), above.path().join("more/state"));
    fs::create_dir(&plain).unwrap();
    for _ in 0..2 {
        open(&state, TIMEOUT).unwrap();
        assert_eq!(mode(&state), 0o700);
        assert_eq!(mode(state.parent().unwrap()), mode(&plain));
    }
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    open(&state, TIMEOUT).unwrap();
    assert_eq!(mode(&state), 0o755, "the operator's");
}

#[test]
fn state_dir_of_a_dead_daemon_then_waits_for_its_guardian() {
    let folder = tempfile::tempdir().unwrap();
    let mut guardian = Command::new("sleep").arg("60").spawn().unwrap();
    let first = open(folder.path(), TIMEOUT).unwrap();
    first.note_guardian(Some(guardian.id())).unwrap();
    killed(first);
    let refused = open(folder.path(), TIMEOUT).unwrap_err();
    let text = refused.to_string();
    let named = format!("process {}, the guardian of", guardian.id());
    assert!(text.starts_with(&named), "{text}");
    // It is not called as a guardian is: another process may have its number.
    assert_eq!(guardian.try_wait().unwrap(), None);
    guardian.kill().unwrap();
    guardian.wait().unwrap();
    open(folder.path(), TIMEOUT).unwrap();
}

#[test]
fn state_dir_of_a_dead_daemon_then_a_stopped_guardian_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join(onair_ipc::guardian::NAME);
    fs::copy("/bin/sleep", &program).unwrap();
    let state = folder.path().join("state");
    let first = open(&state, TIMEOUT).unwrap();
    // It has the folder's lock, as it has all files of its daemon.
    let locked = first.inner().lock.try_clone().unwrap();
    let mut guardian = Command::new(&program)
        .arg("60")
        .stdin(locked)
        .spawn()
        .unwrap();
    let pid = guardian.id();
    let process = rustix::process::Pid::from_child(&guardian);
    rustix::process::kill_process(process, rustix::process::Signal::STOP).unwrap();
    first.note_guardian(Some(pid)).unwrap();
    killed(first);
    let waits = std::thread::spawn(move || guardian.wait().unwrap());
    open(&state, Duration::from_secs(60)).unwrap();
    let ended = waits.join().unwrap();
    assert_eq!(ended.to_string(), "signal: 9 (SIGKILL)");
}

#[test]
fn guardian_has_only_what_no_daemon_needs_then_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join(onair_ipc::guardian::LEFT);
    fs::copy("/bin/sleep", &program).unwrap();
    let state = folder.path().join("state");
    let first = open(&state, TIMEOUT).unwrap();
    let locked = first.inner().lock.try_clone().unwrap();
    let mut guardian = Command::new(&program)
        .arg("60")
        .stdin(locked)
        .spawn()
        .unwrap();
    first.note_guardian(Some(guardian.id())).unwrap();
    killed(first);
    // Its name alone is no reason: it has the lock.
    open(&state, TIMEOUT).unwrap_err();
    guardian.kill().unwrap();
    guardian.wait().unwrap();

    let second = open(&state, TIMEOUT).unwrap();
    let mut guardian = Command::new(&program).arg("60").spawn().unwrap();
    second.note_guardian(Some(guardian.id())).unwrap();
    killed(second);
    open(&state, TIMEOUT).unwrap();
    assert_eq!(guardian.try_wait().unwrap(), None);
    guardian.kill().unwrap();
    guardian.wait().unwrap();
}

#[test]
fn incarnation_of_daemons_within_a_second_then_never_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let incarnations: Vec<u32> = (0..5)
        .map(|_| {
            open(folder.path(), TIMEOUT)
                .unwrap()
                .begin_incarnation(0)
                .unwrap()
        })
        .collect();
    assert!(incarnations.is_sorted_by(|a, b| a < b), "{incarnations:?}");
    let ahead = incarnations[4] + 1000;
    let next = open(folder.path(), TIMEOUT).unwrap();
    assert_eq!(next.begin_incarnation(ahead).unwrap(), ahead + 1);
}

#[test]
fn socket_file_of_a_killed_daemon_then_removed_though_it_moved() {
    let folder = tempfile::tempdir().unwrap();
    let (stale, living, own) = ("a.sock", "b.sock", "c.sock");
    let [stale, living, own] = [stale, living, own].map(|name| folder.path().join(name));
    let state = folder.path().join("state");
    let resources = open(&state, TIMEOUT).unwrap();
    resources
        .register([
            Resource::socket_file(&stale),
            Resource::socket_file(&living),
            Resource::socket_file(&own),
        ])
        .unwrap();
    drop(UnixListener::bind(&stale).unwrap());
    let _living = UnixListener::bind(&living).unwrap();
    fs::write(&own, "precious").unwrap();
    killed(resources);

    let next = open(&state, TIMEOUT).unwrap();
    assert!(!stale.exists() && living.exists() && own.exists());
    assert!(next.names().is_empty());
}

#[test]
fn thing_that_cannot_be_undone_then_the_next_start_tries_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let path = run.join("a.sock");
    let state = folder.path().join("state");
    let resources = open(&state, TIMEOUT).unwrap();
    resources.register([Resource::socket_file(&path)]).unwrap();
    killed(resources);
    // Without the folder the socket cannot be checked.
    fs::write(&run, "").unwrap();
    let next = open(&state, TIMEOUT).unwrap();
    next.note();
    assert!(next.release().is_empty());
    drop(next);

    fs::remove_file(&run).unwrap();
    fs::create_dir(&run).unwrap();
    drop(UnixListener::bind(&path).unwrap());
    open(&state, TIMEOUT).unwrap();
    assert!(!path.exists());
}

/// A port that can neither be opened nor undone, with this state of the interface before.
fn port(promiscuous: bool, programs: &[u32]) -> Resource {
    let port = serde_json::json!({
        "kind": "port", "name": "a", "device": "", "netns": null, "programs": null,
        "before": {
            "namespace": 1, "index": 2, "promiscuous": promiscuous, "programs": programs,
        },
    });
    serde_json::from_value(port).unwrap()
}

#[test]
fn port_of_a_killed_daemon_stuck_then_the_first_state_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let resources = open(folder.path(), TIMEOUT).unwrap();
    let first = port(false, &[]);
    resources.register([first.clone()]).unwrap();
    killed(resources);
    let next = open(folder.path(), TIMEOUT).unwrap();
    next.register([port(true, &[7])]).unwrap();
    let journal = Journal::in_folder(folder.path()).read().unwrap().unwrap();
    assert_eq!(journal.resources, [first]);
}

#[test]
fn port_of_a_killed_daemon_that_serves_the_next_then_it_stays() {
    let folder = tempfile::tempdir().unwrap();
    let resources = open(folder.path(), TIMEOUT).unwrap();
    let device = "net_af_xdp_va,iface=va";
    let port = |index: u32| {
        let before = serde_json::json!({
            "namespace": 1, "index": index, "promiscuous": false, "programs": [],
        });
        let port = serde_json::json!({
            "kind": "port", "name": "a", "device": device, "netns": "n", "programs": [3],
            "before": before,
        });
        serde_json::from_value::<Resource>(port).unwrap()
    };
    assert!(port(2).serves(device, Some("n")));
    assert!(!port(2).serves(device, None) && !port(2).serves("net_af_xdp_vb", Some("n")));
    resources.register([port(2)]).unwrap();
    killed(resources);
    let serves = |it: &Resource| it.serves(device, Some("n"));
    let next = Resources::open(folder.path(), TIMEOUT, serves).unwrap();
    assert!(next.has_left(), "nothing was undone");
    // Another interface has the name by now.
    next.register([port(4)]).unwrap();
    assert!(next.has_left());
    next.register([port(2)]).unwrap();
    assert!(!next.has_left(), "taken over");
}

#[test]
fn resources_released_gently_then_nothing_is_forced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    let resources = open(folder.path(), TIMEOUT).unwrap();
    resources.register([Resource::socket_file(&path)]).unwrap();
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(resources.names(), [format!("socket {}", path.display())]);
    fs::remove_file(&path).unwrap();
    assert!(resources.release().is_empty());
    let journal = Journal::in_folder(folder.path()).read().unwrap().unwrap();
    assert!(journal.resources.is_empty());
}

#[test]
fn resources_not_released_then_forced_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    let resources = open(folder.path(), TIMEOUT).unwrap();
    resources.register([Resource::socket_file(&path)]).unwrap();
    let _bound = UnixListener::bind(&path).unwrap();
    resources.note();
    assert_eq!(resources.release(), [format!("socket {}", path.display())]);
    assert!(!path.exists());
    assert!(resources.release().is_empty());
}

#[test]
fn journal_invalid_then_set_aside_and_the_daemon_starts() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["", "{", "{}", "[1,2]", "\u{0}"] {
        fs::write(folder.path().join(FILE), text).unwrap();
        open(folder.path(), TIMEOUT).unwrap();
        let aside = folder.path().join(format!("{FILE}.corrupt"));
        assert_eq!(fs::read_to_string(aside).unwrap(), text);
    }
}

#[test]
fn journal_fifo_or_writable_for_others_then_set_aside() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (path, aside) = (
        folder.path().join(FILE),
        folder.path().join(format!("{FILE}.corrupt")),
    );
    let (fifo, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, mode, 0).unwrap();
    drop(open(folder.path(), TIMEOUT).unwrap());
    assert!(!aside.metadata().unwrap().is_file());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    drop(open(folder.path(), TIMEOUT).unwrap());
    assert!(aside.metadata().unwrap().is_file());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o022, 0);
}

#[test]
fn resources_path_taken_by_another_then_not_forced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    let resources = open(folder.path(), TIMEOUT).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    resources.register([Resource::socket_file(&path)]).unwrap();
    assert!(resources.release().is_empty());
    assert!(path.exists());
}

#[test]
fn journal_that_is_damaged_then_set_aside_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let open = || open(folder.path(), TIMEOUT).unwrap();
    fs::write(folder.path().join(FILE), "{").unwrap();
    let resources = open();
    let said = resources.damaged().unwrap();
    let aside = folder.path().join("resources.json.corrupt");
    assert!(said.contains(&aside.display().to_string()), "{said}");
    assert!(aside.exists());
    // It is said until a daemon finds a whole one.
    drop(resources);
    assert_eq!(open().damaged(), None);
}

#[test]
fn state_dir_left_to_another_daemon_then_only_that_one_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, socket) = (folder.path().join("state"), folder.path().join("c.sock"));
    let first = open(&dir, TIMEOUT).unwrap();
    let used = first.begin_incarnation(0).unwrap();
    first.register([Resource::socket_file(&socket)]).unwrap();
    let _listens = UnixListener::bind(&socket).unwrap();
    first.note_sockets();
    let lock = first.leave().unwrap();
    // Of another folder it is none.
    let other = lock.try_clone().unwrap();
    let refused = Resources::inherit(folder.path(), other).unwrap_err();
    assert!(refused.to_string().contains("another one"), "{refused}");
    let second = Resources::inherit(&dir, lock).unwrap();
    let journal = || fs::read_to_string(dir.join(FILE)).unwrap();
    let of_the_first = journal();
    second.register([Resource::socket_file(&socket)]).unwrap();
    assert_eq!(journal(), of_the_first, "it names the file already");
    let own = Resource::socket_file(&folder.path().join("own"));
    second.register([own]).unwrap();
    let written = journal();
    assert!(written.contains("c.sock") && written.contains("/own"));
    let more = [Resource::socket_file(&folder.path().join("more"))];
    first.register(more).unwrap();
    assert!(first.release().is_empty());
    assert_eq!(journal(), written);
    assert!(socket.exists(), "it is the other daemon's");
    drop(first);
    assert!(second.begin_incarnation(0).unwrap() > used);
    // The lock is kept by whoever has it last.
    let third = open(&dir, TIMEOUT).unwrap_err();
    assert!(matches!(third, ResourceError::InUse { .. }), "{third}");
}
