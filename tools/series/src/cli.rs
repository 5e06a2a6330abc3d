//! The command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use common::paths::Paths;

use crate::am;
use crate::b4_setup;
use crate::bases;
use crate::bisect;
use crate::check::{self, Subject};
use crate::export::{self, Range};
use crate::fold;
use crate::git::Git;
use crate::mutate;
use crate::project::Project;
use crate::sync;

/// Export, check and apply the patch series.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The repository's top folder; else the one around the current folder.
    #[arg(long, global = true, value_name = "DIR")]
    project: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Write patches/ and the views from the commits of a kernel tree.
    Export {
        #[command(flatten)]
        tree: Tree,
        /// Overwrite views that were edited by hand.
        #[arg(long)]
        discard_views: bool,
    },
    /// Take edits of views into the commits that made the files, then export.
    Fold {
        #[command(flatten)]
        tree: Tree,
    },
    /// Apply the series to a kernel tree of your own, on a new branch.
    Am {
        /// Your tree, a clean git repository.
        #[arg(required_unless_present = "bases")]
        kdir: Option<PathBuf>,
        /// The branch to make.
        #[arg(long, value_name = "NAME", default_value = "refpage")]
        branch: String,
        /// Try Debian's newest release and newest candidate instead.
        #[arg(long, conflicts_with = "kdir")]
        bases: bool,
    },
    /// Run checkpatch, rustfmt, shellcheck, kernel-doc, b4, compilers with all warnings, Clippy, sparse and rustdoc on the series.
    Check {
        #[command(flatten)]
        tree: Tree,
        /// Leave out the checks that compile.
        #[arg(long)]
        quick: bool,
        /// Only these checks.
        #[arg(long, value_name = "NAME", value_parser = check::names())]
        only: Vec<String>,
        /// A finished build of the tree, whose configuration counts; else that of the test kernel.
        #[arg(long, value_name = "DIR")]
        built: Option<PathBuf>,
        /// Where builds leave their output; else a folder in the cache.
        #[arg(long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Build and boot every patch, option on and off; what booted before is remembered.
    Bisect {
        /// Only these, separated by commas.
        #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = bisect::names())]
        config: Vec<String>,
    },
    /// Make each wrong change of tools/mutations/ and see which test catches it.
    Mutate {
        /// Only this mutation.
        #[arg(long, value_name = "NAME")]
        only: Option<String>,
        /// Only ask whether the mutations fit the series.
        #[arg(long)]
        fit: bool,
        /// Try every mutation on this suite, in place of those that its file names.
        #[arg(long, value_enum, value_name = "SUITE")]
        with: Option<mutate::Suite>,
        #[command(flatten)]
        tree: Tree,
    },
    /// Make b4 in a kernel tree use b4.toml and our check of each patch.
    B4 {
        #[command(flatten)]
        tree: Tree,
    },
    /// Compare patches, views and lists, without a kernel tree.
    CheckSync,
}

/// A kernel tree with the series as commits.
#[derive(Args)]
struct Tree {
    /// The tree; else the loop's own, which `make tree` makes.
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// The commit that the series starts from.
    #[arg(long, value_name = "REF", default_value = "base")]
    base: String,
    /// The last commit of the series.
    #[arg(long, value_name = "REF", default_value = "series")]
    tip: String,
}

impl Tree {
    fn git(&self) -> Result<Git> {
        let dir = match &self.tree {
            Some(dir) => dir.clone(),
            None => Paths::discover()?.tree(),
        };
        Ok(Git::new(&dir))
    }
}

/// Does what the command line asks; `false` when a check found something.
pub fn run() -> Result<bool> {
    let cli = Cli::parse();
    let project = Project::find(cli.project)?;
    match cli.verb {
        Verb::Export { tree, discard_views } => {
            let range = Range { git: &tree.git()?, base: &tree.base, tip: &tree.tip };
            println!("{}", export::export(&project, &range, discard_views)?);
            check_sync(&project)
        }
        Verb::Fold { tree } => {
            let range = Range { git: &tree.git()?, base: &tree.base, tip: &tree.tip };
            println!("folded {} views", fold::fold(&project, &range)?);
            println!("{}", export::export(&project, &range, false)?);
            check_sync(&project)
        }
        Verb::Am { kdir: Some(dir), branch, .. } => {
            println!("{}", am::am(&project, &dir, &branch)?);
            Ok(true)
        }
        Verb::Am { .. } => bases::table(),
        Verb::Check { tree, quick, only, built, output } => {
            let built = built.map_or_else(|| state("build/test"), Ok)?;
            let output = output.map_or_else(|| state("check"), Ok)?;
            let subject = Subject::new(&project, tree.git()?, &tree.base, &tree.tip, built, output)?;
            check::run(&subject, quick, &only)
        }
        Verb::Bisect { config } => bisect::run(&project, &config),
        Verb::Mutate { only, fit: true, tree, .. } => {
            mutate::fit(&project, &tree.git()?, &tree.tip, only.as_deref())?;
            Ok(true)
        }
        Verb::Mutate { only, with, .. } => mutate::run(&project, only.as_deref(), with),
        Verb::B4 { tree } => {
            println!("{}", b4_setup::set_up(&project, &tree.git()?)?);
            Ok(true)
        }
        Verb::CheckSync => check_sync(&project),
    }
}

/// A path in the part of the cache that belongs to this clone.
fn state(name: &str) -> Result<PathBuf> {
    Ok(Paths::discover()?.state.join(name))
}

fn check_sync(project: &Project) -> Result<bool> {
    let report = sync::check(project)?;
    for finding in &report.findings {
        println!("{finding}");
    }
    let counts = format!("{} patches, {} views", report.patches, report.views);
    match report.findings.len() {
        0 => println!("check-sync: {counts}: all agree"),
        count => println!("check-sync: {counts}: {count} not as they should be"),
    }
    Ok(report.findings.is_empty())
}
