// SPDX-License-Identifier: GPL-2.0

//! One way to get memory with a content, set up and ready.

use crate::content;
use crate::kernel;
use crate::mapping::{Backing, Mapping};
use crate::uffd::{Filler, Uffd};
use anyhow::{Context, Result, anyhow, bail};
use record::{Content, Way};
use refmap::page_size;
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::Write;

/// A source of mappings of a length that is known beforehand.
pub struct Source {
    len: usize,
    kind: Kind,
}

enum Kind {
    Plain,
    /// The byte that all of it holds.
    Memset(u8),
    /// Contents that `memset()` cannot give.
    Copies(Vec<u8>),
    Uffd(Uffd),
    Memfd(File),
    Refpage {
        reference: Mapping,
    },
}

impl Source {
    /// Sets the way up for mappings of `len` bytes. An error says why this kernel cannot.
    pub fn new(way: Way, content: Content, len: usize, seed: u64) -> Result<Self> {
        let page = content::page(content, page_size(), seed);
        let kind = match way {
            Way::Plain => Kind::Plain,
            Way::Memset if page.iter().all(|byte| *byte == page[0]) => Kind::Memset(page[0]),
            Way::Memset => Kind::Copies(page),
            Way::UffdThread => Kind::Uffd(Uffd::new(Filler::Thread, &page)?),
            Way::UffdSigbus => Kind::Uffd(Uffd::new(Filler::Signal, &page)?),
            Way::Memfd => Kind::Memfd(memory_file(&page, len)?),
            Way::Refpage | Way::RefpageFilled => Kind::Refpage { reference: reference(&page)? },
            Way::RefpageOfRefpage => Kind::Refpage { reference: reference_of_reference(&page)? },
            Way::RefpageCleared | Way::Allocator | Way::TagZero | Way::TagStores => {
                bail!("this is done by an allocator")
            }
        };
        Ok(Self { len, kind })
    }

    /// Gives fresh memory.
    #[inline]
    pub fn map(&self) -> Result<Mapping> {
        match &self.kind {
            Kind::Uffd(uffd) => uffd.map(self.len),
            Kind::Memset(byte) => self.map_and(|mapping| mapping.set(*byte)),
            Kind::Copies(content) => self.map_and(|mapping| mapping.fill(content)),
            _ => Mapping::new(self.backing()?, self.len),
        }
    }

    /// Gives anonymous memory that the program fills.
    #[inline]
    fn map_and(&self, fill: impl FnOnce(&mut Mapping)) -> Result<Mapping> {
        let mut mapping = Mapping::new(Backing::Anonymous, self.len)?;
        fill(&mut mapping);
        Ok(mapping)
    }

    /// What stands behind the mappings, for those sources that need nothing but one call of `mmap()`.
    pub fn backing(&self) -> Result<Backing<'_>> {
        use std::os::fd::AsFd;
        match &self.kind {
            Kind::Plain => Ok(Backing::Anonymous),
            Kind::Memfd(file) => Ok(Backing::File(file.as_fd())),
            Kind::Refpage { reference } => Ok(Backing::Reference(reference.address())),
            Kind::Memset(_) | Kind::Copies(_) | Kind::Uffd(_) => {
                Err(anyhow!("this way takes more than one call of mmap()"))
            }
        }
    }
}

fn reference(page: &[u8]) -> Result<Mapping> {
    kernel::has_refpage().map_err(|why| anyhow!(why))?;
    Mapping::filled(page)
}

fn reference_of_reference(page: &[u8]) -> Result<Mapping> {
    let ordinary = reference(page)?;
    Mapping::new(Backing::Reference(ordinary.address()), page.len())
}

fn memory_file(page: &[u8], len: usize) -> Result<File> {
    let mut file = File::from(memfd_create("refbench", MemfdFlags::CLOEXEC).context("memfd_create() failed")?);
    for _ in 0..len.div_ceil(page.len()) {
        file.write_all(page).context("the memory file cannot be filled")?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fresh memory holds the content in each way that this kernel has; `store` makes the access a store.
    fn holds(way: Way, content: Content) {
        let len = 3 * page_size();
        let Ok(source) = Source::new(way, content, len, 1) else { return };
        let page = content::page(content, page_size(), 1);
        for _ in 0..2 {
            let mut mapping = source.map().unwrap();
            mapping.store(page_size(), 99);
            let expected = |offset: usize| if offset == page_size() { 99 } else { page[offset % page_size()] };
            assert!((0..len).all(|offset| mapping.load(offset) == expected(offset)), "{way:?} {content:?}");
        }
    }

    #[test]
    fn every_way_gives_the_content() {
        for content in Content::PATTERNS {
            for way in [Way::Memset, Way::UffdThread, Way::Memfd, Way::Refpage, Way::RefpageOfRefpage] {
                holds(way, content);
            }
        }
        holds(Way::UffdSigbus, Content::Page);
        holds(Way::Plain, Content::None);
    }
}
