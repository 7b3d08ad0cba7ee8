//! One suite for every engine, and what only sled's wrapper has to survive.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use latchwork_authz_server::store::memory::Memory;
use latchwork_authz_server::store::sled::Sled;
use latchwork_authz_server::store::sweep::Sweeper;
use latchwork_authz_server::store::{Batch, Check, Key, Op, Outcome, Rev, Store, StoreError};
use proptest::prelude::*;

const CACHE: u64 = 4 << 20;

type Make = fn(&Path) -> Arc<dyn Store>;

const ENGINES: [(&str, Make); 2] = [
    ("memory", |_| Arc::new(Memory::default())),
    ("sled", |dir| Arc::new(Sled::open(&dir.join("store"), CACHE).unwrap())),
];

/// Runs `check` on a fresh store of each engine.
fn each(check: impl AsyncFn(&dyn Store)) {
    for (name, make) in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let store = make(dir.path());
        eprintln!("{name}");
        block_on(check(store.as_ref()));
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn key(name: &str) -> Key {
    Key::new("test", name)
}

fn put(name: &str, value: &str) -> Op {
    Op::Put { key: key(name), value: value.into(), expires: None }
}

fn delete(name: &str) -> Op {
    Op::Delete { key: key(name) }
}

async fn write(store: &dyn Store, ops: Vec<Op>) -> Rev {
    match store.commit(Batch { checks: Vec::new(), ops }).await.unwrap() {
        Outcome::Committed(rev) => rev,
        Outcome::Conflict { .. } => panic!("no check, yet a conflict"),
    }
}

async fn value(store: &dyn Store, name: &str) -> Option<String> {
    store.get(&key(name)).await.unwrap().map(|stored| String::from_utf8(stored.value).unwrap())
}

async fn names(store: &dyn Store, prefix: &Key, after: Option<&Key>, limit: usize) -> Vec<String> {
    let found = store.scan(prefix.bytes(), after, limit).await.unwrap();
    found.iter().map(|(key, _)| key.bytes()[prefix.bytes().len()..].escape_ascii().to_string()).collect()
}

#[test]
fn keeps_what_is_put_until_it_is_deleted() {
    each(async |store| {
        assert_eq!(value(store, "a").await, None);
        let first = write(store, vec![put("a", "1"), put("b", "2")]).await;
        let second = write(store, vec![put("a", "3"), delete("b"), delete("never was")]).await;
        assert!(second > first);
        assert_eq!(value(store, "a").await.as_deref(), Some("3"));
        assert_eq!(value(store, "b").await, None);
        assert_eq!(store.get(&key("a")).await.unwrap().unwrap().rev, second);
        write(store, vec![put("empty", "")]).await;
        assert_eq!(value(store, "empty").await.as_deref(), Some(""));
    });
}

#[test]
fn a_check_that_fails_writes_nothing() {
    each(async |store| {
        let old = write(store, vec![put("a", "old")]).await;
        let new = write(store, vec![put("a", "new")]).await;
        for (checks, outcome) in [
            (vec![("a", Check::Present)], None),
            (vec![("a", Check::Rev(new)), ("z", Check::Absent)], None),
            (vec![("a", Check::Absent)], Some(0)),
            (vec![("z", Check::Present)], Some(0)),
            (vec![("a", Check::Present), ("a", Check::Rev(old))], Some(1)),
            (vec![("z", Check::Absent), ("z", Check::Rev(new))], Some(1)),
        ] {
            let batch = Batch {
                checks: checks.iter().map(|(name, check)| (key(name), *check)).collect(),
                ops: vec![put("x", "written"), put("y", "written")],
            };
            let got = store.commit(batch).await.unwrap();
            let (written, conflict) = match got {
                Outcome::Committed(_) => (Some("written".to_owned()), None),
                Outcome::Conflict { check } => (None, Some(check)),
            };
            assert_eq!(conflict, outcome, "{checks:?}");
            assert_eq!(value(store, "x").await, written, "{checks:?}");
            assert_eq!(value(store, "y").await, written, "{checks:?}");
            write(store, vec![delete("x"), delete("y")]).await;
        }
    });
}

#[test]
fn scans_one_prefix_in_order_and_in_pages() {
    each(async |store| {
        write(store, ["c", "a", "b", "ab"].map(|name| put(name, "")).to_vec()).await;
        let others =
            ["tes", "test2", "tesu"].map(|kind| Op::Put { key: Key::new(kind, "a"), value: vec![], expires: None });
        write(store, others.to_vec()).await;
        let all = Key::new("test", "");
        for (after, limit, expected) in [
            (None, 10, vec!["a", "ab", "b", "c"]),
            (None, 2, vec!["a", "ab"]),
            (Some("ab"), 2, vec!["b", "c"]),
            (Some("aa"), 2, vec!["ab", "b"]),
            (Some("c"), 2, vec![]),
            (None, 0, vec![]),
        ] {
            let after = after.map(key);
            assert_eq!(names(store, &all, after.as_ref(), limit).await, expected, "after {after:?}, {limit}");
        }
        let below = Key::new("a", "a");
        assert_eq!(names(store, &all, Some(&below), 1).await, ["a"], "a start below the prefix");
        assert_eq!(store.scan(&[], None, 100).await.unwrap().len(), 7);
    });
}

#[test]
fn appends_stay_in_order_and_never_meet() {
    each(async |store| {
        let log = Key::new("log", "doors");
        let append = |text: &str| Op::Append { prefix: log.clone(), value: text.into(), expires: Some(9) };
        write(store, vec![append("1"), append("2")]).await;
        write(store, vec![append("3")]).await;
        let found = store.scan(log.bytes(), None, 10).await.unwrap();
        let values: Vec<_> = found.iter().map(|(_, stored)| stored.value.clone()).collect();
        assert_eq!(values, [b"1", b"2", b"3"]);
        assert!(found.iter().all(|(_, stored)| stored.expires == Some(9)));
    });
}

#[test]
fn of_many_who_want_it_once_one_gets_it() {
    each(async |store| {
        for round in 0..20 {
            let name = format!("jti {round}");
            let attempts = (0..16).map(|who| {
                store.commit(Batch {
                    checks: vec![(key(&name), Check::Absent)],
                    ops: vec![put(&name, &who.to_string())],
                })
            });
            let outcomes = join_all(attempts).await;
            let winners: Vec<_> =
                (0..).zip(&outcomes).filter(|(_, outcome)| matches!(outcome, Ok(Outcome::Committed(_)))).collect();
            assert_eq!(winners.len(), 1, "{outcomes:?}");
            assert_eq!(value(store, &name).await.unwrap(), winners[0].0.to_string());
        }
    });
}

/// What one commit of a group writes is there for the checks of the next, and all of it outlives the server.
#[test]
fn the_commits_of_a_group_see_each_other() {
    each(async |store| {
        let attempts = [
            (vec![(key("g"), Check::Absent)], vec![put("g", "1")]),
            (vec![(key("g"), Check::Absent)], vec![put("g", "2")]),
            (vec![(key("g"), Check::Present)], vec![delete("g")]),
            (vec![(key("g"), Check::Present)], vec![put("g", "3")]),
            (vec![(key("g"), Check::Absent)], vec![put("g", "4"), put("h", "4")]),
        ];
        let commits = attempts.into_iter().map(|(checks, ops)| store.commit(Batch { checks, ops }));
        let outcomes = join_all(commits).await;
        let committed = |outcome: &Result<Outcome, _>| matches!(outcome, Ok(Outcome::Committed(_)));
        assert_eq!(
            outcomes.iter().map(committed).collect::<Vec<_>>(),
            [true, false, true, false, true],
            "{outcomes:?}"
        );
        assert_eq!(value(store, "g").await.as_deref(), Some("4"));
    });
}

/// More in one group than a segment of sled's log holds.
#[test]
fn a_group_of_megabytes_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let large = "x".repeat(20_000);
    {
        let store = Sled::open(&dir.path().join("store"), CACHE).unwrap();
        let commits =
            (0..200).map(|n| store.commit(Batch { checks: Vec::new(), ops: vec![put(&format!("{n}"), &large)] }));
        let outcomes = block_on(join_all(commits));
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    }
    let store = Sled::open(&dir.path().join("store"), CACHE).unwrap();
    for n in 0..200 {
        assert_eq!(block_on(value(&store, &n.to_string())).as_deref(), Some(large.as_str()), "{n}");
    }
}

/// All at once, so that they share a group.
async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    use std::task::Poll;
    let mut waiting: Vec<_> = futures.map(Box::pin).collect();
    let mut done: BTreeMap<usize, T> = BTreeMap::new();
    let count = waiting.len();
    std::future::poll_fn(|context| {
        for (index, future) in waiting.iter_mut().enumerate() {
            if !done.contains_key(&index)
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                done.insert(index, value);
            }
        }
        if done.len() == count { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_values().collect()
}

#[test]
fn the_sweeper_takes_only_what_has_long_ended() {
    each(async |store| {
        let put = |name: &str, expires| Op::Put { key: key(name), value: vec![], expires };
        write(store, vec![put("a", Some(1_000)), put("b", None), put("c", Some(9_000)), put("d", Some(1_000))]).await;
        let mut sweeper = Sweeper::default();
        assert_eq!(sweeper.step(store, 1_100, 10).await.unwrap(), (0, true), "within the grace time");
        assert_eq!(sweeper.step(store, 2_000, 2).await.unwrap(), (1, false));
        assert_eq!(sweeper.step(store, 2_000, 2).await.unwrap(), (1, false));
        assert_eq!(sweeper.step(store, 2_000, 2).await.unwrap(), (0, true), "and round again");
        assert_eq!(names(store, &Key::new("test", ""), None, 10).await, ["b", "c"]);
        assert_eq!(sweeper.step(store, 2_000, 10).await.unwrap(), (0, true));
    });
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    OnlyIf(u8, bool, u8),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..6_u8;
    prop_oneof![
        4 => (name.clone(), any::<u8>()).prop_map(|(name, value)| Step::Put(name, value)),
        2 => name.clone().prop_map(Step::Delete),
        4 => (name, any::<bool>(), any::<u8>()).prop_map(|(name, there, value)| Step::OnlyIf(name, there, value)),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// sled, closed and opened in between, tells the same story as a map; revisions never repeat.
    #[test]
    fn sled_agrees_with_memory(steps in prop::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::default();
        let mut sled = Some(Sled::open(dir.path(), CACHE).unwrap());
        let mut last = Rev(0);
        for step in steps {
            let batch = match step {
                Step::Reopen => {
                    drop(sled.take());
                    sled = Some(Sled::open(dir.path(), CACHE).unwrap());
                    continue;
                }
                Step::Put(name, value) => Batch { checks: vec![], ops: vec![put(&name.to_string(), &value.to_string())] },
                Step::Delete(name) => Batch { checks: vec![], ops: vec![delete(&name.to_string())] },
                Step::OnlyIf(name, there, value) => Batch {
                    checks: vec![(key(&name.to_string()), if there { Check::Present } else { Check::Absent })],
                    ops: vec![put(&name.to_string(), &value.to_string())],
                },
            };
            let sled = sled.as_ref().unwrap();
            let (in_sled, in_memory) = block_on(async {
                (sled.commit(batch.clone()).await.unwrap(), memory.commit(batch).await.unwrap())
            });
            match (in_sled, in_memory) {
                (Outcome::Committed(rev), Outcome::Committed(_)) => {
                    prop_assert!(rev > last);
                    last = rev;
                }
                (one, other) => prop_assert_eq!(one, other),
            }
            let (all, expected) = block_on(async {
                (sled.scan(&[], None, 100).await.unwrap(), memory.scan(&[], None, 100).await.unwrap())
            });
            let strip = |found: Vec<(Key, _)>| -> Vec<_> {
                found.into_iter().map(|(key, stored): (Key, latchwork_authz_server::store::Stored)| (key, stored.value)).collect()
            };
            prop_assert_eq!(strip(all), strip(expected));
        }
    }
}

/// A store with some history, closed, so that it has a log and snapshots.
fn filled(dir: &Path) {
    for round in 0..3 {
        let store = Sled::open(dir, CACHE).unwrap();
        block_on(async {
            for number in 0..200 {
                write(&store, vec![put(&format!("{round}/{number}"), &"x".repeat(number))]).await;
            }
        });
    }
}

fn whole(dir: &Path) -> bool {
    let store = Sled::open(dir, CACHE).unwrap();
    block_on(async {
        let found = store.scan(&[], None, 10_000).await.unwrap();
        write(&store, vec![put("after", "")]).await;
        found.len() == 600
    })
}

/// What a crash while sled writes a snapshot leaves: a partial `snap.*.generating`, taken for the newest.
#[test]
fn an_unfinished_snapshot_does_not_keep_the_store_shut() {
    for cut in [0, 1, 7, 16, 40] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("store");
        filled(&dir);
        let snapshot = fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|file| file.file_name().unwrap().to_str().unwrap().starts_with("snap."))
            .unwrap();
        let mut partial = fs::read(&snapshot).unwrap();
        partial.truncate(cut);
        let file = dir.join("snap.00000000FFFFFFFF.generating");
        fs::write(&file, &partial).unwrap();
        assert!(whole(&dir), "cut at {cut}");
        assert!(!file.exists());
    }
}

/// A finished but damaged snapshot: the directory is copied aside, the snapshot removed, and the log has everything.
#[test]
fn a_damaged_snapshot_costs_nothing_but_a_copy() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 3] = [
        ("cut", |file| fs::write(file, &fs::read(file).unwrap()[..9]).unwrap()),
        ("empty", |file| fs::write(file, b"").unwrap()),
        ("bent", |file| {
            let mut bytes = fs::read(file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x40;
            fs::write(file, bytes).unwrap();
        }),
    ];
    for (name, damage) in damages {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("store");
        filled(&dir);
        for entry in fs::read_dir(&dir).unwrap() {
            let file = entry.unwrap().path();
            if file.file_name().unwrap().to_str().unwrap().starts_with("snap.") {
                damage(&file);
            }
        }
        assert!(whole(&dir), "{name}");
        assert!(parent.path().join("store.damaged-1/db").exists(), "{name}: no copy");
    }
}

/// A lost log is not repaired by forgetting: the server does not start, however often it is tried.
#[test]
fn a_lost_store_is_never_replaced_by_an_empty_one() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("cut", |dir| fs::write(dir.join("db"), b"").unwrap()),
        ("removed", |dir| fs::remove_file(dir.join("db")).unwrap()),
        ("all but our mark removed", |dir| {
            fs::remove_dir_all(dir.join("blobs")).unwrap();
            for entry in fs::read_dir(dir).unwrap() {
                let file = entry.unwrap().path();
                if !file.ends_with("settled") {
                    fs::remove_file(file).unwrap();
                }
            }
        }),
        ("overwritten", |dir| fs::write(dir.join("db"), vec![0xff; 1 << 20]).unwrap()),
    ];
    for (name, damage) in damages {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("store");
        filled(&dir);
        damage(&dir);
        for attempt in 1..=2 {
            match Sled::open(&dir, CACHE) {
                Err(StoreError::Damaged { .. } | StoreError::Lost(_)) => {}
                Err(other) => panic!("{name}, attempt {attempt}: {other}"),
                Ok(_) => panic!("{name}, attempt {attempt}: it opened"),
            }
        }
    }
}

#[test]
fn a_store_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = Sled::open(dir.path(), CACHE).unwrap();
    assert!(matches!(Sled::open(dir.path(), CACHE), Err(StoreError::Locked(_))));
    drop(first);
    assert!(Sled::open(dir.path(), CACHE).is_ok());
}
