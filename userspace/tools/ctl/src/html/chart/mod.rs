//! Pictures as SVG, each with its numbers as a table below. What is drawn does not belong here.

mod histogram;
mod scale;
mod timeline;

pub(super) use histogram::{of_intervals, of_levels};
pub(super) use scale::{Unit, float};
pub(super) use timeline::{Layer, Timeline};

use maud::{Markup, html};

/// The right and the lower end of a picture.
const WIDTH: f64 = 480.0;
const END: f64 = 200.0;
/// The drawing: right of the labels, below those of limits, above those of the axis.
const LEFT: f64 = 62.0;
const RIGHT: f64 = 470.0;
const TOP: f64 = 18.0;
const BASE: f64 = 174.0;

/// A picture and its numbers.
pub(super) struct Figure {
    pub(super) title: &'static str,
    /// The picture in words.
    pub(super) text: String,
    pub(super) legend: Vec<(&'static str, &'static str)>,
    pub(super) picture: Markup,
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Figure {
    /// As HTML; `id` is its own.
    pub(super) fn render(&self, id: &str) -> Markup {
        let (title, text) = (format!("{id}-title"), format!("{id}-text"));
        let view = format!("0 0 {WIDTH} {END}");
        html! {
            figure {
                figcaption {
                    strong { (self.title) }
                    @if !self.legend.is_empty() {
                        ul.legend aria-hidden="true" {
                            @for (class, name) in &self.legend {
                                li { span class={ "swatch " (class) } {} (name) }
                            }
                        }
                    }
                }
                svg viewBox=(view) role="img" aria-labelledby=(title) aria-describedby=(text) {
                    title id=(title) { (self.title) }
                    desc id=(text) { (self.text) }
                    (self.picture)
                }
                p { (self.text) }
                details {
                    summary { "Numbers" span.hidden { " of " (self.title) } }
                    div.wide tabindex="0" role="region" aria-label={ "Numbers of " (self.title) } {
                        table.numbers {
                            thead { tr { @for name in &self.head { th scope="col" { (name) } } } }
                            tbody {
                                @for row in &self.rows {
                                    tr { @for value in row { td { (value) } } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A number in the picture, short.
fn n(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// A horizontal line with its label at the left.
fn grid(y: f64, label: &str) -> Markup {
    html! {
        line.grid x1=(n(LEFT)) x2=(n(RIGHT)) y1=(n(y)) y2=(n(y)) {}
        text.label x=(n(LEFT - 6.0)) y=(n(y + 4.0)) text-anchor="end" { (label) }
    }
}

/// A label at the horizontal axis.
fn below(x: f64, label: &str) -> Markup {
    let anchor = match x {
        x if x > RIGHT - 24.0 => "end",
        x if x < LEFT + 12.0 => "start",
        _ => "middle",
    };
    html! {
        text.label x=(n(x)) y=(n(END - 8.0)) text-anchor=(anchor) { (label) }
    }
}

/// A rectangle from one corner to the opposite one.
fn area((left, top): (f64, f64), (right, base): (f64, f64)) -> String {
    let (left, top, right, base) = (n(left), n(top), n(right), n(base));
    format!("M{left} {top}H{right}V{base}H{left}z")
}
