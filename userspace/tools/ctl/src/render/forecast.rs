//! Forecasts of `--dry-run`.

use super::session::blocker;
use super::{heading, printable, verdict};
use crate::document::forecast::Forecast;

/// Answer of `--dry-run`.
pub(crate) fn render(forecast: &Forecast) -> String {
    let operation = &forecast.operation;
    let word = if forecast.would_pass {
        console::style(format!("{operation} would pass")).green()
    } else {
        console::style(format!("{operation} would be refused")).yellow()
    };
    let mut text = format!(
        "{word}: {} ({} is {})\n",
        printable(&forecast.reason),
        forecast.session,
        forecast.state
    );
    if !forecast.evicts.is_empty() {
        let numbers: Vec<_> = forecast.evicts.iter().map(ToString::to_string).collect();
        text += &format!("It would evict attachment {}.\n", numbers.join(", "));
    }
    if !forecast.blockers.is_empty() {
        text += &heading("Users:");
        text += &blocker::rows(&forecast.blockers);
    }
    text += &heading("Witnesses:");
    text += &verdict::rows(&forecast.verdict.readings);
    text
}
