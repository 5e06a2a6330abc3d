// SPDX-License-Identifier: GPL-2.0

//! What `mremap()` does to the model.

use super::{Mapped, Model};
use crate::ops::{Lock, Span};

impl Model {
    /// Pages that can be moved: all mapped, none locked, since a locked mapping that moves or grows is populated.
    pub fn movable(&self, span: Span) -> bool {
        self.pages[span.pages()].iter().all(|page| page.as_ref().is_some_and(|page| page.lock == Lock::Off))
    }

    /// The pages after a mapping, to grow into, are free.
    pub fn free(&self, span: Span) -> bool {
        !self.any_mapped(span)
    }

    /// The pages beyond `count` go.
    pub fn shrink(&mut self, span: Span, count: usize) {
        self.unmap(Span { first: span.first + count, count: span.count - count });
    }

    /// Clean pages are added at the end.
    pub fn grow(&mut self, span: Span, by: usize) {
        let added = self.pages[span.end() - 1].as_ref().map(Mapped::emptied);
        self.pages[span.end()..span.end() + by].fill(added);
    }

    /// The pages go to `to`, in `count` pages there. With `keep`, clean ones stay behind.
    pub fn relocate(&mut self, span: Span, to: usize, count: usize, keep: bool) {
        let mut moved: Vec<_> = self.pages[span.pages()].to_vec();
        let added = moved[span.count - 1].as_ref().map(Mapped::emptied);
        let left: Vec<_> = moved.iter().map(|page| page.as_ref().filter(|_| keep).map(Mapped::emptied)).collect();
        moved.resize(count, added);
        self.pages[span.pages()].clone_from_slice(&left);
        self.pages[to..to + count].clone_from_slice(&moved);
    }
}
