//! What the files look like.

use latchwork_house::files;

/// Rooms without a heap and without an operating system.
const NO_STD: &[&str] =
    &["protocol/", "rs-lib/", "examples/door-lock/app/", "examples/door-lock/slip/", "examples/door-lock/ethernet/"];

/// Past this, a file holds two subjects.
const MAX_LINES: usize = 600;

#[test]
fn every_file_says_what_it_is_about() {
    for (path, text) in files(".rs") {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//!") || first.starts_with("#!"), "{path} starts with {first:?}");
    }
}

#[test]
fn no_file_holds_two_subjects() {
    for (path, text) in files(".rs") {
        assert!(text.lines().count() <= MAX_LINES, "{path} has more than {MAX_LINES} lines");
    }
}

#[test]
fn firmware_has_neither_std_nor_alloc() {
    let mut roots = 0;
    for (path, text) in files(".rs").iter().filter(|(path, _)| NO_STD.iter().any(|room| path.starts_with(room))) {
        if path.ends_with("src/lib.rs") {
            roots += 1;
            assert!(text.contains("#![no_std]"), "{path}");
        }
        let tests = text.find("#[cfg(test)]").unwrap_or(text.len());
        if path.contains("/src/") && !path.contains("/tests") {
            assert!(!text[..tests].contains("extern crate alloc"), "{path}");
        }
    }
    assert!(roots >= 6, "the rooms have moved");
}

/// Where `unsafe` may stand, and why nothing else would do. Whoever adds a row says so in ARCHITECTURE.md.
const UNSAFE: &[(&str, &str)] = &[
    ("rs-lib/capi/src/", "C has pointers and no lifetimes"),
    ("rs-lib/capi/tests/", "calls what C calls, as C does"),
    ("protocol/crypto/src/cortex_m4/", "assembly behind the functions of a C library"),
    ("examples/door-lock/linux/src/kernel.rs", "the kernel tells C alone whether something keeps its clock"),
    ("examples/door-lock/cortex-m/src/", "registers, flash and the free stack have no other address"),
];

#[test]
fn unsafe_stands_where_it_must() {
    let here = file!();
    for (path, text) in files(".rs").iter().filter(|(path, _)| !here.ends_with(path.as_str())) {
        let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        let code: Vec<&str> = code.collect();
        let words = |line: &&&str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
        let uses = code.iter().filter(words).count();
        let allows = code.iter().filter(|line| line.contains("(unsafe_code")).count();
        let may = UNSAFE.iter().any(|(room, _)| path.starts_with(room));
        assert!(may || uses == 0 && allows == 0, "{path} has unsafe code; see UNSAFE");
    }
    let lints = std::fs::read_to_string(latchwork_house::root().join("Cargo.toml")).expect("Cargo.toml");
    assert!(lints.contains("unsafe_code = \"deny\""), "the lint that asks for each exception by name is gone");
}

/// The switches that turn a check of rs-lib off exist for one test. No feature, no build script and no manifest may reach them.
#[test]
fn no_feature_turns_a_check_off() {
    for (path, text) in files("Cargo.toml").into_iter().chain(files("build.rs")).chain(files(".cargo/config.toml")) {
        for line in text.lines().filter(|line| line.contains("latchwork_disable")) {
            assert!(line.contains("check-cfg") || line.trim_start().starts_with('#'), "{path}: {line}");
        }
    }
}

#[test]
fn nothing_names_a_machine_or_a_stub() {
    let here = file!();
    for (path, text) in files("").iter().filter(|(path, _)| !path.ends_with(".lock") && !here.ends_with(path.as_str()))
    {
        for (number, line) in text.lines().enumerate() {
            for word in ["/root/", "/home/", "todo!(", "unimplemented!(", "#[ignore", "FIXME"] {
                assert!(!line.contains(word), "{path}:{}: {word}", number + 1);
            }
        }
    }
}
