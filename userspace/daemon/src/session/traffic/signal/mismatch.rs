//! What arrives for a receive session, and whether it is what the session has.

use std::time::{Duration, Instant};

use onair_api::{Arriving, ArrivingSamples, SessionProblem, SessionProblemKind as Kind};
use onair_dataplane::Sender;
use onair_essence::Format;
use onair_essence::video::Scan;
use onair_essence::video::survey::{Essence, Picture, Survey};

use super::LOOKS;
use crate::session::Session;
use crate::session::problem::problem;

/// Time between two surveys of a source that sends the session's format.
const SURVEY_EVERY: Duration = Duration::from_secs(10);
/// Reasons of refused packets that a source of another format causes.
const FORMAT: [&str; 5] = [
    "interlaced",
    "progressive",
    "field_mismatch",
    "bad_srd_range",
    "bad_pgroup_alignment",
];

impl Session {
    /// Asks for a survey when one is due, and reads the one that is done.
    pub(super) fn survey(&mut self, now: Instant) {
        let counted = self.stats.snapshot();
        let watch = &mut self.traffic.signal;
        if counted.ssrc != watch.ssrc {
            watch.ssrc = counted.ssrc;
            watch.ssrc_at = Some(now);
            watch.survey_at = None;
        }
        if watch.survey_at.is_none_or(|at| now >= at) {
            self.stats.request_survey();
            watch.survey_at = Some(now + SURVEY_EVERY);
        }
        let Some(survey) = self.stats.take_survey() else {
            return;
        };
        let picture = survey.picture();
        let is_other = self.is_other(&survey, picture.as_ref());
        let arriving = arriving(&survey, picture.as_ref(), counted.sender);
        let watch = &mut self.traffic.signal;
        watch.others = if is_other { watch.others + 1 } else { 0 };
        if is_other {
            watch.survey_at = Some(now);
        }
        watch.arriving = Some((arriving, is_other));
    }

    fn is_other(&self, survey: &Survey, picture: Option<&Picture>) -> bool {
        let own = u32::from(self.spec.flow.payload_type);
        if survey.payload_type().is_some_and(|it| u32::from(it) != own) {
            return true;
        }
        let Format::Video(video) = &self.spec.format;
        match (Essence::of(survey), picture) {
            (Essence::Video, Some(picture)) => picture.differs_from(&video.format),
            (Essence::Video | Essence::Unknown, _) => false,
            _ => true,
        }
    }

    /// Another format or payload type than the session has. `none_fits`: no packet fits for some time.
    pub(super) fn mismatch(&mut self, none_fits: bool, now: Instant) -> Option<SessionProblem> {
        let refused = self.stats.malformed();
        let refused = refused.filter(|(reason, _)| FORMAT.contains(reason));
        let refused: u64 = refused.map(|(_, count)| count).sum();
        let watch = &mut self.traffic.signal;
        let is_refused = watch.refused.lasts(refused, now);
        let is_surveyed = watch.others >= LOOKS || watch.others > 0 && none_fits;
        if !(is_surveyed || is_refused || none_fits) {
            return None;
        }
        let seen = watch.arriving.as_ref().filter(|it| it.1);
        let seen = seen.map(|it| it.0.clone());
        let configured = format!(
            "{} with payload type {} is configured",
            self.spec.format, self.spec.flow.payload_type
        );
        let detail = match seen {
            Some(seen) => format!(
                "{} arrives, {configured}: {}",
                told(&seen),
                self.advice(&seen)
            ),
            None => {
                let refused = self.stats.snapshot().packets_malformed;
                format!(
                    "packets do not fit {} ({refused} refused): the source sends another format; create the session \
                     with that one",
                    self.spec.format
                )
            }
        };
        Some(problem(Kind::WrongFormat, detail))
    }

    /// The command that would fit what arrives.
    fn advice(&self, seen: &Arriving) -> String {
        let name = &self.spec.name;
        let own = u32::from(self.spec.flow.payload_type);
        if seen.essence != Essence::Video.name() {
            return format!(
                "this is no ST 2110-20 video; send video to {}, or retarget the session",
                self.spec.flow.destination
            );
        }
        let Format::Video(video) = &self.spec.format;
        let it = &video.format;
        let is_same = seen.width.is_none_or(|width| width == it.width())
            && seen.height.is_none_or(|height| height == it.height())
            && seen.scan.is_none_or(|scan| scan == it.scan())
            && (seen.samples.is_empty()
                || seen.samples.iter().any(|one| one.sampling == it.sampling()))
            && seen
                .frame_rate
                .as_ref()
                .is_none_or(|rate| *rate == it.rate().to_string());
        let payload_type = match seen.payload_type {
            arrives if arrives == own => String::new(),
            arrives => format!(" --payload-type {arrives}"),
        };
        if is_same && !payload_type.is_empty() {
            return format!("`onairctl session retarget {name}{payload_type}`");
        }
        let mut flags = String::new();
        if let (Some(width), Some(height)) = (seen.width, seen.height) {
            flags += &format!(" --size {width}x{height}");
        }
        if let Some(rate) = &seen.frame_rate {
            flags += &format!(" --rate {}", rate.strip_suffix("/1").unwrap_or(rate));
        }
        if let Some(scan) = seen.scan.filter(|it| *it != Scan::Progressive) {
            flags += &format!(" --scan {scan}");
        }
        if let Some(one) = seen.samples.first() {
            let float = if one.float { "f" } else { "" };
            flags += &format!(" --sampling {} --depth {}{float}", one.sampling, one.depth);
        }
        format!(
            "destroy the session and create it with{flags}{payload_type}, or correct the sender"
        )
    }
}

/// What a survey shows.
fn arriving(survey: &Survey, picture: Option<&Picture>, sender: u64) -> Arriving {
    let samples = picture.into_iter().flat_map(Picture::samples);
    Arriving {
        essence: Essence::of(survey).name().to_owned(),
        payload_type: survey.payload_type().map_or(0, u32::from),
        sender: Sender::of(sender).map(|it| it.to_string()),
        width: picture.and_then(|it| it.width),
        height: picture.map(|it| it.height),
        frame_rate: picture.and_then(|it| it.rate).map(|it| it.to_string()),
        scan: picture.map(|it| it.scan),
        samples: samples
            .map(|(sampling, depth)| ArrivingSamples {
                sampling,
                depth: depth.bits().into(),
                float: depth.is_float(),
            })
            .collect(),
    }
}

/// What arrives, for people.
fn told(seen: &Arriving) -> String {
    let mut text = match (&seen.width, &seen.height) {
        (Some(width), Some(height)) => format!("{width}x{height}"),
        (None, Some(height)) => format!("{height} lines"),
        _ => seen.essence.replace('_', " "),
    };
    if let Some(scan) = seen.scan.filter(|it| *it != Scan::Progressive) {
        text += &format!(" {scan}");
    }
    if let Some(rate) = &seen.frame_rate {
        text += &format!(" {rate} fps");
    }
    if let Some(one) = seen.samples.first() {
        let float = if one.float { "f" } else { "" };
        text += &format!(" {} {}{float} bit", one.sampling, one.depth);
    }
    text + &format!(" with payload type {}", seen.payload_type)
}
