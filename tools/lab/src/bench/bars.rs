//! What the figures must reach, and whether they do.

mod everybody;
mod fault;
mod heap;
mod microbench;
mod rivals;
mod scale;

use super::results::{Boot, Query, Results};
use record::{Content, Summary, Way};

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

    /// Every ratio must be at most `limit`; the figure is the worst one. Open where there is none, or one is missing.
    fn worst(name: impl Into<String>, limit: f64, ratios: Ratios) -> Self {
        let limit_text = format!("at most {limit}");
        match ratios.map(|ratios| ratios.into_iter().max_by(|a, b| a.0.total_cmp(&b.0))) {
            Ok(Some((ratio, what))) => Self::new(name, limit_text, format!("{ratio:.4} ({what})"), ratio <= limit),
            Ok(None) => Self::open(name, limit_text, NOT_MEASURED),
            Err(why) => Self::open(name, limit_text, why),
        }
    }
}

const NOT_MEASURED: &str = "not measured in this run";

/// Ratios and what they are of; or why one that should be there is missing.
type Ratios = Result<Vec<(f64, String)>, String>;

/// A value of a way relative to plain memory, by medians and by means, each averaged over all boots.
fn against_plain(boots: &[&Boot], query: Query<'_>, way: Way, content: Content) -> Ratios {
    if let Some(why) = boots.iter().find_map(|boot| boot.lacks(|key| query.covers(key))) {
        return Err(why);
    }
    let both = |boot: &&Boot| Some((boot.get(query, way, content)?.clone(), boot.plain(query)?.clone()));
    let (ours, plain): (Vec<Summary>, Vec<Summary>) = boots.iter().filter_map(both).unzip();
    if ours.is_empty() {
        return Ok(Vec::new());
    }
    let ratio = |value: fn(&Summary) -> f64| ours.iter().map(value).sum::<f64>() / plain.iter().map(value).sum::<f64>();
    let told = |what| format!("{}, {}, {what}", query.case, content.name());
    Ok(vec![(ratio(|one| one.p50), told("median")), (ratio(|one| one.mean), told("mean"))])
}

/// All of them together.
fn joined(parts: impl IntoIterator<Item = Ratios>) -> Ratios {
    Ok(parts.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
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
    use super::super::results::tests::boot;
    use super::*;
    use record::{Fault, Key, Measure, Missing, Workload};

    #[test]
    fn all_boots_decide_and_what_failed_is_told() {
        let row = |way, content, value| (Workload::Fault, Fault::FirstLoad.name(), 0, way, content, value);
        let with = |value| boot(&[row(Way::Plain, Content::None, 100.0), row(Way::Refpage, Content::Byte, value)]);
        let query = Query::time(Workload::Fault, Fault::FirstLoad.name(), 0);
        let (good, mut bad) = (with(101.0), with(103.5));
        let judge = |boots: &[&Boot]| Bar::worst("b", 1.02, against_plain(boots, query, Way::Refpage, Content::Byte));
        assert_eq!(judge(&[&good]).verdict, Verdict::Met);
        assert_eq!(judge(&[&good, &bad]).verdict, Verdict::Missed);
        let key = Key {
            workload: Workload::Fault,
            case: query.case.into(),
            size: 0,
            way: Way::Refpage,
            content: Content::Page,
            measure: Measure::Time,
        };
        bad.missing.push(Missing { key, why: "no memory".into() });
        let bar = judge(&[&good, &bad]);
        assert_eq!((bar.verdict, bar.figure.as_str()), (Verdict::Open, "option on, boot 1: no memory"));
    }

    #[test]
    fn the_worst_ratio_decides() {
        let bar = Bar::worst("b", 1.02, Ok(vec![(1.01, "p50".to_owned()), (1.03, "mean".to_owned())]));
        assert_eq!((bar.figure.as_str(), bar.verdict), ("1.0300 (mean)", Verdict::Missed));
        assert_eq!(Bar::worst("b", 1.02, Ok(vec![(1.02, String::new())])).verdict, Verdict::Met);
    }

    #[test]
    fn what_was_not_measured_is_open() {
        assert_eq!(Bar::worst("b", 1.0, Ok(Vec::new())).verdict, Verdict::Open);
        assert_eq!(Bar::worst("b", 1.0, Err("boot 1: no memory".into())).figure, "boot 1: no memory");
    }
}
