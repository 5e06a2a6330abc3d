// SPDX-License-Identifier: GPL-2.0

//! Capturing a page: copied once, and never changed again.

use core::ops::Range;

use kernel::{
    bindings,
    mm::{
        folio::NewFolio,
        gup::UserPage,
        immutable::{
            ImmutablePage,
            PAGE_WORDS, //
        },
        virt::VmaRef, //
    },
    page::PAGE_SIZE,
    prelude::*,
    sizes::SZ_64K, //
};

use crate::{
    accounting::{
        self,
        CountedPage, //
    },
    content::{
        self,
        Content,
        Target, //
    },
    tags::{
        self,
        Tags, //
    },
};

/// A captured page and what is known about its content.
///
/// The page lives as long as this does, and longer if GUP users hold references on it.
pub(crate) struct Captured {
    page: CountedPage,
    content: Content,
    tags: Tags,
    hash: u64,
}

impl Captured {
    /// Captures the page at `address`, in bytes and page-aligned, which may have tag bits.
    ///
    /// The user's page is held only while it is copied. A copy that is made while the user
    /// writes to the page has, for each byte, the old or the new value.
    ///
    /// # Errors
    ///
    /// Those of [`UserPage::get`] and [`ImmutablePage::copy_of`].
    pub(crate) fn new(address: usize) -> Result<Self> {
        let source = UserPage::get(address)?;
        let page = ImmutablePage::copy_of(&source, accounting::page_flags())?;

        Ok(Self::prepare(page, |page| {
            // SAFETY: Nobody else knows the page yet, and `source` comes from the address space of
            // the current task.
            unsafe { Tags::capture(page, &source, address) }
        }))
    }

    /// Captures `page`, which nobody maps yet and which has no tags.
    #[cfg(CONFIG_REFPAGE_KUNIT_TEST)]
    pub(crate) fn from_page(page: ImmutablePage) -> Self {
        Self::prepare(page, |_| Tags::NONE)
    }

    /// Classifies `page`, which nobody maps yet, and gets it ready to be mapped.
    fn prepare(page: ImmutablePage, tags: impl FnOnce(&ImmutablePage) -> Tags) -> Self {
        // SAFETY: The page is valid and nobody maps it yet.
        unsafe { bindings::arch_refpage_prepare(page.as_ptr()) };

        let tags = tags(&page);
        let content = page.with_words(Content::classify);
        let hash = match content {
            Content::Pattern(pair) => hash(&pair, tags),
            Content::Page => page.with_words(|words| hash(words, tags)),
        };

        Self {
            page: CountedPage::new(page),
            content,
            tags,
            hash,
        }
    }

    /// Returns a number that is the same for equal contents with equal tags.
    #[inline]
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Returns what the architecture says of the tags.
    #[inline]
    pub(crate) fn tags(&self) -> Tags {
        self.tags
    }

    /// Returns the two words that the content repeats, if it does, and there are no tags.
    pub(crate) fn pair(&self) -> Option<[u64; 2]> {
        match self.content {
            Content::Pattern(pair) if !self.tags.any() => Some(pair),
            _ => None,
        }
    }

    /// Are the contents equal, with their tags?
    pub(crate) fn same(&self, other: &Self) -> bool {
        let content = match (self.content, other.content) {
            (Content::Page, Content::Page) => self
                .page
                .with_words(|ours| other.page.with_words(|theirs| content::equal(ours, theirs))),
            (ours, theirs) => ours == theirs,
        };

        content && self.tags.same(&self.page, other.tags, &other.page)
    }

    /// Has the memory of the page failed?
    #[inline]
    pub(crate) fn is_poisoned(&self) -> bool {
        self.page.is_poisoned()
    }

    /// Returns a raw pointer to the page.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut bindings::page {
        self.page.as_ptr()
    }

    /// Fills `folio`, of any order, with the content.
    ///
    /// `folio` will be mapped in `vma` where it covers `addr`, naturally aligned; the page at
    /// `addr` will be in the cache.
    ///
    /// # Errors
    ///
    /// [`EHWPOISON`] if the hardware cannot read the captured page.
    pub(crate) fn fill(&self, folio: NewFolio<'_>, addr: usize, vma: &VmaRef) -> Result {
        // Not all machines survive another look at it.
        if (self.content == Content::Page || self.tags.any()) && self.is_poisoned() {
            return Err(EHWPOISON);
        }

        // The number of pages is a power of two.
        let last = (addr / PAGE_SIZE) & (folio.nr_pages() - 1);
        let start = (addr / PAGE_SIZE - last) * PAGE_SIZE;

        self.content.fill(
            &mut MappedAt {
                folio,
                page: &self.page,
                tags: self.tags,
                start,
                vma,
            },
            last,
        )
    }
}

/// A new folio, the place where it is going to be mapped, and the page to copy to it.
struct MappedAt<'a> {
    folio: NewFolio<'a>,
    page: &'a ImmutablePage,
    tags: Tags,
    start: usize,
    vma: &'a VmaRef,
}

impl Target for MappedAt<'_> {
    type Error = Error;

    const CACHED_PAGES: usize = SZ_64K.div_ceil(PAGE_SIZE);

    fn nr_pages(&self) -> usize {
        self.folio.nr_pages()
    }

    fn fill(&mut self, pages: Range<usize>, pair: [u64; 2]) -> Result {
        if !self.tags.any() {
            return self.folio.fill(pages, pair);
        }
        for index in pages {
            if !self.tags.fill(&mut self.folio, index, self.page, pair)? {
                self.folio.fill(index..index + 1, pair)?;
            }
        }
        Ok(())
    }

    // The architecture copies tags with the page.
    fn copy(&mut self, index: usize) -> Result {
        let addr = self.start + index * PAGE_SIZE;

        if self.tags.any() {
            return self.folio.copy(index, self.page, addr, self.vma);
        }
        tags::copy_untagged(&mut self.folio, index, self.page, addr, self.vma)
    }
}

/// Hashes `words`, of which there are at most a page, and their tags.
fn hash(words: &[u64], tags: Tags) -> u64 {
    const _: () = assert!(PAGE_WORDS * size_of::<u64>() == PAGE_SIZE);

    // SAFETY: The pointer is valid for the number of bytes that we pass.
    unsafe { bindings::xxh64(words.as_ptr().cast(), size_of_val(words), tags.into_raw()) }
}
