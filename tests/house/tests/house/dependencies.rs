//! Which room may look into which.

use std::collections::{BTreeMap, BTreeSet};

use latchwork_house::{metadata, root};
use serde_json::Value;

/// Each package of ours and what it may use of ours (ARCHITECTURE.md, "Arrows only point down").
const EDGES: &[(&str, &[&str])] = &[
    ("cbor", &[]),
    ("crypto", &[]),
    ("coap", &[]),
    ("ace", &["cbor"]),
    ("oscore", &["cbor", "coap", "crypto"]),
    ("edhoc", &["cbor", "crypto"]),
    ("transport", PROTOCOL),
    ("rs-lib", PROTOCOL),
    ("capi", &["ace", "coap", "crypto", "edhoc", "rs-lib"]),
    ("client-sdk", &["ace", "cbor", "coap", "crypto", "edhoc", "oscore", "transport"]),
    ("authz-server", &["ace", "cbor", "coap", "crypto", "edhoc", "oscore", "transport"]),
    ("door-lock-app", &["ace", "cbor", "coap", "crypto", "edhoc", "oscore", "rs-lib"]),
    ("door-lock-linux", &["ace", "cbor", "coap", "crypto", "edhoc", "oscore", "rs-lib", "transport", "door-lock-app"]),
    ("door-lock-slip", &[]),
    ("door-lock-ethernet", &["door-lock-slip"]),
    ("phone", &["client-sdk"]),
    ("building", EVERYTHING),
    ("end-to-end", EVERYTHING),
    ("fuzz-client", &["ace", "client-sdk", "coap", "crypto", "edhoc", "oscore"]),
    ("bench-load", &["ace", "coap", "crypto", "oscore", "transport"]),
    ("fuzz-server", &["authz-server", "coap", "crypto", "edhoc", "oscore", "transport"]),
    ("house", &[]),
];

const PROTOCOL: &[&str] = &["ace", "cbor", "coap", "crypto", "edhoc", "oscore"];
const EVERYTHING: &[&str] = &[
    "ace",
    "cbor",
    "coap",
    "crypto",
    "edhoc",
    "oscore",
    "transport",
    "rs-lib",
    "client-sdk",
    "authz-server",
    "building",
    "door-lock-slip",
];

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value[key].as_array().into_iter().flatten()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// Dependencies that are built in (`dev` ones may look anywhere but up to a product).
fn is_normal(dependency: &Value) -> bool {
    dependency["kind"].is_null()
}

#[test]
fn arrows_only_point_down() {
    let metadata = metadata(&["--no-deps"]);
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut seen = 0;
    for package in list(&metadata, "packages") {
        let name = text(package, "name").strip_prefix("latchwork-").expect("packages are named latchwork-…");
        let may = allowed.get(name).unwrap_or_else(|| panic!("{name} has no row in EDGES"));
        seen += 1;
        for dependency in list(package, "dependencies").filter(|d| is_normal(d)) {
            if let Some(ours) = text(dependency, "name").strip_prefix("latchwork-") {
                assert!(may.contains(&ours), "{name} must not depend on {ours}");
            }
        }
    }
    assert_eq!(seen, EDGES.len(), "a row of EDGES names no package");
}

#[test]
fn products_do_not_see_each_other_even_in_tests() {
    let metadata = metadata(&["--no-deps"]);
    let products = ["latchwork-authz-server", "latchwork-rs-lib", "latchwork-client-sdk"];
    for package in list(&metadata, "packages") {
        let name = text(package, "name");
        for other in list(package, "dependencies").map(|d| text(d, "name")) {
            assert!(
                name == other || !(products.contains(&name) && products.contains(&other)),
                "{name} must not depend on {other}: what needs two products is a test under tests/"
            );
        }
    }
}

#[test]
fn every_package_takes_the_lints_of_the_workspace() {
    for package in list(&metadata(&["--no-deps"]), "packages") {
        let manifest = std::fs::read_to_string(text(package, "manifest_path")).expect("a manifest");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", text(package, "name"));
    }
}

/// A second version of a crate is a cost that somebody decided to pay: deny.toml says why.
#[test]
fn every_duplicate_is_named_with_its_reason() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |key: &str| {
            package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'))
        };
        if let (Some(name), Some(version)) = (field("name"), field("version")) {
            versions.entry(name).or_default().insert(version);
        }
    }
    let duplicates: BTreeSet<&str> = versions.iter().filter(|(_, v)| v.len() > 1).map(|(name, _)| *name).collect();
    let deny = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    let mut named = BTreeSet::new();
    for line in deny.lines().filter(|line| line.trim_start().starts_with("{ crate = ")) {
        let mut quoted = line.split('"').skip(1).step_by(2);
        let name = quoted.next().and_then(|entry| entry.split('@').next()).expect("a crate");
        assert!(line.contains("reason = \"") && quoted.next().is_some_and(|why| why.len() > 10), "no reason: {line}");
        named.insert(name.to_owned());
    }
    let named: BTreeSet<&str> = named.iter().map(String::as_str).collect();
    assert_eq!(
        duplicates.difference(&named).collect::<Vec<_>>(),
        [""; 0].iter().collect::<Vec<_>>(),
        "not in deny.toml"
    );
    assert_eq!(
        named.difference(&duplicates).collect::<Vec<_>>(),
        [""; 0].iter().collect::<Vec<_>>(),
        "no longer doubled"
    );
}

/// GPL and the like would be its users', too. Where cargo-deny is not installed, this reads its list.
#[test]
fn every_licence_is_one_that_we_allow() {
    let deny = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    let licences = deny.split("[licenses]").nth(1).and_then(|rest| rest.split("\n[").next()).expect("[licenses]");
    let (allowed, exceptions) = licences.split_once("exceptions").expect("exceptions");
    let allowed: BTreeSet<&str> = allowed.split('"').skip(1).step_by(2).collect();
    let excepted = |name: &str| exceptions.contains(&format!("crate = \"{name}\""));
    // Of an `OR` one side is enough, of an `AND` every part counts; it binds closer unless there are brackets. `/` is an old `OR`.
    let any = |text: &str, fits: &dyn Fn(&str) -> bool| text.replace('/', " OR ").split(" OR ").any(fits);
    let all_of = |text: &str, fits: &dyn Fn(&str) -> bool| text.split(" AND ").all(fits);
    let one = |name: &str| allowed.contains(name.trim().trim_matches(['(', ')']));
    let fits = |text: &str| match text.contains('(') {
        true => all_of(text, &|part| any(part, &one)),
        false => any(text, &|side| all_of(side, &one)),
    };
    for (text, good) in [
        ("MIT", true),
        ("GPL-3.0 OR MIT", true),
        ("MIT/GPL-2.0", true),
        ("(MIT OR GPL-3.0) AND ISC", true),
        ("GPL-3.0", false),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR ISC) AND GPL-3.0", false),
        ("", false),
    ] {
        assert_eq!(fits(text), good, "{text}");
    }
    let all = metadata(&["--locked", "--filter-platform=x86_64-unknown-linux-gnu"]);
    let foreign: Vec<&Value> = list(&all, "packages").filter(|package| !package["source"].is_null()).collect();
    assert!(foreign.len() > 100, "no packages");
    for package in foreign {
        let name = text(package, "name");
        assert!(fits(text(package, "license")) || excepted(name), "{name}: {}", package["license"]);
    }
}
