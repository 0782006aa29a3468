//! Documents that this program makes itself, for `--json` and for `render`: those of the daemon are in
//! `onair-api`.

pub(crate) mod analysis;
pub(crate) mod export;
pub(crate) mod forecast;
pub(crate) mod over_time;
pub(crate) mod pipe;
