use onair::{Client, Depth, Error, Session, Timeout};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use crate::fake::{FRAME_BYTES, Fake, HEIGHT, SESSION, WIDTH};

#[test]
fn attach_by_name_or_id_then_described() {
    let fake = Fake::receiving();
    let client = Client::connect(&fake.path).unwrap();
    for name in ["test".to_owned(), format!("{SESSION:016x}")] {
        let session = client.attach(&name).unwrap();
        assert_eq!((session.id().0, session.name()), (SESSION, "test"));
        assert!(!session.is_owner() && !session.is_sender() && session.is_watched());
        let layout = session.layout();
        assert_eq!(
            (layout.video.width(), layout.video.height()),
            (WIDTH, HEIGHT)
        );
        assert_eq!(layout.video.depth(), Depth::Eight);
        assert_eq!(layout.video.line_bytes(), WIDTH as usize * 2);
        assert_eq!(layout.frame_bytes(), FRAME_BYTES as usize);
        assert_eq!(layout.video.rate().to_string(), "60/1");
        assert!(!session.is_stopped());
    }
}

#[test]
fn create_spec_then_attached_as_owner() {
    let (fake, session) = Fake::created();
    assert!(session.is_owner());
    assert!(fake.world().created);
}

#[test]
fn attach_unknown_session_then_enoent_with_its_name() {
    let fake = Fake::receiving();
    let error = Session::attach(&fake.path, "other").unwrap_err();
    assert!(matches!(&error, Error::NoSession { name, .. } if name == "other"));
    assert_eq!(error.errno(), rustix::io::Errno::NOENT.raw_os_error());
}

#[test]
fn attach_refusals_then_typed() {
    let fake = Fake::receiving();
    for (code, errno) in [
        ("forbidden", rustix::io::Errno::ACCESS),
        ("shutting_down", rustix::io::Errno::SHUTDOWN),
        ("stale_session", rustix::io::Errno::STALE),
        ("limit_reached", rustix::io::Errno::DQUOT),
    ] {
        fake.world().refuses = Some(code);
        let error = Session::attach(&fake.path, "test").unwrap_err();
        assert_eq!(error.errno(), errno.raw_os_error(), "{error}");
    }
}

#[test]
fn connect_without_a_daemon_then_path_and_errno() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nobody.sock");
    let error = Client::connect(&path).unwrap_err();
    assert_eq!(error.errno(), rustix::io::Errno::NOENT.raw_os_error());
    assert!(error.to_string().contains("nobody.sock"), "{error}");
}

#[test]
fn attach_mute_daemon_then_no_answer_in_time() {
    let fake = Fake::receiving();
    fake.world().is_mute = true;
    let client = Client::at(&fake.path).response_timeout(Duration::from_millis(20));
    let error = client.attach("test").unwrap_err();
    assert!(matches!(error, Error::NoAnswer(_)), "{error}");
    assert_eq!(error.errno(), rustix::io::Errno::TIMEDOUT.raw_os_error());
}

#[test]
fn drop_of_one_attachment_then_the_daemon_sees_it_others_run_on() {
    let (fake, session) = Fake::attached();
    let other = Session::attach(&fake.path, "test").unwrap();
    drop(session);
    fake.until("the daemon notices", |world| !world.members[0].is_there);
    assert!(matches!(
        other.buffer_get(Timeout::NOW),
        Err(Error::TimedOut)
    ));
}

/// Runs in a child process with a lowered limit of open files.
#[test]
fn attach_too_few_descriptors_left_then_told_so() {
    const CHILD: &str = "ONAIR_FEW_DESCRIPTORS";
    if let Some(path) = std::env::var_os(CHILD) {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        let free = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
        // The connection, and none, one or two of the three memory files.
        for left in 1..=3 {
            limit.current = Some(u64::try_from(free).unwrap() + left);
            setrlimit(Resource::Nofile, limit).unwrap();
            let error = Session::attach(&path, "test").unwrap_err();
            assert!(matches!(error, Error::System { .. }), "{left}: {error:?}");
            assert_eq!(error.errno(), rustix::io::Errno::MFILE.raw_os_error());
            let told = error.to_string();
            assert!(told.contains("RLIMIT_NOFILE"), "{left}: {told}");
            assert!(!told.contains("matching versions"), "{left}: {told}");
        }
        // No descriptor is left, not even for the connection.
        limit.current = Some(u64::try_from(free).unwrap());
        setrlimit(Resource::Nofile, limit).unwrap();
        let error = Session::attach(&path, "test").unwrap_err();
        assert_eq!(error.errno(), rustix::io::Errno::MFILE.raw_os_error());
        return;
    }
    let fake = Fake::receiving();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args([
        "attach::attach_too_few_descriptors_left_then_told_so",
        "--exact",
        "--nocapture",
    ]);
    let out = child.env(CHILD, &fake.path).output().unwrap();
    assert!(out.status.success(), "{out:#?}");
}
