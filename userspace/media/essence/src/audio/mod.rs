//! Audio: PCM of ST 2110-30 (AES67) and AES3 of ST 2110-31.
//!
//! A unit is a *block*: so many samples of each channel, as on the wire. Packets are a part of it.

mod channel_order;
mod document;
mod essence;
mod format;
mod pattern;
mod receive;
pub mod samples;
mod seen;
mod send;
mod timeline;
mod timing;
pub mod wav;
pub mod waveform;

pub use channel_order::{ChannelGroup, ChannelOrder};
pub use document::{AudioDocument, AudioPatch, ListedAudio};
pub use format::{AudioError, AudioFormat, Coding, PAYLOAD_BYTES};
pub use pattern::{Tone, ToneFault};
pub use receive::{BlockAssembler, Malformed};
pub use samples::{AudioSample, S24};
pub use seen::SeenAudio;
pub use send::{AudioNotSendable, BlockPacketiser};
pub use timeline::{Between, Timeline};
pub use timing::{
    AudioLevel, AudioMeter, AudioMonitor, AudioSecond, AudioTiming, AudioVerdict, DelayRange,
};
