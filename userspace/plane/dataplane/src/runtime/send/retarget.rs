//! Other addresses and another timing for a sender.

use super::{Phase, Sender, set_source};
use crate::flow::target::FlowTarget;

impl Sender {
    /// Whether to wait for other addresses after the current frame.
    pub(crate) const fn hold_after_the_frame(&mut self, held: bool) {
        self.held = held;
    }

    pub(crate) const fn is_between_frames(&self) -> bool {
        matches!(self.phase, Phase::Waiting { .. })
    }

    pub(crate) fn set_target(&mut self, target: FlowTarget) {
        let (config, flow) = (&mut self.config, &mut self.flow);
        config.destination = target.destination;
        config.source_port = target.source_port;
        config.payload_type = target.payload_type;
        config.media_clock_offset = target.media_clock_offset;
        flow.destination = target.destination;
        flow.source.set_port(target.source_port);
        set_source(flow, &self.addresses);
        (config.ttl, flow.ttl) = (target.ttl, target.ttl);
        (config.dscp, flow.dscp) = (target.dscp, target.dscp);
        if let Some(second) = &mut self.second {
            second.set_target(&target);
        }
        if let Some((second, target)) = config.second.as_mut().zip(target.second) {
            second.target = target;
        }
        let before = std::mem::replace(&mut config.format, target.format);
        // The control thread has checked it: what it refuses does not come here.
        match config.packetiser() {
            Ok(packetiser) => self.packetiser = packetiser,
            Err(_) => config.format = before,
        }
    }
}
