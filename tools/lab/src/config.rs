//! Kernel configurations, made of fragments in `tools/configs/`.

use anyhow::{Context, Result};
use clap::ValueEnum;
use common::arch::Arch;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A kernel configuration by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, ValueEnum)]
pub enum Config {
    /// The option on, no debugging
    Demo,
    /// As demo, with the option off
    DemoOff,
    /// The option on, with checks that cost little
    #[default]
    Test,
    /// As test, with checks that cost much
    Debug,
    /// As test, with pages of 64 KB, for arm64
    #[value(name = "64k")]
    Pages64k,
    /// KUnit alone
    Kunit,
    /// As test, with the option off
    Off,
    /// The option on, and little else than what the series touches
    Small,
    /// As small, with the option off
    SmallOff,
}

impl Config {
    /// The fragments, in the order in which they apply.
    pub fn fragments(self, repo: &Path, arch: Arch) -> Vec<PathBuf> {
        let names: &[&str] = match self {
            Self::Demo => &["base", "demo"],
            Self::DemoOff => &["base"],
            Self::Test => &["base", "test"],
            Self::Debug => &["base", "test", "debug"],
            Self::Pages64k => &["base", "test", "64k"],
            Self::Kunit => &["base", "kunit"],
            Self::Off => &["base", "test", "off"],
            Self::Small => &["small", "demo"],
            Self::SmallOff => &["small"],
        };
        // The base is in two parts: what all architectures have, and what this one has.
        let parts = names.iter().flat_map(|&name| [Some(name), (name == "base").then_some(arch.name())]);
        parts.flatten().map(|name| repo.join("tools/configs").join(format!("{name}.config"))).collect()
    }

    /// One of those of `make bisect`?
    pub fn is_small(self) -> bool {
        matches!(self, Self::Small | Self::SmallOff)
    }

    /// The C compiler. GCC takes half the time for the kernel's many small files; KASAN with Rust wants Clang.
    pub fn compiler(self) -> &'static str {
        if self == Self::Debug { "clang" } else { "gcc" }
    }
}

impl fmt::Display for Config {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value().ok_or(fmt::Error)?;
        out.write_str(value.get_name())
    }
}

/// The options that the fragments ask for and the final configuration does not have.
pub fn lost(fragments: &[PathBuf], result: &Path) -> Result<Vec<String>> {
    let mut wanted = BTreeMap::new();
    for fragment in fragments {
        wanted.extend(options(&read(fragment)?));
    }
    let got = options(&read(result)?);
    let missing = wanted.iter().filter(|(name, value)| got.get(*name).map_or("n", String::as_str) != *value);
    Ok(missing.map(|(name, value)| format!("{name}={value}")).collect())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn options(text: &str) -> BTreeMap<String, String> {
    text.lines().filter_map(option).collect()
}

fn option(line: &str) -> Option<(String, String)> {
    let off = line.strip_prefix("# ").and_then(|rest| rest.strip_suffix(" is not set"));
    let (name, value) = off.map(|name| (name, "n")).or_else(|| line.split_once('='))?;
    name.starts_with("CONFIG_").then(|| (name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wanted: &[&str], result: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let fragments: Vec<_> = wanted.iter().enumerate().map(|(n, text)| write(&n.to_string(), text)).collect();
        lost(&fragments, &write("result", result)).unwrap()
    }

    #[test]
    fn the_base_is_that_of_the_architecture() {
        let names = |config: Config, arch| {
            let fragments = config.fragments(Path::new(""), arch);
            fragments.iter().map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(Config::Test, Arch::Arm64), ["base", "arm64", "test"]);
        assert_eq!(names(Config::Small, Arch::X86_64), ["small", "demo"]);
    }

    #[test]
    fn nothing_is_lost_when_all_is_there() {
        let wanted = ["# why\nCONFIG_A=y\nCONFIG_S=\"x=y\"\n# CONFIG_B is not set\n# CONFIG_C is not set\n"];
        assert!(check(&wanted, "CONFIG_A=y\nCONFIG_S=\"x=y\"\n# CONFIG_B is not set\n").is_empty());
    }

    #[test]
    fn names_what_is_lost() {
        let wanted = ["CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\n"];
        assert_eq!(check(&wanted, "CONFIG_A=m\nCONFIG_C=y\n"), ["CONFIG_A=y", "CONFIG_B=y", "CONFIG_C=n"]);
    }

    #[test]
    fn the_last_fragment_wins() {
        assert!(check(&["CONFIG_A=y\n", "# CONFIG_A is not set\n"], "").is_empty());
    }
}
