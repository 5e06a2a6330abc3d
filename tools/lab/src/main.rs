//! Builds, boots, runs and tests the kernel of the series.

mod bench;
mod boot;
mod chart;
mod checker;
mod complaints;
mod config;
mod demo;
mod guest;
mod inputs;
mod kernel;
mod kvm;
mod lock;
mod outcome;
mod programs;
mod regress;
mod session;
mod suites;
mod tap;
mod tree;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use common::arch::Arch;
use common::{base, paths::Paths};
use config::Config;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Parser)]
#[command(about, version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Fetch and import the kernel source
    Source {
        /// Take this kernel version, as in 7.3~rc7
        #[arg(long)]
        kernel: Option<String>,
    },
    /// Make the kernel tree: the base with the series applied
    Tree {
        /// Drop commits and edits in the tree that patches/ does not hold
        #[arg(long)]
        discard: bool,
    },
    /// Build the kernel
    Build {
        /// The configuration
        #[arg(long, value_enum, default_value_t)]
        config: Config,
        /// Build without the series instead, as demo-off
        #[arg(long, conflicts_with = "config")]
        unpatched: bool,
    },
    /// Build the kernel and see that it boots to a shell and off again
    Boot {
        /// The configuration
        #[arg(long, value_enum, default_value_t)]
        config: Config,
    },
    /// Boot the kernel and run a command as root
    Run {
        #[command(flatten)]
        machine: Machine,
        /// The command, for the guest's shell
        #[arg(required = true, last = true)]
        command: Vec<String>,
    },
    /// Boot the kernel into a shell
    Shell {
        #[command(flatten)]
        machine: Machine,
    },
    /// Show the mapping type at work, with figures
    Demo {
        /// Rounds of each row of the microbenchmark
        #[arg(long, default_value_t = 1000)]
        iterations: u32,
    },
    /// Measure reference pages, their alternatives, and what everybody else pays
    Bench {
        #[command(flatten)]
        options: bench::Options,
    },
    /// Run the kernel's own tests on the unpatched and on the patched kernel, and compare
    Regress {
        #[command(flatten)]
        options: regress::Options,
    },
    /// Check random operations against a model, for long
    Soak {
        /// The configuration
        #[arg(long, value_enum, default_value_t)]
        config: Config,
        #[command(flatten)]
        plan: checker::Plan,
        /// Stop the guest after this many seconds
        #[arg(long, value_name = "SECONDS")]
        limit: Option<u64>,
    },
    /// Run every test
    Test {
        /// Only these suites
        suites: Vec<String>,
        #[command(flatten)]
        selection: Selection,
    },
}

/// The guest to boot.
#[derive(Args, Clone)]
pub struct Machine {
    /// The configuration
    #[arg(long, value_enum, default_value_t)]
    config: Config,
    /// Number of processors
    #[arg(long, default_value_t = 2)]
    cpus: u32,
    /// Memory
    #[arg(long, default_value = "4G")]
    memory: String,
    /// More words for the kernel's command line
    #[arg(long, allow_hyphen_values = true)]
    append: Vec<String>,
    /// Let the guest's clock count instructions, on one processor
    #[arg(long)]
    icount: bool,
    /// Leave out memory tags, where the architecture has them
    #[arg(long)]
    no_mte: bool,
}

/// What the tests run on, and which of the selftests run.
#[derive(Args, Clone)]
pub struct Selection {
    /// The configuration of the kernel that is tested
    #[arg(long, value_enum, default_value_t)]
    config: Config,
    /// Only these programs of the selftests, separated by commas
    #[arg(long = "programs", value_name = "NAMES", value_delimiter = ',')]
    names: Vec<String>,
    /// Stop a guest that runs selftests after this many seconds, else 1200, for arm64 3600
    #[arg(long, value_name = "SECONDS")]
    limit: Option<u64>,
}

impl Selection {
    /// How long a guest may take. One of another architecture never has KVM.
    fn limit(&self, arch: Arch) -> Duration {
        let usual = match arch {
            Arch::X86_64 => 1200,
            Arch::Arm64 => 3600,
        };
        Duration::from_secs(self.limit.unwrap_or(usual))
    }
}

fn main() -> ExitCode {
    match dispatch(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode> {
    let paths = Paths::discover()?;
    match cli.verb {
        Verb::Source { kernel } => {
            let base = base::import(&paths, kernel.as_deref())?;
            println!("Linux {} is in {}", base.version, paths.shown(&base.git_dir).display());
        }
        Verb::Tree { discard } => {
            let tree = tree::ensure(&paths, discard)?;
            println!("the kernel tree, branch `series`: {}", paths.shown(&tree.path).display());
        }
        Verb::Build { config, unpatched } => {
            let kernel = if unpatched { kernel::ensure_unpatched(&paths)? } else { kernel::ensure(&paths, config)? };
            println!("the kernel: {}", paths.shown(&kernel.image).display());
        }
        Verb::Boot { config } => boot::run(&paths, config)?,
        Verb::Run { machine, command } => return session::run(&paths, &machine, &command.join(" ")),
        Verb::Shell { machine } => return session::shell(&paths, &machine),
        Verb::Demo { iterations } => demo::run(&paths, iterations)?,
        Verb::Bench { options } => bench::run(&paths, &options)?,
        Verb::Regress { options } => return regress::run(&paths, &options),
        Verb::Soak { config, plan, limit } => {
            return checker::soak(&paths, config, &plan, limit.map(Duration::from_secs));
        }
        Verb::Test { suites, selection } => return suites::run_all(&paths, &suites, &selection),
    }
    Ok(ExitCode::SUCCESS)
}
