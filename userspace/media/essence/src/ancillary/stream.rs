//! A format of ancillary data and how its packets are sent.

use crate::document::words::words;
use crate::video::{Field, FrameRate, tag};

words! {
    /// When a sender sends an ANC packet (ST 2110-40 §6).
    #[derive(Default)]
    Transmission {
        /// Compatible transmission model: at most 1 ms after its line.
        #[default]
        Compatible "ctm",
        /// Low latency transmission model: at most 8 lines after its line.
        LowLatency "lltm",
    }
}

words! {
    /// The version of ST 2110-40 that a sender follows.
    AncillaryStandard {
        /// ST 2110-40:2018.
        Y2018 "2018",
        /// ST 2110-40:2021.
        Y2021 "2021",
        /// ST 2110-40:2023.
        Y2023 "2023",
    }
}

/// A format of ancillary data and how its packets are sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AncillaryStream {
    /// Frames a second.
    pub rate: FrameRate,
    /// Two fields a frame. Each buffer is of a field. A receiver takes both.
    pub interlaced: bool,
    /// DID and SDID of what is sent; empty: not said.
    pub kinds: Vec<(u8, u8)>,
    /// Payload identifier of the video signal (`VPID_Code`, ST 352).
    pub vpid: Option<u8>,
    /// When an ANC packet is sent.
    pub transmission: Option<Transmission>,
    /// The version of the standard.
    pub standard: Option<AncillaryStandard>,
    /// How long after the frame's time a sender sends, in µs, less than a frame (`TROFF`).
    pub tr_offset_us: Option<u32>,
}

impl AncillaryStream {
    /// Units a second.
    #[must_use]
    pub const fn unit_rate(&self) -> FrameRate {
        if self.interlaced {
            self.rate.doubled()
        } else {
            self.rate
        }
    }

    /// Tag of the unit with this number, counted from the first field of a frame.
    #[must_use]
    pub const fn tag_of(&self, number: u64) -> u32 {
        match (self.interlaced, number % 2) {
            (false, _) => tag::FRAME,
            (true, 0) => Field::tag(Some(Field::First)),
            (true, _) => Field::tag(Some(Field::Second)),
        }
    }
}
