//! How far a partition is read.

use springline_model::{Position, Rev};

/// The next offset, and the last version that was given before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) next: i64,
    pub(super) rev: Rev,
}

impl Spot {
    pub(super) fn read(position: &Position) -> Option<Self> {
        let (next, rev) = position.0.split_once('@')?;
        Some(Self { next: next.parse().ok()?, rev: Rev(rev.parse().ok()?) })
    }

    pub(super) fn position(self) -> Position {
        Position(format!("{}@{}", self.next, self.rev.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back() {
        let spot = Spot { next: 17, rev: Rev(9) };
        assert_eq!(Spot::read(&spot.position()), Some(spot));
        assert_eq!(Spot::read(&Position("17".into())), None);
    }
}
