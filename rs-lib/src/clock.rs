//! What a lock knows about time, and how long rights last.
//!
//! A clock answers with an interval, or says that it does not know. Rights end as soon as they may have ended; they
//! begin when they have certainly begun. A lock that does not know the time accepts no `exp` at all.

use latchwork_coap::endpoint::Millis;

/// The present, as an argument: this crate reads no clock.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The date, as far as it is known.
    pub wall: Wall,
    /// Counts from boot and never goes back.
    pub uptime: Uptime,
}

/// The date in seconds since 1970 (NumericDate, RFC 8392 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wall {
    /// The true time lies within, ends included.
    Between {
        /// Not before this.
        earliest: i64,
        /// Not after this.
        latest: i64,
    },
    /// Not set since the battery was changed.
    Unknown,
}

impl Wall {
    /// A clock that is trusted to the second.
    pub const fn exact(seconds: i64) -> Self {
        Self::Between { earliest: seconds, latest: seconds }
    }
}

/// Whole seconds since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uptime(pub u64);

impl Uptime {
    /// A moment this many seconds later.
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// The same for the message layer.
    pub const fn millis(self) -> Millis {
        Millis(self.0.saturating_mul(1000))
    }

    /// How many seconds have passed since `earlier`.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// When the rights of a token end (RFC 9200 §5.10.3): at whichever of the two comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The `exp` of the token.
    pub date: Option<i64>,
    /// So long after boot: for tokens that count from their receipt (`exi`), or whose freshness a nonce of ours showed.
    pub uptime: Option<Uptime>,
}

/// Whether rights still stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They certainly do.
    Running,
    /// They ended, or may have.
    Over,
    /// A date decides, and the date is not known.
    CannotTell,
}

impl Ends {
    /// At a date only.
    pub const fn date(date: i64) -> Self {
        Self { date: Some(date), uptime: None }
    }

    /// `exp` must lie in the future (RFC 9200 §5.10.1.1): the very second is over.
    pub fn standing(self, now: &Now) -> Standing {
        if self.uptime.is_some_and(|end| end <= now.uptime) {
            return Standing::Over;
        }
        match (self.date, now.wall) {
            (Some(_), Wall::Unknown) => Standing::CannotTell,
            (Some(end), Wall::Between { latest, .. }) if end <= latest => Standing::Over,
            _ => Standing::Running,
        }
    }
}

/// Whether `nbf` has certainly passed.
pub(crate) fn begun(not_before: i64, wall: Wall) -> bool {
    matches!(wall, Wall::Between { earliest, .. } if earliest >= not_before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_end_when_they_may_have_ended() {
        let between = |earliest, latest| Wall::Between { earliest, latest };
        let date = Ends::date;
        let uptime = |end| Ends { date: None, uptime: Some(Uptime(end)) };
        let both = |end, uptime| Ends { date: Some(end), uptime: Some(Uptime(uptime)) };
        for (ends, wall, uptime, expected) in [
            (date(100), Wall::exact(99), 0, Standing::Running),
            (date(100), Wall::exact(100), 0, Standing::Over),
            (date(100), between(10, 99), 0, Standing::Running),
            (date(100), between(10, 100), 0, Standing::Over),
            (date(100), Wall::Unknown, 0, Standing::CannotTell),
            (date(i64::MIN), Wall::exact(0), 0, Standing::Over),
            (uptime(5), Wall::Unknown, 4, Standing::Running),
            (uptime(5), Wall::exact(0), 5, Standing::Over),
            (both(100, 5), Wall::exact(99), 4, Standing::Running),
            (both(100, 5), Wall::exact(100), 4, Standing::Over),
            (both(100, 5), Wall::exact(99), 5, Standing::Over),
            (both(100, 5), Wall::Unknown, 4, Standing::CannotTell),
            (both(100, 5), Wall::Unknown, 5, Standing::Over),
        ] {
            let uptime = Uptime(uptime);
            assert_eq!(ends.standing(&Now { wall, uptime }), expected, "{ends:?} {wall:?} {uptime:?}");
        }
    }

    #[test]
    fn rights_begin_when_they_have_certainly_begun() {
        let between = |earliest, latest| Wall::Between { earliest, latest };
        for (not_before, wall, expected) in [
            (100, Wall::exact(100), true),
            (100, Wall::exact(99), false),
            (100, between(99, 200), false),
            (100, between(100, 200), true),
            (100, Wall::Unknown, false),
        ] {
            assert_eq!(begun(not_before, wall), expected, "{not_before} {wall:?}");
        }
    }
}
