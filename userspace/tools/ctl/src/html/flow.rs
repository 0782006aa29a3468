//! The pictures of a flow, and what each of them says.

use maud::{Markup, html};

use super::chart::Figure;
use super::figures;
use crate::document::analysis::Flow;
use crate::document::over_time::Band;
use crate::render::analysis::time;

/// All pictures that there is something to draw for; the ids of their parts begin with `id`.
pub(super) fn pictures(id: &str, flow: &Flow) -> Markup {
    let mut all: Vec<Figure> = Vec::new();
    if let Some(over_time) = &flow.over_time {
        all.push(figures::rate(over_time));
        all.extend(figures::losses(over_time));
        all.extend(figures::legs(over_time));
    }
    if let Some(timing) = &flow.timing {
        all.push(figures::cinst(timing));
        all.extend(timing.vrx.as_ref().map(|vrx| figures::vrx(timing, vrx)));
    }
    all.extend(flow.intervals.as_ref().map(figures::intervals));
    if let Some(over_time) = &flow.over_time {
        all.extend(figures::longest_interval(over_time));
        all.extend(figures::marker_interval(over_time));
        all.extend(figures::after_timestamp(over_time));
        if let Some(timing) = &flow.timing {
            all.extend(figures::cinst_over_time(over_time, timing));
            all.extend(figures::vrx_over_time(over_time, timing));
        }
    }
    html! {
        div.pictures {
            @for (number, figure) in all.iter().enumerate() {
                (figure.render(&format!("{id}-{}", number + 1)))
            }
        }
    }
}

/// How far behind the first leg it was, at least and at most.
pub(super) fn apart(flow: &Flow) -> String {
    let parts = flow.over_time.iter().flat_map(|it| &it.parts);
    let bands = parts.filter_map(|it| it.after_first_leg_ns);
    let all = bands.reduce(|a, b| Band {
        min: a.min.min(b.min),
        max: a.max.max(b.max),
    });
    all.map_or_else(
        || "-".to_owned(),
        |it| format!("{} to {}", time(it.min), time(it.max)),
    )
}
