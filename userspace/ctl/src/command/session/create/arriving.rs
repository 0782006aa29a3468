//! `--like-what-arrives`: the format of a new session, measured from the packets that arrive for it.

use std::time::Duration;

use onair_api::operations::{CreateSession, Sent, ShowSession, StopSession};
use onair_api::{Arriving, SessionRef, Signal};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::args::essence::{self, Fields};
use crate::client::Client;
use crate::command::wait;
use crate::failure::Failure;
use crate::render;

/// How long packets are waited for.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Users of the session that measures: none, but a stop takes a moment.
const END: Duration = Duration::from_secs(5);

/// Puts the format and the payload type of what arrives into `body`. A session with its name and flow, and the
/// smallest picture, measures it and is destroyed again.
pub(super) async fn measure(client: &Client, body: &mut Value) -> Result<(), Failure> {
    let mut probe = body.clone();
    put_format(&mut probe, essence::smallest());
    (probe["quota"], probe["max_attachments"]) = (json!(1), json!(1));
    probe["persistent"] = json!(false);
    let created = client.send::<CreateSession>(&(), Sent::Body(probe), Duration::ZERO);
    let session = SessionRef::Id(created.await?.read()?.id);
    let seen = watch(client, &session).await;
    client.call::<StopSession>(&session, &()).await?;
    wait::destroy(client, &session, END).await?;
    let arriving = seen?;
    put_format(
        body,
        essence::arriving(&arriving).map_err(|text| Failure::Input(render::printable(&text)))?,
    );
    body["flow"]["payload_type"] = json!(arriving.payload_type);
    Ok(())
}

fn put_format(body: &mut Value, format: Fields) {
    if let Value::Object(body) = body {
        body.extend(format);
    }
}

/// Waits for what arrives.
async fn watch(client: &Client, session: &SessionRef) -> Result<Arriving, Failure> {
    let deadline = Instant::now() + TIMEOUT;
    let mut signal: Option<Signal> = None;
    while Instant::now() < deadline {
        tokio::time::sleep(LOOK_AGAIN).await;
        signal = client
            .call::<ShowSession>(session, &())
            .await?
            .read()?
            .signal;
        if let Some(arriving) = signal.as_mut().and_then(|it| it.arriving.take()) {
            return Ok(arriving);
        }
    }
    let reason = signal.and_then(|it| it.reason);
    let reason = reason.unwrap_or_else(|| "too few packets arrived to measure a format".to_owned());
    Err(Failure::Input(format!(
        "no format was measured within {}: {}",
        render::human(TIMEOUT),
        render::printable(&reason)
    )))
}
