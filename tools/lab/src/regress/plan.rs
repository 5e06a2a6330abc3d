//! Which suites there are, as `tools/regress/suites.toml` lists them.

use anyhow::{Context, Result, bail};
use common::arch::Arch;
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// The suite that runs here and not in a guest.
pub const HOST: &str = "vma";

/// The whole list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The suites, in the order in which they run.
    #[serde(rename = "suite")]
    pub suites: Vec<Suite>,
    /// The tests that may differ.
    #[serde(default)]
    pub flaky: Vec<Flaky>,
}

/// Programs that belong together.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// The architecture that it is for.
    #[serde(default)]
    pub arch: Arch,
    /// Shell commands.
    pub run: Vec<String>,
    /// Seconds for each command.
    #[serde(default = "five_minutes")]
    pub limit: u64,
    /// Why it does not run.
    pub cannot: Option<String>,
}

/// A test whose result says nothing.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Flaky {
    /// The suite of the test.
    pub suite: String,
    /// The test, as the tables call it.
    pub test: String,
    /// How that is known.
    pub reason: String,
}

fn five_minutes() -> u64 {
    300
}

impl Plan {
    /// Reads the list, and keeps the suites for `arch` that were named, or all of them.
    pub fn load(repo: &Path, arch: Arch, only: &[String]) -> Result<Self> {
        let path = repo.join("tools/regress/suites.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text, arch, only).with_context(|| format!("{} cannot be used", path.display()))
    }

    fn parse(text: &str, arch: Arch, only: &[String]) -> Result<Self> {
        let mut plan: Self = toml::from_str(text)?;
        let names: Vec<&str> = plan.suites.iter().map(|suite| suite.name.as_str()).collect();
        if let Some(unknown) = only.iter().find(|wanted| !names.contains(&wanted.as_str())) {
            bail!("there is no suite `{unknown}`: take some of {}", names.join(", "));
        }
        if let Some(unknown) = plan.flaky.iter().find(|flaky| !names.contains(&flaky.suite.as_str())) {
            bail!("`{}` is said to be flaky in a suite `{}`, which does not exist", unknown.test, unknown.suite);
        }
        plan.suites.retain(|suite| suite.arch == arch && (only.is_empty() || only.contains(&suite.name)));
        if plan.suites.is_empty() {
            bail!("no suite that was named is for {}: set ARCH= to what the list says", arch.name());
        }
        Ok(plan)
    }

    /// The reason why a test may differ.
    pub fn excuse(&self, suite: &str, test: &str) -> Option<&str> {
        let found = self.flaky.iter().find(|flaky| flaky.suite == suite && flaky.test == test);
        found.map(|flaky| flaky.reason.as_str())
    }
}

impl Suite {
    /// Whether a guest runs it.
    pub fn in_guest(&self) -> bool {
        self.cannot.is_none() && self.name != HOST
    }

    /// The programs that its commands start from the folder of all programs.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.run.iter().flat_map(|command| programs(command))
    }
}

/// The programs that a command starts from the folder of all programs.
pub fn programs(command: &str) -> impl Iterator<Item = &str> {
    command.split_whitespace().filter_map(|word| word.strip_prefix("./"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[[suite]]\nname = 'a'\nrun = ['./x -n 1', 'setpriv ./y']\n[[suite]]\nname = 'b'\nrun = []\n\
        cannot = 'why'\n[[flaky]]\nsuite = 'a'\ntest = 'x t'\nreason = 'chance'\n";

    fn parse(text: &str, only: &[&str]) -> Result<Plan> {
        let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
        Plan::parse(text, Arch::X86_64, &only)
    }

    #[test]
    fn an_architecture_has_its_own_suites() {
        let text = TEXT.replace("name = 'b'", "name = 'b'\narch = 'arm64'");
        let plan = Plan::parse(&text, Arch::Arm64, &[]).unwrap();
        assert_eq!(plan.suites.iter().map(|suite| suite.name.as_str()).collect::<Vec<_>>(), ["b"]);
        assert_eq!(parse(&text, &[]).unwrap().suites.len(), 1);
        let error = parse(&text, &["b"]).err().unwrap().to_string();
        assert!(error.contains("x86_64"), "{error}");
    }

    #[test]
    fn suites_are_chosen_by_name() {
        let plan = parse(TEXT, &["b"]).unwrap();
        assert_eq!(plan.suites.len(), 1);
        assert!(!plan.suites[0].in_guest());
        let error = parse(TEXT, &["c"]).err().unwrap().to_string();
        assert!(error.contains("`c`") && error.contains("a, b"), "{error}");
    }

    #[test]
    fn programs_are_found_in_commands() {
        let plan = parse(TEXT, &[]).unwrap();
        assert_eq!(plan.suites[0].programs().collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(plan.suites[0].limit, 300);
    }

    #[test]
    fn a_flaky_test_is_excused_in_its_suite_alone() {
        let plan = parse(TEXT, &[]).unwrap();
        assert_eq!(plan.excuse("a", "x t"), Some("chance"));
        assert_eq!(plan.excuse("b", "x t"), None);
        assert!(parse(&TEXT.replace("suite = 'a'", "suite = 'z'"), &[]).is_err());
    }

    #[test]
    fn the_list_of_this_repository_can_be_read() {
        let repo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for arch in [Arch::X86_64, Arch::Arm64] {
            for suite in &Plan::load(&repo, arch, &[]).unwrap().suites {
                let runs = !suite.run.is_empty() || suite.name == HOST;
                assert_ne!(runs, suite.cannot.is_some(), "{}", suite.name);
            }
        }
    }
}
