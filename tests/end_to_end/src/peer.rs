//! Programs in Python that know nothing of us.

use std::io::Write as _;
use std::process::{Command, Stdio};

use latchwork_building::Outcome;
use latchwork_building::building::repository;
use serde_json::Value;

/// Runs `tests/interop/SCRIPT` with `input` on its standard input; its last line as JSON.
pub fn python(script: &str, arguments: &[&str], input: &Value) -> Outcome<Value> {
    let root = repository()?;
    let mut child = Command::new(root.join("target/tools/python/bin/python"))
        .arg(root.join("tests/interop").join(script))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().ok_or("no standard input")?.write_all(input.to_string().as_bytes())?;
    let output = child.wait_with_output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("{script}: {printed}{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_str(printed.trim().lines().last().unwrap_or_default())?)
}
