//! Calls of the library in signal handlers.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use onair_ipc::caller::{Attachment, Deadline, Refusal};

use crate::rig::Session;
use crate::rig::threads::{Sleeper, on_signal, until};
use crate::waiters;

type Client = OnceLock<Arc<Attachment>>;

#[test]
fn local_stop_in_a_handler_of_a_sleeper_then_it_returns_again() {
    static CLIENT: Client = OnceLock::new();
    extern "C" fn handler(_: i32) {
        if let Some(client) = CLIENT.get() {
            client.stop();
        }
    }
    let session = Session::receiving();
    let client = &session.client;
    CLIENT.set(client.clone()).unwrap();
    on_signal(libc::SIGUSR1, libc::SA_RESTART, handler);
    let sleeper = Sleeper::<()>::call(client);
    sleeper.signal(libc::SIGUSR1);
    assert_eq!(sleeper.join(), Err(Refusal::Again));
    assert!(client.is_stopped());
    client.start();
    assert_eq!(client.get(Deadline::Now), Err(Refusal::TimedOut));
}

#[test]
fn get_in_a_handler_of_a_caller_then_its_stop_is_unacknowledged() {
    static CLIENT: Client = OnceLock::new();
    static BOUNCED: AtomicBool = AtomicBool::new(false);
    static ENTERED: AtomicBool = AtomicBool::new(false);
    static STOPPED: AtomicBool = AtomicBool::new(false);
    extern "C" fn handler(_: i32) {
        ENTERED.store(true, Ordering::SeqCst);
        while !STOPPED.load(Ordering::SeqCst) {
            core::hint::spin_loop();
        }
        if let Some(client) = CLIENT.get() {
            let refused = client.get(Deadline::Now) == Err(Refusal::Again);
            BOUNCED.store(refused, Ordering::SeqCst);
        }
    }
    let session = Session::receiving();
    let memory = &session.memory;
    CLIENT.set(session.client.clone()).unwrap();
    on_signal(libc::SIGUSR2, 0, handler);
    // The thread keeps its slot until the test has read it.
    let (go, read) = std::sync::mpsc::channel::<()>();
    let client = session.client.clone();
    let sleeper = Sleeper::start(move || {
        let result = client.get(Deadline::Never);
        let _ = read.recv();
        result
    });
    sleeper.until_asleep();
    let gate = memory.session_gate();
    sleeper.signal(libc::SIGUSR2);
    // The stop happens while the handler runs: its caller is still inside, woken or not.
    until("the handler runs", || ENTERED.load(Ordering::SeqCst));
    memory.stop();
    STOPPED.store(true, Ordering::SeqCst);
    until("the handler bounced", || BOUNCED.load(Ordering::SeqCst));
    let acks: Vec<u32> = memory.slots().iter().map(|slot| slot.ack).collect();
    assert_eq!(acks.len(), 1, "the sleeper's slot");
    drop(go);
    session.stop();
    assert_eq!(sleeper.join(), Err(Refusal::Again));
    assert!(!acks.contains(&(gate & !1)), "{acks:?}");
}

#[test]
fn get_in_a_handler_of_a_caller_inside_then_no_intent_is_left() {
    static CLIENT: Client = OnceLock::new();
    static TAKEN: AtomicU32 = AtomicU32::new(u32::MAX);
    extern "C" fn handler(_: i32) {
        if let Some(Ok(lease)) = CLIENT.get().map(|client| client.get(Deadline::Now)) {
            TAKEN.store(lease.frame(), Ordering::SeqCst);
        }
    }
    let mut session = Session::receiving();
    CLIENT.set(session.client.clone()).unwrap();
    on_signal(libc::SIGURG, 0, handler);
    let sleeper = Sleeper::<()>::call(&session.client);
    // A frame arrives and its one wake-up goes to another caller: the sleeper is still inside when
    // its handler takes the frame, and hands it on.
    let client = session.client.clone();
    let counted = waiters(&client).swap(0, Ordering::SeqCst);
    session.publish([3]);
    waiters(&client).store(counted, Ordering::SeqCst);
    sleeper.signal(libc::SIGURG);
    until("the handler took it", || TAKEN.load(Ordering::SeqCst) == 3);
    sleeper.until_asleep();
    // If its thread ended now, the frame would belong to the process, not to the dead call.
    let slots = session.memory.slots();
    let inside = slots.iter().find(|slot| slot.count == 1).unwrap();
    assert_eq!(session.lender.credit_dead_thread(inside), None);
    session.stop();
    assert_eq!(sleeper.join(), Err(Refusal::Again));
}
