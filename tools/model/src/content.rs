// SPDX-License-Identifier: GPL-2.0

//! Bytes made of a seed. Bytes of two seeds, and of two places, differ nearly everywhere, so that bytes of the wrong
//! page, of the wrong process or of zeros do not pass.

use crate::ops::{Content, GRANULE, PAGE};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

/// The memory tags of a page, from 0 to 15.
pub type Tags = [u8; PAGE / GRANULE];

/// What a page holds, shared by all pages of the model that hold the same.
pub type Page = Rc<Memory>;

/// The bytes of a page, which it stands for, and its memory tags.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Memory {
    bytes: [u8; PAGE],
    /// Zeros where there are none.
    pub tags: Tags,
}

impl Memory {
    /// Bytes without tags.
    pub fn untagged(bytes: [u8; PAGE]) -> Page {
        Rc::new(Self { bytes, tags: [0; PAGE / GRANULE] })
    }
}

impl Deref for Memory {
    type Target = [u8; PAGE];

    fn deref(&self) -> &Self::Target {
        &self.bytes
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.bytes
    }
}

/// One byte of a seed.
fn byte(seed: u64, position: usize) -> u8 {
    let mixed = (position as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed.wrapping_mul(0xd6e8_feb8_6659_fd93);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed >> 56) as u8
}

/// `len` bytes of a seed. Those of seed 0 are zeros, which the kernel looks for when it splits huge pages.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    if seed == 0 {
        return vec![0; len];
    }
    (0..len).map(|position| byte(seed, position)).collect()
}

/// A page of zeros.
pub fn zeros() -> Page {
    Memory::untagged([0; PAGE])
}

/// A page in which the bytes of a seed come again after `period` bytes.
pub fn repeated(seed: u64, period: usize) -> Page {
    let mut page = [0; PAGE];
    let pattern = bytes(seed ^ (period as u64) << 32, period.clamp(1, PAGE));
    for (position, to) in page.iter_mut().enumerate() {
        *to = pattern[position % pattern.len()];
    }
    Memory::untagged(page)
}

/// The same but for the byte at an offset.
fn flawed(seed: u64, period: usize, at: usize) -> Page {
    let mut page = repeated(seed, period);
    let byte = &mut Rc::make_mut(&mut page)[at];
    *byte = !*byte;
    page
}

/// The content, unless it is that of a page of the arena.
pub fn fixed(content: Content) -> Option<Page> {
    match content {
        Content::Zeros => Some(zeros()),
        Content::Repeat { seed, period } => Some(repeated(seed.into(), period.into())),
        Content::Flawed { seed, period, at } => Some(flawed(seed.into(), period.into(), at.into())),
        Content::Arena(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_repeats_after_its_period_and_not_before() {
        for period in [1, 2, 4, 8, 16] {
            let page = repeated(3, period);
            assert!((period..PAGE).all(|position| page[position] == page[position - period]), "{period}");
            assert!(period == 1 || page[..period / 2] != page[period / 2..period], "{period}");
        }
    }

    #[test]
    fn seeds_differ() {
        assert_ne!(repeated(1, PAGE), repeated(2, PAGE));
        assert_ne!(repeated(1, 8), repeated(1, 4));
        let same = bytes(1, 256).iter().zip(bytes(2, 256)).filter(|(a, b)| **a == *b).count();
        assert!(same < 16, "{same}");
    }
}
