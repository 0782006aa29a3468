//! A daemon that takes the place of a running one: real processes, a real wire, deaths at the worst times.

mod kept_frame;
mod memory;

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use onair::{Client, Ended, Next, Reattaching, Status, Timeout};
use onair_api::{SpecDocument, Successor};
use onair_stage::{Backend, Config, Control, Deadline, ProcessId, Raster, Stage, Veth, receive};
use onair_tests::{QUOTA, Rig, Running, output, program, until, wait_for};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send as send_packet,
    socketpair,
};
use rustix::process::Signal;

use super::pictures::{Pictures, number};
use crate::deaths::reattach::on_air;

/// A daemon that a test did not start. It goes with the test.
pub(crate) struct Heir(ProcessId);

impl Heir {
    pub(crate) fn of(successor: &Successor) -> Result<Self> {
        Ok(Self(ProcessId::of(successor.pid).context("it has ended")?))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.pid
    }

    /// Whether it ends in time.
    pub(super) fn ended(&self) -> Result<bool> {
        self.0.wait_end(Deadline::seconds(60))
    }

    pub(crate) fn terminated(self) -> Result<()> {
        self.0.signal(Signal::TERM)?;
        ensure!(self.ended()?, "it does not end");
        Ok(())
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.signal(Signal::KILL);
        let _ = self.0.wait_end(Deadline::seconds(60));
    }
}

/// On sockets, and without hugepages: a client has those of the old daemon until it has attached to the new one, and
/// a stage reserves no more than one daemon needs.
pub(super) fn on_a_wire(backend: Backend) -> Result<Rig> {
    let stage = Stage::open("test")?;
    stage.veth(&Veth::bare("va", "vb"))?;
    let mut rig = onair_stage::Rig::new(stage, Config::pair(backend));
    rig.start_daemon()?;
    Ok(rig.into())
}

pub(super) fn attached(rig: &Rig) -> Result<Reattaching> {
    Ok(Client::at(Config::attach_socket(rig.stage())).reattaching("cam")?)
}

pub(crate) fn next(cam: &mut Reattaching) -> Result<Next<onair::OwnedBuffer>> {
    Ok(cam.buffer_get(Timeout::millis(30_000))?)
}

pub(crate) fn upgrade(control: &mut Control) -> Result<Successor> {
    control
        .request("POST", "/v1/upgrade", &().into())?
        .document()
}

/// A control connection to the daemon with this process.
pub(crate) fn control_of(rig: &Rig, pid: u32) -> Result<Control> {
    until("the new daemon to answer", Deadline::seconds(60), || {
        // The old one may answer, or have closed the connection; a killed one left a socket without a listener.
        let Ok(mut control) = rig.control() else {
            return Ok(None);
        };
        let is_it = control.health().is_ok_and(|it| it.pid == pid && it.ready);
        Ok(is_it.then_some(control))
    })
}

/// Has the daemon of `rig` replaced, and follows `cam` into the new one.
pub(super) fn taken_over(
    rig: &mut Rig,
    control: &mut Control,
    cam: &mut Reattaching,
) -> Result<(Heir, Control)> {
    let heir = Heir::of(&upgrade(control)?)?;
    // What a client has of the old daemon is memory that the new one may need: it gives it back with this call.
    loop {
        match next(cam)? {
            Next::Buffer(_) => {}
            Next::Resumed(gap, _) => {
                ensure!(gap.ended != Ended::Stopped, "{gap:?}");
                break;
            }
        }
    }
    let (code, summary) = rig.daemon_ends()?;
    ensure!(code == 0, "{code}: {summary:#?}");
    ensure!(summary.cause.contains("takes over"), "{}", summary.cause);
    let control = control_of(rig, heir.0.pid)?;
    Ok((heir, control))
}

#[test]
fn daemon_taken_over_twice_then_clients_go_on() -> Result<()> {
    let mut rig = on_a_wire(Backend::AfPacket)?;
    let mut control = rig.control()?;
    on_air(&mut control)?;
    let mut cam = attached(&rig)?;
    drop(next(&mut cam)?);
    let id = cam.session().context("attached")?.id();
    gives_its_sockets_up(&rig)?;

    // Whoever connects in between waits, and is never refused.
    let (is_over, sockets) = (
        AtomicBool::new(false),
        [Config::control_socket(rig.stage()), rig.attach_socket()],
    );
    let first = thread::scope(|scope| {
        let knocking = scope.spawn(|| -> Result<u32> {
            let mut times = 0;
            while !is_over.load(Ordering::Relaxed) {
                UnixStream::connect(&sockets[0]).context("the control socket")?;
                ensure!(sockets[1].exists(), "the attach socket's file is gone");
                times += 1;
            }
            Ok(times)
        });
        let taken = taken_over(&mut rig, &mut control, &mut cam);
        is_over.store(true, Ordering::Relaxed);
        let knocked = knocking.join().expect("it does not panic")?;
        ensure!(knocked > 10, "{knocked}");
        taken
    });
    let (first, mut control) = first?;
    assert_eq!(on_the_wire(&rig)?, (true, 2));
    ensure!(matches!(next(&mut cam)?, Next::Buffer(_)));
    ensure!(cam.session().context("attached")?.id() > id);
    let certificate = control.certificate(id)?;
    ensure!(certificate.session == id, "{certificate:#?}");
    ensure!(control.troubles()?.is_empty(), "{:?}", control.troubles()?);

    let second = Heir::of(&upgrade(&mut control)?)?;
    ensure!(first.ended()?, "two daemons");
    drop(control_of(&rig, second.0.pid)?);
    drop(next(&mut cam)?);
    drop(cam);
    second.terminated()?;
    assert_eq!(on_the_wire(&rig)?, (false, 0));
    for socket in sockets {
        ensure!(!socket.exists(), "{} is left", socket.display());
    }
    Ok(())
}

/// A successor has its sockets before it asks for anything, and gives them up alone.
fn gives_its_sockets_up(rig: &Rig) -> Result<()> {
    assert_eq!(on_the_wire(rig)?, (true, 2));
    let mut successor = prepared(rig)?;
    assert_eq!(on_the_wire(rig)?, (true, 4));
    drop(successor.channel);
    successor.process.wait(Deadline::seconds(60))?;
    assert_eq!(on_the_wire(rig)?, (true, 2));
    Ok(())
}

/// Port `b` at one end of a wire, and this host at the other.
pub(crate) fn beside_the_kernel() -> Result<Rig> {
    let stage = Stage::open("test")?;
    let mut cable = Veth::bare("va", "vb");
    cable.a.address = Some("10.77.0.9/24");
    stage.veth(&cable)?;
    host(stage, "b")
}

/// A daemon with port `name` of a wire.
fn host(stage: Stage, name: &str) -> Result<Rig> {
    let mut config = Config::pair(Backend::AfPacket);
    config.ports.retain(|port| port.name == name);
    let mut rig = onair_stage::Rig::new(stage, config);
    rig.start_daemon()?;
    Ok(rig.into())
}

/// Takes pictures until some have come after a gap, each once and whole. Returns how many are missing.
pub(crate) fn missing_of(cam: &mut Reattaching, last: &mut u32) -> Result<u32> {
    let (mut missing, mut since, mut has_gap) = (0, 0, false);
    while since < 50 {
        let next = next(cam)?;
        has_gap |= next.gap().is_some();
        since += u32::from(has_gap);
        let picture = next.into_buffer();
        let (number, status) = (number(&picture)?, picture.status());
        // The new daemon opened its port in the middle of this picture. The old one had it whole, and the client was late.
        let is_cut = status != Status::Complete;
        ensure!(!is_cut || since == 1, "{since} after the gap: {picture:?}");
        if is_cut {
            continue;
        }
        ensure!(number > *last, "{number} after {last}");
        missing += number - *last - 1;
        *last = number;
    }
    Ok(missing)
}

#[test]
fn receiver_taken_over_then_each_picture_comes_once() -> Result<()> {
    let rig = beside_the_kernel()?;
    let mut control = rig.control()?;
    let raster = Raster::new(320, 180, 50, 10);
    control.create(&SpecDocument {
        persistent: Some(true),
        quota: Some(QUOTA),
        ..receive("cam", raster, 5000)
    })?;
    control.start("cam")?;
    let mut cam = attached(&rig)?;
    let sender = Pictures::start(&rig, raster)?;
    let mut last = number(&next(&mut cam)?.into_buffer())?;
    let (mut heirs, mut proven) = (Vec::new(), 0);
    for _ in 0..10 {
        let id = cam.session().context("attached")?.id();
        let successor = upgrade(&mut control)?;
        heirs.push(Heir::of(&successor)?);
        let missing = missing_of(&mut cam, &mut last)?;
        control = control_of(&rig, successor.pid)?;
        // What a late client had no room for, or had not taken when its session stopped, is lost.
        let ended = control.certificate(id)?;
        let unread = ended.counts.frames_reclaimed + ended.frames.frames_dropped_slow;
        ensure!(u64::from(missing) <= unread, "{missing}, {unread} unread");
        proven += u32::from(unread == 0);
        if proven == 2 {
            break;
        }
    }
    ensure!(proven == 2, "the client was late each time");
    drop(cam);
    sender.end()?;
    heirs.pop().context("some")?.terminated()
}

/// Both ends of the channel of a successor.
struct Prepared {
    channel: OwnedFd,
    process: Running,
    log: PathBuf,
}

/// A successor whose predecessor is this test: prepared, and waiting.
fn prepared(rig: &Rig) -> Result<Prepared> {
    let folder = rig.stage().directory();
    let log = folder.join("successor.log");
    let out = fs::File::create(&log)?;
    let flags = SocketFlags::CLOEXEC;
    let (channel, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    let mut command = rig.stage().command(program("onaird")?);
    command
        .arg("--config")
        .arg(folder.join("onaird.toml"))
        .arg("--take-over");
    command.stdin(other).stdout(out.try_clone()?).stderr(out);
    let process = Running::new("onaird", command.spawn()?)?;
    drop(command);
    let mut packet = [0; 1024];
    let (length, _) = recv(&channel, &mut packet, RecvFlags::empty())?;
    ensure!(
        String::from_utf8_lossy(&packet[..length]).contains("prepared"),
        "{}",
        fs::read_to_string(&log)?
    );
    Ok(Prepared {
        channel,
        process,
        log,
    })
}

/// Whether `va` is promiscuous, and how many sockets of AF_PACKET there are.
fn on_the_wire(rig: &Rig) -> Result<(bool, usize)> {
    let namespace = rig.stage().namespace();
    let link = output("ip", &["-n", namespace, "link", "show", "va"])?;
    let packet = ["netns", "exec", namespace, "cat", "/proc/net/packet"];
    // The first line has the names of the columns.
    let sockets = output("ip", &packet)?.lines().count() - 1;
    Ok((link.contains("PROMISC"), sockets))
}

#[test]
fn successor_let_go_then_it_ends_unless_the_daemon_was_killed() -> Result<()> {
    let mut rig = Rig::rings()?;
    on_air(&mut rig.control()?)?;
    let mut cam = attached(&rig)?;
    drop(next(&mut cam)?);
    // The end of its channel, and a message that is none: it may have nothing but with the lock.
    for message in [
        &b""[..],
        b"{\"message\":\"yours\",\"sockets\":[]}",
        b"nonsense",
    ] {
        let mut successor = prepared(&rig)?;
        if !message.is_empty() {
            send_packet(&successor.channel, message, SendFlags::empty())?;
        }
        drop(successor.channel);
        let status = successor.process.wait(Deadline::seconds(60))?;
        let said = fs::read_to_string(&successor.log)?;
        ensure!(
            status.code() == Some(1) && said.contains("uses state.dir"),
            "{status}: {said}"
        );
    }
    // SIGTERM while it waits.
    let mut successor = prepared(&rig)?;
    successor.process.signal(Signal::TERM)?;
    let status = successor.process.wait(Deadline::seconds(60))?;
    ensure!(status.code().is_some(), "{status}");
    for _ in 0..20 {
        ensure!(
            matches!(next(&mut cam)?, Next::Buffer(_)),
            "no frame is missing"
        );
    }
    wait_for("the socket of the daemon", 10, || {
        Ok(Config::control_socket(rig.stage()).exists())
    })?;

    // It takes the place of one that is killed beside it.
    let mut successor = prepared(&rig)?;
    rig.kill_daemon()?;
    drop(successor.channel);
    drop(control_of(&rig, successor.process.pid())?);
    loop {
        if let Next::Resumed(gap, _) = next(&mut cam)? {
            ensure!(gap.ended == Ended::Daemon, "{gap:?}");
            break;
        }
    }
    drop(cam);
    successor.process.signal(Signal::TERM)?;
    let status = successor.process.wait(Deadline::seconds(60))?;
    ensure!(
        status.success(),
        "{status}: {}",
        fs::read_to_string(&successor.log)?
    );
    Ok(())
}
