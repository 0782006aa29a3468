//! Compiles the programs in `src` with clang for the BPF target.

use std::path::{Path, PathBuf};
use std::process::{Command, exit};

/// Newest tried first among those that Debian 12 carries; `clang` last, it may be anything.
const COMPILERS: [&str; 6] = [
    "clang-14", "clang-16", "clang-15", "clang-18", "clang-19", "clang",
];

fn main() {
    println!("cargo::rerun-if-changed=src/waiters.h");
    println!("cargo::rerun-if-env-changed=ONAIR_CLANG");

    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let Some(clang) = compiler() else {
        fail("no clang found (tried $ONAIR_CLANG, clang-14 … clang-19, clang)");
    };
    if !Path::new("/usr/include/bpf/bpf_helpers.h").exists() {
        fail("/usr/include/bpf/bpf_helpers.h is missing (package libbpf-dev)");
    }
    for name in ["waiters", "descriptors", "openings", "port"] {
        println!("cargo::rerun-if-changed=src/{name}.bpf.c");
        compile(&clang, name, &out);
    }
}

/// Compiles `src/NAME.bpf.c` to `NAME.bpf.o` in `out`.
fn compile(clang: &str, name: &str, out: &Path) {
    let source = format!("src/{name}.bpf.c");
    let mut command = Command::new(clang);
    command
        .args([
            "-O2",
            "-g",
            "-mcpu=v3",
            "-target",
            "bpf",
            "-D__TARGET_ARCH_x86",
        ])
        .args(["-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror"])
        // asm/types.h lies in the multiarch folder, which clang leaves out for this target.
        .arg("-I/usr/include/x86_64-linux-gnu")
        // Otherwise the path of the build machine stands in the object's debug information.
        .arg(format!(
            "-fdebug-prefix-map={}=.",
            std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR")
        ))
        .args(["-c", &source, "-o"])
        .arg(out.join(format!("{name}.bpf.o")));
    match command.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => fail(&format!(
            "{clang} could not compile {source}:\n{}",
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => fail(&format!("{clang} could not be run: {error}")),
    }
}

fn compiler() -> Option<String> {
    let chosen = std::env::var("ONAIR_CLANG").ok();
    let answers = |name: &str| {
        Command::new(name)
            .arg("--version")
            .output()
            .is_ok_and(|output| output.status.success())
    };
    match chosen {
        Some(name) => answers(&name).then_some(name),
        None => COMPILERS
            .into_iter()
            .find(|name| answers(name))
            .map(str::to_owned),
    }
}

fn fail(what: &str) -> ! {
    eprintln!("onair-ebpf: {what}\nInstall what is missing with: cargo xtask setup");
    exit(1);
}
