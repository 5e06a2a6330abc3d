//! The kernel base as a git repository, and the series on top of it.
//!
//! The base is a bare repository in the cache, with one commit on branch `base`. A *tree* is a clone of it with a
//! working folder, where branch `series` holds the series as commits.

use crate::cmd::{self, git};
use crate::deb::{Apt, Offer, upstream};
use crate::import;
use crate::paths::Paths;
use crate::progress::Step;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "linux-source-7.3";
const NOTE: &str = "refpage.toml";

/// What `patches/base.toml` says about the base that the series was made on.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Wanted {
    /// The kernel's version, as in `7.3.4`.
    pub version: Option<String>,
    /// Debian's package that holds the source.
    pub package: Option<String>,
    /// SHA-256 of the package file.
    pub sha256: Option<String>,
}

#[derive(Deserialize)]
struct BaseToml {
    base: Wanted,
}

impl Wanted {
    /// Reads `[base]` of `patches/base.toml`; a missing file wishes for nothing.
    pub fn read(patches: &Path) -> Result<Self> {
        let path = patches.join("base.toml");
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(&path)?;
        let file: BaseToml = toml::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
        Ok(file.base)
    }

    fn package(&self) -> &str {
        self.package.as_deref().unwrap_or(PACKAGE)
    }
}

/// An imported kernel.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Base {
    /// The kernel's version, as in `7.3.4` or `7.3~rc7`.
    pub version: String,
    /// Debian's package.
    pub package: String,
    /// Debian's version of the package.
    pub package_version: String,
    /// SHA-256 of the package file.
    pub sha256: String,
    /// The commit of the untouched source: the same on every machine.
    pub commit: String,
    /// The bare repository.
    #[serde(skip)]
    pub git_dir: PathBuf,
}

/// Gives the base, importing it when it is not in the cache.
///
/// `version` asks for one kernel version (`7.3~rc7`). Without it, the version of `patches/base.toml` is taken, or the
/// newest one of that kernel where no suite has it any more.
pub fn import(paths: &Paths, version: Option<&str>) -> Result<Base> {
    let wanted = Wanted::read(&paths.patches())?;
    let asked = version.or(wanted.version.as_deref());
    if let Some(base) = asked.and_then(|asked| cached(paths, asked)) {
        return Ok(base);
    }
    let step = Step::begin("looking for the kernel source", None);
    let apt = Apt::update(paths.cache.join("apt"))?;
    let offers = apt.offers(wanted.package())?;
    let offer = choose(&offers, asked, version.is_some())?;
    step.done(&offer.version);
    if asked.is_some_and(|asked| asked != offer.upstream()) {
        eprintln!("the base moved: the series was made on {}, taking {}", asked.unwrap_or_default(), offer.upstream());
    }
    match cached(paths, offer.upstream()) {
        Some(base) => Ok(base),
        None => fetch(paths, &apt, wanted.package(), &offer),
    }
}

/// The kernel versions that the suites offer, newest first.
pub fn offered(paths: &Paths) -> Result<Vec<String>> {
    let wanted = Wanted::read(&paths.patches())?;
    let apt = Apt::update(paths.cache.join("apt"))?;
    Ok(apt.offers(wanted.package())?.iter().map(|offer| offer.upstream().to_owned()).collect())
}

fn choose(offers: &[Offer], asked: Option<&str>, exactly: bool) -> Result<Offer> {
    let same = asked.and_then(|asked| offers.iter().find(|offer| offer.upstream() == asked));
    if let Some(offer) = same {
        return Ok(offer.clone());
    }
    let known = || offers.iter().map(Offer::upstream).collect::<Vec<_>>().join(", ");
    if exactly {
        bail!("no suite has Linux {}: take one of {}", asked.unwrap_or_default(), known());
    }
    let newest = offers.iter().find(|offer| !offer.version.contains("~rc"));
    newest.cloned().with_context(|| format!("no suite has a released kernel, only {}", known()))
}

fn repository(paths: &Paths, version: &str) -> PathBuf {
    paths.cache.join(format!("base-{version}.git"))
}

fn cached(paths: &Paths, version: &str) -> Option<Base> {
    let git_dir = repository(paths, version);
    let note = fs::read_to_string(git_dir.join(NOTE)).ok()?;
    let base: Base = toml::from_str(&note).ok()?;
    Some(Base { git_dir, ..base })
}

fn fetch(paths: &Paths, apt: &Apt, package: &str, offer: &Offer) -> Result<Base> {
    let step = Step::begin(format!("downloading {package} {}", offer.version), None);
    let deb = apt.download(package, offer)?;
    step.done("");
    let version = upstream(&offer.version).to_owned();
    let git_dir = repository(paths, &version);
    let fresh = git_dir.with_extension("new");
    remove(&fresh)?;
    import::import(&deb, &fresh, &version)?;
    let base = Base {
        commit: cmd::output(git(&fresh).args(["rev-parse", "base"]))?,
        package: package.to_owned(),
        package_version: offer.version.clone(),
        sha256: offer.sha256.clone(),
        version,
        git_dir: git_dir.clone(),
    };
    fs::write(fresh.join(NOTE), toml::to_string(&base)?)?;
    remove(&git_dir)?;
    fs::rename(&fresh, &git_dir)?;
    fs::remove_file(deb)?;
    Ok(base)
}

fn remove(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// Makes a tree: a clone with the branch `base` and nothing checked out yet.
pub fn clone(base: &Base, tree: &Path) -> Result<()> {
    let mut command = Command::new("git");
    command.args(["-c", "safe.directory=*", "clone", "-q", "--no-checkout", "--branch=base"]);
    cmd::run(command.arg(&base.git_dir).arg(tree))?;
    cmd::run(git(tree).args(["remote", "remove", "origin"]))?;
    cmd::run(git(tree).args(["config", "gc.auto", "0"]))
}

/// The names of the patches in `patches/series`, in order. A missing or empty file is an empty series.
pub fn series(patches: &Path) -> Result<Vec<PathBuf>> {
    let text = fs::read_to_string(patches.join("series")).unwrap_or_default();
    let names = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let files: Vec<PathBuf> = names.filter(|name| !name.is_empty()).map(|name| patches.join(name)).collect();
    match files.iter().find(|file| !file.is_file()) {
        Some(missing) => bail!("patches/series names {}, which is not there", missing.display()),
        None => Ok(files),
    }
}

/// Applies the series with plain `git am` on a commit of the repository and gives the commit at its end.
///
/// Neither branches nor the working folder change; the ids are the same on every machine.
pub fn apply(repository: &Path, start: &str, patches: &Path) -> Result<String> {
    let files = series(patches)?;
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path().join("am");
    cmd::run(git(repository).args(["worktree", "add", "-q", "--no-checkout", "--detach"]).arg(&folder).arg(start))?;
    let tip = apply_in(&folder, &files);
    cmd::run(git(repository).args(["worktree", "remove", "--force"]).arg(&folder))?;
    tip
}

/// The index alone is filled: `git am` takes from it what a patch touches, so no tree needs to be checked out.
fn apply_in(folder: &Path, files: &[PathBuf]) -> Result<String> {
    cmd::run(git(folder).args(["read-tree", "HEAD"]))?;
    if !files.is_empty() {
        let mut am = git(folder);
        am.args(["-c", "user.name=Linux", "-c", "user.email=linux@localhost", "am", "-q"]);
        am.args(["--committer-date-is-author-date"]).args(files);
        let result = cmd::collect(&mut am)?;
        if !result.status.success() {
            let text = [result.stderr, result.stdout].concat();
            bail!("{}", refusal(&String::from_utf8_lossy(&text), folder));
        }
    }
    cmd::output(git(folder).args(["rev-parse", "HEAD"]))
}

fn refusal(text: &str, folder: &Path) -> String {
    let patch = text.lines().find_map(|line| line.strip_prefix("Patch failed at ")).unwrap_or("the first patch");
    let hint = "rebase the series on this base in a tree of its own, then export it";
    let said = text.lines().filter(|line| line.starts_with("error:") || line.starts_with("fatal:"));
    let said: Vec<&str> = said.collect();
    let _ = cmd::run(git(folder).args(["am", "--abort"]));
    format!("the series does not apply at {patch}: {hint}\n{}", said.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers() -> Vec<Offer> {
        ["7.3.5-1", "7.3.4-1~bpo13+1", "7.3~rc7-1~exp1"]
            .map(|version| Offer { version: version.into(), sha256: String::new() })
            .into()
    }

    fn chosen(asked: Option<&str>, exactly: bool) -> Result<String> {
        choose(&offers(), asked, exactly).map(|offer| offer.version)
    }

    #[test]
    fn takes_the_version_of_the_series_while_a_suite_has_it() {
        assert_eq!(chosen(Some("7.3.4"), false).unwrap(), "7.3.4-1~bpo13+1");
    }

    #[test]
    fn takes_the_newest_release_where_the_base_moved() {
        assert_eq!(chosen(Some("7.3.2"), false).unwrap(), "7.3.5-1");
        assert_eq!(chosen(None, false).unwrap(), "7.3.5-1");
    }

    #[test]
    fn a_version_asked_for_is_taken_or_refused() {
        assert_eq!(chosen(Some("7.3~rc7"), true).unwrap(), "7.3~rc7-1~exp1");
        let error = chosen(Some("7.2"), true).unwrap_err().to_string();
        assert!(error.contains("7.3.5, 7.3.4, 7.3~rc7"), "{error}");
    }

    fn in_repository() -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        cmd::run(git(top).args(["init", "-q", "-b", "base"])).unwrap();
        fs::write(top.join("a"), "1\n").unwrap();
        let commit = commit(top, "one");
        (folder, commit)
    }

    fn commit(top: &Path, title: &str) -> String {
        cmd::run(git(top).args(["add", "-A"])).unwrap();
        let name = ["-c", "user.name=n", "-c", "user.email=e@localhost"];
        cmd::run(git(top).args(name).args(["commit", "-q", "-m", title])).unwrap();
        cmd::output(git(top).args(["rev-parse", "HEAD"])).unwrap()
    }

    fn exported(top: &Path) -> tempfile::TempDir {
        let patches = tempfile::tempdir().unwrap();
        let target = patches.path().to_str().unwrap();
        let names = cmd::output(git(top).args(["format-patch", "-N", "--zero-commit", "-o", target, "HEAD^"])).unwrap();
        let name = Path::new(&names).file_name().unwrap().to_str().unwrap();
        fs::write(patches.path().join("series"), format!("# one\n{name}\n")).unwrap();
        patches
    }

    #[test]
    fn applies_without_touching_the_working_folder() {
        let (folder, start) = in_repository();
        let top = folder.path();
        fs::write(top.join("a"), "2\n").unwrap();
        commit(top, "two");
        let patches = exported(top);
        cmd::run(git(top).args(["reset", "-q", "--hard", &start])).unwrap();
        let tip = apply(top, &start, patches.path()).unwrap();
        assert_eq!(cmd::output(git(top).args(["show", &format!("{tip}:a")])).unwrap(), "2");
        assert_eq!(fs::read_to_string(top.join("a")).unwrap(), "1\n");
        assert_eq!(apply(top, &start, patches.path()).unwrap(), tip);
    }

    #[test]
    fn names_the_patch_that_does_not_apply() {
        let (folder, _) = in_repository();
        let top = folder.path();
        fs::write(top.join("a"), "2\n").unwrap();
        let tip = commit(top, "two");
        let patches = exported(top);
        let error = apply(top, &tip, patches.path()).unwrap_err().to_string();
        assert!(error.contains("0001 two"), "{error}");
    }

    #[test]
    fn an_empty_series_is_its_base() {
        let (folder, start) = in_repository();
        assert_eq!(apply(folder.path(), &start, Path::new("/nonexistent")).unwrap(), start);
    }

    #[test]
    fn a_patch_that_is_not_there_is_named() {
        let patches = tempfile::tempdir().unwrap();
        fs::write(patches.path().join("series"), "0001-gone.patch\n").unwrap();
        assert!(series(patches.path()).unwrap_err().to_string().contains("0001-gone.patch"));
    }
}
