//! Whatever is asked: a token never says more than the request, the consent or the policy; a refusal stores nothing here.

use super::*;
use crate::core::policy::Asked;
use proptest::prelude::*;
use proptest::test_runner::Config;

const LOCKS: [&str; 4] = ["front", "back", "shed", "vault"];
const WORDS: [&str; 3] = ["door:open", "door:state", "door:remove"];
const GROUPS: [&str; 4] = ["staff", "admins", "visitors", "suspended"];

fn some_of(all: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(all, 0..=all.len())
}

proptest! {
    #![proptest_config(Config::with_cases(200))]

    /// R9200-6.1-04, R9700-4.14.2-01
    #[test]
    fn a_grant_never_exceeds_request_consent_or_policy(
        lock in proptest::sample::select(&LOCKS[..]),
        consented_locks in some_of(&LOCKS),
        consented_words in some_of(&WORDS[..2]),
        asked_words in some_of(&WORDS),
        as_aif in any::<bool>(),
        mask in 0_u64..16,
        groups in some_of(&GROUPS),
        consent_left in proptest::option::of(-10_i64..10_000),
        right_key in any::<bool>(),
    ) {
        let mut house = House::new();
        let (phone, thief) = (Pair::new(1), Pair::new(2));
        let person = person("pat", &groups);
        if let Some(left) = consent_left {
            let until = NOW.plus(left);
            house.put(AdvanceConsent { door: lock.parse().unwrap(), owner: who("olga"), who: who("pat"), scope: Scope::default(), from: None, until });
        }
        let code = house.code(&person, &consented_locks, &phone);
        let (mut record, _) = house.find(&Key::Code(Hash32::of(&[code.expose()]))).unwrap();
        let consented: Scope = consented_words.iter().map(|word| word.parse().unwrap()).collect();
        if let Record::Code(code) = &mut record {
            code.consented.iter_mut().for_each(|member| member.scope = consented.clone());
        }
        house.put(record);
        let scope = if as_aif {
            scope::encode(&[scope::AifEntry("/door".into(), mask)]).map(ScopeAsked::Aif)
        } else if asked_words.is_empty() {
            None
        } else {
            Some(ScopeAsked::Text(asked_words.iter().map(|word| word.parse().unwrap()).collect()))
        };
        let asked = TokenRequest { scope: scope.clone(), ..request(redeeming(&code), lock) };
        let presented = app(if right_key { phone.proof("p") } else { thief.proof("p") });
        match house.decide(&presented, &asked) {
            Err(refused) => prop_assert_eq!(refused.changes, []),
            Ok(issued) => {
                prop_assert!(right_key && consented_locks.contains(&lock));
                let Outcome::Granted { scope: granted, expires, .. } = &issued.entry.outcome else { panic!() };
                prop_assert!(granted.within(&consented) && !granted.is_empty());
                if let Some(ScopeAsked::Text(asked)) = &scope {
                    prop_assert!(granted.within(asked));
                }
                if let (Some(ScopeAsked::Aif(asked)), Some(ScopeAsked::Aif(got))) = (&scope, &issued.response.scope) {
                    let (asked, got) = (scope::decode(asked).unwrap(), scope::decode(got).unwrap());
                    prop_assert_eq!(scope::intersection(&got, &asked), got);
                }
                let target = house.target(lock, Some(&person.id)).unwrap();
                let client = native("app", &[]);
                let who = Who::Person { person: &person, app: &client };
                let owner_consent = consent_left.is_some_and(|left| left > 0);
                let question = Asked { who, door: &target.door, owner_consent, now: NOW };
                for word in granted.iter() {
                    prop_assert!(house.policy.decide(&question, &[word]).unwrap()[0].allowed);
                }
                prop_assert!(*expires <= NOW.plus(3600 + 86_400));
                house.commit(&issued.changes).unwrap();
            }
        }
    }
}
