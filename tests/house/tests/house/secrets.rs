//! What holds a secret wipes it, does not show it, and is not compared by `==`: in the text of every type, so that a new one cannot
//! slip by.

use latchwork_house::files;

/// Types that wipe what they hold, have no `==`, and whose `Debug`, where they have one, shows nothing. Their own rules are tests beside them.
const KEEPERS: &[&str] =
    &["Secret", "Hidden", "Key32", "StorageKey", "P256Private", "CortexM4Private", "EdhocKey", "SharedKey"];

/// Wipes, but has a `Debug` and an `==` that look at everything: a type with one in it has neither.
const WRAPPER: &str = "Zeroizing";

/// What a member is called that holds a secret.
const NAMES: &[&str] = &[
    "secret",
    "master_secret",
    "client_secret",
    "password",
    "pin",
    "refresh_token",
    "private_key",
    "ikm",
    "master_salt",
    "initial_access_token",
];

/// Members with such a name that are no secret at rest here, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// Where the rules hold.
fn is_ours(path: &str) -> bool {
    let rooms =
        ["protocol/", "authz-server/src/", "rs-lib/", "client-sdk/src/", "transport/src/", "examples/door-lock/"];
    let tests = ["/tests/", "/tests.rs", "/testing.rs", "/benches/", "/examples/fill"];
    rooms.iter().any(|room| path.starts_with(room)) && !tests.iter().any(|part| path.contains(part))
}

/// A type, as it is written.
#[derive(Debug)]
struct Type {
    name: String,
    derives: String,
    body: String,
}

/// The types of a file, those of its tests apart.
fn types(text: &str) -> Vec<Type> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let words: Vec<&str> = line.split_whitespace().skip_while(|word| word.starts_with("pub")).collect();
        let [kind @ ("struct" | "enum"), name, ..] = words[..] else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let above = lines[..at].iter().rev().take_while(|line| {
            let line = line.trim_start();
            line.starts_with("///") || line.starts_with("#[") || line.ends_with(")]")
        });
        let derives = above.filter(|line| line.contains("derive(")).copied().collect::<String>();
        let mut body = String::new();
        let ends = |line: &str| line == format!("{indent}}}") || line == format!("{indent});");
        let whole = line.trim_end().ends_with(';') || line.trim_end().ends_with('}');
        for (nth, line) in lines[at..].iter().enumerate() {
            body.push_str(line.split("//").next().unwrap_or_default());
            body.push('\n');
            if (nth == 0 && whole) || (nth > 0 && ends(line)) {
                break;
            }
        }
        assert!(!body.is_empty(), "{kind} {name}");
        found.push(Type { name, derives, body });
    }
    found
}

/// Whether `word` stands in the text as a word.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

impl Type {
    fn derives(&self, name: &str) -> bool {
        has_word(&self.derives, name)
    }

    /// What stands in it owns the bytes: a borrowed secret is another's to wipe.
    fn owns(&self, keeper: &str) -> bool {
        self.body
            .lines()
            .any(|line| has_word(line, keeper) && !line.contains(&format!("enum {keeper}")) && !line.contains(" &"))
    }

    /// Members whose name says that they are secret, and whose type is plain.
    fn plain_members(&self) -> Vec<String> {
        let member = |line: &str| {
            let (name, kind) =
                line.trim().trim_start_matches("pub ").trim_start_matches("pub(crate) ").split_once(": ")?;
            let plain =
                ["String", "Vec<u8>", "[u8;", "Box<str>", "Box<[u8]>", "Blob"].iter().any(|it| kind.contains(it));
            (NAMES.contains(&name) && plain && !kind.contains(WRAPPER) && !kind.contains('&')).then(|| name.to_owned())
        };
        self.body.lines().filter_map(member).collect()
    }
}

/// What is wrong with a type in a file of this text.
fn breaches(path: &str, text: &str, kind: &Type) -> Vec<String> {
    let mut wrong = Vec::new();
    let keeps = KEEPERS.iter().chain([&WRAPPER]).any(|keeper| kind.name != **keeper && kind.owns(keeper));
    let is_keeper = KEEPERS.contains(&kind.name.as_str()) && kind.body.lines().count() < 40;
    let wipes = kind.derives("ZeroizeOnDrop")
        || text.split(&format!("for {}", kind.name)).skip(1).any(|rest| {
            let body = rest.split("\n}").next().unwrap_or_default();
            rest.starts_with([' ', '<']) && body.contains("zeroize()")
        });
    if keeps || is_keeper || wipes {
        for shows in ["PartialEq", "Eq", "Hash", "PartialOrd", "Ord"] {
            if kind.derives(shows) {
                wrong.push(format!("{path}: {} derives {shows}", kind.name));
            }
        }
    }
    if kind.derives("Debug") && (kind.owns(WRAPPER) || (wipes && !is_keeper)) {
        wrong.push(format!("{path}: {} derives Debug, and shows its secrets", kind.name));
    }
    for member in kind.plain_members() {
        let excepted = EXCEPTIONS.iter().any(|(of, name, _)| *of == kind.name && *name == member);
        if !wipes && !excepted {
            wrong.push(format!("{path}: {}.{member} is never wiped", kind.name));
        }
    }
    wrong
}

#[test]
fn what_holds_a_secret_wipes_it_and_shows_it_nobody() {
    let (mut wrong, mut keepers, mut seen) = (Vec::new(), Vec::new(), 0);
    for (path, text) in files(".rs").iter().filter(|(path, _)| is_ours(path)) {
        for kind in types(text) {
            seen += 1;
            wrong.extend(breaches(path, text, &kind));
            keepers.extend(KEEPERS.iter().filter(|keeper| **keeper == kind.name));
        }
    }
    assert!(seen > 300, "the types have moved: {seen}");
    assert!(KEEPERS.iter().all(|keeper| keepers.contains(&keeper)), "some are gone: {keepers:?}");
    assert_eq!(wrong, [""; 0], "{}", wrong.join("\n"));
}

/// Bytes that were taken out of their keeper are compared in constant time only.
#[test]
fn exposed_bytes_are_not_compared_by_equality() {
    let (mut wrong, mut exposures) = (Vec::new(), 0);
    for (path, text) in files(".rs").iter().filter(|(path, _)| is_ours(path)) {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            exposures += usize::from(line.contains("expose()"));
            if is_a_comparison(line) {
                wrong.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(exposures > 40, "keepers have another way out: {exposures}");
    assert_eq!(wrong, [""; 0], "{}", wrong.join("\n"));
}

/// Whether a line compares what is exposed, or what is called a secret; lengths apart.
fn is_a_comparison(line: &str) -> bool {
    let methods = [".eq(", ".ne(", ".cmp(", ".starts_with(", ".contains("];
    let by_method = methods.iter().any(|way| {
        line.match_indices(way).any(|(at, _)| line[..at].ends_with("expose()") || line[at..].contains("expose())"))
    });
    let by_operator = [" == ", " != "].into_iter().flat_map(|sign| line.match_indices(sign)).any(|(at, sign)| {
        let ends = [" => ", " && ", " || ", " {", ";", ", ", " = ", "match ", "if "];
        let left = ends.iter().filter_map(|end| line[..at].rfind(end).map(|found| found + end.len())).max();
        let right = &line[at + sign.len()..];
        let length = ends.iter().filter_map(|end| right.find(end)).min().unwrap_or(right.len());
        [&line[left.unwrap_or(0)..at], &right[..length]].into_iter().any(is_secret)
    });
    by_method || by_operator
}

/// Whether an operand is the bytes of a secret.
fn is_secret(operand: &str) -> bool {
    let words = operand.split(|c: char| !c.is_alphanumeric() && c != '_');
    let named = words.into_iter().any(|word| ["secret", "password", "pin"].iter().any(|name| word.ends_with(name)));
    (named || operand.contains("expose()"))
        && !["len()", "is_some()", "is_none()"].iter().any(|way| operand.contains(way))
}

#[test]
fn breaches_are_seen() {
    for (what, text, expected) in [
        ("a derived ==", "#[derive(Clone, PartialEq)]\npub struct A(Zeroizing<[u8; 32]>);\n", 1),
        ("a derived Debug", "#[derive(Debug)]\nstruct A {\n    key: Zeroizing<Vec<u8>>,\n}\n", 1),
        ("a keeper with both", "#[derive(Hash, Eq)]\npub(crate) struct A {\n    key: Hidden,\n}\n", 2),
        ("a plain member", "pub struct A {\n    pub client_secret: Option<String>,\n}\n", 1),
        ("and one in a variant", "enum A {\n    B {\n        pin: String,\n    },\n}\n", 1),
        ("a keeper whose Debug is its own", "#[derive(Clone, Debug)]\nstruct A {\n    key: Hidden,\n}\n", 0),
        ("a borrowed one", "#[derive(Clone, PartialEq)]\nstruct A<'k> {\n    key: &'k Secret<16>,\n}\n", 0),
        ("one that wipes", "#[derive(ZeroizeOnDrop)]\nstruct A {\n    secret: Vec<u8>,\n}\n", 0),
        (
            "one that wipes by hand",
            "struct A {\n    secret: String,\n}\nimpl Drop for A {\n    fn drop(&mut self) {\n        self.secret.zeroize();\n    }\n}\n",
            0,
        ),
        ("one in a test", "#[cfg(test)]\nmod tests {\n    struct A {\n        pin: String,\n    }\n}\n", 0),
    ] {
        let found: Vec<String> = types(text).iter().flat_map(|kind| breaches("x.rs", text, kind)).collect();
        assert_eq!(found.len(), expected, "{what}: {found:?}");
    }
    for (line, compares) in [
        ("if key.expose() == other.expose() {", true),
        ("let same = a.expose().eq(b);", true),
        ("if token.expose().len() == TOKEN_LEN {", false),
        ("let same = old_secret.as_ref() == Some(&secret)", true),
        ("if before.is_empty() && shared.pin != pin {", true),
        ("let before = if index == 0 { &[] } else { previous.expose() };", false),
        ("if kind == ClientAuth::Secret {", false),
        ("a.expose().ct_eq(b.expose())", false),
    ] {
        assert_eq!(is_a_comparison(line), compares, "{line}");
    }
}
