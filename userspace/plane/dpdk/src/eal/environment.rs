//! The environment variable that the AF_XDP driver's library reads.
//!
//! libxdp loads a dispatcher program before ours unless `LIBXDP_SKIP_DISPATCHER` is set. With the
//! dispatcher, the interface of a killed daemon refuses the next daemon once; without it, the next
//! daemon replaces the old program. So the variable is always set.

use std::env;

use crate::Error;

const VARIABLE: &str = "LIBXDP_SKIP_DISPATCHER";

/// Runs before `main`. Changing the environment is sound only while no other thread can read it,
/// and when a test or an async runtime calls this crate, other threads run. A value set by the user
/// stays.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = skip_dispatcher;

extern "C" fn skip_dispatcher() {
    // SAFETY: constructors run in the only thread.
    unsafe { libc::setenv(c"LIBXDP_SKIP_DISPATCHER".as_ptr(), c"1".as_ptr(), 0) };
}

/// Checks that the constructor has run: a linker may be told to drop it.
pub(crate) fn check() -> Result<(), Error> {
    match env::var_os(VARIABLE) {
        Some(_) => Ok(()),
        None => Err(Error::Environment { variable: VARIABLE }),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn variable_in_any_program_that_links_us_is_set() {
        assert!(super::check().is_ok());
    }
}
