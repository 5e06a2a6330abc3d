//! `series check-sync`: patches, views and lists say the same, without a kernel tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Result;

use crate::b4_config;
use crate::base::Base;
use crate::chain::{self, Track};
use crate::list::{self, Sections};
use crate::patch::{NO_BLOB, Patch};
use crate::project::Project;
use crate::text;
use crate::views::{self, Views};

const EXPORT: &str = "`make export` writes it anew from the tree";
const FOLD: &str = "`make fold` takes the view's edit into the series, `make export` brings the view back";

/// Something that is not as it should be, and what mends it.
#[derive(Debug)]
pub struct Finding {
    pub what: String,
    pub mend: String,
}

impl Finding {
    pub fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), mend: mend.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.mend)
    }
}

/// What was looked at, and what was found.
pub struct Report {
    pub patches: usize,
    pub views: usize,
    pub findings: Vec<Finding>,
}

/// Compares everything that is written twice.
pub fn check(project: &Project) -> Result<Report> {
    let base = Base::load(project)?;
    let mut findings = files(project)?;
    let patches = present_patches(project)?;
    let (tracks, breaks) = chain::follow(&patches);
    for broken in breaks {
        let what = format!("{}: {} does not start where {} ends", broken.path, broken.after, broken.before);
        findings.push(Finding::new(what, EXPORT));
    }
    findings.extend(sections(project, &patches)?);
    findings.extend(base_blobs(project, &tracks)?);
    let expected = views::expected(&base, &tracks)?;
    findings.extend(compare_views(project, &base, &expected)?);
    findings.extend(patches.iter().flat_map(text::check_patch));
    findings.extend(text::check_cover(project)?);
    findings.extend(b4_config::check(project)?);
    Ok(Report { patches: patches.len(), views: expected.len(), findings })
}

/// The patches that are listed and there; a listed file that is not there is a finding of [`files`].
fn present_patches(project: &Project) -> Result<Vec<Patch>> {
    let text = project.read("patches/series")?;
    let names = list::names(&text);
    names
        .iter()
        .map(|name| project.patches().join(name))
        .filter(|path| path.is_file())
        .map(|path| Patch::read(&path))
        .collect()
}

/// Patch files and `patches/series` name each other, numbered from 0001 without a gap.
fn files(project: &Project) -> Result<Vec<Finding>> {
    let text = project.read("patches/series")?;
    let listed = list::names(&text);
    let there = list::patch_files(&project.patches())?;
    let mut findings = Vec::new();
    if listed.is_empty() {
        findings.push(Finding::new("patches/series names no patch", EXPORT));
    }
    for (index, name) in listed.iter().enumerate() {
        if !project.patches().join(name).is_file() {
            findings.push(Finding::new(format!("patches/series names {name}, which is not there"), EXPORT));
        }
        if !name.starts_with(&format!("{:04}-", index + 1)) {
            findings.push(Finding::new(format!("{name} should have the number {:04}", index + 1), EXPORT));
        }
    }
    for name in there.iter().filter(|name| !listed.contains(&name.as_str())) {
        findings.push(Finding::new(format!("patches/{name} is not in patches/series"), EXPORT));
    }
    Ok(findings)
}

fn sections(project: &Project, patches: &[Patch]) -> Result<Vec<Finding>> {
    let rendered = match Sections::load(project)?.render(patches) {
        Ok(rendered) => rendered,
        Err(error) => return Ok(vec![Finding::new(error.to_string(), "then run `make export`")]),
    };
    let differs = project.read("patches/series")? != rendered;
    Ok(differs
        .then(|| Finding::new("patches/series differs from patches/sections.toml and the patches", EXPORT))
        .into_iter()
        .collect())
}

/// The series starts from the blobs that `patches/base.blobs` has, and from no others.
fn base_blobs(project: &Project, tracks: &BTreeMap<String, Track>) -> Result<Vec<Finding>> {
    let text = project.read("patches/base.blobs")?;
    let base: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.split_once(' ')).map(|(blob, path)| (path, blob)).collect();
    let mut findings = Vec::new();
    for (path, track) in tracks {
        let blob = base.get(path.as_str()).copied().unwrap_or(NO_BLOB);
        if !track.first.is_empty() && track.first != blob {
            findings.push(Finding::new(
                format!("{path}: the series starts from {}, patches/base.blobs has {blob}", track.first),
                EXPORT,
            ));
        }
    }
    for path in base.keys().filter(|path| !tracks.contains_key(**path)) {
        findings.push(Finding::new(format!("patches/base.blobs has {path}, which no patch touches"), EXPORT));
    }
    Ok(findings)
}

fn compare_views(project: &Project, base: &Base, expected: &Views) -> Result<Vec<Finding>> {
    let present = views::present(project, base)?;
    let mut findings = Vec::new();
    for (path, view) in expected {
        let file = project.path(path);
        if !present.contains(path) {
            findings.push(Finding::new(format!("{path}, the view of {}, is missing", view.kernel), EXPORT));
        } else if !views::is_exact(&file, view)? {
            findings.push(Finding::new(format!("{path} is not what the series makes of {}", view.kernel), FOLD));
        } else if views::is_executable(&file)? != view.executable {
            findings.push(Finding::new(format!("{path} and {} differ in who may execute them", view.kernel), EXPORT));
        }
    }
    let wanted: BTreeSet<&String> = expected.keys().collect();
    for path in present.iter().filter(|path| !wanted.contains(path)) {
        findings.push(Finding::new(
            format!("{path} is in a folder of views, but no patch adds it"),
            "commit it in the tree and run `make export`, or move it",
        ));
    }
    Ok(findings)
}
