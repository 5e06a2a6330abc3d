// SPDX-License-Identifier: GPL-2.0

//! Makes a sequence of operations of a seed. The same seed gives the same sequence on every machine.

use crate::ops::{
    Advice, Bytes, Content, Fill, GRANULE, Huge, Ksm, Lock, Map, MapFlag, Op, PAGE, Prot, Reader, Remap, Sequence,
    Span, Writer, Wrong,
};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Pages of the arena in most sequences.
const SMALL: usize = 256;
/// Pages of the arena in every fourth: room for a huge page, wherever it begins.
const LARGE: usize = 1536;
/// Pages of the largest huge page.
const HUGE: usize = 512;
/// Pages of most spans, at most.
const SPAN: usize = 24;
/// Operations inside of another one, at most.
const INNER: usize = 8;
/// How deep operations may be inside of others.
const DEPTH: usize = 2;

/// Kinds of operations with their weight: how many in the sum of all are of this kind.
const KINDS: &[(Kind, u32)] = &[
    (Kind::Map, 120),
    (Kind::MapPlain, 45),
    (Kind::MapFailing, 6),
    (Kind::MapWrong, 6),
    (Kind::Unmap, 30),
    (Kind::Protect, 70),
    (Kind::AllowTags, 10),
    (Kind::Lock, 25),
    (Kind::Remap, 70),
    (Kind::Advise, 170),
    (Kind::Load, 140),
    (Kind::Store, 220),
    (Kind::StoreTags, 16),
    (Kind::LoadTagged, 8),
    (Kind::Splice, 6),
    (Kind::FixedBuffer, 4),
    (Kind::Fork, 12),
    (Kind::Join, 4),
    (Kind::Handover, 1),
    (Kind::Beside, 4),
    (Kind::Ksm, 2),
    (Kind::Huge, 4),
    (Kind::Khugepaged, 1),
    (Kind::Reclaim, 3),
    (Kind::Compact, 1),
    (Kind::MovePages, 8),
    (Kind::SoftOffline, 1),
    (Kind::FailStored, 2),
    (Kind::FailCaptured, 2),
    (Kind::PagerFill, 8),
    (Kind::PagerMove, 3),
    (Kind::PagerProtect, 5),
    (Kind::Core, 1),
    (Kind::Compare, 20),
    (Kind::Count, 20),
];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Map,
    MapPlain,
    MapFailing,
    MapWrong,
    Unmap,
    Protect,
    AllowTags,
    Lock,
    Remap,
    Advise,
    Load,
    Store,
    StoreTags,
    LoadTagged,
    Splice,
    FixedBuffer,
    Fork,
    Join,
    Handover,
    Beside,
    Ksm,
    Huge,
    Khugepaged,
    Reclaim,
    Compact,
    MovePages,
    SoftOffline,
    FailStored,
    FailCaptured,
    PagerFill,
    PagerMove,
    PagerProtect,
    Core,
    Compare,
    Count,
}

impl Kind {
    /// Those that end the process, or stop all others, stay outside.
    fn may_be_inside(self) -> bool {
        !matches!(
            self,
            Self::Handover
                | Self::Beside
                | Self::Compact
                | Self::Ksm
                | Self::Khugepaged
                | Self::SoftOffline
                | Self::FailCaptured
        )
    }
}

/// The sequence of a seed, of at least `count` operations.
pub fn sequence(seed: u64, count: usize) -> Sequence {
    let pages = if seed % 4 == 3 { LARGE } else { SMALL };
    let mut generator = Generator { random: ChaCha8Rng::seed_from_u64(seed), pages };
    let mut ops = Vec::new();
    let mut sum = 0;
    // Where there is room for huge pages they come from the beginning, before page tables are in their way.
    if pages == LARGE {
        ops.push(Op::Huge { kib: 0, setting: Huge::Always });
        sum += 1;
    }
    while sum < count {
        let next = if pages == LARGE && generator.one_in(30) {
            generator.huge_pages()
        } else if generator.one_in(60) {
            generator.tagged()
        } else {
            vec![generator.op(DEPTH)]
        };
        sum += next.iter().map(Op::count).sum::<usize>();
        ops.extend(next);
    }
    Sequence { seed, pages, ops }
}

struct Generator {
    random: ChaCha8Rng,
    pages: usize,
}

impl Generator {
    fn below(&mut self, bound: usize) -> usize {
        // In 32 bits, so that machines of all word sizes draw the same.
        self.random.random_range(0..bound as u32) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn byte(&mut self) -> u8 {
        self.random.random()
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        *of.choose(&mut self.random).expect("every list is a constant with something in it")
    }

    fn page(&mut self) -> usize {
        self.below(self.pages)
    }

    /// Mostly a few pages; where there is room for huge pages, now and then enough for one.
    fn span(&mut self) -> Span {
        let first = self.page();
        let long = self.pages == LARGE && self.one_in(6);
        if long && self.one_in(2) {
            return self.huge_span();
        }
        let most = if long { 700 } else { SPAN };
        let count = 1 + self.below(most.min(self.pages - first));
        Span { first, count }
    }

    /// As many pages as one or more of the largest huge pages, where those may be.
    fn huge_span(&mut self) -> Span {
        let first = self.below(self.pages / HUGE);
        let count = 1 + self.below(self.pages / HUGE - first);
        Span { first: first * HUGE, count: count * HUGE }
    }

    /// A mapping where huge pages may be, some stores, and what can befall a huge page. By chance alone a mapping is
    /// hardly ever large enough, and still whole when that comes.
    fn huge_pages(&mut self) -> Vec<Op> {
        let span = self.huge_span();
        let map = Map { span, content: self.content(), prot: Prot::Write, flag: MapFlag::Nothing };
        let mut ops = vec![Op::Huge { kib: 0, setting: self.pick(&[Huge::Never, Huge::Always, Huge::Always]) }];
        ops.push(Op::Map(map));
        ops.extend((0..1 + self.below(6)).map(|_| self.store_in(span)));
        ops.extend((0..1 + self.below(4)).map(|_| self.befalls(span)));
        ops.extend([Op::Compare, Op::Count]);
        ops
    }

    /// A few bytes of a page, or zeros in the whole of it.
    fn store_in(&mut self, span: Span) -> Op {
        let at = (span.first + self.below(span.count)) * PAGE;
        let (len, seed) = if self.one_in(3) { (PAGE, 0) } else { (1 + self.below(PAGE), self.byte()) };
        Op::Store { bytes: Bytes { at, len }, seed, by: Writer::Cpu(0) }
    }

    fn befalls(&mut self, span: Span) -> Op {
        let first = span.first + self.below(span.count);
        let part = Span { first, count: 1 + self.below(span.end() - first) };
        match self.below(12) {
            0 => Op::Unmap(part),
            1 => Op::Protect { span: part, prot: self.prot() },
            2 => Op::Advise { span: part, advice: self.pick(&[Advice::DontNeed, Advice::Free, Advice::PageOut]) },
            3 => Op::Advise { span, advice: Advice::PageOut },
            4 => {
                let to = if self.pages == LARGE { self.huge_span().first } else { self.page() };
                let to = to.min(self.pages - span.count);
                Op::Remap { span, form: Remap::Fixed { to, count: span.count } }
            }
            5 => Op::Fork { ops: vec![self.store_in(span), Op::Compare], held: false },
            6 => Op::Khugepaged,
            7 => Op::Advise { span: part, advice: Advice::Collapse },
            8 | 9 => Op::Advise { span, advice: Advice::Collapse },
            _ => self.store_in(span),
        }
    }

    /// A page with memory tags, mappings of it, and what befalls them. By chance alone what is captured has hardly ever any.
    fn tagged(&mut self) -> Vec<Op> {
        let source = Span { first: self.page(), count: 1 };
        let bytes = Bytes { at: source.first * PAGE, len: PAGE };
        let content = Content::Arena(source.first);
        let mut ops = vec![
            Op::MapPlain { span: source, prot: Prot::Write, populate: false },
            Op::AllowTags { span: source, prot: Prot::Write },
            Op::Store { bytes, seed: self.pick(&[0, 1, 2]), by: Writer::Cpu(0) },
            self.store_tags(bytes),
        ];
        for _ in 0..1 + self.below(3) {
            let flag = self.pick(&[MapFlag::Nothing, MapFlag::Tagged]);
            let span = self.span();
            ops.push(Op::Map(Map { span, content, prot: Prot::Write, flag }));
            ops.push(self.store_in(span));
            ops.push(self.befalls(span));
            ops.push(Op::AllowTags { span, prot: Prot::Write });
        }
        ops.push(Op::Compare);
        ops
    }

    /// Often one tag for all, which the kernel fills pages with in its own way.
    fn store_tags(&mut self, bytes: Bytes) -> Op {
        Op::StoreTags { bytes, first: self.below(16) as u8, step: self.pick(&[0, 0, 1, 7]) }
    }

    fn kind(&mut self, depth: usize) -> Kind {
        let allowed: Vec<_> = KINDS.iter().filter(|(kind, _)| depth == DEPTH || kind.may_be_inside()).collect();
        allowed.choose_weighted(&mut self.random, |(_, weight)| *weight).expect("the weights are not all zero").0
    }

    fn op(&mut self, depth: usize) -> Op {
        match self.kind(depth) {
            Kind::Map => Op::Map(self.map()),
            Kind::MapPlain => Op::MapPlain { span: self.span(), prot: self.prot(), populate: self.one_in(8) },
            Kind::MapFailing => Op::MapFailing { nth: 1 + self.below(24) as u32, map: self.map() },
            Kind::MapWrong => Op::MapWrong { span: self.span(), wrong: self.wrong() },
            Kind::Unmap => Op::Unmap(self.span()),
            Kind::Protect => Op::Protect { span: self.span(), prot: self.prot() },
            Kind::AllowTags => Op::AllowTags { span: self.span(), prot: self.prot() },
            Kind::Lock => {
                Op::Lock { span: self.span(), lock: self.pick(&[Lock::Now, Lock::OnFault, Lock::Off, Lock::Off]) }
            }
            Kind::Remap => self.remap(),
            Kind::Advise => Op::Advise { span: self.span(), advice: self.advice() },
            Kind::Load => self.load(),
            Kind::Store => self.store(),
            Kind::StoreTags => {
                let bytes = self.bytes(GRANULE, 3 * PAGE);
                self.store_tags(bytes)
            }
            Kind::LoadTagged => Op::LoadTagged { at: self.bytes(GRANULE, GRANULE).at, tag: self.below(16) as u8 },
            Kind::Splice => Op::SpliceAndUnmap(self.page()),
            Kind::FixedBuffer => Op::FixedBuffer { span: self.span(), seed: self.byte() },
            Kind::Fork => self.fork(depth),
            Kind::Join => Op::Join,
            Kind::Handover => Op::Handover { unmap: self.one_in(2) },
            Kind::Beside => Op::Beside { seed: self.byte(), ops: self.inner(depth) },
            Kind::Ksm => Op::Ksm(self.pick(&[Ksm::Scan, Ksm::Scan, Ksm::Unmerge])),
            Kind::Huge => self.huge(),
            Kind::Khugepaged => Op::Khugepaged,
            Kind::Reclaim if self.one_in(16) => Op::Squeeze(1 + self.below(256)),
            Kind::Reclaim => Op::Reclaim(1 + self.below(256)),
            Kind::Compact => Op::Compact,
            Kind::MovePages => Op::MovePages { span: self.span(), node: self.below(2) as u32 },
            Kind::SoftOffline => Op::SoftOffline(self.page()),
            Kind::FailStored => Op::FailStored(self.page()),
            Kind::FailCaptured => {
                Op::FailCaptured { seed: self.byte(), period: self.pick(&[8, 4, 16, PAGE as u16, PAGE as u16]) }
            }
            Kind::PagerFill => self.pager_fill(),
            Kind::PagerMove => Op::PagerMove { from: self.page(), to: self.page() },
            Kind::PagerProtect => Op::PagerProtect { span: self.span(), seed: self.byte() },
            Kind::Core => Op::Core,
            Kind::Compare => Op::Compare,
            Kind::Count => Op::Count,
        }
    }

    fn inner(&mut self, depth: usize) -> Vec<Op> {
        let count = 1 + self.below(INNER);
        (0..count).map(|_| self.op(depth - 1)).collect()
    }

    fn fork(&mut self, depth: usize) -> Op {
        if depth == 0 {
            return Op::Compare;
        }
        Op::Fork { ops: self.inner(depth), held: self.one_in(3) }
    }

    fn prot(&mut self) -> Prot {
        self.pick(&[Prot::Write, Prot::Write, Prot::Write, Prot::Write, Prot::Read, Prot::Read, Prot::None])
    }

    /// Few contents, so that neighbours often have the same one and merge.
    fn content(&mut self) -> Content {
        let period = self.pick(&[1, 2, 4, 8, 16]);
        match self.below(9) {
            0 => Content::Zeros,
            1 | 2 => Content::Arena(self.page()),
            3 | 4 => Content::Repeat { seed: 1, period },
            5 => Content::Flawed { seed: 1, period, at: self.pick(&[0, 8, 2047, PAGE as u16 - 1]) },
            _ => Content::Repeat { seed: self.pick(&[1, 2, 3]), period: PAGE as u16 },
        }
    }

    fn map(&mut self) -> Map {
        let flag = match self.below(16) {
            0 => MapFlag::Populate,
            1 => MapFlag::NoReserve,
            2 => MapFlag::Locked,
            3 => MapFlag::NoReplace,
            4 => MapFlag::Tagged,
            _ => MapFlag::Nothing,
        };
        Map { span: self.span(), content: self.content(), prot: self.prot(), flag }
    }

    fn wrong(&mut self) -> Wrong {
        self.pick(&[Wrong::Misaligned, Wrong::Flag, Wrong::File, Wrong::Unmapped])
    }

    fn remap(&mut self) -> Op {
        let span = self.span();
        let to = self.page();
        let form = match self.below(8) {
            0 => Remap::Shrink(1 + self.below(span.count)),
            1 => Remap::Grow(1 + self.below(SPAN)),
            2 => Remap::GrowAnywhere { by: 1 + self.below(SPAN), to },
            3 => Remap::Fixed { to, count: 1 + self.below(SPAN) },
            4 | 5 => Remap::Keep(to),
            _ => Remap::Fixed { to, count: span.count },
        };
        Op::Remap { span, form }
    }

    fn advice(&mut self) -> Advice {
        const ADVICE: &[Advice] = &[
            Advice::Normal,
            Advice::Random,
            Advice::Sequential,
            Advice::WillNeed,
            Advice::DontNeed,
            Advice::DontNeed,
            Advice::DontNeed,
            Advice::DontNeedLocked,
            Advice::Free,
            Advice::Free,
            Advice::Cold,
            Advice::PageOut,
            Advice::PageOut,
            Advice::PageOut,
            Advice::PopulateRead,
            Advice::PopulateWrite,
            Advice::DontFork,
            Advice::DoFork,
            Advice::WipeOnFork,
            Advice::KeepOnFork,
            Advice::KeepOnFork,
            Advice::DontDump,
            Advice::DoDump,
            Advice::HugePage,
            Advice::NoHugePage,
            Advice::Collapse,
            Advice::Mergeable,
            Advice::Mergeable,
            Advice::Unmergeable,
            Advice::GuardInstall,
            Advice::GuardRemove,
            Advice::GuardRemove,
        ];
        self.pick(ADVICE)
    }

    /// A few bytes, aligned to their number; or up to some pages, which may begin anywhere.
    fn bytes(&mut self, unit: usize, most: usize) -> Bytes {
        let len = unit * (1 + self.below(most / unit));
        let last = self.pages * PAGE - len;
        let at = if self.one_in(2) { self.page() * PAGE } else { self.below(last + 1) };
        Bytes { at: at.min(last) / unit * unit, len }
    }

    fn load(&mut self) -> Op {
        let (by, bytes) = match self.below(12) {
            0 => (Reader::Pipe, self.bytes(1, 3 * PAGE)),
            1 => (Reader::Mem, self.bytes(1, 3 * PAGE)),
            2 => (Reader::ProcessVm, self.bytes(1, 3 * PAGE)),
            3 => (Reader::Vmsplice, self.bytes(1, 3 * PAGE)),
            4 => (Reader::Direct, self.bytes(512, 4 * PAGE)),
            5 if self.one_in(4) => (Reader::Ptrace, self.bytes(8, 8)),
            5..=8 => (Reader::Cpu(0), self.bytes(1, 8 * PAGE)),
            _ => self.cpu_access(),
        };
        Op::Load { bytes, by }
    }

    fn cpu_access(&mut self) -> (Reader, Bytes) {
        let width = self.pick(&[1, 2, 4, 8, 16]);
        let most = if self.one_in(2) { width } else { 4 * width };
        (Reader::Cpu(width as u8), self.bytes(width, most))
    }

    fn store(&mut self) -> Op {
        let (by, bytes) = match self.below(12) {
            0 => (Writer::Pipe, self.bytes(1, 3 * PAGE)),
            1 => (Writer::Mem, self.bytes(1, 3 * PAGE)),
            2 => (Writer::ProcessVm, self.bytes(1, 3 * PAGE)),
            3 => (Writer::Direct, self.bytes(512, 4 * PAGE)),
            4 if self.one_in(4) => (Writer::Ptrace, self.bytes(8, 8)),
            5 => (Writer::Exchange, self.bytes(8, 8)),
            6 | 7 => (Writer::Cpu(0), self.bytes(1, 3 * PAGE)),
            _ => match self.cpu_access() {
                (Reader::Cpu(width), bytes) => (Writer::Cpu(width), bytes),
                (_, bytes) => (Writer::Cpu(0), bytes),
            },
        };
        Op::Store { bytes, seed: self.byte(), by }
    }

    fn huge(&mut self) -> Op {
        let kib = self.pick(&[0, 0, 16, 32, 64, 128, 256, 512, 1024]);
        Op::Huge { kib, setting: self.pick(&[Huge::Never, Huge::Madvise, Huge::Always]) }
    }

    fn pager_fill(&mut self) -> Op {
        let fill = if self.one_in(2) { Fill::Zeros } else { Fill::Copy(self.byte()) };
        Op::PagerFill { span: self.span(), fill }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops;

    #[test]
    fn a_seed_names_one_sequence() {
        assert_eq!(sequence(5, 500), sequence(5, 500));
        assert_ne!(sequence(5, 500).ops, sequence(6, 500).ops);
    }

    #[test]
    fn a_longer_sequence_begins_as_a_shorter_one() {
        let (short, long) = (sequence(9, 200), sequence(9, 400));
        assert_eq!(short.ops, long.ops[..short.ops.len()]);
    }

    #[test]
    fn there_are_as_many_operations_as_asked_for() {
        let sequence = sequence(1, 1000);
        let count = ops::count(&sequence.ops);
        // What comes together is not taken apart.
        assert!((1000..1100).contains(&count), "{count}");
    }

    #[test]
    fn every_span_lies_in_the_arena() {
        fn check(ops: &[Op], pages: usize) {
            for op in ops {
                check(op.inner().map_or(&[], Vec::as_slice), pages);
                match op {
                    Op::Map(Map { span, .. }) | Op::Unmap(span) | Op::Advise { span, .. } => {
                        assert!(span.count > 0 && span.end() <= pages);
                    }
                    Op::Load { bytes, .. } | Op::Store { bytes, .. } => {
                        assert!(bytes.len > 0 && bytes.at + bytes.len <= pages * PAGE);
                    }
                    _ => {}
                }
            }
        }
        for seed in 0..8 {
            let sequence = sequence(seed, 2000);
            check(&sequence.ops, sequence.pages);
        }
    }

    #[test]
    fn every_kind_of_operation_comes_up() {
        let text = serde_json::to_string(&sequence(2, 20_000)).unwrap();
        for word in [
            "khugepaged",
            "map-failing",
            "handover",
            "beside",
            "compact",
            "soft-offline",
            "fail-stored",
            "fail-captured",
            "flawed",
            "core",
            "pager-move",
            "grow-anywhere",
            "load-tagged",
        ] {
            assert!(text.contains(word), "{word}");
        }
    }
}
