// SPDX-License-Identifier: GPL-2.0

//! What the kernel counted of its own doings: operations that ask for swap, say, prove nothing where nothing was swapped.

use std::fs;
use std::io;

/// Names in `/proc/vmstat`, with what they count.
const NAMES: &[(&str, &str)] = &[
    ("refpage_capture", "captures"),
    ("refpage_cow", "copies of captured pages"),
    ("pswpout", "pages swapped out"),
    ("pswpin", "in"),
    ("pglazyfreed", "dropped after MADV_FREE"),
    ("pgmigrate_success", "migrated"),
    ("cow_ksm", "merged pages copied"),
    ("thp_fault_alloc", "huge pages at a fault"),
    ("thp_collapse_alloc", "by a collapse"),
    ("thp_split_page", "split"),
    ("thp_split_pmd", "mapped page by page since"),
    ("thp_swpout", "swapped out whole"),
];

/// The numbers at a time.
pub struct Events(Vec<u64>);

impl Events {
    /// Those up to now.
    pub fn now() -> io::Result<Self> {
        let text = fs::read_to_string("/proc/vmstat")?;
        Ok(Self(NAMES.iter().map(|(name, _)| value(&text, name)).collect()))
    }

    /// What was counted since, in words.
    pub fn since(&self, before: &Self) -> String {
        let counts = self.0.iter().zip(&before.0).zip(NAMES);
        let words = counts.map(|((now, before), (_, what))| format!("{} {what}", now.saturating_sub(*before)));
        words.collect::<Vec<_>>().join(", ")
    }
}

/// 0 for what this kernel does not count.
fn value(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(found, _)| *found == name).and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_not_taken_for_a_longer_one() {
        assert_eq!(value("pswpin_x 3\npswpin 4\n", "pswpin"), 4);
        assert_eq!(value("pswpin 4\n", "pswpout"), 0);
    }
}
