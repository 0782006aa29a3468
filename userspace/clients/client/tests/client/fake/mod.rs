//! A test daemon with one session, as a client sees it.

pub(crate) mod wire;

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use onair::{Buffer, Error, Session, Timeout};
use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_ipc::event::EventKind;
use onair_ipc::fence::Fence;
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::{self, Geometry};
use onair_ipc::lender::{Lender, Revoked};
use onair_ipc::memory::{AttachmentMemory, AttachmentState};
use onair_ipc::message::{
    Attach, Attached, Challenge, Created, Destroyed, Detached, Flush, Flushed, KICK, MAX_PACKET,
    PROTOCOL, Refused, Request, Response, Welcome, read_request, write,
};
use onair_ipc::meta::FrameMeta;
use rustix::net::{RecvFlags, SocketFlags};

use self::wire::{connect, listen, reply};

pub(crate) const SESSION: u64 = 0x6920_a1c3_0000_0001;

pub(crate) const FRAMES: u32 = 6;

pub(crate) const WIDTH: u32 = 20;

pub(crate) const HEIGHT: u32 = 25;

pub(crate) const FRAME_BYTES: u32 = WIDTH * HEIGHT * 2;

const QUOTA: u32 = 4;

const TOKEN: &str = "00000000deadbeef";

/// One attachment, from the daemon's side.
pub(crate) struct Member {
    pub(crate) lender: Lender,
    pub(crate) frames: FrameMemory,
    pub(crate) is_there: bool,
    pub(crate) is_evicted: bool,
    pub(crate) is_quarantined: bool,
}

impl Member {
    fn has_ended(&self) -> bool {
        self.is_evicted || self.is_quarantined
    }
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) members: Vec<Member>,
    pub(crate) created: bool,
    /// Credits that came back submitted: attachment, frame, order.
    pub(crate) submitted: Vec<(u64, u32, u64)>,
    /// Whether it has stopped answering.
    pub(crate) is_mute: bool,
    /// Refuses each request with this code.
    pub(crate) refuses: Option<&'static str>,
}

struct FakeWorld {
    world: Mutex<World>,
    changed: Condvar,
    sends: bool,
    ends: AtomicBool,
}

pub(crate) struct Fake {
    shared: Arc<FakeWorld>,
    pub(crate) path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Fake {
    pub(crate) fn receiving() -> Self {
        Self::start(false)
    }

    pub(crate) fn sending() -> Self {
        Self::start(true)
    }

    fn start(sends: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("attach.sock");
        let listener = listen(&path);
        let shared = Arc::new(FakeWorld {
            world: Mutex::new(World::default()),
            changed: Condvar::new(),
            sends,
            ends: AtomicBool::new(false),
        });
        let theirs = shared.clone();
        std::thread::spawn(move || {
            while let Ok(socket) = rustix::net::accept_with(&listener, SocketFlags::CLOEXEC) {
                if theirs.ends.load(Ordering::SeqCst) {
                    return;
                }
                let theirs = theirs.clone();
                std::thread::spawn(move || converse(&theirs, &socket));
            }
        });
        Self {
            shared,
            path,
            _dir: dir,
        }
    }

    /// With a client of its session.
    pub(crate) fn attached() -> (Self, Session) {
        let fake = Self::receiving();
        let session = Session::attach(&fake.path, "test").unwrap();
        (fake, session)
    }

    /// With the owner of its session.
    pub(crate) fn created() -> (Self, Session) {
        let fake = Self::receiving();
        let session = Session::create(&fake.path, &spec()).unwrap();
        (fake, session)
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world.lock().unwrap()
    }

    /// Loans frame `frame` of the first attachment with `number` in it.
    pub(crate) fn publish(&self, frame: u32, number: u64) {
        let mut world = self.world();
        let member = &mut world.members[0];
        member.frames.write(frame, 0, &number.to_le_bytes());
        let meta = FrameMeta {
            number,
            ..FrameMeta::default()
        };
        member.lender.publish(frame, &meta).unwrap();
    }

    /// Loans such a frame, and takes it.
    pub(crate) fn loan<'a>(&self, session: &'a Session, frame: u32, number: u64) -> Buffer<'a> {
        self.publish(frame, number);
        session.buffer_get(Timeout::NOW).unwrap()
    }

    /// Credits the frames that the first attachment returned, and returns them.
    pub(crate) fn reap(&self) -> Vec<u32> {
        self.world().reap(0)
    }

    pub(crate) fn stop(&self) {
        self.world().stop();
    }

    pub(crate) fn start_again(&self) {
        for member in &self.world().members {
            member.lender.memory().start();
        }
    }

    pub(crate) fn notify(&self, kind: EventKind, argument: u64) {
        self.world().members[0]
            .lender
            .memory()
            .notify(kind, argument);
    }

    /// Whether no client has the shared words of the first attachment open or mapped. The daemon
    /// then writes to the frames that it set aside.
    pub(crate) fn has_words_alone(&self) -> bool {
        onair_ipc::sys::ignore_sigio();
        let world = self.world();
        let memory = world.members[0].lender.memory();
        memory.is_sole_user().unwrap()
    }

    /// Whether no client has any memory of the first attachment open or mapped.
    pub(crate) fn has_memory_alone(&self) -> bool {
        self.has_words_alone() && self.world().members[0].frames.is_sole_user().unwrap()
    }

    /// Ends the session for the first attachment without asking for its held frames, as a
    /// quarantine does.
    pub(crate) fn quarantine(&self) {
        let mut world = self.world();
        world.members[0].is_quarantined = true;
        world.members[0]
            .lender
            .memory()
            .set_state(AttachmentState::Gone);
        world.stop();
    }

    /// Waits until so many callers are inside a call of the first attachment.
    pub(crate) fn until_inside(&self, count: usize) {
        self.until("all are inside", |world| {
            let users = world.members[0].lender.memory().users();
            users.iter().map(|slot| slot.count as usize).sum::<usize>() == count
        });
    }

    /// Waits until `done`.
    pub(crate) fn until(&self, what: &str, mut done: impl FnMut(&mut World) -> bool) {
        let start = Instant::now();
        let mut world = self.world();
        while !done(&mut world) {
            assert!(start.elapsed() < Duration::from_secs(20), "{what}");
            let pause = Duration::from_millis(1);
            world = self.shared.changed.wait_timeout(world, pause).unwrap().0;
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        // Gives the accepting thread time to run.
        let _ = connect(&self.path);
    }
}

impl World {
    fn reap(&mut self, member: usize) -> Vec<u32> {
        let mut frames = vec![];
        let Member { lender, .. } = &mut self.members[member];
        let attachment = lender.attachment();
        lender.reap(|credit| {
            frames.push(credit.frame);
            if let Some(order) = credit.submitted {
                self.submitted.push((attachment, credit.frame, order));
            }
        });
        frames
    }

    fn stop(&self) {
        for member in &self.members {
            member.lender.memory().stop();
            while member.lender.memory().wake_some(64) {}
        }
    }

    /// The result for each frame.
    pub(crate) fn evict(&mut self, member: usize) -> Vec<Revoked> {
        let member = &mut self.members[member];
        let memory = member.lender.memory();
        memory.set_state(AttachmentState::Revoked);
        memory.stop();
        while memory.wake_some(64) {}
        member.is_evicted = true;
        let mut taken = vec![];
        member.lender.revoke(|revoked| taken.push(revoked));
        taken
    }

    /// Whether no caller is inside and no frame is on loan, after a stop.
    fn is_unused(&mut self) -> bool {
        let fence = Fence::with_kicks(self.members.iter().map(|it| &**it.lender.memory()));
        for member in 0..self.members.len() {
            self.reap(member);
            self.members[member].lender.settle(|_| ());
        }
        let users = |member: &Member| member.lender.memory().users_at(&fence).len();
        self.members.iter().map(users).sum::<usize>() == 0
            && self
                .members
                .iter()
                .all(|member| member.lender.loaned() == 0)
    }
}

fn converse(shared: &FakeWorld, socket: &OwnedFd) {
    let mut buffer = vec![0; MAX_PACKET];
    let mut me = None;
    while let Ok((len, _)) = rustix::net::recv(socket, &mut buffer, RecvFlags::empty()) {
        if len == 0 {
            break;
        }
        if buffer[..len] == [KICK] {
            continue;
        }
        let (tag, request) = read_request(&buffer[..len]).unwrap();
        let (response, files) = answer(shared, request, &mut me);
        if shared.world.lock().unwrap().is_mute {
            continue;
        }
        let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        if reply(socket.as_fd(), &write(tag, &response).unwrap(), &files).is_err() {
            break;
        }
    }
    if let Some(me) = me {
        let mut world = shared.world.lock().unwrap();
        let member: &mut Member = &mut world.members[me];
        member.is_there = false;
        member.lender.memory().set_state(AttachmentState::Revoked);
        member.lender.memory().stop();
        shared.changed.notify_all();
    }
}

fn answer(
    shared: &FakeWorld,
    request: Request,
    me: &mut Option<usize>,
) -> (Response, Vec<OwnedFd>) {
    let mut world = shared.world.lock().unwrap();
    if let Some(code) = world.refuses
        && !matches!(request, Request::Hello(_))
    {
        return (refuse(code), vec![]);
    }
    let response = match request {
        Request::Hello(hello) => {
            assert_eq!(hello.protocol, PROTOCOL);
            Welcome {
                protocol: PROTOCOL,
                daemon: "fake 1".into(),
            }
            .into()
        }
        Request::Create(create) => {
            let spec: onair::SessionSpec = serde_json::from_value(create.spec).unwrap();
            assert_eq!(spec.name.as_str(), "test");
            world.created = true;
            let session = format!("{SESSION:016x}");
            Created { session }.into()
        }
        Request::Attach(Attach { session, .. }) if session == "test" || session.len() == 16 => {
            let token = TOKEN.into();
            Challenge { token }.into()
        }
        Request::Attach(_) => refuse("no_such_session"),
        Request::ListMembers(_) => refuse("no_such_group"),
        Request::Proved(_) => {
            let (attached, files) = admit(&mut world, shared.sends);
            *me = Some(world.members.len() - 1);
            return (attached.into(), files);
        }
        Request::Flush(Flush { wait_ms: 0 }) => refuse("deadline_passed"),
        Request::Detach(_) | Request::Flush(_) if world.members[me.unwrap()].has_ended() => {
            refuse("stale_session")
        }
        Request::Detach(_) => {
            let me = me.expect("attached");
            world.reap(me);
            let member = &world.members[me];
            assert_eq!(member.lender.memory().held(), [], "checked by the client");
            assert_eq!(member.lender.memory().users(), [], "checked by the client");
            Detached {}.into()
        }
        Request::Flush(_) => {
            world.reap(me.expect("attached"));
            let frames_sent = world.submitted.len() as u64;
            Flushed { frames_sent }.into()
        }
        Request::Abort(_) => {
            for at in 0..world.members.len() {
                world.evict(at);
            }
            destroyed()
        }
        Request::Destroy(it) => destroy(shared, world, me.expect("attached"), it.wait_ms),
    };
    (response, vec![])
}

fn destroy(
    shared: &FakeWorld,
    mut world: MutexGuard<'_, World>,
    me: usize,
    wait_ms: Option<u64>,
) -> Response {
    if !world.members[me].lender.memory().is_locally_stopped() {
        return refuse("running");
    }
    world.stop();
    let deadline = Instant::now() + Duration::from_millis(wait_ms.unwrap_or(0));
    while !world.is_unused() {
        if Instant::now() >= deadline {
            return refuse(wait_ms.map_or("busy", |_| "deadline_passed"));
        }
        let pause = Duration::from_millis(1);
        world = shared.changed.wait_timeout(world, pause).unwrap().0;
    }
    for member in &world.members {
        member.lender.memory().set_state(AttachmentState::Gone);
    }
    world.stop();
    destroyed()
}

fn destroyed() -> Response {
    let certificate = serde_json::json!({"session": format!("{SESSION:016x}")});
    Destroyed { certificate }.into()
}

fn refuse(code: &str) -> Response {
    let blocker = serde_json::json!({
        "pid": 7, "tid": 8, "command": "c", "thread": "t", "attachment": 1, "kind": "holding",
        "since": null, "blocked_for_ms": null, "waits_in": null,
        "held_frames": [{"frame": 1, "age_ms": 2}], "seen_by": [], "note": null,
    });
    Response::Refused(Refused {
        code: code.into(),
        message: format!("refused as {code}"),
        blockers: if code == "busy" || code == "deadline_passed" {
            vec![blocker]
        } else {
            vec![]
        },
    })
}

fn admit(world: &mut World, sends: bool) -> (Attached, Vec<OwnedFd>) {
    let attachment = world.members.len() as u64 + 1;
    let geometry = Geometry::new(FRAMES, FRAME_BYTES).unwrap();
    let memory = Arc::new(AttachmentMemory::create(SESSION, attachment, geometry).unwrap());
    let frames = FrameMemory::create(geometry, !sends).unwrap();
    memory.open();
    memory.start();
    let (ctl, seg) = memory.for_client().unwrap();
    let files = vec![ctl, seg, frames.for_client().unwrap()];
    world.members.push(Member {
        lender: Lender::new(memory, QUOTA),
        frames,
        is_there: true,
        is_evicted: false,
        is_quarantined: false,
    });
    (attached(attachment, sends, world.created), files)
}

/// The video of the fake session, so many pixels wider.
pub(crate) fn format(wider: u32) -> VideoFormat {
    VideoFormat::new(
        WIDTH + wider,
        HEIGHT,
        Depth::Eight,
        FrameRate::new(60, 1).unwrap(),
    )
    .unwrap()
}

pub(crate) fn attached(attachment: u64, sends: bool, owner: bool) -> Attached {
    Attached {
        session: format!("{SESSION:016x}"),
        name: "test".into(),
        attachment,
        owner,
        sends,
        local: false,
        version: layout::VERSION,
        geometry: Geometry::new(FRAMES, FRAME_BYTES).unwrap(),
        format: format(0).into(),
        layout: None,
        quota: FRAMES,
        watched: true,
    }
}

pub(crate) fn is_stale<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Stale))
}

/// A checked specification of the session.
pub(crate) fn spec() -> onair::SessionSpec {
    serde_json::from_value(serde_json::json!({
        "name": "test", "direction": "receive", "port": "b",
        "video": {"width": WIDTH, "height": HEIGHT, "frame_rate": "60/1", "depth": 8},
        "flow": {"destination": "10.77.0.2:5004"},
    }))
    .unwrap()
}
