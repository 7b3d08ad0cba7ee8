//! Finding a test by its name, in the languages that `make test` runs.

/// What is written about a test: attributes and comments above it, in Python also the docstring below.
///
/// A test is a function of Rust, Python, JavaScript or the shell, or a row `name: …` of a macro that makes tests: behind the line `name! {`
/// that calls one, or anywhere in a file that defines one.
pub fn about(text: &str, test: &str) -> Option<String> {
    let rows = rows(text);
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let is_row = |at: usize, line: &str| rows.is_some_and(|rows| rows <= at) && starts(line, "", test, ": ");
    let at = lines.iter().enumerate().position(|(at, line)| is_head(line, test) || is_row(at, line))?;
    let above = lines.get(..at)?.iter().rev().take_while(|line| line.starts_with('#') || line.starts_with("//"));
    let mut about: Vec<&str> = above.copied().collect();
    about.reverse();
    about.extend(docstring(lines.get(at..)?));
    Some(about.join("\n"))
}

/// Whether what is written about a test keeps it from running.
pub fn is_ignored(about: &str) -> bool {
    about.contains(concat!("#[", "ignore"))
}

/// Whether tests of this file may be rows of a macro, which has their attribute.
pub fn has_rows(text: &str) -> bool {
    rows(text).is_some()
}

/// The first line where a row may stand.
fn rows(text: &str) -> Option<usize> {
    if text.contains("macro_rules!") { Some(0) } else { text.lines().position(calls_macro) }
}

/// Whether a macro is called here in the place of an item.
fn calls_macro(line: &str) -> bool {
    let name = line.strip_suffix("! {").unwrap_or_default();
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
}

fn is_head(line: &str, test: &str) -> bool {
    let words = ["fn ", "async fn ", "def ", "async def ", "function ", "async function "];
    let calls = words.iter().any(|word| starts(line, word, test, "("));
    calls || starts(line, "", test, "() {")
}

fn starts(line: &str, word: &str, test: &str, end: &str) -> bool {
    line.strip_prefix(word).and_then(|rest| rest.strip_prefix(test)).is_some_and(|rest| rest.starts_with(end))
}

/// The docstring of the Python function that begins here.
fn docstring<'t>(lines: &[&'t str]) -> Vec<&'t str> {
    let quotes = r#"""""#;
    let Some((head, body)) = lines.split_first() else { return Vec::new() };
    let Some(first) = body.first().filter(|line| head.contains("def ") && line.starts_with(quotes)) else {
        return Vec::new();
    };
    let one_line = first.len() > quotes.len() && first.ends_with(quotes);
    let more = body.iter().skip(1).take_while(|line| !line.ends_with(quotes)).count();
    body.iter().take(if one_line { 1 } else { more + 2 }).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::{about, is_ignored};

    #[test]
    fn functions_rows_and_docstrings() {
        let rust = "/// Not this.\nfn other() {}\n\n/// R1-1-01\n#[test]\n#[cfg(unix)]\nasync fn one() {}\n";
        let rows = "macro_rules! refuses { () => {} }\nrefuses! {\n    /// R1-1-02\n    two: 1 => 2,\n}\n";
        let python = "async def three(x):\n    \"\"\"R1-1-03\n\n    More.\n    \"\"\"\n    pass\n";
        let shell = "# R1-1-04\nfour() { # what\n";
        for (text, name, expected) in [
            (rust, "one", Some("/// R1-1-01\n#[test]\n#[cfg(unix)]")),
            (rust, "on", None),
            (rust, "two", None),
            (rows, "two", Some("/// R1-1-02")),
            (&rows.replace("macro_rules! refuses { () => {} }", ""), "two", Some("/// R1-1-02")),
            (&rows.replace("macro_rules! refuses { () => {} }\nrefuses!", "struct Refuses"), "two", None),
            ("struct Before {\n    two: u8,\n}\nrefuses! {\n}\n", "two", None),
            (python, "three", Some("\"\"\"R1-1-03\n\nMore.\n\"\"\"")),
            (shell, "four", Some("# R1-1-04")),
        ] {
            assert_eq!(about(text, name).as_deref(), expected, "{name}");
        }
        assert!(is_ignored(concat!("#[test]\n#[", "ignore = \"slow\"]")) && !is_ignored("/// ignore"));
    }
}
