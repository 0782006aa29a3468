//! One grain becomes a unit.

use onair::{Client, Contents, Error, Field, Next, OwnedBufferMut, PixelFormat, Reattaching, Scan};
use onair_essence::ancillary::rfc8331::Payload;

use super::{InFlow, ROOM, SendError};
use crate::flow::Format;
use crate::totals::Totals;

/// The session that is filled.
#[derive(Debug)]
pub(super) struct Filled {
    session: Reattaching<Contents>,
    /// The field that the next buffer is; of use in interlaced sessions.
    due: Field,
}

impl Filled {
    pub(super) fn attach(client: &Client, session: &str) -> Result<Self, Error> {
        Ok(Self {
            session: client.reattaching_to_fill_of(session)?,
            due: Field::First,
        })
    }

    /// Waits for the next grain and sends it. `false`: there was none to send.
    pub(super) fn send(
        &mut self,
        flow: &mut InFlow,
        format: Format,
        totals: &mut Totals,
    ) -> Result<bool, SendError> {
        match format {
            Format::Audio { .. } => samples(flow, format, self, totals),
            Format::Video { .. } | Format::Data { .. } => grain(flow, format, self, totals),
        }
    }

    /// A free buffer, if the session has the flow's units.
    fn room(&mut self, format: Format) -> Result<OwnedBufferMut<Contents>, SendError> {
        let next = self.session.buffer_get_mut(ROOM)?;
        if let Next::Resumed(..) = next {
            // A session begins with a first field after each start and attach.
            self.due = Field::First;
        }
        let buffer = next.into_buffer();
        let own = Format::of_session(buffer.layout())?;
        match own.has_same_units(&format) {
            true => Ok(buffer),
            false => Err(SendError::OtherUnits {
                flow: format,
                session: own,
            }),
        }
    }
}

/// Whether its units are first and second fields in turn.
fn has_fields(contents: &Contents) -> bool {
    match contents {
        Contents::Video(layout) => layout.video.scan() == Scan::Interlaced,
        Contents::Ancillary(stream) => stream.interlaced,
        Contents::Audio(_) | Contents::JpegXs(_) => false,
    }
}

fn grain(
    flow: &mut InFlow,
    format: Format,
    session: &mut Filled,
    totals: &mut Totals,
) -> Result<bool, SendError> {
    let sent = flow.grain::<_, SendError>(|head, payload, still| {
        if !head.is_valid {
            totals.invalid += 1;
            return Ok(false);
        }
        let mut buffer = session.room(format)?;
        let field = has_fields(buffer.layout()).then_some(match head.index % 2 {
            0 => Field::First,
            _ => Field::Second,
        });
        if field.is_some_and(|it| it != session.due) {
            totals.missing += 1;
            return Ok(false);
        }
        match format {
            Format::Video { .. } => buffer.pack(PixelFormat::V210, field, payload)?,
            Format::Audio { .. } | Format::Data { .. } => {
                totals.packets += fill_ancillary(&mut buffer, payload);
            }
        }
        // A later grain may have been written over it meanwhile.
        if !still() {
            totals.refused += 1;
            return Ok(false);
        }
        buffer.submit()?;
        session.due = match session.due {
            Field::First => Field::Second,
            Field::Second => Field::First,
        };
        totals.grains += 1;
        Ok(true)
    })?;
    Ok(sent.unwrap_or(false))
}

/// Fills a unit with the ANC packets of a grain. Returns how many were left out.
fn fill_ancillary(buffer: &mut OwnedBufferMut<Contents>, payload: &[u8]) -> u64 {
    let mut left = 0;
    let Ok(mut writer) = onair::UnitWriter::new(buffer) else {
        return 1;
    };
    // Without the extended sequence number that a packet has before it.
    let mut whole = vec![0; 2 + payload.len()];
    whole[2..].copy_from_slice(payload);
    let Ok(packets) = Payload::parse(&whole) else {
        return 1;
    };
    for packet in &packets {
        let record = packet.record();
        let data: Vec<_> = packet.data().map(|it| it.to_le_bytes()[0]).collect();
        let is_sent = !record.is_wrong() && writer.push(record.place, packet.kind(), &data).is_ok();
        left += u64::from(!is_sent);
    }
    left
}

fn samples(
    flow: &mut InFlow,
    format: Format,
    session: &mut Filled,
    totals: &mut Totals,
) -> Result<bool, SendError> {
    let mut buffer = session.room(format)?;
    let Contents::Audio(own) = buffer.layout().clone() else {
        return Err(Error::TimedOut.into());
    };
    let (channels, count) = (own.channels() as usize, own.block_samples() as usize);
    let mut interleaved = vec![0.0_f32; channels * count];
    let came = flow.samples(count, |channel, first, piece| {
        let places = interleaved.iter_mut().skip(first * channels + channel);
        for (place, sample) in places.step_by(channels).zip(piece) {
            *place = *sample;
        }
    })?;
    if !came {
        return Ok(false);
    }
    onair::write_samples(&own, &interleaved, &mut buffer);
    buffer.submit()?;
    totals.grains += 1;
    Ok(true)
}
