//! Which requests a client may send at which stage, and their results.

use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use onair_api::operations::{Access, Right};
use onair_api::{
    Certificate, GroupName, NewSession, NewSessionDocument, Problem, ProblemCode, Who,
};
use onair_engine::inputs::{AttachAction, ConnectionId};
use onair_engine::services::reply::Reply;
use onair_essence::objects::Objects;
use onair_ipc::message::{
    Abort, AttachRequest, Create, Created, Destroy, Destroyed, Detach, Detached, Flush, Flushed,
    Hello, ListMembers, Members, PROTOCOL_MISMATCH, PROTOCOLS, Proved, Refused, Request, Response,
    Welcome,
};
use onair_probe::Probe;
use onair_settings::access::authority::Authority;
use onair_settings::access::peer::Peer;
use serde::Deserialize as _;
use tokio::sync::mpsc;

use super::places::Places;
use super::silent::Silent;
use super::stage::{Handled, Stage};
use super::wire::{refusal, refuse};
use crate::converter::BridgeEnd;
use crate::shutdown::ShutdownCoordinator;

/// The answer to a request `R`.
type Answered<R> = Result<<R as AttachRequest>::Answer, Problem>;

fn answer<R: AttachRequest<Answer: Into<Response>>>(answered: Answered<R>) -> Response {
    answered.map_or_else(refuse, Into::into)
}

/// The context in which a connection's requests are handled.
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) peer: Peer,
    pub(super) pidfd: Arc<OwnedFd>,
    pub(super) actions: mpsc::Sender<AttachAction>,
    pub(super) authority: Authority,
    pub(super) places: Places,
    pub(super) silent: Silent,
    /// Arms clients, if it runs.
    pub(super) probe: Option<Probe>,
    pub(super) shutdown: ShutdownCoordinator,
    pub(super) library: String,
    pub(super) sites: bool,
    /// Of the daemon's own converter: what it attaches to, whatever it asks for.
    pub(super) end: Option<BridgeEnd>,
}

/// Handles a request.
pub(super) async fn handle(connection: &Connection, stage: Stage, request: Request) -> Handled {
    let _operation = connection.shutdown.count_operation();
    match (request, stage) {
        (Request::Hello(hello), Stage::New) => welcome(&hello, PROTOCOLS),
        (Request::Create(create), Stage::Ready) if connection.end.is_none() => {
            let created = connection.create(create).await;
            Handled::plain(answer::<Create>(created), Stage::Ready)
        }
        (Request::ListMembers(list), Stage::Ready) if connection.end.is_none() => {
            let members = connection.list_members(list).await;
            Handled::plain(answer::<ListMembers>(members), Stage::Ready)
        }
        (Request::Attach(attach), Stage::Ready) => connection.attach(attach).await,
        (Request::Proved(Proved {}), Stage::Proving(proving)) => connection.proved(*proving).await,
        (Request::Detach(Detach {}), Stage::Attached) => match connection.detach().await {
            Ok(detached) => Handled::plain(detached, Stage::Ready),
            Err(problem) => Handled::plain(refuse(problem), Stage::Attached),
        },
        (Request::Flush(flush), Stage::Attached) => {
            let flushed = connection.flush(&flush).await;
            Handled::plain(answer::<Flush>(flushed), Stage::Attached)
        }
        (Request::Destroy(destroy), Stage::Attached) => {
            let destroyed = connection.destroy(&destroy).await;
            Handled::plain(answer::<Destroy>(destroyed), Stage::Attached)
        }
        (Request::Abort(Abort {}), Stage::Attached) => {
            let destroyed = connection.abort().await;
            Handled::plain(answer::<Abort>(destroyed), Stage::Attached)
        }
        (request, stage) => {
            let why = match &stage {
                Stage::New => "send hello first",
                Stage::Ready => "attach first",
                Stage::Proving(_) => "answer the challenge first",
                Stage::Attached => "the connection carries an attachment already",
            };
            let message = format!("{} is not allowed here: {why}", request.name());
            Handled::plain(refusal(ProblemCode::InvalidRequest, message), stage)
        }
    }
}

/// The answer of a daemon that speaks `spoken`.
fn welcome(hello: &Hello, spoken: RangeInclusive<u32>) -> Handled {
    if spoken.contains(&hello.protocol) {
        let welcome = Welcome {
            protocol: hello.protocol,
            daemon: concat!("onaird ", env!("CARGO_PKG_VERSION")).into(),
        };
        return Handled::plain(welcome, Stage::Ready);
    }
    let (oldest, newest) = spoken.into_inner();
    let own = match oldest == newest {
        true => newest.to_string(),
        false => format!("{oldest} to {newest}"),
    };
    let refused = Refused {
        code: PROTOCOL_MISMATCH.into(),
        message: format!(
            "the library speaks protocol {}, this daemon {own}: install both from one release",
            hello.protocol
        ),
        blockers: Vec::new(),
    };
    Handled::plain(refused, Stage::New)
}

impl Connection {
    pub(super) async fn ask<T>(
        &self,
        action: impl FnOnce(Reply<T>) -> AttachAction,
    ) -> Result<T, Problem> {
        let (reply, answer) = Reply::new();
        let ends = || Problem::new(ProblemCode::ShuttingDown, "the daemon is shutting down");
        self.actions.send(action(reply)).await.map_err(|_| ends())?;
        answer.await.unwrap_or_else(|_| Err(ends()))
    }

    pub(super) fn who(&self) -> Who {
        self.peer.who.clone()
    }

    async fn create(&self, create: Create) -> Answered<Create> {
        let caller = self
            .authority
            .admit(&self.peer, Access::ThisSession(Right::Create))?;
        let _operation = self.shutdown.begin_operation()?;
        let document = NewSessionDocument::deserialize(Objects(create.spec))
            .map_err(|error| Problem::new(ProblemCode::InvalidSpec, error.to_string()))?;
        let session = Box::new(NewSession::try_from(document)?);
        let connection = self.id;
        let view = self
            .ask(|reply| AttachAction::Create {
                caller,
                connection,
                session,
                reply,
            })
            .await?;
        Ok(Created {
            session: view.id.to_string(),
        })
    }

    /// Needs the right that attaching to each member needs.
    async fn list_members(&self, list: ListMembers) -> Answered<ListMembers> {
        let caller = self
            .authority
            .admit(&self.peer, Access::ThisSession(Right::Attach))?;
        let group: Result<GroupName, _> = list.group.parse();
        let group =
            group.map_err(|error| Problem::new(ProblemCode::InvalidRequest, error.to_string()))?;
        let members = self
            .ask(|reply| AttachAction::ListMembers {
                caller,
                group,
                reply,
            })
            .await?;
        Ok(Members { members })
    }

    async fn detach(&self) -> Answered<Detach> {
        let connection = self.id;
        self.ask(|reply| AttachAction::Detach { connection, reply })
            .await
            .map(|()| Detached {})
    }

    async fn flush(&self, flush: &Flush) -> Answered<Flush> {
        let connection = self.id;
        let wait = bounded(flush.wait_ms);
        let flushed = self
            .ask(|reply| AttachAction::Flush {
                connection,
                wait,
                reply,
            })
            .await?;
        Ok(Flushed {
            frames_sent: flushed.frames_sent,
        })
    }

    async fn destroy(&self, destroy: &Destroy) -> Answered<Destroy> {
        let connection = self.id;
        let who = self.who();
        let wait = destroy.wait_ms.map(bounded);
        let certificate = self
            .ask(|reply| AttachAction::Destroy {
                connection,
                who,
                wait,
                reply,
            })
            .await?;
        destroyed(&certificate)
    }

    async fn abort(&self) -> Answered<Abort> {
        let connection = self.id;
        let who = self.who();
        let certificate = self
            .ask(|reply| AttachAction::Abort {
                connection,
                who,
                reply,
            })
            .await?;
        destroyed(&certificate)
    }
}

/// The same maximum as on the control socket.
fn bounded(wait_ms: u64) -> Duration {
    Duration::from_millis(wait_ms.min(onair_api::DestroyWait::MAX_MS))
}

fn destroyed(certificate: &Certificate) -> Result<Destroyed, Problem> {
    let certificate = serde_json::to_value(certificate)
        .map_err(|error| Problem::new(ProblemCode::Internal, format!("certificate: {error}")))?;
    Ok(Destroyed { certificate })
}

/// Sends an action to the actor; an actor that has ended needs none.
pub(super) async fn send_action(actions: &mpsc::Sender<AttachAction>, action: AttachAction) {
    let _ = actions.send(action).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(protocol: u32) -> Hello {
        Hello {
            protocol,
            library: String::new(),
            sites: true,
        }
    }

    #[test]
    fn library_of_no_known_protocol_then_refused_with_both_numbers() {
        for (spoken, own) in [(3..=3, "3"), (3..=5, "3 to 5")] {
            for protocol in [spoken.start() - 1, spoken.end() + 1] {
                let handled = welcome(&hello(protocol), spoken.clone());
                assert!(matches!(handled.stage, Stage::New));
                let Response::Refused(refused) = handled.response else {
                    panic!("{:?}", handled.response);
                };
                assert_eq!(refused.code, PROTOCOL_MISMATCH);
                let numbers = format!("protocol {protocol}, this daemon {own}:");
                assert!(refused.message.contains(&numbers), "{}", refused.message);
            }
        }
    }

    #[test]
    fn library_of_a_known_protocol_then_it_is_spoken() {
        for protocol in 3..=5 {
            let handled = welcome(&hello(protocol), 3..=5);
            assert!(matches!(handled.stage, Stage::Ready));
            let Response::Welcome(welcome) = handled.response else {
                panic!("{:?}", handled.response);
            };
            assert_eq!(welcome.protocol, protocol);
        }
    }
}
