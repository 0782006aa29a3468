//! Names of error numbers, for the programs that tests talk to.

use nix::errno::Errno;
use onair::Error;

/// The name of the errno equivalent of `error`.
#[must_use]
pub fn errno_name(error: &Error) -> String {
    format!("{:?}", Errno::from_raw(error.errno()))
}
