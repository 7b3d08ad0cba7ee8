//! The domain's questions and writes, over a store that forgets.

use super::*;
use crate::core::bytes::{Blob, Hash32};
use crate::core::change::OnConflict;
use crate::core::exchange::{PeopleGroup, Whose};
use crate::core::names::{Audience, GrantId};
use crate::core::records::Seen;
use crate::core::records::*;
use crate::core::refusal::Refusal;
use crate::core::request::{Credential, Face, GrantAsked, ReqCnf};
use crate::core::revoke::Holder;
use crate::core::testing::{House, NOW, Pair, person, who};
use crate::store::memory::Memory;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn records() -> Records {
    Records::new(Arc::new(Memory::default()))
}

fn ask(audience: &[&str]) -> TokenRequest {
    TokenRequest {
        face: Face::Form,
        grant: GrantAsked::ClientCredentials,
        audience: audience.iter().map(|audience| (*audience).to_owned()).collect(),
        scope: None,
        req_cnf: None,
        ace_profile: None,
        cnonce: None,
        series: None,
    }
}

fn by(id: &str) -> Presented {
    Presented { credential: Credential::Public { id: id.parse().unwrap() }, proof: None }
}

/// Facts without revisions, which count differently in different stores.
fn told(facts: &Facts) -> String {
    let text = format!("{facts:?}");
    let mut parts = text.split("Rev(");
    let mut told = parts.next().unwrap().to_owned();
    for part in parts {
        told.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    told
}

/// The core was tested on facts from its own house; the store must tell it the same.
#[test]
fn tells_the_core_what_its_tests_told_it() {
    let mut house = House::new();
    let visitor = person("vera", &["visitors"]);
    let code = house.code(&visitor, &["front"], &Pair::new(1));
    let grant = Grant {
        id: GrantId([7; 16]),
        client: "app".parse().unwrap(),
        person: visitor,
        jkt: None,
        consented: vec![Consented {
            audience: Audience::Lock("back".parse().unwrap()),
            scope: "door:open".parse().unwrap(),
        }],
        created: NOW,
        ends: NOW.plus(9),
        idle_ends: NOW.plus(9),
        refresh: None,
        revoked: None,
    };
    house.put(grant.clone());
    for door in ["front", "back"] {
        let until = NOW.plus(60);
        house.put(AdvanceConsent {
            door: door.parse().unwrap(),
            owner: who("olga"),
            who: who("vera"),
            scope: Default::default(),
            from: None,
            until,
        });
    }
    house.put(ExiCounter { lock: "shed".parse().unwrap(), last: 41 });
    house.put(LiveContext {
        profile: AceProfile::default(),
        lock: "front".parse().unwrap(),
        id: Blob(vec![0, 1]),
        client: "app".parse().unwrap(),
        grant: None,
        expires: NOW.plus(60),
    });
    let row = |service: &str, whose: Whose, audience: &str| Exchange {
        service: service.parse().unwrap(),
        whose,
        audience: audience.parse().unwrap(),
        scope: Default::default(),
        from: None,
        until: None,
    };
    let (back, building) = ("urn:latchwork:lock:back", "urn:latchwork:group:building");
    let of = |issuer: &str, name: &str| Whose::Group(PeopleGroup { issuer: issuer.into(), name: name.into() });
    let group = |name: &str| of("https://idp.example", name);
    for decoy in [
        ("robot2", group("visitors")),
        ("robot", group("visitor")),
        ("robot", of("https://idp.example2", "visitors")),
        ("robot", Whose::Person(who("vera2"))),
    ] {
        house.put(row(decoy.0, decoy.1, back));
    }
    let own = [
        row("robot", Whose::Person(who("vera")), building),
        row("robot", Whose::Person(who("vera")), back),
        row("robot", group("visitors"), back),
    ];
    own.iter().for_each(|row| house.put(row.clone()));
    house.put(TokenRecord {
        hash: Hash32::of(&[b"subject"]),
        expires: NOW.plus(60),
        client: "app".parse().unwrap(),
        audience: "urn:latchwork:service:robot".parse().unwrap(),
        grant: Some(grant.id),
        subject: None,
        revoked: None,
        profile: None,
        claims: None,
    });
    let store = records();
    for (record, _) in house.records.values() {
        assert!(matches!(block_on(store.commit(&[Change::put(record.clone())])).unwrap(), Committed::Done(_)));
    }

    let with = |mut request: TokenRequest, grant: GrantAsked| {
        request.grant = grant;
        request
    };
    let with_code = |audience: &[&str]| {
        with(ask(audience), GrantAsked::AuthorizationCode { code: code.clone(), redirect_uri: None, verifier: None })
    };
    let refresh = |audience: &[&str], id: u8| {
        with(ask(audience), GrantAsked::RefreshToken { token: vec![id; 48].as_slice().into() })
    };
    let exchange =
        |audience: &[&str], token: &[u8]| with(ask(audience), GrantAsked::TokenExchange { token: token.into() });
    let mut live = ask(&["urn:latchwork:lock:front"]);
    live.req_cnf = Some(ReqCnf::Kid(Blob(vec![0, 1])));
    let mut dead = ask(&["urn:latchwork:lock:back"]);
    dead.req_cnf = Some(ReqCnf::Kid(Blob(vec![0, 1])));
    for (name, client, request, targets) in [
        ("a machine", "robot", ask(&["urn:latchwork:lock:front"]), 1),
        ("nobody", "nobody", ask(&["urn:latchwork:lock:front"]), 1),
        ("no audience", "robot", ask(&[]), 0),
        ("two", "robot", ask(&["urn:latchwork:lock:front", "urn:latchwork:lock:back"]), 0),
        ("no such lock", "robot", ask(&["urn:latchwork:lock:nowhere"]), 0),
        ("no audience at all", "robot", ask(&["front"]), 0),
        ("a group", "robot", ask(&["urn:latchwork:group:building"]), 5),
        ("an empty group", "robot", ask(&["urn:latchwork:group:nobody"]), 0),
        ("a counter", "robot", ask(&["urn:latchwork:lock:shed"]), 1),
        ("a live context", "app", live, 1),
        ("a context elsewhere", "app", dead, 1),
        ("a code", "app", with_code(&[]), 1),
        ("a code for another", "app", with_code(&["urn:latchwork:lock:vault"]), 1),
        ("a refresh", "app", refresh(&[], 7), 1),
        ("a refresh for a service", "app", refresh(&["urn:latchwork:service:robot"], 7), 0),
        ("a code for a service", "app", with_code(&["urn:latchwork:service:robot"]), 0),
        ("an exchange", "robot", exchange(&[back], b"subject"), 1),
        ("an exchange for what the grant has", "robot", exchange(&[], b"subject"), 1),
        ("an exchange by another", "app", exchange(&[back], b"subject"), 1),
        ("an exchange of nothing", "robot", exchange(&[back], b"object"), 1),
        ("a foreign refresh", "app", refresh(&["urn:latchwork:lock:back"], 8), 1),
    ] {
        let presented = by(client);
        let facts = block_on(store.facts(&presented, &request)).unwrap();
        assert_eq!(facts.targets.len(), targets, "{name}");
        assert_eq!(told(&facts), told(&house.facts(&presented, &request)), "{name}");
    }
    let facts = block_on(store.facts(&by("app"), &refresh(&[], 7))).unwrap();
    assert_eq!(facts.grant.unwrap().0, grant);
    assert!(facts.targets.first().unwrap().consent.is_some());
    let facts = block_on(store.facts(&by("robot"), &exchange(&[back], b"subject"))).unwrap();
    let rows: Vec<Exchange> = facts.rows.into_iter().map(|(row, _)| row).collect();
    assert_eq!(rows, own, "the person's own rows, then those of their groups, and nobody else's");
    assert_eq!(block_on(store.rows_of(&"robot".parse().unwrap())).unwrap().len(), 6, "not those of robot2");
}

/// What a conflict means is said by the change whose guard failed, not by its neighbours.
#[test]
fn a_conflict_answers_for_the_change_that_failed() {
    let store = records();
    let seen = |what: u8| Seen { what: Hash32([what; 32]), until: NOW };
    let exi = |last| ExiCounter { lock: "shed".parse().unwrap(), last };
    let commit = |changes: &[Change]| block_on(store.commit(changes)).unwrap();
    let rev = match commit(&[Change::put(exi(1)), Change::once(seen(1), Refusal::Busy)]) {
        Committed::Done(rev) => crate::core::change::Rev(rev.0),
        Committed::Conflict(why) => panic!("{why:?}"),
    };
    for (name, changes, expected) in [
        ("spent", vec![Change::put(exi(9)), Change::once(seen(1), Refusal::Busy)], OnConflict::Refuse(Refusal::Busy)),
        ("there", vec![Change::once(seen(2), Refusal::Busy), Change::create(exi(9))], OnConflict::Retry),
        ("moved on", vec![Change::replace(exi(9), crate::core::change::Rev(rev.0 + 99))], OnConflict::Retry),
    ] {
        assert_eq!(commit(&changes), Committed::Conflict(expected), "{name}");
        let (counter, at) = block_on(store.find::<ExiCounter>(&Name::Exi("shed".parse().unwrap()))).unwrap().unwrap();
        assert_eq!((counter.last, at), (1, rev), "{name}: something was written");
        assert!(block_on(store.find::<Seen>(&Name::Seen(Hash32([2; 32])))).unwrap().is_none(), "{name}");
    }
    assert!(matches!(commit(&[Change::replace(exi(2), rev)]), Committed::Done(_)));
    assert!(matches!(commit(&[Change::delete(Name::Seen(Hash32([1; 32])))]), Committed::Done(_)));
    assert!(matches!(commit(&[Change::once(seen(1), Refusal::Busy)]), Committed::Done(_)));
}

#[test]
fn lists_a_kind_whole_in_pages_and_by_door() {
    let store = records();
    let count = PAGE * 2 + 3;
    for number in 0..count {
        let counter = ExiCounter { lock: format!("lock-{number:04}").parse().unwrap(), last: 0 };
        block_on(store.commit(&[Change::put(counter)])).unwrap();
    }
    for (door, who_) in [("a", "vera"), ("a", "will"), ("a.b", "vera"), ("ab", "vera")] {
        let (door, who) = (door.parse().unwrap(), who(who_));
        block_on(store.commit(&[Change::put(AdvanceConsent {
            door,
            owner: who.clone(),
            who,
            scope: Default::default(),
            from: None,
            until: NOW,
        })]))
        .unwrap();
    }
    assert_eq!(block_on(store.all::<ExiCounter>()).unwrap().len(), count);
    assert_eq!(block_on(store.all::<AdvanceConsent>()).unwrap().len(), 4);
    assert_eq!(block_on(store.all::<Door>()).unwrap(), []);
    assert_eq!(block_on(store.consents(&"a".parse().unwrap())).unwrap().len(), 2, "not those of a.b and ab");
    let mut after = None;
    let mut paged = Vec::new();
    loop {
        let page = block_on(store.page::<ExiCounter>(after.as_ref(), 100)).unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(Name::Exi(last.lock.clone()));
        paged.extend(page);
    }
    assert_eq!(paged.len(), count);
}

/// Page by page, soonest end first, and nobody else's.
#[test]
fn the_tokens_of_a_holder_come_in_the_order_of_their_ends() {
    let records = records();
    let token = |number: u8, client: &str, expires| TokenRecord {
        hash: Hash32([number; 32]),
        expires,
        client: client.parse().unwrap(),
        audience: "urn:latchwork:lock:front".parse().unwrap(),
        grant: None,
        subject: None,
        revoked: None,
        profile: None,
        claims: None,
    };
    let holder = Holder::Client("robot".parse().unwrap());
    let found = block_on(async {
        for (number, client, end) in [(1, "robot", 30), (2, "robot", 10), (3, "robots", 5), (4, "robot", 20)] {
            records.commit(&[Change::put(token(number, client, NOW.plus(end)))]).await.unwrap();
        }
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = records.tokens_of(&holder, after, 1).await.unwrap();
            found.extend(page.into_iter().map(|(token, _)| token.hash.0[0]));
            match next {
                Some(place) => after = Some(place),
                None => return found,
            }
        }
    });
    assert_eq!(found, [2, 4, 1]);
}

/// A store of 0.1.0 before tokens lay in the order of their ends has entries that end with the token's hash alone. Both kinds lead to
/// their tokens, in pages of any size, each token once, and what is not there any more is left out.
#[test]
fn entries_of_an_earlier_version_lead_to_their_tokens() {
    let records = records();
    let token = |number: u8, grant: Option<u8>| TokenRecord {
        hash: Hash32([number; 32]),
        expires: NOW.plus(i64::from(number)),
        client: "robot".parse().unwrap(),
        audience: "urn:latchwork:lock:front".parse().unwrap(),
        grant: grant.map(|id| GrantId([id; 16])),
        subject: None,
        revoked: None,
        profile: None,
        claims: None,
    };
    // Ends and hashes cross: the hash of 1, 2 and 200 lies before, between and behind the times that new entries begin with.
    let (old, new) = ([1, 2, 100, 200, 255], [3, 50, 150, 254]);
    block_on(async {
        let mut ops = Vec::new();
        for number in old {
            let token = token(number, Some(9));
            let (_, name) = key(&Name::Token(token.hash));
            let record = Record::Token(token.clone());
            let expires = record.expires().map(|at| at.0);
            ops.push(Op::Put { value: encode(&name, &record).unwrap(), expires, key: name });
            for holder in token.holders() {
                let entry = [index::tokens_of(&holder).bytes(), &token.hash.0].concat();
                ops.push(Op::Put { key: super::Key::from(entry.as_slice()), value: Vec::new(), expires });
            }
        }
        records.store().commit(Batch { checks: Vec::new(), ops }).await.unwrap();
        for number in new {
            records.commit(&[Change::put(token(number, Some(9)))]).await.unwrap();
        }
        records.commit(&[Change::put(token(77, Some(8)))]).await.unwrap();
        records.commit(&[Change::delete(Name::Token(Hash32([100; 32])))]).await.unwrap();
    });
    for holder in token(1, Some(9)).holders() {
        for limit in [1, 2, 3, 100] {
            let mut found = block_on(async {
                let (mut found, mut after) = (Vec::new(), None);
                loop {
                    let (page, next) = records.tokens_of(&holder, after, limit).await.unwrap();
                    found.extend(page.into_iter().map(|(token, _)| token.hash.0[0]));
                    match next {
                        Some(place) => after = Some(place),
                        None => return found,
                    }
                }
            });
            found.sort_unstable();
            let expected: &[u8] = match holder {
                Holder::Client(_) => &[1, 2, 3, 50, 77, 150, 200, 254, 255],
                Holder::Grant(_) => &[1, 2, 3, 50, 150, 200, 254, 255],
            };
            assert_eq!(found, expected, "{holder:?}, {limit} at a time");
        }
    }
}
