//! Pollers and converters by their number.

use onair_api::{Problem, ProblemCode};
use onair_dataplane::Placement;

use super::Services;

impl Services {
    /// Name of a poller or converter.
    pub fn poller_name(&self, index: usize) -> String {
        let poller = self.config.poller.get(index).map(|it| it.name.clone());
        let converter = || self.dataplane.converter_name(index);
        poller.or_else(converter).unwrap_or_default()
    }

    /// Places a converted session of `bytes_per_second`, whose source is at `port`: on a poller of that port that
    /// converts, else on a converter.
    ///
    /// # Errors
    /// `limit_reached`: no thread can be started.
    pub fn place_converted(
        &mut self,
        port: &str,
        bytes_per_second: u64,
    ) -> Result<Placement, Problem> {
        let (most, dead) = (self.config.limits.converters, &self.dead);
        let works = |it: usize| !dead.contains(&it);
        let converts = |it: usize| works(it) && self.config.poller[it].converts;
        let plane = &mut self.dataplane;
        let port = plane.ports().iter().find(|it| it.name == port);
        let at_port = port.and_then(|port| plane.place(port, false, bytes_per_second, converts));
        if let Some(placed) = at_port {
            return Ok(placed);
        }
        let placed = plane.place_converter(bytes_per_second, most, works);
        placed.map_err(|error| Problem::new(ProblemCode::LimitReached, error.to_string()))
    }
}
