//! Builds `mm/refpage/content.rs` of the series outside of the kernel, as it is, and tests its properties.

#![cfg(test)]

// Formatted as the kernel has it.
#[rustfmt::skip]
#[path = "../../../rust-mm/refpage/content.rs"]
mod content;

use content::{Content, Target};
use proptest::prelude::*;
use std::ops::Range;

const PAGE_SIZE: usize = 4096;
const WORDS: usize = PAGE_SIZE / 8;

/// Memory of several pages, which starts as garbage, and the page that is copied to it.
struct Memory<'a> {
    pages: Vec<[u64; WORDS]>,
    source: &'a [u64; WORDS],
    /// The pages in the order in which they were written.
    order: Vec<usize>,
    /// Copying the page with this index fails.
    poison: Option<usize>,
}

impl<'a> Memory<'a> {
    fn new(pages: usize, source: &'a [u64; WORDS]) -> Self {
        let pages = vec![[0xdead_beef_dead_beef; WORDS]; pages];
        Self { pages, source, order: Vec::new(), poison: None }
    }
}

impl Target for Memory<'_> {
    type Error = usize;

    const CACHED_PAGES: usize = 16;

    fn nr_pages(&self) -> usize {
        self.pages.len()
    }

    fn fill(&mut self, pages: Range<usize>, pair: [u64; 2]) -> Result<(), usize> {
        self.order.extend(pages.clone());
        for words in self.pages[pages].iter_mut().flat_map(|page| page.chunks_exact_mut(2)) {
            words.copy_from_slice(&pair);
        }
        Ok(())
    }

    fn copy(&mut self, index: usize) -> Result<(), usize> {
        if self.poison == Some(index) {
            return Err(index);
        }
        self.order.push(index);
        self.pages[index] = *self.source;
        Ok(())
    }
}

fn words(bytes: &[u8]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_ne_bytes(bytes.try_into().expect("eight bytes"));
    }
    words
}

/// Does the page repeat every `period` bytes? Looks at each byte, unlike the code under test.
fn repeats(bytes: &[u8], period: usize) -> bool {
    bytes.iter().zip(&bytes[period..]).all(|(a, b)| a == b)
}

/// A page that repeats every 1, 2, 4, .. 4096 bytes, the last of which means that it is arbitrary.
fn page() -> impl Strategy<Value = Vec<u8>> {
    (0..=12u32)
        .prop_flat_map(|log| proptest::collection::vec(any::<u8>(), 1 << log))
        .prop_map(|unit| unit.iter().copied().cycle().take(PAGE_SIZE).collect())
}

/// Any folio size from a base page to 2 MiB, and one of its pages.
fn folio() -> impl Strategy<Value = (usize, usize)> {
    (0..=9u32).prop_flat_map(|order| (Just(1 << order), 0..1usize << order))
}

proptest! {
    #[test]
    fn filled_memory_equals_the_page(bytes in page(), (pages, last) in folio()) {
        let source = words(&bytes);
        let mut memory = Memory::new(pages, &source);

        prop_assert_eq!(Content::classify(&source).fill(&mut memory, last), Ok(()));
        prop_assert!(memory.pages.iter().all(|page| page == &source));
    }

    #[test]
    fn each_page_is_filled_once_and_of_many_the_faulting_one_last(bytes in page(), (pages, last) in folio()) {
        let source = words(&bytes);
        let mut memory = Memory::new(pages, &source);
        Content::classify(&source).fill(&mut memory, last).expect("no page is poisoned");

        prop_assert!(pages <= 16 || memory.order.last() == Some(&last));
        memory.order.sort_unstable();
        prop_assert_eq!(memory.order, (0..pages).collect::<Vec<_>>());
    }

    #[test]
    fn patterns_are_what_repeats_every_16_bytes(bytes in page()) {
        let pattern = matches!(Content::classify(&words(&bytes)), Content::Pattern(_));

        prop_assert_eq!(pattern, repeats(&bytes, 16));
    }

    #[test]
    fn words_are_equal_if_it_repeats_every_8_bytes(bytes in page()) {
        if let Content::Pattern([even, odd]) = Content::classify(&words(&bytes)) {
            prop_assert_eq!(even == odd, repeats(&bytes, 8));
        }
    }

    #[test]
    fn one_byte_breaks_a_pattern(bytes in page(), at in 0..PAGE_SIZE, flip in 1..=u8::MAX) {
        let mut broken = bytes.clone();
        broken[at] ^= flip;
        let source = words(&broken);

        // It may also mend one, so ask what it is now.
        prop_assert_eq!(Content::classify(&source) == Content::Page, !repeats(&broken, 16));
        let mut memory = Memory::new(1, &source);
        prop_assert_eq!(Content::classify(&source).fill(&mut memory, 0), Ok(()));
        prop_assert_eq!(memory.pages[0], source);
    }

    #[test]
    fn pages_are_equal_if_all_bytes_are(bytes in page(), at in 0..PAGE_SIZE, flip in 1..=u8::MAX) {
        let mut other = bytes.clone();
        prop_assert!(content::equal(&words(&bytes), &words(&other)));

        other[at] ^= flip;
        prop_assert!(!content::equal(&words(&bytes), &words(&other)));
    }

    #[test]
    fn errors_are_passed_on((pages, last) in folio(), poison in any::<prop::sample::Index>()) {
        let source = words(&(0..PAGE_SIZE).map(|byte| (byte / 8 * 7) as u8).collect::<Vec<_>>());
        let mut memory = Memory::new(pages, &source);
        let poison = poison.index(pages);
        memory.poison = Some(poison);

        prop_assert_eq!(Content::classify(&source).fill(&mut memory, last), Err(poison));
    }
}

/// Content of another size that repeats `pair` is what it should be.
fn is_pattern<const WORDS: usize>(pair: [u64; 2]) {
    let words: [u64; WORDS] = std::array::from_fn(|index| pair[index % 2]);

    assert_eq!(Content::classify(&words), Content::Pattern(pair));
}

#[test]
fn other_page_sizes() {
    for pair in [[1, 2], [3, 3]] {
        is_pattern::<8>(pair);
        is_pattern::<2048>(pair);
        is_pattern::<8192>(pair);
    }
}
