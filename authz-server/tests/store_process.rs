//! What only shows when the process dies: a kill under load, a full disk.
//!
//! The test runs itself again as the process that dies; `LOAD` tells it where its store is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use latchwork_authz_server::store::sled::{EXIT_STORE, Sled};
use latchwork_authz_server::store::{Batch, Check, Key, Op, Outcome, Store};

const CACHE: u64 = 4 << 20;
const WRITERS: u64 = 16;

/// Not a test of its own: the process that dies. Prints each number once it is committed.
#[test]
fn load() {
    let Some(dir) = std::env::var_os("LOAD") else { return };
    let store = Arc::new(Sled::open(Path::new(&dir), CACHE).unwrap());
    let first: u64 = std::env::var("FIRST").unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let store = Arc::clone(&store);
            writers.spawn(async move {
                for number in (first + writer..).step_by(WRITERS as usize) {
                    let key = Key::new("number", number.to_be_bytes());
                    let batch = Batch {
                        checks: vec![(key.clone(), Check::Absent)],
                        ops: vec![Op::Put { key, value: vec![7; 200], expires: None }],
                    };
                    assert!(matches!(store.commit(batch).await.unwrap(), Outcome::Committed(_)));
                    // One write, past the test harness's capture.
                    std::io::stdout().write_all(format!("done {number}\n").as_bytes()).unwrap();
                }
            });
        }
        while writers.join_next().await.is_some() {}
    });
}

fn child(dir: &Path, first: u64, limits: &str) -> Command {
    let mut command = Command::new("sh");
    let itself = std::env::current_exe().unwrap();
    command
        .args(["-c", &format!("{limits} exec \"$0\" --exact load --nocapture --test-threads=1")])
        .arg(itself)
        .env("LOAD", dir)
        .env("FIRST", first.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn number(line: &str) -> Option<u64> {
    line.rsplit_once("done ")?.1.trim().parse().ok()
}

fn kept(dir: &Path) -> BTreeSet<u64> {
    let store = Sled::open(dir, CACHE).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let found = runtime.block_on(store.scan(Key::new("number", []).bytes(), None, usize::MAX)).unwrap();
    found.iter().map(|(key, _)| u64::from_be_bytes(*key.bytes().last_chunk().unwrap())).collect()
}

#[test]
fn a_kill_under_load_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    for (round, kill_after) in [(0, 1), (1, 300), (2, 700), (3, 1_500), (4, 40)] {
        let mut child = child(dir.path(), round * 1_000_000, "").spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let mut seen = 0;
        loop {
            line.clear();
            if lines.read_line(&mut line).unwrap() == 0 {
                break;
            }
            if let Some(number) = number(&line) {
                acknowledged.insert(number);
                seen += 1;
                if seen == kill_after {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(seen >= kill_after, "round {round}: it ended by itself after {seen}");
        let kept = kept(dir.path());
        let lost: Vec<_> = acknowledged.difference(&kept).collect();
        assert!(lost.is_empty(), "round {round}: lost {lost:?} of {}", acknowledged.len());
    }
}

/// The log may not grow past 2 MiB: the commit that meets the end is not answered, the process says why and ends.
#[test]
fn a_full_disk_ends_the_process_with_one_clear_line() {
    let dir = tempfile::tempdir().unwrap();
    let output = child(dir.path(), 0, "trap '' XFSZ; ulimit -f 4096;").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(EXIT_STORE), "{stderr}");
    let ours: Vec<_> = stderr.lines().filter(|line| line.starts_with("latchwork: ")).collect();
    assert_eq!(ours.len(), 1, "{stderr}");
    assert!(ours[0].contains("the store") && ours[0].contains("File too large"), "{stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let acknowledged: BTreeSet<u64> = stdout.lines().filter_map(number).collect();
    assert!(!acknowledged.is_empty());
    let kept = kept(dir.path());
    assert!(acknowledged.is_subset(&kept), "lost {:?}", acknowledged.difference(&kept));
}
