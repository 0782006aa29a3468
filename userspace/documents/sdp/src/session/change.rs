//! Changes that a description makes to a session of the same format.

use onair_api::{Direction, FlowPatch, LegPatch, SessionPatch};
use onair_essence::FormatDocument;

use super::described::{Described, Text};
use super::same_format::timing;
use super::sources::changed_sources;
use super::unusable::Unusable;

impl Text<'_> {
    /// The change for a session of this direction, with two legs or one, that has its format. Of a receive session
    /// that is also what the sender says of its packets' timing, by which it is judged; a send session has its own.
    ///
    /// # Errors
    /// It has no stream of the format, or several.
    pub fn change(
        &self,
        (direction, has_two): (Direction, bool),
        format: &FormatDocument,
    ) -> Result<SessionPatch, Unusable> {
        let receives = direction == Direction::Receive;
        let described = self.like(format, receives)?;
        let timing = timing(self.name, &described.format, format)?;
        let flow = changed_flow(&described, receives, has_two);
        let rest = match receives {
            true => timing,
            false => SessionPatch::default(),
        };
        Ok(SessionPatch {
            flow,
            notes: Some(described.notes),
            ..rest
        })
    }
}

fn changed_flow(described: &Described, receives: bool, has_two: bool) -> FlowPatch {
    let sources = |sources| match receives {
        true => changed_sources(sources),
        false => (None, None),
    };
    let flow = described.flow.clone();
    let several = flow.sources.into_iter().flatten();
    let (source, several) = sources(flow.source.into_iter().chain(several).collect());
    let second = described.second.clone().filter(|_| has_two);
    let second = second.map(|leg| {
        let (source, several) = sources(leg.sources);
        LegPatch {
            destination: Some(leg.destination),
            source,
            sources: several,
            payload_type: Some(leg.payload_type),
        }
    });
    FlowPatch {
        destination: Some(flow.destination),
        source,
        sources: several,
        ttl: flow.ttl,
        dscp: None,
        payload_type: flow.payload_type,
        // Else the offset of the old sender stays.
        media_clock_offset: Some(flow.media_clock_offset.unwrap_or_default()),
        reference_clock: receives.then_some(flow.reference_clock),
        second_leg: second,
    }
}
