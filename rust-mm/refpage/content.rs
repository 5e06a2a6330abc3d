// SPDX-License-Identifier: GPL-2.0

//! What a reference page contains, and how to fill memory with it.
//!
//! Most reference pages repeat a few bytes. Whoever fills memory with such content need not read
//! the captured page: a store loop leaves the cache to the memory that is being filled.
//!
//! Nothing in here depends on the kernel.

use core::ops::Range;

/// The content of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Two 64-bit words that repeat, equal ones if the content repeats every 8 bytes or less.
    Pattern([u64; 2]),
    /// Anything else: only the page itself tells.
    Page,
}

/// The number of words that one turn of a loop compares. It is even, and divides pages.
const GROUP: usize = 8;

/// Memory of one or more pages that can be filled in parts.
pub(crate) trait Target {
    /// Why a page could not be filled.
    type Error;

    /// The number of pages up to which all of them are in the cache after they were filled.
    const CACHED_PAGES: usize;

    /// Returns the number of pages.
    fn nr_pages(&self) -> usize;

    /// Fills `pages` by repeating `pair`.
    fn fill(&mut self, pages: Range<usize>, pair: [u64; 2]) -> Result<(), Self::Error>;

    /// Copies the reference page to page `index`.
    fn copy(&mut self, index: usize) -> Result<(), Self::Error>;
}

impl Content {
    /// Finds out whether `words`, which are a page, repeat every 1, 2, 4, 8 or 16 bytes.
    ///
    /// All these periods divide 16 bytes, so one pass that looks for that period finds them all.
    pub(crate) fn classify<const WORDS: usize>(words: &[u64; WORDS]) -> Self {
        let pair = [words[0], words[1]];

        if repeats(words, pair) {
            Self::Pattern(pair)
        } else {
            Self::Page
        }
    }

    /// Fills `target` so that page `last` is in the cache afterwards: where there are many, after
    /// all others.
    ///
    /// # Errors
    ///
    /// Those of [`Target`]; what was filled until then stays so.
    pub(crate) fn fill<T: Target>(self, target: &mut T, last: usize) -> Result<(), T::Error> {
        let nr_pages = target.nr_pages();

        if nr_pages <= T::CACHED_PAGES {
            return self.fill_part(target, 0..nr_pages);
        }
        self.fill_part(target, 0..last)?;
        self.fill_part(target, last + 1..nr_pages)?;
        self.fill_part(target, last..last + 1)
    }

    fn fill_part<T: Target>(self, target: &mut T, pages: Range<usize>) -> Result<(), T::Error> {
        match self {
            Self::Pattern(pair) => target.fill(pages, pair),
            Self::Page => pages.into_iter().try_for_each(|index| target.copy(index)),
        }
    }
}

/// Do `words` repeat `pair` to their end?
fn repeats<const WORDS: usize>(words: &[u64; WORDS], pair: [u64; 2]) -> bool {
    const { assert!(WORDS % GROUP == 0) };

    words
        .chunks_exact(GROUP)
        .all(|words| words.iter().zip(pair.iter().cycle()).all(|(a, b)| a == b))
}

/// Are two pages equal?
///
/// This is for the kernel, where the function that `==` calls compares a word a turn.
pub(crate) fn equal<const WORDS: usize>(ours: &[u64; WORDS], theirs: &[u64; WORDS]) -> bool {
    const { assert!(WORDS % GROUP == 0) };

    ours.chunks_exact(GROUP)
        .zip(theirs.chunks_exact(GROUP))
        .all(|(ours, theirs)| ours.iter().zip(theirs).all(|(our, their)| our == their))
}
