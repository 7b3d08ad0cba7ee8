//! What the tests of the house look at: the manifest and the files that git knows.

pub mod named;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_path_buf).unwrap_or_default()
}

/// What `cargo metadata` says, without looking at the network.
pub fn metadata(extra: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline"])
        .args(extra)
        .current_dir(root())
        .output()
        .map(|output| output.stdout)
        .unwrap_or_default();
    serde_json::from_slice(&output).unwrap_or_default()
}

/// Every file that git tracks or would track, with its path from the root. Without git, nothing.
pub fn files(suffix: &str) -> Vec<(String, String)> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .map(|output| output.stdout)
        .unwrap_or_default();
    String::from_utf8_lossy(&output)
        .lines()
        .filter(|path| path.ends_with(suffix))
        .filter_map(|path| Some((path.to_owned(), std::fs::read_to_string(root().join(path)).ok()?)))
        .collect()
}
