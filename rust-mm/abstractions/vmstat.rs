// SPDX-License-Identifier: GPL-2.0

//! Counters shown in `/proc/vmstat`.
//!
//! C header: [`include/linux/vmstat.h`](srctree/include/linux/vmstat.h)

use crate::{
    bindings,
    mm::immutable::ImmutablePage, //
};

/// An event that is counted since boot.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Event {
    /// A reference page was captured: `refpage_capture`.
    RefpageCapture = bindings::vm_event_item_REFPAGE_CAPTURE,
    /// A private folio was filled with reference content: `refpage_cow`.
    RefpageCow = bindings::vm_event_item_REFPAGE_COW,
}

/// A number of pages that is kept for each node.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum NodeStat {
    /// Captured reference pages: `nr_refpage`.
    Refpage = bindings::node_stat_item_NR_REFPAGE,
}

/// Counts one `event`.
#[inline]
pub fn count_event(event: Event) {
    // SAFETY: Every variant is a valid item.
    unsafe { bindings::count_vm_event(event as u32) };
}

/// Adds `delta` pages to `item` of the node that has `page`.
#[inline]
pub fn mod_node_stat(page: &ImmutablePage, item: NodeStat, delta: isize) {
    // SAFETY: The page is valid and every variant is a valid item.
    unsafe {
        bindings::mod_node_page_state(bindings::page_pgdat(page.as_ptr()), item as u32, delta)
    };
}
