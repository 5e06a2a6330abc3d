// SPDX-License-Identifier: GPL-2.0

use anyhow::Result;
use anyhow::anyhow;
use anyhow::ensure;
use measure::Cost;
use measure::Stopwatch;
use refmap::Mapper;
use refmap::Region;
use refmap::count_pattern;
use serde::Serialize;

use crate::args::Args;

/// One line of the output.
#[derive(Debug, Serialize)]
pub struct Row {
    bench: &'static str,
    way: &'static str,
    map_bytes: usize,
    touch_bytes: usize,
    iterations: u32,
    #[serde(flatten)]
    cost: Cost,
    checked_bytes: usize,
    pattern_bytes: usize,
    /// Every checked byte is the pattern, or zero in the way that has none.
    pub fresh_memory_holds: bool,
}

/// Measures one row in one way.
pub fn measure(mapper: &Mapper, args: &Args, touch: usize) -> Result<Row> {
    ensure!(touch <= args.bytes, "--touch {touch} is more than the mapping has: give at most {}", args.bytes);
    // The first round loads the code and builds the page tables that later rounds find.
    round(mapper, args.bytes, touch)?;
    let watch = Stopwatch::start()?;
    for _ in 0..args.iterations {
        round(mapper, args.bytes, touch)?;
    }
    let cost = watch.stop()?;

    let pattern_bytes = fresh_pattern_bytes(mapper, args)?;
    let expected = if mapper.fresh_byte() == args.pattern { args.bytes } else { 0 };
    Ok(Row {
        bench: "microbench",
        way: mapper.fill().name(),
        map_bytes: args.bytes,
        touch_bytes: touch,
        iterations: args.iterations,
        cost,
        checked_bytes: args.bytes,
        pattern_bytes,
        fresh_memory_holds: pattern_bytes == expected,
    })
}

fn round(mapper: &Mapper, bytes: usize, touch: usize) -> Result<()> {
    let mut region = map(mapper, bytes)?;
    region.touch(touch, mapper.page_size());
    Ok(())
}

/// Counts the pattern in memory of which nothing was stored to.
fn fresh_pattern_bytes(mapper: &Mapper, args: &Args) -> Result<usize> {
    Ok(count_pattern(map(mapper, args.bytes)?.bytes(), args.pattern))
}

fn map(mapper: &Mapper, bytes: usize) -> Result<Region> {
    Region::new(mapper, bytes)
        .map_err(|errno| anyhow!("mmap of {bytes} bytes failed ({errno}): give fewer with --bytes"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use refmap::Fill;

    use super::*;

    fn measured(fill: Fill, touch: usize) -> Row {
        let args = Args::parse_from(["microbench", "--iterations=3", "--bytes=1048576"]);
        measure(&Mapper::new(fill, args.pattern).unwrap(), &args, touch).unwrap()
    }

    #[test]
    fn memset_fills_all_of_it_and_faults_on_every_page() {
        let row = measured(Fill::Memset, 4096);
        assert!(row.fresh_memory_holds);
        assert_eq!(row.pattern_bytes, 1 << 20);
        assert!(row.cost.minor_faults > 0);
    }

    #[test]
    fn plain_memory_has_no_pattern() {
        let row = measured(Fill::None, 1 << 20);
        assert!(row.fresh_memory_holds);
        assert_eq!(row.pattern_bytes, 0);
    }

    #[test]
    fn touching_more_than_is_mapped_is_refused() {
        let args = Args::parse_from(["microbench", "--bytes=4096"]);
        let mapper = Mapper::new(Fill::None, args.pattern).unwrap();
        assert!(measure(&mapper, &args, 4097).is_err());
    }
}
