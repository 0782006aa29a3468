//! `--like-what-arrives`: the format of a new session, measured from the packets that arrive for it.

use std::time::Duration;

use indicatif::ProgressBar;
use onair_api::operations::{CreateSession, Sent, ShowSession, StopSession};
use onair_api::{Arriving, DescriptionNote, SessionRef, Signal};
use onair_essence::survey::Fact;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::args::essence::{self, Fields};
use crate::client::Client;
use crate::command::wait;
use crate::failure::Failure;
use crate::render;

/// How long packets are waited for, and what they show: two surveys of 1 s, and one of five frames of the lowest rate.
const TIMEOUT: Duration = Duration::from_secs(12);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Users of the session that measures: none, but a stop takes a moment.
const END: Duration = Duration::from_secs(5);

/// Puts the format and the payload type of what arrives into `body`, and what `flags` say of its packets over that. A
/// session with its name and flow, and the smallest picture, measures it and is destroyed again.
pub(super) async fn measure(
    client: &Client,
    flags: &essence::Flags,
    body: &mut Value,
) -> Result<(), Failure> {
    let mut probe = body.clone();
    put_format(&mut probe, essence::smallest());
    (probe["quota"], probe["max_attachments"]) = (json!(1), json!(1));
    probe["persistent"] = json!(false);
    // It ends when it has measured, and not in the middle of that.
    probe.as_object_mut().map(|it| it.remove("duration_ms"));
    let created = client.send::<CreateSession>(&(), Sent::Body(probe), Duration::ZERO);
    let session = SessionRef::Id(created.await?.read()?.id);
    let seen = watch(client, &session).await;
    client.call::<StopSession>(&session, &()).await?;
    wait::destroy(client, &session, END).await?;
    let arriving = seen?;
    let format = essence::arriving(&arriving);
    let mut format = format.map_err(|text| Failure::Input(render::printable(&text)))?;
    flags.put_packets(&mut format);
    put_format(body, format);
    body["flow"]["payload_type"] = json!(arriving.payload_type);
    Ok(())
}

/// Puts the frame rate of what arrives into `body`, whose other fields are those of a description. Ancillary data can
/// be received without: nobody has to send it yet.
pub(super) async fn measure_rate(
    client: &Client,
    flags: &essence::Flags,
    body: &mut Value,
) -> Result<(), Failure> {
    let formats = essence::of_document(body);
    let Some(essence) = formats.keys().next() else {
        return Ok(());
    };
    let mut seen = body.clone();
    let reason = match measure(client, flags, &mut seen).await {
        Ok(()) => match seen.get(essence).and_then(|it| it.get("frame_rate")) {
            Some(Value::String(rate)) => {
                body[essence]["frame_rate"] = json!(rate);
                return Ok(());
            }
            _ => "another essence arrives".to_owned(),
        },
        Err(Failure::Input(reason)) => reason,
        Err(other) => return Err(other),
    };
    if essence != "ancillary" {
        let text = format!("no frame rate is described: give --rate RATE, too ({reason})");
        return Err(Failure::Input(text));
    }
    let assumed = body[essence]["frame_rate"].as_str().unwrap_or_default();
    let reason =
        format!("missing, and not measured: taken as {assumed}; else give --ancillary RATE, too");
    let line = body["notes"][0]["line"].as_u64();
    let line = line.and_then(|it| usize::try_from(it).ok()).unwrap_or(1);
    body["notes"][0] = json!(DescriptionNote::new(line, "exactframerate", None, &reason));
    Ok(())
}

/// Instead of the format that the body has: of another essence, it may be.
fn put_format(body: &mut Value, format: Fields) {
    for essence in essence::of_document(body).keys() {
        body.as_object_mut().map(|body| body.remove(essence));
    }
    if let Value::Object(body) = body {
        body.extend(format);
    }
}

/// Waits until the packets that arrive have shown what they can.
async fn watch(client: &Client, session: &SessionRef) -> Result<Arriving, Failure> {
    let bar = ProgressBar::new_spinner();
    let waits = |for_what: &str| {
        let most = render::human(TIMEOUT);
        bar.set_message(format!("waiting up to {most} for {for_what}"));
        bar.tick();
    };
    let begin = Instant::now();
    let mut signal: Option<Signal> = None;
    while begin.elapsed() < TIMEOUT {
        waits(&missing(signal.as_ref()));
        tokio::time::sleep(LOOK_AGAIN).await;
        let shown = client.call::<ShowSession>(session, &()).await?.read()?;
        signal = shown.signal;
        let arriving = signal.as_ref().and_then(|it| it.arriving.as_ref());
        if let Some(arriving) = arriving.filter(|it| it.not_yet_known.is_empty()) {
            bar.finish_and_clear();
            return Ok(arriving.clone());
        }
    }
    bar.finish_and_clear();
    let missing = missing(signal.as_ref());
    let reason = signal.and_then(|it| it.reason);
    let reason = reason.map_or_else(String::new, |it| format!(": {}", render::printable(&it)));
    Err(Failure::Input(format!(
        "no format was measured within {}: {missing} did not come{reason}",
        render::human(TIMEOUT)
    )))
}

/// What the packets have not shown yet, for people.
fn missing(signal: Option<&Signal>) -> String {
    let Some(arriving) = signal.and_then(|it| it.arriving.as_ref()) else {
        return "packets".to_owned();
    };
    let names = arriving.not_yet_known.iter().map(|it| match it {
        Fact::Essence => "packets that show what they carry",
        Fact::Picture => "whole pictures",
        Fact::FrameRate => "the frame rate",
    });
    names.collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_of_another_essence_then_in_place_of_that_of_the_flags() {
        let mut body = json!({"name": "cc", "video": {"width": 0, "frame_rate": null}});
        put_format(
            &mut body,
            Fields::from_iter([("ancillary".to_owned(), json!({"frame_rate": "25/1"}))]),
        );
        assert_eq!(
            body,
            json!({"name": "cc", "ancillary": {"frame_rate": "25/1"}})
        );
    }
}
