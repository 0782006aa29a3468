//! Threads of the probe.

use std::thread::{Builder, JoinHandle};

use crate::error::ProbeError;

pub(crate) fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, ProbeError> {
    Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(ProbeError::system("starting a thread of the probe"))
}
