//! Which video OnAir carries today.

use onair_essence::video::{
    Depth, EXTENDED_MAX_UDP, Packing as Cut, Pgroup, Sampling, Scan as Order, SenderType as Spread,
};
use onair_types::VideoDocument;

use crate::video::{Packing, Scan, SenderType, Video};

/// A parameter that OnAir does not carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}={value} is not carried: only {carried}")]
pub struct NotCarried {
    /// The parameter's name in SDP.
    pub parameter: &'static str,
    /// Its value.
    pub value: String,
    /// What is carried.
    pub carried: &'static str,
}

impl Video {
    /// The format as a session specification has it, if OnAir carries it.
    ///
    /// # Errors
    /// [`NotCarried`]: the first parameter that it does not carry.
    pub fn carried(&self) -> Result<VideoDocument, NotCarried> {
        let not = |parameter, value: String, carried| NotCarried {
            parameter,
            value,
            carried,
        };
        if Pgroup::of(self.sampling, self.depth).is_none() {
            let value = self.depth.to_string();
            return Err(not("depth", value, "8, 10 and 12 bits with 4:2:0"));
        }
        if self.max_udp > EXTENDED_MAX_UDP {
            let value = self.max_udp.to_string();
            return Err(not("MAXUDP", value, "datagrams of up to 8960 bytes"));
        }
        let given = |is: bool| is.then_some(true);
        Ok(VideoDocument {
            width: self.width,
            height: self.height,
            frame_rate: self.rate.to_string(),
            depth: self.depth.bits().into(),
            float: given(self.depth == Depth::SixteenFloat),
            sampling: (self.sampling != Sampling::default()).then_some(self.sampling),
            scan: match self.scan {
                Scan::Progressive => None,
                Scan::Interlaced => Some(Order::Interlaced),
                Scan::Segmented => Some(Order::Psf),
            },
            packing: match self.packing {
                Packing::General => None,
                Packing::Block => Some(Cut::Block),
            },
            max_udp: (self.max_udp != crate::video::STANDARD_MAX_UDP).then(|| self.max_udp.into()),
            sender_type: self.sender.map(|it| match it {
                SenderType::Narrow => Spread::Narrow,
                SenderType::NarrowLinear => Spread::NarrowLinear,
                SenderType::Wide => Spread::Wide,
            }),
            tr_offset_us: self.tr_offset_us,
            cmax: self.cmax,
        })
    }
}
