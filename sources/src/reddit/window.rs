//! How many requests Reddit has room for: a window of ten minutes, of which each answer tells what is left.
//!
//! Requests are spread over what is left of the window; at none left, nothing is asked until it ends. An answer that
//! says nothing counts as one request.

use crate::feedback::poll::Answer;
use std::time::Duration;
use tokio::time::Instant;

/// How long a window is, while the API does not say.
const WINDOW: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Requests that a whole window has room for, while the API does not say.
    whole: f64,
    remaining: f64,
    ends: Instant,
    last: Option<Instant>,
}

impl Window {
    pub(super) fn new(whole: u32, now: Instant) -> Self {
        Self { whole: whole.into(), remaining: whole.into(), ends: now + WINDOW, last: None }
    }

    /// How long to wait before the next request; it is taken to be made then.
    pub(super) fn enter(&mut self, now: Instant) -> Duration {
        if self.ends <= now {
            (self.remaining, self.ends) = (self.whole, now + WINDOW);
        }
        let start = if self.remaining < 1.0 {
            self.ends
        } else {
            let gap = (self.ends - now).div_f64(self.remaining);
            self.last.map_or(now, |last| (last + gap).max(now))
        };
        self.last = Some(start);
        start - now
    }

    /// Takes in what an answer says.
    pub(super) fn note(&mut self, answer: &Answer, now: Instant) {
        let told = answer.number("x-ratelimit-remaining").zip(answer.number("x-ratelimit-reset"));
        match told {
            Some((remaining, reset)) => {
                self.remaining = remaining;
                self.ends = now + Duration::from_secs_f64(reset.min(3600.0));
            }
            None => self.remaining -= 1.0,
        }
    }

    /// How long until the window ends.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.ends.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&'static str, &'static str)]) -> Answer {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let headers: Vec<(reqwest::header::HeaderName, _)> = headers.collect();
        Answer { status: 200, headers: headers.into_iter().collect(), body: Vec::new() }
    }

    #[test]
    fn spreads_and_stops() {
        let start = Instant::now();
        let mut window = Window::new(600, start);
        assert_eq!(window.enter(start), Duration::ZERO);
        window.note(&answer(&[]), start);
        let wait = window.enter(start);
        assert!((900..1100).contains(&wait.as_millis()), "{wait:?}");
        window.note(&answer(&[("x-ratelimit-remaining", "100.0"), ("x-ratelimit-reset", "200")]), start);
        let later = start + Duration::from_secs(10);
        assert_eq!(
            window.enter(later),
            Duration::ZERO,
            "what was not asked for meanwhile need not be waited for"
        );
        assert!((1800..2000).contains(&window.enter(later).as_millis()));
        window.note(&answer(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "60")]), later);
        assert_eq!(window.enter(later), Duration::from_secs(60));
        let next = later + Duration::from_secs(60);
        window.note(&answer(&[("x-ratelimit-remaining", "NaN"), ("x-ratelimit-reset", "-1")]), next);
        assert!(window.enter(next) <= Duration::from_secs(2), "a new window");
    }
}
