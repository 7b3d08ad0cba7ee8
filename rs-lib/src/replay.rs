//! Tokens that count from their first receipt (`exi`, RFC 9200 §5.10.3), and the little flash that keeps them from
//! counting twice.
//!
//! Such a token has no date in it. Its `cti` is the lock's audience and a number that its server counts up; what is
//! over is remembered as the highest number that is over, and every number up to it counts as over too.
//!
//! Flash holds one number per server: the highest of all tokens that ever *opened* something. It is written before the
//! first request on a token is allowed, and after a reboot everything up to it is over: whatever ran is lost, and must
//! not begin anew. An upload writes nothing, or whoever replays one could wear the flash out and burn its owner's number.

use crate::holder::Holder;
use crate::trust::{IssuerId, Trust};
use latchwork_crypto::Symmetric;

/// Names the numbers of one server for one audience, whatever their place in the tables of the application: the
/// beginning of SHA-256 over `iss`, a zero byte, and `aud`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series(pub [u8; 8]);

/// A little flash: one number for each series. The first request on each token with `exi` costs one write, most others
/// none. Nothing in it is secret.
pub trait Flash {
    /// The number that was last written for this series; None if none ever was.
    fn read(&mut self, series: Series) -> Result<Option<u64>, FlashFailed>;

    /// Writes a number in the place of the last one, which was not greater. Returns once a power cut can no longer undo it.
    /// Cut short, it leaves the old number or the new one to be read; the same number comes again after a failure, whether it was
    /// written or not.
    fn write(&mut self, series: Series, number: u64) -> Result<(), FlashFailed>;
}

/// The flash did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlashFailed;

/// For a lock without flash. It takes no tokens with `exi`.
#[derive(Clone, Copy, Debug)]
pub struct NoFlash;

impl Flash for NoFlash {
    fn read(&mut self, _: Series) -> Result<Option<u64>, FlashFailed> {
        Err(FlashFailed)
    }

    fn write(&mut self, _: Series, _: u64) -> Result<(), FlashFailed> {
        Err(FlashFailed)
    }
}

/// What is known of one series since boot.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    series: Series,
    /// The highest number that is over.
    over: Option<u64>,
    /// What flash holds.
    written: Option<u64>,
}

/// The records of the servers, in the order of [`Trust::issuers`]; None where flash was not read.
pub(crate) struct Records<const I: usize>([Option<Record>; I]);

/// The number of a session's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) number: u64,
    /// A request on this token was allowed, so flash knows of it.
    pub(crate) started: bool,
}

impl<const I: usize> Records<I> {
    pub(crate) const fn new() -> Self {
        Self([None; I])
    }

    /// Reads flash, once per boot. What was written may have run when the power went, so it is over.
    pub(crate) fn read(
        &mut self,
        trust: &Trust<'_>,
        flash: &mut dyn Flash,
        crypto: &impl Symmetric,
    ) -> Result<(), FlashFailed> {
        for (record, issuer) in self.0.iter_mut().zip(trust.issuers) {
            let parts = [issuer.name.as_bytes(), &[0], trust.audience.as_bytes()];
            let hash = crypto.sha256(&parts).map_err(|_| FlashFailed)?;
            let series = Series(*hash.first_chunk().ok_or(FlashFailed)?);
            let written = flash.read(series)?;
            *record = Some(Record { series, over: written, written });
        }
        Ok(())
    }

    /// For who verifies.
    pub(crate) fn all(&self) -> &[Option<Record>] {
        &self.0
    }

    /// Whether a token that nobody used yet must not be used any more: one with a higher number is over by now.
    pub(crate) fn is_over(&self, issuer: IssuerId, number: u64) -> bool {
        is_good(&self.0, issuer, number) == Some(false) && !cfg!(latchwork_disable = "exi-start")
    }

    /// Before the first request on this token is allowed. A number below one that flash has needs no write: after a
    /// reboot it is over all the same.
    pub(crate) fn start(&mut self, issuer: IssuerId, number: u64, flash: &mut dyn Flash) -> Result<(), FlashFailed> {
        let record = self.0.get_mut(usize::from(issuer.0)).and_then(Option::as_mut).ok_or(FlashFailed)?;
        if Some(number) > record.written {
            flash.write(record.series, number)?;
            record.written = Some(number);
        }
        Ok(())
    }

    /// A session ends for good. A token that nobody used yet may still be used.
    pub(crate) fn ended(&mut self, holder: &Holder) {
        if let Some(Count { number, started: true }) = holder.count {
            self.over(holder.key.issuer, number);
        }
    }

    /// This number, and with it all below, is over. In memory only: if it ran, flash has it or a higher one.
    pub(crate) fn over(&mut self, issuer: IssuerId, number: u64) {
        if let Some(Some(record)) = self.0.get_mut(usize::from(issuer.0)) {
            record.over = record.over.max(Some(number));
        }
    }
}

/// Whether this number is still good: `None` if nobody can tell, for flash was not read.
pub(crate) fn is_good(records: &[Option<Record>], issuer: IssuerId, number: u64) -> Option<bool> {
    let record = records.get(usize::from(issuer.0))?.as_ref()?;
    Some(Some(number) > record.over)
}

/// The number in a `cti`: what follows the audience, 8 bytes big-endian.
pub(crate) fn number(cti: &[u8], audience: &str) -> Option<u64> {
    let number = cti.strip_prefix(audience.as_bytes())?;
    Some(u64::from_be_bytes(number.try_into().ok()?))
}
