//! The daemon's end: the coordinator and its workers.

use super::Test::Unit;

mutants! {
    "shutdown: begun from the start" in "userspace/daemon/src/shutdown/coordinator.rs":
        "begun: AtomicBool::new(false)," => "begun: AtomicBool::new(true),",
        Unit("onaird", "shutdown_mgr__create");
    "shutdown: several begin it" in "userspace/daemon/src/shutdown/coordinator.rs":
        "        if self.shared.begun.swap(true, Ordering::SeqCst) {" =>
        "        let begun = self.shared.begun.load(Ordering::SeqCst);\n        std::thread::sleep(Duration::from_millis(50));\n        self.shared.begun.store(true, Ordering::SeqCst);\n        if begun {",
        Unit("onaird", "shutdown_mgr__trigger");
    "shutdown: begun without waking anybody" in "userspace/daemon/src/shutdown/coordinator.rs":
        "        self.shared.wakeup.ring();\n" => "",
        Unit("onaird", "shutdown_mgr__wakeup");
    "shutdown: a part that hangs is waited for" in "userspace/daemon/src/shutdown/sequence.rs":
        "if until(it) > now {" => "if until(it) + Duration::from_secs(40) > now {",
        Unit("onaird", "shutdown_mgr_each_phase_hung");
    "shutdown: workers are not told" in "userspace/daemon/src/shutdown/sequence.rs":
        "        shared.threads.stop_accepting();\n" => "",
        Unit("onaird", "shutdown_mgr__stop_threads");
    "shutdown: configured anew after it has begun" in "userspace/daemon/src/shutdown/coordinator.rs":
        "let in_time = !self.is_shutting_down();" => "let in_time = true;",
        Unit("onaird", "shutdown_mgr_configured");
    "shutdown: the last phases are not told" in "userspace/daemon/src/control/thread.rs":
        "                hub.tell(None, kind);" => "                drop(kind);",
        Unit("onaird", "events_told_after");
    "shutdown: a task may end unnoticed" in "userspace/daemon/src/control/thread.rs":
        "    shutdown.begin(Cause::PartEnded {\n        part: part.to_owned()," =>
        "    drop(Cause::PartEnded {\n        part: part.to_owned(),",
        Unit("onaird", "task_panics");
    "attach: a connection that panics has not hung up" in "userspace/daemon/src/control/attach/listener.rs":
        "if actions.send(hung_up).await.is_ok() {" => "drop(hung_up);\n    if actions.is_closed() {",
        Unit("onaird", "connection_its_task_panics");
    "worker: accepts though it was told not to" in "userspace/daemon/src/shutdown/workers.rs":
        "        self.accepting.store(false, Ordering::Release);\n" => "",
        Unit("onaird", "thread_state__stop");
    "workers: one of them is not told" in "userspace/daemon/src/shutdown/workers.rs":
        ".filter(|it| !it.to_the_end) {" => ".filter(|it| !it.to_the_end).skip(1) {",
        Unit("onaird", "thread_registry__shutdown");
    "workers: ended when one has" in "userspace/daemon/src/shutdown/workers.rs":
        "self.lock().iter().all(|thread| thread.is_stopped())" =>
        "self.lock().iter().any(|thread| thread.is_stopped())",
        Unit("onaird", "thread_registry__shutdown");
    "flush: done before the buffer is empty" in "userspace/daemon/src/shutdown/workers.rs":
        "if wanted == self.flushed || left > 0 {" => "if wanted == self.flushed {",
        Unit("onaird", "shutdown_mgr__flush_request");
    "flush: not waited for" in "userspace/daemon/src/shutdown/workers.rs":
        "self.wait(deadline, |it| it.flushed >= number || it.stopped);" =>
        "self.wait(deadline, |_| true);",
        Unit("onaird", "shutdown_mgr__flush_request");
    "flush: one of several is asked" in "userspace/daemon/src/shutdown/workers.rs":
        "    threads.retain(|thread| !thread.is_stopped());\n" =>
        "    threads.retain(|thread| !thread.is_stopped());\n    threads.truncate(1);\n",
        Unit("onaird", "multi_thread__flush");
    "jobs: refused as soon as the end begins" in "userspace/daemon/src/worker.rs":
        "threads.register_to_the_end(name)" => "threads.register(name)",
        Unit("onaird", "worker_jobs_handed_in");
    "jobs: the end does not wait for them" in "userspace/daemon/src/worker.rs":
        "guard.flush_progress(handed_in.saturating_sub(done));" => "guard.flush_progress(0);",
        Unit("onaird", "worker_jobs_handed_in");
    "jobs: one that failed is not said" in "userspace/daemon/src/worker.rs":
        "*failed = (failed.0 + 1, reason);" => "failed.1 = reason;",
        Unit("onaird", "worker_jobs_that_fail");
}
