//! A daemon of another version, or a program that only resembles one.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use onair::{Client, Error, PixelFormat, Session, Timeout};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::message::{
    Attached, Challenge, Detached, MAX_PACKET, PROTOCOL, PROTOCOL_MISMATCH, Refused, Response,
    Welcome,
};

use crate::fake::wire::{listen, packet, reply};
use crate::fake::{FRAME_BYTES, FRAMES, SESSION, attached};

/// Scripted answers to each packet, in order, for each connection.
type Script = Vec<(Vec<u8>, usize)>;

struct Hostile {
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Hostile {
    /// Plays each script on its own connection.
    fn playing(scripts: Vec<Script>) -> Self {
        Self::playing_with(scripts, |_| {})
    }

    /// As `play`, after `spoil` changed the files that it sends.
    fn playing_with(
        scripts: Vec<Script>,
        spoil: impl Fn(&mut [OwnedFd; 3]) + Send + 'static,
    ) -> Self {
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
                let mut files = [ctl, seg, frames.for_client().unwrap()];
                spoil(&mut files);
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

fn bytes(response: impl Into<Response>) -> Vec<u8> {
    serde_json::to_vec(&response.into()).unwrap()
}

fn welcome() -> (Vec<u8>, usize) {
    let welcome = Welcome {
        protocol: PROTOCOL,
        daemon: "hostile 1".into(),
    };
    (bytes(welcome), 0)
}

fn protocol_error(script: Script) -> String {
    match Hostile::playing(vec![script]).attach() {
        Err(Error::Protocol(what)) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn answer_garbage_wrong_kind_or_too_long_then_eproto() {
    assert!(protocol_error(vec![(b"{".to_vec(), 0)]).contains("cannot read"));
    assert!(protocol_error(vec![(vec![0xff; 100], 0)]).contains("cannot read"));
    assert!(protocol_error(vec![(vec![b' '; MAX_PACKET + 1], 0)]).contains("truncated"));
    let detached = bytes(Detached {});
    assert!(protocol_error(vec![(detached.clone(), 0)]).contains("detached"));
    assert!(protocol_error(vec![welcome(), (detached, 3)]).contains("detached"));
    for token in ["", "xyz", "+000000000000000", "00000000000000001"] {
        let challenge = Challenge {
            token: token.into(),
        };
        assert!(protocol_error(vec![welcome(), (bytes(challenge), 0)]).contains("hex"));
    }
}

/// A daemon answers a library of another protocol with a refusal; a library does not rely on that.
#[test]
fn daemon_older_or_newer_then_eproto_with_both_numbers() {
    for other in [PROTOCOL - 1, PROTOCOL + 1] {
        let both = [format!("{other}"), format!("{PROTOCOL}")];
        let message = format!("the library speaks protocol {PROTOCOL}, this daemon {other}");
        let refused = Refused {
            code: PROTOCOL_MISMATCH.into(),
            message,
            blockers: Vec::new(),
        };
        let welcome = Welcome {
            protocol: other,
            daemon: "onaird".into(),
        };
        for answer in [bytes(refused), bytes(welcome)] {
            let what = protocol_error(vec![(answer, 0)]);
            assert!(both.iter().all(|it| what.contains(it)), "{what}");
            let error = Error::Protocol(what);
            assert_eq!((error.errno(), error.may_pass()), (71, false));
        }
    }
}

#[test]
fn attached_descriptors_missing_or_too_many_then_eproto() {
    let answer = bytes(attached(1, false, false));
    for count in [0, 1, 2, 4, 8] {
        let what = protocol_error(vec![welcome(), (answer.clone(), count)]);
        assert!(
            what.contains("descriptors") || what.contains("truncated"),
            "{what}"
        );
    }
}

#[test]
fn attached_contradicts_itself_or_its_memory_then_eproto() {
    let good = attached(1, false, false);
    let mut wrong = vec![good.clone(); 7];
    wrong[0].geometry.frame_stride = 0;
    wrong[1].geometry = Geometry::new(FRAMES, 1 << 30).unwrap();
    wrong[2].format = crate::fake::format(2).into();
    wrong[3].version += 1;
    wrong[4].attachment = 2;
    wrong[5].session = "nonsense".into();
    wrong[6].geometry.frames = 4096;
    for wrong in wrong {
        let answer = bytes(wrong);
        protocol_error(vec![welcome(), (answer, 3)]);
    }
    let text = String::from_utf8(bytes(good)).unwrap();
    for (from, to) in [
        (r#""depth":8"#, r#""depth":9"#),
        (r#""video""#, r#""smell""#),
    ] {
        let answer = text.replacen(from, to, 1);
        assert_ne!(answer, text);
        protocol_error(vec![welcome(), (answer.into_bytes(), 3)]);
    }
}

#[test]
fn layout_answered_with_another_then_eproto() {
    let of = |script| {
        let hostile = Hostile::playing(vec![script]);
        match Client::at(&hostile.path).attach_as("test", PixelFormat::Uyvy) {
            Err(Error::Protocol(what)) => what,
            other => panic!("{other:?}"),
        }
    };
    let made = (bytes(attached(1, false, false)), 3);
    // In pixel groups, and in another layout of the same size.
    let of_size = Attached {
        layout: Some("yuv422p".into()),
        ..attached(1, false, false)
    };
    for answer in [made, (bytes(of_size), 3)] {
        let what = of(vec![welcome(), answer]);
        assert!(what.contains("asked for"), "{what}");
    }
}

/// Files whose maker can truncate them, or that can run out of space.
#[derive(Clone, Copy, Debug)]
enum Trap {
    NoSealing,
    GrowOnly,
    OnDisk,
    HugePages,
}

impl Trap {
    /// A file with the contents of `file`.
    fn like(self, file: &OwnedFd) -> OwnedFd {
        use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
        let len = rustix::fs::fstat(file).unwrap().st_size as u64;
        let flags = match self {
            Self::NoSealing | Self::OnDisk => MemfdFlags::CLOEXEC,
            Self::GrowOnly => MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
            Self::HugePages => MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB,
        };
        let made = match self {
            Self::OnDisk => tempfile::tempfile().unwrap().into(),
            _ => memfd_create("trap", flags).unwrap(),
        };
        if let Self::HugePages = self {
            ftruncate(&made, len.next_multiple_of(1 << 21)).unwrap();
            fcntl_add_seals(&made, SealFlags::SHRINK).unwrap();
            return made;
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap()];
        rustix::io::pread(file, &mut bytes, 0).unwrap();
        rustix::io::pwrite(&made, &bytes, 0).unwrap();
        if let Self::GrowOnly = self {
            fcntl_add_seals(&made, SealFlags::GROW).unwrap();
        }
        made
    }
}

#[test]
fn attached_an_unsafe_file_then_refused_and_named() {
    let answer = bytes(attached(1, false, false));
    for trap in [
        Trap::NoSealing,
        Trap::GrowOnly,
        Trap::OnDisk,
        Trap::HugePages,
    ] {
        for (at, name) in ["ctl", "seg", "frames"].into_iter().enumerate() {
            let script = vec![welcome(), (answer.clone(), 3)];
            let hostile = Hostile::playing_with(vec![script], move |files| {
                files[at] = trap.like(&files[at]);
            });
            let error = hostile.attach().unwrap_err();
            assert!(
                matches!(&error, Error::UnsafeMemory { file, .. } if *file == name),
                "{trap:?} {name}: {error}"
            );
            assert_eq!(error.errno(), rustix::io::Errno::PROTO.raw_os_error());
        }
    }
}

#[test]
fn daemon_hangs_up_at_each_step_then_disconnected() {
    let challenge = Challenge {
        token: "0123456789abcdef".into(),
    };
    let whole = [welcome(), (bytes(challenge), 0)];
    for steps in 0..=whole.len() {
        let hostile = Hostile::playing(vec![whole[..steps].to_vec()]);
        let error = hostile.attach().unwrap_err();
        assert!(matches!(error, Error::Disconnected), "{steps}: {error}");
        assert_eq!(error.errno(), rustix::io::Errno::STALE.raw_os_error());
    }
}

#[test]
fn attached_any_byte_changed_then_error_or_a_session_that_works() {
    let answer = bytes(attached(1, false, false));
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
            // The daemon never opened its gates.
            assert!(matches!(
                session.buffer_get(Timeout::NOW),
                Err(Error::Stale)
            ));
        }
    }
}
