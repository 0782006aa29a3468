//! What `onaird --help` says of signals and exit statuses is what the code has.

use std::process::Command;

use onaird::shutdown::{Exit, HANDLED};
use signal_hook::low_level::signal_name;

#[test]
fn help_signals_and_statuses_then_each_is_in_it() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onaird"));
    let said = command.arg("--help").output().unwrap();
    let help = String::from_utf8(said.stdout).unwrap();
    for signal in HANDLED {
        let name = signal_name(signal).unwrap();
        assert!(help.contains(name), "{name}: {help}");
    }
    for exit in Exit::ALL {
        let (status, meaning) = (exit.status(), exit.meaning());
        let line = format!("  {status}  {meaning}");
        assert!(help.lines().any(|it| it == line), "{line}: {help}");
    }
}
