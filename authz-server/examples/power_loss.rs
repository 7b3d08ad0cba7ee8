//! The program whose power `tests/power_loss` cuts: writes a known history to a store, and says whether what came back is a
//! state of that history that includes everything acknowledged.
//!
//! `power_loss write DIR OPS` appends the number of acknowledged operations to the file `CRASHLOG_ACK` after each commit, going on
//! from whatever state is in DIR. `power_loss check DIR ACKED GROUP` exits with 0, 10 (lost), 12 (no such state), 14 (does not
//! open) or 15 (unusable afterwards).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use latchwork_authz_server::store::sled::Sled;
use latchwork_authz_server::store::{Batch, Key, Op, Store};

const CACHE: u64 = 4 << 20;
/// Operations that share a commit group in the second half of each hundred.
const GROUP: usize = 8;

/// What a store holds, without revisions.
#[derive(Clone, Default, PartialEq)]
struct State {
    records: BTreeMap<Key, Vec<u8>>,
    log: Vec<Vec<u8>>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    match arguments.as_slice() {
        ["write", dir, ops] => runtime.block_on(write(Path::new(dir), ops.parse().unwrap())),
        ["check", dir, acked, group] => {
            runtime.block_on(check(Path::new(dir), acked.parse().unwrap(), group.parse().unwrap()))
        }
        _ => {
            eprintln!("power_loss write DIR OPS | power_loss check DIR ACKED GROUP");
            ExitCode::from(2)
        }
    }
}

async fn write(dir: &Path, ops: usize) -> ExitCode {
    let store = Sled::open(dir, CACHE).unwrap();
    let mut acks =
        OpenOptions::new().append(true).create(true).open(std::env::var_os("CRASHLOG_ACK").unwrap()).unwrap();
    let Some(mut done) = find(&read(&store).await, 0..=ops) else { return ExitCode::from(12) };
    while done < ops {
        let group = if done % 100 < 50 { 1 } else { GROUP.min(ops - done) };
        // Polled in order, so committed in order; they wait together, so they share a group.
        let commits: Vec<_> = (done..done + group).map(|number| store.commit(operation(number))).collect();
        for outcome in together(commits).await {
            outcome.unwrap();
        }
        done += group;
        acks.write_all(format!("{done}\n").as_bytes()).unwrap();
    }
    ExitCode::SUCCESS
}

async fn check(dir: &Path, acked: usize, group: usize) -> ExitCode {
    let store = match Sled::open(dir, CACHE) {
        Ok(store) => store,
        Err(error) => {
            println!("{error}");
            return ExitCode::from(14);
        }
    };
    let state = read(&store).await;
    let Some(at) = find(&state, acked..=acked + group) else {
        let older = find(&state, 0..=acked);
        println!("acknowledged {acked}, found {older:?}");
        return ExitCode::from(if older.is_some() { 10 } else { 12 });
    };
    for number in at..at + 5 {
        if store.commit(operation(number)).await.is_err() {
            return ExitCode::from(15);
        }
    }
    drop(store);
    match Sled::open(dir, CACHE) {
        Ok(store) if find(&read(&store).await, at + 5..=at + 5).is_some() => ExitCode::SUCCESS,
        _ => ExitCode::from(15),
    }
}

async fn read(store: &Sled) -> State {
    let mut state = State::default();
    let mut after: Option<Key> = None;
    loop {
        let page = store.scan(&[], after.as_ref(), 500).await.unwrap();
        let Some((last, _)) = page.last() else { return state };
        after = Some(last.clone());
        for (key, stored) in page {
            if key.bytes().starts_with(Key::new("log", "").bytes()) {
                state.log.push(stored.value);
            } else {
                state.records.insert(key, stored.value);
            }
        }
    }
}

/// The number of operations after which `state` was the whole truth.
fn find(state: &State, range: std::ops::RangeInclusive<usize>) -> Option<usize> {
    let mut expected = State::default();
    for number in 0..=*range.end() {
        if range.contains(&number) && expected == *state {
            return Some(number);
        }
        for op in operation(number).ops {
            match op {
                Op::Put { key, value, .. } => {
                    expected.records.insert(key, value);
                }
                Op::Delete { key } => {
                    expected.records.remove(&key);
                }
                Op::Append { value, .. } => expected.log.push(value),
            }
        }
    }
    None
}

/// Puts, deletes, appends and batches of three over 500 hot keys; values of 40 to 400 bytes, now and then 3 KB.
fn operation(number: usize) -> Batch {
    let put = |dice: &mut Dice| {
        let key = Key::new("hot", format!("{:03}", dice.roll(500)));
        let length = if dice.roll(50) == 0 { 3_000 } else { 40 + dice.roll(360) };
        Op::Put { key, value: text(dice, number, length), expires: None }
    };
    let mut dice = Dice(number as u64);
    let ops = match dice.roll(10) {
        0..4 => vec![put(&mut dice)],
        4..6 => vec![Op::Delete { key: Key::new("hot", format!("{:03}", dice.roll(500))) }],
        6..8 => vec![Op::Append { prefix: Key::new("log", ""), value: text(&mut dice, number, 120), expires: None }],
        _ => (0..3).map(|_| put(&mut dice)).collect(),
    };
    // A state must name its number, or two numbers would have the same state.
    let count = Op::Put { key: Key::new("count", ""), value: number.to_string().into(), expires: None };
    Batch { checks: Vec::new(), ops: ops.into_iter().chain([count]).collect() }
}

fn text(dice: &mut Dice, number: usize, length: usize) -> Vec<u8> {
    let mut text = number.to_string().into_bytes();
    text.resize_with(length, || b'a' + dice.roll(26) as u8);
    text
}

/// splitmix64: the same history every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides as u64) as usize
    }
}

/// Polls all in order until all are done.
async fn together<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let std::task::Poll::Ready(value) = std::pin::Pin::new(future).poll(context)
            {
                *output = Some(value);
            }
        }
        if outputs.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}
