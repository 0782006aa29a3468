//! What is committed as the bindings of `shim.h` are its bindings.

use std::{env, fs};

const COMMITTED: &str = "src/bindings.rs";

#[test]
fn bindings_are_those_of_the_header() {
    let made = bindgen::Builder::default()
        .header("shim.h")
        .allowlist_file("shim.h")
        .rust_target(
            bindgen::RustTarget::stable(85, 0).expect("it knows the first of edition 2024"),
        )
        .rust_edition(bindgen::RustEdition::Edition2024)
        .use_core()
        .merge_extern_blocks(true)
        .derive_default(true)
        .generate_comments(false)
        .prepend_enum_name(false)
        .disable_header_comment()
        .formatter(bindgen::Formatter::Prettyplease)
        .generate()
        .expect("bindgen reads the header")
        .to_string();
    if env::var_os("ONAIR_WRITE_BINDINGS").is_some() {
        fs::write(COMMITTED, &made).expect("the file can be written");
    }
    let committed = fs::read_to_string(COMMITTED).expect("the bindings are there");
    assert!(
        committed == made,
        "{COMMITTED} is not made of shim.h: ONAIR_WRITE_BINDINGS=1 cargo test -p dpdk-sys"
    );
}
