//! Guesses from what a stream shows.

use std::fmt;
use std::ops::RangeInclusive;

use super::steps::Steps;
use super::stream::Survey;
use crate::audio::{AudioFormat, Coding};
use crate::document::words::words;
use crate::video::{MeasuredRate, VIDEO_RATES};

/// RTP ticks of video and ancillary data in a second.
const VIDEO_HZ: u32 = 90_000;
/// Ticks from unit to unit that a rate of 1 to 120 frames a second may have.
const UNIT_TICKS: RangeInclusive<u32> = VIDEO_HZ / 240..=VIDEO_HZ;
/// Clocks of audio, in hertz.
const AUDIO_CLOCKS: [u32; 3] = [44_100, 48_000, 96_000];
/// Markers after which a survey has seen each line of a frame, and some times of units.
const ENOUGH_MARKERS: u64 = 4;

/// Essence that a stream seems to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guess {
    /// Uncompressed video, ST 2110-20.
    Video,
    /// JPEG XS, ST 2110-22.
    JpegXs,
    /// Audio, ST 2110-30 or -31.
    Audio,
    /// Ancillary data, ST 2110-40.
    Ancillary,
    /// Timed text, ST 2110-43.
    TimedText,
    /// The packets show no essence that is known here.
    Unknown,
}

impl Guess {
    /// Name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::JpegXs => "jpeg_xs",
            Self::Audio => "audio",
            Self::Ancillary => "ancillary",
            Self::TimedText => "timed_text",
            Self::Unknown => "unknown",
        }
    }

    /// The essence of the stream that `survey` has seen.
    #[must_use]
    pub fn of(survey: &Survey) -> Self {
        let packets = survey.packets();
        // A damaged packet in a hundred does not change the guess, nor some of few.
        let odd = (packets / 100).max(packets.min(48) / 8);
        let nearly_all = |count: u64| packets > 0 && count >= packets - odd;
        let is_half = |count: u64| count * 2 >= packets;
        let (formats, raster) = (survey.formats(), survey.raster());
        let codestreams = survey.codestreams();
        let has_markers = survey.markers() > 1;
        // Without a marker, quiet audio has such headers, too.
        let rows = if has_markers {
            raster.filled
        } else {
            raster.exact
        };
        if nearly_all(formats.ancillary) {
            Self::Ancillary
        } else if nearly_all(formats.timed_text) {
            Self::TimedText
        } else if nearly_all(codestreams.agreeing)
            && (codestreams.headers.usual().is_some()
                || has_markers && is_half(codestreams.counting))
        {
            Self::JpegXs
        } else if nearly_all(raster.valid) && is_half(rows) && raster.can_be_of(survey.markers()) {
            Self::Video
        } else if nearly_all(packets - survey.markers()) && audio_step(survey).is_some() {
            Self::Audio
        } else {
            Self::Unknown
        }
    }
}

impl fmt::Display for Guess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Video => "video",
            Self::JpegXs => "JPEG XS",
            Self::Audio => "audio",
            Self::Ancillary => "ancillary data",
            Self::TimedText => "timed text",
            Self::Unknown => "unknown",
        })
    }
}

/// How the samples of a stream are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleForm {
    /// Coding of a sample.
    pub coding: Coding,
    /// Channels.
    pub channels: u32,
    /// No session description says so, and nothing else fits the size of the packets.
    pub is_guess: bool,
}

impl SampleForm {
    /// Bytes of the fewest channels of each coding: AES3 has pairs.
    const UNITS: [(Coding, u64); 3] = [(Coding::L16, 2), (Coding::L24, 3), (Coding::Am824, 8)];

    /// Whether samples whose channels have `bytes` bytes together have any form.
    pub(super) fn is_any(bytes: u64) -> bool {
        let most = u64::from(AudioFormat::MAX_CHANNELS);
        Self::UNITS.iter().any(|(coding, unit)| {
            bytes.is_multiple_of(*unit) && (1..=most).contains(&(bytes / u64::from(coding.bytes())))
        })
    }

    /// The form of samples whose channels have `bytes` bytes together, as described, or the only one.
    pub(super) fn of(bytes: u64, described: Option<(Coding, u32)>) -> Option<Self> {
        if let Some((coding, channels)) = described {
            let fits = u64::from(coding.bytes() * channels) == bytes;
            return fits.then_some(Self {
                coding,
                channels,
                is_guess: false,
            });
        }
        let mut fitting = Self::UNITS.iter().filter(|it| bytes.is_multiple_of(it.1));
        let (Some((coding, _)), None) = (fitting.next(), fitting.next()) else {
            return None;
        };
        let channels = u32::try_from(bytes / u64::from(coding.bytes())).ok()?;
        (1..=AudioFormat::MAX_CHANNELS)
            .contains(&channels)
            .then_some(Self {
                coding: *coding,
                channels,
                is_guess: true,
            })
    }
}

/// Samples of a packet, if nearly all packets have as many.
fn audio_step(survey: &Survey) -> Option<u32> {
    let (step, count) = survey.steps().occurred().max_by_key(|it| it.1)?;
    let total = survey.steps().total();
    let usual = u32::try_from(step).ok().filter(|step| *step > 0)?;
    (count >= total - total / 20).then_some(usual)
}

/// Timestamps a second of a stream of 90 kHz: those of units, whatever markers say.
pub(super) fn rate_of_units(steps: &Steps) -> Option<MeasuredRate> {
    let kinds = || steps.occurred().filter(|it| it.0 > 0);
    let (usual, _) = kinds().max_by_key(|it| it.1)?;
    let near = kinds().filter(|it| it.0.abs_diff(usual) <= 1);
    let (ticks, count) = near.fold((0.0, 0.0), |(ticks, count), (step, times)| {
        #[expect(clippy::cast_precision_loss, reason = "counts of a guess")]
        let times = times as f64;
        (ticks + f64::from(step) * times, count + times)
    });
    let ticks = ticks / count;
    let ticks_of = |(num, den)| f64::from(VIDEO_HZ) * f64::from(den) / f64::from(num);
    let away = |rate| (ticks_of(rate) - ticks).abs();
    let known = VIDEO_RATES.into_iter().map(|rate| (rate, away(rate)));
    let nearest = known.reduce(|best, it| if it.1 < best.1 { it } else { best })?;
    // 60 and 59.94 differ by 1/1000: a sender whose clock is off by less has the nearest rate.
    if nearest.1 <= f64::max(1.0, ticks / 1_000.0) {
        let (num, den) = nearest.0;
        return Some(MeasuredRate { num, den });
    }
    #[expect(clippy::cast_possible_truncation, reason = "rounded, and in range")]
    #[expect(clippy::cast_sign_loss, reason = "positive")]
    let den = ticks.round().clamp(1.0, 1e6) as u32;
    let is_rate = UNIT_TICKS.contains(&den);
    is_rate.then_some(MeasuredRate { num: VIDEO_HZ, den })
}

impl Survey {
    /// Samples of an audio packet, and the samples a second of the clock that is nearest to what the times
    /// of the packets say.
    #[must_use]
    pub fn audio(&self) -> Option<(u32, u32)> {
        let samples = audio_step(self)?;
        let (ticks, ns) = self.steps().even();
        if ns == 0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a guess")]
        let hz = ticks as f64 * 1e9 / ns as f64;
        let away = |clock: u32| (f64::from(clock) - hz).abs();
        let clocks = AUDIO_CLOCKS.into_iter();
        let nearest = clocks.reduce(|best, it| if away(it) < away(best) { it } else { best })?;
        Some((samples, nearest))
    }

    /// Facts that more packets may show. Empty: what is not seen now is in no packet.
    #[must_use]
    pub fn not_yet_known(&self) -> &'static [Fact] {
        match Guess::of(self) {
            Guess::Unknown => &[Fact::Essence],
            Guess::Video | Guess::JpegXs if !self.has_units() => &[Fact::Picture, Fact::FrameRate],
            Guess::Ancillary if !self.has_units() => &[Fact::FrameRate],
            _ => &[],
        }
    }

    /// Whether some units have come: whole ones of pictures, or times of what may have no markers.
    pub(in crate::survey) fn has_units(&self) -> bool {
        let times = match Guess::of(self) {
            Guess::Ancillary | Guess::JpegXs => self.steps().total(),
            _ => 0,
        };
        self.markers().max(times) >= ENOUGH_MARKERS
    }
}

words! {
    /// A fact of a stream that more of its packets may show.
    Fact {
        /// Its essence.
        Essence "essence",
        /// Size and samples of the pictures: whole units must come.
        Picture "picture",
        /// Frames a second.
        FrameRate "frame_rate",
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::rtp::RtpHeader;
    use crate::survey::CapturedPacket;

    #[test]
    fn samples_of_some_bytes_then_the_only_form_or_none() {
        let form = |bytes| SampleForm::of(bytes, None).map(|it| (it.coding, it.channels));
        assert_eq!(form(4), Some((Coding::L16, 2)));
        assert_eq!(form(3), Some((Coding::L24, 1)));
        assert_eq!(form(9), Some((Coding::L24, 3)));
        for ambiguous in [0, 1, 6, 8, 24, 130, 195] {
            assert_eq!(form(ambiguous), None, "{ambiguous}");
        }
        let described = SampleForm::of(24, Some((Coding::L24, 8)));
        assert!(described.is_some_and(|it| !it.is_guess && it.channels == 8));
        assert_eq!(SampleForm::of(24, Some((Coding::L24, 2))), None);
    }

    #[test]
    fn rate_of_timestamps_is_the_usual_one() {
        let clocks = [1_000_000, 999_700, 1_000_300];
        for ((num, den), clock) in VIDEO_RATES
            .into_iter()
            .flat_map(|it| clocks.map(|clock| (it, clock)))
        {
            let mut steps = Steps::default();
            for n in 0..200u64 {
                let ticks = n * 90_000 * u64::from(den) * clock / (u64::from(num) * 1_000_000);
                steps.add(u32::try_from(ticks).unwrap(), 0);
            }
            let rate = rate_of_units(&steps).unwrap();
            assert_eq!(rate, MeasuredRate { num, den }, "clock {clock}");
        }
        let mut segments = Steps::default();
        for n in 0..20 {
            segments.add(n * 3600, 0);
            segments.add(n * 3600, 0);
        }
        let units = rate_of_units(&segments).unwrap();
        assert_eq!(units, MeasuredRate { num: 25, den: 1 });
        let mut odd = Steps::default();
        (0..9).for_each(|n| odd.add(n * 7000, 0));
        assert_eq!(
            rate_of_units(&odd),
            Some(MeasuredRate {
                num: 90_000,
                den: 7000
            })
        );
        assert_eq!(rate_of_units(&Steps::default()), None);
        // A stream that no video has.
        for ticks in [10, 1_000_000] {
            let mut none = Steps::default();
            (0..9).for_each(|n| none.add(n * ticks, 0));
            assert_eq!(rate_of_units(&none), None);
        }
    }

    /// A survey of packets of 25 units a second, each with a marker and its timestamp.
    fn survey(payload: &[u8], has_markers: bool, units: u16) -> Survey {
        let mut survey = Survey::default();
        let address = SocketAddr::from(([127, 0, 0, 1], 5004));
        for unit in 0..units {
            let rtp = RtpHeader {
                marker: has_markers,
                payload_type: 96,
                sequence: unit,
                timestamp: u32::from(unit) * 3_600,
                ssrc: 5,
            };
            let bytes = [&rtp.to_bytes()[..], payload].concat();
            let parsed = CapturedPacket::of_datagram(address, address, &bytes).unwrap();
            survey.packet(u64::from(unit) * 40_000_000, &parsed);
        }
        survey
    }

    #[test]
    fn units_that_did_not_come_yet_then_the_facts_are_named() {
        // A row of 20 bytes, of line 0 from pixel 2 on.
        let video = [&[0, 0, 0, 20, 0, 0, 0, 2][..], &[7; 20]].concat();
        let data = [0; 8];
        for (payload, has_markers, facts) in [
            (&video[..], true, &[Fact::Picture, Fact::FrameRate][..]),
            (&data, true, &[Fact::FrameRate]),
            (&data, false, &[Fact::FrameRate]),
        ] {
            for units in 1..12 {
                let of = if has_markers { 4 } else { 5 };
                let expected = if units < of { facts } else { &[] };
                let survey = survey(payload, has_markers, units);
                assert_eq!(survey.not_yet_known(), expected, "{units}");
                let is_seen = survey.seen() != crate::SeenFormat::Nothing {};
                assert_eq!(is_seen, expected.is_empty(), "{units}");
            }
        }
        assert_eq!(Survey::default().not_yet_known(), [Fact::Essence]);
        assert_eq!(
            survey(&[0x55; 40], false, 1).not_yet_known(),
            [Fact::Essence]
        );
    }

    #[test]
    fn ancillary_data_with_a_fault_then_no_other_essence_is_guessed() {
        let good = [
            0, 0, 0, 12, 1, 0, 0, 0, 0, 0xa0, 0, 0, 0x58, 0x50, 0x24, 6, 0, 0, 0, 0,
        ];
        // A count of two packets, or of none, and a length of four bytes more.
        for (place, byte, guess) in [
            (4, 2, Guess::Ancillary),
            (4, 0, Guess::Ancillary),
            (3, 16, Guess::Unknown),
        ] {
            let mut payload = good;
            payload[place] = byte;
            let found = Guess::of(&survey(&payload, true, 25));
            assert_eq!(found, guess, "{place}");
        }
        assert_eq!(Guess::of(&survey(&good, true, 25)), Guess::Ancillary);
        let document = [&[0, 0, 0, 8][..], b"<tt></tt"].concat();
        let guess = Guess::of(&survey(&document, true, 25));
        assert_eq!(guess, Guess::TimedText);
    }
}
