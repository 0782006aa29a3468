//! The section of a stream: one flow, or several legs.

use maud::{Markup, html};

use super::finding::{Finding, badge, rank};
use super::{flow as drawn, ssrc};
use crate::document::analysis::{Analysis, Flow};
use crate::document::over_time::Legs;
use crate::render::analysis::essence;
use crate::render::or_dash;

/// A stream of one flow, or of several legs.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    finding: Finding,
    pub(super) flows: Vec<(&'a Flow, Finding)>,
    legs: Option<&'a Legs>,
}

impl<'a> Stream<'a> {
    fn of_flow(flow: &'a Flow) -> Self {
        let finding = Finding::of_flow(flow);
        Self {
            flows: vec![(flow, finding.clone())],
            finding,
            legs: None,
        }
    }

    fn of_legs(legs: &'a Legs, all: &'a [Flow]) -> Self {
        let flows = legs.flows.iter().filter_map(|place| all.get(*place));
        let flows: Vec<_> = flows.map(|it| (it, Finding::of_flow(it))).collect();
        let each: Vec<_> = flows.iter().map(|(_, finding)| finding).collect();
        Self {
            finding: Finding::of_legs(legs, &each),
            flows,
            legs: Some(legs),
        }
    }
}

/// All streams of a capture, in the order of their grades.
pub(super) fn worst_first(analysis: &Analysis) -> Vec<Stream<'_>> {
    let legs = analysis.legs.as_deref().unwrap_or_default();
    let is_leg = |place: &usize| legs.iter().any(|it| it.flows.contains(place));
    let single = analysis.flows.iter().enumerate();
    let single = single.filter(|(place, _)| !is_leg(place));
    let legs = legs.iter().map(|it| Stream::of_legs(it, &analysis.flows));
    let mut streams: Vec<_> = legs
        .chain(single.map(|(_, flow)| Stream::of_flow(flow)))
        .collect();
    streams.sort_by_key(|it| rank(it.finding.grade));
    streams
}

/// The section of the stream of this number.
pub(super) fn section(number: usize, stream: &Stream<'_>, is_drawn: bool) -> Markup {
    let Some((first, _)) = stream.flows.first() else {
        return Markup::default();
    };
    let id = format!("stream-{number}");
    html! {
        section.stream aria-labelledby=(id) {
            h2 id=(id) {
                (essence(first)) " to " (first.destination) " "
                @if let Some(legs) = stream.legs { "on " (legs.flows.len()) " legs " }
                (badge(stream.finding.grade))
            }
            p.finding { (stream.finding.text) }
            @if let Some(legs) = stream.legs { (of_legs(stream, legs)) }
            @for (leg, (flow, finding)) in stream.flows.iter().enumerate() {
                @if stream.legs.is_some() {
                    h3 { "Leg " (leg + 1) ": " (flow.destination) " " (badge(finding.grade)) }
                    p.finding { (finding.text) }
                }
                (identity(flow))
                @if is_drawn {
                    (drawn::pictures(&format!("{id}-{}", leg + 1), flow))
                } @else {
                    p.quiet {
                        "No pictures: the page has those of the worst " (super::MAX_DRAWN)
                        " flows. For this one, give --flow " (flow.destination) "."
                    }
                }
            }
        }
    }
}

/// Where it comes from, and what is known of it.
fn identity(flow: &Flow) -> Markup {
    let rows = crate::render::analysis::rows(flow);
    html! {
        p.quiet {
            "From " (flow.source) ", SSRC " (ssrc(flow))
            @if let Some(kind) = flow.payload_type { ", payload type " (kind) }
            @if let Some(vlan) = flow.vlan { ", VLAN " (vlan) }
            ", DSCP " (flow.dscp) ", " (flow.packets) " packets."
        }
        details open {
            summary { "All figures" span.hidden { " of " (flow.destination) } }
            dl {
                @for row in rows.iter().filter(|it| it.text != "-") {
                    div { dt { (row.name) } dd { (row.text) } }
                }
            }
        }
    }
}

/// The legs beside each other.
fn of_legs(stream: &Stream<'_>, legs: &Legs) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label="Legs" {
            table {
                thead {
                    tr {
                        th scope="col" { "Leg" }
                        th scope="col" { "Destination" }
                        th scope="col" { "Source" }
                        th.number scope="col" { "Packets" }
                        th.number scope="col" { "Came second" }
                        th.number scope="col" { "Lost" }
                        th.number scope="col" { "After leg 1" }
                    }
                }
                tbody {
                    @for (leg, (flow, _)) in stream.flows.iter().enumerate() {
                        tr {
                            th scope="row" { (leg + 1) }
                            td { (flow.destination) }
                            td { (flow.source) }
                            td.number { (flow.packets) }
                            td.number { (or_dash(legs.matched.get(leg))) }
                            td.number { (flow.lost) }
                            td.number { (drawn::apart(flow)) }
                        }
                    }
                    tr {
                        th scope="row" { "all" }
                        td {} td {} td {} td {}
                        td.number { (legs.lost) }
                        td {}
                    }
                }
            }
        }
    }
}
