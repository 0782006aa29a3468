//! Pollers and converters by their number.

use onair_types::{Problem, ProblemCode};

use super::Services;
use crate::dataplane::Placement;

impl Services {
    /// Name of a poller or converter.
    pub fn poller_name(&self, index: usize) -> String {
        let poller = self.config.poller.get(index).map(|it| it.name.clone());
        let converter = || self.dataplane.converter_name(index);
        poller.or_else(converter).unwrap_or_default()
    }

    /// Places a converted session of `bytes_per_second` on a converter.
    ///
    /// # Errors
    /// `limit_reached`: no thread can be started.
    pub fn place_converter(&mut self, bytes_per_second: u64) -> Result<Placement, Problem> {
        let (most, dead) = (self.config.limits.converters, &self.dead);
        let works = |it: usize| !dead.contains(&it);
        let placed = self
            .dataplane
            .place_converter(bytes_per_second, most, works);
        placed.map_err(|error| Problem::new(ProblemCode::LimitReached, error.to_string()))
    }
}
