//! Block-wise transfer on the server (RFC 7959), atomic only: a handler sees whole bodies.

use super::{Block, Body, Full, Head, Keep, Message, Millis, OptionNumber, Refusal, Writer, merge, operation, times};
use crate::endpoint::Fnv;
use crate::message::{Code, shortest};

/// Tells the senders of blocks apart: address *and* proven identity, so that blocks under different security contexts
/// never mix (RFC 9175 §3.3).
pub trait Peer: Copy + Eq {
    /// Whether it has proved who it is. Who has not is a stranger, whose transfers give way, and push out no others.
    fn is_proven(&self) -> bool;
}

/// An address, and the identity that was proved.
impl<A: Copy + Eq, I: Copy + Eq> Peer for (A, Option<I>) {
    fn is_proven(&self) -> bool {
        self.1.is_some()
    }
}

/// The bodies that arrive (`U`) and leave (`D`) in blocks, from and to peers `P`.
pub struct Server<P, K, U, D> {
    uploads: U,
    downloads: D,
    exponent: u8,
    largest: usize,
    of: core::marker::PhantomData<(P, K)>,
}

/// A request body of which some blocks have come.
#[derive(Clone, Debug)]
pub struct Upload<P, K> {
    key: Option<Key<P>>,
    body: K,
}

/// A response body of which some blocks have gone.
#[derive(Clone, Debug)]
pub struct Download<P, K> {
    key: Option<Key<P>>,
    body: K,
}

#[derive(Clone, Copy, Debug)]
struct Key<P> {
    peer: P,
    operation: u64,
    touched: Millis,
}

impl<P: Peer> Key<P> {
    fn is(&self, peer: &P, operation: u64, now: Millis) -> bool {
        self.peer == *peer && self.operation == operation && !self.is_expired(now)
    }

    fn is_expired(&self, now: Millis) -> bool {
        self.touched.plus(times::EXCHANGE_LIFETIME) <= now
    }
}

/// What an answer has to know of its request.
#[derive(Clone, Copy, Debug)]
pub struct Pending<P> {
    peer: P,
    operation: u64,
    block1: Option<Block>,
    block2: Option<Block>,
}

/// What to do with a request.
#[derive(Debug)]
pub enum Step<'s, P> {
    /// It is whole: run it with this payload, then [`Server::answer`].
    Run(Pending<P>, &'s [u8]),
    /// Send [`Server::proceed`]: the next block, please, or the next block of an earlier answer.
    Proceed(Pending<P>),
    /// Send [`Server::refuse`].
    Refuse(Pending<P>, Refusal),
}

impl<P, K: Keep> Default for Upload<P, K> {
    fn default() -> Self {
        Self { key: None, body: K::default() }
    }
}

impl<P, K: Keep> Default for Download<P, K> {
    fn default() -> Self {
        Self { key: None, body: K::default() }
    }
}

impl<P, K, U, D> Server<P, K, U, D>
where
    P: Peer,
    K: Keep,
    U: AsMut<[Upload<P, K>]>,
    D: AsMut<[Download<P, K>]>,
{
    /// `exponent`: the size of our blocks, 2^(4 + exponent), at most 6.
    pub fn new(uploads: U, downloads: D, exponent: u8) -> Self {
        let exponent = exponent.min(Block::MAX_EXPONENT);
        Self { uploads, downloads, exponent, largest: usize::MAX, of: core::marker::PhantomData }
    }

    /// Takes request bodies of at most `largest` bytes, where a slot has room for more.
    pub fn with_uploads_up_to(self, largest: usize) -> Self {
        Self { largest, ..self }
    }

    /// Takes in a request whose options were [checked](super::check).
    pub fn receive<'s>(&'s mut self, now: Millis, peer: P, request: &Message<'s>) -> Step<'s, P> {
        let body = Body::from(request);
        let block = |number| request.options.get(number).and_then(Block::parse);
        let (block1, block2) = (block(OptionNumber::BLOCK1), block(OptionNumber::BLOCK2));
        let pending = Pending { peer, operation: operation(&body, false), block1, block2 };
        if let Some(block) = block1 {
            return self.upload(now, pending, block, operation(&body, true), request);
        }
        if block2.is_some_and(|block| block.number > 0) {
            if self.downloading(now, &pending).is_some() {
                return Step::Proceed(pending);
            }
            // Reading again is harmless; doing again is not.
            if !matches!(request.code, Code::GET | Code::FETCH) {
                return Step::Refuse(pending, Refusal::Incomplete);
            }
        }
        Step::Run(pending, request.payload)
    }

    /// Writes the answer to a whole request, or its first block; the rest is kept for later requests.
    /// `response` is a body. `observe` is the number of a notification.
    pub fn answer<'o>(
        &mut self,
        now: Millis,
        pending: Pending<P>,
        head: Head,
        response: &[u8],
        observe: Option<u32>,
        out: &'o mut [u8],
    ) -> Result<&'o [u8], Full> {
        let body = Body::parse(response).map_err(|_| Full)?;
        let offset = pending.block2.map_or(0, Block::offset);
        if body.payload.len() > self.block_size(&pending) || offset > 0 {
            let Some(place) = self.place_for_download(now, &pending) else {
                return self.refuse(pending, Refusal::NoPlace, head, out);
            };
            self.keep(now, &pending, place, response)?;
        } else if let Some(download) = self.downloading(now, &pending) {
            download.clear(); // the answer to a newer request
        }
        self.write(pending, head, body, observe, out)
    }

    /// Writes the answer to [`Step::Proceed`].
    pub fn proceed<'o>(
        &mut self,
        now: Millis,
        pending: Pending<P>,
        head: Head,
        out: &'o mut [u8],
    ) -> Result<&'o [u8], Full> {
        if pending.block1.is_some() {
            let mut writer = Writer::new(out, head.kind, Code::CONTINUE, head.id, head.token);
            self.write_block1(&mut writer, pending)?;
            return writer.finish();
        }
        let exponent = self.exponent;
        let download = self.downloading(now, &pending).ok_or(Full)?;
        if let Some(key) = &mut download.key {
            key.touched = now;
        }
        let body = Body::parse(download.body.kept()).map_err(|_| Full)?;
        write(exponent, pending, head, body, None, out)
    }

    /// Writes the answer to [`Step::Refuse`].
    pub fn refuse<'o>(
        &self,
        pending: Pending<P>,
        refusal: Refusal,
        head: Head,
        out: &'o mut [u8],
    ) -> Result<&'o [u8], Full> {
        let mut writer = Writer::new(out, head.kind, refusal.code(), head.id, head.token);
        if refusal == Refusal::NoPlace {
            writer.uint_option(OptionNumber::MAX_AGE, COME_AGAIN)?;
        }
        // M is clear: this response is final (RFC 7959 §2.3).
        let block1 = pending.block1.map(Block::last);
        self.write_block1(&mut writer, Pending { block1, ..pending })?;
        if let Refusal::TooLarge(size) = refusal {
            writer.uint_option(OptionNumber::SIZE1, size)?;
        }
        writer.finish()
    }

    /// Forgets bodies that are complete, and those of which nothing was heard for long. To be called after every request that
    /// was answered, and from time to time.
    pub fn sweep(&mut self, now: Millis) {
        let is_over = |key: &Option<Key<P>>| key.as_ref().is_none_or(|key| key.is_expired(now));
        for slot in self.uploads.as_mut().iter_mut().filter(|slot| is_over(&slot.key)) {
            slot.key = None;
            slot.body.forget();
        }
        self.downloads.as_mut().iter_mut().filter(|slot| is_over(&slot.key)).for_each(Download::clear);
    }

    /// What there is of bodies, place by place: those that arrive, then those that leave.
    pub fn kept(&self) -> impl Iterator<Item = &[u8]>
    where
        U: AsRef<[Upload<P, K>]>,
        D: AsRef<[Download<P, K>]>,
    {
        let uploads = self.uploads.as_ref().iter().map(|slot| slot.body.kept());
        uploads.chain(self.downloads.as_ref().iter().map(|slot| slot.body.kept()))
    }

    fn upload<'s>(
        &'s mut self,
        now: Millis,
        pending: Pending<P>,
        block: Block,
        operation: u64,
        request: &Message<'s>,
    ) -> Step<'s, P> {
        let peer = pending.peer;
        let refuse = |refusal| Step::Refuse(pending, refusal);
        let size = request.payload.len();
        if (block.more && size != block.size()) || size > block.size() {
            return refuse(Refusal::BadBlock);
        }
        if block.number == 0 && !block.more {
            return Step::Run(pending, request.payload);
        }
        let uploads = self.uploads.as_mut();
        let known = uploads.iter().position(|slot| slot.key.as_ref().is_some_and(|key| key.is(&peer, operation, now)));
        let index = match known {
            Some(index) => Some(index),
            None if block.number == 0 => least(uploads.iter().map(|slot| slot.key.as_ref()), &peer, now),
            None => return refuse(Refusal::Incomplete),
        };
        let Some(slot) = index.and_then(|index| uploads.get_mut(index)) else { return refuse(Refusal::NoPlace) };
        if block.number == 0 {
            slot.body.forget(); // a new beginning replaces what was there (RFC 7959 §2.5)
        }
        let capacity = slot.body.capacity().min(self.largest);
        if block.offset() != slot.body.kept().len() {
            return refuse(Refusal::Incomplete);
        }
        let announced = request.options.uint(OptionNumber::SIZE1).map_or(0, |size| size as usize);
        let size = slot.body.kept().len().saturating_add(size);
        if announced.max(size) > capacity || slot.body.append(request.payload).is_err() {
            slot.key = None;
            slot.body.forget();
            return refuse(Refusal::TooLarge(u32::try_from(capacity).unwrap_or(u32::MAX)));
        }
        if block.more {
            slot.key = Some(Key { peer, operation, touched: now });
            return Step::Proceed(pending);
        }
        slot.key = None; // the bytes stay until `sweep`
        Step::Run(pending, slot.body.kept())
    }

    fn block_size(&self, pending: &Pending<P>) -> usize {
        16 << exponent(self.exponent, pending)
    }

    fn downloading(&mut self, now: Millis, pending: &Pending<P>) -> Option<&mut Download<P, K>> {
        let is = |key: &Key<P>| key.is(&pending.peer, pending.operation, now);
        self.downloads.as_mut().iter_mut().find(|slot| slot.key.as_ref().is_some_and(is))
    }

    /// Where the answer goes that cannot leave in one piece.
    fn place_for_download(&mut self, now: Millis, pending: &Pending<P>) -> Option<usize> {
        let is = |key: &Key<P>| key.is(&pending.peer, pending.operation, now);
        let slots = self.downloads.as_mut();
        let known = slots.iter().position(|slot| slot.key.as_ref().is_some_and(is));
        known.or_else(|| least(slots.iter().map(|slot| slot.key.as_ref()), &pending.peer, now))
    }

    fn keep(&mut self, now: Millis, pending: &Pending<P>, place: usize, response: &[u8]) -> Result<(), Full> {
        let slot = self.downloads.as_mut().get_mut(place).ok_or(Full)?;
        slot.clear();
        slot.body.keep(response)?;
        slot.key = Some(Key { peer: pending.peer, operation: pending.operation, touched: now });
        Ok(())
    }

    fn write<'o>(
        &self,
        pending: Pending<P>,
        head: Head,
        body: Body<'_>,
        observe: Option<u32>,
        out: &'o mut [u8],
    ) -> Result<&'o [u8], Full> {
        write(self.exponent, pending, head, body, observe, out)
    }

    fn write_block1(&self, writer: &mut Writer<'_>, pending: Pending<P>) -> Result<(), Full> {
        match pending.block1 {
            Some(block) => writer.uint_option(OptionNumber::BLOCK1, block.to_uint()).map(|_| ()),
            None => Ok(()),
        }
    }
}

impl<P, K: Keep> Download<P, K> {
    fn clear(&mut self) {
        self.key = None;
        self.body.forget();
    }
}

/// The slot to use for something new of this peer: a free or expired one, else of the strangers' the one that was quiet
/// longest, else of the others' if the peer is no stranger. None if it has to wait.
fn least<'k, P: Peer + 'k>(keys: impl Iterator<Item = Option<&'k Key<P>>>, peer: &P, now: Millis) -> Option<usize> {
    let rank = |key: Option<&Key<P>>| {
        let key = key.filter(|key| !key.is_expired(now))?;
        Some((key.peer.is_proven(), key.touched))
    };
    let gives =
        |&(_, rank): &(usize, Option<(bool, Millis)>)| peer.is_proven() || rank.is_none_or(|(proven, _)| !proven);
    keys.map(rank).enumerate().filter(gives).min_by_key(|&(_, rank)| rank).map(|(index, _)| index)
}

fn exponent<P>(ours: u8, pending: &Pending<P>) -> u8 {
    pending.block2.map_or(ours, |block| block.exponent().min(ours))
}

/// Writes the part of `body` that `pending` asks for.
fn write<'o, P>(
    ours: u8,
    pending: Pending<P>,
    head: Head,
    body: Body<'_>,
    observe: Option<u32>,
    out: &'o mut [u8],
) -> Result<&'o [u8], Full> {
    let exponent = exponent(ours, &pending);
    let size = 16usize << exponent;
    // A client that asked for larger blocks than ours goes on counting in our size (RFC 7959 §2.4).
    let offset = pending.block2.map_or(0, Block::offset);
    let (_, rest) = match body.payload.split_at_checked(offset) {
        Some(parts) if offset == 0 || !parts.1.is_empty() => parts,
        _ => return Writer::new(out, head.kind, Code::BAD_REQUEST, head.id, head.token).finish(), // past the end
    };
    let (part, more) = match rest.split_at_checked(size) {
        Some((part, rest)) => (part, !rest.is_empty()),
        None => (rest, false),
    };
    let in_blocks = more || offset > 0;
    let number = u32::try_from(offset.checked_div(size).ok_or(Full)?).map_err(|_| Full)?;
    let block2 = Block::new(number, more, exponent).ok_or(Full)?.to_bytes();
    let block1 = pending.block1.map(Block::to_bytes);
    let etag = etag(&body);
    let observe = observe.map(|number| (number & 0xff_ffff).to_be_bytes());
    let more_options = [
        (in_blocks && body.code.is_success() && body.options.get(OptionNumber::ETAG).is_none())
            .then_some((OptionNumber::ETAG, &etag[..])),
        observe.as_ref().map(|[_, bytes @ ..]| (OptionNumber::OBSERVE, shortest(bytes))),
        in_blocks.then_some((OptionNumber::BLOCK2, block2.as_bytes())),
        block1.as_ref().map(|block| (OptionNumber::BLOCK1, block.as_bytes())),
    ];
    let mut writer = Writer::new(out, head.kind, body.code, head.id, head.token);
    merge(&mut writer, body.options, &more_options)?;
    writer.payload(part)?;
    writer.finish()
}

/// Lets the client see that two blocks belong to one body (RFC 7959 §2.4).
fn etag(body: &Body<'_>) -> [u8; 8] {
    use core::hash::Hasher as _;
    let mut fnv = Fnv::new(0);
    fnv.write(body.payload);
    fnv.finish().to_be_bytes()
}

/// In how many seconds to try again where no place is left: transfers are short.
const COME_AGAIN: u32 = 5;
