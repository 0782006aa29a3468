//! Messages of IS-12.

use std::fmt::Write as _;
use std::num::NonZeroU16;

use onair_http::give_way;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Change, Device, ElementId, Failure};

/// Commands of one message.
const MOST_COMMANDS: usize = 256;
/// Bytes of an answer, from which on commands fail.
const LONGEST_ANSWER: usize = 4 << 20;

/// A message of a controller.
#[derive(Debug)]
pub(super) enum Request {
    /// `Command`.
    Commands(Vec<Command>),
    /// `Subscription`: all objects that it follows from now on.
    Subscription(Vec<i64>),
}

/// A command.
#[derive(Debug, Deserialize)]
pub(super) struct Command {
    handle: NonZeroU16,
    pub(super) oid: u64,
    #[serde(rename = "methodId")]
    pub(super) method: ElementId,
    #[serde(default)]
    arguments: Option<Map<String, Value>>,
}

impl Command {
    pub(super) fn arguments(&mut self) -> Map<String, Value> {
        self.arguments.take().unwrap_or_default()
    }
}

impl Request {
    /// Reads a message, all of it or nothing.
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        let wrong = |error: serde_json::Error| Failure::Format(error.to_string());
        let mut message: Value = serde_json::from_str(text).map_err(wrong)?;
        let kind = message.get("messageType").and_then(Value::as_u64);
        let mut part = |name| message.get_mut(name).map(Value::take).unwrap_or_default();
        match kind {
            Some(0) => {
                let commands = Vec::<Command>::deserialize(part("commands")).map_err(wrong)?;
                if commands.len() > MOST_COMMANDS {
                    let problem = format!("more than {MOST_COMMANDS} commands");
                    return Err(Failure::Format(problem));
                }
                Ok(Self::Commands(commands))
            }
            Some(3) => {
                let oids = Vec::deserialize(part("subscriptions"));
                oids.map(Self::Subscription).map_err(wrong)
            }
            _ => {
                let problem = "messageType is neither 0, a command, nor 3, a subscription";
                Err(Failure::Format(problem.to_owned()))
            }
        }
    }
}

/// `CommandResponse` of commands that `call` carries out, each in a turn of its own.
pub(super) async fn responses(
    commands: Vec<Command>,
    mut call: impl FnMut(Command) -> Result<Option<Value>, Failure>,
) -> String {
    let mut text = r#"{"messageType":1,"responses":["#.to_owned();
    for (at, command) in commands.into_iter().enumerate() {
        let handle = command.handle;
        let done = match text.len() > LONGEST_ANSWER {
            true => Err(Failure::TooLong),
            false => {
                give_way().await;
                call(command)
            }
        };
        let result = match done {
            Ok(None) => json!({"status": 200}),
            Ok(Some(value)) => json!({"status": 200, "value": value}),
            Err(failure) => {
                json!({"status": failure.status(), "errorMessage": failure.to_string()})
            }
        };
        let comma = if at > 0 { "," } else { "" };
        let _ = write!(text, r#"{comma}{{"handle":{handle},"result":{result}}}"#);
    }
    text.push_str("]}");
    // It waits for a controller that may be slow.
    text.shrink_to_fit();
    text
}

/// `SubscriptionResponse`.
pub(super) fn subscribed<'a>(oids: impl IntoIterator<Item = &'a u32>) -> String {
    let oids: Vec<_> = oids.into_iter().collect();
    json!({"messageType": 4, "subscriptions": oids}).to_string()
}

/// `Notification` of these changes; `None` without any, or if no object has them any more.
pub(super) fn notification(device: &Device, changes: &[Change]) -> Option<String> {
    let notifications = changes.iter().filter_map(|it| {
        let value = device.value_of(it)?;
        Some(json!({"oid": it.oid, "eventId": {"level": 1, "index": 1}, "eventData": {
            "propertyId": it.property, "changeType": 0, "value": value, "sequenceItemIndex": null}}))
    });
    let notifications: Vec<_> = notifications.collect();
    let message = json!({"messageType": 2, "notifications": notifications});
    (!notifications.is_empty()).then(|| message.to_string())
}

/// `Error`.
pub(super) fn error(failure: &Failure) -> String {
    let text = failure.to_string();
    json!({"messageType": 5, "status": failure.status(), "errorMessage": text}).to_string()
}
