//! `patches/series`: the order of the patches, with a comment line before the first patch of each section.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::patch::Patch;
use crate::project::Project;

const SECTIONS: &str = "patches/sections.toml";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sections {
    #[serde(default)]
    section: Vec<Section>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    name: String,
    /// Subject of the section's first patch.
    first: String,
}

impl Sections {
    pub fn load(project: &Project) -> Result<Self> {
        if !project.path(SECTIONS).exists() {
            return Ok(Self::default());
        }
        toml::from_str(&project.read(SECTIONS)?).with_context(|| format!("{SECTIONS} is not as it should be"))
    }

    /// The text of `patches/series`.
    pub fn render(&self, patches: &[Patch]) -> Result<String> {
        let mut text = String::new();
        let mut sections = self.section.iter().peekable();
        for patch in patches {
            if let Some(section) = sections.next_if(|section| section.first == patch.subject) {
                let gap = if text.is_empty() { "" } else { "\n" };
                writeln!(text, "{gap}# {}", section.name)?;
            }
            writeln!(text, "{}", patch.file)?;
        }
        if let Some(section) = sections.next() {
            bail!(
                "{SECTIONS}: no patch in this place has the subject \"{}\": correct `first` of section \"{}\"",
                section.first,
                section.name
            );
        }
        Ok(text)
    }
}

/// The patch files that the series names, in order.
pub fn names(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// The `NNNN-*.patch` files of a folder, sorted.
pub fn patch_files(folder: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if is_patch(&name) {
            files.push(name);
        }
    }
    files.sort();
    Ok(files)
}

fn is_patch(name: &str) -> bool {
    name.ends_with(".patch")
        && name.len() > 5
        && name.as_bytes()[..4].iter().all(u8::is_ascii_digit)
        && name.as_bytes()[4] == b'-'
}

/// Reads the patches that `patches/series` names, in its order.
pub fn load(project: &Project) -> Result<Vec<Patch>> {
    let text = project.read("patches/series").context("there is no series yet: `make export` writes it")?;
    names(&text).iter().map(|name| Patch::read(&project.patches().join(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(file: &str, subject: &str) -> Patch {
        Patch { file: file.into(), subject: subject.into(), message: Vec::new(), changes: Vec::new() }
    }

    fn sections(firsts: &[&str]) -> Sections {
        let section =
            firsts.iter().map(|first| Section { name: first.to_uppercase(), first: (*first).into() }).collect();
        Sections { section }
    }

    #[test]
    fn writes_a_comment_before_each_section() {
        let patches = [patch("1", "a"), patch("2", "b"), patch("3", "c")];
        let text = sections(&["a", "c"]).render(&patches).unwrap();
        assert_eq!(text, "# A\n1\n2\n\n# C\n3\n");
        assert_eq!(names(&text), ["1", "2", "3"]);
    }

    #[test]
    fn refuses_a_section_without_its_patch() {
        let patches = [patch("1", "a"), patch("2", "b")];
        assert!(sections(&["gone"]).render(&patches).is_err());
        assert!(sections(&["b", "a"]).render(&patches).is_err());
    }

    #[test]
    fn knows_a_patch_by_its_number() {
        assert!(is_patch("0001-x.patch"));
        assert!(!is_patch("cover.patch") && !is_patch("0001-x.txt") && !is_patch("001.patch"));
    }
}
