//! Short grace periods of the kernel's RCU, for as long as a start takes.
//!
//! The end of a killed daemon, a socket of AF_PACKET or AF_XDP that is opened or closed, and a BPF link that is attached
//! each wait for grace periods: some 15 ms each time, and a start has a dozen of them, one after the other. With
//! `/sys/kernel/rcu_expedited` on, the kernel interrupts the processors instead and waits for less than 1 ms. The file is
//! the machine's, not this daemon's, so:
//!
//! 1. It is switched on unless `state.expedite_rcu` forbids it, if it is off, and off again when the daemon is ready or has
//!    failed to start.
//! 2. Before that the daemon writes its name into the state directory. If it is killed meanwhile, the next one finds
//!    the name of a dead daemon, and ends what that one began.
//! 3. If the daemon may not write the file (a container, a user without rights), its start takes longer.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::resources::{Owner, ProcessStatus};

const SWITCH: &str = "/sys/kernel/rcu_expedited";
/// In the state directory: the daemon that switched it on.
const MARK: &str = "short-grace-periods.json";

/// While it lives, grace periods are short.
#[derive(Debug)]
pub struct ShortGracePeriods {
    switch: PathBuf,
    mark: PathBuf,
}

impl ShortGracePeriods {
    /// `None`: it is not `wanted`, another program has switched it on, or this daemon may not.
    #[must_use]
    pub fn begin(state_dir: &Path, wanted: bool) -> Option<Self> {
        let begun = Self::with((Path::new(SWITCH), wanted), state_dir);
        begun.unwrap_or_else(|error| {
            tracing::debug!(%error, "grace periods stay long: the start takes longer");
            None
        })
    }

    fn with((switch, wanted): (&Path, bool), state_dir: &Path) -> io::Result<Option<Self>> {
        let mark = state_dir.join(MARK);
        let is_on = fs::read_to_string(switch)?.trim() != "0";
        let is_left = is_left_on(&mark);
        let may = is_left || (wanted && !is_on);
        if !may {
            return Ok(None);
        }
        if wanted {
            fs::write(&mark, serde_json::to_vec(&Owner::me()?)?)?;
        }
        let this = Self {
            switch: switch.to_owned(),
            mark,
        };
        // Dropped when not wanted, or after a failure: it is off.
        if wanted {
            fs::write(switch, "1")?;
        }
        Ok(wanted.then_some(this))
    }
}

/// Whether the daemon that switched it on has ended without switching it off. After a reboot it was not that daemon.
fn is_left_on(mark: &Path) -> bool {
    let owner = fs::read(mark).ok();
    let owner: Option<Owner> = owner.and_then(|it| serde_json::from_slice(&it).ok());
    let status = owner.and_then(|it| it.status().ok());
    matches!(
        status,
        Some(ProcessStatus::Dying | ProcessStatus::Gone | ProcessStatus::Elsewhere)
    )
}

impl Drop for ShortGracePeriods {
    fn drop(&mut self) {
        if let Err(error) = fs::write(&self.switch, "0") {
            let switch = self.switch.display();
            tracing::warn!(%error, "the kernel's grace periods stay short: echo 0 > {switch}");
            return;
        }
        if let Err(error) = fs::remove_file(&self.mark) {
            tracing::debug!(mark = %self.mark.display(), %error, "the next start finds it off");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn with(switch: &str) -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            fs::write(machine.switch(), switch).unwrap();
            machine
        }

        fn switch(&self) -> PathBuf {
            self.0.path().join("rcu_expedited")
        }

        fn begin(&self) -> Option<ShortGracePeriods> {
            ShortGracePeriods::with((&self.switch(), true), self.0.path()).unwrap()
        }

        fn is(&self) -> (String, bool) {
            let switch = fs::read_to_string(self.switch()).unwrap();
            (switch, self.0.path().join(MARK).exists())
        }

        /// A daemon has switched it on, and does not switch it off.
        fn left_by(&self, change: impl FnOnce(&mut Owner)) {
            let mut owner = Owner::me().unwrap();
            change(&mut owner);
            let mark = self.0.path().join(MARK);
            fs::write(mark, serde_json::to_vec(&owner).unwrap()).unwrap();
        }
    }

    #[test]
    fn start_then_short_until_it_ends() {
        let machine = Machine::with("0\n");
        let short = machine.begin();
        assert_eq!(machine.is(), ("1".into(), true));
        drop(short);
        assert_eq!(machine.is(), ("0".into(), false));
    }

    #[test]
    fn switched_on_by_another_program_then_it_stays() {
        let machine = Machine::with("1\n");
        assert!(machine.begin().is_none());
        // Of a daemon that starts now, and of one before the reboot.
        machine.left_by(|_| {});
        assert!(machine.begin().is_none());
        machine.left_by(|owner| owner.boot_id = "before".into());
        assert!(machine.begin().is_none());
        assert_eq!(machine.is().0, "1\n");
    }

    #[test]
    fn daemon_killed_in_its_start_then_the_next_one_switches_off() {
        let machine = Machine::with("1\n");
        machine.left_by(|owner| owner.started_ticks += 1);
        drop(machine.begin().unwrap());
        assert_eq!(machine.is(), ("0".into(), false));
    }

    #[test]
    fn not_wanted_then_only_what_a_killed_one_left_ends() {
        let machine = Machine::with("0\n");
        let begin = || ShortGracePeriods::with((&machine.switch(), false), machine.0.path());
        assert!(begin().unwrap().is_none());
        assert_eq!(machine.is(), ("0\n".into(), false));
        fs::write(machine.switch(), "1\n").unwrap();
        machine.left_by(|owner| owner.started_ticks += 1);
        assert!(begin().unwrap().is_none());
        assert_eq!(machine.is(), ("0".into(), false));
    }

    #[test]
    fn no_state_directory_or_no_rights_then_nothing_changes() {
        let machine = Machine::with("0");
        let missing = machine.0.path().join("missing");
        ShortGracePeriods::with((&machine.switch(), true), &missing).unwrap_err();
        assert_eq!(machine.is().0, "0");
        fs::remove_file(machine.switch()).unwrap();
        ShortGracePeriods::with((&machine.switch(), true), machine.0.path()).unwrap_err();
    }
}
