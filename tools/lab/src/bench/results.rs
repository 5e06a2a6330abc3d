//! Everything that was measured, and questions to it.

use super::host::Host;
use super::plan::Subject;
use record::{Content, Guest, Key, Measure, Missing, Row, Summary, Way, Workload};
use serde::{Deserialize, Serialize};

/// All boots on one machine.
#[derive(Deserialize, Serialize)]
pub struct Results {
    /// The machine.
    pub host: Host,
    /// What its processor takes for the content of a page, in wall time.
    pub processor: Vec<Row>,
    /// The boots, in order.
    pub boots: Vec<Boot>,
}

/// What one boot gave.
#[derive(Deserialize, Serialize)]
pub struct Boot {
    /// The name in tables.
    pub name: String,
    /// The kernel.
    pub subject: Subject,
    /// The kernel cleared pages when they were allocated.
    pub init_on_alloc: bool,
    /// Counts boots of the same kind, from 1.
    pub round: u32,
    /// Which clock the values of time come from.
    pub clock: Clock,
    /// How long it took on the host, in seconds.
    pub host_seconds: f64,
    /// The guest.
    pub guest: Guest,
    /// The values.
    pub rows: Vec<Row>,
    /// The values that are missing.
    pub missing: Vec<Missing>,
}

/// What a guest's time means.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// Two nanoseconds an instruction: the same on every machine.
    Instructions,
    /// The time of the processor.
    Wall,
    /// The time that the emulator takes, which another program on the machine changes.
    Emulated,
}

impl Clock {
    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instruction time",
            Self::Wall => "wall time, KVM",
            Self::Emulated => "wall time, emulated",
        }
    }

    /// What is added to the name of a boot that is timed by it.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Instructions => "",
            Self::Wall => ", KVM",
            Self::Emulated => ", wall time",
        }
    }
}

impl Results {
    /// The boots of a kernel in instruction time.
    pub fn of(&self, subject: Subject, init_on_alloc: bool) -> impl Iterator<Item = &Boot> {
        self.boots.iter().filter(move |boot| {
            boot.subject == subject && boot.init_on_alloc == init_on_alloc && boot.clock == Clock::Instructions
        })
    }

    /// The first of them, which is shown.
    pub fn first(&self, subject: Subject, init_on_alloc: bool) -> Option<&Boot> {
        self.of(subject, init_on_alloc).next()
    }
}

/// A question for one value: a [`Key`] that borrows its case.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The workload.
    pub workload: Workload,
    /// What is done.
    pub case: &'a str,
    /// How many of it.
    pub size: u64,
    /// What is measured.
    pub measure: Measure,
}

impl<'a> Query<'a> {
    /// Asks for the time of a case.
    pub fn time(workload: Workload, case: &'a str, size: u64) -> Self {
        Self { workload, case, size, measure: Measure::Time }
    }

    /// Whether the key is one of this row, or of all rows of the case, which has no size where nothing could be set up.
    pub fn covers(&self, key: &Key) -> bool {
        key.workload == self.workload && key.case == self.case && [0, self.size].contains(&key.size)
    }

    fn of(&self, key: &Key, way: Way, content: Content) -> bool {
        let Self { workload, case, size, measure } = *self;
        key.workload == workload
            && key.case == case
            && key.size == size
            && key.measure == measure
            && key.way == way
            && key.content == content
    }
}

impl Boot {
    /// The value of one way.
    pub fn get(&self, query: Query<'_>, way: Way, content: Content) -> Option<&Summary> {
        self.rows.iter().find(|row| query.of(&row.key, way, content)).map(|row| &row.summary)
    }

    /// The same value of plain memory, which the bars are relative to.
    pub fn plain(&self, query: Query<'_>) -> Option<&Summary> {
        self.get(query, Way::Plain, Content::None)
    }

    /// Why one of these values could not be measured: ours, or one that ours are judged by.
    pub fn lacks(&self, wanted: impl Fn(&Key) -> bool) -> Option<String> {
        let ours = |way| matches!(way, Way::Plain | Way::Memset | Way::Refpage | Way::RefpageOfRefpage);
        let missing = self.missing.iter().find(|missing| ours(missing.key.way) && wanted(&missing.key))?;
        Some(format!("{}: {}", self.name, missing.why))
    }

    /// The rows of a workload with one measure.
    pub fn of(&self, workload: Workload, measure: Measure) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.key.workload == workload && row.key.measure == measure)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A boot of the kernel with the option on, with these values of time.
    pub fn boot(rows: &[(Workload, &str, u64, Way, Content, f64)]) -> Boot {
        let row = |&(workload, case, size, way, content, value): &(Workload, &str, u64, Way, Content, f64)| Row {
            key: Key { workload, case: case.into(), size, way, content, measure: Measure::Time },
            summary: Summary::exact(value),
        };
        Boot {
            name: "option on, boot 1".into(),
            subject: Subject::Demo,
            init_on_alloc: false,
            round: 1,
            clock: Clock::Instructions,
            host_seconds: 1.0,
            guest: Guest {
                kernel: "7.3.4".into(),
                command_line: "quiet".into(),
                processor: "p".into(),
                processors: 1,
                memory_kib: 1024,
                clock_source: "tsc".into(),
                tick_ns: 1.0,
                empty_ticks: 0,
                refpage: Ok(()),
                seed: 1,
                quick: true,
            },
            rows: rows.iter().map(row).collect(),
            missing: Vec::new(),
        }
    }

    /// Results of one boot.
    pub fn results(boots: Vec<Boot>) -> Results {
        let host = Host {
            processor: "p".into(),
            processors: 2,
            kernel: "6".into(),
            emulator: "QEMU".into(),
            commit: "0".into(),
        };
        Results { host, processor: Vec::new(), boots }
    }

    #[test]
    fn a_value_is_found_by_all_of_its_key() {
        let boot = boot(&[
            (Workload::Fault, "first load", 0, Way::Plain, Content::None, 1.0),
            (Workload::Fault, "first load", 0, Way::Refpage, Content::Byte, 2.0),
        ]);
        let query = Query::time(Workload::Fault, "first load", 0);
        assert_eq!(boot.get(query, Way::Refpage, Content::Byte).unwrap().p50, 2.0);
        assert_eq!(boot.plain(query).unwrap().p50, 1.0);
        assert!(boot.get(query, Way::Refpage, Content::Page).is_none());
        assert!(boot.plain(Query { size: 1, ..query }).is_none());
    }
}
