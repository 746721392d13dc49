//! A cached token: until when it is used, and when it is renewed. Times are on the program's clock.

use std::time::Duration;

use reqwest::header::HeaderValue;

use super::token_source::Token;

/// How long before its expiry a token is renewed in the background, while requests are sent with it.
const RENEW_AHEAD: Duration = Duration::from_mins(15);

/// How long before its expiry requests wait for its successor, so that none expires in flight.
const RENEW_BEFORE_EXPIRY: Duration = Duration::from_mins(5);

/// The minimum time before a token is renewed, whatever its lifetime: a sign-in service that issues
/// short-lived tokens is not asked for every request. If the token expires earlier, the service
/// refuses it, and that renews it.
const MIN_USE: Duration = Duration::from_mins(1);

/// The maximum lifetime of a token.
const MAX_LIFETIME: Duration = Duration::from_hours(24 * 365);

/// The last token that was fetched, if it was not refused.
#[derive(Default)]
pub(super) struct TokenCache {
    cached: Option<CachedToken>,
    /// The number of fetched tokens, to distinguish a refused token from its successor.
    fetched: u64,
    is_renewed_ahead: bool,
}

struct CachedToken {
    token: Token,
    /// `None` if the expiry is unknown.
    times: Option<Times>,
}

struct Times {
    /// From then on it is renewed in the background.
    ahead: Duration,
    /// From then on requests wait for its successor.
    renew: Duration,
    expiry: Duration,
}

impl Times {
    /// Of a token with this lifetime.
    fn new(now: Duration, lifetime: Duration) -> Self {
        let lifetime = lifetime.min(MAX_LIFETIME);
        // A short-lived token is renewed halfway, or it would be renewed for every request.
        let before_expiry = |before: Duration| {
            let used = lifetime.saturating_sub(before.min(lifetime / 2));
            now + used.max(MIN_USE)
        };
        Self {
            ahead: before_expiry(RENEW_AHEAD),
            renew: before_expiry(RENEW_BEFORE_EXPIRY),
            expiry: now + lifetime,
        }
    }
}

impl TokenCache {
    /// The number of fetched tokens.
    pub(super) fn fetched(&self) -> u64 {
        self.fetched
    }

    /// The token, if requests need not wait for its successor.
    pub(super) fn usable(&self, now: Duration) -> Option<Token> {
        self.before(now, |times| times.renew)
    }

    /// The token, if it has not expired.
    pub(super) fn valid(&self, now: Duration) -> Option<Token> {
        self.before(now, |times| times.expiry)
    }

    fn before(&self, now: Duration, end: impl Fn(&Times) -> Duration) -> Option<Token> {
        let cached = self.cached.as_ref()?;
        let ends = cached.times.as_ref().map(end);
        ends.is_none_or(|end| now < end)
            .then(|| cached.token.clone())
    }

    /// The remaining lifetime of the token, if known.
    pub(super) fn remaining(&self, now: Duration) -> Option<Duration> {
        let times = self.cached.as_ref()?.times.as_ref()?;
        Some(times.expiry.saturating_sub(now))
    }

    /// Keeps a fetched token. `began` is when its fetch began, so that its lifetime is never
    /// overestimated.
    pub(super) fn keep(
        &mut self,
        header: HeaderValue,
        began: Duration,
        lifetime: Option<Duration>,
    ) -> Token {
        self.fetched += 1;
        let token = Token {
            header,
            number: self.fetched,
        };
        self.cached = Some(CachedToken {
            token: token.clone(),
            times: lifetime.map(|lifetime| Times::new(began, lifetime)),
        });
        token
    }

    /// A service refused this token. If it is the last one, the next request fetches another.
    pub(super) fn forget(&mut self, token: &Token) {
        if self.fetched == token.number {
            self.cached = None;
        }
    }

    /// Is it time to renew the token in the background, and does nothing do so yet? Who is told so
    /// does it, and calls [`end_renewal_ahead`](Self::end_renewal_ahead).
    pub(super) fn begin_renewal_ahead(&mut self, now: Duration) -> bool {
        let times = self
            .cached
            .as_ref()
            .and_then(|cached| cached.times.as_ref());
        let is_due = times.is_some_and(|times| times.ahead <= now);
        let begins = is_due && !self.is_renewed_ahead;
        self.is_renewed_ahead |= begins;
        begins
    }

    /// A renewal in the background has ended. If it failed, the next one waits a while.
    pub(super) fn end_renewal_ahead(&mut self, now: Duration) {
        self.is_renewed_ahead = false;
        let times = self
            .cached
            .as_mut()
            .and_then(|cached| cached.times.as_mut());
        if let Some(times) = times {
            times.ahead = times.ahead.max(now + MIN_USE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(minutes: u64) -> Duration {
        Duration::from_mins(minutes)
    }

    fn cache(lifetime: Duration) -> TokenCache {
        let mut cache = TokenCache::default();
        let header = HeaderValue::from_static("Bearer t");
        cache.keep(header, Duration::ZERO, Some(lifetime));
        cache
    }

    #[test]
    fn a_token_is_renewed_ahead_once_and_waited_for_at_the_end() {
        let mut cache = cache(minutes(60));
        assert!(!cache.begin_renewal_ahead(minutes(44)));
        assert!(cache.begin_renewal_ahead(minutes(45)));
        assert!(!cache.begin_renewal_ahead(minutes(46)), "one at a time");
        // It failed: not for every request again.
        cache.end_renewal_ahead(minutes(46));
        assert!(!cache.begin_renewal_ahead(minutes(46)));
        assert!(cache.begin_renewal_ahead(minutes(47)));
        assert!(cache.usable(minutes(54)).is_some());
        assert!(cache.usable(minutes(55)).is_none(), "requests wait");
        assert!(cache.valid(minutes(59)).is_some());
        assert!(cache.valid(minutes(60)).is_none());
    }

    /// A sign-in tool may give the same token until it has almost expired.
    #[test]
    fn a_short_lived_token_is_not_renewed_for_every_request() {
        let mut cache = cache(minutes(10));
        assert!(!cache.begin_renewal_ahead(minutes(4)));
        assert!(cache.begin_renewal_ahead(minutes(5)));
        let header = HeaderValue::from_static("Bearer t");
        cache.keep(header, minutes(5), Some(minutes(5)));
        cache.end_renewal_ahead(minutes(5));
        assert!(!cache.begin_renewal_ahead(minutes(7)));
        assert!(cache.usable(minutes(7)).is_some());
    }
}
