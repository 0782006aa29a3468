//! Serves one controller.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_websockets::{CloseCode, Message, ServerBuilder, WebSocketStream};

use super::message::{Request, error, notification, responses, subscribed};
use super::{Control, Failure, Follower};

/// A controller.
struct Socket<S> {
    stream: WebSocketStream<S>,
    control: Control,
    follower: Arc<Follower>,
}

/// Serves a controller until it closes, does not follow the protocol of WebSockets, neither reads nor answers pings, or
/// the process ends.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    control: Control,
    (longest, ping): (usize, Duration),
    mut ending: watch::Receiver<bool>,
) {
    let limits = tokio_websockets::Limits::default().max_payload_len(Some(longest));
    let follower = control.follower();
    let mut socket = Socket {
        stream: ServerBuilder::new().limits(limits).serve(stream),
        control,
        follower: Arc::clone(&follower),
    };
    let mut pings = interval(ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_heard = true;
    let mut over = std::pin::pin!(async { drop(ending.wait_for(|it| *it).await) });
    loop {
        let sent = tokio::select! {
            // What changed before a command is told before its answer.
            biased;
            () = &mut over => break,
            () = follower.changed() => {
                let changes = follower.take();
                match socket.control.command(|device, _| notification(device, &changes)) {
                    Some(text) => socket.stream.send(Message::text(text)).await,
                    None => Ok(()),
                }
            }
            message = socket.stream.next() => {
                is_heard = true;
                match message {
                    Some(Ok(message)) => socket.answer(&message).await,
                    Some(Err(_)) => {
                        // The last frame says why.
                        let _ = socket.stream.flush().await;
                        return;
                    }
                    None => return,
                }
            }
            // After what has come: a client is not deaf because its turn was late.
            _ = pings.tick() => {
                if !std::mem::replace(&mut is_heard, false) {
                    return;
                }
                socket.stream.send(Message::ping("")).await
            }
        };
        if sent.is_err() {
            return;
        }
    }
    let _ = socket
        .stream
        .send(Message::close(Some(CloseCode::GOING_AWAY), ""))
        .await;
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    async fn answer(&mut self, message: &Message) -> Result<(), tokio_websockets::Error> {
        let text = match message.as_text() {
            Some(text) => carry_out(&self.control, &self.follower, text).await,
            None if message.is_binary() => {
                let problem = "it is binary: send JSON as text".to_owned();
                error(&Failure::Format(problem))
            }
            // The answers to pings are sent before more is read.
            None => return self.stream.flush().await,
        };
        self.stream.send(Message::text(text)).await
    }
}

async fn carry_out(control: &Control, follower: &Follower, text: &str) -> String {
    match Request::read(text) {
        // What a message changes is told together, so that followers take it as one.
        Ok(Request::Commands(commands)) => {
            let done = responses(commands, |mut command| {
                let arguments = command.arguments();
                control.command(|device, now| {
                    device.call((command.oid, command.method), &arguments, now)
                })
            });
            let text = done.await;
            control.commanded();
            text
        }
        Ok(Request::Subscription(oids)) => {
            let oids = oids.into_iter().filter_map(|it| u32::try_from(it).ok());
            let oids = oids.filter(|oid| control.command(|device, _| device.has(*oid)));
            let oids: BTreeSet<_> = oids.collect();
            let text = subscribed(&oids);
            follower.follow(oids);
            text
        }
        Err(failure) => error(&failure),
    }
}
