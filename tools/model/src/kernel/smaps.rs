// SPDX-License-Identifier: GPL-2.0

//! What `/proc/self/smaps` says of mappings, and `/proc/self/status` of the process.

use crate::ops::PAGE;
use std::fs;
use std::io;

/// One mapping. Sizes are in pages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping {
    /// Address of the first byte.
    pub start: usize,
    /// Address after the last byte.
    pub end: usize,
    /// The rights, as `rw-p`.
    pub rights: String,
    /// Resident pages.
    pub resident: usize,
    /// Resident pages of anonymous memory.
    pub anonymous: usize,
    /// Pages in swap.
    pub swapped: usize,
    /// It is of the type under test.
    pub reference: bool,
    /// Its memory tags can be used.
    pub tagged: bool,
}

/// The mappings that lie in a range of addresses, at least in part.
pub fn mappings(start: usize, end: usize) -> io::Result<Vec<Mapping>> {
    let mut all = parse(&fs::read_to_string("/proc/self/smaps")?);
    all.retain(|mapping| mapping.start < end && mapping.end > start);
    Ok(all)
}

/// Pages of anonymous memory of this process, resident or in swap: by its page tables, then by its counters.
pub fn totals() -> io::Result<(usize, usize)> {
    let tables = fs::read_to_string("/proc/self/smaps_rollup")?;
    let counters = fs::read_to_string("/proc/self/status")?;
    let sum = |text: &str, names: [&str; 2]| names.iter().filter_map(|name| field(text, name)).sum();
    Ok((sum(&tables, ["Anonymous:", "Swap:"]), sum(&counters, ["RssAnon:", "VmSwap:"])))
}

fn field(text: &str, name: &str) -> Option<usize> {
    text.lines().find_map(|line| pages(line.strip_prefix(name)?))
}

/// `  8 kB` in pages.
fn pages(value: &str) -> Option<usize> {
    let kib: usize = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024 / PAGE)
}

fn parse(text: &str) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in text.lines() {
        if let Some(mapping) = header(line) {
            mappings.push(mapping);
        } else if let (Some(last), Some((name, value))) = (mappings.last_mut(), line.split_once(':')) {
            match name {
                "Rss" => last.resident = pages(value).unwrap_or(0),
                "Anonymous" => last.anonymous = pages(value).unwrap_or(0),
                "Swap" => last.swapped = pages(value).unwrap_or(0),
                "VmFlags" => {
                    let has = |name| value.split_whitespace().any(|flag| flag == name);
                    (last.reference, last.tagged) = (has("rp"), has("mt"));
                }
                _ => {}
            }
        }
    }
    mappings
}

fn header(line: &str) -> Option<Mapping> {
    let mut words = line.split(' ');
    let (start, end) = words.next()?.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some(Mapping { start: address(start)?, end: address(end)?, rights: words.next()?.into(), ..Mapping::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_prints() {
        let text = "10000-12000 rw-p 00000000 00:00 0 \nSize:                  8 kB\nRss:                   4 kB\n\
            Anonymous:             4 kB\nSwap:                  0 kB\nVmFlags: rd wr mr mt rp \n\
            12000-13000 ---p 00000000 00:00 0 \nSwap:                  4 kB\nVmFlags: mr\n";
        let first = Mapping {
            start: 0x10000,
            end: 0x12000,
            rights: "rw-p".into(),
            resident: 1,
            anonymous: 1,
            swapped: 0,
            reference: true,
            tagged: true,
        };
        let second = Mapping { start: 0x12000, end: 0x13000, rights: "---p".into(), swapped: 1, ..Mapping::default() };
        assert_eq!(parse(text), [first, second]);
    }
}
