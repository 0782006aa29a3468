//! The first sentence about a stream, and its severity.

use maud::{Markup, html};
use onair_essence::rows::Grade;

use crate::document::analysis::{Audio, Flow, Timing};
use crate::document::over_time::Legs;
use crate::render::analysis::{grade, time};

/// A sentence or some, and how good that is; `None` if nothing was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) grade: Option<Grade>,
    pub(super) text: String,
}

impl Finding {
    /// Of one flow.
    pub(super) fn of_flow(flow: &Flow) -> Self {
        let mut grade = None;
        let mut sentences = Vec::new();
        let mut say = |of: Option<Grade>, text: String| {
            grade = worse(grade, of);
            sentences.push(text);
        };
        let (of, text) = loss(flow);
        say(of, text);
        if let Some(audio) = &flow.audio {
            say(Some(self::grade(audio.verdict)), delay_variation(audio));
        } else if let Some(timing) = &flow.timing {
            let compliance = timing.verdict.compliance;
            say(Some(self::grade(compliance)), compliance_text(timing));
        }
        let malformed = flow.ancillary.as_ref().map_or(0, |it| it.malformed);
        if malformed > 0 {
            say(Some(Grade::Bad), format!("{malformed} malformed packets"));
        }
        Self {
            grade,
            text: sentences.join(". ") + ".",
        }
    }

    /// Of a stream on several legs, of which each has a finding.
    pub(super) fn of_legs(legs: &Legs, of_each: &[&Self]) -> Self {
        let count = legs.flows.len();
        let each = of_each.iter().fold(None, |all, it| worse(all, it.grade));
        let text = match legs.lost {
            0 => format!("After merging {count} legs, no packet is lost."),
            1 => format!("After merging {count} legs, 1 packet is lost."),
            lost => format!("After merging {count} legs, {lost} packets are lost."),
        };
        Self {
            grade: match legs.lost {
                0 => each,
                _ => Some(Grade::Bad),
            },
            text,
        }
    }
}

/// The worse of both; what was not judged is neither.
fn worse(a: Option<Grade>, b: Option<Grade>) -> Option<Grade> {
    [Grade::Bad, Grade::Fair, Grade::Good]
        .into_iter()
        .find(|it| a == Some(*it) || b == Some(*it))
}

/// Where it stands among others: the worst first.
pub(super) const fn rank(grade: Option<Grade>) -> u8 {
    match grade {
        Some(Grade::Bad) => 0,
        Some(Grade::Fair) => 1,
        None => 2,
        Some(Grade::Good) => 3,
    }
}

fn loss(flow: &Flow) -> (Option<Grade>, String) {
    let mut others = Vec::new();
    if flow.duplicates > 0 {
        others.push(format!("{} doubled", flow.duplicates));
    }
    if flow.late > 0 {
        others.push(format!("{} out of order", flow.late));
    }
    let grade = match (flow.lost, others.is_empty()) {
        (0, true) => None,
        (0, false) => Some(Grade::Fair),
        _ => Some(Grade::Bad),
    };
    let lost = match (flow.lost, flow.gaps) {
        (0, _) => "No packet lost".to_owned(),
        (1, _) => "1 packet lost".to_owned(),
        (lost, 1) => format!("{lost} packets lost in 1 gap"),
        // Late packets filled some.
        (lost, gaps) if gaps > lost => format!("{lost} packets lost"),
        (lost, gaps) => format!("{lost} packets lost in {gaps} gaps"),
    };
    others.insert(0, lost);
    (grade, others.join(", "))
}

fn delay_variation(audio: &Audio) -> String {
    let limit = i64::try_from(audio.delay_variation_limit_ns).unwrap_or(i64::MAX);
    let (found, limit) = (time(audio.delay_variation_ns), time(limit));
    let verb = match audio.verdict {
        "compliant" => "is within",
        _ => "exceeds",
    };
    format!("TS-DF of {found} {verb} the limit of {limit}")
}

fn compliance_text(timing: &Timing) -> String {
    let name = match timing.verdict.compliance {
        "narrow" => "Complies with type N (narrow) of ST 2110-21",
        "narrow_linear" => "Complies with type NL (narrow linear) of ST 2110-21",
        "wide" => "Complies with type W (wide) of ST 2110-21 only",
        _ => "Complies with no type of ST 2110-21",
    };
    let by = match (&timing.vrx, timing.vrx_is_judged) {
        (Some(_), false) => " by Cinst; VRX is not judged without the sender's clock",
        _ => "",
    };
    let reason = timing.verdict.reason.as_ref();
    let reason = reason.map_or_else(String::new, |it| format!(": {}", it.text));
    format!("{name}{by}{reason}")
}

/// The grade as a shape and a word, so that it does not depend on colours.
pub(super) fn badge(grade: Option<Grade>) -> Markup {
    let (class, shape, word) = match grade {
        Some(Grade::Good) => ("badge good", "●", "good"),
        Some(Grade::Fair) => ("badge fair", "▲", "fair"),
        Some(Grade::Bad) => ("badge bad", "■", "bad"),
        None => ("badge", "○", "not judged"),
    };
    html! {
        span class=(class) { span aria-hidden="true" { (shape) } " " (word) }
    }
}
