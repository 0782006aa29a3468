//! The packages of the libraries, as the users of each take them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result, ensure};

use super::container::Container;
use crate::dist::{Made, copy};

/// Asks both libraries for C for something that needs no daemon.
const BOTH: &str = "#include <mtl/st_pipeline_api.h>
#include <onair.h>
#include <stdio.h>
int main(void) {
    printf(\"%s %s %zu\\n\", onair_version(), mtl_version(), st_frame_size(ST_FRAME_FMT_V210, 1920, 1080, false));
    return onair_buffer_put(1, NULL) < 0 ? 0 : 1;
}
";

/// Installs the packages, builds and runs programs with them; they take frames of `session`, if the container has it.
pub(super) fn run(container: &Container, made: &Made, session: Option<&str>) -> Result<()> {
    let folder = container.path("/clients");
    for file in made.libraries.iter().chain(&made.wheel) {
        let name = file.file_name().context("a file")?;
        copy(file, &folder.join(name), 0o644)?;
    }
    fs::write(folder.join("both.c"), BOTH)?;
    let script = folder.join("clients.sh");
    fs::write(&script, include_str!("clients.sh"))?;
    fs::set_permissions(script, fs::Permissions::from_mode(0o755))?;
    let line: Vec<_> = ["/clients/clients.sh"].into_iter().chain(session).collect();
    let said = container.ok(&line.join(" "))?;
    ensure!(said.contains(" 5529600\n"), "{said}");
    Ok(())
}
