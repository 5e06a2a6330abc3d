// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of what needs the kernel: capturing, sharing, lifetime, filling.

use kernel::prelude::*;

#[kunit_tests(refpage)]
mod suite {
    use core::{
        ops::Range,
        ptr::{
            null_mut,
            NonNull, //
        }, //
    };

    use super::super::{
        accounting,
        capture::Captured,
        content::Content,
        lookup,
        set::RefPageSet, //
    };
    use kernel::{
        bindings,
        mm::{
            folio::NewFolio,
            immutable::{
                ImmutablePage,
                PAGE_WORDS, //
            },
        },
        page::PAGE_SIZE,
        prelude::*,
        sync::Arc, //
    };

    const REFPAGE: usize = bindings::MAP_REFPAGE as usize;
    const NO_FD: usize = usize::MAX;

    fn captured(init: impl FnOnce(&mut [u64; PAGE_WORDS])) -> Result<Captured> {
        let page = ImmutablePage::new(accounting::page_flags(), init)?;

        Ok(Captured::from_page(page))
    }

    fn counting(words: &mut [u64; PAGE_WORDS]) {
        for (index, word) in words.iter_mut().enumerate() {
            *word = index as u64;
        }
    }

    #[test]
    fn equal_contents_share() -> Result {
        let set = RefPageSet::new()?;
        let first = set.share(captured(counting)?)?;
        let second = set.share(captured(counting)?)?;
        let other = set.share(captured(|words| words[PAGE_WORDS - 1] = 1)?)?;

        assert!(core::ptr::eq(&*first, &*second));
        assert!(!core::ptr::eq(&*first, &*other));
        Ok(())
    }

    #[test]
    fn patterns_share_by_value() -> Result {
        let set = RefPageSet::new()?;
        let first = set.share(captured(|words| words.fill(7))?)?;
        let second = set.share(captured(|words| words.fill(7))?)?;
        let other = set.share(captured(|words| words.fill(8))?)?;

        assert!(core::ptr::eq(&*first, &*second));
        assert!(!core::ptr::eq(&*first, &*other));
        Ok(())
    }

    #[test]
    fn sets_do_not_share() -> Result {
        let (one, two) = (RefPageSet::new()?, RefPageSet::new()?);
        let ours = one.share(captured(counting)?)?;
        let theirs = two.share(captured(counting)?)?;

        assert!(ours.captured().as_ptr() != theirs.captured().as_ptr());
        Ok(())
    }

    #[test]
    fn fork_shares_the_page() -> Result {
        let (parent, child) = (RefPageSet::new()?, RefPageSet::new()?);
        let ours = parent.share(captured(counting)?)?;
        let inherited = child.inherit(ours.captured().clone())?;
        let again = child.share(captured(counting)?)?;

        assert!(!core::ptr::eq(&*ours, &*inherited));
        assert!(core::ptr::eq(&*inherited, &*again));
        assert!(ours.captured().as_ptr() == inherited.captured().as_ptr());
        Ok(())
    }

    #[test]
    fn fork_keeps_equal_pages_apart() -> Result {
        let child = RefPageSet::new()?;
        // PTEs that fork copied map these, so each must get a reference page with its own.
        let one = Arc::new(captured(counting)?, GFP_KERNEL)?;
        let two = Arc::new(captured(counting)?, GFP_KERNEL)?;
        let first = child.inherit(one.clone())?;
        let second = child.inherit(two.clone())?;

        assert!(Arc::ptr_eq(first.captured(), &one));
        assert!(Arc::ptr_eq(second.captured(), &two));
        Ok(())
    }

    #[test]
    fn last_reference_unlists() -> Result {
        let set = RefPageSet::new()?;
        let first = set.share(captured(counting)?)?;
        // Keeps its page, so that no other can be at the same place.
        let page = first.captured().clone();

        drop(first);

        // Had the set kept the dead one, this would be it, or a use after free.
        let fresh = set.share(captured(counting)?)?;
        assert!(fresh.captured().as_ptr() != page.as_ptr());
        Ok(())
    }

    /// What a page contains, of a folio that nobody holds as [`NewFolio`].
    fn content(folio: NonNull<bindings::folio>, index: usize) -> Content {
        // SAFETY: The folio is valid and not in high memory.
        let pages = unsafe { bindings::folio_address(folio.as_ptr()) };

        // SAFETY: The folio has a page `index`, and nobody writes to it.
        Content::classify(unsafe { &*pages.cast::<[u64; PAGE_WORDS]>().add(index) })
    }

    #[test]
    fn fills_every_page_of_a_folio() -> Result {
        const ORDER: u32 = 4;
        const PAGES: usize = 1 << ORDER;
        const SOME: Range<usize> = 3..PAGES - 1;

        // SAFETY: There are no requirements in a context that may sleep.
        let folio =
            unsafe { bindings::__folio_alloc_noprof(bindings::GFP_KERNEL, ORDER, 0, null_mut()) };
        let folio = NonNull::new(folio).ok_or(ENOMEM)?;
        // SAFETY: The folio is valid and ours alone.
        let mut new = unsafe { NewFolio::from_raw(folio) };
        let pages = new.nr_pages();
        let all = new.fill(0..pages, [1, 2]);
        let some = new.fill(SOME, [3, 4]);
        let beyond = new.fill(0..pages + 1, [5, 6]);

        let right = (0..PAGES).all(|index| {
            let pair = if SOME.contains(&index) {
                [3, 4]
            } else {
                [1, 2]
            };
            content(folio, index) == Content::Pattern(pair)
        });
        // SAFETY: We allocated the folio with this order and do not use it any more.
        unsafe { bindings::__free_pages(bindings::folio_page(folio.as_ptr(), 0), ORDER) };

        all?;
        some?;
        assert!(right);
        assert_eq!(pages, PAGES);
        assert_eq!(beyond, Err(EINVAL));
        Ok(())
    }

    #[test]
    fn requests() {
        let address = |flags, fd, pgoff, compat| {
            lookup::address(flags, fd, pgoff, compat).ok()
        };

        assert_eq!(address(REFPAGE, NO_FD, 5, false), Some(5 * PAGE_SIZE));
        // The upper half of a register that holds an `int` means nothing.
        assert_eq!(address(REFPAGE, 0xffff_ffff, 5, false), Some(5 * PAGE_SIZE));
        assert_eq!(address(REFPAGE, 0, 5, false), None);
        assert_eq!(address(REFPAGE | 1 << 31, NO_FD, 5, false), None);
        assert_eq!(address(REFPAGE | 1 << 40, NO_FD, 5, false), None);
        assert_eq!(address(REFPAGE, NO_FD, usize::MAX, false), None);
        // 0x9000_0000 as a 32-bit C library may have extended it.
        assert_eq!(
            address(REFPAGE, NO_FD, 0xffff_ffff_9000_0000 / PAGE_SIZE, true),
            Some(0x9000_0000)
        );
    }
}
