//! An analyzed capture as one page: text, tables and pictures in one HTML file without scripts or links to files.
//!
//! All text is escaped by `maud`. What a stream shows is decided in [`finding`] and in the document; here it is drawn.
//! Memory and page are bounded: [`MAX_DRAWN`] flows have pictures, of at most 120 parts of time or 64 columns each.

mod chart;
mod figures;
mod finding;
mod flow;
mod stream;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::document::analysis::{Analysis, File, Flow};
use crate::render::analysis::essence;
use crate::render::{or_dash, printable};
use finding::{Finding, badge};
use stream::Stream;

/// Flows that have pictures: the worst. A page stays below 12 MB.
const MAX_DRAWN: usize = 32;
const STYLE: &str = include_str!("style.css");
/// Nothing is loaded, and nothing runs.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The page.
pub(crate) fn page(analysis: &Analysis) -> String {
    let streams = stream::worst_first(analysis);
    let name = printable(&analysis.file.path);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (name) " – onairctl analyze" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { bdi { (name) } }
                    (file(&analysis.file))
                    @for note in &analysis.notes {
                        p.note { bdi { (printable(note)) } }
                    }
                }
                main {
                    (overview(&streams))
                    (sections(&streams))
                }
                footer {
                    p {
                        "Written by onairctl " (env!("CARGO_PKG_VERSION"))
                        ". Cinst and VRX by ST 2110-21, computed as EBU LIST does; TS-DF by EBU Tech 3337."
                    }
                }
            }
        }
    };
    page.into_string()
}

fn file(file: &File) -> Markup {
    let others = file.not_analyzed.present();
    html! {
        p {
            (file.format) ", " (file.frames) " frames, time in " (file.time_resolution.join(", "))
            @if file.cut_frames > 0 { ", " (file.cut_frames) " frames captured in part" }
            "."
        }
        @if !others.is_empty() {
            p.quiet { "Not analyzed: " (others.join(", ")) "." }
        }
        @if let Some(damage) = &file.damage {
            p.note { "Damaged: " (printable(damage)) "." }
        }
    }
}

/// A table of all streams.
fn overview(streams: &[Stream<'_>]) -> Markup {
    if streams.is_empty() {
        return html! {
            p.note { "No RTP stream: check the capture's filter and the port." }
        };
    }
    html! {
        section aria-labelledby="streams" {
            h2 id="streams" { "Streams" }
            div.wide tabindex="0" role="region" aria-label="All streams" {
                table {
                    thead {
                        tr {
                            @for name in ["Verdict", "Destination", "Source", "VLAN", "SSRC", "PT", "Essence"] {
                                th scope="col" { (name) }
                            }
                            @for name in ["Packets", "Lost", "Doubled", "Out of order"] {
                                th.number scope="col" { (name) }
                            }
                        }
                    }
                    tbody {
                        @for (number, stream) in streams.iter().enumerate() {
                            @for (flow, finding) in &stream.flows { (row(number, flow, finding)) }
                        }
                    }
                }
            }
        }
    }
}

fn row(number: usize, flow: &Flow, finding: &Finding) -> Markup {
    html! {
        tr {
            td { (badge(finding.grade)) }
            th scope="row" {
                a href={ "#stream-" (number + 1) } { (flow.destination) }
            }
            td { (flow.source) }
            td { (or_dash(flow.vlan)) }
            td { (ssrc(flow)) }
            td { (or_dash(flow.payload_type)) }
            td { (essence(flow)) }
            td.number { (flow.packets) }
            td.number { (flow.lost) }
            td.number { (flow.duplicates) }
            td.number { (flow.late) }
        }
    }
}

fn ssrc(flow: &Flow) -> String {
    format!("{:#010x}", flow.ssrc)
}

fn sections(streams: &[Stream<'_>]) -> Markup {
    let mut drawn = 0;
    html! {
        @for (number, stream) in streams.iter().enumerate() {
            @let is_drawn = drawn + stream.flows.len() <= MAX_DRAWN;
            @let () = drawn += if is_drawn { stream.flows.len() } else { 0 };
            (stream::section(number + 1, stream, is_drawn))
        }
    }
}
