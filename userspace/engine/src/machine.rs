//! All that the engine touches of the world. The daemon is the real machine; tests may have another.

use std::any::Any;
use std::fmt::Debug;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_api::{
    EventKind, ProbeMode, ProbeState, Problem, ProblemCode, PtpHealth, Reading, SessionId,
    Timestamp,
};
use onair_dataplane::{
    Command, ConverterFeed, Dataplane, GroupState, Intake, Joined, KernelMembership, MediaClock,
    Placement, PollerEvent, PollerSnapshot, PortInfo, PortSnapshot, PulseChange, ReceivedFlow,
    Runtime, SessionStats, UnclaimedFlow,
};
use onair_dpdk::{Hardware, LinkStatus, PortStats};
use onair_ipc::frames::FrameMemory;
use onair_ipc::memory::AttachmentMemory;
use onair_probe::share::Usage;
use onair_probe::{Probe, ProbeError, Proof, Waiter};
use onair_session::{RetiredMemory, Walk};

use crate::clients::inspection::Inspection;
use crate::clients::processes::Processes;
use crate::clock::Clocks;

/// Work that ends later.
pub type Later<T> = Pin<Box<dyn Future<Output = T>>>;

/// The grandmaster that a description names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its identity.
    pub grandmaster: [u8; 8],
    /// PTP domain.
    pub domain: u8,
}

/// The session that memory was of, and the user whose share it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The session.
    pub session: SessionId,
    /// The user.
    pub uid: u32,
}

/// How the probe treats a client that attaches.
#[derive(Clone, Debug)]
pub enum Watching {
    /// The probe watches the client, or the attach is refused.
    Required(Probe),
    /// The probe watches the client if possible.
    Preferred(Probe),
    /// The probe is not used.
    Off,
}

/// The world. The control thread calls it: nothing here waits for a client, a disk or a poller, but
/// [`Self::pause`].
pub trait Machine: Any + Debug + Send {
    /// Its clocks.
    fn clock(&self) -> &Clocks;
    /// The time.
    fn now(&self) -> Instant {
        self.clock().now()
    }
    /// Waits, at the daemon's end.
    fn pause(&self, time: Duration);
    /// Does this beside the control thread's turns, on the same thread.
    fn spawn(&self, work: Later<()>);
    /// Ready at `at`.
    fn sleep_until(&self, at: Instant) -> Later<()>;

    /// Ports and pollers.
    fn dataplane(&self) -> &Dataplane;
    /// The same, to change them.
    fn dataplane_mut(&mut self) -> &mut Dataplane;

    /// The ports, in the order of the configuration.
    fn ports(&self) -> &[PortInfo] {
        self.dataplane().ports()
    }
    /// The driver's counters of a port.
    fn port_stats(&self, name: &str) -> Option<PortStats> {
        self.dataplane().port_stats(name)
    }
    /// The counters of a port, of all its pollers together.
    fn port_counters(&self, name: &str) -> Option<PortSnapshot> {
        self.dataplane().port_counters(name)
    }
    /// What arrives at a port and no running session claims.
    fn unclaimed(&self, name: &str) -> Vec<UnclaimedFlow> {
        self.dataplane().unclaimed(name)
    }
    /// The core of a poller.
    fn core(&self, poller: usize) -> Option<usize> {
        self.dataplane().core(poller)
    }
    /// The counters of a poller.
    fn poller_counters(&self, poller: usize) -> Option<PollerSnapshot> {
        self.dataplane().poller_counters(poller)
    }
    /// Looks whether each poller makes turns. Returns what has changed.
    fn look_at_turns(&mut self, now: Instant) -> Vec<(usize, PulseChange)> {
        self.dataplane_mut().look_at_turns(now)
    }
    /// Since when a poller makes no turn.
    fn stalled_since(&self, poller: usize) -> Option<Instant> {
        self.dataplane().stalled_since(poller)
    }
    /// Number of the pollers; converters have the numbers after theirs.
    fn polling(&self) -> usize {
        self.dataplane().polling()
    }
    /// The link of a port as it is now.
    fn link(&self, name: &str) -> Option<LinkStatus> {
        self.dataplane().link(name)
    }
    /// Whether the link of a port was up at the last [`Self::check_ports`].
    fn link_seen(&self, name: &str) -> Option<bool> {
        self.dataplane().link_seen(name)
    }
    /// The MTU that the interface under a port has now.
    fn interface_mtu(&self, name: &str) -> Option<u32> {
        self.dataplane().interface_mtu(name)
    }
    /// The device of a port.
    fn hardware(&self, name: &str) -> Option<&Hardware> {
        self.dataplane().hardware(name)
    }
    /// Whether DPDK uses hugepages.
    fn has_hugepages(&self) -> bool {
        self.dataplane().has_hugepages()
    }
    /// The clock of send sessions.
    fn media_clock(&self) -> &Arc<MediaClock> {
        self.dataplane().clock()
    }
    /// Looks at the ports' devices and links.
    fn check_ports(&mut self) {
        self.dataplane_mut().check_ports();
    }
    /// A poller has given up its queues of a port.
    fn unplugged(&mut self, name: &str, poller: usize) {
        self.dataplane_mut().unplugged(name, poller);
    }
    /// A port is open again. Returns whether its device was gone.
    fn plug(&mut self, name: &str) -> bool {
        self.dataplane_mut().plug(name)
    }
    /// Whether a poller has a queue to send with on a port.
    fn sends(&self, port: &PortInfo, poller: usize) -> bool {
        self.dataplane().sends(port, poller)
    }
    /// Places a session on the poller of a port with the least load, of those that work.
    fn place(
        &self,
        port: &PortInfo,
        sends: bool,
        bytes_per_second: u64,
        works: &dyn Fn(usize) -> bool,
    ) -> Option<Placement> {
        self.dataplane().place(port, sends, bytes_per_second, works)
    }
    /// Places a converted session on a converter; there are `most` at most.
    ///
    /// # Errors
    /// `limit_reached`: no thread can be started.
    fn place_converter(
        &mut self,
        bytes_per_second: u64,
        most: usize,
        works: &dyn Fn(usize) -> bool,
    ) -> Result<Placement, Problem> {
        let placed = self
            .dataplane_mut()
            .place_converter(bytes_per_second, most, works);
        placed.map_err(|error| Problem::new(ProblemCode::LimitReached, error.to_string()))
    }
    /// The name of a converter.
    fn converter_name(&self, index: usize) -> Option<String> {
        self.dataplane().converter_name(index)
    }
    /// The two ends of a way for frames to a converter.
    fn feed(
        &self,
        converter: usize,
        quota: u32,
        stats: &Arc<SessionStats>,
    ) -> Option<(ConverterFeed, Intake)> {
        self.dataplane().feed(converter, quota, stats)
    }
    /// Sends a command to a poller.
    ///
    /// # Errors
    /// The command, if it is not taken.
    fn send(&mut self, poller: usize, command: Command) -> Result<(), Command> {
        self.dataplane_mut().send(poller, command)
    }
    /// The next event of a poller.
    fn next_event(&mut self) -> Option<PollerEvent> {
        self.dataplane().events().pop()
    }
    /// A poller gave a runtime back, or did not take it.
    fn returned(&mut self, runtime: &Runtime) {
        self.dataplane_mut().returned(runtime);
    }
    /// A running session is to receive a flow, too. False if another one has it.
    fn claim(&mut self, port: &str, flow: ReceivedFlow<'_>, poller: usize, session: u64) -> bool {
        self.dataplane_mut().claim(port, flow, poller, session)
    }
    /// A session has no flow of a port any more, or `kept` alone.
    fn release(&mut self, port: &str, session: u64, kept: Option<ReceivedFlow<'_>>) {
        self.dataplane_mut().release(port, session, kept);
    }
    /// A session wants these sources of a group.
    fn join(&mut self, port: &str, session: u64, group: IpAddr, sources: &[IpAddr]) {
        self.dataplane_mut().join(port, session, group, sources);
    }
    /// A session wants no group of a port any more, or the one that `kept` says.
    fn part(&mut self, session: u64, kept: &dyn Fn(&str) -> Option<IpAddr>) {
        self.dataplane_mut().part(session, kept)
    }
    /// The kernel's answer about a group.
    fn joined(&mut self, membership: &KernelMembership, joined: Joined) {
        self.dataplane_mut().joined(membership, joined);
    }
    /// A group as a port has it.
    fn membership(&self, port: &str, group: IpAddr) -> Option<GroupState> {
        self.dataplane().membership(port, group)
    }
    /// When [`Self::serve_groups`] next has work.
    fn groups_due(&self) -> Option<Instant> {
        self.dataplane().groups_due()
    }
    /// Answers queries about groups, as far as they are due.
    fn serve_groups(&mut self) {
        self.dataplane_mut().serve_groups();
    }

    // The probe.

    /// Whether the probe sees, and why not.
    fn probe_state(&self) -> (ProbeState, Option<String>);
    /// The configured mode.
    fn probe_mode(&self) -> ProbeMode;
    /// Sets how strictly its readings count from now on.
    fn set_probe_mode(&mut self, mode: ProbeMode);
    /// When the daemon's own canary last succeeded.
    fn canary_at(&self) -> Option<Timestamp>;
    /// Passes a canary through the daemon's own site.
    fn test_probe(&self);
    /// Whether the probe sees, if it is required.
    ///
    /// # Errors
    /// `probe_blind`.
    fn check_probe(&self) -> Result<(), Problem>;
    /// Callers blocked in a session, for a list.
    fn waiters(&self, session: u64) -> Vec<Waiter>;
    /// Callers blocked at an index of its counters; `None` without a probe.
    fn blocked(&self, index: u32) -> Option<Result<u64, ProbeError>>;
    /// Reads the kernel's counts of blocked callers.
    fn walk(&self, sessions: &[SessionId]) -> Box<dyn Walk + '_>;
    /// Registers a client; without a probe there is nothing to do.
    ///
    /// # Errors
    /// The probe's.
    fn register(
        &self,
        client: &Proof,
        session: u64,
        attachment: u64,
        index: u32,
    ) -> Result<(), ProbeError>;
    /// Takes it off again.
    ///
    /// # Errors
    /// The probe's.
    fn unregister(&self, tgid: u32, session: u64, attachment: u64) -> Result<(), ProbeError>;
    /// How the probe treats a client that attaches.
    fn watching(&self) -> Watching;
    /// Use of its places.
    fn probe_usage(&self) -> Vec<Usage>;

    // Client processes and their memory.

    /// Queues a question about a process; its answer comes as a finding.
    fn inspect(&self, inspection: Inspection);
    /// When the first look that runs takes too long.
    fn inspections_due(&self) -> Option<Instant>;
    /// Gives up on looks that took too long.
    fn expire_inspections(&self, now: Instant);
    /// What `/proc` says at once.
    fn processes(&self) -> &dyn Processes;
    /// Tells the client when the daemon dies. Returns its place.
    ///
    /// # Errors
    /// Why it cannot.
    fn hang(&mut self, memory: &AttachmentMemory) -> Result<usize, String>;
    /// The client is gone.
    fn unhang(&mut self, place: usize);
    /// Watches a file that an attachment can write.
    fn guard(&mut self, file: BorrowedFd<'_>, owner: (u64, u64));
    /// Attachments whose files were changed with a system call.
    fn touched(&mut self) -> Vec<(u64, u64)>;
    /// Why not every client's memory is watched.
    fn guard_problem(&self) -> Option<String>;
    /// W4's reading of this memory.
    fn mapping(&self, memory: &RetiredMemory) -> Reading;
    /// Whether no process has these words, according to W4.
    fn is_free(&self, words: &AttachmentMemory) -> bool;
    /// As [`Self::is_free`], of frames.
    fn are_free(&self, frames: &FrameMemory) -> bool;
    /// Unmaps memory that no process has any more, on a thread of its own.
    fn give_back(&self, charge: Charge, memory: RetiredMemory);
    /// Whether memory of a session is on its way back.
    fn is_returning(&self, session: SessionId) -> bool;
    /// Ready when nothing of a session is on its way back.
    fn when_returned(&self, session: SessionId) -> Later<()>;
    /// Bytes on their way back, by user.
    fn returning(&self) -> Vec<(u32, u64)>;
    /// Bytes of files that no process has, but the kernel with pages of them.
    fn pinned(&self) -> Vec<(Charge, u64)>;
    /// When [`Self::ask_for_pinned`] is due.
    fn pinned_due(&self) -> Option<Instant>;
    /// Asks for pinned pages again, if that is due.
    fn ask_for_pinned(&mut self, now: Instant);

    // The daemon itself.

    /// Takes over what ptp4l said last. Returns what has changed.
    fn follow_ptp(&mut self, now: Instant) -> Vec<EventKind>;
    /// What ptp4l said.
    fn ptp_health(&self) -> &PtpHealth;
    /// The clock that senders follow, and how often it has changed.
    fn ptp_reference(&self) -> (Option<Reference>, u64);
    /// Why the journal of resources is not written, or that the daemon before left a damaged one.
    fn journal_problem(&self) -> Option<String>;
    /// Why a restart would refuse the configuration file.
    fn file_problem(&self) -> Option<String>;
    /// A reload read the file, and this is why it is invalid.
    fn note_file(&self, invalid: Option<String>);
    /// Use of the connections of both sockets.
    fn connections(&self) -> Vec<Usage>;
}
