//! Models of the gate. The search runs every interleaving of them.
//!
//! * [`explorer`]: the whole protocol with atomic steps (sequentially consistent), and deaths at
//!   any step.
//! * [`store_buffer`]: the part that changes when the callers' counts are plain stores on x86-64.
//! * [`freshness`]: frames of one filler after the other, and pages that a former one has pinned.
//! * [`open_send`]: a frame that is sent while its client fills it.
//! * [`progress`]: callers that wait for more of a frame that is received.
//! * [`search`]: the breadth-first search that all use.
//!
//! Loom checks the orderings of the real words in `tests/loom_gate`, the simulator the real code; `docs/gate.md` says which property is proved where. This module is not
//! product code: it opens no file, maps no memory and does not sleep.

mod explorer;
mod freshness;
mod open_send;
mod progress;
mod search;
mod store_buffer;

/// Declares what a state consists of: enums, whose first variant is the initial one, and records.
/// A search copies, compares and hashes them.
macro_rules! plain {
    () => {};
    ($(#[$meta:meta])* enum $name:ident { $($variant:ident,)+ } $($rest:tt)*) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub(super) enum $name {
            #[default]
            $($variant,)+
        }
        $crate::model::plain! { $($rest)* }
    };
    ($(#[$meta:meta])* struct $name:ident { $($(#[$about:meta])* $field:ident: $type:ty,)+ } $($rest:tt)*) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub(super) struct $name {
            $($(#[$about])* pub(super) $field: $type,)+
        }
        $crate::model::plain! { $($rest)* }
    };
}
use plain;
