//! docs/threats.md says of each defence which test shows it. The test is there, and it runs.

use latchwork_house::named::{about, is_ignored};
use latchwork_house::{files, root};

#[test]
fn every_defence_names_tests_that_run() {
    let text = std::fs::read_to_string(root().join("docs/threats.md")).unwrap_or_default();
    let sources: Vec<_> = [".rs", ".py"].into_iter().flat_map(files).collect();
    let rows: Vec<&str> =
        text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Attack |")).collect();
    assert!(rows.len() >= 50, "the tables have moved: {} rows", rows.len());
    for row in rows {
        let names: Vec<&str> = row.split('`').skip(1).step_by(2).filter(|quoted| quoted.contains("::")).collect();
        assert!(!names.is_empty(), "a claim without a test: {row}");
        for name in names {
            let (path, test) = name.rsplit_once("::").unwrap_or_default();
            let found = sources.iter().filter(|(file, _)| lies_at(file, path)).find_map(|(_, text)| about(text, test));
            let found = found.unwrap_or_else(|| panic!("there is no {name}"));
            assert!(!is_ignored(&found), "{name} is not run");
        }
    }
}

/// Whether `crate::module` may be in this file. Folders such as `src` and `protocol` may be left out, an inline `tests` added.
fn lies_at(file: &str, path: &str) -> bool {
    let file = file.replace('-', "_");
    let stem = file.rsplit_once('.').map_or(&*file, |(stem, _)| stem);
    let mut parts = stem.split('/').chain(["tests"]);
    path.split("::").all(|wanted| parts.any(|part| part == wanted))
}
