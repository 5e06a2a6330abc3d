//! Which kernels are booted, how, and what runs there.

use crate::config::Config;
use crate::kernel::{self, Kernel};
use anyhow::Result;
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use common::arch::Arch;
use common::paths::Paths;
use record::Workload;
use serde::{Deserialize, Serialize};

/// What is measured too with a kernel that clears pages when they are allocated.
const CLEARED: [Workload; 2] = [Workload::Microbench, Workload::Fault];

/// What is measured, and how thoroughly.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Fewer rounds and smaller sizes, on one kernel
    #[arg(long)]
    pub quick: bool,
    /// The kernels to measure, separated by commas; else demo alone (quick) or all
    #[arg(long, value_enum, value_delimiter = ',')]
    kernels: Vec<Subject>,
    /// Only these workloads, separated by commas. A quick run leaves out heap, which takes longer than all others, unless it
    /// is named here. On arm64 it is tags alone, elsewhere all but tags
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(Workload::ALL.map(Workload::name)))]
    only: Vec<String>,
    /// Of the workloads reads, heap and tags only the programs that have one of these in their names, as in "threads,manual of R (100)"
    #[arg(long, value_delimiter = ',')]
    case: Vec<String>,
    /// Boots of each kernel, to see whether they agree
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    boots: u32,
    /// In a quick run too, boot the kernel with the option on once more with init_on_alloc=1, as a full run does
    #[arg(long)]
    init_on_alloc: bool,
    /// Seed of all random numbers in the guest
    #[arg(long, default_value_t = 2020)]
    seed: u64,
}

/// A kernel to measure.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// The series, the option on, no debugging
    Demo,
    /// The series, the option off, no debugging
    DemoOff,
    /// The base without the series, configured as demo-off
    Unpatched,
}

impl Subject {
    const ALL: [Self; 3] = [Self::Demo, Self::DemoOff, Self::Unpatched];

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Demo => "option on",
            Self::DemoOff => "option off",
            Self::Unpatched => "unpatched",
        }
    }

    /// Builds the kernel unless it is built.
    pub fn build(self, paths: &Paths) -> Result<Kernel> {
        match self {
            Self::Demo => kernel::ensure(paths, Config::Demo),
            Self::DemoOff => kernel::ensure(paths, Config::DemoOff),
            Self::Unpatched => kernel::ensure_unpatched(paths),
        }
    }
}

/// One boot.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The kernel.
    pub subject: Subject,
    /// The kernel clears pages when they are allocated.
    pub init_on_alloc: bool,
    /// Counts boots of the same kind, from 1.
    pub round: u32,
    /// It is timed by a clock, if there is one that is worth it, and not in instructions.
    pub wall: bool,
    /// What is measured.
    workloads: Vec<String>,
    /// What else the program in the guest is told.
    words: Vec<String>,
}

impl Plan {
    /// The name in tables.
    pub fn name(&self) -> String {
        let init = if self.init_on_alloc { ", init_on_alloc=1" } else { "" };
        format!("{}{init}, boot {}", self.subject.name(), self.round)
    }

    /// What the program in the guest is told.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = self.words.clone();
        arguments.push(format!("--only={}", self.workloads.join(",")));
        arguments
    }

    /// The same without real programs, which take longer than all others, unless nothing is left.
    pub fn without_heap(&self) -> Option<Self> {
        let mut plan = self.clone();
        plan.workloads.retain(|name| name != Workload::Heap.name());
        (!plan.workloads.is_empty()).then_some(plan)
    }

    /// Words for the kernel's command line. Addresses are the same in each boot, as the shape of trees and tables depends
    /// on them.
    pub fn append(&self, arch: Arch) -> Vec<String> {
        let init = format!("init_on_alloc={}", u8::from(self.init_on_alloc));
        let last = match arch {
            Arch::X86_64 => "nokaslr",
            // The kernel lies where it was put. An instruction that sets a page would count as one, where a string
            // instruction of x86-64 counts once for each repetition.
            Arch::Arm64 => "arm64.nomops",
        };
        vec![init, "norandmaps".into(), last.into()]
    }
}

impl Options {
    /// The boots in order. Kernels without the feature run what does not need it.
    pub fn plans(&self, arch: Arch) -> Vec<Plan> {
        let subjects = match &self.kernels[..] {
            // What runs on the others is not run on arm64.
            [] if self.quick || arch == Arch::Arm64 => &[Subject::Demo],
            [] => &Subject::ALL[..],
            chosen => chosen,
        };
        let mut plans = Vec::new();
        for &subject in subjects {
            let only =
                if subject == Subject::Demo { self.workloads(arch) } else { vec![Workload::Everybody.name().into()] };
            if only.is_empty() {
                continue;
            }
            let first = self.plan(subject, only);
            // Real programs run once, unless they were named.
            let again = if self.only.is_empty() { first.without_heap() } else { Some(first.clone()) };
            plans.extend([first.clone(), Plan { wall: true, ..first }]);
            plans.extend(again.iter().flat_map(|plan| (2..=self.boots).map(|round| Plan { round, ..plan.clone() })));
        }
        let cleared: Vec<String> =
            CLEARED.into_iter().filter(|&one| self.wants(one, arch)).map(|one| one.name().to_owned()).collect();
        if (!self.quick || self.init_on_alloc) && subjects.contains(&Subject::Demo) && !cleared.is_empty() {
            plans.push(Plan { init_on_alloc: true, ..self.plan(Subject::Demo, cleared) });
        }
        plans
    }

    /// What the program is told on this machine, where no guest is, unless that is left out.
    pub fn of_processor(&self, arch: Arch) -> Option<Vec<String>> {
        let name = Workload::Processor.name();
        let wanted = arch == Arch::X86_64 && (self.only.is_empty() || self.only.iter().any(|only| only == name));
        wanted.then(|| self.plan(Subject::Demo, vec![name.to_owned()]).arguments())
    }

    /// The packages of programs that workloads run, which are built apart.
    pub fn packages(&self, arch: Arch) -> Vec<&'static str> {
        let (heap, tags) = (self.wants(Workload::Heap, arch), self.wants(Workload::Tags, arch));
        let needed = [("pdfbench", heap), ("refscudo", heap || tags)];
        needed.into_iter().filter(|&(_, needed)| needed).map(|(package, _)| package).collect()
    }

    /// Whether files are needed that programs of the workload heap read, which are fetched.
    pub fn needs_inputs(&self, arch: Arch) -> bool {
        self.wants(Workload::Heap, arch)
    }

    fn wants(&self, workload: Workload, arch: Arch) -> bool {
        self.workloads(arch).iter().any(|name| name == workload.name())
    }

    fn workloads(&self, arch: Arch) -> Vec<String> {
        if !self.only.is_empty() {
            // In their usual order, however they were named: what is compared between kernels has to come first.
            let place = |name: &String| Workload::ALL.iter().position(|workload| workload.name() == name);
            let mut only = self.only.clone();
            only.retain(|name| name != Workload::Processor.name());
            only.sort_by_key(place);
            return only;
        }
        let usual = |workload| match workload {
            Workload::Processor => false,
            Workload::Tags => arch == Arch::Arm64,
            Workload::Heap => arch != Arch::Arm64 && !self.quick,
            _ => arch != Arch::Arm64,
        };
        Workload::ALL.into_iter().filter(|&one| usual(one)).map(|one| one.name().to_owned()).collect()
    }

    /// The first boot of a kernel.
    fn plan(&self, subject: Subject, workloads: Vec<String>) -> Plan {
        let mut words = vec![format!("--seed={}", self.seed)];
        words.extend(self.quick.then(|| "--quick".to_owned()));
        words.extend((!self.case.is_empty()).then(|| format!("--case='{}'", self.case.join(","))));
        Plan { subject, init_on_alloc: false, round: 1, wall: false, workloads, words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            quick: false,
            kernels: Vec::new(),
            only: Vec::new(),
            case: Vec::new(),
            boots: 2,
            init_on_alloc: false,
            seed: 1,
        }
    }

    fn names(options: &Options) -> Vec<String> {
        options.plans(Arch::X86_64).iter().filter(|plan| !plan.wall).map(Plan::name).collect()
    }

    #[test]
    fn a_quick_run_boots_one_kernel() {
        let names = names(&Options { quick: true, ..options() });
        assert_eq!(names, ["option on, boot 1", "option on, boot 2"]);
    }

    #[test]
    fn a_full_run_boots_all_kernels_and_clears_pages_once() {
        let names = names(&options());
        assert_eq!(names.len(), 7);
        assert_eq!(names[6], "option on, init_on_alloc=1, boot 1");
    }

    #[test]
    fn other_kernels_run_only_what_needs_no_feature() {
        let options = Options { kernels: vec![Subject::Unpatched], boots: 1, ..options() };
        assert_eq!(options.plans(Arch::X86_64)[0].arguments(), ["--seed=1", "--only=everybody"]);
    }

    #[test]
    fn pages_are_cleared_for_what_allocates_them() {
        let cleared = |only: &[&str]| {
            let only = only.iter().map(|&name| name.to_owned()).collect();
            let options = Options { only, boots: 1, kernels: vec![Subject::Demo], ..options() };
            let plans = options.plans(Arch::X86_64);
            assert_eq!(plans[0].append(Arch::X86_64)[0], "init_on_alloc=0");
            plans
                .iter()
                .find(|plan| plan.init_on_alloc)
                .map(|plan| (plan.append(Arch::X86_64)[0].clone(), plan.arguments()[1].clone()))
        };
        let with = |only: &str| Some(("init_on_alloc=1".to_owned(), format!("--only={only}")));
        assert_eq!(cleared(&[]), with("microbench,fault"));
        assert_eq!(cleared(&["scale", "fault"]), with("fault"));
        assert_eq!(cleared(&["scale"]), None);
    }

    #[test]
    fn workloads_run_in_their_order() {
        let only = ["scale", "everybody"].map(str::to_owned).to_vec();
        let options = Options { only, boots: 1, kernels: vec![Subject::Demo], ..options() };
        assert!(options.plans(Arch::X86_64)[0].arguments().contains(&"--only=everybody,scale".to_owned()));
    }

    #[test]
    fn a_quick_run_clears_pages_if_asked() {
        let options = Options { quick: true, init_on_alloc: true, boots: 1, ..options() };
        assert_eq!(names(&options), ["option on, boot 1", "option on, init_on_alloc=1, boot 1"]);
    }

    #[test]
    fn a_quick_run_leaves_out_real_programs_unless_they_are_named() {
        let packages = |quick, only: &[&str]| {
            let only = only.iter().map(|&name| name.to_owned()).collect();
            Options { quick, only, ..options() }.packages(Arch::X86_64)
        };
        assert!(packages(true, &[]).is_empty());
        assert_eq!(packages(false, &[]), ["pdfbench", "refscudo"]);
        assert_eq!(packages(true, &["heap"]), packages(false, &[]));
        assert!(!options().plans(Arch::X86_64)[0].arguments()[1].contains("--quick"));
        assert!(options().plans(Arch::X86_64)[0].arguments()[1].ends_with("read-first,reads,heap"));
    }

    #[test]
    fn real_programs_run_once_unless_they_are_named() {
        let with_heap = |options: Options| {
            let plans = options.plans(Arch::X86_64);
            plans.iter().filter(|plan| !plan.wall && plan.arguments()[1].ends_with("heap")).count()
        };
        assert_eq!(with_heap(options()), 1);
        let named = Options { only: vec!["heap".into()], ..options() };
        assert!(named.plans(Arch::X86_64)[0].without_heap().is_none());
        assert_eq!(with_heap(named), 2);
    }

    #[test]
    fn the_processor_of_this_machine_needs_no_guest() {
        let only = |names: &[&str]| Options { only: names.iter().map(|&name| name.to_owned()).collect(), ..options() };
        let alone = only(&["processor"]);
        assert_eq!(alone.of_processor(Arch::X86_64).unwrap(), ["--seed=1", "--only=processor"]);
        assert!(alone.plans(Arch::X86_64).iter().all(|plan| plan.subject != Subject::Demo));
        assert!(only(&["fault"]).of_processor(Arch::X86_64).is_none());
        assert!(options().of_processor(Arch::X86_64).is_some() && options().of_processor(Arch::Arm64).is_none());
    }

    #[test]
    fn on_arm64_it_is_tags() {
        let plans = Options { boots: 1, ..options() }.plans(Arch::Arm64);
        assert_eq!(plans.iter().filter(|plan| !plan.wall).count(), 1);
        assert_eq!(plans[0].arguments(), ["--seed=1", "--only=tags"]);
        assert_eq!(plans[0].append(Arch::Arm64), ["init_on_alloc=0", "norandmaps", "arm64.nomops"]);
        assert_eq!(options().packages(Arch::Arm64), ["refscudo"]);
        assert!(!options().needs_inputs(Arch::Arm64));
    }
}
