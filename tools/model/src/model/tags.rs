// SPDX-License-Identifier: GPL-2.0

//! Memory tags in the model.

use super::{Access, Answer, Mapped, Mismatch, Model};
use crate::content::{Memory, Page, Tags};
use crate::ops::{Bytes, GRANULE, PAGE, Prot, Span};
use std::rc::Rc;

impl Model {
    /// `mprotect()` with `PROT_MTE`, which no later one takes away: up to the first gap.
    pub fn allow_tags(&mut self, span: Span, prot: Prot) -> Answer {
        let answer = self.protect(span, prot);
        self.pages[span.pages()].iter_mut().map_while(Option::as_mut).for_each(|page| page.tagged = true);
        answer
    }

    /// The part, from its start, where tags can be stored.
    pub fn reach_of_tags(&self, bytes: Bytes) -> usize {
        let end = bytes.at + self.reach(bytes, Access::Store);
        let untagged = |page: &usize| self.page(*page).is_some_and(|page| !page.tagged);
        let first = (bytes.at / PAGE..end.div_ceil(PAGE)).find(untagged);
        first.map_or(end, |page| end.min(page * PAGE)).saturating_sub(bytes.at)
    }

    /// Tags are stored; something is mapped there.
    pub fn store_tag(&mut self, at: usize, tag: u8) {
        if let Some(page) = &mut self.pages[at / PAGE] {
            page.store_tag(at % PAGE / GRANULE, tag);
        }
    }

    /// The tags of a page were seen.
    pub fn observe_tags(&mut self, page: usize, seen: &Tags) -> Result<(), Mismatch> {
        let mapped = self.pages[page].as_mut().ok_or(Mismatch { page, offset: 0 })?;
        mapped.observe_tags(seen).map_err(|offset| Mismatch { page, offset })
    }

    /// A new page takes the place of this one.
    pub fn replace(&mut self, page: usize, with: &Page) {
        if let Some(page) = &mut self.pages[page] {
            page.replace(Rc::clone(with));
        }
    }
}

impl Mapped {
    /// What capturing it gives: its tags only where they can be used.
    pub fn captured(&self) -> impl Iterator<Item = Page> {
        let taken = |page: &Page| if self.tagged { Rc::clone(page) } else { Memory::untagged(***page) };
        self.readings().map(taken)
    }

    /// The tag that an access at this offset must have: none where any will do, or where the kernel was free to drop the
    /// page and the tags differ.
    pub fn tag(&self, offset: usize) -> Option<u8> {
        let tag = self.holds.tags[offset / GRANULE];
        let certain = self.readings().all(|page| page.tags[offset / GRANULE] == tag);
        (self.tagged && certain).then_some(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content;
    use crate::model::Stored;

    fn page(tag: u8) -> Page {
        let mut page = content::repeated(1, PAGE);
        Rc::make_mut(&mut page).tags.fill(tag);
        page
    }

    fn span(first: usize, count: usize) -> Span {
        Span { first, count }
    }

    /// Pages 0 and 1 have tags of 5, of which those of page 1 can be used; page 2 is ordinary.
    fn model() -> Model {
        let mut model = Model::new(4);
        model.fill(span(0, 2), &Mapped::new(true, page(5), Prot::Write), false);
        model.map_plain(span(2, 1), &content::zeros(), Prot::Write, false);
        model.allow_tags(span(1, 1), Prot::Write).unwrap();
        model
    }

    #[test]
    fn a_store_keeps_the_tags_of_the_reference_page() {
        let mut model = model();
        model.store(0, &[1]);
        assert_eq!(model.allow_tags(span(0, 1), Prot::Write), Ok(()));
        assert_eq!(model.observe_tags(0, &[5; PAGE / GRANULE]), Ok(()));
        assert!(model.observe_tags(2, &[5; PAGE / GRANULE]).is_err());
    }

    #[test]
    fn a_tag_that_is_stored_is_a_store() {
        let mut model = model();
        model.store_tag(PAGE + GRANULE, 7);
        let mut tags = [5; PAGE / GRANULE];
        assert_eq!(model.observe_tags(1, &tags), Err(Mismatch { page: 1, offset: GRANULE }));
        tags[1] = 7;
        assert_eq!(model.observe_tags(1, &tags), Ok(()));
        assert_eq!(model.page(1).unwrap().stored, Stored::Yes);
    }

    #[test]
    fn tags_can_be_stored_where_they_can_be_used() {
        let bytes = |at, len| Bytes { at, len };
        assert_eq!(model().reach_of_tags(bytes(0, PAGE)), 0);
        assert_eq!(model().reach_of_tags(bytes(2 * PAGE - GRANULE, PAGE)), GRANULE);
    }

    #[test]
    fn capturing_takes_the_tags_that_can_be_used() {
        let model = model();
        let captured = |index: usize| model.page(index).unwrap().captured().next().unwrap();
        assert_eq!(captured(0), page(0));
        assert_eq!(captured(1), page(5));
    }

    #[test]
    fn what_may_be_dropped_may_have_either_tag() {
        let mut model = model();
        model.store_tag(PAGE, 7);
        assert_eq!(model.page(1).unwrap().tag(0), Some(7));
        model.pages[1].as_mut().unwrap().allow_drop();
        assert_eq!(model.page(1).unwrap().tag(0), None);
        assert_eq!(model.observe_tags(1, &[5; PAGE / GRANULE]), Ok(()));
    }

    #[test]
    fn a_new_page_has_no_tags() {
        let mut model = model();
        model.replace(1, &content::repeated(2, PAGE));
        assert_eq!(model.observe_tags(1, &[0; PAGE / GRANULE]), Ok(()));
    }
}
