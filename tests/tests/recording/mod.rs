//! Recordings, on good and bad disks.

mod recorder;
mod recorder_disk;
mod recorder_ends;
mod recorder_goes_on;
mod recorder_long;
mod recorder_storm;
