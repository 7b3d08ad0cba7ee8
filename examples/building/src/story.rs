//! The scenes. Each says what happened in values that were measured, and whether the bolts did what they should.

use std::fs;
use std::time::{Duration, Instant};

use crate::attack::Attacker;
use crate::people::{EMMA, OLIVIA, THEO, VICTOR, sign_in_at_provider};
use crate::{Browser, Building, Interrupts, Outcome, Page};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchwork_crypto::{P256Private, Secret};

const FRONT: &str = "urn:latchwork:lock:front";
const LAB: &str = "urn:latchwork:lock:lab";
const SIDE: &str = "urn:latchwork:lock:side";
const ANNEX: &str = "urn:latchwork:lock:annex";
const SERVER_ROOM: &str = "urn:latchwork:lock:server-room";

/// Prints the scenes and counts them.
#[derive(Default)]
pub struct Teller {
    /// How many scenes there were.
    pub all: usize,
    /// How many of them went as they should.
    pub good: usize,
    /// Who may end the story before its end.
    pub interrupts: Option<Interrupts>,
}

/// What a scene measured, and whether it is as it should be.
struct Scene {
    good: bool,
    measured: String,
}

impl Scene {
    fn new(good: bool, measured: impl Into<String>) -> Outcome<Self> {
        Ok(Self { good, measured: measured.into() })
    }
}

impl Teller {
    fn chapter(&self, title: &str) {
        println!("\n{title}");
    }

    fn scene(&mut self, title: &str, play: impl FnOnce() -> Outcome<Scene>) -> Outcome<()> {
        let scene = play().unwrap_or_else(|error| Scene { good: false, measured: error.to_string() });
        if self.interrupts.as_ref().is_some_and(Interrupts::came) {
            return Err("interrupted".into());
        }
        self.all += 1;
        self.good += usize::from(scene.good);
        let mark = if scene.good { "ok  " } else { "FAIL" };
        println!("  {mark}  {title:61}  {}", scene.measured);
        Ok(())
    }
}

/// Whatever needs the server: sign-ins, consents, tokens.
pub fn online(building: &mut Building, told: &mut Teller) -> Outcome<()> {
    let building = &*building;
    told.chapter("In the morning, with a network");
    told.scene("refused: a wrong password at the provider", || wrong_password(building))?;
    told.scene("refused: the employee at the server room, by policy", || server_room(building))?;
    told.scene("Emma signs in and her phone fetches a token", || emma_fetches(building))?;
    told.scene("and one for the side door, bound to the phone's own key", || emma_fetches_signed(building))?;
    told.scene("refused: a stolen refresh token, without the phone's key", || stolen_refresh_token(building))?;
    told.scene("refused: the visitor at the lab, before its owner agrees", || before_consent(building))?;
    told.scene("Olivia, who owns the lab, lets the visitor in", || owner_consents(building))?;
    told.scene("opened: the robot, with a token got over CoAP and OSCORE", || robot(building))?;
    told.scene("revoked: the visitor's token; the lab's lock hears of it", || revoked(building))?;
    Ok(())
}

/// What doors do when the server and the provider are gone.
pub fn offline(building: &mut Building, told: &mut Teller) -> Outcome<()> {
    building.stop_server();
    building.stop_provider();
    let on_board = !building.lock("front")?.has_clock();
    told.chapter("In the evening, server and provider stopped");
    told.scene("refused: the revoked token, after a power cut of the lock", || still_revoked(building))?;
    let stage = &*building;
    told.scene("opened: the employee's door", || opens(stage, "emma", "front"))?;
    told.scene("opened: the same door again, at once", || opens_twice(stage, "emma", "front"))?;
    told.scene("opened: the visitor's door", || opens(stage, "victor", "lab"))?;
    told.scene("opened: the side door, by EDHOC", || opens_by_edhoc(stage))?;
    told.scene("opened: the side door again, at once", || opens_twice(stage, "emma", "side"))?;
    told.scene("refused: a stolen token, without its key", || stolen_token(stage))?;
    told.scene("refused: everything that went by, sent again", || replay(stage))?;
    told.scene("refused: a token for the other lock", || other_lock(stage))?;
    told.scene("refused: a forged token", || forged(stage))?;
    told.scene("refused: a stolen signed token in EDHOC, with another key", || stolen_signed_token(stage))?;
    told.scene("refused: a signed token uploaded in the open", || signed_in_the_open(stage))?;
    told.scene("refused: EDHOC with a token for another lock", || signed_for_another(stage))?;
    if on_board {
        told.scene("refused: after a power cut, a token that had begun to count", || counted(building))?;
    } else {
        told.scene("refused: a token whose end has passed", || expired(building))?;
    }
    Ok(())
}

fn wrong_password(building: &Building) -> Outcome<Scene> {
    let browser = building.browser()?;
    let started = building.phone("nobody").start_sign_in(&[])?;
    let page = sign_in_at_provider(&browser, browser.open(&started.url)?, ("emma", "123456"))?;
    let still_there = page.url.as_str().starts_with(&building.provider_url);
    Scene::new(page.status == 401 && still_there, format!("the provider answers {}", page.status))
}

fn server_room(building: &Building) -> Outcome<Scene> {
    let browser = building.browser()?;
    match building.phone("emma-at-the-server-room").sign_in(&browser, EMMA, &[SERVER_ROOM]) {
        Ok(_) => Scene::new(false, "the sign-in succeeded"),
        Err(error) => {
            let answer = error.to_string();
            let refused = ["access_denied", "invalid_scope", "invalid_target"].iter().find(|e| answer.contains(**e));
            Scene::new(refused.is_some(), refused.map_or(answer.clone(), |error| format!("the server answers {error}")))
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the demo reports how long it took")]
fn emma_fetches(building: &Building) -> Outcome<Scene> {
    let (browser, phone) = (building.browser()?, building.phone("emma"));
    let started = Instant::now();
    phone.sign_in(&browser, EMMA, &[])?;
    let signed_in = started.elapsed();
    phone.run(&["fetch", "front"])?;
    let token = token_of(building, "emma", FRONT)?;
    Scene::new(true, format!("sign-in {} ms; token of {} B", signed_in.as_millis(), token.len()))
}

fn emma_fetches_signed(building: &Building) -> Outcome<Scene> {
    let phone = building.phone("emma");
    phone.run(&["fetch", "side"])?;
    phone.run(&["fetch", "annex"])?;
    let token = token_of(building, "emma", SIDE)?;
    let signed = token.starts_with(&[0xd8, 0x3d, 0xd2]);
    Scene::new(signed, format!("signed token of {} B", token.len()))
}

fn stolen_refresh_token(building: &Building) -> Outcome<Scene> {
    let (browser, thief) = (building.browser()?, building.phone("theo"));
    thief.sign_in(&browser, THEO, &[])?;
    fs::copy(building.phone("emma").home().join("tokens.json"), thief.home().join("tokens.json"))?;
    let mut state: serde_json::Value = serde_json::from_slice(&fs::read(thief.home().join("tokens.json"))?)?;
    // Only the refresh token: what happens to a stolen door token comes later.
    state["permissions"] = serde_json::json!({});
    fs::write(thief.home().join("tokens.json"), serde_json::to_vec(&state)?)?;
    let refusal = thief.run(&["fetch", "front"]).err().map(|error| error.to_string()).unwrap_or_default();
    let refused = refusal.contains("invalid_grant");
    let unharmed = building.phone("emma").run(&["fetch", "front"]).is_ok();
    let measured = if refused { "the server answers invalid_grant; Emma's phone still works" } else { &refusal };
    Scene::new(refused && unharmed, measured)
}

fn before_consent(building: &Building) -> Outcome<Scene> {
    let (browser, phone) = (building.browser()?, building.phone("victor-early"));
    let started = phone.start_sign_in(&[LAB])?;
    let page = started.consent(&browser, VICTOR)?;
    let waits = page.url.as_str().starts_with(&building.issuer);
    let refusal = phone.run(&["open", "lab"]).err().map(|error| error.to_string()).unwrap_or_default();
    let moves = building.lock("lab")?.moves()?;
    // The owner says no to this one, and the app hears it.
    answer_as_owner(building, "No")?;
    let page = wait_for_owner(building, &browser, page)?;
    let denied = started.end(&page).is_err_and(|error| error.to_string().contains("access_denied"));
    Scene::new(
        waits && !refusal.is_empty() && moves == 0 && denied,
        format!(
            "bolt moves {moves}; the owner denies, the app hears {}",
            if denied { "access_denied" } else { "nothing" }
        ),
    )
}

fn owner_consents(building: &Building) -> Outcome<Scene> {
    let (browser, phone) = (building.browser()?, building.phone("victor"));
    let started = phone.start_sign_in(&[LAB])?;
    let page = started.consent(&browser, VICTOR)?;
    answer_as_owner(building, "Allow")?;
    let page = wait_for_owner(building, &browser, page)?;
    started.end(&page)?;
    phone.run(&["fetch", "lab"])?;
    let token = token_of(building, "victor", LAB)?;
    Scene::new(true, format!("token of {} B", token.len()))
}

/// Olivia opens her page and presses a button on the first question there.
fn answer_as_owner(building: &Building, label: &str) -> Outcome<()> {
    let browser = building.browser()?;
    let page = browser.open(&format!("{}/approvals", building.issuer))?;
    let page = sign_in_at_provider(&browser, page, OLIVIA)?;
    browser.press(&page, label, &[])?;
    Ok(())
}

/// Looks again at the page that waits, until it leads back to the app.
fn wait_for_owner(building: &Building, browser: &Browser, mut page: Page) -> Outcome<Page> {
    for _ in 0..600 {
        if !page.url.as_str().starts_with(&building.issuer) {
            return Ok(page);
        }
        std::thread::sleep(Duration::from_millis(50));
        page = browser.open(page.url.as_str())?;
    }
    Err(format!("still waiting at {}", page.url).into())
}

fn robot(building: &Building) -> Outcome<Scene> {
    let front = building.lock("front")?;
    let before = front.moves()?;
    let config = building.path("robot.toml");
    fs::write(
        &config,
        format!(
            "issuer = {issuer:?}\nserver = {server:?}\n\n[oscore]\nmaster_secret = {secret:?}\nsender_id = \"0a\"\n\
             recipient_id = \"0b\"\n\n[[door]]\nname = \"front\"\naudience = {FRONT:?}\naddress = {address:?}\n\
             as_uri = \"{issuer}/token\"\nscopes = \"door:open\"\n",
            issuer = building.issuer,
            server = building.coap,
            secret = building.robot_secret,
            address = front.corridor.address.to_string(),
        ),
    )?;
    let said = building.phone("robot").run(&["machine", "--config", &config.to_string_lossy(), "front"])?;
    let moves = front.moves()? - before;
    Scene::new(moves == 1, format!("{}; bolt moves {moves}", said.trim_start_matches("opened front: ")))
}

/// An administrator takes one token back. The lock has a network and is told; the visitor may go on, with another token.
#[allow(clippy::disallowed_methods, reason = "the demo reports how long it took")]
fn revoked(building: &Building) -> Outcome<Scene> {
    let (lab, token) = (building.lock("lab")?, token_of(building, "victor", LAB)?);
    let (before, mut door) = (lab.moves()?, Attacker::at(lab.address)?);
    let good = door.upload(&token)?.code;
    fs::write(building.path("revoked.token"), &token)?;
    let (directory, text) = (building.path("server"), URL_SAFE_NO_PAD.encode(&token));
    building.latchwork(&["revoke", "--token", &text, "--dir", &directory.to_string_lossy()])?;
    let began = Instant::now();
    let mut answer = door.upload(&token)?.code;
    while answer == good && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
        answer = door.upload(&token)?.code;
    }
    let heard = began.elapsed();
    building.phone("victor").run(&["open", "lab"])?;
    let (moves, other) = (lab.moves()? - before, token_of(building, "victor", LAB)? != token);
    Scene::new(
        (&*good, &*answer) == ("2.01", "4.01") && moves == 1 && other,
        format!("{good} before, {answer} {} ms later; his phone gets another", heard.as_millis()),
    )
}

/// The hash of the token is in the lock's state.
fn still_revoked(building: &mut Building) -> Outcome<Scene> {
    building.reboot("lab")?;
    let lab = building.lock("lab")?;
    let before = lab.moves()?;
    let answer = Attacker::at(lab.address)?.upload(&fs::read(building.path("revoked.token"))?)?;
    let moves = lab.moves()? - before;
    Scene::new(
        answer.code == "4.01" && moves == 0 && building.is_offline(),
        format!("the lock answers {}; bolt moves {moves}", answer.code),
    )
}

fn opens(building: &Building, who: &str, door: &str) -> Outcome<Scene> {
    let lock = building.lock(door)?;
    let before = lock.moves()?;
    lock.corridor.take();
    let said = building.phone(who).run(&["open", door])?;
    let (moves, seen) = (lock.moves()? - before, lock.corridor.take());
    let bytes: usize = seen.iter().map(|datagram| datagram.bytes.len()).sum();
    let round_trips = seen.iter().filter(|datagram| !datagram.to_lock).count();
    let took = said.rsplit(", ").next().unwrap_or_default().to_owned();
    Scene::new(
        moves == 1 && building.is_offline(),
        format!("{round_trips} round trips, {bytes} B in all, {took}; bolt moves {moves}"),
    )
}

fn opens_twice(building: &Building, who: &str, door: &str) -> Outcome<Scene> {
    let lock = building.lock(door)?;
    let before = lock.moves()?;
    let said = building.phone(who).run(&["open", door, "--times", "2"])?;
    let moves = lock.moves()? - before;
    let warm = said.lines().nth(1).unwrap_or_default().to_owned();
    Scene::new(
        moves == 2 && warm.contains(" 1 round trips"),
        format!("{}; bolt moves {moves}", warm.trim_start_matches(&format!("opened {door}: "))),
    )
}

/// Cold: message_1, then message_3 and the request in one.
fn opens_by_edhoc(building: &Building) -> Outcome<Scene> {
    let lock = building.lock("side")?;
    lock.corridor.take();
    let said = building.phone("emma").run(&["open", "side"])?;
    let seen = lock.corridor.take();
    let sizes = |to_lock| {
        let sizes =
            seen.iter().filter(|datagram| datagram.to_lock == to_lock).map(|datagram| datagram.bytes.len().to_string());
        sizes.collect::<Vec<_>>().join("+")
    };
    let (there, back) = (sizes(true), sizes(false));
    let round_trips = seen.iter().filter(|datagram| !datagram.to_lock).count();
    let (moves, took) = (lock.moves()?, said.rsplit(", ").next().unwrap_or_default());
    Scene::new(
        moves == 1 && round_trips == 2 && building.is_offline(),
        format!("{round_trips} round trips, {there} B out, {back} B in, {took}; bolt moves {moves}"),
    )
}

/// Theo has Emma's token for the side door, and a key of his own.
fn stolen_signed_token(building: &Building) -> Outcome<Scene> {
    let side = building.lock("side")?;
    let (before, key) = (side.moves()?, key_of(building, "theo")?);
    let mut thief = Attacker::at(side.address)?;
    let answer = thief.edhoc(&building.credential("side")?, &key, &token_of(building, "emma", SIDE)?)?;
    let unharmed = building.phone("emma").run(&["open", "side"]).is_ok();
    let moves = side.moves()? - before;
    Scene::new(
        answer.code == "4.00" && answer.payload == EDHOC_ERROR && moves == 1 && unharmed,
        format!("an EDHOC error in a {}, no detail; Emma's phone still opens", answer.code),
    )
}

fn signed_in_the_open(building: &Building) -> Outcome<Scene> {
    let side = building.lock("side")?;
    let (before, token) = (side.moves()?, token_of(building, "emma", SIDE)?);
    let mut thief = Attacker::at(side.address)?;
    let answers = [thief.upload_bare(&token)?.code, thief.upload(&token)?.code];
    let moves = side.moves()? - before;
    Scene::new(
        answers == ["4.01", "4.01"] && moves == 0,
        format!("bare {}, with nonces {}; bolt moves {moves}", answers[0], answers[1]),
    )
}

/// Emma's own key, and her token for the annex.
fn signed_for_another(building: &Building) -> Outcome<Scene> {
    let side = building.lock("side")?;
    let (before, key) = (side.moves()?, key_of(building, "emma")?);
    let token = token_of(building, "emma", ANNEX)?;
    let answer = Attacker::at(side.address)?.edhoc(&building.credential("side")?, &key, &token)?;
    let moves = side.moves()? - before;
    Scene::new(
        answer.code == "4.00" && answer.payload == EDHOC_ERROR && moves == 0,
        format!("an EDHOC error in a {}, no detail; bolt moves {moves}", answer.code),
    )
}

fn stolen_token(building: &Building) -> Outcome<Scene> {
    let front = building.lock("front")?;
    let before = front.moves()?;
    let mut thief = Attacker::at(front.address)?;
    let upload = thief.upload(&token_of(building, "emma", FRONT)?)?;
    let answer = latchwork_ace::authz_info::Response::decode(&upload.payload);
    let kid = answer.map(|answer| answer.server_recipient_id.to_vec()).unwrap_or_default();
    let answers = [upload.code.clone(), thief.knock()?.code, thief.guess(&[0x55, 0x55])?.code, thief.guess(&kid)?.code];
    let moves = front.moves()? - before;
    let unharmed = building.phone("emma").run(&["open", "front"]).is_ok();
    Scene::new(
        answers == ["2.01", "4.01", "4.01", "4.00"] && moves == 0 && unharmed,
        format!(
            "token {}, plain {}, unknown key {}, guessed key {}; bolt moves {moves}",
            answers[0], answers[1], answers[2], answers[3]
        ),
    )
}

fn replay(building: &Building) -> Outcome<Scene> {
    let front = building.lock("front")?;
    front.corridor.take();
    building.phone("emma").run(&["open", "front"])?;
    let before = front.moves()?;
    let mut thief = Attacker::at(front.address)?;
    let seen = front.corridor.take();
    let mut sent = 0;
    let mut last = String::new();
    for datagram in seen.iter().filter(|datagram| datagram.to_lock) {
        for answer in thief.replay(&datagram.bytes)? {
            sent += 1;
            last = answer.code;
        }
    }
    let moves = front.moves()? - before;
    Scene::new(sent > 0 && moves == 0, format!("{sent} datagrams, the last answered {last}; bolt moves {moves}"))
}

fn other_lock(building: &Building) -> Outcome<Scene> {
    let lab = building.lock("lab")?;
    let before = lab.moves()?;
    let answer = Attacker::at(lab.address)?.upload(&token_of(building, "emma", FRONT)?)?;
    let moves = lab.moves()? - before;
    Scene::new(
        answer.code == "4.01" && moves == 0,
        format!("the lab's lock answers {}; bolt moves {moves}", answer.code),
    )
}

fn forged(building: &Building) -> Outcome<Scene> {
    let front = building.lock("front")?;
    let before = front.moves()?;
    let mut token = token_of(building, "emma", FRONT)?;
    if let Some(byte) = token.last_mut() {
        *byte ^= 1;
    }
    let answer = Attacker::at(front.address)?.upload(&token)?;
    let moves = front.moves()? - before;
    Scene::new(answer.code == "4.01" && moves == 0, format!("the lock answers {}; bolt moves {moves}", answer.code))
}

fn expired(building: &Building) -> Outcome<Scene> {
    let front = building.lock("front")?;
    let before = front.moves()?;
    front.set_clock(9 * 3600)?;
    let refusal =
        building.phone("emma").run(&["open", "front"]).err().map(|error| error.to_string()).unwrap_or_default();
    let answer = Attacker::at(front.address)?.upload(&token_of(building, "emma", FRONT)?)?;
    let moves = front.moves()? - before;
    Scene::new(
        answer.code == "4.01" && moves == 0 && refusal.contains("4.01"),
        format!("nine hours later the lock answers {}; bolt moves {moves}", answer.code),
    )
}

/// A board has no date to set ahead. Its tokens count from receipt, and one that counted before a power cut is over.
fn counted(building: &mut Building) -> Outcome<Scene> {
    let token = token_of(building, "emma", FRONT)?;
    building.reboot("front")?;
    let front = building.lock("front")?;
    let before = front.moves()?;
    let answer = Attacker::at(front.address)?.upload(&token)?;
    let moves = front.moves()? - before;
    Scene::new(
        answer.code == "4.01" && moves == 0,
        format!("without a clock the lock answers {}; bolt moves {moves}", answer.code),
    )
}

/// The key of somebody's phone.
pub fn key_of(building: &Building, who: &str) -> Outcome<P256Private> {
    let scalar = fs::read(building.phone(who).home().join("installation.key"))?;
    let scalar = scalar.try_into().map_err(|_| "no key in this phone")?;
    Ok(P256Private::new(Secret::new(scalar))?)
}

/// ERR_CODE 1 and an empty text (RFC 9528 §6.2).
const EDHOC_ERROR: [u8; 2] = [1, 0x60];

/// The token for a lock in somebody's phone.
pub fn token_of(building: &Building, who: &str, audience: &str) -> Outcome<Vec<u8>> {
    let state: serde_json::Value = serde_json::from_slice(&fs::read(building.phone(who).home().join("tokens.json"))?)?;
    let token = state["permissions"][audience]["token"].as_str().ok_or("no token in this phone")?;
    Ok(URL_SAFE_NO_PAD.decode(token)?)
}
