// SPDX-License-Identifier: GPL-2.0

//! What the kernel says of itself and of this process.

use crate::mapping::{Backing, Mapping};
use anyhow::{Context, Result, anyhow};
use nix::sys::resource::{UsageWho, getrusage};
use procfs::process::Process;
use refmap::page_size;
use std::fs;
use std::path::Path;

const THP: &str = "/sys/kernel/mm/transparent_hugepage";

/// Tells whether `MAP_REFPAGE` is there, by the documented test: one call that succeeds.
pub fn has_refpage() -> Result<(), String> {
    let probe = || -> Result<Mapping> {
        let reference = Mapping::new(Backing::Anonymous, page_size())?;
        Mapping::new(Backing::Reference(reference.address()), page_size())
    };
    probe().map(drop).map_err(|error| format!("this kernel has no MAP_REFPAGE: {error}"))
}

/// The number of virtual memory areas of this process.
pub fn areas() -> Result<f64> {
    let maps = fs::read_to_string("/proc/self/maps").context("/proc/self/maps cannot be read")?;
    Ok(maps.lines().count() as f64)
}

/// Resident memory of this process in bytes, counted in its page tables: the counters in `status` lag behind.
pub fn resident() -> Result<f64> {
    of_all_areas("Rss")
}

/// Memory of this process that is mapped as huge pages, in bytes.
pub fn huge_mapped() -> Result<f64> {
    of_all_areas("AnonHugePages")
}

fn of_all_areas(field: &str) -> Result<f64> {
    let text = fs::read_to_string("/proc/self/smaps_rollup").context("/proc/self/smaps_rollup cannot be read")?;
    find_bytes(&text, field).with_context(|| format!("/proc/self/smaps_rollup has no {field}"))
}

/// The value of a field in text of the form `NAME: VALUE kB`, a line each.
fn find_bytes(text: &str, field: &str) -> Option<f64> {
    let value =
        text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')?.trim().strip_suffix(" kB"))?;
    Some(value.parse::<f64>().ok()? * 1024.0)
}

/// The large folios that page faults have got since the kernel booted, of all sizes.
pub fn large_folios() -> Result<f64> {
    let mut sum = 0.0;
    // A kernel that knows none has no such folder.
    for entry in fs::read_dir(THP).into_iter().flatten().flatten() {
        let counter = entry.path().join("stats/anon_fault_alloc");
        if counter.exists() {
            let text = fs::read_to_string(&counter).with_context(|| format!("{} cannot be read", counter.display()))?;
            sum += text.trim().parse::<f64>().with_context(|| format!("{} is no number", counter.display()))?;
        }
    }
    Ok(sum)
}

/// Memory of the page tables of this process, in bytes.
pub fn page_tables() -> Result<f64> {
    let status = Process::myself()?.status()?;
    Ok(status.vmpte.context("/proc/self/status has no VmPTE")? as f64 * 1024.0)
}

/// The page faults of this process that needed no I/O.
pub fn faults() -> Result<f64> {
    Ok(getrusage(UsageWho::RUSAGE_SELF)?.minor_page_faults() as f64)
}

/// A counter of `/proc/vmstat`, with what each processor has counted and not told yet.
pub fn counter(name: &str) -> Result<f64> {
    fs::write("/proc/sys/vm/stat_refresh", "1").context("/proc/sys/vm/stat_refresh cannot be written")?;
    let text = fs::read_to_string("/proc/vmstat").context("/proc/vmstat cannot be read")?;
    find_counter(&text, name).ok_or_else(|| anyhow!("/proc/vmstat has no {name}"))
}

/// The value of a counter in text of the form `NAME VALUE`, a line each.
pub fn find_counter(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

/// The size of the objects of a slab cache, in bytes.
pub fn object_size(cache: &str) -> Result<f64> {
    let path = Path::new("/sys/kernel/slab").join(cache).join("object_size");
    let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    text.trim().parse().with_context(|| format!("{} is no number", path.display()))
}

/// When memory gets huge pages.
pub struct HugePages {
    /// The name in tables.
    pub name: &'static str,
    pmd: &'static str,
    folio_64k: &'static str,
    folio_16k: &'static str,
}

impl HugePages {
    /// Only where a program asks for them.
    pub const DEFAULT: Self = Self { name: "THP madvise", pmd: "madvise", ..Self::NEVER };
    /// Nowhere.
    pub const NEVER: Self = Self { name: "THP never", pmd: "never", folio_64k: "never", folio_16k: "never" };
    /// 2 MiB wherever they fit.
    pub const ALWAYS: Self = Self { name: "THP always", pmd: "always", ..Self::NEVER };
    /// 64 KiB wherever they fit.
    pub const FOLIOS_64K: Self = Self { name: "mTHP 64k", folio_64k: "always", ..Self::NEVER };
    /// 16 KiB wherever they fit.
    pub const FOLIOS_16K: Self = Self { name: "mTHP 16k", folio_16k: "always", ..Self::NEVER };

    /// Makes it so for memory that is touched from now on.
    pub fn set(&self) -> Result<()> {
        let folder = Path::new(THP);
        let set = |name: &str, value: &str| {
            let path = folder.join(name);
            fs::write(&path, value).with_context(|| format!("{value} cannot be written to {}", path.display()))
        };
        set("enabled", self.pmd)?;
        set("hugepages-64kB/enabled", self.folio_64k)?;
        set("hugepages-16kB/enabled", self.folio_16k)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_whole_name() {
        let text = "nr_refpage_old 3\nnr_refpage 5\nrefpage_cow 7\n";
        assert_eq!(find_counter(text, "nr_refpage"), Some(5.0));
        assert_eq!(find_counter(text, "refpage_cow"), Some(7.0));
        assert_eq!(find_counter(text, "refpage"), None);
    }

    #[test]
    fn resident_memory_is_that_of_all_areas() {
        let text = "55d0-7ffe ---p 00000000 00:00 0  [rollup]\nRss:                1852 kB\nPss:  90 kB\n";
        assert_eq!(find_bytes(text, "Rss"), Some(1852.0 * 1024.0));
        assert_eq!(find_bytes(text, "Ps"), None);
    }

    #[test]
    fn a_mapping_of_its_own_kind_is_one_more_area() {
        let before = areas().unwrap();
        let _mapping = Mapping::new(Backing::Shared, page_size()).unwrap();
        assert!(areas().unwrap() > before);
    }
}
