//! The same wheel on later interpreters: those that the machine has.

use anyhow::{Result, ensure};
use onair_tests::{Rig, program};

use super::{command_of, said};

#[test]
fn python_tests_on_later_interpreters_then_all_pass() -> Result<()> {
    for version in ["3.12", "3.13"] {
        // `cargo xtask test` says which is absent.
        let Ok(interpreter) = program(&format!("../tools/python{version}/bin/python")) else {
            continue;
        };
        let rig = Rig::rings()?;
        let mut asked = command_of(&rig, &interpreter, &["--version"]);
        let name = said(&mut asked)?;
        ensure!(name.starts_with(&format!("Python {version}.")), "{name}");
        let said = said(&mut command_of(&rig, &interpreter, &["-m", "pytest"]))?;
        ensure!(
            said.contains(" passed") && !said.contains("skipped"),
            "{said}"
        );
        rig.control()?.health()?;
    }
    Ok(())
}
