//! All transitions of the lifecycle. A test compares them with the code, and makes the diagram in
//! `docs/architecture.md` of them.

/// A list of transitions: state, call, next state, and what it means.
macro_rules! transitions {
    ($($from:ident $call:ident $to:ident $meaning:literal;)+) => {
        [$((stringify!($from), stringify!($call), stringify!($to), $meaning)),+]
    };
}

/// All transitions.
pub(super) const TRANSITIONS: [(&str, &str, &str, &str); 13] = transitions! {
    Stopped Start Running "start, the poller gets the runtime";
    Running Stop Stopping "stop, the gates close";
    Running HandBack Stopped "the poller died or refused";
    Stopping HandBack Stopped "the runtime is back (W3)";
    Stopping HandBack Running "a start waited";
    Stopped BeginDestroy Draining "destroy, destroy_wait, abort";
    Stopping BeginDestroy Draining "the same";
    Draining WithdrawDestroy Stopped "deadline, requester gone, users left";
    Draining WithdrawDestroy Stopping "the same, its runtime away";
    Draining End Destroyed "the witnesses agree";
    Stopped Quarantine Quarantined "quarantine";
    Stopping Quarantine Quarantined "the same";
    Quarantined End Destroyed "the last holder is gone";
};
