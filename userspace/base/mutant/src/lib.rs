//! Mutants: faults in the product's own code, each behind a name, which a test must catch.
//!
//! ```
//! # fn ring_all() {}
//! use onair_mutant::mutant;
//!
//! if !mutant!("local stop: no event count") {
//!     ring_all();
//! }
//! ```
//!
//! An ordinary build contains no mutant: [`mutant!`] is the constant `false`. A build with `--cfg mutants`
//! (`ONAIR_BUILD_MUTANTS=1`) contains all of them, and `ONAIR_MUTANT` in the environment of the process
//! chooses one. `cargo xtask mutants` builds and runs them; `docs/testing.md` says how to add one.

/// Value of [`mutant!`] in an ordinary build.
#[doc(hidden)]
pub const NEVER: bool = false;

/// Whether the mutant of this name is chosen. With three arguments, a value: the second if the mutant is
/// chosen, else the third, which is all that an ordinary build contains.
///
/// In a signal handler only after a first use outside: that one reads the environment, and allocates.
#[cfg(not(mutants))]
#[macro_export]
macro_rules! mutant {
    ($name:literal) => {
        $crate::NEVER
    };
    ($name:literal, $wrong:expr, $right:expr) => {
        $right
    };
}

/// Whether the mutant of this name is chosen. With three arguments, a value: the second if the mutant is
/// chosen, else the third.
#[cfg(mutants)]
#[macro_export]
macro_rules! mutant {
    ($name:literal) => {{
        static SITE: $crate::Site = $crate::Site::new($name);
        SITE.is_chosen()
    }};
    ($name:literal, $wrong:expr, $right:expr) => {
        if $crate::mutant!($name) {
            $wrong
        } else {
            $right
        }
    };
}

/// One use of [`mutant!`]. After its first pass it costs one load: a test may depend on what two accesses
/// next to it do to each other. The atomics are std's also under loom and in the simulator, which must not see them.
#[cfg(mutants)]
#[doc(hidden)]
#[derive(Debug)]
pub struct Site {
    name: &'static str,
    known: std::sync::atomic::AtomicU8,
}

#[cfg(mutants)]
impl Site {
    const CHOSEN: u8 = 1;
    const NOT_CHOSEN: u8 = 2;

    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let known = std::sync::atomic::AtomicU8::new(0);
        Self { name, known }
    }

    #[inline(always)]
    pub fn is_chosen(&self) -> bool {
        match self.known.load(std::sync::atomic::Ordering::Relaxed) {
            Self::NOT_CHOSEN => false,
            Self::CHOSEN => true,
            _ => self.find_out(),
        }
    }

    #[cold]
    fn find_out(&self) -> bool {
        static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
        let chosen = CHOSEN.get_or_init(|| std::env::var("ONAIR_MUTANT").ok());
        let known = match chosen.as_deref() == Some(self.name) {
            true => Self::CHOSEN,
            false => Self::NOT_CHOSEN,
        };
        self.known
            .store(known, std::sync::atomic::Ordering::Relaxed);
        known == Self::CHOSEN
    }
}

/// Takes the lock that all mutants share: for one that locks where no lock may be taken. It is held
/// while another thread runs, so that meeting it does not depend on luck.
#[doc(hidden)]
pub fn lock() -> std::sync::MutexGuard<'static, ()> {
    static LOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let guard = LOCK
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    std::thread::yield_now();
    guard
}

#[cfg(all(test, not(mutants)))]
mod tests {
    #[test]
    fn mutant_in_an_ordinary_build_is_the_constant_false() {
        const { assert!(!mutant!("any")) };
        assert_eq!(mutant!("any", 1, 2), 2);
    }
}
