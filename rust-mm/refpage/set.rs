// SPDX-License-Identifier: GPL-2.0

//! The reference pages of an address space, by content.
//!
//! A heap may map the same content thousands of times. It has one captured page then, and because
//! all of these mappings point to the same reference page, neighbours merge.
//!
//! Contents are shared within an address space and with what it inherits by fork, but never
//! further: how long mmap() takes would tell others what a process has in its memory.
//!
//! Lock order: the set's lock is innermost. It may be taken with and without the mmap lock.

use core::ptr::{
    addr_of_mut,
    null_mut,
    NonNull, //
};

use kernel::{
    bindings,
    mm::Mm,
    new_spinlock,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
    sync::{
        aref::ARef,
        atomic::{
            ordering::{
                Acquire,
                Full, //
            },
            Atomic, //
        },
        Arc,
        ArcBorrow,
        SpinLock, //
    }, //
};

use crate::{
    accounting,
    capture::Captured,
    object::RefPage, //
};

/// The reference pages of an address space.
#[pin_data]
pub(crate) struct RefPageSet {
    /// By the hash of the content. Of contents with equal hashes, one is listed.
    #[pin]
    listed: SpinLock<RBTree<u64, Listed>>,
}

/// An entry of the set, which does not count as a reference.
///
/// # Invariants
///
/// The pointer is valid: a reference page is removed from the set, under its lock, before it is
/// freed.
struct Listed(NonNull<RefPage>);

// SAFETY: A reference page belongs to no thread.
unsafe impl Send for Listed {}

impl Listed {
    /// Takes a reference, unless the reference page is about to be freed.
    fn get(&self) -> Option<ARef<RefPage>> {
        // SAFETY: By the type invariants, the pointer is valid.
        unsafe { RefPage::get_unless_zero(self.0) }
    }
}

impl RefPageSet {
    /// Makes an empty set.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let init = pin_init!(Self {
            listed <- new_spinlock!(RBTree::new()),
        });

        Arc::pin_init(init, accounting::flags())
    }

    /// Returns the set of `mm`, which gets one if it has none yet.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub(crate) fn of(mm: &Mm) -> Result<Arc<Self>> {
        let slot = Self::slot(mm);
        let mut set = slot.load(Acquire);

        if set.is_null() {
            let new = Arc::into_raw(Self::new()?).cast_mut().cast();

            set = match slot.cmpxchg(null_mut(), new, Full) {
                Ok(_) => new,
                Err(first) => {
                    // SAFETY: `new` comes from `Arc::into_raw` and did not get into the slot.
                    drop(unsafe { Arc::from_raw(new.cast::<Self>()) });
                    first
                }
            };
        }

        // SAFETY: Pointers in the slot come from `Arc::into_raw` and stay there until `mm` has no
        // users any more.
        Ok(unsafe { ArcBorrow::from_raw(set.cast::<Self>()) }.into())
    }

    /// Takes the set away from `mm`, which has no users and no VMAs any more.
    pub(crate) fn exit(mm: &Mm) {
        let set = Self::slot(mm).xchg(null_mut(), Full);

        if !set.is_null() {
            // SAFETY: The pointer comes from `Arc::into_raw`, and the slot owned that reference.
            drop(unsafe { Arc::from_raw(set.cast::<Self>()) });
        }
    }

    /// Returns the reference page of this address space that has the content of `captured`.
    ///
    /// That is the one which is listed, or else a new one. The page of `captured` itself must not
    /// be mapped in this address space: the one that is returned may have another.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub(crate) fn share(self: &Arc<Self>, captured: Arc<Captured>) -> Result<ARef<RefPage>> {
        self.find_or_list(captured, |ours, theirs| ours.same(theirs))
    }

    /// Returns the reference page of this address space that has the very page of `captured`.
    ///
    /// This is for fork, which copies the PTEs that map the page. An equal content will not do:
    /// there may be two pages with one content if a third page has the same hash.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub(crate) fn inherit(self: &Arc<Self>, captured: Arc<Captured>) -> Result<ARef<RefPage>> {
        self.find_or_list(captured, Arc::ptr_eq)
    }

    fn find_or_list(
        self: &Arc<Self>,
        captured: Arc<Captured>,
        same: impl Fn(&Arc<Captured>, &Arc<Captured>) -> bool,
    ) -> Result<ARef<RefPage>> {
        let hash = captured.hash();

        if let Some(found) = self.find(hash) {
            if same(found.captured(), &captured) {
                return Ok(found);
            }
        }

        let new = RefPage::new(captured, self.clone())?;
        // INVARIANT: `new` is valid, and removes itself before it is freed.
        let node = RBTreeNode::new(hash, Listed(NonNull::from(&*new)), accounting::flags())?;

        Ok(match self.list(hash, node) {
            Some(found) if same(found.captured(), new.captured()) => found,
            // Listed, or another content has the same hash: then it stays unlisted, which costs
            // memory but does no harm.
            _ => new,
        })
    }

    /// Removes `object`, which is about to be freed, if it is listed.
    pub(crate) fn unlist(&self, object: &RefPage) {
        let hash = object.captured().hash();
        let mut listed = self.listed.lock();

        // Another one may have taken its place after the last reference was dropped.
        let removed = match listed.get(&hash) {
            Some(entry) if core::ptr::eq(entry.0.as_ptr(), object) => listed.remove_node(&hash),
            _ => None,
        };

        drop(listed);
        drop(removed);
    }

    fn find(&self, hash: u64) -> Option<ARef<RefPage>> {
        self.listed.lock().get(&hash).and_then(Listed::get)
    }

    /// Lists `node` if there is none with this hash that lives; otherwise returns that one.
    fn list(&self, hash: u64, node: RBTreeNode<u64, Listed>) -> Option<ARef<RefPage>> {
        let mut listed = self.listed.lock();
        let living = listed.get(&hash).and_then(Listed::get);

        // Nodes are freed after the lock is released.
        let unused = match living {
            Some(_) => Some(node),
            None => listed.insert(node),
        };

        drop(listed);
        drop(unused);
        living
    }

    fn slot(mm: &Mm) -> &Atomic<*mut bindings::refpage_set> {
        // SAFETY: `mm` is valid, and the slot is accessed by this function alone after the
        // `mm_struct` is initialized.
        unsafe { Atomic::from_ptr(addr_of_mut!((*mm.as_raw()).__bindgen_anon_1.refpages)) }
    }
}
