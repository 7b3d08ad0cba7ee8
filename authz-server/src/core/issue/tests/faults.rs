//! Our own trouble: it has a name in the log, the client hears `server_error`, and there is no token.

use super::*;
use crate::core::bytes::{Blob, Sealed};
use crate::core::names::ScopeName;
use crate::core::policy::{Asked, Policy, PolicyFailed, Verdict};
use crate::core::records::Lock;
use crate::core::refusal::ServerFault;

fn front(change: impl FnOnce(&House, &mut Lock)) -> House {
    let mut house = House::new();
    let mut lock = house.target("front", None).unwrap().lock;
    change(&house, &mut lock);
    house.put(lock);
    house
}

#[test]
fn records_that_cannot_be() {
    let sealed_elsewhere = front(|house, lock| {
        lock.token_key = Sealed(Blob(house.keys.storage.seal("elsewhere", &[7; 16]).unwrap()));
    });
    let short = front(|house, lock| {
        lock.token_key = Sealed(Blob(house.keys.storage.seal(&lock.key_label(), &[7; 15]).unwrap()));
    });
    for (mut house, fault) in [(sealed_elsewhere, ServerFault::Seal), (short, ServerFault::Records)] {
        let refusal = house.ask(&robot(), &machines()).unwrap_err();
        assert_eq!((refusal.error().name, refusal), ("server_error", fault.into()));
    }
}

#[test]
fn no_key_to_sign_with() {
    let mut house = front(|_, lock| lock.signed = true);
    house.keys.signing.replace(Vec::new());
    let phone = Pair::new(1);
    let asked = TokenRequest { req_cnf: Some(ReqCnf::Key(phone.public())), ..machines() };
    let presented = Presented { proof: Some(phone.proof("p")), ..robot() };
    assert_eq!(house.ask(&presented, &asked).unwrap_err(), ServerFault::Signing.into());
}

struct Broken;

impl Policy for Broken {
    fn decide(&self, _: &Asked<'_>, _: &[&ScopeName]) -> Result<Vec<Verdict>, PolicyFailed> {
        Err(PolicyFailed("a policy that cannot be evaluated".into()))
    }
}

#[test]
fn a_policy_that_fails_grants_nothing() {
    let house = House::new();
    let (presented, asked) = (robot(), machines());
    let minting = Minting { policy: &Broken, ..house.minting() };
    let refused = issue(&presented, &asked, &house.facts(&presented, &asked), &minting, house.now, &mut Os);
    assert_eq!(refused.unwrap_err().refusal, ServerFault::Policy.into());
}

fn machines() -> TokenRequest {
    request(GrantAsked::ClientCredentials, "front")
}
