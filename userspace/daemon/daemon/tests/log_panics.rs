//! Panics in the log, in a process of their own: the hook is the whole process's.

use onair_settings::config::{Log, LogFormat};
use onair_stage::this_test;
use onaird::log;
use serde_json::Value;

/// In its environment a process is told that it is the one that panics.
const CHILD: &str = "ONAIR_TEST_PANICS";

fn panic_in_a_thread() {
    log::start(&Log {
        format: LogFormat::Json,
        filter: "info".into(),
    })
    .unwrap();
    tracing::info!("before");
    let thread = std::thread::Builder::new().name("victim".into());
    let thread = thread.spawn(|| panic!("two\nlines and \"quotes\""));
    assert!(thread.unwrap().join().is_err());
    log::fatal(&"after\nit");
    log::flush();
}

#[test]
fn log_json_and_a_thread_panics_then_that_is_one_object() {
    if std::env::var_os(CHILD).is_some() {
        panic_in_a_thread();
        return;
    }
    let mut child = this_test();
    for backtrace in ["0", "1"] {
        let said = child.env(CHILD, "1").env("RUST_BACKTRACE", backtrace);
        let said = said.env_remove("ONAIR_LOG").output().unwrap();
        assert!(said.status.success(), "{said:?}");
        let said = String::from_utf8(said.stderr).unwrap();
        let lines: Vec<Value> = said
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let [before, panic, after] = &lines[..] else {
            panic!("{said}");
        };
        assert_eq!(before["fields"]["message"], "before");
        assert_eq!(panic["level"], "ERROR");
        assert_eq!(panic["fields"]["thread"], "victim");
        assert_eq!(panic["fields"]["panic"], "two\nlines and \"quotes\"");
        let location = panic["fields"]["location"].as_str().unwrap();
        assert!(location.contains("log_panics.rs"), "{location}");
        assert_eq!(panic["fields"]["backtrace"].is_string(), backtrace == "1");
        assert_eq!(after["fields"]["message"], "after\nit");
    }
}
