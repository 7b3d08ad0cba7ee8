//! The demo: an employee, a visitor, a robot and a thief, and what the bolts did.

#![allow(clippy::print_stdout, reason = "a story is told on standard output")]

use std::process::ExitCode;

use latchwork_building::{Building, Outcome, story};

fn main() -> ExitCode {
    let keep = std::env::args().any(|argument| argument == "--keep");
    match play(keep) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything went as it should.
fn play(keep: bool) -> Outcome<bool> {
    let mut building = Building::open()?;
    println!("The Corner House");
    println!("  provider  {}", building.provider_url);
    println!("  server    {}  coap://{}", building.issuer, building.coap);
    for lock in building.locks.values() {
        println!("  lock      {:5}  coap://{}", lock.name, lock.address);
    }
    let mut told = story::Teller::default();
    story::online(&mut building, &mut told)?;
    if keep {
        building.keep();
        println!("\nEverything runs on. Owners' page: {}/approvals (olivia, my-own-door-9)", building.issuer);
        println!("Files: {}", building.path("").display());
        println!("Ctrl-C ends it.");
        loop {
            std::thread::park();
        }
    }
    story::offline(&mut building, &mut told)?;
    println!("\n{} of {} as it should be", told.good, told.all);
    Ok(told.good == told.all)
}
