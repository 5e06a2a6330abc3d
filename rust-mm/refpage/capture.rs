// SPDX-License-Identifier: GPL-2.0

//! Capturing a page: copied once, and never changed again.

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
    prelude::*, //
};

use crate::{
    accounting::{
        self,
        CountedPage, //
    },
    content::{
        Content,
        Target, //
    },
    lookup::Request,
};

/// A captured page and what is known about its content.
///
/// The page lives as long as this does, and longer if GUP users hold references on it.
pub(crate) struct Captured {
    page: CountedPage,
    content: Content,
    hash: u64,
}

impl Captured {
    /// Captures the page that `request` names.
    ///
    /// The user's page is held only while it is copied. A copy that is made while the user
    /// writes to the page has, for each byte, the old or the new value.
    ///
    /// # Errors
    ///
    /// Those of [`UserPage::get`] and [`ImmutablePage::copy_of`].
    pub(crate) fn new(request: Request) -> Result<Self> {
        let page = UserPage::get(request.address())?;

        Ok(Self::from_page(ImmutablePage::copy_of(
            &page,
            accounting::page_flags(),
        )?))
    }

    /// Classifies `page`, which nobody maps yet, and gets it ready to be mapped.
    pub(crate) fn from_page(page: ImmutablePage) -> Self {
        // SAFETY: The page is valid and nobody maps it yet.
        unsafe { bindings::arch_refpage_prepare(page.as_ptr()) };

        let content = page.with_words(|words| Content::classify(words));
        let hash = match content {
            Content::Pattern(pair) => hash(&pair),
            Content::Page => page.with_words(|words| hash(words)),
        };

        Self {
            page: CountedPage::new(page),
            content,
            hash,
        }
    }

    /// Returns a number that is the same for equal contents.
    #[inline]
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Are the contents equal?
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self.content, other.content) {
            (Content::Page, Content::Page) => self
                .page
                .with_words(|ours| other.page.with_words(|theirs| ours == theirs)),
            (ours, theirs) => ours == theirs,
        }
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
    /// `addr` is filled last.
    ///
    /// # Errors
    ///
    /// [`EHWPOISON`] if the hardware cannot read the captured page.
    pub(crate) fn fill(&self, folio: NewFolio<'_>, addr: usize, vma: &VmaRef) -> Result {
        // Not all machines survive another look at it.
        if self.content == Content::Page && self.is_poisoned() {
            return Err(EHWPOISON);
        }

        // No folio is empty, but objtool does not know the function that a `%` would call then.
        let last = (addr / PAGE_SIZE)
            .checked_rem(folio.nr_pages())
            .unwrap_or(0);
        let start = (addr / PAGE_SIZE - last) * PAGE_SIZE;

        self.content.fill(
            &mut MappedAt {
                folio,
                page: &self.page,
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
    start: usize,
    vma: &'a VmaRef,
}

impl Target for MappedAt<'_> {
    type Error = Error;

    fn nr_pages(&self) -> usize {
        self.folio.nr_pages()
    }

    fn fill(&mut self, index: usize, pair: [u64; 2]) -> Result {
        self.folio.fill(index, pair)
    }

    fn copy(&mut self, index: usize) -> Result {
        let addr = self.start + index * PAGE_SIZE;

        self.folio.copy(index, self.page, addr, self.vma)
    }
}

/// Hashes `words`, of which there are at most a page.
fn hash(words: &[u64]) -> u64 {
    const _: () = assert!(PAGE_WORDS * size_of::<u64>() == PAGE_SIZE);

    // SAFETY: The pointer is valid for the number of bytes that we pass.
    unsafe { bindings::xxh64(words.as_ptr().cast(), size_of_val(words), 0) }
}
