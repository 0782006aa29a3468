//! The two probe sites: `onair:wait_begin(session, attachment)` and `onair:wait_end`.
//!
//! Each is a one-byte `nop` with a note in `.note.stapsdt` that gives its position, so that the
//! daemon finds it in any file that the library is linked into, and attaches a uprobe there. One
//! byte, because kernels rewrite a five-byte nop into a call whose target a forked child does not
//! have. Format of the note: SystemTap's `UserSpaceProbeImplementation`, as `sys/sdt.h` writes it.

use core::arch::asm;
use std::sync::OnceLock;

/// The session value that marks a canary: the second argument is then a token.
pub const CANARY_SESSION: u64 = u64::MAX;

macro_rules! site {
    ($name:literal, $session:expr, $argument:expr) => {
        // SAFETY: a nop that reads two registers; a uprobe on it runs in the kernel and changes
        // nothing here. Memory may be read by the probe, so no `nomem`.
        unsafe {
            asm!(
                "990: nop",
                ".pushsection .note.stapsdt, \"?\", \"note\"",
                ".balign 4",
                ".4byte 992f-991f, 994f-993f, 3",
                "991: .asciz \"stapsdt\"",
                "992: .balign 4",
                "993: .8byte 990b",
                ".8byte _.stapsdt.base",
                ".8byte 0",
                ".asciz \"onair\"",
                concat!(".asciz \"", $name, "\""),
                ".asciz \"8@%rdi 8@%rsi\"",
                "994: .balign 4",
                ".popsection",
                // The retain flag keeps linkers from dropping the section that notes refer to.
                ".ifndef _.stapsdt.base",
                ".pushsection .stapsdt.base, \"aGR\", \"progbits\", .stapsdt.base, comdat",
                ".weak _.stapsdt.base",
                ".hidden _.stapsdt.base",
                "_.stapsdt.base: .space 1",
                ".size _.stapsdt.base, 1",
                ".popsection",
                ".endif",
                in("rdi") $session,
                in("rsi") $argument,
            )
        }
    };
}

/// Runs `wait` between the two sites. No other function contains them.
///
/// `wait` must not panic: the kernel would count the thread as waiting until it ends.
#[inline(never)]
pub fn between(session: u64, attachment: u64, wait: &mut dyn FnMut()) {
    let mut mark = Mark([0; 4]);
    mark.set(session, attachment);
    let armed = are_executed();
    if armed {
        site!("wait_begin", session, attachment);
    }
    wait();
    if armed {
        site!("wait_end", session, attachment);
    }
}

/// Mark on the stack of a waiting caller, for a reader of its memory that has no probe: a constant, the mark's own
/// address (so no copy counts), session and attachment. Cleared at the wait's end, since stacks are used again.
pub struct Mark([u64; 4]);

impl Mark {
    /// Bytes of a mark, which is aligned to 8.
    pub const SIZE: usize = 32;
    const START: u64 = u64::from_le_bytes(*b"onairwai");

    fn set(&mut self, session: u64, attachment: u64) {
        let address = std::ptr::from_ref(self).addr() as u64;
        self.write([Self::START, address, session, attachment]);
    }

    /// The compiler keeps it, although this process does not read it.
    fn write(&mut self, words: [u64; 4]) {
        // SAFETY: a reference is valid and aligned.
        unsafe { std::ptr::write_volatile(&raw mut self.0, words) }
    }

    /// Session and attachment of the caller that has these bytes of memory at `address`; `None` if
    /// they are no mark.
    #[must_use]
    pub fn read(bytes: &[u8; Self::SIZE], address: u64) -> Option<(u64, u64)> {
        let word = |at: usize| {
            let bytes = bytes.get(at * 8..at * 8 + 8)?;
            Some(u64::from_ne_bytes(bytes.try_into().ok()?))
        };
        ((word(0)?, word(1)?) == (Self::START, address)).then_some((word(2)?, word(3)?))
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.write([0; 4]);
    }
}

/// Passes `token` through the site, as a proof to the probe that it watches this process and file.
pub fn canary(token: u64) {
    between(CANARY_SESSION, token, &mut || {});
}

/// Whether this process executes its sites. Valgrind translates the kernel's breakpoint byte and
/// kills the process, so the library skips them under Valgrind, and reports that when it attaches.
pub fn are_executed() -> bool {
    static EXECUTED: OnceLock<bool> = OnceLock::new();
    *EXECUTED.get_or_init(|| !on_valgrind())
}

/// Valgrind's client request `RUNNING_ON_VALGRIND` (0x1001): harmless rotations elsewhere.
fn on_valgrind() -> bool {
    let request: [u64; 6] = [0x1001, 0, 0, 0, 0, 0];
    let mut answer: u64 = 0;
    // SAFETY: four rotations that add up to 128 bits leave rdi as it was, the exchange of a register
    // with itself does nothing; Valgrind reads `request`, which lives through the block.
    unsafe {
        asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            inout("rdx") answer,
            in("rax") request.as_ptr(),
            inout("rdi") 0_u64 => _,
        );
    }
    answer != 0
}

#[cfg(test)]
mod tests {
    #[test]
    fn mark_at_its_address_only_then_read() {
        let mut mark = super::Mark([0; 4]);
        mark.set(1, 2);
        let address = std::ptr::from_ref(&mark).addr() as u64;
        let mut bytes = [0; super::Mark::SIZE];
        for (part, word) in bytes.chunks_exact_mut(8).zip(mark.0) {
            part.copy_from_slice(&word.to_ne_bytes());
        }
        assert_eq!(super::Mark::read(&bytes, address), Some((1, 2)));
        assert_eq!(super::Mark::read(&bytes, address + 8), None);
        bytes[0] ^= 1;
        assert_eq!(super::Mark::read(&bytes, address), None);
    }

    #[test]
    fn site_between_then_runs_the_wait_once() {
        let mut runs = 0;
        super::between(1, 2, &mut || runs += 1);
        assert_eq!(runs, 1);
        super::canary(3);
        assert!(super::are_executed());
    }
}
