//! The gate, the books, and the verdict.

use super::Test::{File, Loom, Shuttle, Unit, Words};

mutants! {
    // The verdict and the books.
    "verdict: without the probe" in "userspace/daemon/src/witness/mod.rs":
        "pollers == Says::Zero && probe_allows;" => "pollers == Says::Zero;",
        Unit("onaird", "verdict_every_combination");
    "verdict: without the ledger" in "userspace/daemon/src/witness/mod.rs":
        "slots == Says::Zero && ledger == Says::Zero &&" => "slots == Says::Zero &&",
        Unit("onaird", "verdict_every_combination");
    "death: a process is credited twice" in "userspace/ipc/src/lender.rs":
        ".drain(..)\n            .map(|entry| {\n                self.memory.frame_words()[entry.frame as usize].clear();" =>
        ".iter()\n            .map(|entry| {\n                self.memory.frame_words()[entry.frame as usize].clear();",
        Unit("onair-ipc", "credit_dead_process");
    "death: a thread is credited twice" in "userspace/ipc/src/lender.rs":
        "        word.clear();\n        self.ledger.remove(at);\n        Some(frame)" =>
        "        let _ = at;\n        Some(frame)",
        Unit("onair-ipc", "credit_dead_thread");
    "death: a thread is credited with what another took" in "userspace/ipc/src/lender.rs":
        " || tag.slot != slot.index" => "",
        Unit("onair-ipc", "credit_dead_thread");
    // Gate and generation.
    "gates: read again after the check" in "userspace/ipc/src/caller/call.rs":
        "gates: (local, session)," =>
        "gates: (words.local_gate().load(), words.session_gate().load()),",
        Shuttle("pulses");
    "gates: the bit instead of the generation" in "userspace/ipc/src/caller/wait.rs":
        "if attachment.words.local_gate().load() != local\n                || attachment.words.session_gate().load() != session" =>
        "let _ = (local, session);\n            if !is_open(attachment.words.local_gate().load())\n                || !is_open(attachment.words.session_gate().load())",
        Shuttle("pulses");
    "gates: 1 is used, whose closed form is a fresh ack" in "userspace/ipc/src/gate.rs":
        "        1 => 3,\n" => "", Unit("onair-ipc", "gate_wraps");
    "stop: the bells before the gate" in "userspace/ipc/src/memory.rs":
        "self.gate().stop();\n        self.notify_all();" => "self.notify_all();\n        self.gate().stop();",
        Shuttle("pulses");
    "stop: one bell less" in "userspace/ipc/src/memory.rs":
        "let bells = [self.frame_ready(), self.event_ready()];\n        let struck" =>
        "let bells = [self.frame_ready()];\n        let struck",
        Shuttle("pulses");
    "stop: wakes nobody" in "userspace/ipc/src/memory.rs":
        "                sys::futex_wake(bell.word(), ONE);\n" => "                let _ = bell;\n",
        Shuttle("pulses");
    "stop: who is woken wakes nobody" in "userspace/ipc/src/caller/wait.rs":
        "            sys::futex_wake(bell.word(), sys::ALL);\n" => "            let _ = sys::ALL;\n",
        Shuttle("pulses");
    "stop: who is woken wakes one" in "userspace/ipc/src/caller/wait.rs":
        "sys::futex_wake(bell.word(), sys::ALL);" => "sys::futex_wake(bell.word(), 1);",
        Shuttle("pulses");
    "wake-ups: all at once, by the daemon" in "userspace/ipc/src/memory.rs":
        "const ONE: i32 = 1;" => "const ONE: i32 = i32::MAX;",
        Words("hostile", "words_slept_on");
    "stop: wakes as many as the client says" in "userspace/daemon/src/waking.rs":
        "memory.sleepers().min(MOST)" => "memory.sleepers()",
        Unit("onaird", "waking_sleepers_that_count_often");
    "start: who is woken wakes nobody" in "userspace/ipc/src/caller/wait.rs":
        "        sys::futex_wake(attachment.words.session_gate().word(), sys::ALL);\n" => "",
        Shuttle("session_pulses");
    "local stop: one bell less" in "userspace/ipc/src/caller/mod.rs":
        "for bell in [self.words.frame_ready(), self.words.event_ready()] {" =>
        "for bell in [self.words.frame_ready()] {",
        Shuttle("local_pulses");
    "local stop: no bell" in "userspace/ipc/src/caller/mod.rs":
        "        label!(\"stop.gate_closed\");\n        self.ring_all();\n" =>
        "        label!(\"stop.gate_closed\");\n",
        Shuttle("local_pulses");
    // Sleeping.
    "wait: not on the life word" in "userspace/ipc/src/caller/wait.rs":
        "                (bell.word(), heard),\n                (attachment.words.life(), attachment.life_value),\n" =>
        "                (bell.word(), heard),\n",
        Shuttle("daemon_dies");
    "wait: who wakes of the daemon's death does not pass it on" in "userspace/ipc/src/caller/wait.rs":
        "            if attachment.is_daemon_lost() {\n                wake_others(attachment);" =>
        "            if attachment.is_daemon_lost() {",
        Shuttle("daemon_dies");
    "wait: no look at the gates before the first sleep" in "userspace/ipc/src/caller/wait.rs":
        "        loop {\n            let heard = bell.listen();\n            label!(\"wait.listened\");\n            if attachment.words.local_gate().load() != local\n                || attachment.words.session_gate().load() != session\n            {" =>
        "        let mut looks = 0;\n        loop {\n            let heard = bell.listen();\n            looks += 1;\n            if looks > 1\n                && (attachment.words.local_gate().load() != local\n                    || attachment.words.session_gate().load() != session)\n            {",
        Shuttle("pulses");
    "wait: the deadline before the frame" in "userspace/ipc/src/caller/wait.rs":
        "            if let Some(taken) = attempt() {\n                label!(\"wait.served\");\n                result = Ok(taken);\n                break;\n            }\n            if expired {\n                break;\n            }" =>
        "            if expired {\n                break;\n            }\n            if let Some(taken) = attempt() {\n                result = Ok(taken);\n                break;\n            }",
        Shuttle("wakes");
    "wait: the deadline before the gates" in "userspace/ipc/src/caller/wait.rs":
        "            let heard = bell.listen();" =>
        "            let heard = bell.listen();\n            if expired {\n                break;\n            }",
        Shuttle("session_pulses");
    "wait_started: not on the session's gate" in "userspace/ipc/src/caller/wait.rs":
        "            (attachment.words.session_gate().word(), session),\n" => "",
        Shuttle("session_pulses");
    "wait_started: not on the local gate" in "userspace/ipc/src/caller/wait.rs":
        "            (attachment.words.local_gate().word(), local),\n" => "",
        Shuttle("local_pulses");
    "wait_started: not on the state" in "userspace/ipc/src/caller/wait.rs":
        "            (attachment.words.state(), State::Open as u32),\n" => "",
        Words("lend_and_take", "wait_started_session_ends");
    "publish: rings for nobody" in "userspace/ipc/src/lender.rs":
        "if memory.frame_ready().strike() {" => "if memory.frame_ready().is_awaited() {",
        Shuttle("wakes");
    // The news that the service goes away.
    "final_event: not for who finds a gate closed" in "userspace/ipc/src/caller/call.rs":
        "let last = final_event();" => "let last: Option<T> = None;\n            let _ = &mut final_event;",
        File("onair", "client", "drain_told");
    "final_event: not for who wakes to a closed gate" in "userspace/ipc/src/caller/wait.rs":
        "result = final_event().ok_or_else(|| attachment.why_closed());" =>
        "result = Err(attachment.why_closed());",
        File("onair", "client", "drain_told_and_the_session_stopped_at_once");
    "final_event: not the descriptor's" in "userspace/ipc/src/caller/mod.rs":
        "return self.is_drain_told(words.event_head().load(Ordering::Acquire));" => "return false;",
        File("onair", "client", "drain_told_of_a_stopped");
    "final_event: the descriptor calls for what nobody takes" in "userspace/ipc/src/caller/mod.rs":
        "        if self.is_stopped() {\n            return self.is_drain_told" =>
        "        if self.is_gone() {\n            return self.is_drain_told",
        File("onair", "client", "drain_told_of_a_stopped");
    // Counting.
    "enter: no light fence" in "userspace/ipc/src/slot.rs":
        "self.count.store(count.wrapping_add(1), Ordering::Release);\n            light();" =>
        "self.count.store(count.wrapping_add(1), Ordering::Release);",
        Loom("drain");
    "leave: no light fence" in "userspace/ipc/src/slot.rs":
        "self.count.store(count.wrapping_sub(1), Ordering::Release);\n            light();" =>
        "self.count.store(count.wrapping_sub(1), Ordering::Release);",
        Loom("kick");
    "leave: relaxed" in "userspace/ipc/src/slot.rs":
        "self.count.store(count.wrapping_sub(1), Ordering::Release);" =>
        "self.count.store(count.wrapping_sub(1), Ordering::Relaxed);",
        Loom("drain");
    "scan: relaxed" in "userspace/ipc/src/slot.rs":
        "count: self.count.load(Ordering::Acquire)," => "count: self.count.load(Ordering::Relaxed),",
        Loom("drain");
    "scan: the acknowledgement relaxed" in "userspace/ipc/src/slot.rs":
        "ack: self.ack.load(Ordering::Acquire)," => "ack: self.ack.load(Ordering::Relaxed),",
        Loom("drain");
    "barrier: none" in "userspace/ipc/src/sync.rs":
        "        crate::sys::membarrier_global();\n" => "",
        Words("store_order", "");
    "slot: an old claim's acknowledgement stays" in "userspace/ipc/src/slot.rs":
        "        self.ack.store(0, Ordering::Relaxed);\n        self.intent.store(NO_INTENT, Ordering::Relaxed);\n        self.claimed_at" =>
        "        self.intent.store(NO_INTENT, Ordering::Relaxed);\n        self.claimed_at",
        Unit("onair-ipc", "slot_old_ack");
    "slot: an old acknowledgement counts for a new stop" in "userspace/ipc/src/slot.rs":
        "(shared || self.ack != gate)" => "(shared || self.ack == 0)",
        Unit("onair-ipc", "slot_old_ack");
    "slot: the shared one takes an acknowledgement" in "userspace/ipc/src/slot.rs":
        "self.count > 0 && (shared || self.ack != gate)" => "self.count > 0 && self.ack != gate",
        Unit("onair-ipc", "slot_old_ack");
    "slot: a handler acknowledges for the call that it interrupts" in "userspace/ipc/src/caller/call.rs":
        "let speaks = !nested && index != OWN_SLOTS;" => "let speaks = index != OWN_SLOTS;",
        Words("lend_and_take", "in_a_handler");
    "slot: claimed relaxed" in "userspace/ipc/src/slot.rs":
        ".compare_exchange(0, tid, Ordering::Acquire, Ordering::Relaxed)" =>
        ".compare_exchange(0, tid, Ordering::Relaxed, Ordering::Relaxed)",
        Loom("slot");
    // The kick.
    "kick: not after a call that bounced" in "userspace/ipc/src/caller/call.rs":
        "        if !already {\n            self.kick_look();\n        }" => "        let _ = already;",
        Shuttle("drain");
    "kick: not after a call that waited" in "userspace/ipc/src/caller/call.rs":
        "        leave(entered.slot, entered.plain, entered.nested);\n        label!(\"wait.left\");\n        self.kick_look();" =>
        "        leave(entered.slot, entered.plain, entered.nested);",
        Shuttle("drain");
    "kick: looked at before the count goes down" in "userspace/ipc/src/caller/call.rs":
        "        leave(entered.slot, entered.plain, entered.nested);\n        label!(\"wait.left\");\n        self.kick_look();" =>
        "        self.kick_look();\n        leave(entered.slot, entered.plain, entered.nested);",
        Shuttle("drain");
    "kick: not after a put" in "userspace/ipc/src/caller/lease.rs":
        "        label!(\"put.released\");\n        self.kick_look();\n" => "        label!(\"put.released\");\n",
        Words("lend_and_take", "put_after_stop");
    "kick: taken by two" in "userspace/ipc/src/kick.rs":
        "self.0.swap(0, Ordering::SeqCst) != 0" => "self.0.load(Ordering::SeqCst) != 0",
        Unit("onair-ipc", "kick_armed");
    "kick: not armed for a drain" in "userspace/ipc/src/fence.rs":
        "        memories.for_each(AttachmentMemory::arm_kick);" => "        memories.for_each(drop);",
        Words("lend_and_take", "put_after_stop");
    "books: a frame given back is not counted" in "userspace/ipc/src/lender.rs":
        "                    *returned += 1;" => "                    let _ = &returned;",
        Words("lend_and_take", "put_after_stop");
    // Evict.
    "evict: the word is read, then stored" in "userspace/ipc/src/frame_word.rs":
        "        FrameTag::decode(self.0.swap(\n            FrameTag::new(serial, 0, FrameState::Revoked).encode(),\n            Ordering::AcqRel,\n        ))" =>
        "        let found = self.load();\n        let revoked = FrameTag::new(serial, 0, FrameState::Revoked);\n        self.0.store(revoked.encode(), Ordering::Release);\n        found",
        Shuttle("evict");
    "evict: the ledger keeps the lends" in "userspace/ipc/src/lender.rs":
        "for entry in self.ledger.drain(..) {\n            let tag" =>
        "for entry in self.ledger.iter() {\n            let tag",
        Shuttle("evict");
    "evict: what is held counts as unread" in "userspace/ipc/src/lender.rs":
        "                _ => Found::Held,\n" => "                _ => Found::Unread,\n",
        Shuttle("evict");
    "evict: swapped relaxed" in "userspace/ipc/src/frame_word.rs":
        "            FrameTag::new(serial, 0, FrameState::Revoked).encode(),\n            Ordering::AcqRel," =>
        "            FrameTag::new(serial, 0, FrameState::Revoked).encode(),\n            Ordering::Relaxed,",
        Loom("revoke");
    // Leave.
    "leave: whatever is pinned" in "userspace/ipc/src/pins.rs":
        "!self.is_any() && callers() == 0 && !self.is_any()" => "callers() == 0",
        File("onair", "client", "end_buffer_borrowed");
    "leave: whoever is inside" in "userspace/ipc/src/pins.rs":
        "!self.is_any() && callers() == 0 && !self.is_any()" => "!self.is_any()",
        Shuttle("leave");
    "leave: the pins only before the callers" in "userspace/ipc/src/pins.rs":
        "!self.is_any() && callers() == 0 && !self.is_any()" => "!self.is_any() && callers() == 0",
        Unit("onair-ipc", "pins_one_set");
    "leave: found out, and held handles are not asked" in "userspace/ipc/src/caller/leaving.rs":
        "if end == End::FoundOut && self.held() > 0 {" => "if end == End::FoundOut && self.held() > 1000 {",
        File("onair", "client", "end_handle_kept");
    "leave: by hand, and held handles are asked" in "userspace/ipc/src/caller/leaving.rs":
        "if end == End::FoundOut && self.held() > 0 {" => "if self.held() > 0 {",
        File("onair", "client", "detach_after_an_end");
    "pin: set after the slot was left" in "userspace/ipc/src/caller/held.rs":
        "        let lend = self.win(deadline)?;\n" =>
        "        let lend = self.win(deadline)?;\n        self.pins.unpin(lend.frame, true);\n        self.end_look();\n        self.pins.pin(lend.frame);\n",
        Shuttle("leave");
    "pin: cleared relaxed" in "userspace/ipc/src/pins.rs":
        "pin.store(0, Ordering::Release);" => "pin.store(0, Ordering::Relaxed);",
        Loom("leave");
    "pin: no light fence after it is cleared" in "userspace/ipc/src/pins.rs":
        "            pin.store(0, Ordering::Release);\n            light();" =>
        "            pin.store(0, Ordering::Release);",
        Loom("leave");
    "end: a put does not look" in "userspace/ipc/src/caller/lease.rs":
        "        self.end_look();\n" => "",
        File("onair", "client", "end_buffer_borrowed");
    "end: a call that waited does not look" in "userspace/ipc/src/caller/call.rs":
        "        label!(\"wait.left\");\n        self.kick_look();\n        self.end_look();" =>
        "        label!(\"wait.left\");\n        self.kick_look();",
        Shuttle("leave");
    "files: a seal is not asked for" in "userspace/ipc/src/caller/files.rs":
        "if !seals.contains(SealFlags::SHRINK) {" => "if seals.contains(SealFlags::WRITE) {",
        File("onair", "client", "a_file_that_can_be_cut_short");
    "fork: a child joins its parent's thread" in "userspace/ipc/src/caller/watch.rs":
        "if self.attachment.is_inherited() {" => "if !self.attachment.is_inherited() && self.thread.is_none() {",
        Words("lend_and_take", "child_drops_a_watch");
    // Frame words.
    "frame: taken back without a compare-and-exchange" in "userspace/ipc/src/frame_word.rs":
        "    pub fn withdraw(&self, serial: u32) -> bool {\n" =>
        "    pub fn withdraw(&self, serial: u32) -> bool {\n        if self.load().serial == serial {\n            self.clear();\n            return true;\n        }\n",
        Shuttle("storm");
    "frame: published relaxed" in "userspace/ipc/src/frame_word.rs":
        "            FrameTag::new(serial, 0, FrameState::Ready).encode(),\n            Ordering::Release," =>
        "            FrameTag::new(serial, 0, FrameState::Ready).encode(),\n            Ordering::Relaxed,",
        Loom("bell");
    "frame: credited relaxed" in "userspace/ipc/src/frame_word.rs":
        "FrameTag::decode(self.0.load(Ordering::Acquire))" =>
        "FrameTag::decode(self.0.load(Ordering::Relaxed))",
        Loom("frame");
    "frame: a put of an earlier lend releases the present one" in "userspace/ipc/src/frame_word.rs":
        "    pub fn release(&self, serial: u32, slot: u16) -> Result<(), FrameTag> {\n" =>
        "    pub fn release(&self, _: u32, slot: u16) -> Result<(), FrameTag> {\n        let serial = self.load().serial;\n",
        Unit("onair-ipc", "frame_word_stale_serial");
    "take: the intent of the call before stays" in "userspace/ipc/src/caller/call.rs":
        "        label!(\"call.begun\");\n        slot.intend(NO_INTENT);\n" => "",
        Words("lend_and_take", "looking_again");
    "take: the intent is noted before the look" in "userspace/ipc/src/caller/call.rs":
        "                words.frame(taken.frame()).is_some_and(|word| {" =>
        "                words.slot(slot).intend(entry);\n                words.frame(taken.frame()).is_some_and(|word| {",
        Words("lend_and_take", "looking_again");
    "reap: credits whatever serial" in "userspace/ipc/src/lender.rs":
        "Some(FrameState::Released) if tag.serial == entry.serial => {" =>
        "Some(FrameState::Released) => {",
        Unit("onair-ipc", "reap_released");
}
