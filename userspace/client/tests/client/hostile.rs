//! A daemon of another version, or something that only looks like one.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use onair::{Client, Error, Session, Timeout};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::message::{MAX_PACKET, PROTOCOL, Response};

use crate::fake::{FRAME_BYTES, FRAMES, SESSION, attached, listen, packet, reply};

/// What it says to each packet, in order, on each connection.
type Script = Vec<(Vec<u8>, usize)>;

struct Hostile {
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Hostile {
    /// Plays each script on a connection of its own.
    fn playing(scripts: Vec<Script>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("attach.sock");
        let listener = listen(&path);
        let geometry = Geometry::new(FRAMES, FRAME_BYTES).unwrap();
        std::thread::spawn(move || {
            for script in scripts {
                let socket =
                    rustix::net::accept_with(&listener, rustix::net::SocketFlags::CLOEXEC).unwrap();
                let memory = AttachmentMemory::create(SESSION, 1, geometry).unwrap();
                let frames = FrameMemory::create(geometry, true).unwrap();
                let (ctl, seg) = memory.for_client().unwrap();
                let files = [ctl, seg, frames.for_client().unwrap()];
                for (bytes, count) in script {
                    if packet(socket.as_fd()).is_none() {
                        break;
                    }
                    let sent: Vec<_> = files
                        .iter()
                        .cycle()
                        .take(count)
                        .map(OwnedFd::as_fd)
                        .collect();
                    let _ = reply(socket.as_fd(), &bytes, &sent);
                }
            }
        });
        Self { path, _dir: dir }
    }

    fn attach(&self) -> Result<Session, Error> {
        Client::at(&self.path).attach("test")
    }
}

fn bytes(response: &Response) -> Vec<u8> {
    serde_json::to_vec(response).unwrap()
}

fn welcome() -> (Vec<u8>, usize) {
    let welcome = Response::Welcome {
        protocol: PROTOCOL,
        daemon: "hostile 1".into(),
        tags: false,
    };
    (bytes(&welcome), 0)
}

fn protocol_error(script: Script) -> String {
    match Hostile::playing(vec![script]).attach() {
        Err(Error::Protocol(what)) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn answer__garbage_wrong_kind_or_too_long__then_eproto() {
    assert!(protocol_error(vec![(b"{".to_vec(), 0)]).contains("cannot be read"));
    assert!(protocol_error(vec![(vec![0xff; 100], 0)]).contains("cannot be read"));
    assert!(protocol_error(vec![(vec![b' '; MAX_PACKET + 1], 0)]).contains("cut off"));
    let detached = bytes(&Response::Detached {});
    assert!(protocol_error(vec![(detached.clone(), 0)]).contains("detached"));
    assert!(protocol_error(vec![welcome(), (detached, 3)]).contains("detached"));
    let later = Response::Welcome {
        protocol: PROTOCOL + 1,
        daemon: "onaird 9".into(),
        tags: false,
    };
    assert!(protocol_error(vec![(bytes(&later), 0)]).contains("onaird 9"));
    for token in ["", "xyz", "+000000000000000", "00000000000000001"] {
        let challenge = Response::Challenge {
            token: token.into(),
        };
        assert!(protocol_error(vec![welcome(), (bytes(&challenge), 0)]).contains("hex"));
    }
}

#[test]
fn attached__descriptors_missing_or_too_many__then_eproto() {
    let answer = bytes(&Response::Attached(attached(1, false, false)));
    for count in [0, 1, 2, 4, 8] {
        let what = protocol_error(vec![welcome(), (answer.clone(), count)]);
        assert!(
            what.contains("descriptors") || what.contains("cut"),
            "{what}"
        );
    }
}

#[test]
fn attached__contradicts_itself_or_its_memory__then_eproto() {
    let good = attached(1, false, false);
    let mut wrong = vec![good.clone(); 7];
    wrong[0].geometry.frame_stride = 0;
    wrong[1].geometry = Geometry::new(FRAMES, 1 << 30).unwrap();
    wrong[2].width += 2;
    wrong[3].version += 1;
    wrong[4].attachment = 2;
    wrong[5].session = "nonsense".into();
    wrong[6].geometry.frames = 4096;
    for wrong in wrong {
        let answer = bytes(&Response::Attached(wrong));
        protocol_error(vec![welcome(), (answer, 3)]);
    }
}

#[test]
fn daemon__hangs_up_at_each_step__then_disconnected() {
    let challenge = Response::Challenge {
        token: "0123456789abcdef".into(),
    };
    let whole = [welcome(), (bytes(&challenge), 0)];
    for steps in 0..=whole.len() {
        let hostile = Hostile::playing(vec![whole[..steps].to_vec()]);
        let error = hostile.attach().unwrap_err();
        assert!(matches!(error, Error::Disconnected), "{steps}: {error}");
        assert_eq!(error.errno(), rustix::io::Errno::STALE.raw_os_error());
    }
}

#[test]
fn attached__any_byte_changed__then_error_or_a_session_that_works() {
    let answer = bytes(&Response::Attached(attached(1, false, false)));
    let mut scripts = vec![];
    for at in 0..answer.len() {
        for with in [b'0', b'9', b'"', b'}', 0] {
            let mut changed = answer.clone();
            changed[at] = with;
            scripts.push(vec![welcome(), (changed, 3)]);
        }
    }
    let count = scripts.len();
    let hostile = Hostile::playing(scripts);
    for _ in 0..count {
        if let Ok(session) = hostile.attach() {
            // Its gates were never opened.
            assert!(matches!(
                session.buffer_get(Timeout::NOW),
                Err(Error::Stale)
            ));
        }
    }
}
