//! Frames that clients have while they are sent or received, and every end meanwhile.

use std::time::Duration;

use onair_api::operations::{
    CreateSession, DestroySession, EvictAttachment, FlushSession, ShowSession, StartSession,
    StopSession,
};
use onair_api::{Certificate, Flush, ProblemCode, SessionCounters};
use onair_ipc::caller::{Deadline, OwnedLoan, Refusal};
use onair_sim_machine::life::client::Client;
use onair_sim_machine::life::{Life, cam, root, session};
use rustix::io::pwrite;
use serde_json::json;

use crate::stream::{Stream, comes};

const LINES: u32 = 180;

fn balanced(certificate: &Certificate, reconciled: u64) {
    let counts = certificate.counts;
    let back = counts.frames_returned + counts.frames_reclaimed + counts.frames_reconciled;
    assert_eq!(
        counts.frames_lent,
        back + counts.frames_revoked,
        "{counts:?}"
    );
    assert_eq!(counts.frames_reconciled, reconciled, "{counts:?}");
}

fn end(life: &mut Life) -> Box<Certificate> {
    life.ask::<StopSession>(cam(), ()).unwrap();
    life.ask::<DestroySession>(cam(), ()).unwrap()
}

fn counters(life: &mut Life) -> SessionCounters {
    life.ask::<ShowSession>(cam(), ()).unwrap().counters
}

/// A session that sends two frames a second.
fn sender() -> Life {
    let mut life = Life::begin();
    let video = json!({"width": 320, "height": LINES, "frame_rate": "2/1", "depth": 8});
    let spec = session("cam", "send", json!({ "video": video }));
    life.ask::<CreateSession>((), spec).unwrap();
    life
}

/// A client with an open frame of which so many lines are there.
fn opened(life: &mut Life, lines: u32) -> (Client, OwnedLoan) {
    let client = life.attach("cam").unwrap();
    life.live(Duration::from_millis(700));
    let loan = client.attachment.take_owned(Deadline::Now, None).unwrap();
    loan.submit_open().unwrap();
    loan.reach(lines);
    (client, loan)
}

/// The session has sent the begin of an open frame.
fn begun(life: &mut Life) {
    let before = counters(life).packets;
    let mut rounds = 0..100;
    while rounds.next().is_some() && counters(life).packets == before {
        life.live(Duration::from_millis(10));
    }
    assert!(counters(life).packets > before);
}

/// Another client sends a whole frame.
fn next_is_sent(life: &mut Life) {
    let before = counters(life).frames_sent;
    let next = life.attach("cam").unwrap();
    life.live(Duration::from_millis(700));
    let lease = next.attachment.get(Deadline::Now).unwrap();
    next.attachment.submit(lease).unwrap();
    life.live(Duration::from_secs(2));
    assert_eq!(counters(life).frames_sent, before + 1);
    life.detach(next).unwrap();
}

#[test]
fn client_killed_amid_a_frame_it_sends_then_credited_and_next() {
    let mut life = sender();
    for round in 1..=3 {
        let (client, loan) = opened(&mut life, LINES / 2);
        begun(&mut life);
        // The words of a process that dies stay as they are.
        std::mem::forget(loan);
        life.kill(client);
        life.live(Duration::from_secs(1));
        assert_eq!(counters(&mut life).underruns_open, round);
        next_is_sent(&mut life);
    }
    balanced(&end(&mut life), 3);
}

#[test]
fn client_evicted_amid_a_frame_it_sends_then_the_next_is_sent() {
    let mut life = sender();
    let (client, loan) = opened(&mut life, LINES / 2);
    begun(&mut life);
    let evicted = life.ask::<EvictAttachment>(client.place(), ()).unwrap();
    assert!(evicted.frames_revoked >= 1, "{evicted:?}");
    assert_eq!(loan.submit(), Err(Refusal::Stale));
    assert_eq!(counters(&mut life).frames_dropped_detached, 1);
    next_is_sent(&mut life);
    assert_eq!(end(&mut life).evicted, [evicted]);
}

#[test]
fn client_late_with_a_frame_it_sends_then_counted_and_goes_on() {
    let mut life = sender();
    let (client, loan) = opened(&mut life, LINES / 2);
    life.live(Duration::from_secs(2));
    assert_eq!(counters(&mut life).underruns_open, 1);
    loan.submit().unwrap();
    life.detach(client).unwrap();
    next_is_sent(&mut life);
    balanced(&end(&mut life), 0);
}

#[test]
fn sender_stopped_amid_an_open_frame_then_its_holder_is_named() {
    let mut life = sender();
    let (client, loan) = opened(&mut life, LINES / 2);
    begun(&mut life);
    life.ask::<StopSession>(cam(), ()).unwrap();
    life.live(Duration::from_secs(1));
    assert_eq!(counters(&mut life).underruns_open, 1);
    let busy = life.ask::<DestroySession>(cam(), ()).unwrap_err();
    assert_eq!(
        (busy.code, busy.blockers[0].pid),
        (ProblemCode::Busy, client.pid)
    );
    // It is not sent after the start either.
    life.ask::<StartSession>(cam(), ()).unwrap();
    loan.submit().unwrap();
    life.detach(client).unwrap();
    next_is_sent(&mut life);
    let now = counters(&mut life);
    assert_eq!((now.frames_sent, now.underruns_open), (1, 1));
    balanced(&end(&mut life), 0);
}

#[test]
fn open_frame_flushed_then_the_answer_says_whether_it_was_sent() {
    let mut life = sender();
    let (client, loan) = opened(&mut life, LINES / 2);
    let wait = Flush {
        deadline_ms: 20_000,
    };
    let dropped = life
        .ask_as::<FlushSession>(&root(), cam(), wait)
        .unwrap_err();
    assert_eq!(dropped.code, ProblemCode::FramesDropped);
    loan.submit().unwrap();
    life.detach(client).unwrap();
    let (client, loan) = opened(&mut life, LINES);
    life.ask_as::<FlushSession>(&root(), cam(), wait).unwrap();
    let now = counters(&mut life);
    assert_eq!((now.frames_sent, now.underruns_open), (1, 1));
    drop(loan);
    life.detach(client).unwrap();
    balanced(&end(&mut life), 0);
}

#[test]
fn client_lies_of_its_progress_then_each_frame_is_counted_once() {
    let mut life = sender();
    let client = life.attach("cam").unwrap();
    let geometry = client.attachment.geometry();
    life.live(Duration::from_millis(700));
    let mut lie = 0x9e37_79b9_u64;
    for round in 0..60_u64 {
        let loan = client.attachment.take_owned(Deadline::Now, None).unwrap();
        if round % 3 > 0 {
            loan.submit_open().unwrap();
        }
        for _ in 0..4 {
            let words = (0..geometry.frames).flat_map(|_| {
                lie = lie.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                // Of a serial that may be the loan's, and of any.
                let serial = if lie.is_multiple_of(4) {
                    lie >> 32
                } else {
                    round % 8
                };
                (serial << 32 | lie >> 40).to_ne_bytes()
            });
            let words: Vec<u8> = words.collect();
            pwrite(&client.files[1], &words, geometry.seg_progress() as u64).unwrap();
            life.live(Duration::from_millis(250));
        }
        // Its own library may take the frame for one that is not open.
        let _ = loan.submit();
    }
    life.live(Duration::from_secs(2));
    let now = counters(&mut life);
    assert_eq!(now.violations, 0, "any number is one");
    assert_eq!(now.frames_submitted, 60);
    assert_eq!(now.frames_sent + now.underruns_open, 60, "{now:?}");
    life.kill(client);
    next_is_sent(&mut life);
    balanced(&end(&mut life), 0);
}

/// A session that receives, and two clients that take frames while they come.
struct Receiver {
    life: Life,
    clients: [Client; 2],
    stream: Stream,
}

impl Receiver {
    fn start() -> Self {
        let mut life = Life::begin();
        let spec = session("cam", "receive", json!({"frame_timeout_ms": 10_000}));
        life.ask::<CreateSession>((), spec).unwrap();
        let clients = [life.attach("cam").unwrap(), life.attach("cam").unwrap()];
        for client in &clients {
            let none = client.attachment.take_open(1, Deadline::Now);
            assert_eq!(none.map(drop), Err(Refusal::TimedOut));
        }
        Self {
            life,
            clients,
            stream: Stream::default(),
        }
    }

    /// The packets of the next frame.
    fn frame(&mut self) -> Vec<Vec<u8>> {
        self.stream.frame(&self.life)
    }

    fn comes(&mut self, packets: &[Vec<u8>]) {
        comes(&mut self.life, packets);
    }

    /// The first half of a frame comes, and both clients take it; the loans, what stands, and the rest.
    fn half(&mut self) -> ([OwnedLoan; 2], Vec<u8>, Vec<Vec<u8>>) {
        let mut packets = self.frame();
        let rest = packets.split_off(packets.len() / 2);
        self.comes(&packets);
        let loans = self.clients.each_ref().map(|it| {
            let loan = it.attachment.take_open_owned(1, Deadline::Now, None);
            loan.unwrap()
        });
        let stands = loans[0].bytes().to_vec();
        assert!(stands.len() > 10_000 && loans[0].open_bytes().is_some());
        (loans, stands, rest)
    }
}

#[test]
fn packet_of_an_open_frame_lost_then_its_end_names_the_bytes() {
    let mut cam = Receiver::start();
    let ([loan, other], stands, rest) = cam.half();
    cam.comes(&rest[1..]);
    assert_eq!(loan.bytes(), stands);
    // A later frame ends it.
    let next = cam.frame();
    cam.comes(&next);
    assert_eq!(loan.open_bytes(), None);
    assert_eq!(loan.meta().packets_lost, 1);
    drop((loan, other));
    let [client, _] = &cam.clients;
    let whole = client.attachment.take_open(1, Deadline::Now).unwrap();
    assert_eq!(whole.meta().packets_lost, 0);
}

#[test]
fn session_stopped_amid_an_open_frame_then_again_and_readable() {
    let mut receiver = Receiver::start();
    let ([loan, other], stands, _) = receiver.half();
    receiver.life.ask::<StopSession>(cam(), ()).unwrap();
    let told = loan.wait_bytes(1 << 20, Deadline::Never, None);
    let [client, _] = &receiver.clients;
    let again = client.attachment.take_open(1, Deadline::Never).map(drop);
    assert_eq!((told, again), (Ok(None), Err(Refusal::Again)));
    receiver.life.ask::<StartSession>(cam(), ()).unwrap();
    let next = receiver.frame();
    receiver.comes(&next);
    assert_eq!(loan.bytes()[..stands.len()], stands);
    drop((loan, other));
    let [one, two] = receiver.clients;
    receiver.life.detach(one).unwrap();
    receiver.life.detach(two).unwrap();
    balanced(&end(&mut receiver.life), 0);
}

#[test]
fn client_ended_with_an_open_frame_then_others_have_all_of_it() {
    for is_killed in [false, true] {
        let mut receiver = Receiver::start();
        let ([gone, loan], stands, rest) = receiver.half();
        let mut of_evicted = Vec::new();
        let [victim, client] = receiver.clients;
        if is_killed {
            std::mem::forget(gone);
            receiver.life.kill(victim);
        } else {
            let place = victim.place();
            receiver.life.ask::<EvictAttachment>(place, ()).unwrap();
            let stale = gone.wait_bytes(1 << 20, Deadline::Never, None);
            assert_eq!(stale, Err(Refusal::Stale));
            of_evicted.push((victim, gone));
        }
        receiver.clients = [client, receiver.life.attach("cam").unwrap()];
        receiver.comes(&rest);
        assert_eq!((loan.open_bytes(), loan.meta().packets_lost), (None, 0));
        assert_eq!(loan.bytes()[..stands.len()], stands);
        drop(loan);
        // It is filled with no other unit as long as the evicted client may read it.
        for _ in 0..12 {
            let next = receiver.frame();
            receiver.comes(&next);
            receiver.clients[0].attachment.take(Deadline::Now).unwrap();
        }
        for (_, gone) in &of_evicted {
            assert_eq!(gone.bytes()[..stands.len()], stands);
        }
    }
}
