//! A controller that speaks IS-12.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};

use super::schemas::check_of;

const PATIENCE: Duration = Duration::from_secs(30);

/// A controller's WebSocket.
pub(crate) struct Controller {
    pub(crate) stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    handle: u16,
    notifications: VecDeque<Value>,
}

impl Controller {
    /// `None` if the server refuses it.
    pub(crate) async fn open(to: SocketAddr) -> Option<Self> {
        let uri = format!("ws://{to}/x-nmos/ncp/v1.0");
        let client = ClientBuilder::new().uri(&uri).unwrap();
        let (stream, _) = client.connect().await.ok()?;
        Some(Self {
            stream,
            handle: 0,
            notifications: VecDeque::new(),
        })
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// The next message, valid by the schema of its kind; `None` once the socket is closed.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let message = timeout(PATIENCE, self.stream.next()).await.unwrap()?.ok()?;
            let Some(text) = message.as_text() else {
                continue;
            };
            let message: Value = serde_json::from_str(text).unwrap();
            let schema = match message["messageType"].as_u64().unwrap() {
                1 => "command-response-message",
                2 => "notification-message",
                4 => "subscription-response-message",
                5 => "error-message",
                other => panic!("messageType {other}"),
            };
            check_of("is-12", schema, &message);
            return Some(message);
        }
    }

    /// The answer to a message.
    pub(crate) async fn ask(&mut self, message: Value) -> Value {
        self.send(Message::text(message.to_string())).await;
        loop {
            let answer = self.next().await.unwrap();
            if answer["messageType"] != 2 {
                return answer;
            }
            let all = answer["notifications"].as_array().unwrap();
            self.notifications.extend(all.iter().cloned());
        }
    }

    /// The answer to these commands.
    pub(crate) async fn commands(&mut self, all: &[Value]) -> Value {
        self.ask(json!({"messageType": 0, "commands": all})).await
    }

    /// The result of a command.
    pub(crate) async fn call(
        &mut self,
        oid: u64,
        (level, index): (u8, u8),
        arguments: Value,
    ) -> Value {
        self.handle += 1;
        let method = json!({"level": level, "index": index});
        let command =
            json!({"handle": self.handle, "oid": oid, "methodId": method, "arguments": arguments});
        let answer = self.commands(&[command]).await;
        let response = &answer["responses"][0];
        assert_eq!(response["handle"], self.handle, "{answer}");
        response["result"].clone()
    }

    pub(crate) async fn get(&mut self, oid: u64, (level, index): (u8, u8)) -> Value {
        let id = json!({"id": {"level": level, "index": index}});
        self.call(oid, (1, 1), id).await["value"].clone()
    }

    pub(crate) async fn set(&mut self, oid: u64, (level, index): (u8, u8), value: Value) -> Value {
        let arguments = json!({"id": {"level": level, "index": index}, "value": value});
        self.call(oid, (1, 2), arguments).await
    }

    /// Follows these objects: those that there are.
    pub(crate) async fn follow(&mut self, oids: &[i64]) -> Value {
        let message = json!({"messageType": 3, "subscriptions": oids});
        self.ask(message).await["subscriptions"].clone()
    }

    /// The next value of a property that is told.
    pub(crate) async fn told(&mut self, oid: u64, (level, index): (u8, u8)) -> Value {
        let property = json!({"level": level, "index": index});
        loop {
            while let Some(it) = self.notifications.pop_front() {
                let data = &it["eventData"];
                if it["oid"] == oid && data["propertyId"] == property {
                    return data["value"].clone();
                }
            }
            let message = self.next().await.unwrap();
            let all = message["notifications"].as_array().unwrap();
            self.notifications.extend(all.iter().cloned());
        }
    }

    /// All that was told until now and not taken.
    pub(crate) async fn told_so_far(&mut self) -> Vec<Value> {
        // Its answer comes after all that was told before.
        self.get(1, (1, 2)).await;
        self.notifications.drain(..).collect()
    }
}
