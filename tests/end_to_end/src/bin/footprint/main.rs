//! What a resource server costs on a Cortex-M4: `make firmware`.
//!
//! The images are those that open doors. QEMU counts their instructions; the phone, the server and everything between them are
//! real. Figures are held against `docs/footprint.tsv`: more than 5 % above one is a failure, unless the tools are others than those
//! that it names. `--record` writes that file; the name of an image measures that one alone.

#![allow(clippy::print_stdout, reason = "figures are the output")]

mod rows;
mod steps;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::{Command, ExitCode};

use latchwork_building::building::repository;
use latchwork_building::{Building, Outcome};

/// Figures by what they are of, in the order of the table.
type Figures = BTreeMap<String, u64>;

fn main() -> ExitCode {
    let (options, some): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    match run(options == ["--record"] && some.is_empty(), &some) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("footprint: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(record: bool, some: &[String]) -> Outcome<bool> {
    let tools = tools()?;
    let mut building = Building::open()?;
    let mut figures = Figures::new();
    for row in rows::ROWS {
        if some.is_empty() || some.iter().any(|name| name == row.name) {
            row.measure(&mut building, &mut figures).map_err(|error| format!("{}: {error}", row.name))?;
        }
    }
    let file = repository()?.join("docs/footprint.tsv");
    let mut text = String::new();
    for (name, value) in &tools {
        writeln!(text, "{name}\t{value}")?;
    }
    for (name, value) in &figures {
        writeln!(text, "{name}\t{value}")?;
    }
    print!("{text}");
    if record {
        fs::write(&file, text)?;
        return Ok(true);
    }
    let recorded = fs::read_to_string(&file)?;
    let recorded: BTreeMap<_, _> = recorded.lines().filter_map(|line| line.split_once('\t')).collect();
    let others: Vec<_> =
        tools.iter().filter(|(name, tool)| recorded.get(name.as_str()) != Some(&tool.as_str())).collect();
    if !others.is_empty() {
        println!("\nOther tools than those of docs/footprint.tsv: record it anew, in a commit of its own:");
        println!("  make firmware RECORD=1");
        return Ok(true);
    }
    let grown = |(name, value): &(&String, &u64)| {
        let before = recorded.get(name.as_str()).and_then(|before| before.parse::<u64>().ok());
        before.is_none_or(|before| **value * 100 > before * 105)
    };
    let grown: Vec<_> = figures.iter().filter(grown).collect();
    for (name, value) in &grown {
        println!("more than 5 % above docs/footprint.tsv: {name} {value}, {:?}", recorded.get(name.as_str()));
    }
    Ok(grown.is_empty())
}

/// The tools that figures depend on.
fn tools() -> Outcome<BTreeMap<String, String>> {
    let mut tools = BTreeMap::new();
    for (tool, program) in [
        ("rustc", "/usr/bin/rustc"),
        ("gcc", "arm-none-eabi-gcc"),
        ("qemu", "qemu-system-arm"),
        ("ld", "arm-none-eabi-ld"),
    ] {
        let said = Command::new(program).arg("--version").output()?.stdout;
        let first = String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned();
        tools.insert(format!("tool {tool}"), first);
    }
    Ok(tools)
}
