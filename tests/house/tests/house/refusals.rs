//! Each way to say no is provoked by a test that names it: by its variant, or by the words that it has in the log.

use std::collections::BTreeSet;

use latchwork_house::files;

/// Where refusals are: the files in which every enum with `#[error]` is one, and the crate whose tests provoke them.
const PLACES: &[(&str, &str)] = &[
    ("authz-server/src/core/", "authz-server/"),
    ("authz-server/src/shell/oidc", "authz-server/"),
    ("authz-server/src/config/", "authz-server/"),
    ("rs-lib/src/", "rs-lib/"),
    ("client-sdk/src/error.rs", "client-sdk/"),
];

/// What no test can provoke, and why.
const EXCEPTIONS: &[(&str, &str)] = &[("Error::NoRandomness", "the system's generator cannot be made to fail")];

/// A variant, and the words of its message.
struct Variant {
    of: String,
    name: String,
    words: String,
}

#[test]
fn every_refusal_is_provoked_by_a_test_that_names_it() {
    let sources = files(".rs");
    let (mut seen, mut missing, mut used) = (0, Vec::new(), BTreeSet::new());
    for (place, krate) in PLACES {
        let tests: Vec<&str> =
            sources.iter().filter(|(path, _)| path.starts_with(krate)).filter_map(of_tests).collect();
        let code =
            sources.iter().filter(|(path, text)| path.starts_with(place) && of_tests_alone(path, text).is_none());
        for variant in code.flat_map(|(_, text)| variants(text.split("#[cfg(test)]").next().unwrap_or_default())) {
            seen += 1;
            let name = format!("{}::{}", variant.of, variant.name);
            let shown = tests.iter().any(|text| names(text, &variant));
            match EXCEPTIONS.iter().find(|(exception, _)| *exception == name) {
                Some(_) if shown => panic!("{name} is no exception any more"),
                Some(_) => drop(used.insert(name)),
                None if !shown => missing.push(format!("{name} in {krate}")),
                None => {}
            }
        }
    }
    assert!(seen > 120, "the refusals have moved: {seen}");
    assert_eq!(missing, [""; 0], "refusals that no test provokes by name");
    assert_eq!(used.len(), EXCEPTIONS.len(), "exceptions that are none: {used:?}");
}

/// The part of a file that is tests.
fn of_tests((path, text): &(String, String)) -> Option<&str> {
    of_tests_alone(path, text).or_else(|| text.split_once("#[cfg(test)]").map(|(_, tests)| tests))
}

fn of_tests_alone<'t>(path: &str, text: &'t str) -> Option<&'t str> {
    (path.contains("/tests/") || path.ends_with("/tests.rs")).then_some(text)
}

/// The variants of enums that derive their message from `#[error]`, or are called refusals. What holds another's refusal is no way to say no by itself.
fn variants(code: &str) -> Vec<Variant> {
    let mut variants = Vec::new();
    for block in code.split("\npub enum ").skip(1) {
        let (of, body) = block.split_once(" {\n").unwrap_or_default();
        let body = body.split("\n}").next().unwrap_or_default();
        let mut message = None;
        for line in body.lines().map(str::trim) {
            if let Some(said) = line.strip_prefix("#[error(") {
                message = Some(said);
                continue;
            }
            // The firmware's has no words.
            message = message.or_else(|| of.ends_with("Refusal").then_some(""));
            if let Some(said) = message.filter(|_| line.starts_with(char::is_uppercase)) {
                let name: String = line.chars().take_while(|c| c.is_alphanumeric()).collect();
                if !line.contains("#[from]") {
                    variants.push(Variant { of: of.to_owned(), name, words: words(said) });
                }
                message = None;
            }
        }
    }
    variants
}

/// The longest part of a message that is the same each time.
fn words(message: &str) -> String {
    let quoted = message.split('"').nth(1).unwrap_or_default();
    let parts = quoted.split(['{', '}']).step_by(2).map(str::trim);
    parts.max_by_key(|part| part.len()).unwrap_or_default().to_owned()
}

fn names(text: &str, Variant { of, name, words }: &Variant) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let alone = format!("{of}::{name}");
    let one = text.match_indices(&alone).any(|(at, _)| ends(&text[at + alone.len()..]));
    let group = format!("{of}::{{");
    let in_group = text.match_indices(&group).any(|(at, _)| {
        let list = text[at + group.len()..].split('}').next().unwrap_or_default();
        list.split(',').any(|item| item.trim() == name)
    });
    // As `Debug` writes it, where that is what a test compares.
    let debug = name.matches(char::is_uppercase).count() > 1 && text.contains(&format!("\"{name}\""));
    // Words that many messages could have show nothing.
    one || in_group || debug || (words.len() >= 12 && words.contains(' ') && text.contains(words.as_str()))
}

#[test]
fn variants_and_words() {
    let code = "\npub enum No {\n    /// Why.\n    #[error(\"no: {0} is too old\")]\n    Old(u8),\n    #[error(\"b: {0}\")]\n    By(#[from] B),\n}\n";
    let [old] = &variants(code)[..] else { panic!("one variant") };
    assert_eq!((old.of.as_str(), old.name.as_str(), old.words.as_str()), ("No", "Old", "is too old"));
    for (text, shown) in [
        ("No::Old(1)", true),
        ("use No::{New, Old};", true),
        ("No::Older(1)", false),
        ("use No::{Older};", false),
        ("\"is too old\"", false),
    ] {
        assert_eq!(names(text, old), shown, "{text}");
    }
}
