//! Programs in Python and JavaScript that know nothing of us.

use std::io::Write as _;
use std::process::{Command, Stdio};

use latchwork_building::Outcome;
use latchwork_building::building::repository;
use serde_json::Value;

/// Runs `tests/interop/SCRIPT` with `input` on its standard input; its last line as JSON.
pub fn python(script: &str, arguments: &[&str], input: &Value) -> Outcome<Value> {
    let root = repository()?;
    let mut command = Command::new(root.join("target/tools/python/bin/python"));
    said_by(command.arg(root.join("tests/interop").join(script)).args(arguments), input)
}

/// The same of any program.
pub fn said_by(command: &mut Command, input: &Value) -> Outcome<Value> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().ok_or("no standard input")?.write_all(input.to_string().as_bytes())?;
    let output = child.wait_with_output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("{printed}{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_str(printed.trim().lines().last().unwrap_or_default())?)
}
