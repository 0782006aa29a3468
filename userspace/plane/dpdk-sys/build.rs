//! Finds DPDK and compiles the shim, which is the whole surface that OnAir uses. What it names is in DPDK 22.11 and
//! still in 24.11.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Libraries that we call into. Drivers are plugins that EAL loads by itself.
const LIBRARIES: &[&str] = &[
    "rte_ethdev",
    "rte_mbuf",
    "rte_mempool",
    "rte_ring",
    "rte_eal",
    "rte_net_ring",
];

fn main() {
    for file in ["build.rs", "shim.c", "shim.h"] {
        println!("cargo:rerun-if-changed={file}");
    }
    for variable in ["PKG_CONFIG", "PKG_CONFIG_PATH"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let dpdk = Dpdk::below(Path::new("/"))
        .or_else(|| Dpdk::below(&unpacked(&out)?))
        .expect("DPDK 22.11 or later is needed: `cargo xtask setup`, or Debian's libdpdk-dev");
    compile(&dpdk.flags);
    dpdk.link();
}

/// Where `cargo xtask setup` unpacks the headers: in cargo's target folder, as `out` is.
fn unpacked(out: &Path) -> Option<PathBuf> {
    out.ancestors()
        .map(|folder| folder.join("third-party/libdpdk-dev"))
        .find(|folder| folder.exists())
}

/// DPDK's flags, as pkg-config prints them.
struct Dpdk {
    /// `-I… -include rte_config.h -march=…`, as DPDK was built.
    flags: Vec<String>,
    /// `-L… -lrte_…`: where the libraries are installed, and all of them.
    libraries: Vec<String>,
    /// Where the headers and the links to the libraries lie as others lie below `/`.
    root: PathBuf,
}

impl Dpdk {
    fn below(root: &Path) -> Option<Self> {
        let flags = pkg_config("--cflags", root)?.into_iter();
        Some(Self {
            flags: flags
                .map(|flag| match flag.strip_prefix("-I/") {
                    Some(path) => format!("-I{}", root.join(path).display()),
                    None => flag,
                })
                .collect(),
            libraries: pkg_config("--libs", root)?,
            root: root.to_owned(),
        })
    }

    fn link(&self) {
        let mut folders = self.libraries.iter().filter_map(|it| it.strip_prefix("-L"));
        let folder = folders.next().expect("pkg-config names a folder");
        println!("cargo:rustc-link-search=native={folder}");
        let links = self.root.join(folder.trim_start_matches('/'));
        // DPDK 23.11 moved the log out of EAL.
        let log = self.libraries.iter().any(|it| it == "-lrte_log");
        for library in LIBRARIES.iter().copied().chain(log.then_some("rte_log")) {
            // The file's own name: links that were unpacked lead to where no library is.
            let mut file = links.join(format!("lib{library}.so"));
            while let Ok(next) = fs::read_link(&file) {
                file.pop();
                file.push(next);
            }
            let name = file.file_name().expect("links lead to a file").display();
            println!("cargo:rustc-link-lib=dylib:+verbatim={name}");
        }
    }
}

/// The answer of `libdpdk-libs`: `libdpdk` asks for the packages of every driver too, which are only needed
/// for static linking.
fn pkg_config(question: &str, root: &Path) -> Option<Vec<String>> {
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    let mut command = Command::new(&program);
    if root != Path::new("/") {
        let folder = root.join("usr/lib/x86_64-linux-gnu/pkgconfig");
        command.env("PKG_CONFIG_PATH", folder);
    }
    let output = command
        .args(["--print-errors", question, "libdpdk-libs >= 22.11"])
        .env("PKG_CONFIG_ALLOW_SYSTEM_LIBS", "1")
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|e| panic!("cannot run {program}: {e}"));
    let text = String::from_utf8_lossy(&output.stdout);
    let words = text.split_whitespace().map(str::to_owned).collect();
    output.status.success().then_some(words)
}

fn compile(flags: &[String]) {
    let mut shim = cc::Build::new();
    shim.file("shim.c").opt_level(3).extra_warnings(true);
    // An undeclared function would be taken to return int: a cut-off pointer.
    shim.flag("-Werror=implicit-function-declaration");
    // rte_dev_event_callback_register, which no version has as stable.
    shim.define("ALLOW_EXPERIMENTAL_API", None);
    for flag in flags {
        match flag.strip_prefix("-I") {
            // As the system's: DPDK's own inline functions are not warning-free.
            Some(path) => shim.flag("-isystem").flag(path),
            None => shim.flag(flag),
        };
    }
    shim.compile("onair_dpdk_shim");
}
