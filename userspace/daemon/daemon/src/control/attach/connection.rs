//! One client's connection.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use onair_api::{ProblemCode, printable};
use onair_engine::inputs::{AttachAction, ConnectionId};
use onair_ipc::message::{MAX_PACKET, Request, Tag};
use onair_probe::Probe;
use onair_settings::access::authority::Authority;
use onair_settings::config::{Config, ms};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_seqpacket::UnixSeqpacket;

use super::asked::{Asked, Pending, first_answered};
use super::attaching::release;
use super::identify::{Identity, borrow, watch};
use super::places::Places;
use super::requests::{Connection, handle, send_action};
use super::silent::Silent;
use super::stage::{Handled, Stage};
use super::unproven::{Unproven, name_senders};
use super::wire::{Packet, discard_unread, receive, receive_named, refusal, refuse, send};
use crate::shutdown::ShutdownCoordinator;

/// Longest name and version of a client's library.
const LIBRARY_CHARS: usize = 64;
/// Packets of one client served before others get a turn.
const PACKETS_A_TURN: u32 = 16;

/// Limits of the attach socket and of each connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Clients of one user that may be armed and proven at the same time.
    pub proving_per_uid: u32,
    /// Maximum wait for a place among them.
    pub place: Duration,
    /// From the connection to the hello, and then without an attachment.
    pub hello: Duration,
    /// From the challenge to the proof.
    pub prove: Duration,
    /// For the client to take what is sent to it.
    pub send: Duration,
}

impl Limits {
    /// The limits from the configuration.
    pub fn of(config: &Config) -> Self {
        let (timeouts, limits) = (&config.timeouts, &config.limits);
        Self {
            proving_per_uid: limits.proving_per_uid,
            place: ms(timeouts.overload_ms),
            hello: ms(timeouts.hello_ms),
            prove: ms(timeouts.prove_ms),
            send: ms(timeouts.attach_send_ms),
        }
    }
}

/// Serves a client until it hangs up, and then until its attachment, if it has one, has ended: at
/// the latest when its process is dead.
#[expect(
    clippy::too_many_arguments,
    reason = "what the listener has for each of them"
)]
pub(super) async fn serve(
    id: ConnectionId,
    socket: UnixSeqpacket,
    identity: Identity,
    actions: mpsc::Sender<AttachAction>,
    authority: Authority,
    limits: Limits,
    places: Places,
    silent: Silent,
    probe: Option<Probe>,
    shutdown: ShutdownCoordinator,
) {
    let Identity {
        peer,
        pidfd,
        unproven,
        end,
    } = identity;
    let death = match watch(&pidfd) {
        Ok(death) => death,
        Err(error) => {
            tracing::warn!(%error, "cannot watch a client's process");
            return;
        }
    };
    let mut connection = Connection {
        id,
        peer,
        pidfd: Arc::new(pidfd),
        actions,
        authority,
        places,
        silent,
        probe,
        shutdown,
        library: String::new(),
        sites: false,
        end,
    };
    let (end, stage) = converse(&mut connection, &socket, &death, unproven, limits).await;
    discard_unread(&socket);
    let stage = match stage {
        Stage::Proving(proving) => {
            release(&connection.actions, *proving).await;
            Stage::Ready
        }
        other => other,
    };
    match (stage, end) {
        (Stage::Attached, ConnectionEnd::ProcessEnded) => {
            send_action(
                &connection.actions,
                AttachAction::ProcessEnded { connection: id },
            )
            .await;
        }
        (Stage::Attached, ConnectionEnd::HungUp) => {
            // The socket matters least of what a living process may still have.
            drop(socket);
            let (attached, ended) = oneshot::channel::<Infallible>();
            let hung_up = AttachAction::HungUp {
                connection: id,
                attached: Box::new(attached),
            };
            send_action(&connection.actions, hung_up).await;
            let died = tokio::select! {
                _ = ended => false,
                // An error here means that the runtime ends, and the daemon with it.
                died = death.readable() => died.is_ok(),
            };
            if died {
                send_action(
                    &connection.actions,
                    AttachAction::ProcessEnded { connection: id },
                )
                .await;
            }
        }
        (Stage::New, _) => {}
        // It may have created a session.
        (Stage::Ready | Stage::Proving(_), _) => {
            send_action(&connection.actions, AttachAction::Left { connection: id }).await;
        }
    }
}

enum ConnectionEnd {
    HungUp,
    ProcessEnded,
}

async fn converse(
    connection: &mut Connection,
    socket: &UnixSeqpacket,
    death: &AsyncFd<OwnedFd>,
    mut unproven: Option<Unproven>,
    limits: Limits,
) -> (ConnectionEnd, Stage) {
    let mut stage = Stage::New;
    // Since the connection, the hello, or the end of its attachment. No refused request moves it.
    let mut idle_since = Instant::now();
    let mut buffer = vec![0; MAX_PACKET];
    let mut packets = 0;
    loop {
        let answer_by = match &stage {
            Stage::New | Stage::Ready => Some(idle_since + limits.hello),
            Stage::Proving(proving) => Some(proving.since + limits.prove),
            Stage::Attached => None,
        };
        let (packet, sender) = tokio::select! {
            // In this order: a death settles all, and a client that sends without end does not put off its
            // time-out.
            biased;
            _ = death.readable() => return (ConnectionEnd::ProcessEnded, stage),
            () = until(answer_by), if matches!(stage, Stage::New | Stage::Ready) => {
                let missing = if matches!(stage, Stage::New) { "no hello" } else { "no attach" };
                connection.silent.note(&connection.peer, missing);
                let why = format!("{missing} arrived in time (timeouts.hello_ms)");
                let refused = refusal(ProblemCode::InvalidRequest, why);
                send(socket, 0, &refused, &[], limits.send).await;
                return (ConnectionEnd::HungUp, stage);
            }
            () = until(answer_by), if answer_by.is_some() => {
                let refused = refusal(ProblemCode::ProbeBlind, "the challenge was not answered in time");
                send(socket, 0, &refused, &[], limits.send).await;
                return (ConnectionEnd::HungUp, stage);
            }
            received = async {
                match unproven {
                    Some(_) => receive_named(socket, &mut buffer).await,
                    None => (receive(socket, &mut buffer).await, None),
                }
            } => received,
        };
        // A client that kicks without end must leave the thread to the others.
        packets += 1;
        if packets % PACKETS_A_TURN == 0 {
            tokio::task::yield_now().await;
        }
        let (tag, request) = match packet {
            Packet::End => return (ConnectionEnd::HungUp, stage),
            Packet::Kick => {
                kick(connection).await;
                continue;
            }
            Packet::Bad(why) => {
                let refused = refusal(ProblemCode::InvalidRequest, why);
                send(socket, 0, &refused, &[], limits.send).await;
                return (ConnectionEnd::HungUp, stage);
            }
            Packet::Request(tag, request) => (tag, request),
        };
        if let Some(it) = &mut unproven {
            match it.is_proven(&request, sender, connection.pidfd.as_fd(), borrow(socket)) {
                Ok(true) => {
                    unproven = None;
                    // Credentials that are not read are dropped: a failure changes nothing.
                    let _ = name_senders(borrow(socket), false);
                }
                Ok(false) => {}
                Err(problem) => {
                    send(socket, tag, &refuse(problem), &[], limits.send).await;
                    return (ConnectionEnd::HungUp, stage);
                }
            }
        }
        if let Request::Hello(hello) = &request {
            let library = printable(&hello.library);
            connection.library = library.chars().take(LIBRARY_CHARS).collect();
            connection.sites = hello.sites;
        }
        let was_idle = matches!(stage, Stage::Ready);
        let answered = match stage {
            Stage::Attached => {
                let first = Asked::new(connection, tag, request);
                attached(connection, socket, death, limits, &mut buffer, first).await
            }
            stage => {
                let pending: Pending = Box::pin(handle(connection, stage, request));
                attaching(connection, socket, death, limits, &mut buffer, tag, pending).await
            }
        };
        match answered {
            Ok(next) => stage = next,
            Err(end) => return end,
        }
        if !was_idle {
            idle_since = Instant::now();
        }
    }
}

/// Answers one request of an attachment, and a second at the same time if one of the two is an
/// abort. Returns the next stage of the connection.
async fn attached<'a>(
    connection: &'a Connection,
    socket: &UnixSeqpacket,
    death: &AsyncFd<OwnedFd>,
    limits: Limits,
    buffer: &mut [u8],
    first: Asked<'a>,
) -> Result<Stage, (ConnectionEnd, Stage)> {
    let mut asked = vec![first];
    let mut stage = Stage::Attached;
    let mut packets = 0_u32;
    while !asked.is_empty() {
        let packet = tokio::select! {
            biased;
            // The death settles all pending requests.
            _ = death.readable() => return Err((ConnectionEnd::ProcessEnded, stage)),
            (at, outcome) = first_answered(&mut asked) => {
                let Asked { tag, .. } = asked.swap_remove(at);
                if !matches!(outcome.stage, Stage::Attached) {
                    stage = outcome.stage;
                }
                if !send(socket, tag, &outcome.response, &[], limits.send).await {
                    return Err((ConnectionEnd::HungUp, stage));
                }
                continue;
            }
            // Kicks are read while a request is pending: a destroy waits for the callers that send
            // them.
            packet = receive(socket, buffer) => packet,
        };
        packets += 1;
        if packets.is_multiple_of(PACKETS_A_TURN) {
            tokio::task::yield_now().await;
        }
        match packet {
            Packet::Kick => kick(connection).await,
            Packet::Request(tag, request)
                if asked.len() == 1
                    && asked[0].tag != tag
                    && asked[0].is_abort != matches!(request, Request::Abort(_)) =>
            {
                asked.push(Asked::new(connection, tag, request));
            }
            other => {
                let has_ended = matches!(other, Packet::End);
                if !has_ended {
                    let why = "one request at a time: wait for the answer; \
                               only an abort may be asked for beside another";
                    let refused = refusal(ProblemCode::InvalidRequest, why);
                    send(socket, 0, &refused, &[], limits.send).await;
                }
                for Asked {
                    is_wait, pending, ..
                } in asked
                {
                    // A mere wait ends with the connection.
                    if !(has_ended && is_wait)
                        && let Handled {
                            stage: Stage::Ready,
                            ..
                        } = pending.await
                    {
                        stage = Stage::Ready;
                    }
                }
                return Err((ConnectionEnd::HungUp, stage));
            }
        }
    }
    Ok(stage)
}

/// Answers a request of a connection without an attachment. Returns the next stage of the
/// connection.
async fn attaching(
    connection: &Connection,
    socket: &UnixSeqpacket,
    death: &AsyncFd<OwnedFd>,
    limits: Limits,
    buffer: &mut [u8],
    tag: Tag,
    mut pending: Pending<'_>,
) -> Result<Stage, (ConnectionEnd, Stage)> {
    // A request that is pending when the connection ends may hold a reservation, or become an
    // attachment.
    let outcome = loop {
        let packet = tokio::select! {
            biased;
            _ = death.readable() => return Err((ConnectionEnd::ProcessEnded, pending.await.stage)),
            outcome = &mut pending => break outcome,
            packet = receive(socket, buffer) => packet,
        };
        match packet {
            Packet::Kick => kick(connection).await,
            Packet::End => return Err((ConnectionEnd::HungUp, pending.await.stage)),
            Packet::Bad(_) | Packet::Request(..) => {
                let why = "one request at a time: wait for the answer";
                let refused = refusal(ProblemCode::InvalidRequest, why);
                send(socket, 0, &refused, &[], limits.send).await;
                return Err((ConnectionEnd::HungUp, pending.await.stage));
            }
        }
    };
    let descriptors: Vec<BorrowedFd> = outcome.descriptors.iter().map(AsFd::as_fd).collect();
    match send(socket, tag, &outcome.response, &descriptors, limits.send).await {
        true => Ok(outcome.stage),
        false => Err((ConnectionEnd::HungUp, outcome.stage)),
    }
}

async fn kick(connection: &Connection) {
    let kick = AttachAction::Kick {
        connection: connection.id,
    };
    send_action(&connection.actions, kick).await;
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
