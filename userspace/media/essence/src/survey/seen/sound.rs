//! The format of a stream of audio, as far as its packets show it.

use crate::audio::SeenAudio;
use crate::survey::guess::{Guess, SampleForm};
use crate::survey::stream::Survey;

impl Survey {
    /// Rate and packets; `None` of another essence, and of packets that are not nearly all of one size that samples have.
    pub(super) fn sound(&self) -> Option<SeenAudio> {
        if Guess::of(self) != Guess::Audio {
            return None;
        }
        let (packet_samples, sample_rate) = self.audio()?;
        let (bytes, samples) = (*self.payload_bytes.nearly_all()?, packet_samples.into());
        let sample_bytes = bytes
            .checked_div(samples)
            .filter(|it| it * samples == bytes)?;
        SampleForm::is_any(sample_bytes).then_some(())?;
        Some(SeenAudio {
            sample_rate,
            packet_samples,
            sample_bytes: u32::try_from(sample_bytes).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::rtp::RtpHeader;
    use crate::survey::CapturedPacket;

    /// 200 ms of packets of 1 ms, with these payloads in turn.
    fn survey(payloads: &[&[u8]]) -> Survey {
        let mut survey = Survey::default();
        let address = SocketAddr::from(([127, 0, 0, 1], 5004));
        for packet in 0..200u16 {
            let rtp = RtpHeader {
                marker: false,
                payload_type: 97,
                sequence: packet,
                timestamp: u32::from(packet) * 48,
                ssrc: 5,
            };
            let payload = payloads[usize::from(packet) % payloads.len()];
            let bytes = [&rtp.to_bytes()[..], payload].concat();
            let parsed = CapturedPacket::of_datagram(address, address, &bytes).unwrap();
            survey.packet(u64::from(packet) * 1_000_000, &parsed);
        }
        survey
    }

    #[test]
    fn audio_of_silence_or_noise_then_seen_as_audio() {
        let noise: Vec<u8> = (0..192u8).map(|at| at.wrapping_mul(97) ^ 0x5a).collect();
        for payload in [&[0; 192][..], &[0; 288], &[0xff; 192], &noise] {
            let seen = survey(&[payload]).sound().unwrap();
            assert_eq!((seen.sample_rate, seen.packet_samples), (48_000, 48));
            assert_eq!(seen.sample_bytes as usize, payload.len() / 48);
        }
    }

    #[test]
    fn audio_of_bytes_that_no_samples_have_then_not_said() {
        // 5 bytes a sample, as a mean, or in each packet; and no whole sample.
        for payloads in [&[&[0; 288][..], &[0; 192]][..], &[&[0; 240]], &[&[0; 100]]] {
            let survey = survey(payloads);
            assert_eq!(survey.sound(), None);
            assert_eq!(Guess::of(&survey), Guess::Audio);
        }
    }
}
