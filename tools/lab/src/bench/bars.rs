//! What the figures must reach, and whether they do.

mod everybody;
mod fault;
mod heap;
mod microbench;
mod rivals;
mod scale;

use super::results::Results;

/// One demand.
#[derive(Debug)]
pub struct Bar {
    /// What is demanded.
    pub name: String,
    /// The limit, in words.
    pub limit: String,
    /// What was measured, in words.
    pub figure: String,
    /// Whether it is enough.
    pub verdict: Verdict,
}

/// How a bar came out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// The figure is within the limit.
    Met,
    /// It is not.
    Missed,
    /// This run did not measure it; the figure says why.
    Open,
}

impl Verdict {
    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::Open => "open",
        }
    }

    fn of(met: bool) -> Self {
        if met { Self::Met } else { Self::Missed }
    }
}

impl Bar {
    fn new(name: impl Into<String>, limit: impl Into<String>, figure: impl Into<String>, met: bool) -> Self {
        Self { name: name.into(), limit: limit.into(), figure: figure.into(), verdict: Verdict::of(met) }
    }

    fn open(name: impl Into<String>, limit: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), limit: limit.into(), figure: why.into(), verdict: Verdict::Open }
    }

    /// Every ratio must be at most `limit`; the figure is the worst one. Open where there is none.
    fn worst(name: impl Into<String>, limit: f64, ratios: impl IntoIterator<Item = (f64, String)>) -> Self {
        let limit_text = format!("at most {limit}");
        match ratios.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((ratio, what)) => Self::new(name, limit_text, format!("{ratio:.4} ({what})"), ratio <= limit),
            None => Self::open(name, limit_text, "not measured in this run"),
        }
    }
}

/// All bars that these workloads can decide.
pub fn all(results: &Results) -> Vec<Bar> {
    let mut bars = microbench::bars(results);
    bars.extend(fault::bars(results));
    bars.extend(scale::bars(results));
    bars.extend(heap::bars(results));
    bars.extend(everybody::bars(results));
    bars.extend(rivals::bars(results));
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_ratio_decides() {
        let bar = Bar::worst("b", 1.02, [(1.01, "p50".to_owned()), (1.03, "mean".to_owned())]);
        assert_eq!((bar.figure.as_str(), bar.verdict), ("1.0300 (mean)", Verdict::Missed));
        assert_eq!(Bar::worst("b", 1.02, [(1.02, String::new())]).verdict, Verdict::Met);
    }

    #[test]
    fn what_was_not_measured_is_open() {
        assert_eq!(Bar::worst("b", 1.0, []).verdict, Verdict::Open);
    }
}
