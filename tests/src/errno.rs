//! Names of error numbers, for the programs that tests talk to.

use onair::Error;
use rustix::io::Errno;

/// The name of the errno equivalent of `error`, or its number when no test asks for it by name.
#[must_use]
pub fn errno_name(error: &Error) -> String {
    let name = match Errno::from_raw_os_error(error.errno()) {
        Errno::AGAIN => "EAGAIN",
        Errno::TIMEDOUT => "ETIMEDOUT",
        Errno::STALE => "ESTALE",
        Errno::ALREADY => "EALREADY",
        Errno::INVAL => "EINVAL",
        Errno::BUSY => "EBUSY",
        Errno::ACCESS => "EACCES",
        Errno::NOENT => "ENOENT",
        Errno::EXIST => "EEXIST",
        Errno::SHUTDOWN => "ESHUTDOWN",
        Errno::IO => "EIO",
        Errno::PROTO => "EPROTO",
        Errno::DQUOT => "EDQUOT",
        Errno::CANCELED => "ECANCELED",
        other => return other.raw_os_error().to_string(),
    };
    name.to_owned()
}
