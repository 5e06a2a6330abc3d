// SPDX-License-Identifier: GPL-2.0

//! What the model knows of one mapped page.

use crate::content::{Memory, Page, Tags};
use crate::ops::{GRANULE, Lock, Prot};
use std::iter;
use std::rc::Rc;

/// Whether a page of memory was stored for this page: what counts as resident or swapped out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stored {
    /// It is clean: it reads as its base content and counts nowhere.
    No,
    /// It has a page of its own.
    Yes,
    /// One or the other, as reclaim or an error that ended a call halfway had it.
    Maybe,
}

/// A mapped page.
#[derive(Clone, Debug)]
pub struct Mapped {
    /// The mapping is of the type under test.
    pub reference: bool,
    /// What the page reads as when nothing was stored to it.
    pub base: Page,
    /// What it reads as.
    pub holds: Page,
    /// What else it may read as: the kernel was allowed to drop it, once or several times.
    pub or: Vec<Page>,
    /// The kernel may drop it still, until it is stored to.
    pub droppable: bool,
    /// Whether it has a page of its own.
    pub stored: Stored,
    /// Access rights.
    pub prot: Prot,
    /// How it is locked.
    pub lock: Lock,
    /// It is a guard: any access is an error.
    pub guard: bool,
    /// It may be merged with pages of the same content.
    pub mergeable: bool,
    /// `fork()` leaves it out.
    pub dont_fork: bool,
    /// The child gets it clean.
    pub wipe_on_fork: bool,
    /// A core dump leaves it out.
    pub dont_dump: bool,
    /// Its memory tags can be used. They are there all the same.
    pub tagged: bool,
}

impl Mapped {
    /// A page as `mmap()` makes it.
    pub fn new(reference: bool, base: Page, prot: Prot) -> Self {
        Self {
            reference,
            holds: Rc::clone(&base),
            base,
            or: Vec::new(),
            droppable: false,
            stored: Stored::No,
            prot,
            lock: Lock::Off,
            guard: false,
            mergeable: false,
            dont_fork: false,
            wipe_on_fork: false,
            dont_dump: false,
            tagged: false,
        }
    }

    /// An access that keeps to the rights of the mapping succeeds.
    pub fn readable(&self) -> bool {
        !self.guard && self.prot != Prot::None
    }

    /// The same for stores.
    pub fn writable(&self) -> bool {
        !self.guard && self.prot == Prot::Write
    }

    /// All that was stored is lost.
    pub fn drop_stored(&mut self) {
        self.holds = Rc::clone(&self.base);
        self.or.clear();
        self.droppable = false;
        self.stored = Stored::No;
    }

    /// The kernel may drop what was stored, at once or later.
    pub fn allow_drop(&mut self) {
        if self.stored == Stored::No {
            return;
        }
        self.add_base();
        self.droppable = true;
        self.stored = Stored::Maybe;
    }

    /// Bytes are stored.
    pub fn store(&mut self, offset: usize, bytes: &[u8]) {
        self.change(|page| page[offset..offset + bytes.len()].copy_from_slice(bytes));
    }

    /// A memory tag is stored.
    pub fn store_tag(&mut self, granule: usize, tag: u8) {
        self.change(|page| page.tags[granule] = tag);
    }

    /// A store changes all that it may read as, and makes it a page of its own that stays.
    fn change(&mut self, how: impl Fn(&mut Memory)) {
        for page in iter::once(&mut self.holds).chain(&mut self.or) {
            how(Rc::make_mut(page));
        }
        self.stored = Stored::Yes;
        self.droppable = false;
    }

    /// A new page takes its place, which never has tags.
    pub fn replace(&mut self, with: Page) {
        self.holds = with;
        self.or.clear();
        self.stored = Stored::Yes;
        self.droppable = false;
    }

    /// The page is made resident as if for a store, without a change of what it holds.
    pub fn populate(&mut self) {
        if !self.droppable {
            self.stored = Stored::Yes;
        }
    }

    /// Bytes were seen. Gives the offset of the first that cannot be.
    pub fn observe(&mut self, offset: usize, seen: &[u8]) -> Result<(), usize> {
        if self.narrow(|page| page[offset..offset + seen.len()] == *seen) {
            return Ok(());
        }
        Err(offset + first_difference(seen, &self.holds[offset..]))
    }

    /// All tags were seen. Gives the offset of the first granule whose tag cannot be.
    pub fn observe_tags(&mut self, seen: &Tags) -> Result<(), usize> {
        if self.narrow(|page| page.tags == *seen) {
            return Ok(());
        }
        Err(GRANULE * first_difference(seen, &self.holds.tags))
    }

    /// Keeps what it may read as, as far as that is true of it. Gives whether anything is left.
    fn narrow(&mut self, keep: impl Fn(&Page) -> bool) -> bool {
        self.or.retain(&keep);
        if !keep(&self.holds) {
            if self.or.is_empty() {
                return false;
            }
            self.settle();
        }
        if self.droppable {
            self.add_base();
        }
        true
    }

    /// It was seen not to read as what it held, but as one of the other.
    fn settle(&mut self) {
        match self.or.iter().position(|page| *page != self.base) {
            Some(kept) => self.holds = self.or.swap_remove(kept),
            None if self.droppable => self.drop_stored(),
            None => self.holds = self.or.remove(0),
        }
    }

    /// It may read as its base content, too.
    fn add_base(&mut self) {
        if !self.or.contains(&self.base) {
            self.or.push(Rc::clone(&self.base));
        }
    }

    /// All that it may read as.
    pub fn readings(&self) -> impl Iterator<Item = &Page> {
        iter::once(&self.holds).chain(&self.or)
    }

    /// What a child sees, unless it has no such mapping.
    pub fn forked(&self) -> Option<Self> {
        if self.dont_fork {
            return None;
        }
        let mut child = Self { lock: Lock::Off, ..self.clone() };
        if self.wipe_on_fork {
            child.drop_stored();
            child.guard = false;
        }
        Some(child)
    }

    /// What stays where `mremap()` took the pages away, and what it adds.
    pub fn emptied(&self) -> Self {
        let mut page = Self { lock: Lock::Off, guard: false, ..self.clone() };
        page.drop_stored();
        page
    }

    /// It may read as if nothing had been stored to it.
    pub fn reads_as_base(&self) -> bool {
        !self.or.is_empty() || *self.holds == *self.base
    }
}

fn first_difference(seen: &[u8], want: &[u8]) -> usize {
    seen.iter().zip(want).position(|(seen, want)| seen != want).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content;
    use crate::ops::PAGE;

    fn page() -> Mapped {
        Mapped::new(true, content::repeated(1, PAGE), Prot::Write)
    }

    #[test]
    fn a_store_leaves_the_rest_of_the_page() {
        let mut page = page();
        page.store(10, &[1, 2, 3]);
        assert_eq!(page.stored, Stored::Yes);
        assert!(page.observe(9, &[page.base[9], 1, 2, 3, page.base[13]]).is_ok());
        assert_eq!(page.observe(9, &[page.base[9], 1, 2, 4]), Err(12));
    }

    #[test]
    fn a_drop_brings_the_base_back() {
        let mut page = page();
        page.store(0, &[!page.base[0]]);
        page.drop_stored();
        assert!(page.observe(0, &page.base.clone()[..]).is_ok());
        assert_eq!(page.stored, Stored::No);
    }

    #[test]
    fn what_may_be_dropped_is_one_or_the_other() {
        let mut page = page();
        let (old, new) = (page.base[0], !page.base[0]);
        page.store(0, &[new]);
        page.allow_drop();
        assert!(page.observe(0, &[new]).is_ok());
        assert!(page.observe(0, &[old]).is_ok());
        assert!(page.observe(0, &[new]).is_err(), "what was dropped does not come back");
        assert_eq!(page.stored, Stored::No);
    }

    #[test]
    fn a_store_ends_the_permission_to_drop() {
        let mut page = page();
        let (old, new) = (page.base[0], !page.base[0]);
        page.store(0, &[new]);
        page.allow_drop();
        page.store(1, &[5]);
        assert!(page.observe(0, &[new, 5]).is_ok());
        assert!(page.observe(0, &[old, 5]).is_err());
    }

    #[test]
    fn what_was_dropped_and_stored_to_may_be_dropped_again() {
        let mut page = page();
        let (old, new) = (page.base[0], !page.base[0]);
        for (first, second) in [(new, 5), (old, 5), (old, page.base[1])] {
            page.store(0, &[new]);
            page.allow_drop();
            page.store(1, &[5]);
            page.allow_drop();
            assert!(page.observe(0, &[first, second]).is_ok());
        }
        assert_eq!(page.stored, Stored::No);
    }

    #[test]
    fn a_clean_page_has_nothing_to_drop() {
        let mut page = page();
        page.allow_drop();
        assert_eq!((page.stored, page.droppable), (Stored::No, false));
    }

    #[test]
    fn a_child_sees_what_the_advice_says() {
        let mut page = page();
        page.store(0, &[!page.base[0]]);
        assert_eq!(page.forked().unwrap().holds, page.holds);
        page.wipe_on_fork = true;
        assert_eq!(page.forked().unwrap().holds, page.base);
        page.dont_fork = true;
        assert!(page.forked().is_none());
    }
}
