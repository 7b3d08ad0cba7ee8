//! What a resource server costs on a Cortex-M4: `make firmware`.
//!
//! The images are those that open doors. QEMU counts their instructions; the phone, the server and everything between them are
//! real. Figures are held against `docs/footprint.tsv`: more than 5 % above one is a failure, unless the tools are others than those
//! that it names. `--record` writes that file.

#![allow(clippy::print_stdout, reason = "figures are the output")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use latchwork_building::attack::Attacker;
use latchwork_building::board::image;
use latchwork_building::building::repository;
use latchwork_building::people::EMMA;
use latchwork_building::story::{key_of, token_of};
use latchwork_building::{Body, Building, Lock, Outcome};
use latchwork_edhoc::Method;

/// A timer of 25 MHz, and one nanosecond for each instruction.
const INSTRUCTIONS_PER_TICK: u64 = 40;

const SYMMETRIC: &str = "symmetric";
const ES256: &str = "es256-p256";
const EDDSA: &str = "eddsa-small";

/// Figures by what they are of, in the order of the table.
type Figures = BTreeMap<String, u64>;

fn main() -> ExitCode {
    match run(std::env::args().any(|argument| argument == "--record")) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("footprint: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(record: bool) -> Outcome<bool> {
    let (tools, figures) = (tools()?, measure()?);
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

fn measure() -> Outcome<Figures> {
    let mut figures = Figures::new();
    for variant in [SYMMETRIC, ES256, EDDSA] {
        figures.insert(format!("{variant}: flash, bytes"), size(&image(variant)?)?.0);
    }
    let beside = image(SYMMETRIC)?;
    let target = beside.ancestors().nth(2).ok_or("no target directory")?;
    let (flash, statics) = size(&target.join("capi/door-lock"))?;
    figures.insert("c: flash, bytes".to_owned(), flash);
    figures.insert("c: statics, bytes".to_owned(), statics);
    let building = Building::open_staged("info", "", Body::Measured { front: SYMMETRIC, side: ES256 })?;
    let (front, side) = (building.lock("front")?, building.lock("side")?);
    let phone = building.phone("emma");
    phone.sign_in(&building.browser()?, EMMA, &[])?;

    let mut steps = Steps::of(front);
    phone.run(&["open", "front", "--times", "2"])?;
    steps.are(&["token", "first request", "next request"])?;
    steps.tell(SYMMETRIC, &mut figures);

    let (key, lock) = (key_of(&building, "emma")?, building.credential("side")?);
    let mut steps = Steps::of(side);
    phone.run(&["open", "side", "--times", "2"])?;
    steps.are(&["message_1", "message_3 of method 1 with the token and a request", "next request"])?;
    let token = token_of(&building, "emma", "urn:latchwork:lock:side")?;
    Attacker::at(side.address)?.edhoc_by(Method::StaticDhStaticDh, &lock, &key, &token)?;
    steps.are(&["message_1", "message_3 of method 3 with the token"])?;
    // Checked like any other, and refused for its way in.
    Attacker::at(side.address)?.upload_bare(&token)?;
    steps.are(&["token alone"])?;
    steps.tell(ES256, &mut figures);
    Ok(figures)
}

/// Bytes that are burnt into flash, and bytes of statics.
fn size(image: &Path) -> Outcome<(u64, u64)> {
    let listed = Command::new("arm-none-eabi-size").arg(image).output()?.stdout;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let mut numbers = listed.lines().nth(1).unwrap_or_default().split_whitespace().map_while(|n| n.parse::<u64>().ok());
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(text), Some(data), Some(bss)) => Ok((text + data, data + bss)),
        _ => Err(format!("{} is not built: make image", image.display()).into()),
    }
}

/// The steps of one lock, as it tells them.
struct Steps<'l> {
    lock: &'l Lock,
    seen: usize,
    named: Vec<(String, u64)>,
    stack: u64,
    held: u64,
}

impl<'l> Steps<'l> {
    fn of(lock: &'l Lock) -> Self {
        Self { lock, seen: 0, named: Vec::new(), stack: 0, held: 0 }
    }

    /// Names the steps since the last call.
    fn are(&mut self, names: &[&str]) -> Outcome<()> {
        // It answers first and tells then.
        let told = self.seen + names.len();
        let mut all = self.lock.costs()?;
        for _ in 0..500 {
            if all.len() >= told {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
            all = self.lock.costs()?;
        }
        let new = all.get(self.seen..).unwrap_or_default();
        if new.len() != names.len() {
            return Err(format!("{names:?} were to be these steps: {new:?}").into());
        }
        for (line, name) in new.iter().zip(names) {
            let number = |label| {
                let mut words = line.split(' ').skip_while(|word| *word != label).skip(1);
                words.next().and_then(|number| number.parse::<u64>().ok()).ok_or("a step without its cost")
            };
            self.named.push(((*name).to_owned(), number("ticks")? * INSTRUCTIONS_PER_TICK));
            self.stack = self.stack.max(number("stack")?);
            self.held = number("held")?;
        }
        self.seen = all.len();
        Ok(())
    }

    fn tell(self, variant: &str, figures: &mut Figures) {
        figures.insert(format!("{variant}: RAM held for good, bytes"), self.held);
        figures.insert(format!("{variant}: stack beyond it, bytes"), self.stack);
        for (name, instructions) in self.named {
            figures.insert(format!("{variant}: {name}, instructions"), instructions);
        }
    }
}
