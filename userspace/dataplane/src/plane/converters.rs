//! The threads that convert frames: made when the first session needs one.

use std::sync::Arc;

use crate::config::DataplaneError;
use crate::feed::{ConverterFeed, Intake, feed};
use crate::messages::events::Outbox;
use crate::plane::Dataplane;
use crate::plane::placement::{Load, Placement};
use crate::poller::PollerHandle;
use crate::stats::SessionStats;

impl Dataplane {
    /// Places a converted session of `bytes_per_second` on the converter with the least load; while all carry
    /// some and there are fewer than `most`, on a new one. Converters have the numbers after those of the
    /// pollers, and stay until [`Self::shutdown`].
    ///
    /// # Errors
    /// [`DataplaneError`]: the thread does not start.
    pub fn place_converter(
        &mut self,
        bytes_per_second: u64,
        most: usize,
        works: impl Fn(usize) -> bool,
    ) -> Result<Placement, DataplaneError> {
        let all = || (self.polling..self.pollers.len()).filter(|it| works(*it));
        let is_free = |it: usize| Placement::is_free(&self.loads[it]);
        if !all().any(is_free) && all().count() < most {
            let index = self.pollers.len();
            let outbox = Outbox::new(Arc::clone(&self.events));
            let name = converter_name(index - self.polling);
            let placed = (outbox, self.cores.clone());
            let handle = PollerHandle::start_converter(index, &name, placed, &self.threads)?;
            self.pollers.push(handle);
            self.loads.push(Load::default());
        }
        let all = (self.polling..self.pollers.len()).filter(|it| works(*it));
        let placed = Placement::on_one_of(all, &self.loads, bytes_per_second);
        Ok(placed.expect("one works, or was just made"))
    }

    /// The name of a converter; `None` for a number of a poller.
    #[must_use]
    pub fn converter_name(&self, index: usize) -> Option<String> {
        Some(converter_name(index.checked_sub(self.polling)?))
    }

    /// The two ends of a way for frames to the converter `index`; `stats` are of the converted session.
    /// `None` if there is no such converter.
    #[must_use]
    pub fn feed(
        &self,
        index: usize,
        quota: u32,
        stats: &Arc<SessionStats>,
    ) -> Option<(ConverterFeed, Intake)> {
        let converter = self.pollers.get(index)?;
        let sleeper = Arc::clone(&converter.inbox.poller);
        Some(feed(quota, sleeper, Arc::clone(stats)))
    }
}

/// The thread's name has `onair-` before it.
pub(crate) fn converter_name(number: usize) -> String {
    format!("convert{number}")
}
