//! Which segments to merge: a pure function of their sizes.

use std::ops::Range;

/// How many neighbours of a size are merged into one. A document is copied once a level, and a search looks into
/// fewer than this many segments a level.
const FAN: usize = 8;

/// The most neighbours of a size that one merge reads.
const MOST: usize = 16;

/// What counts of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight {
    pub(super) bytes: u64,
    pub(super) documents: u64,
    pub(super) dead: u64,
}

/// The neighbours to merge next, by number; perhaps a single one, to be rid of its dead. `small` is what the lowest
/// level is made of, in bytes.
pub(super) fn choose(segments: &[Weight], small: u64) -> Option<Range<usize>> {
    let levels: Vec<u32> = segments.iter().map(|segment| level(segment.bytes, small)).collect();
    for of in 0..=levels.iter().copied().max()? {
        // Smaller ones between are taken along: what is merged must be neighbours.
        let mut start = 0;
        for run in levels.split_inclusive(|level| *level > of) {
            let at_level = |at: &usize| levels[*at] == of;
            let peers: Vec<usize> = (start..start + run.len()).filter(at_level).take(MOST).collect();
            if let ([first, .., last], FAN..) = (peers.as_slice(), peers.len()) {
                return Some(*first..*last + 1);
            }
            start += run.len();
        }
    }
    let rotten = |segment: &Weight| segment.dead * 4 >= segment.documents.max(1);
    segments.iter().position(rotten).map(|at| at..at + 1)
}

/// The segment to clean next: that with most dead, if any has some.
pub(super) fn dirtiest(segments: &[Weight]) -> Option<Range<usize>> {
    let (at, segment) = segments.iter().enumerate().max_by_key(|(_, segment)| segment.dead)?;
    (segment.dead > 0).then_some(at..at + 1)
}

/// How many times [`FAN`] times as large as a small one.
const fn level(bytes: u64, small: u64) -> u32 {
    let mut level = 0;
    let mut size = bytes / small;
    while size >= FAN as u64 {
        size /= FAN as u64;
        level += 1;
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: u64 = 256 * 1024;

    fn weights(sizes: &[u64]) -> Vec<Weight> {
        sizes.iter().map(|bytes| Weight { bytes: *bytes, documents: 8, dead: 0 }).collect()
    }

    #[test]
    fn merges_neighbours_of_a_size() {
        const MIB: u64 = 1024 * 1024;
        assert_eq!(choose(&[], SMALL), None);
        assert_eq!(choose(&weights(&[MIB; 7]), SMALL), None);
        assert_eq!(choose(&weights(&[MIB; 8]), SMALL), Some(0..8));
        assert_eq!(choose(&weights(&[MIB; 20]), SMALL), Some(0..16));
        assert_eq!(choose(&weights(&[&[20 * MIB], &[MIB; 8][..], &[3 * MIB]].concat()), SMALL), Some(1..9));
        assert_eq!(choose(&weights(&[&[MIB; 4][..], &[20 * MIB], &[MIB; 4]].concat()), SMALL), None);
        let small_between = [&[3 * MIB; 4][..], &[MIB], &[3 * MIB; 4], &[MIB]].concat();
        assert_eq!(choose(&weights(&small_between), SMALL), Some(0..9));
    }

    #[test]
    fn cleans() {
        let mut segments = weights(&[1, 2, 3]);
        assert_eq!(dirtiest(&segments), None);
        segments[1].dead = 1;
        assert_eq!((choose(&segments, SMALL), dirtiest(&segments)), (None, Some(1..2)));
        segments[1].dead = 2;
        assert_eq!(choose(&segments, SMALL), Some(1..2));
    }

    #[test]
    fn work_is_logarithmic() {
        // Every epoch brings a segment of 1 MiB; what is merged is written again.
        let mut segments: Vec<u64> = Vec::new();
        let (mut written, mut most) = (0, 0);
        for _ in 0..1000 {
            segments.push(1024 * 1024);
            while let Some(range) = choose(&weights(&segments), SMALL) {
                let sum = segments[range.clone()].iter().sum();
                segments.splice(range, [sum]);
                written += sum;
            }
            most = most.max(segments.len());
        }
        assert!(most <= 4 * FAN && written <= 4 * 1000 * 1024 * 1024, "{most} segments, {written} bytes");
    }
}
