//! `patches/base.toml`: the source that the series applies to, and the map from kernel paths to views.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::project::Project;

const FILE: &str = "patches/base.toml";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Base {
    pub base: Source,
    /// Folders of the repository that hold views and nothing else.
    pub view_folders: Vec<String>,
    /// Kernel path prefix = view prefix.
    views: BTreeMap<String, String>,
}

/// What the series was made on.
#[derive(Debug, Deserialize)]
pub struct Source {
    pub name: String,
}

impl Base {
    pub fn load(project: &Project) -> Result<Self> {
        let base: Self =
            toml::from_str(&project.read(FILE)?).with_context(|| format!("{FILE} is not as it should be"))?;
        base.check_prefixes()?;
        Ok(base)
    }

    /// A prefix without its slash would also match a neighbour's name.
    fn check_prefixes(&self) -> Result<()> {
        for (kernel, view) in &self.views {
            if !kernel.ends_with('/') || !view.ends_with('/') {
                bail!("{FILE}: the view map's entry \"{kernel}\" = \"{view}\" needs a slash at the end of both");
            }
            if !self.view_folders.iter().any(|folder| view.starts_with(&format!("{folder}/"))) {
                bail!("{FILE}: the view \"{view}\" is in none of view-folders: add its folder there");
            }
        }
        Ok(())
    }

    /// Where the series adds files.
    pub fn kernel_prefixes(&self) -> impl Iterator<Item = &str> {
        self.views.keys().map(String::as_str)
    }

    /// The view of a file that the series adds; the longest prefix decides.
    pub fn view_of(&self, kernel: &str) -> Result<String> {
        let best =
            self.views.iter().filter(|(prefix, _)| kernel.starts_with(*prefix)).max_by_key(|(prefix, _)| prefix.len());
        match best {
            Some((prefix, view)) => Ok(format!("{view}{}", &kernel[prefix.len()..])),
            None => bail!("the series adds {kernel}, which no prefix in {FILE} covers: add one under [views]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(views: &str) -> Base {
        let text = format!("view-folders = ['v']\n[base]\nname = 'n'\n[views]\n{views}");
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn longest_prefix_decides() {
        let base = base("'mm/' = 'v/mm/'\n'mm/refpage/' = 'v/refpage/'");
        assert_eq!(base.view_of("mm/refpage/a.rs").unwrap(), "v/refpage/a.rs");
        assert_eq!(base.view_of("mm/b.c").unwrap(), "v/mm/b.c");
    }

    #[test]
    fn missing_prefix_names_the_file_to_edit() {
        let error = base("'mm/' = 'v/mm/'").view_of("fs/x.c").unwrap_err().to_string();
        assert!(error.contains("fs/x.c") && error.contains("patches/base.toml"), "{error}");
    }

    #[test]
    fn prefix_needs_its_slash_and_folder() {
        assert!(base("'mm' = 'v/mm/'").check_prefixes().is_err());
        assert!(base("'mm/' = 'w/mm/'").check_prefixes().is_err());
        assert!(base("'mm/' = 'v/mm/'").check_prefixes().is_ok());
    }
}
