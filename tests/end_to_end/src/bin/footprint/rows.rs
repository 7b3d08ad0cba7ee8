//! The images, and what is done with each.

use std::path::Path;
use std::process::Command;

use latchwork_building::attack::Attacker;
use latchwork_building::board::{IN_C, bare, image, instructions_per_tick};
use latchwork_building::people::EMMA;
use latchwork_building::story::{key_of, token_of};
use latchwork_building::{Building, Outcome, Phone};
use latchwork_edhoc::Method;

use crate::Figures;
use crate::steps::Steps;

/// An image.
pub(crate) struct Row {
    /// What its figures are called by.
    pub(crate) name: &'static str,
    /// Uses it as a lock of the building.
    pub(crate) visit: fn(&mut Building, &'static str, &mut Figures) -> Outcome<()>,
}

/// Every image that is measured.
pub(crate) const ROWS: &[Row] = &[
    Row { name: "decision", visit: decided },
    Row { name: "decision-m0", visit: decided },
    Row { name: "symmetric", visit: encrypted },
    Row { name: "es256-p256", visit: signed },
    Row { name: "es256-p256-m0", visit: signed },
    Row { name: "es256-p256-m33", visit: signed },
    Row { name: "es256-cortex-m4-m33", visit: signed },
    Row { name: "es256-cortex-m4", visit: signed },
    Row { name: "eddsa", visit: signed_by_eddsa },
    Row { name: "eddsa-small", visit: signed_by_eddsa },
    Row { name: "es256-p256-udp", visit: signed },
    Row { name: "symmetric-m0", visit: encrypted },
    Row { name: "symmetric-m33", visit: encrypted },
    Row { name: IN_C, visit: both },
];

impl Row {
    /// Measures it.
    pub(crate) fn measure(&self, building: &mut Building, figures: &mut Figures) -> Outcome<()> {
        let (flash, statics) = size(&image(self.name)?)?;
        figures.insert(format!("{}: flash, bytes", self.name), flash);
        if statics > 0 {
            figures.insert(format!("{}: statics, bytes", self.name), statics);
        }
        (self.visit)(building, self.name, figures)
    }
}

/// From a token to a decision, once, with bytes that are in the image.
fn decided(_: &mut Building, name: &'static str, figures: &mut Figures) -> Outcome<()> {
    // Where QEMU writes what comes by the debugger.
    let said = bare(name)?.args(["-icount", "shift=0", "-serial", "none"]).output()?.stderr;
    let said = String::from_utf8_lossy(&said).into_owned();
    let words: Vec<_> = said.split_whitespace().collect();
    let [.., "did", "decision", "ticks", ticks, "stack", stack, "held", held] = words[..] else {
        return Err(format!("no decision: {said}").into());
    };
    figures.insert(
        format!("{name}: token and request, instructions"),
        ticks.parse::<u64>()? * instructions_per_tick(name),
    );
    figures.insert(format!("{name}: token and request, bytes of stack"), stack.parse()?);
    figures.insert(format!("{name}: RAM held for good, bytes"), held.parse()?);
    Ok(())
}

/// The front door takes encrypted tokens.
fn encrypted(building: &mut Building, name: &'static str, figures: &mut Figures) -> Outcome<()> {
    building.measure_on("front", name, None)?;
    let phone = phone(building, name)?;
    let mut steps = Steps::of(building.lock("front")?)?;
    phone.run(&["open", "front", "--times", "2"])?;
    steps.are(&["token", "first request", "next request"])?;
    steps.tell(name, figures);
    Ok(())
}

/// The side door takes signed ones, by EDHOC of both methods.
fn signed(building: &mut Building, name: &'static str, figures: &mut Figures) -> Outcome<()> {
    // Said anew: the lock before may have been declared for EdDSA.
    building.measure_on("side", name, Some("ES256"))?;
    let phone = phone(building, name)?;
    let lock = building.lock("side")?;
    let mut steps = Steps::of(lock)?;
    phone.run(&["open", "side", "--times", "2"])?;
    steps.are(&["message_1", "message_3 of method 1 with the token and a request", "next request"])?;
    let (key, own) = (key_of(building, name)?, building.credential("side")?);
    let token = token_of(building, name, "urn:latchwork:lock:side")?;
    Attacker::at(lock.address)?.edhoc_by(Method::StaticDhStaticDh, &own, &key, &token)?;
    steps.are(&["message_1", "message_3 of method 3 with the token"])?;
    alone(building, &token, &mut steps)?;
    steps.tell(name, figures);
    off_the_curve(building)
}

/// No point of P-256 has the x coordinate 1: method 3, suite 2, that x, C_I.
fn off_the_curve(building: &Building) -> Outcome<()> {
    let mut message_1 = [&[0x03, 0x02, 0x58, 0x20][..], &[0; 31], &[0x01, 0x0e]].concat();
    let mut visitor = Attacker::at(building.lock("side")?.address)?;
    let refused = visitor.begin(&message_1)?;
    // 5 is on the curve, so the rest of the message was good.
    if let Some(x) = message_1.iter_mut().rev().nth(1) {
        *x = 5;
    }
    let begun = visitor.begin(&message_1)?;
    match (&*refused.code, &*begun.code) {
        ("4.00", "2.04") => Ok(()),
        other => Err(format!("message_1 with a point that is none, and with one: {other:?}").into()),
    }
}

/// A lock without ES256 takes method 3 only, which our phone does not speak: its key and its token come by other means.
fn signed_by_eddsa(building: &mut Building, name: &'static str, figures: &mut Figures) -> Outcome<()> {
    building.measure_on("side", name, Some("EdDSA"))?;
    phone(building, name)?.run(&["fetch", "side"])?;
    let lock = building.lock("side")?;
    let mut steps = Steps::of(lock)?;
    let (key, own) = (key_of(building, name)?, building.credential("side")?);
    let token = token_of(building, name, "urn:latchwork:lock:side")?;
    let (mut visitor, before) = (Attacker::at(lock.address)?, lock.moves()?);
    let (_, mut context) = visitor.edhoc_by(Method::StaticDhStaticDh, &own, &key, &token)?;
    visitor.ask(&mut context)?;
    visitor.ask(&mut context)?;
    steps.are(&["message_1", "message_3 of method 3 with the token", "first request", "next request"])?;
    if lock.moves()? != before + 2 {
        return Err("the door did not open".into());
    }
    alone(building, &token, &mut steps)?;
    steps.tell(name, figures);
    Ok(())
}

/// One image for both doors.
fn both(building: &mut Building, name: &'static str, figures: &mut Figures) -> Outcome<()> {
    building.measure_on("front", name, None)?;
    let mut steps = Steps::since_boot(building.lock("front")?)?;
    steps.are(&["start"])?;
    steps.tell(name, figures);
    encrypted(building, name, figures)?;
    signed(building, name, figures)
}

/// A token that is checked like any other, and refused for its way in.
fn alone(building: &Building, token: &[u8], steps: &mut Steps<'_>) -> Outcome<()> {
    Attacker::at(building.lock("side")?.address)?.upload_bare(token)?;
    steps.are(&["token alone"])
}

/// A new phone for each image: it knows no door yet.
fn phone(building: &Building, name: &str) -> Outcome<Phone> {
    let phone = building.phone(name);
    phone.sign_in(&building.browser()?, EMMA, &[])?;
    Ok(phone)
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
