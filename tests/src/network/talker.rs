//! A host of a [`SwitchedNetwork`] that sends to a multicast group.

use onair_stage::OfVideo as _;
use std::net::{IpAddr, UdpSocket};

use anyhow::Result;
use onair_api::SpecDocument;
use onair_net::datagram;
use onair_stage::{Control, Raster, receive, wait_for};

use crate::network::flow::{FlowSender, raster};
use crate::network::switched::SwitchedNetwork;

/// A multicast group.
pub const GROUP: &str = "239.77.1.2";

/// A session of the raster that [`Talker`] sends, from `GROUP` at a UDP port.
#[must_use]
pub fn member(name: &str, udp: u16, sources: &[&str]) -> SpecDocument {
    let mut spec = receive(name, Raster::new(128, 72, 60, 10), udp);
    spec.format.video_mut().frame_rate = "60000/1001".into();
    spec.flow.destination = format!("{GROUP}:{udp}");
    let sources: Vec<_> = sources.iter().map(ToString::to_string).collect();
    spec.flow.sources = (!sources.is_empty()).then_some(sources);
    spec
}

/// A host that sends whole frames of ST 2110-20 to a group, through the kernel.
pub struct Talker {
    /// Where it sends to: [`GROUP`] at first.
    pub group: &'static str,
    socket: UdpSocket,
    flow: FlowSender,
}

impl Talker {
    /// The host of `network`, sending from one of its addresses, with that as its SSRC.
    pub fn open(network: &SwitchedNetwork, address: &str) -> Result<Self> {
        let mut flow = FlowSender::new(raster(10));
        flow.ssrc = match address.parse()? {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(address) => u32::from(address.segments()[7]),
        };
        Ok(Self {
            group: GROUP,
            socket: network.sender(address)?,
            flow,
        })
    }

    /// Sends so many frames to a UDP port of the group.
    pub fn frames(&mut self, udp: u16, count: usize) -> Result<()> {
        for _ in 0..count {
            let mut sent = Ok(0);
            self.flow.frame(|_, packet| {
                let rtp = &packet[datagram::HEADER_BYTES..];
                if sent.is_ok() {
                    sent = self.socket.send_to(rtp, (self.group, udp));
                }
            });
            sent?;
        }
        Ok(())
    }

    /// Sends frames until the session has received some more.
    pub fn until_received(&mut self, control: &mut Control, session: &str, udp: u16) -> Result<()> {
        let before = control.show(session)?.counters.frames_complete;
        wait_for("frames from the group", 30, || {
            self.frames(udp, 2)?;
            Ok(control.show(session)?.counters.frames_complete >= before + 4)
        })
    }
}
