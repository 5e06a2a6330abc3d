// SPDX-License-Identifier: GPL-2.0

//! `struct refpage`: a content that an address space maps.

use core::{
    mem::offset_of,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        Arc,
        Refcount, //
    },
    types::Opaque, //
};

use crate::{
    accounting,
    capture::Captured,
    set::RefPageSet, //
};

/// A content that one address space maps.
///
/// It is referenced by each VMA that maps the content and by each mmap() that is under way. The
/// captured page is shared with the address spaces that inherited the content by fork.
///
/// The count is not that of an [`Arc`], because C takes references without a call of Rust.
///
/// # Invariants
///
/// - `shared.ref` counts the references; while it is not zero, the object lives.
/// - `shared.page` is the page of `captured`.
/// - The object was allocated as a [`KBox`].
#[repr(C)]
pub(crate) struct RefPage {
    /// What C looks at; must be first.
    shared: Opaque<bindings::refpage>,
    captured: Arc<Captured>,
    set: Arc<RefPageSet>,
}

// `RefPage::from_raw` and `RefPage::into_raw` take pointers to either for pointers to both.
const _: () = assert!(offset_of!(RefPage, shared) == 0);

// SAFETY: `shared` belongs to no thread, and the other fields are `Send`.
unsafe impl Send for RefPage {}
// SAFETY: Of `shared` only the reference count changes, and that is atomic; the other fields are
// `Sync`.
unsafe impl Sync for RefPage {}

impl RefPage {
    /// Makes a reference page for the address space that `set` belongs to, not yet listed there.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub(crate) fn new(captured: Arc<Captured>, set: Arc<RefPageSet>) -> Result<ARef<Self>> {
        let pair = captured.pair();
        let shared = bindings::refpage {
            // SAFETY: There are no requirements.
            ref_: unsafe { bindings::REFCOUNT_INIT(1) },
            page: captured.as_ptr(),
            tags: captured.tags().into_raw(),
            pair: pair.unwrap_or_default(),
            has_pair: pair.is_some(),
        };

        // INVARIANT: There is one reference, it is the one that we return, and the page is that of
        // `captured`.
        let object = KBox::new(
            Self {
                shared: Opaque::new(shared),
                captured,
                set,
            },
            accounting::flags(),
        )?;

        // SAFETY: The pointer is valid, and we own the reference that the count started with.
        Ok(unsafe { ARef::from_raw(NonNull::from(KBox::leak(object))) })
    }

    /// Returns the captured page.
    #[inline]
    pub(crate) fn captured(&self) -> &Arc<Captured> {
        &self.captured
    }

    /// Takes a reference, unless the last one was dropped and the object is about to be freed.
    ///
    /// # Safety
    ///
    /// `object` must be valid; it need not be referenced.
    pub(crate) unsafe fn get_unless_zero(object: NonNull<Self>) -> Option<ARef<Self>> {
        // SAFETY: The caller promises that it is valid.
        let refcount = unsafe { object.as_ref() }.refcount();

        refcount
            .inc_not_zero()
            // SAFETY: It is valid, and as the count was incremented the reference is ours.
            .then(|| unsafe { ARef::from_raw(object) })
    }

    /// Borrows the object from C.
    ///
    /// # Safety
    ///
    /// `refpage` must come from [`RefPage::into_raw`] and be referenced for the lifetime `'a`.
    pub(crate) unsafe fn from_raw<'a>(refpage: *mut bindings::refpage) -> &'a Self {
        // SAFETY: The caller promises that it is valid, and `shared` is the first field.
        unsafe { &*refpage.cast() }
    }

    /// Gives a reference to C.
    pub(crate) fn into_raw(this: ARef<Self>) -> *mut bindings::refpage {
        ARef::into_raw(this).as_ptr().cast()
    }

    /// Frees an object without references.
    ///
    /// # Safety
    ///
    /// `object` must be valid, and it must be the caller who made its count zero.
    pub(crate) unsafe fn free(object: NonNull<Self>) {
        // SAFETY: The caller promises that it is valid, and nobody else frees it.
        let this = unsafe { object.as_ref() };

        this.set.unlist(this);
        // SAFETY: There is no reference, nobody can find the object any more, and by the type
        // invariants it was allocated as a `KBox`.
        drop(unsafe { KBox::from_raw(object.as_ptr()) });
    }

    /// Returns the count that C and Rust share.
    #[inline]
    fn refcount(&self) -> &Refcount {
        // SAFETY: The pointer is valid as long as `self` is, and [`Refcount`] is transparent.
        unsafe { &*(&raw mut (*self.shared.get()).ref_).cast() }
    }
}

// SAFETY: By the type invariants, the object lives as long as the count is not zero, and all
// objects are counted.
unsafe impl AlwaysRefCounted for RefPage {
    #[inline]
    fn inc_ref(&self) {
        self.refcount().inc();
    }

    unsafe fn dec_ref(object: NonNull<Self>) {
        // SAFETY: The caller owns a reference, so the object lives until we drop it.
        let last = unsafe { object.as_ref() }.refcount().dec_and_test();

        if last {
            // SAFETY: That was the last reference, and it was ours.
            unsafe { Self::free(object) };
        }
    }
}
