//! The poller's half of one session. It moves to the poller and back.
//!
//! A session has two halves. The control thread keeps the one that decides (`onair-session`). The other is a
//! [`Runtime`]: the assembler or the packetiser, the frames, the attachments with their ledgers, the taps of
//! recordings. It has one owner at a time, and so no lock:
//!
//! 1. *Made.* The control thread creates it and adds attachments, through the public methods.
//! 2. *Sent.* `Command::Start` moves it into the poller's inbox. From here on the control thread has the counters
//!    ([`Runtime::stats`], atomic) and what shared memory shows. For everything else it sends a command, and gets
//!    the answer as an event: perhaps after the runtime itself.
//! 3. *Run.* The poller calls `packets` for what arrives, and `turn` when `due_ns` says so (`poller/sessions`).
//!    Nothing on this way allocates, locks or enters the kernel: lists have their capacity from the start, and
//!    taps are linked through themselves.
//! 4. *Quiesced.* At a stop, `quiesce` drops what is under assembly. A sender still sends what was submitted, until a
//!    deadline. The poller hands the runtime back only when `is_quiet`: no frame is being sent.
//! 5. *Back.* `PollerEvent::HandedBack` returns the same box. Owning the runtime *is* witness W3: that the
//!    control thread has it proves that no poller touches the session's memory. Only now can the ledgers be
//!    settled to zero and the memory be freed. A poller that panics hands all its runtimes back as they are; one
//!    that hangs does not, and its sessions are not destroyed.
//!
//! An attachment may also leave while the session runs: `dismiss` marks it, `detached` gives its lender and
//! frames back; a send session keeps them until the client's submitted frames are sent or overdue. Of an evicted
//! client, the shared frames that it held are set aside and not filled again, because one of its threads may
//! still read them (`attachment.rs`).
//!
//! The kinds differ in what drives them: a receiver by packets, a sender by time, a local
//! session by what a client submits. The poller treats all alike: what a kind does not have does nothing.
//!
//! With many sessions a runtime has left the cache by its next turn, and each pointer is a wait for memory. So
//! the receiver stands in the enum instead of a box of its own, and the poller fetches in stages: see [`Fetch`].
//!
//! Read on in `receive.rs`, `send/mod.rs`, `local/mod.rs`, and `onair_session::Runtime`: all that the
//! session's core knows of this type.

pub(crate) mod attachment;
mod frame_pool;
mod kept_units;
pub(crate) mod legs;
pub(crate) mod local;
#[cfg(test)]
mod open_tests;
mod open_units;
pub(crate) mod receive;
pub(crate) mod refusal;
pub(crate) mod send;
mod senders;
pub(crate) mod tap;
#[cfg(test)]
mod test_client;

use std::net::SocketAddr;
use std::sync::Arc;

use onair_dpdk::prefetch;
use onair_essence::legs::Leg;
use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::Lender;
use onair_mutant::mutant;
use onair_session::{AttachRefusal, Evicted, FlushReport, Runtime as _};
use serde::{Serialize, Serializer};

use crate::clock::MediaClock;
use crate::config::PortInfo;
use crate::flow::ReceivedFlow;
use crate::flow::arrival::{Arrival, Packet};
use crate::flow::target::{FlowTarget, SwitchTime};
use crate::runtime::attachment::{Attachments, Parts};
use crate::runtime::local::{Local, LocalConfig};
use crate::runtime::receive::{ReceiveConfig, Receiver};
use crate::runtime::refusal::RuntimeError;
use crate::runtime::send::{SendConfig, Sender};
use crate::runtime::tap::{Tap, Taps};
use crate::stats::SessionStats;
use crate::stats::timing::Timing;
use crate::transmit::TxSink;
use crate::transmit::neighbour::NextHop;

/// A session's half of the dataplane, with its lenders and their ledgers.
///
/// While the control thread has it, no other thread touches the session. The public methods are for
/// that time.
#[derive(Debug)]
pub struct Runtime {
    session: u64,
    stats: Arc<SessionStats>,
    kind: RuntimeKind,
    /// The addresses that it gets after the frames in transit, and when.
    target: Option<(Box<FlowTarget>, SwitchTime)>,
}

/// Memory beside a session's [`Runtime`] that its packets touch; each part is found through the one before. With many sessions
/// they have left the cache by the session's next turn: the poller fetches a part of all sessions
/// before the next part, so that it waits for memory once a part, not once a session.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fetch {
    Places,
    Counts,
}

impl Fetch {
    pub(crate) const ALL: [Self; 2] = [Self::Places, Self::Counts];
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a runtime is boxed: with many sessions, another box is another wait for memory"
)]
enum RuntimeKind {
    Receive(Receiver),
    Send(Box<Sender>),
    Local(Box<Local>),
}

impl Runtime {
    /// Creates a receive session that assembles into `frames`. Give two frames plus the quota of
    /// each attachment, so that one is always free.
    ///
    /// # Errors
    /// [`RuntimeError`]: the memory is too small, or the port's MTU.
    pub fn receive(
        session: u64,
        config: ReceiveConfig,
        frames: FrameMemory,
    ) -> Result<Self, RuntimeError> {
        let max_udp = config.format.max_udp();
        let mtu = config.least_mtu();
        RuntimeError::check_max_udp(max_udp, config.ip_bytes(), &config.port, mtu)?;
        let (have, need) = (frames.frame_bytes() as usize, config.format.unit_bytes());
        if have < need {
            return Err(RuntimeError::FrameBytes { have, need });
        }
        if frames.count() < 2 {
            return Err(RuntimeError::FrameCount(frames.count()));
        }
        let timing = Timing::new(&config.format, config.rtp_clock());
        let stats = SessionStats::new(config.max_attachments).with_reasons(config.format.reasons());
        let stats = stats.with_legs(config.second.is_some());
        let stats = Arc::new(stats.with_timing(timing.as_ref().map(Timing::share)));
        let receiver = Receiver::new(config, frames, timing, Arc::clone(&stats));
        Ok(Self {
            session,
            stats,
            kind: RuntimeKind::Receive(receiver),
            target: None,
        })
    }

    /// Gives the frames of a receive session the times of their timestamps by `clock`, and compares its
    /// packets with it.
    #[must_use]
    pub fn following(mut self, clock: &Arc<MediaClock>) -> Self {
        if let RuntimeKind::Receive(receiver) = &mut self.kind {
            receiver.follow(Arc::clone(clock));
        }
        self
    }

    /// Creates a send session.
    ///
    /// # Errors
    /// [`RuntimeError`]: the format does not fit the MTU or the pattern.
    pub fn send(session: u64, config: SendConfig) -> Result<Self, RuntimeError> {
        let stats = SessionStats::new(config.max_attachments);
        let stats = Arc::new(stats.with_legs(config.second.is_some()));
        let sender = Sender::new(config, Arc::clone(&stats))?;
        Ok(Self {
            session,
            stats,
            kind: RuntimeKind::Send(Box::new(sender)),
            target: None,
        })
    }

    /// Creates a local session whose clients share `frames`, which one of them fills. Give one frame plus the quota
    /// of each attachment, so that one is always free.
    ///
    /// # Errors
    /// [`RuntimeError`]: the memory is too small.
    pub fn local(
        session: u64,
        config: LocalConfig,
        frames: FrameMemory,
    ) -> Result<Self, RuntimeError> {
        let stats = Arc::new(SessionStats::new(config.max_attachments));
        let local = Local::new(config, frames, Arc::clone(&stats))?;
        Ok(Self {
            session,
            stats,
            kind: RuntimeKind::Local(Box::new(local)),
            target: None,
        })
    }

    /// The session id.
    #[must_use]
    pub const fn session(&self) -> u64 {
        self.session
    }

    /// The counters. They stay readable while a poller has the runtime.
    #[must_use]
    pub const fn stats(&self) -> &Arc<SessionStats> {
        &self.stats
    }

    /// Names of the ports of its legs; a local session has none.
    #[must_use]
    pub fn ports(&self) -> [Option<&str>; 2] {
        let (first, second) = match &self.kind {
            RuntimeKind::Receive(it) => (
                &it.config.port,
                it.config.second.as_ref().map(|it| &it.port),
            ),
            RuntimeKind::Send(it) => (
                &it.config.port,
                it.config.second.as_ref().map(|it| &it.port),
            ),
            RuntimeKind::Local(_) => return [None; 2],
        };
        [Some(first), second.map(String::as_str)]
    }

    /// The lender of `attachment`.
    pub fn lender_mut(&mut self, attachment: u64) -> Option<&mut Lender> {
        self.attachments_mut()
            .get_mut(attachment)
            .map(|it| &mut *it.lender)
    }

    /// Adds a tap. The recording gets the packets that the session accepts, or those that it gives
    /// to its port.
    pub fn tap(&mut self, tap: Box<Tap>) {
        if let Some(taps) = self.taps_mut() {
            taps.add(tap);
        }
    }

    /// Removes the tap of this recording.
    pub fn untap(&mut self, recording: u64) -> Option<Box<Tap>> {
        self.taps_mut()?.remove(recording)
    }

    /// A local session has no packets, and so no taps.
    fn taps_mut(&mut self) -> Option<&mut Taps> {
        match &mut self.kind {
            RuntimeKind::Receive(receiver) => Some(&mut receiver.taps),
            RuntimeKind::Send(sender) => Some(&mut sender.taps),
            RuntimeKind::Local(_) => None,
        }
    }

    /// Gives the session these addresses at once.
    pub fn set_target(&mut self, target: FlowTarget) {
        match &mut self.kind {
            RuntimeKind::Receive(receiver) => receiver.set_target(target),
            RuntimeKind::Send(sender) => sender.set_target(target),
            RuntimeKind::Local(_) => {}
        }
    }

    /// The next start of a receive or local session keeps its first units for clients that come back.
    pub fn keep_units(&mut self) {
        match &mut self.kind {
            RuntimeKind::Receive(receiver) => receiver.pool.keep_units(),
            RuntimeKind::Local(local) => local.keep_units(),
            RuntimeKind::Send(_) => {}
        }
    }

    /// A sender's next packet has this synchronisation source and sequence number, as if it had never ended.
    pub fn go_on_from(&mut self, ssrc: u32, sequence: u32) {
        if let Some(sender) = self.sender_mut() {
            sender.go_on_from(ssrc, sequence);
        }
    }

    /// A sender's next start waits for this time of TAI, in nanoseconds.
    pub fn start_at(&mut self, tai_ns: u64) {
        if let Some(sender) = self.sender_mut() {
            sender.starts_at = Some(tai_ns);
        }
    }

    fn sender(&self) -> Option<&Sender> {
        match &self.kind {
            RuntimeKind::Send(sender) => Some(sender),
            RuntimeKind::Receive(_) | RuntimeKind::Local(_) => None,
        }
    }

    fn sender_mut(&mut self) -> Option<&mut Sender> {
        match &mut self.kind {
            RuntimeKind::Send(sender) => Some(sender),
            RuntimeKind::Receive(_) | RuntimeKind::Local(_) => None,
        }
    }

    fn attachments(&self) -> &Attachments {
        match &self.kind {
            RuntimeKind::Receive(receiver) => &receiver.pool.attachments,
            RuntimeKind::Send(sender) => &sender.attachments,
            RuntimeKind::Local(local) => &local.attachments,
        }
    }

    pub(crate) fn attachments_mut(&mut self) -> &mut Attachments {
        match &mut self.kind {
            RuntimeKind::Receive(receiver) => &mut receiver.pool.attachments,
            RuntimeKind::Send(sender) => &mut sender.attachments,
            RuntimeKind::Local(local) => &mut local.attachments,
        }
    }
}

impl Serialize for Runtime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.lenders())
    }
}

impl onair_session::Runtime for Runtime {
    fn lenders(&self) -> impl Iterator<Item = &Lender> + Clone {
        self.attachments().iter().map(|it| &*it.lender)
    }

    fn lenders_mut(&mut self) -> impl Iterator<Item = &mut Lender> {
        self.attachments_mut().iter_mut().map(|it| &mut *it.lender)
    }

    fn settle(&mut self) -> u64 {
        let submitted = self.attachments_mut().settle();
        match &mut self.kind {
            // A poller that died has sent no more of it.
            RuntimeKind::Send(sender) => {
                if !mutant!("send: what a dead poller had is not counted") {
                    sender.drop_unsent();
                }
            }
            RuntimeKind::Local(_) => {}
            RuntimeKind::Receive(_) => return 0,
        }
        self.stats.counters.frames_submitted.add(submitted);
        self.stats.counters.frames_dropped_stop.add(submitted);
        submitted
    }

    fn attach(
        &mut self,
        lender: Box<Lender>,
        frames: Option<FrameMemory>,
    ) -> Result<(), (AttachRefusal, Box<Lender>, Option<FrameMemory>)> {
        let geometry = lender.memory().geometry();
        let fits = match (&self.kind, &frames) {
            (RuntimeKind::Receive(receiver), None) => geometry.frames >= receiver.pool.count(),
            (RuntimeKind::Local(local), None) => geometry.frames >= local.count(),
            (RuntimeKind::Send(sender), Some(frames)) => {
                geometry.frames >= frames.count()
                    && frames.frame_bytes() as usize >= sender.config.format.unit_bytes()
            }
            _ => false,
        };
        let parts = (lender, frames);
        let result = match &mut self.kind {
            _ if !fits => Err((AttachRefusal::Geometry, parts)),
            RuntimeKind::Receive(receiver) => receiver.pool.add(parts),
            RuntimeKind::Local(local) => local.add(parts),
            RuntimeKind::Send(_) => self.attachments_mut().add(parts),
        };
        result.map_err(|(refusal, (lender, frames))| (refusal, lender, frames))
    }

    fn detach(&mut self, attachment: u64) -> Option<(Box<Lender>, Option<FrameMemory>)> {
        match &mut self.kind {
            RuntimeKind::Send(sender) => sender.remove(attachment),
            RuntimeKind::Local(local) => local.remove(attachment),
            _ => self.attachments_mut().remove(attachment),
        }
    }

    fn evict(&mut self, attachment: u64) -> Option<Evicted> {
        match &mut self.kind {
            RuntimeKind::Send(sender) => sender.evict(attachment),
            RuntimeKind::Local(local) => local.evict(attachment),
            _ => self.attachments_mut().evict(attachment),
        }
    }

    fn release(&mut self, is_over: impl Fn(u64) -> bool) {
        self.attachments_mut().release(is_over);
    }

    fn flushed(&mut self) -> Option<FlushReport> {
        match &mut self.kind {
            RuntimeKind::Send(sender) => sender.flushed(),
            RuntimeKind::Local(local) => local.flushed(),
            RuntimeKind::Receive(_) => None,
        }
    }

    fn unsent(&self) -> u64 {
        self.sender().map_or(0, Sender::unsent)
    }
}

/// Methods for the poller.
impl Runtime {
    /// The flow that a receive session takes on each leg.
    pub(crate) fn listens_to(&self) -> [Option<ReceivedFlow<'_>>; 2] {
        let config = match &self.kind {
            RuntimeKind::Receive(receiver) => &receiver.config,
            _ => return [None; 2],
        };
        let first = ReceivedFlow {
            destination: config.destination,
            sources: &config.sources,
        };
        [
            Some(first),
            config.second.as_ref().map(|it| it.target.received()),
        ]
    }

    /// The destinations that a send session sends to, by leg.
    pub(crate) fn sends_to(&self) -> [Option<SocketAddr>; 2] {
        let config = self.sender().map(|it| &it.config);
        let second = config.and_then(|it| Some(it.second.as_ref()?.target.destination));
        [config.map(|it| it.destination), second]
    }

    /// The addresses that it is to get between two frames, not before a time.
    pub(crate) fn retarget(&mut self, target: Box<FlowTarget>, at: SwitchTime) {
        self.target = Some((target, at));
    }

    /// It keeps the addresses that it has.
    pub(crate) fn forget_target(&mut self) {
        self.target = None;
        self.hold_after_the_frame(false);
    }

    fn hold_after_the_frame(&mut self, held: bool) {
        if let Some(sender) = self.sender_mut() {
            sender.hold_after_the_frame(held);
        }
    }

    /// The addresses that it is to get, until [`Self::switch`].
    pub(crate) fn target(&self) -> Option<&FlowTarget> {
        self.target.as_ref().map(|(target, _)| &**target)
    }

    /// Whether it is time for other addresses. A sender begins no frame with the present ones then.
    #[inline]
    pub(crate) fn awaits_switch(&mut self, now_ns: u64) -> bool {
        let is_time = self
            .target
            .as_ref()
            .is_some_and(|(_, at)| at.from_ns <= now_ns);
        if is_time {
            self.hold_after_the_frame(true);
        }
        is_time
    }

    /// Whether no frame is in transit, so that its addresses can change.
    pub(crate) fn is_between_frames(&self) -> bool {
        match &self.kind {
            RuntimeKind::Receive(receiver) => receiver.is_between_frames(),
            RuntimeKind::Send(sender) => sender.is_between_frames(),
            RuntimeKind::Local(_) => true,
        }
    }

    /// Changes the addresses to those of [`Self::retarget`].
    pub(crate) fn switch(&mut self, now_ns: u64) {
        if let Some((target, at)) = self.target.take() {
            self.hold_after_the_frame(false);
            self.set_target(*target);
            if let (RuntimeKind::Receive(receiver), Some(tai_ns)) = (&mut self.kind, at.unit_tai_ns)
            {
                receiver.begin_with(tai_ns, now_ns);
            }
        }
    }

    /// The session starts; a local session without a port.
    pub(crate) fn resume(&mut self, port: Option<&PortInfo>, now_ns: u64) {
        match (&mut self.kind, port) {
            (RuntimeKind::Send(sender), Some(port)) => sender.resume(port, now_ns),
            (RuntimeKind::Receive(receiver), _) => receiver.resume(now_ns),
            (RuntimeKind::Local(local), _) => local.resume(now_ns),
            (RuntimeKind::Send(_), None) => {}
        }
    }

    /// A leg's port has a device, or another one: a sender writes that device's addresses into its packets from now on.
    pub(crate) fn renew(&mut self, leg: Leg, port: &PortInfo) {
        match (self.sender_mut(), leg) {
            (Some(sender), Leg::First) => sender.renew(port),
            (Some(sender), Leg::Second) => sender.renew_second(port),
            (None, _) => {}
        }
    }

    /// Prefetches a part of what [`Self::packets`] will touch with so many packets.
    #[inline]
    pub(crate) fn fetch(&self, part: Fetch, packets: usize, now_ns: u64) {
        let RuntimeKind::Receive(receiver) = &self.kind else {
            return;
        };
        match part {
            Fetch::Places => {
                prefetch(&self.stats.counters);
                receiver.fetch_places(packets);
            }
            Fetch::Counts => receiver.fetch_counts(now_ns),
        }
    }

    /// Handles packets of a leg's flow, all of one source.
    pub(crate) fn packets(&mut self, leg: Leg, packets: &[Packet<'_>], arrival: Arrival) {
        if let RuntimeKind::Receive(receiver) = &mut self.kind {
            receiver.packets(leg, packets, arrival);
        }
    }

    /// As [`Self::turn`], for a session with two legs.
    pub(crate) fn turn_both<S: TxSink>(
        &mut self,
        now_ns: u64,
        hops: [NextHop; 2],
        sinks: [&mut S; 2],
    ) {
        match &mut self.kind {
            RuntimeKind::Receive(receiver) => receiver.turn(now_ns),
            RuntimeKind::Send(sender) => sender.turn_both(now_ns, hops, sinks),
            RuntimeKind::Local(_) => {}
        }
    }

    pub(crate) fn turn(&mut self, now_ns: u64, next_hop: NextHop, sink: &mut impl TxSink) {
        match &mut self.kind {
            RuntimeKind::Receive(receiver) => receiver.turn(now_ns),
            RuntimeKind::Send(sender) => sender.turn(now_ns, next_hop, sink),
            RuntimeKind::Local(_) => {}
        }
    }

    /// As [`Self::turn`], for a session without a port. Returns whether it had work.
    pub(crate) fn look(&mut self, now_ns: u64) -> bool {
        match &mut self.kind {
            RuntimeKind::Local(local) => local.look(now_ns),
            _ => true,
        }
    }

    /// Until when the poller may sleep if the session is due at `due_ns`.
    pub(crate) fn rests_until(&self, due_ns: u64) -> u64 {
        match &self.kind {
            RuntimeKind::Local(_) => Local::rests_until(due_ns),
            _ => due_ns,
        }
    }

    /// Publishes the counters that are not published at once.
    pub(crate) fn show(&mut self) {
        match &mut self.kind {
            RuntimeKind::Receive(receiver) => receiver.show(),
            RuntimeKind::Send(sender) => sender.show(),
            RuntimeKind::Local(_) => {}
        }
    }

    /// When it next has work at `now_ns`.
    pub(crate) fn due_ns(&self, now_ns: u64) -> u64 {
        let due_ns = match &self.kind {
            RuntimeKind::Receive(receiver) => receiver.due_ns(),
            RuntimeKind::Send(sender) => sender.due_ns(),
            RuntimeKind::Local(local) => local.due_ns(),
        };
        // Once it is time, the end of a frame is awaited, which is work by itself.
        match &self.target {
            Some((_, at)) if at.from_ns > now_ns => due_ns.min(at.from_ns),
            _ => due_ns,
        }
    }

    /// Begins the stop: no new frame starts. [`Self::is_quiet`] says when the runtime can be handed back.
    pub(crate) fn quiesce(&mut self, now_ns: u64) {
        match &mut self.kind {
            RuntimeKind::Receive(receiver) => receiver.stop(),
            RuntimeKind::Send(sender) => sender.quiesce(now_ns),
            RuntimeKind::Local(local) => local.quiesce(now_ns),
        }
    }

    /// Starts a flush of the frames submitted so far. A receive session has none.
    pub(crate) fn flush(&mut self, ticket: u64, now_ns: u64) {
        match &mut self.kind {
            RuntimeKind::Send(sender) => sender.flush(ticket, now_ns),
            RuntimeKind::Local(local) => local.flush(ticket, now_ns),
            RuntimeKind::Receive(_) => {}
        }
    }

    /// Whether [`Self::flushed`] has a result.
    pub(crate) fn has_flushed(&self) -> bool {
        match &self.kind {
            RuntimeKind::Local(local) => local.has_flushed(),
            _ => self.sender().is_some_and(Sender::has_flushed),
        }
    }

    /// Whether, after [`Self::quiesce`], no frame is pending.
    pub(crate) fn is_quiet(&mut self) -> bool {
        match &mut self.kind {
            RuntimeKind::Send(sender) => sender.is_quiet(),
            RuntimeKind::Receive(_) | RuntimeKind::Local(_) => true,
        }
    }

    /// Removes an attachment. [`Self::detached`] returns it, now or when its submitted frames are
    /// sent.
    pub(crate) fn dismiss(&mut self, attachment: u64, now_ns: u64) {
        match &mut self.kind {
            RuntimeKind::Send(sender) => {
                sender.dismiss(attachment, now_ns);
            }
            RuntimeKind::Local(local) => local.dismiss(attachment, now_ns),
            _ => {
                if let Some(leaving) = self.attachments_mut().get_mut(attachment) {
                    leaving.leaves_at = Some(now_ns);
                }
            }
        }
    }

    /// The next removed attachment.
    pub(crate) fn detached(&mut self) -> Option<Parts> {
        if let Some(sender) = self.sender_mut() {
            return sender.detached();
        }
        let attachments = self.attachments_mut();
        let left = attachments.iter().position(|it| it.leaves_at.is_some())?;
        Some(attachments.take(left))
    }
}
