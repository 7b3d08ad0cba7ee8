//! What a decision wants written, with what must still be true when it is.

use super::bytes::{Blob, Hash32};
use super::exchange::Whose;
use super::names::{Audience, ClientId, DoorName, GrantId, LockName, PersonId};
use super::records::{
    AdminToken, AdvanceConsent, Authorization, Client, Code, Collection, ConsentRequest, Device, Door, Exchange,
    ExiCounter, Grant, InitialToken, ListEntry, Listed, LiveContext, Lock, OscoreClient, OscoreName, Revocation, Seen,
    SenderNumbers, Series, SeriesItem, SigningKey, TokenRecord,
};
use super::refusal::Refusal;
use super::rotation::Purpose;
use super::time::Timestamp;
use super::trl::{Portion, Requester};
use serde::{Deserialize, Serialize};

/// The revision of a record at which a decision looked; the store gives it and compares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rev(pub u64);

/// One write. All changes of a decision are committed together or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What to write.
    pub write: Write,
    /// What must hold.
    pub guard: Guard,
    /// What it means if it does not.
    pub on_conflict: OnConflict,
}

impl Change {
    /// Writes the record whatever is there.
    #[must_use]
    pub fn put(record: impl Into<Record>) -> Self {
        Self { write: Write::Put(record.into()), guard: Guard::Any, on_conflict: OnConflict::Retry }
    }

    /// Writes a record that must not exist yet; if it does, this is the refusal.
    #[must_use]
    pub fn once(record: impl Into<Record>, otherwise: Refusal) -> Self {
        Self { write: Write::Put(record.into()), guard: Guard::Absent, on_conflict: OnConflict::Refuse(otherwise) }
    }

    /// Writes a record that must not exist yet; if it does, facts are read again and the decision made anew.
    #[must_use]
    pub fn create(record: impl Into<Record>) -> Self {
        Self { write: Write::Put(record.into()), guard: Guard::Absent, on_conflict: OnConflict::Retry }
    }

    /// Replaces the record that was read at `rev`; if it changed since, facts are read again and the decision made anew.
    #[must_use]
    pub fn replace(record: impl Into<Record>, rev: Rev) -> Self {
        Self { write: Write::Put(record.into()), guard: Guard::At(rev), on_conflict: OnConflict::Retry }
    }

    /// Deletes whatever is there.
    #[must_use]
    pub fn delete(key: Key) -> Self {
        Self { write: Write::Delete(key), guard: Guard::Any, on_conflict: OnConflict::Retry }
    }

    /// Deletes the record that was read at `rev`; if it changed since, the decision is made anew.
    #[must_use]
    pub fn remove(key: Key, rev: Rev) -> Self {
        Self { guard: Guard::At(rev), ..Self::delete(key) }
    }

    /// Writes nothing, but the record must still be the one that was read at `rev`; else the decision is made anew.
    #[must_use]
    pub fn still(key: Key, rev: Rev) -> Self {
        Self { write: Write::Nothing(key), guard: Guard::At(rev), on_conflict: OnConflict::Retry }
    }

    /// The record it concerns.
    #[must_use]
    pub fn key(&self) -> Key {
        match &self.write {
            Write::Put(record) => record.key(),
            Write::Delete(key) | Write::Nothing(key) => key.clone(),
        }
    }
}

/// What a change does.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // nearly all are `Put`
pub enum Write {
    /// Writes the record.
    Put(Record),
    /// Removes it.
    Delete(Key),
    /// Leaves it as it is: only the guard counts.
    Nothing(Key),
}

/// What must hold at the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Nothing.
    Any,
    /// There is no such record, not even an expired one.
    Absent,
    /// It is still the one that was read.
    At(Rev),
}

/// What a failed guard means.
#[derive(Clone, Debug, PartialEq)]
pub enum OnConflict {
    /// Somebody was faster: read the facts and decide again.
    Retry,
    /// It may happen once, and it did: a replay.
    Refuse(Refusal),
}

impl OnConflict {
    /// The refusal, where a decision is not made anew.
    #[must_use]
    pub fn refusal(self) -> Refusal {
        match self {
            Self::Refuse(refusal) => refusal,
            Self::Retry => Refusal::Busy,
        }
    }
}

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident($ty:ty), $key:ident($key_ty:ty), $pat:pat => $made:expr, $expires:expr;)*) => {
        /// A record of any kind.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Record { $($(#[$doc])* $name($ty),)* }

        /// The name of a record of any kind.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Key { $($(#[$doc])* $key($key_ty),)* }

        impl Record {
            /// Its name.
            #[must_use]
            pub fn key(&self) -> Key {
                match self { $(Self::$name($pat) => Key::$key($made),)* }
            }
            /// When it may be swept.
            #[must_use]
            pub fn expires(&self) -> Option<Timestamp> {
                match self { $(Self::$name(it) => { let expires: fn(&$ty) -> Option<Timestamp> = $expires; expires(it) })* }
            }
        }
        $(impl From<$ty> for Record {
            fn from(it: $ty) -> Self {
                Self::$name(it)
            }
        })*
    };
}

/// Seconds by which a clock may be set back, and nothing that was spent is good again: what happened once is known for so long after
/// its time.
pub const SET_BACK: i64 = 3_600;

records! {
    /// A client.
    Client(Client), Client(ClientId), it => it.id.clone(), |_| None;
    /// A client's OSCORE context.
    Oscore(OscoreClient), Oscore(ClientId), it => it.client.clone(), |_| None;
    /// Whose context a request names, by kid and id context.
    OscoreName(OscoreName), OscoreName((Blob, Option<Blob>)), it => (it.kid.clone(), it.id_context.clone()), |_| None;
    /// How far sender numbers are spoken for; never swept.
    SenderNumbers(SenderNumbers), SenderNumbers(Hash32), it => it.key, |_| None;
    /// A lock.
    Lock(Lock), Lock(LockName), it => it.name.clone(), |_| None;
    /// A door.
    Door(Door), Door(DoorName), it => it.name.clone(), |_| None;
    /// An owner's consent, by door and person.
    Consent(AdvanceConsent), Consent((DoorName, PersonId)), it => (it.door.clone(), it.who.clone()), |it| Some(it.until);
    /// What a service may exchange; never swept, for one that is over says no.
    Exchange(Exchange), Exchange((ClientId, Whose, Audience)),
        it => (it.service.clone(), it.whose.clone(), it.audience.clone()), |_| None;
    /// A grant.
    Grant(Grant), Grant(GrantId), it => it.id, |it| Some(it.ends);
    /// A code.
    Code(Code), Code(Hash32), it => it.hash, |it| Some(it.expires.plus(CODE_REMEMBERED));
    /// A device that waits for a person, by its user code.
    Device(Device), Device(Hash32), it => it.user_code, |it| Some(it.expires.plus(CODE_REMEMBERED));
    /// A sign-in under way.
    Authorization(Authorization), Authorization(Hash32), it => it.id, |it| Some(it.expires);
    /// A question to an owner.
    ConsentRequest(ConsentRequest), ConsentRequest(Hash32), it => it.id, |it| Some(it.expires);
    /// A token's audit record.
    Token(TokenRecord), Token(Hash32), it => it.hash, |it| Some(it.expires);
    /// A context at a lock.
    Context(LiveContext), Context((LockName, Blob)), it => (it.lock.clone(), it.id.clone()), |it| Some(it.expires);
    /// A token series.
    Series(Series), Series((ClientId, Audience, Blob)),
        it => (it.client.clone(), it.audience.clone(), it.id.clone()), |it| Some(it.expires);
    /// Something spent.
    Seen(Seen), Seen(Hash32), it => it.what, |it| Some(it.until.plus(SET_BACK));
    /// A lock's sequence number; never swept.
    Exi(ExiCounter), Exi(LockName), it => it.lock.clone(), |_| None;
    /// A revocation under way; never swept.
    Revocation(Revocation), Revocation(Hash32), it => it.id(), |_| None;
    /// A revoked token until it expires; what takes it away tells requesters, so it is never swept.
    Listed(Listed), Listed((Timestamp, Hash32)), it => (it.expires, it.hash), |_| None;
    /// A hash in a portion of the revocation list; goes with the one above.
    ListEntry(ListEntry), ListEntry((Portion, Hash32)), it => (it.portion.clone(), it.hash), |_| None;
    /// A requester's update collection.
    Collection(Collection), Collection(Requester), it => it.requester.clone(), |it| it.until;
    /// A series item of a collection; goes when newer ones come.
    SeriesItem(SeriesItem), SeriesItem((Requester, u64)), it => (it.requester.clone(), it.number), |it| it.until;
    /// An administrator's token.
    AdminToken(AdminToken), AdminToken(Hash32), it => it.hash, |it| Some(it.expires);
    /// An initial access token.
    InitialToken(InitialToken), InitialToken(Hash32), it => it.hash, |it| Some(it.expires);
    /// A key that signs, by its number; deleted by the schedule alone.
    SigningKey(SigningKey), SigningKey((Purpose, u32)), it => (it.purpose, it.number), |_| None;
}

/// How long a spent or stale code is remembered, in seconds, so that its reuse is recognized as such.
const CODE_REMEMBERED: i64 = 3600;
