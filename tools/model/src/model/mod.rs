// SPDX-License-Identifier: GPL-2.0

//! The arena as it must be, in ordinary memory: what each page reads as, what may be done to it, and whether it has a
//! page of its own. It knows nothing of system calls but what they answer.

mod advice;
mod layout;
mod page;
mod tags;

pub use advice::Expected;
pub use page::{Mapped, Stored};

use crate::content::Page;
use crate::ops::{Bytes, Lock, Map, MapFlag, PAGE, Prot, Span};
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::rc::Rc;

/// What a call answers.
pub type Answer = Result<(), Errno>;

/// The least and the most that a count may be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// The least.
    pub least: usize,
    /// The most.
    pub most: usize,
}

/// A byte that is not what it must be.
#[derive(Debug, PartialEq)]
pub struct Mismatch {
    /// Page of the arena.
    pub page: usize,
    /// Offset in the page.
    pub offset: usize,
}

/// What a caller may do against the rights of a mapping.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Access {
    /// Load, if the rights allow it.
    Load,
    /// Store, if the rights allow it.
    Store,
    /// Either, whatever the rights.
    Forced,
}

/// The whole arena.
#[derive(Clone, Debug)]
pub struct Model {
    pages: Vec<Option<Mapped>>,
    /// Ordinary pages of zeros may have been merged with the zero page.
    plain_may_share: bool,
    /// Pages may have become resident along with their neighbours, and given back when large folios were split.
    pub may_be_huge: bool,
}

impl Model {
    /// An arena where nothing is mapped.
    pub fn new(pages: usize) -> Self {
        Self { pages: vec![None; pages], plain_may_share: false, may_be_huge: false }
    }

    /// The number of pages.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// What is known of a page, if something is mapped there.
    pub fn page(&self, page: usize) -> Option<&Mapped> {
        self.pages[page].as_ref()
    }

    /// Something is mapped at a page.
    pub fn any_mapped(&self, span: Span) -> bool {
        self.pages[span.pages()].iter().any(Option::is_some)
    }

    /// What the type under test answers when its reference page is a page of the arena.
    pub fn may_capture(&self, page: usize) -> Answer {
        if self.allows(page, Access::Load) { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// What `mmap()` of the type under test answers, its reference page being good.
    pub fn may_map(&self, map: &Map) -> Answer {
        if map.flag == MapFlag::NoReplace && self.any_mapped(map.span) { Err(Errno::EEXIST) } else { Ok(()) }
    }

    /// A mapping of the type under test.
    pub fn map(&mut self, map: &Map, base: &Page) {
        let lock = if map.flag == MapFlag::Locked { Lock::Now } else { Lock::Off };
        let tagged = map.flag == MapFlag::Tagged;
        let page = Mapped { lock, tagged, ..Mapped::new(true, Rc::clone(base), map.prot) };
        self.fill(map.span, &page, matches!(map.flag, MapFlag::Populate | MapFlag::Locked));
    }

    /// A mapping of ordinary memory.
    pub fn map_plain(&mut self, span: Span, zeros: &Page, prot: Prot, populate: bool) {
        self.fill(span, &Mapped::new(false, Rc::clone(zeros), prot), populate);
    }

    fn fill(&mut self, span: Span, page: &Mapped, populate: bool) {
        let mut page = page.clone();
        if populate && page.writable() {
            page.populate();
        }
        self.pages[span.pages()].fill(Some(page));
    }

    /// `munmap()`.
    pub fn unmap(&mut self, span: Span) {
        self.pages[span.pages()].fill(None);
    }

    /// `mprotect()`: up to the first gap.
    pub fn protect(&mut self, span: Span, prot: Prot) -> Answer {
        let guarded = self.pages[span.pages()].iter().flatten().any(|page| page.guard);
        for page in &mut self.pages[span.pages()] {
            let page = page.as_mut().ok_or(Errno::ENOMEM)?;
            let becomes_writable = page.prot != Prot::Write && prot == Prot::Write;
            page.prot = prot;
            if becomes_writable && page.lock == Lock::Now && page.stored == Stored::No && !page.guard {
                // Locked memory is populated, up to the first guard of each mapping.
                page.stored = if guarded { Stored::Maybe } else { Stored::Yes };
            }
        }
        Ok(())
    }

    /// `mlock()` and its kin: pages are locked up to the first gap, then populated up to the first that refuses.
    pub fn lock(&mut self, span: Span, lock: Lock) -> Answer {
        for page in &mut self.pages[span.pages()] {
            page.as_mut().ok_or(Errno::ENOMEM)?.lock = lock;
        }
        if lock != Lock::Now {
            return Ok(());
        }
        for page in self.pages[span.pages()].iter_mut().flatten() {
            if !page.readable() {
                return Err(Errno::ENOMEM);
            }
            if page.writable() {
                page.populate();
            }
        }
        Ok(())
    }

    /// The access succeeds at this page.
    pub fn allows(&self, page: usize, access: Access) -> bool {
        let allowed = |page: &Mapped| match access {
            Access::Load => page.readable(),
            Access::Store => page.writable(),
            Access::Forced => !page.guard,
        };
        self.pages[page].as_ref().is_some_and(allowed)
    }

    /// The part, from its start, that the access succeeds at.
    pub fn reach(&self, bytes: Bytes, access: Access) -> usize {
        let end = bytes.at + bytes.len;
        let refusing = (bytes.at / PAGE..end.div_ceil(PAGE)).find(|page| !self.allows(*page, access));
        refusing.map_or(bytes.len, |page| (page * PAGE).saturating_sub(bytes.at))
    }

    /// Bytes are stored; something is mapped there.
    pub fn store(&mut self, at: usize, bytes: &[u8]) {
        for (page, offset, range) in pieces(at, bytes.len()) {
            if let Some(mapped) = &mut self.pages[page] {
                mapped.store(offset, &bytes[range]);
            }
        }
    }

    /// Bytes were seen.
    pub fn observe(&mut self, at: usize, seen: &[u8]) -> Result<(), Mismatch> {
        for (page, offset, range) in pieces(at, seen.len()) {
            let mapped = self.pages[page].as_mut().ok_or(Mismatch { page, offset })?;
            mapped.observe(offset, &seen[range]).map_err(|offset| Mismatch { page, offset })?;
        }
        Ok(())
    }

    /// The pages were made resident as if for stores.
    pub fn populate_span(&mut self, span: Span) {
        for page in self.pages[span.pages()].iter_mut().flatten() {
            page.populate();
        }
    }

    /// What was stored is dropped, as a pager wants it that fills pages.
    pub fn drop_span(&mut self, span: Span) {
        for page in self.pages[span.pages()].iter_mut().flatten() {
            page.drop_stored();
        }
    }

    /// The page is of the type under test.
    pub fn is_reference(&self, page: usize) -> bool {
        self.pages[page].as_ref().is_some_and(|page| page.reference)
    }

    /// There is something that may be merged.
    pub fn any_mergeable(&self) -> bool {
        self.pages.iter().flatten().any(|page| page.mergeable)
    }

    /// The arena of a child.
    pub fn forked(&self) -> Self {
        let pages = self.pages.iter().map(|page| page.as_ref().and_then(Mapped::forked)).collect();
        Self { pages, ..*self }
    }

    /// A page that `fork()` would give clean to the child.
    pub fn any_wiped(&self) -> bool {
        self.pages.iter().flatten().any(|page| page.wipe_on_fork)
    }

    /// Stored pages in mappings of the type under test.
    pub fn stored_reference(&self) -> Bounds {
        self.stored(false, |page| page.reference)
    }

    /// Stored pages in ordinary mappings. KSM may replace pages of zeros by the zero page.
    pub fn stored_plain(&self) -> Bounds {
        self.stored(self.plain_may_share, |page| !page.reference)
    }

    /// What was stored and reads as if nothing had been may be gone, by splitting or by what `may_share` stands for.
    fn stored(&self, may_share: bool, of: impl Fn(&Mapped) -> bool) -> Bounds {
        let mut bounds = Bounds::default();
        for page in self.pages.iter().flatten().filter(|page| of(page)) {
            let may_be_gone = (may_share || self.may_be_huge) && page.reads_as_base();
            bounds.least += usize::from(page.stored == Stored::Yes && !may_be_gone);
            bounds.most += usize::from(page.stored != Stored::No || self.may_be_huge);
        }
        bounds
    }

    /// The number of different contents that clean pages of the type under test read as.
    pub fn contents(&self) -> usize {
        let bases = self.pages.iter().flatten().filter(|page| page.reference).map(|page| &page.base);
        bases.collect::<BTreeSet<_>>().len()
    }
}

/// The pages that a range of bytes touches: page, offset in it, range of the bytes.
fn pieces(at: usize, len: usize) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let (page, offset) = ((at + done) / PAGE, (at + done) % PAGE);
        let part = (PAGE - offset).min(len - done);
        let piece = (part > 0).then_some((page, offset, done..done + part));
        done += part;
        piece
    })
}

#[cfg(test)]
mod tests;
