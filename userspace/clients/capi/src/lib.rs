//! The client library for C: crate `onair` behind plain functions, handles and structs.
//!
//! `include/onair.h` is the reference. A call returns 0 (or a number that it counts) or a negative errno. A
//! session is an integer with a generation ([`table`]), so that a wrong handle is an errno. No panic crosses the border
//! ([`border`]). Policy, protocol and shared memory do not belong here.

/// Gives each exported function the symbol version of the release that introduced it. A version never loses a name.
macro_rules! versions {
    ($version:literal: $($name:ident)+) => {
        $(core::arch::global_asm!(concat!(".symver ", stringify!($name), ", ", stringify!($name), "@@", $version));)+
    };
}

mod attached;
mod blocker;
mod border;
mod buffer;
mod certificate;
mod event;
mod group;
mod session;
mod structs;
mod table;
mod view;

versions! { "ONAIR_1.0":
    onair_blocker_get
    onair_buffer_get
    onair_buffer_get_open
    onair_buffer_lines_ready
    onair_buffer_put
    onair_buffer_submit
    onair_buffer_submit_open
    onair_buffer_wait_lines
    onair_connect
    onair_event_clear
    onair_event_fd
    onair_event_poll
    onair_last_error
    onair_session_abort
    onair_session_attach
    onair_session_attach_to_fill
    onair_session_attach_to_sample
    onair_session_create
    onair_session_destroy
    onair_session_detach
    onair_session_flush
    onair_session_is_ending
    onair_session_is_stopped
    onair_session_quota
    onair_session_start
    onair_session_stop
    onair_session_wait_started
    onair_strerror
    onair_version
}
