//! Information about a stream, as a packet.

use super::code::Numbers;

/// Name of the rate, as FFmpeg writes it: frames a second as a fraction, 0/0 if it does not know.
const RATE: &[u8] = b"r_frame_rate";

/// The kinds of values, as signed numbers are written: −1 is a text, −2 has a type of its own, −3 and less are numbers.
mod kind {
    pub(super) const TEXT: u64 = 2;
    pub(super) const TYPED: u64 = 4;
}

/// The frame rate that a packet names for a stream.
pub(super) fn rate(body: &[u8], stream: u64) -> Option<(u32, u32)> {
    let mut body = Numbers(body);
    if body.next()? != stream + 1 {
        return None;
    }
    // Chapter, its start and length.
    (0..3).try_for_each(|_| body.next().map(drop))?;
    for _ in 0..body.next()? {
        let name = body.bytes()?;
        let text = match body.next()? {
            kind::TEXT => Some(body.bytes()?),
            kind::TYPED => {
                body.bytes()?;
                body.bytes()?;
                None
            }
            number if number != 0 && number % 2 == 0 => {
                body.next()?;
                None
            }
            _ => None,
        };
        if name == RATE {
            let (rate, per) = std::str::from_utf8(text?).ok()?.split_once('/')?;
            let (rate, per) = (rate.parse().ok()?, per.parse().ok()?);
            return (rate > 0 && per > 0).then_some((rate, per));
        }
    }
    None
}
