//! RFC 9770's own examples, its rules as tables, and a model written straight from its text.

use std::collections::VecDeque;

use latchwork_cbor::Reader;
use proptest::prelude::*;

use super::*;
use crate::core::bytes::hex;
use crate::core::change::{Record, Write};

fn limits(max_n: u64, max_index: u64, batch: u64) -> Limits {
    Limits::new(max_n, max_index, batch).unwrap()
}

fn query(text: &str) -> Query {
    Query::new(text.split('&').filter_map(|pair| pair.split_once('=')))
}

fn collection(added: u64, kept: u64) -> Collection {
    Collection { requester: Requester::Administrator, added, kept, until: None }
}

fn hash(n: u64) -> Hash32 {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    Hash32(bytes)
}

/// The state of one requester in the store, and what updates do to it.
#[derive(Default)]
struct Kept {
    collection: Option<(Collection, Rev)>,
    items: BTreeMap<u64, Patch>,
}

impl Kept {
    fn update(&mut self, patch: Patch, limits: Limits) {
        let who = Requester::Administrator;
        let known = self.collection.iter().cloned().map(|known| (who.clone(), known)).collect();
        for change in update(BTreeMap::from([(who, patch)]), &known, limits, Timestamp(0)) {
            match change.write {
                Write::Put(Record::Collection(new)) => self.collection = Some((new, Rev(0))),
                Write::Put(Record::SeriesItem(item)) => drop(self.items.insert(item.number, item.patch)),
                Write::Delete(Key::SeriesItem((_, number))) => {
                    assert!(self.items.remove(&number).is_some(), "what is deleted was there");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn ask(&self, text: &str, limits: Limits) -> Said {
        let plan = plan(&query(text), self.collection.as_ref().map(|(known, _)| known), limits);
        match plan {
            Err(Refused { trouble, cursor, .. }) => Said::Refused(trouble.0, cursor),
            Ok(Plan::Full { cursor }) => Said::Full(cursor),
            Ok(Plan::Diff { items, cursor, more }) => {
                Said::Diff(items.rev().map(|number| self.items[&number].clone()).collect(), cursor, more)
            }
        }
    }
}

#[derive(Debug, PartialEq)]
enum Said {
    Full(Option<u64>),
    Diff(Vec<Patch>, Option<u64>, bool),
    Refused(u8, Option<Option<u64>>),
}

fn patch(removed: &[u64], added: &[u64]) -> Patch {
    let hashes = |numbers: &[u64]| numbers.iter().copied().map(hash).collect();
    Patch { removed: hashes(removed), added: hashes(added) }
}

/// RFC 9770 Figures 13 and 14, answer by answer.
///
/// R9770-8-01, R9770-9.1-01, R9770-9.2.2-01
#[test]
fn the_rfcs_own_interactions() {
    let ours = limits(10, u32::MAX.into(), 5);
    let mut c4 = Kept::default();
    assert_eq!(c4.ask("diff=3", ours), Said::Diff(vec![], None, false));
    let steps = [patch(&[], &[1]), patch(&[], &[2]), patch(&[1], &[]), patch(&[2], &[])];
    for (place, step) in (0..).zip(steps.clone()) {
        c4.update(step, ours);
        let latest = steps[..=usize::try_from(place).unwrap()].iter().rev().take(3).cloned().collect();
        assert_eq!(c4.ask("diff=3", ours), Said::Diff(latest, Some(place), false));
    }
    assert_eq!(c4.ask("diff=3&cursor=3", ours), Said::Diff(vec![], Some(3), false));

    let mut c5 = Kept::default();
    assert_eq!(c5.ask("", ours), Said::Full(None));
    let steps = [
        patch(&[], &[1]),
        patch(&[], &[2]),
        patch(&[1], &[]),
        patch(&[2], &[]),
        patch(&[], &[3]),
        patch(&[], &[4]),
        patch(&[3], &[]),
        patch(&[4], &[]),
        patch(&[], &[5, 6]),
        patch(&[5], &[]),
        patch(&[6], &[]),
    ];
    for (place, step) in (0..).zip(steps.clone()) {
        c5.update(step, ours);
        assert_eq!(c5.ask("", ours), Said::Full(Some(place)));
    }
    let newest_first = |from: usize, to: usize| steps[from..=to].iter().rev().cloned().collect();
    assert_eq!(c5.ask("diff=8&cursor=2", ours), Said::Diff(newest_first(3, 7), Some(7), true));
    assert_eq!(c5.ask("diff=8&cursor=7", ours), Said::Diff(newest_first(8, 10), Some(10), false));
}

/// What may be asked, and what is refused with which number (§6.3).
///
/// R9770-6.3-01, R9770-6.3-02, R9770-6.3-04, R9770-6.3-05, R9770-6.3-06, R9770-9.2.1-01
#[test]
fn query_parameters() {
    let ours = limits(3, 9, 2);
    let empty = || Said::Diff(vec![], None, false);
    for (text, on_empty, on_two) in [
        ("", Said::Full(None), Said::Full(Some(1))),
        ("foo=1", Said::Full(None), Said::Full(Some(1))),
        ("foo=1&Diff=x&CURSOR=y", Said::Full(None), Said::Full(Some(1))),
        ("diff=-1", Said::Refused(0, None), Said::Refused(0, None)),
        ("diff=x", Said::Refused(0, None), Said::Refused(0, None)),
        ("diff=", Said::Refused(0, None), Said::Refused(0, None)),
        ("diff=+1", Said::Refused(0, None), Said::Refused(0, None)),
        ("diff=1.0", Said::Refused(0, None), Said::Refused(0, None)),
        ("diff=1&diff=1", Said::Refused(0, None), Said::Refused(0, None)),
        ("diff=x&cursor=x", Said::Refused(0, None), Said::Refused(0, None)),
        ("cursor=1", Said::Refused(1, None), Said::Refused(1, None)),
        ("cursor=x", Said::Refused(1, None), Said::Refused(1, None)),
        ("diff=1&cursor=x", Said::Refused(0, Some(None)), Said::Refused(0, Some(Some(1)))),
        ("diff=1&cursor=-5", Said::Refused(0, Some(None)), Said::Refused(0, Some(Some(1)))),
        ("diff=1&cursor=", Said::Refused(0, Some(None)), Said::Refused(0, Some(Some(1)))),
        ("diff=1&cursor=10", Said::Refused(0, Some(None)), Said::Refused(0, Some(Some(1)))),
        ("diff=1&cursor=99999999999999999999999", Said::Refused(0, Some(None)), Said::Refused(0, Some(Some(1)))),
        ("diff=1&cursor=0&cursor=0", Said::Refused(0, Some(None)), Said::Refused(0, Some(Some(1)))),
        ("diff=1&cursor=9", empty(), Said::Refused(2, None)),
        ("diff=1&cursor=2", empty(), Said::Refused(2, None)),
        ("diff=1&cursor=1", empty(), Said::Diff(vec![], Some(1), false)),
        ("diff=0&cursor=0", empty(), Said::Diff(vec![patch(&[], &[1])], Some(1), false)),
        ("diff=1", empty(), Said::Diff(vec![patch(&[], &[1])], Some(1), false)),
        ("diff=0", empty(), Said::Diff(vec![patch(&[], &[1]), patch(&[], &[0])], Some(1), false)),
        ("diff=99999999999999999999999", empty(), Said::Diff(vec![patch(&[], &[1]), patch(&[], &[0])], Some(1), false)),
    ] {
        let mut kept = Kept::default();
        assert_eq!(kept.ask(text, ours), on_empty, "{text:?} when there was no update");
        kept.update(patch(&[], &[0]), ours);
        kept.update(patch(&[], &[1]), ours);
        assert_eq!(kept.ask(text, ours), on_two, "{text:?} after two");
    }
}

/// The `index` values of §6.2.1's own example, and cursors across the wrap.
///
/// R9770-6.2.1-02, R9770-9.2.3-01, R9770-9.2.3-03
#[test]
fn indices_wrap_around() {
    let ours = limits(3, 4, 3); // indices 0 to 4
    let mut kept = Kept::default();
    let mut seen = Vec::new();
    for n in 0..12 {
        kept.update(patch(&[], &[n]), ours);
        let Said::Full(cursor) = kept.ask("", ours) else { panic!() };
        seen.push(cursor.unwrap());
    }
    assert_eq!(seen, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]);
    // Kept are the items 9, 10 and 11 with the indices 4, 0 and 1.
    let items = |from: u64| (from..12).rev().map(|n| patch(&[], &[n])).collect::<Vec<_>>();
    for (cursor, said) in [
        (3, Said::Diff(items(9), Some(1), false)), // gone itself, but its successor is there
        (4, Said::Diff(items(10), Some(1), false)),
        (0, Said::Diff(items(11), Some(1), false)),
        (1, Said::Diff(vec![], Some(1), false)),
        (2, Said::Diff(vec![], None, true)), // lost
    ] {
        assert_eq!(kept.ask(&format!("diff=0&cursor={cursor}"), ours), said, "cursor {cursor}");
    }
    assert_eq!(kept.ask("diff=0&cursor=5", ours), Said::Refused(0, Some(Some(1))));
}

/// R9770-6.2.1-01
#[test]
fn constants_that_contradict_each_other_cannot_be_made() {
    for (max_n, max_index, batch, good) in [
        (1, 0, 1, true),
        (3, 2, 3, true),
        (3, 1, 3, false),
        (0, 9, 0, false),
        (3, 9, 0, false),
        (3, 9, 4, false),
        (3, u64::MAX, 1, true),
    ] {
        assert_eq!(Limits::new(max_n, max_index, batch).is_some(), good, "{max_n} {max_index} {batch}");
    }
    assert!(Limits::default().max_index >= u64::from(u32::MAX));
    assert_eq!(limits(1, u64::MAX, 1).index(u64::MAX - 1), u64::MAX - 1, "no overflow where nothing wraps");
    let full = plan(&query(""), Some(&collection(7, 3)), Limits::default());
    assert_eq!(full, Ok(Plan::Full { cursor: Some(6) }));
}

/// The bytes of each kind of answer.
///
/// R9770-4.4-02, R9770-5-01, R9770-6.1-01, R9770-7-01, R9770-7-02, R9770-8-02
#[test]
fn payloads() {
    let h = format!("5821{}", hex(&[&[1], &hash(0x0102_0304_0506_0708).0[..]].concat()));
    let one = [hash(0x0102_0304_0506_0708)];
    let of = |removed: &[Hash32], added: &[Hash32]| Patch { removed: removed.into(), added: added.into() };
    let refused = |trouble, cursor| Refused { trouble, cursor, detail: "d" };
    for (payload, expected) in [
        (full(&[], None), "a2008002f6".to_owned()),
        (full(&one, Some(7)), format!("a20081{h}0207")),
        (diff(&[], None, true), "a3018002f603f5".into()),
        (diff(&[of(&one, &[]), of(&[], &one)], Some(256), false), format!("a30182 8281{h}80 828081{h} 0219010003f4")),
        (
            problem(&refused(Trouble::INVALID_SET, None)),
            format!("a301a1000120 7819{} 216164", hex(b"Invalid set of parameters")),
        ),
        (
            problem(&refused(Trouble::INVALID_VALUE, Some(None))),
            format!("a301a2000001f620 77{} 216164", hex(b"Invalid parameter value")),
        ),
        (
            problem(&refused(Trouble::OUT_OF_BOUND, Some(Some(9)))),
            format!("a301a20002010920 7819{} 216164", hex(b"Out of bound cursor value")),
        ),
    ] {
        let payload = payload.unwrap();
        assert_eq!(hex(&payload), expected.replace(' ', ""));
        let mut reader = Reader::new(&payload);
        reader.skip().unwrap();
        reader.end().unwrap();
    }
    let many: Vec<_> = (0..10_000).map(hash).collect();
    assert_eq!(full(&many, Some(1)).unwrap().len(), 1 + 1 + 3 + 10_000 * 35 + 2);
}

/// What pertains to whom (§1.1).
#[test]
fn portions_of_a_token() {
    let token = |audience: &str, grant| TokenRecord {
        hash: hash(1),
        expires: Timestamp(9),
        client: "c".parse().unwrap(),
        audience: audience.parse().unwrap(),
        grant,
        subject: None,
        revoked: None,
        profile: None,
        claims: None,
    };
    let lock = |name: &str| Portion::Lock(name.parse().unwrap());
    let members = BTreeMap::from([("g".parse().unwrap(), vec!["a".parse().unwrap(), "b".parse().unwrap()])]);
    let always = [Portion::All, Portion::Client("c".parse().unwrap())];
    let grant = GrantId([1; 16]);
    for (token, more) in [
        // What a service got for a person: the app behind the grant is not told of it.
        (TokenRecord { subject: Some(hash(2)), ..token("urn:latchwork:lock:a", Some(grant)) }, vec![lock("a")]),
        (token("urn:latchwork:lock:a", None), vec![lock("a")]),
        (token("urn:latchwork:lock:a", Some(grant)), vec![Portion::Grant(grant), lock("a")]),
        (token("urn:latchwork:group:g", None), vec![lock("a"), lock("b")]),
        (token("urn:latchwork:group:none", None), vec![]),
        (token("https://as.example/api/v1", Some(grant)), vec![Portion::Grant(grant)]),
    ] {
        let expected: BTreeSet<_> = always.iter().cloned().chain(more).collect();
        assert_eq!(portions(&token, &members), expected, "{}", token.audience);
    }
}

/// An update collection and its queries in the words of §6.2, §8 and §9.
struct Model {
    max_n: usize,
    max_index: u64,
    batch: usize,
    items: VecDeque<(u64, Patch)>,
    wrapped: bool,
}

impl Model {
    fn add(&mut self, patch: Patch) {
        let index = match self.items.back() {
            None => 0,
            Some((index, _)) if *index == self.max_index => {
                self.wrapped = true;
                0
            }
            Some((index, _)) => index + 1,
        };
        if self.items.len() == self.max_n {
            self.items.pop_front();
        }
        self.items.push_back((index, patch));
    }

    fn diff(&self, n: usize, cursor: Option<u64>) -> Said {
        let Some((last_index, _)) = self.items.back().cloned() else {
            return match cursor {
                Some(p) if p > self.max_index => Said::Refused(0, Some(None)),
                _ => Said::Diff(vec![], None, false),
            };
        };
        let num = if n == 0 || n > self.max_n { self.max_n } else { n };
        let find = |index: u64| self.items.iter().position(|(i, _)| *i == index);
        let candidates: Vec<_> = match cursor {
            None => self.items.iter().collect(),
            Some(p) if p > self.max_index => return Said::Refused(0, Some(Some(last_index))),
            Some(p) if !self.wrapped && p > last_index => return Said::Refused(2, None),
            Some(p) => match (find(p), find((p + 1) % (self.max_index + 1))) {
                (None, None) => return Said::Diff(vec![], None, true),
                (Some(x), _) => self.items.iter().skip(x + 1).collect(),
                (None, Some(y)) => self.items.iter().skip(y).collect(),
            },
        };
        let sub_u = num.min(candidates.len());
        let l = sub_u.min(self.batch);
        let chosen: Vec<_> = candidates.iter().skip(candidates.len() - sub_u).take(l).rev().collect();
        let cursor = chosen.first().map_or(last_index, |(index, _)| *index);
        Said::Diff(chosen.iter().map(|(_, patch)| patch.clone()).collect(), Some(cursor), sub_u > self.batch)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// R9770-6.2-01, R9770-9.2.3-03
    #[test]
    fn agrees_with_the_text(
        max_n in 1_u64..6, spare in 0_u64..6, batch in 1_u64..6, updates in 0_u64..30,
        asked in proptest::collection::vec((0_usize..9, proptest::option::of(0_u64..14)), 1..12),
    ) {
        let ours = limits(max_n, max_n - 1 + spare, batch.min(max_n));
        let mut model = Model {
            max_n: usize::try_from(max_n).unwrap(), max_index: max_n - 1 + spare,
            batch: usize::try_from(batch.min(max_n)).unwrap(), items: VecDeque::new(), wrapped: false,
        };
        let mut kept = Kept::default();
        for n in 0..=updates {
            for (diff, cursor) in &asked {
                let text = match cursor {
                    Some(cursor) => format!("diff={diff}&cursor={cursor}"),
                    None => format!("diff={diff}"),
                };
                prop_assert_eq!(kept.ask(&text, ours), model.diff(*diff, *cursor), "{} after {}", text, n);
            }
            prop_assert_eq!(kept.ask("", ours), Said::Full(model.items.back().map(|(index, _)| *index)));
            prop_assert_eq!(kept.items.len(), model.items.len());
            model.add(patch(&[n], &[n + 100]));
            kept.update(patch(&[n], &[n + 100]), ours);
        }
    }

    /// Following `more` and cursors, a requester misses no update that is kept, and sees each once.
    #[test]
    fn batches_walk_to_the_end(max_n in 1_u64..9, batch in 1_u64..9, updates in 1_u64..30) {
        let ours = limits(max_n, 1 << 40, batch.min(max_n));
        let mut kept = Kept::default();
        for n in 0..updates {
            kept.update(patch(&[], &[n]), ours);
        }
        let mut seen = Vec::new();
        let mut text = "diff=0".to_owned();
        loop {
            let Said::Diff(patches, cursor, more) = kept.ask(&text, ours) else { panic!() };
            seen.extend(patches.into_iter().rev());
            text = format!("diff=0&cursor={}", cursor.unwrap());
            if !more { break }
        }
        let expected: Vec<_> = (updates.saturating_sub(max_n)..updates).map(|n| patch(&[], &[n])).collect();
        prop_assert_eq!(seen, expected);
    }
}
