//! `--like-what-arrives`: the format of a new session, measured from the packets that arrive for it.

use std::time::Duration;

use indicatif::ProgressBar;
use onair_api::operations::{CreateSession, Sent, ShowSession, StopSession};
use onair_api::{Arriving, DescriptionNote, NewSessionDocument, SessionRef, Signal, SpecDocument};
use onair_control::Client;
use onair_essence::EssenceKind;
use onair_essence::survey::Fact;
use onair_sdp::session::frame_rate;
use serde_json::json;
use tokio::time::Instant;

use crate::args::essence;
use crate::args::parse::whole_ms;
use crate::failure::Failure;
use crate::render;

/// How long packets are waited for, and what they show: two surveys of 1 s, and one of five frames of the lowest rate.
const TIMEOUT: Duration = Duration::from_secs(12);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Users of the session that measures: none, but a stop takes a moment.
const END: Duration = Duration::from_secs(5);

/// Puts the format and the payload type of what arrives into `spec`, and what `flags` say of its packets over that. A
/// session with its name and flow, and the smallest picture, measures it and is destroyed again.
pub(super) async fn measure(
    client: &Client,
    flags: &essence::Flags,
    spec: &mut SpecDocument,
) -> Result<(), Failure> {
    let probe = SpecDocument {
        format: essence::smallest(),
        quota: Some(1),
        max_attachments: Some(1),
        persistent: None,
        // If this program is killed, it ends by itself.
        duration_ms: Some(2 * whole_ms(TIMEOUT)),
        ends_with_creator: Some(true),
        ..spec.clone()
    };
    let probe = Sent::Body(json!(NewSessionDocument::from(probe)));
    let created = client.send::<CreateSession>(&(), probe, Duration::ZERO);
    let session = SessionRef::Id(created.await?.read()?.id);
    let seen = watch(client, &session).await;
    client.call::<StopSession>(&session, &()).await?;
    // That ends it.
    let begin = Instant::now();
    while client.call::<ShowSession>(&session, &()).await.is_ok() && begin.elapsed() < END {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let arriving = seen?;
    let format = essence::arriving(&arriving);
    spec.format = format.map_err(|text| Failure::Input(render::printable(&text)))?;
    flags.put_packets(&mut spec.format);
    spec.flow.payload_type = Some(arriving.payload_type);
    Ok(())
}

/// Puts the frame rate of what arrives into `spec`, whose other fields are those of a description. Ancillary data can
/// be received without it: no sender is needed yet.
pub(super) async fn measure_rate(
    client: &Client,
    flags: &essence::Flags,
    spec: &mut SpecDocument,
) -> Result<(), Failure> {
    let kind = spec.format.kind();
    let Some(rate) = frame_rate(&mut spec.format).cloned() else {
        return Ok(());
    };
    let mut seen = spec.clone();
    let reason = match measure(client, flags, &mut seen).await {
        Ok(()) if seen.format.kind() == kind => {
            let measured = frame_rate(&mut seen.format).cloned();
            if let Some((rate, measured)) = frame_rate(&mut spec.format).zip(measured) {
                *rate = measured;
            }
            return Ok(());
        }
        Ok(()) => "another essence arrives".to_owned(),
        Err(Failure::Input(reason)) => reason,
        Err(other) => return Err(other),
    };
    if kind != EssenceKind::Ancillary {
        let text = format!("no frame rate is described: give --rate RATE, too ({reason})");
        return Err(Failure::Input(text));
    }
    let reason =
        format!("missing, and not measured: taken as {rate}; else give --ancillary RATE, too");
    if let Some(note) = spec.notes.first_mut() {
        let line = usize::try_from(note.line).unwrap_or(1);
        *note = DescriptionNote::new(line, "exactframerate", None, &reason);
    }
    Ok(())
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

/// The facts that the packets have not shown yet, for people.
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
