//! Somebody who comes to a lock in C with EDHOC, and the lock's own key.

use super::*;
use crate::support::visitor::{FORMAT_65, Greeted, Visitor, combined, key, lock_ccs, posted};
use latchwork_edhoc::{ConnectionId, Ead};

/// Gives the lock the key that visitors expect.
pub fn with_own_key(config: &mut Config, _: &mut Board) {
    own_key(config, &lock_ccs(), key(9).expose());
}

pub fn own_key(config: &mut Config, credential: &[u8], private_key: &[u8]) {
    let leak = |bytes: &[u8]| bytes_of(bytes.to_vec().leak());
    let own = OwnKey { credential: leak(credential), private_key: leak(private_key) };
    config.own_key = Box::leak(Box::new(own));
}

impl Stand {
    /// Something for the EDHOC resource.
    pub fn say(&mut self, payload: &[u8]) -> (Came, Event) {
        // Few handshakes are begun in a second.
        unsafe { &mut *self.bench }.uptime += 1000;
        let (_, datagram, event) = self.receive(&request(Code::POST, "/.well-known/edhoc", FORMAT_65, payload));
        (Came { datagram, event: Happened::Block }, event)
    }

    pub fn greet(&mut self, visitor: &mut Visitor) -> Greeted {
        let (sent, message) = visitor.message_1(&[]);
        let (came, event) = self.say(&message);
        assert_eq!(event.kind, EventKind::Begun);
        visitor.verify(sent, &came)
    }

    /// Message_3 alone.
    pub fn say_third(&mut self, c_r: &ConnectionId, message_3: &[u8]) -> (Came, Event) {
        self.say(&posted(Some(c_r), message_3))
    }

    /// The handshake with these items in EAD_3 and this request, in two exchanges (RFC 9668).
    pub fn burst_in(&mut self, visitor: &mut Visitor, eads: &[Ead<'_>], request: &[u8]) -> (Code, Phone, Event) {
        let greeted = self.greet(visitor);
        let (message, mut phone) = visitor.message_3(greeted, eads);
        let (datagram, mut sent) = phone.protect(request);
        let (_, datagram, event) = self.receive(&combined(&datagram, &message));
        let (code, _) = phone.open(&mut sent, &Came { datagram, event: Happened::Block });
        (code, phone, event)
    }
}
