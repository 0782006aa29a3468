//! Sets `--cfg mutants` for this crate alone: nothing else has to be built differently.

fn main() {
    println!("cargo::rerun-if-env-changed=ONAIR_BUILD_MUTANTS");
    if std::env::var_os("ONAIR_BUILD_MUTANTS").is_some() {
        println!("cargo::rustc-cfg=mutants");
    }
}
