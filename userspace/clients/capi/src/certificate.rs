//! The certificate of the session that a thread destroyed last.

use std::cell::RefCell;
use std::ffi::{c_char, c_int};

use onair::Certificate;

use crate::attached::onair_session;
use crate::border::{Fault, call, copy, invalid};

versions! { "ONAIR_1.0": onair_session_certificate }

thread_local! {
    static LAST: RefCell<Option<(onair_session, String)>> = const { RefCell::new(None) };
}

/// Keeps it for this thread, by the handle that is released now.
pub(crate) fn keep(session: onair_session, certificate: &Certificate) {
    // A thread that ends keeps none.
    let _ = LAST.try_with(|last| last.replace(Some((session, certificate.document().to_string()))));
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_session_certificate(
    session: onair_session,
    text: *mut c_char,
    bytes: usize,
) -> c_int {
    call(|| {
        if (text.is_null() && bytes > 0) || isize::try_from(bytes).is_err() {
            return Err(invalid("the place for the text is NULL, or too large"));
        }
        let last = LAST.try_with(|last| last.borrow().clone()).ok().flatten();
        let found = last.filter(|(handle, _)| *handle == session);
        let none = "this thread did not destroy the session, or another one since";
        let (_, document) = found.ok_or(Fault::Use(libc::ENOENT, none))?;
        if bytes > 0 {
            // SAFETY: the caller's promise: `bytes` bytes may be written.
            let target = unsafe {
                text.write_bytes(0, bytes);
                std::slice::from_raw_parts_mut(text, bytes)
            };
            copy(&document, target);
        }
        Ok(c_int::try_from(document.len()).unwrap_or(c_int::MAX))
    })
}
