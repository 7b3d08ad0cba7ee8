//! The demo: an employee, a visitor, a robot and a thief, and what the bolts did.

#![allow(clippy::print_stdout, reason = "a story is told on standard output")]

use std::process::ExitCode;

use latchwork_building::building::program;
use latchwork_building::people::{EMMA, OLIVIA, VICTOR};
use latchwork_building::story::{self, Teller};
use latchwork_building::{Body, Building, Interrupts, Outcome};

fn main() -> ExitCode {
    let asked = |word| std::env::args().any(|argument| argument == word);
    let body = if asked("--lock=qemu") { Body::Board("exi") } else { Body::Linux };
    match play(asked("--keep"), body) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything went as it should.
fn play(keep: bool, body: Body) -> Outcome<bool> {
    let interrupts = Interrupts::listen()?;
    let mut building = Building::open_staged("info", "", body)?;
    println!("The Corner House");
    println!("  provider  {}", building.provider_url);
    println!("  server    {}  coap://{}", building.issuer, building.coap);
    for lock in building.locks.values() {
        let board = if lock.has_clock() { "" } else { ", a microcontroller without a clock" };
        println!("  lock      {:5}  coap://{}{board}", lock.name, lock.address);
    }
    let mut told = Teller { interrupts: Some(interrupts), ..Teller::default() };
    story::online(&mut building, &mut told)?;
    if keep {
        explain(&building)?;
        told.interrupts.iter().for_each(Interrupts::wait);
        return Ok(told.good == told.all);
    }
    story::offline(&mut building, &mut told)?;
    println!("\n{} of {} as it should be", told.good, told.all);
    Ok(told.good == told.all)
}

/// How to go on by hand.
fn explain(building: &Building) -> Outcome<()> {
    let phone = format!("{} --home {}", program("phone")?.display(), building.phone("me").home().display());
    let (issuer, certificate) = (&building.issuer, building.certificate());
    println!("\nEverything runs on until Ctrl-C, which removes it all. Meanwhile:");
    println!("  sign in   {phone} sign-in --server {issuer} --certificate {}", certificate.display());
    println!(
        "            and open the page that it prints, in a browser on this machine; it will warn of the development"
    );
    println!("            certificate. {} has the password {}.", EMMA.0, EMMA.1);
    println!("  doors     {phone} doors");
    println!("  open      {phone} open front");
    println!(
        "  visit     sign in with --audience urn:latchwork:lock:lab as {}, {}; {}, {}",
        VICTOR.0, VICTOR.1, OLIVIA.0, OLIVIA.1
    );
    println!("            answers at {issuer}/approvals");
    println!("  bolts     {}", building.path("locks/front.moves").display());
    println!("  logs      {}", building.path("logs").display());
    Ok(())
}
