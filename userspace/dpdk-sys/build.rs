//! Finds the installed DPDK, compiles the shim and generates the bindings.
//!
//! The allow-lists below are the whole surface that OnAir uses: a new call
//! into DPDK is a new line here. Everything named exists in DPDK 22.11 and
//! still exists in 24.11.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Functions that DPDK exports, plus our shim's.
const FUNCTIONS: &[&str] = &[
    // EAL
    "rte_eal_cleanup",
    "rte_eal_init",
    "rte_strerror",
    "rte_thread_register",
    "rte_thread_unregister",
    "rte_version",
    "rte_version_month",
    "rte_version_year",
    // Devices
    "rte_dev_event_callback_register",
    "rte_dev_probe",
    "rte_dev_remove",
    // Ethernet ports
    "rte_eth_allmulticast_enable",
    "rte_eth_dev_adjust_nb_rx_tx_desc",
    "rte_eth_dev_close",
    "rte_eth_dev_configure",
    "rte_eth_dev_get_mtu",
    "rte_eth_dev_get_port_by_name",
    "rte_eth_dev_info_get",
    "rte_eth_dev_rx_intr_ctl_q_get_fd",
    "rte_eth_dev_rx_intr_disable",
    "rte_eth_dev_rx_intr_enable",
    "rte_eth_dev_rx_offload_name",
    "rte_eth_dev_set_mc_addr_list",
    "rte_eth_dev_socket_id",
    "rte_eth_dev_start",
    "rte_eth_dev_stop",
    "rte_eth_dev_tx_offload_name",
    "rte_eth_from_rings",
    "rte_eth_macaddr_get",
    "rte_eth_promiscuous_disable",
    "rte_eth_promiscuous_enable",
    "rte_eth_rx_queue_setup",
    "rte_eth_stats_get",
    "rte_eth_tx_done_cleanup",
    "rte_eth_tx_queue_setup",
    // Memory
    "rte_mempool_avail_count",
    "rte_mempool_free",
    "rte_ring_create",
    "rte_ring_free",
    // shim.h
    "onair_.*",
];

/// Types that no allowed function names in its signature.
const TYPES: &[&str] = &["onair_mbuf_flag", "onair_mbuf_offset", "rte_mbuf"];

/// Constants; those of the shim stand for what bindgen cannot read.
const CONSTANTS: &[&str] = &[
    "ONAIR_.*",
    "RTE_ETH_SPEED_NUM_UNKNOWN",
    "RTE_PKTMBUF_HEADROOM",
    "RTE_VER_MONTH",
    "RTE_VER_YEAR",
];

/// Types that are only ever held by pointer, or whose fields moved between
/// DPDK 22.11 and 24.11.
const OPAQUE: &[&str] = &[
    "rte_device",
    "rte_flow",
    "rte_mbuf",
    "rte_memzone",
    "rte_mempool",
    "rte_ring",
];

/// What we call into. Drivers are plugins that EAL loads by itself.
const LIBRARIES: &[&str] = &[
    "rte_ethdev",
    "rte_mbuf",
    "rte_mempool",
    "rte_ring",
    "rte_eal",
    "rte_net_ring",
];

fn main() {
    for file in ["build.rs", "shim.c", "shim.h", "wrapper.h"] {
        println!("cargo:rerun-if-changed={file}");
    }
    // The crate's own output would link some 55 libraries.
    let dpdk = pkg_config::Config::new()
        .atleast_version("22.11")
        .cargo_metadata(false)
        .probe("libdpdk")
        .unwrap_or_else(|e| {
            panic!("DPDK 22.11 or later is needed (Debian: apt install libdpdk-dev): {e}")
        });
    let flags = machine_flags();

    let mut shim = cc::Build::new();
    shim.file("shim.c").opt_level(3).extra_warnings(true);
    // An undeclared function would be taken to return int: a cut-off pointer.
    shim.flag("-Werror=implicit-function-declaration");
    for path in &dpdk.include_paths {
        // As the system's: DPDK's own inline functions are not warning-free.
        shim.flag("-isystem").flag(path.display().to_string());
    }
    for flag in &flags {
        shim.flag(flag);
    }
    shim.compile("onair_dpdk_shim");

    for path in &dpdk.link_paths {
        println!("cargo:rustc-link-search=native={}", path.display());
    }
    // DPDK 23.11 moved the log out of EAL.
    let log = dpdk
        .libs
        .iter()
        .map(String::as_str)
        .find(|&name| name == "rte_log");
    for library in LIBRARIES.iter().copied().chain(log) {
        println!("cargo:rustc-link-lib={library}");
    }

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    generate(&dpdk.include_paths, &flags, &out.join("bindings.rs"));
}

/// `-include rte_config.h -march=…` as DPDK was built: the crate `pkg-config`
/// gives include paths and defines only.
fn machine_flags() -> Vec<String> {
    let pkg_config = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    let output = Command::new(&pkg_config)
        .args(["--cflags-only-other", "libdpdk"])
        .output()
        .unwrap_or_else(|e| panic!("cannot run {pkg_config}: {e}"));
    String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

fn generate(includes: &[PathBuf], flags: &[String], to: &Path) {
    let mut builder = bindgen::Builder::default()
        .header("wrapper.h")
        .clang_args(flags)
        .clang_args(includes.iter().map(|p| format!("-I{}", p.display())))
        .rust_edition(bindgen::RustEdition::Edition2024)
        .use_core()
        .derive_default(true)
        .generate_comments(false)
        .prepend_enum_name(false)
        .parse_callbacks(Box::new(bindgen::CargoCallbacks::new()));
    for name in FUNCTIONS {
        builder = builder.allowlist_function(name);
    }
    for name in TYPES {
        builder = builder.allowlist_type(name);
    }
    for name in CONSTANTS {
        builder = builder.allowlist_var(name);
    }
    for name in OPAQUE {
        builder = builder.opaque_type(name);
    }
    builder
        .generate()
        .unwrap_or_else(|e| panic!("bindgen over DPDK's headers failed: {e}"))
        .write_to_file(to)
        .unwrap_or_else(|e| panic!("cannot write {}: {e}", to.display()));
}
