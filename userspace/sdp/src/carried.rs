//! Which video OnAir carries today.

use crate::rate::Rate;
use crate::video::{Depth, STANDARD_MAX_UDP, Sampling, Scan, Video};

/// A format that OnAir carries: progressive YCbCr-4:2:2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Pixels in a line.
    pub width: u32,
    /// Lines of a frame.
    pub height: u32,
    /// Bits of a sample: 8 or 10.
    pub depth: u8,
    /// Frames per second.
    pub rate: Rate,
}

/// A parameter that OnAir does not carry yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}{value} is not carried yet: only {carried}")]
pub struct NotCarried {
    /// The parameter's name in SDP.
    pub parameter: &'static str,
    /// `=` and its value; empty for a flag.
    pub value: String,
    /// What is carried.
    pub carried: &'static str,
}

impl Video {
    /// The format, if OnAir carries it.
    ///
    /// # Errors
    /// [`NotCarried`]: the first parameter that it does not carry.
    pub fn carried(&self) -> Result<Carried, NotCarried> {
        let not = |parameter, value: String, carried| NotCarried {
            parameter,
            value,
            carried,
        };
        if self.scan != Scan::Progressive {
            return Err(not("interlace", String::new(), "progressive video"));
        }
        if self.sampling != Sampling::YCbCr422 {
            let value = format!("={}", self.sampling);
            return Err(not("sampling", value, "YCbCr-4:2:2"));
        }
        if self.max_udp > STANDARD_MAX_UDP {
            let value = format!("={}", self.max_udp);
            return Err(not("MAXUDP", value, "datagrams of up to 1460 bytes"));
        }
        let depth = match self.depth {
            Depth::Eight => 8,
            Depth::Ten => 10,
            other => return Err(not("depth", format!("={other}"), "8 and 10 bits")),
        };
        Ok(Carried {
            width: self.width,
            height: self.height,
            depth,
            rate: self.rate,
        })
    }
}
