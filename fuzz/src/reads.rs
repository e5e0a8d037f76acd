//! Bytes as they may come: at once, one by one, and in pieces.

use std::ops::Range;

/// Several ways in which `bytes` may be split into reads. A function of the bytes, so that an input is
/// nothing but bytes and a crash can be repeated.
#[must_use]
pub fn ways(bytes: &[u8]) -> [Vec<Range<usize>>; 3] {
    let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    let mut state = bytes.iter().fold(0xcbf2_9ce4_8422_2325, hash) | 1;
    let mut random = || {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let pieces = split(bytes.len(), || match random() % 40 {
        long @ 32.. => (long as usize - 31) * 40,
        short => short as usize + 1,
    });
    [
        split(bytes.len(), || bytes.len()),
        split(bytes.len(), || 1),
        pieces,
    ]
}

fn split(len: usize, mut next: impl FnMut() -> usize) -> Vec<Range<usize>> {
    let (mut at, mut reads) = (0, Vec::new());
    while at < len {
        let end = len.min(at + next());
        reads.push(at..end);
        at = end;
    }
    reads
}
