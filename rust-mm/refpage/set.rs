// SPDX-License-Identifier: GPL-2.0

//! The reference pages of an address space, by content.
//!
//! A heap may map the same content thousands of times. It has one captured page then, and because
//! all of these mappings point to the same reference page, neighbours merge.
//!
//! Contents are shared within an address space and with what it inherits by fork, but never
//! further: how long mmap() takes would tell others what a process has in its memory.
//!
//! The hash needs no secret. Whoever makes up contents with equal hashes gets mappings that do not
//! share and do not merge, in his own address space, and pays for the pages.
//!
//! Lock order: the set's lock is innermost. It may be taken with and without the mmap lock.

use core::ptr::{
    null_mut,
    NonNull, //
};

use kernel::{
    bindings,
    mm::{
        Mm,
        MmWithUser, //
    },
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

// SAFETY: It gives access to a [`RefPage`], which is `Send` and `Sync`.
unsafe impl Send for Listed {}

impl Listed {
    /// Takes a reference, unless the reference page is about to be freed or its memory has failed.
    ///
    /// The latter is of use to those who have it already, but nobody should begin with it.
    fn get(&self) -> Option<ARef<RefPage>> {
        // SAFETY: By the type invariants, the pointer is valid.
        if unsafe { self.0.as_ref() }.captured().is_poisoned() {
            return None;
        }
        // SAFETY: As above.
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
    pub(crate) fn of(mm: &MmWithUser) -> Result<Arc<Self>> {
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

        // SAFETY: Pointers in the slot come from `Arc::into_raw` and stay there as long as `mm` has
        // users, of which we hold one.
        Ok(unsafe { ArcBorrow::from_raw(set.cast::<Self>()) }.into())
    }

    /// Takes the set away from `mm`.
    ///
    /// # Safety
    ///
    /// `mm` must have no users any more.
    pub(crate) unsafe fn exit(mm: &Mm) {
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
    pub(crate) fn share(self: &Arc<Self>, captured: Captured) -> Result<ARef<RefPage>> {
        match self.find(captured.hash()) {
            Some(found) if found.captured().same(&captured) => Ok(found),
            _ => {
                let captured = Arc::new(captured, accounting::flags())?;
                self.list_new(captured, |ours, theirs| ours.same(theirs))
            }
        }
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
        match self.find(captured.hash()) {
            Some(found) if Arc::ptr_eq(found.captured(), &captured) => Ok(found),
            _ => self.list_new(captured, Arc::ptr_eq),
        }
    }

    /// Makes a reference page for `captured` and lists it, unless somebody was faster.
    fn list_new(
        self: &Arc<Self>,
        captured: Arc<Captured>,
        same: impl Fn(&Arc<Captured>, &Arc<Captured>) -> bool,
    ) -> Result<ARef<RefPage>> {
        let hash = captured.hash();

        // What is listed may become the pointer that frees the object, so it must be the original.
        let raw = ARef::into_raw(RefPage::new(captured, self.clone())?);
        // SAFETY: The reference that the line above gave up is ours.
        let new = unsafe { ARef::from_raw(raw) };
        // INVARIANT: `new` is valid, and removes itself before it is freed.
        let node = RBTreeNode::new(hash, Listed(raw), accounting::flags())?;

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

    /// Returns the one that is listed with this hash.
    fn find(&self, hash: u64) -> Option<ARef<RefPage>> {
        self.listed.lock().get(&hash).and_then(Listed::get)
    }

    /// Lists `node` if there is none with this hash that is fit for use; else returns that one.
    fn list(&self, hash: u64, node: RBTreeNode<u64, Listed>) -> Option<ARef<RefPage>> {
        let mut listed = self.listed.lock();
        let usable = listed.get(&hash).and_then(Listed::get);

        // Nodes are freed after the lock is released.
        let unused = match usable {
            Some(_) => Some(node),
            None => listed.insert(node),
        };

        drop(listed);
        drop(unused);
        usable
    }

    /// Returns the place where `mm` has its set.
    fn slot(mm: &Mm) -> &Atomic<*mut bindings::refpage_set> {
        // SAFETY: `mm` is valid. Once it is initialized the slot is written here alone; fork copies
        // the whole structure without a look at it, and initializes the copy.
        unsafe { Atomic::from_ptr(&raw mut (*mm.as_raw()).__bindgen_anon_1.refpages) }
    }
}
