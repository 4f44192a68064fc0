//! Those who follow a view by name, whatever happens to the process: how far they are is kept with the log.

use super::{
    super::{Views, error::ViewsError},
    At, Follower, LogHead,
};
use springline_model::View;
use std::collections::BTreeMap;

impl Views {
    /// The durable followers, by name.
    #[must_use]
    pub fn followers(&self) -> BTreeMap<String, Follower> {
        self.0.shared.gate.read().book.followers.clone()
    }

    /// How far a view's log reaches, if it has one.
    #[must_use]
    pub fn log(&self, view: View) -> Option<LogHead> {
        self.0.shared.gate.read().book.heads.get(&view).copied()
    }

    /// A follower has had everything up to a position of a log: what it has had need not be kept for it. One that is
    /// told to begin again has to say that it has done so: what else it had does not count.
    ///
    /// # Errors
    /// [`ViewsError::NoFollower`], or the store fails.
    pub fn advance(&self, name: &str, log: u64, at: At, began_anew: bool) -> Result<(), ViewsError> {
        self.change(name, |follower| {
            if began_anew || !follower.is_reset {
                (follower.log, follower.at, follower.is_reset) = (log, at, false);
            }
        })
    }

    /// A follower rests, or goes on. What it has not had is kept for it.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub fn pause(&self, name: &str, is_paused: bool) -> Result<(), ViewsError> {
        self.change(name, |follower| follower.is_paused = is_paused)
    }

    /// A follower can't go on from where it is, for a reason: nothing is kept for it any longer.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub fn lose(&self, name: &str, why: &str) -> Result<(), ViewsError> {
        tracing::error!(follower = name, why, "a follower is lost");
        self.change(name, |follower| follower.lost = Some(why.to_owned()))
    }

    /// A follower begins again: with the rows as they are, and all changes behind them.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub fn reset(&self, name: &str) -> Result<(), ViewsError> {
        let head = self.followers().get(name).and_then(|follower| self.log(follower.view));
        self.change(name, |follower| {
            (follower.is_reset, follower.lost) = (true, None);
            head.iter().for_each(|head| (follower.log, follower.at) = (head.id, head.newest));
        })
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Follower)) -> Result<(), ViewsError> {
        let _writer = self.0.writer.lock();
        let mut state = self.state();
        let follower = state.book.followers.get_mut(name);
        change(follower.ok_or_else(|| ViewsError::NoFollower(name.chars().take(64).collect()))?);
        let mut writes = Vec::new();
        self.trim(&mut state.book, &mut writes)?;
        self.keep_book(state, writes)
    }
}
