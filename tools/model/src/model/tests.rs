// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::content;
use crate::ops::{Advice, Content};

fn span(first: usize, count: usize) -> Span {
    Span { first, count }
}

fn map(first: usize, count: usize, flag: MapFlag) -> Map {
    Map { span: span(first, count), content: Content::Zeros, prot: Prot::Write, flag }
}

/// Pages 0 to 7 of the type under test, 8 to 11 ordinary, 12 to 15 free.
fn model() -> Model {
    let mut model = Model::new(16);
    model.map(&map(0, 8, MapFlag::Nothing), &content::repeated(1, PAGE));
    model.map_plain(span(8, 4), &content::zeros(), Prot::Write, false);
    model
}

fn exactly(count: usize) -> Bounds {
    Bounds { least: count, most: count }
}

#[test]
fn stores_are_counted_by_kind_of_mapping() {
    let mut model = model();
    assert_eq!(model.stored_reference(), exactly(0));
    model.store(2 * PAGE - 1, &[1, 2]);
    model.store(9 * PAGE, &[0]);
    assert_eq!(model.stored_reference(), exactly(2));
    assert_eq!(model.stored_plain(), exactly(1));
    model.may_be_huge = true;
    assert_eq!(model.stored_plain(), Bounds { least: 0, most: 4 });
    assert_eq!(model.stored_reference(), Bounds { least: 2, most: 8 });
}

#[test]
fn a_store_is_seen_across_pages() {
    let mut model = model();
    model.store(2 * PAGE - 1, &[1, 2]);
    assert_eq!(model.observe(2 * PAGE - 1, &[1, 2]), Ok(()));
    assert_eq!(model.observe(2 * PAGE - 1, &[1, 3]), Err(Mismatch { page: 2, offset: 0 }));
    assert!(model.observe(12 * PAGE, &[0]).is_err());
}

#[test]
fn an_access_reaches_up_to_what_refuses_it() {
    let mut model = model();
    model.protect(span(3, 1), Prot::Read).unwrap();
    let bytes = Bytes { at: 2 * PAGE + 100, len: 2 * PAGE };
    assert_eq!(model.reach(bytes, Access::Store), PAGE - 100);
    assert_eq!(model.reach(bytes, Access::Load), bytes.len);
    assert_eq!(model.reach(Bytes { at: 3 * PAGE + 5, len: 1 }, Access::Store), 0);
    assert_eq!(model.reach(Bytes { at: 3 * PAGE + 5, len: 1 }, Access::Forced), 1);
}

#[test]
fn a_gap_ends_mprotect_and_is_passed_over_by_madvise() {
    let mut model = model();
    model.unmap(span(1, 1));
    assert_eq!(model.protect(span(0, 3), Prot::Read), Err(Errno::ENOMEM));
    assert_eq!(model.page(0).unwrap().prot, Prot::Read);
    assert_eq!(model.page(2).unwrap().prot, Prot::Write);
    model.store(2 * PAGE, &[9]);
    assert_eq!(model.advise(span(0, 3), Advice::DontNeed), Expected::Exactly(Err(Errno::ENOMEM)));
    assert_eq!(model.stored_reference(), exactly(0));
}

#[test]
fn locked_pages_are_populated_and_not_dropped() {
    let mut model = model();
    assert_eq!(model.lock(span(0, 2), Lock::Now), Ok(()));
    assert_eq!(model.stored_reference(), exactly(2));
    assert_eq!(model.advise(span(0, 4), Advice::DontNeed), Expected::Exactly(Err(Errno::EINVAL)));
    assert_eq!(model.advise(span(0, 4), Advice::DontNeedLocked), Expected::Exactly(Ok(())));
    assert_eq!(model.stored_reference(), exactly(0));
}

#[test]
fn populating_stops_at_the_first_page_that_refuses() {
    let mut model = model();
    model.protect(span(2, 1), Prot::None).unwrap();
    assert_eq!(model.lock(span(0, 4), Lock::Now), Err(Errno::ENOMEM));
    assert_eq!(model.stored_reference(), exactly(2));
    assert_eq!(model.advise(span(4, 9), Advice::PopulateWrite), Expected::Exactly(Err(Errno::ENOMEM)));
    assert_eq!(model.stored_reference(), exactly(6));
    assert_eq!(model.stored_plain(), exactly(4));
}

#[test]
fn guards_refuse_every_access_and_leave_clean_pages() {
    let mut model = model();
    model.store(0, &[1]);
    assert_eq!(model.advise(span(0, 2), Advice::GuardInstall), Expected::Exactly(Ok(())));
    assert!(!model.allows(0, Access::Forced));
    assert_eq!(model.may_capture(0), Err(Errno::EFAULT));
    assert_eq!(model.advise(span(0, 2), Advice::DontNeed), Expected::Exactly(Ok(())));
    assert!(model.page(0).unwrap().guard);
    model.advise(span(0, 2), Advice::GuardRemove);
    assert_eq!(model.observe(0, &content::repeated(1, PAGE)[..]), Ok(()));
}

#[test]
fn what_moves_keeps_its_pages_and_grows_by_clean_ones() {
    let mut model = model();
    model.store(PAGE, &[7]);
    model.relocate(span(0, 2), 12, 3, false);
    assert!(model.page(0).is_none() && model.page(1).is_none());
    assert_eq!(model.observe(13 * PAGE, &[7]), Ok(()));
    assert_eq!(model.observe(14 * PAGE, &content::repeated(1, PAGE)[..]), Ok(()));
    assert_eq!(model.stored_reference(), exactly(1));
}

#[test]
fn what_moves_and_is_kept_is_clean_where_it_was() {
    let mut model = model();
    model.store(0, &[7]);
    model.relocate(span(0, 2), 12, 2, true);
    assert_eq!(model.observe(0, &content::repeated(1, PAGE)[..]), Ok(()));
    assert_eq!(model.observe(12 * PAGE, &[7]), Ok(()));
}

#[test]
fn nothing_is_replaced_where_the_request_says_so() {
    let model = model();
    assert_eq!(model.may_map(&map(11, 2, MapFlag::NoReplace)), Err(Errno::EEXIST));
    assert_eq!(model.may_map(&map(12, 2, MapFlag::NoReplace)), Ok(()));
}

#[test]
fn equal_contents_count_once() {
    let mut model = model();
    model.map(&map(12, 1, MapFlag::Nothing), &content::repeated(1, PAGE));
    assert_eq!(model.contents(), 1);
    model.map(&map(13, 1, MapFlag::Nothing), &content::repeated(2, PAGE));
    assert_eq!(model.contents(), 2);
}

#[test]
fn what_is_not_mapped_does_not_collapse() {
    let mut model = model();
    assert_eq!(model.advise(span(7, 2), Advice::Collapse), Expected::Anything);
    assert_eq!(model.advise(span(12, 2), Advice::Collapse), Expected::Exactly(Err(Errno::ENOMEM)));
    assert!(model.may_be_huge);
}
