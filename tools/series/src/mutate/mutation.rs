//! `tools/mutations/*.toml`: small wrong changes, each of which a test must catch.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use common::arch::Arch;
use serde::Deserialize;

use crate::project::Project;

const FOLDER: &str = "tools/mutations";

/// Tests that a mutation is tried on; the quick ones come first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// The property tests of `content.rs`, on this machine.
    Content,
    /// `tools/testing/vma`, on this machine.
    Vma,
    /// KUnit, in a guest.
    Kunit,
    /// The selftests, in a guest.
    Kselftest,
    /// The model checker, in a guest.
    Model,
}

impl Suite {
    /// What `lab test` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Vma => "vma",
            Self::Kunit => "kunit",
            Self::Kselftest => "kselftest",
            Self::Model => "model",
        }
    }
}

/// One wrong change.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mutation {
    /// Name of its file, without the ending.
    #[serde(skip)]
    pub name: String,
    /// What is wrong afterwards, in a sentence.
    pub breaks: String,
    /// The architecture whose tests catch it.
    #[serde(default)]
    pub arch: Arch,
    /// Path in the kernel tree.
    pub file: String,
    /// Text that occurs once in the file.
    pub find: String,
    /// What takes its place.
    pub replace: String,
    /// The suites to try it on, until one catches it.
    pub suites: Vec<Suite>,
    /// The programs of the selftests to try it on; without them, all.
    #[serde(default)]
    pub programs: Vec<String>,
    /// Tests of which one at least must fail; without them, any test may.
    #[serde(default)]
    pub caught_by: Vec<String>,
}

/// All mutations, or the one of this name.
pub fn load(project: &Project, only: Option<&str>) -> Result<Vec<Mutation>> {
    let mut mutations = Vec::new();
    for entry in fs::read_dir(project.path(FOLDER)).with_context(|| format!("cannot read {FOLDER}"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            mutations.push(read(&path)?);
        }
    }
    mutations.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(name) = only {
        mutations.retain(|mutation| mutation.name == name);
    }
    match (mutations.is_empty(), only) {
        (true, Some(name)) => bail!("there is no {FOLDER}/{name}.toml: name one that is there"),
        (true, None) => bail!("{FOLDER} has no mutation: a check of nothing proves nothing"),
        _ => Ok(mutations),
    }
}

/// Keeps those whose tests run on `arch`.
pub fn keep(mutations: &mut Vec<Mutation>, arch: Arch) -> Result<()> {
    mutations.retain(|mutation| mutation.arch == arch);
    if mutations.is_empty() {
        bail!("what was named is not for {}: set ARCH= to what its file says", arch.name());
    }
    Ok(())
}

fn read(path: &Path) -> Result<Mutation> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut mutation: Mutation =
        toml::from_str(&text).with_context(|| format!("{} is not as it should be", path.display()))?;
    mutation.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if mutation.suites.is_empty() || mutation.find == mutation.replace {
        bail!("{} needs a suite, and a replacement that differs", path.display());
    }
    mutation.suites.sort();
    Ok(mutation)
}

impl Mutation {
    /// Names this suite in place of the others, any test of which may notice it.
    pub fn try_on(&mut self, suite: Suite) {
        self.suites = vec![suite];
        self.programs.clear();
        self.caught_by.clear();
    }

    /// The file's text with the change made.
    pub fn apply(&self, text: &str) -> Result<String> {
        match text.matches(&self.find).count() {
            1 => Ok(text.replacen(&self.find, &self.replace, 1)),
            count => bail!(
                "{FOLDER}/{}.toml: its `find` occurs {count} times in {}, not once: bring it up to date",
                self.name,
                self.file
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutation(find: &str) -> Mutation {
        let text = format!("breaks = 'x'\nfile = 'f'\nfind = '{find}'\nreplace = 'z'\nsuites = ['kselftest', 'vma']\n");
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn changes_the_one_place() {
        assert_eq!(mutation("b").apply("abc").unwrap(), "azc");
    }

    #[test]
    fn refuses_none_and_many() {
        for text in ["ac", "abcb"] {
            assert!(mutation("b").apply(text).unwrap_err().to_string().contains("not once"));
        }
    }

    #[test]
    fn only_those_of_the_architecture_are_kept() {
        let tagged = Mutation { arch: Arch::Arm64, name: "tagged".into(), ..mutation("b") };
        let mut both = vec![mutation("a"), tagged.clone()];
        keep(&mut both, Arch::Arm64).unwrap();
        assert_eq!(both.len(), 1);
        assert_eq!(both[0].name, "tagged");
        assert!(keep(&mut vec![tagged], Arch::X86_64).unwrap_err().to_string().contains("x86_64"));
    }

    #[test]
    fn names_its_architecture_as_the_kernel_does() {
        let text = "breaks = 'x'\narch = 'arm64'\nfile = 'f'\nfind = 'a'\nreplace = 'b'\nsuites = ['kselftest']\n";
        assert_eq!(toml::from_str::<Mutation>(text).unwrap().arch, Arch::Arm64);
        assert_eq!(mutation("a").arch, Arch::X86_64);
    }

    #[test]
    fn knows_its_keys() {
        assert!(
            toml::from_str::<Mutation>("breaks = 'x'\nfile = 'f'\nfind = 'a'\nreplace = 'b'\nsuites = ['moon']\n")
                .is_err()
        );
    }
}
