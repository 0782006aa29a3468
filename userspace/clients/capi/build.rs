//! The name and the version node of the shared library. rustc hides what is not exported; `src/lib.rs` gives each
//! exported symbol its version.

fn main() {
    let folder = env!("CARGO_MANIFEST_DIR");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libonair.so.1");
    println!("cargo:rustc-cdylib-link-arg=-Wl,--version-script={folder}/onair.map");
    println!("cargo:rerun-if-changed=onair.map");
}
