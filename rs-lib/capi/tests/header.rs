//! `include/latchwork.h` is what cbindgen makes of the sources: `BLESS=1 cargo test -p latchwork-capi --test header` writes it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

#[test]
fn the_header_is_current() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // It finds the modules by itself; a file that it is given beside is in the header twice.
    let builder = cbindgen::Builder::new().with_src(here.join("src/lib.rs"));
    let config = cbindgen::Config::from_file(here.join("cbindgen.toml")).unwrap();
    let mut made = Vec::new();
    builder.with_config(config).generate().unwrap().write(&mut made);
    let made = String::from_utf8(made).unwrap();
    let path = here.join("include/latchwork.h");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(checked_in, made, "BLESS=1 writes the header anew");
    // Everything in it says what it means.
    for function in made.lines().filter(|line| line.contains("latchwork_") && line.ends_with("(void);")) {
        assert!(function.starts_with("size_t"), "{function}");
    }
}
