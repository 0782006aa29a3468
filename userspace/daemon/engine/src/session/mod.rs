//! A session: the core that decides ([`onair_session`]), and the daemon's facts and work for it.
//!
//! Every change of a session's state happens in [`Session::handle`], on the control thread; the
//! actor calls it. The poller's half of a session is the [`Runtime`], which is in the core exactly
//! while no poller has it. Not here: sockets, HTTP, waiting.

pub mod attachment;
mod certificate;
pub mod clients;
mod convert;
pub(crate) mod converted;
mod driver;
mod legs;
mod local;
mod placing;
mod problem;
mod recording;
mod report;
mod retarget;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use onair_api::{
    Direction, EventKind, GroupName, Problem, ProblemCode, SessionId, SessionSpec, SessionState,
    SessionView, StoppedBefore, Timestamp, Via, WatchedFile, Who,
};
use onair_archive::{NextPacket, PersistedSession};
use onair_dataplane::{Placement, PortInfo, Runtime, SessionStats};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_mutant::mutant;
use onair_session::{Retargeting, RuntimeHolder, SessionCore};

use crate::clock::Clocks;
use crate::events::Subject;
use crate::machine::Charge;
use crate::services::Services;
use crate::services::durable::after;
use crate::services::reply::Reply;
use crate::services::rooms::Need;
use crate::session::clients::admission::Places;
use crate::session::clients::connected::ConnectedClients;
use crate::session::placing::home::Home;

pub use self::certificate::{sweep, sweep_to_the_end};
pub use self::driver::Progress;
pub use self::recording::Untapped;
pub use self::retarget::RetargetTime;
pub(crate) use crate::session::clients::connected::ConnectionChange;
pub use crate::session::report::{SessionTotals, Shown};
pub use driver::requests::event as poller_event;

/// One session and everything that the daemon keeps about it.
#[derive(Debug)]
pub struct Session {
    /// Unique for the daemon's lifetime.
    pub id: SessionId,
    /// The specification it was created from.
    pub spec: SessionSpec,
    /// The user that created it, whose shares it takes.
    pub owner: Who,
    /// The group that it is a member of.
    pub member_of: Option<GroupName>,
    /// The user of its last request. Later work, lines and events are charged to this user.
    pub requested_by: u32,
    /// The connection that created it: the only one that may destroy it over the attach socket.
    pub owner_connection: Option<u64>,
    /// That connection has ended.
    pub(crate) creator_gone: bool,
    /// Its index in the probe's counters.
    pub index: u32,
    /// State, clients and memory.
    pub core: SessionCore<Runtime>,
    clock: Clocks,
    pub(crate) home: Home,
    created_at: Timestamp,
    geometry: Geometry,
    /// See [`memory_bytes`].
    pub(crate) memory_bytes: u64,
    stats: Arc<SessionStats>,
    /// Requests that its core has not answered.
    pub(crate) requests: driver::requests::OpenRequests,
    pub(crate) places: Places,
    /// Its destination is the broadcast address of the port's network.
    is_broadcast: bool,
    pub(crate) traffic: traffic::Traffic,
    /// Of a converted session: whose frames it has.
    pub(crate) source: converted::Source,
    /// The addresses that it is about to get.
    retarget: Retargeting<retarget::Next, Reply<SessionView>>,
    rejoin: placing::flows::Rejoin,
    /// The clients, by the number of their attachment, until it has ended.
    pub(crate) connected: ConnectedClients,
    pub(crate) former_clients: clients::former_clients::FormerClients,
    /// Files watched for its clients, including clients that have left.
    watched: Vec<WatchedFile>,
}

impl Session {
    /// Creates a session, stopped. Its memory is allocated on first use.
    ///
    /// # Errors
    /// `invalid_spec`, `no_such_port`, `limit_reached` (no memory).
    pub fn create(
        id: SessionId,
        spec: SessionSpec,
        owner: Who,
        owner_connection: Option<u64>,
        index: u32,
        services: &mut Services,
    ) -> Result<Self, Problem> {
        let conversion = converted::config(&spec)?;
        let geometry = convert::geometry(&spec);
        let no_memory = |error: std::io::Error| {
            Problem::new(
                ProblemCode::LimitReached,
                format!("cannot allocate memory for the session's frames: {error}"),
            )
        };
        // All clients of a receive or local session share its frames. A sender's client gets frames of its own when it
        // attaches.
        let frames = match spec.direction {
            Direction::Receive if conversion.is_some() => {
                Some(FrameMemory::create_filled(geometry).map_err(no_memory)?)
            }
            Direction::Receive => Some(FrameMemory::create(geometry, true).map_err(no_memory)?),
            Direction::Local => Some(FrameMemory::create_filled(geometry).map_err(no_memory)?),
            Direction::Send => None,
        };
        let bytes = spec.format.bytes_per_second();
        let is_filled = conversion.is_some() || spec.is_local();
        let (runtime, placement, is_broadcast) = match &frames {
            Some(frames) if is_filled => {
                let clock = services.machine.dataplane().clock();
                let runtime = local::runtime(id, &spec, frames.clone(), clock)?;
                (runtime, services.place_local()?, false)
            }
            _ => {
                let port = port_of(&spec, services)?;
                let clock = services.machine.dataplane().clock();
                let second = legs::second_port(&spec, port, services)?;
                let ports = (port, second);
                let runtime = convert::runtime(id, &spec, ports, frames.clone(), clock)?;
                let is_broadcast = port.addresses.is_broadcast(spec.flow.destination.ip());
                let placement = place(&spec, ports, bytes, services)?;
                (runtime, placement, is_broadcast)
            }
        };
        let (stats, runtime) = (runtime.stats().clone(), Box::new(runtime));
        let expires_at = spec.duration_ms.and_then(|ms| {
            services
                .machine
                .now()
                .checked_add(Duration::from_millis(ms))
        });
        let mut core = SessionCore::new(
            id,
            spec.name.clone(),
            spec.direction,
            runtime,
            frames,
            expires_at,
        );
        core.trace_up_to(services.config.limits.trace_kb << 10);
        Ok(Self {
            id,
            requested_by: owner.uid,
            member_of: None,
            owner,
            owner_connection,
            creator_gone: false,
            index,
            home: Home::new(services, placement),
            created_at: services.machine.clock().wall(),
            clock: services.machine.clock().clone(),
            stats,
            core,
            geometry,
            memory_bytes: memory_bytes(&spec, services),
            requests: driver::requests::OpenRequests::default(),
            places: Places::default(),
            is_broadcast,
            traffic: traffic::Traffic::default(),
            source: converted::Source::default(),
            retarget: Retargeting::default(),
            rejoin: placing::flows::Rejoin::default(),
            connected: ConnectedClients::default(),
            former_clients: clients::former_clients::FormerClients::default(),
            watched: Vec::new(),
            spec,
        })
    }

    /// The session and user that its memory is charged to.
    pub(crate) fn charge(&self) -> Charge {
        Charge {
            session: self.id,
            uid: self.owner.uid,
        }
    }

    /// Whether it is to be destroyed because its creator is gone, or, without one, because it has stopped.
    pub(crate) fn outlives_creator(&self) -> bool {
        let (state, starts) = (self.core.state(), self.core.life().generation());
        let is_over = match self.owner_connection {
            Some(_) => self.creator_gone,
            None => starts > 0 && state != SessionState::Running,
        };
        let has_end = matches!(state, SessionState::Draining | SessionState::Quarantined);
        self.spec.ends_with_creator
            && is_over
            && !has_end
            && !mutant!("creator: its session outlives it")
    }

    /// The session as the subject of an event.
    pub fn subject(&self) -> Subject {
        Subject {
            session: self.id,
            name: self.spec.name.clone(),
            owner: self.owner.uid,
            caused_by: self.owner.uid,
        }
    }

    /// Publishes an event about the session that the user `caused_by` causes.
    fn publish(&self, services: &mut Services, caused_by: u32, kind: EventKind) {
        let subject = Subject {
            caused_by,
            ..self.subject()
        };
        services.hub.publish(Some(subject), kind);
    }

    /// Whether the owner's process has stopped the session for itself (gate.md: its stop is local
    /// and immediate, and the daemon adopts it when the process asks to destroy).
    pub fn is_stopped_by(&self, number: u64) -> bool {
        let attachment = self.core.clients().get(number);
        attachment.is_some_and(|it| it.memory.is_locally_stopped())
    }

    /// Stores a new session if its creator asked for it.
    pub fn persist(
        &self,
        services: &mut Services,
        reply: Reply<SessionView>,
    ) -> Reply<SessionView> {
        if self.spec.persistent {
            let (spec, owner) = (self.spec.clone(), self.owner.clone());
            let generation = self.core.life().generation();
            services.store.keep(PersistedSession {
                member_of: self.member_of.clone(),
                ..PersistedSession::created(spec, owner, generation)
            });
        }
        once_stored(services, &self.spec, self.spec.persistent, reply)
    }

    /// Stores that a requester wants it to run or to be stopped, so that it is restored in that state.
    pub fn persist_desired_state(
        &self,
        services: &mut Services,
        running: bool,
        reply: Reply<SessionView>,
    ) -> Reply<SessionView> {
        let stopped = (!running).then(|| StoppedBefore {
            at: self
                .core
                .life()
                .stopped_at()
                .unwrap_or_else(|| self.clock.wall()),
            session: self.id,
            boot_id: services.identity.boot_id.clone(),
        });
        let store = &mut services.store;
        if stopped.is_some() && mutant!("store: a stop is not noted") {
            return reply;
        }
        let is_stored = store.note(&self.spec.name, stopped, self.core.life().generation());
        once_stored(services, &self.spec, is_stored, reply)
    }

    /// It is gone: it is restored after a restart unless a user destroyed it.
    pub fn gone(&self, services: &mut Services, via: Via) {
        services.machine.dataplane_mut().part(self.id.0, |_| None);
        let generation = self.core.life().generation();
        if !mutant!("store: a session that a user ended comes back") {
            // Its poller has handed it back, so a sender sends no packet after what this says.
            let is_sender = self.spec.direction == Direction::Send;
            let next = is_sender.then(|| self.stats.snapshot().next_packet());
            let next = next.flatten();
            let next = next.map(|(ssrc, sequence)| NextPacket { ssrc, sequence });
            services.store.end(&self.spec.name, via, generation, next);
        }
    }

    /// An earlier daemon had it, and stopped it as `stopped` says: it counts on from `generation`, sends on from `next`, and
    /// its next start keeps the first units for clients that come back.
    pub fn go_on(
        &mut self,
        generation: u64,
        stopped: Option<StoppedBefore>,
        next: Option<NextPacket>,
    ) {
        let now = self.clock.moment();
        self.core.life_mut().continue_from(generation, stopped, now);
        if let RuntimeHolder::Here(runtime) = self.core.place() {
            runtime.keep_units();
            if let Some(next) = next {
                runtime.go_on_from(next.ssrc, next.sequence);
            }
        }
    }

    /// Whether it can be started.
    ///
    /// # Errors
    /// `draining`, `poller_down`.
    pub fn check_start(&self, services: &Services) -> Result<(), Problem> {
        self.check_not_draining()?;
        services.check_poller(self.home.poller())
    }

    /// Whether what its poller has to do for it will be done. A session that no poller has needs none.
    ///
    /// # Errors
    /// `poller_down`.
    pub fn check_poller(&self, services: &Services) -> Result<(), Problem> {
        match self.core.runtime() {
            Some(_) => Ok(()),
            None => services.check_poller(self.home.poller()),
        }
    }

    /// If it sends, and its runtime is here, its next start waits for this time of TAI, in nanoseconds.
    pub fn start_at(&mut self, tai_ns: u64) {
        if let RuntimeHolder::Here(runtime) = self.core.place() {
            runtime.start_at(tai_ns);
        }
    }
}

/// Maximum memory of a session with this specification, in bytes: frames, and packets of two legs that
/// wait.
pub fn memory_bytes(spec: &SessionSpec, services: &Services) -> u64 {
    let frames = convert::geometry(spec).frames_len() as u64;
    frames + legs::merge_bytes(spec, services)
}

/// The port of a session of packets, which can serve its addresses.
fn port_of<'a>(spec: &SessionSpec, services: &'a Services) -> Result<&'a PortInfo, Problem> {
    let port = services.port_named(&spec.port)?;
    let second = legs::second_port(spec, port, services)?;
    convert::check_addresses(spec, port, second)?;
    Ok(port)
}

/// The poller of a session of packets.
///
/// # Errors
/// `poller_down`: none of its port serves.
fn place(
    spec: &SessionSpec,
    (port, second): (&PortInfo, Option<&PortInfo>),
    bytes: u64,
    services: &Services,
) -> Result<Placement, Problem> {
    let sends = spec.direction == Direction::Send;
    let machine = &services.machine;
    let has_both =
        |poller| second.is_none_or(|it| legs::serves(it, poller, spec.direction, services));
    let place = |works: &dyn Fn(usize) -> bool| {
        machine.dataplane().place(port, sends, bytes, |poller| {
            has_both(poller) && works(poller)
        })
    };
    let need = Need::of(spec);
    let fits = |poller| services.rooms.fits(services.capacity(poller), need);
    let placed = place(&|poller| services.works(poller) && fits(poller));
    let placed = placed.or_else(|| place(&|poller| services.works(poller)));
    if let Some(placed) = placed.or_else(|| place(&|poller| services.serves(poller))) {
        return Ok(placed);
    }
    let down = place(&|_| true).expect("a port has a poller with a queue");
    let refused = services.check_poller(down.poller()).err();
    Err(refused.expect("else it was placed there"))
}

/// Stores the changed addresses of a session if it is to be restored.
pub fn persist_flow(
    services: &mut Services,
    spec: &SessionSpec,
    reply: Reply<SessionView>,
) -> Reply<SessionView> {
    let is_stored = !mutant!("store: new addresses are not noted") && services.store.retarget(spec);
    once_stored(services, spec, is_stored, reply)
}

fn once_stored(
    services: &Services,
    spec: &SessionSpec,
    is_stored: bool,
    reply: Reply<SessionView>,
) -> Reply<SessionView> {
    match is_stored {
        true => after(services, &spec.name, reply),
        false => reply,
    }
}
