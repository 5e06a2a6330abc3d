//! Finds and downloads Debian's package of the kernel source, with apt lists of our own: the root's stay as they are.

use crate::cmd;
use anyhow::{Context, Result, bail};
use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Suites that may hold a kernel newer than that of the release.
const SUITES: [&str; 3] = ["trixie-backports", "sid", "experimental"];

/// One version of the package, as a suite offers it.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// Debian's version, as in `7.3.4-1~bpo13+1`.
    pub version: String,
    /// SHA-256 of the package file.
    pub sha256: String,
}

impl Offer {
    /// The kernel's version, as in `7.3.4` or `7.3~rc7`.
    pub fn upstream(&self) -> &str {
        upstream(&self.version)
    }
}

/// The kernel's version in a Debian version.
pub fn upstream(version: &str) -> &str {
    version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
}

/// apt with lists, cache and sources in a folder.
pub struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// Fetches the lists of the suites, from the mirror that the root file system was made from.
    pub fn update(folder: PathBuf) -> Result<Self> {
        for sub in ["lists/partial", "cache/archives/partial", "sources.d"] {
            fs::create_dir_all(folder.join(sub))?;
        }
        fs::write(folder.join("sources.list"), sources(&mirror()?))?;
        let apt = Self { folder };
        cmd::run(apt.command("apt-get").args(["-qq", "update"]))
            .context("the package lists could not be fetched: check the network, then try again")?;
        Ok(apt)
    }

    /// All versions of a package, newest first.
    pub fn offers(&self, package: &str) -> Result<Vec<Offer>> {
        let text = cmd::output(self.command("apt-cache").args(["show", package]))
            .with_context(|| format!("no suite has {package}: name the package that does in patches/base.toml"))?;
        let mut offers = parse_offers(&text);
        offers.sort_by(|a, b| compare(&b.version, &a.version));
        offers.dedup();
        Ok(offers)
    }

    /// Downloads one version into the folder; apt checks it against the signed list.
    pub fn download(&self, package: &str, offer: &Offer) -> Result<PathBuf> {
        let wanted = format!("{package}={}", offer.version);
        cmd::run(self.command("apt-get").args(["-qq", "download", &wanted]).current_dir(&self.folder))?;
        newest_deb(&self.folder, package)
    }

    fn command(&self, program: &str) -> Command {
        let folder = self.folder.display();
        let mut command = Command::new(program);
        for option in [
            format!("Dir::Etc::sourcelist={folder}/sources.list"),
            format!("Dir::Etc::sourceparts={folder}/sources.d"),
            format!("Dir::State::lists={folder}/lists"),
            format!("Dir::Cache={folder}/cache"),
            "APT::Sandbox::User=root".into(),
            "APT::Default-Release=".into(),
            "Acquire::Languages=none".into(),
            // A mirror may be a snapshot: then its lists are past their date, though signed all the same.
            "Acquire::Check-Valid-Until=false".into(),
        ] {
            command.arg("-o").arg(option);
        }
        command
    }
}

fn newest_deb(folder: &Path, package: &str) -> Result<PathBuf> {
    let prefix = format!("{package}_");
    fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "deb"))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)))
        .max_by_key(|path| path.metadata().and_then(|data| data.modified()).ok())
        .with_context(|| format!("apt-get download left no file of {package} in {}", folder.display()))
}

fn sources(mirror: &str) -> String {
    SUITES.map(|suite| format!("deb [arch=amd64] {mirror} {suite} main\n")).concat()
}

fn mirror() -> Result<String> {
    let text = fs::read_to_string("/etc/apt/sources.list").unwrap_or_default();
    match parse_mirror(&text) {
        Some(mirror) => Ok(mirror),
        None => bail!("/etc/apt/sources.list of the root file system has no `deb` line: add the one of your mirror"),
    }
}

fn parse_mirror(sources: &str) -> Option<String> {
    sources
        .lines()
        .filter_map(|line| line.trim().strip_prefix("deb "))
        .flat_map(|line| line.split_whitespace().find(|word| word.contains("://")))
        .find(|url| !url.contains("security"))
        .map(str::to_owned)
}

fn parse_offers(text: &str) -> Vec<Offer> {
    text.split("\n\n")
        .filter_map(|paragraph| {
            let field = |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            Some(Offer { version: field("Version:")?.to_owned(), sha256: field("SHA256:")?.to_owned() })
        })
        .collect()
}

fn compare(a: &str, b: &str) -> Ordering {
    let holds = |relation: &str| {
        Command::new("dpkg").args(["--compare-versions", a, relation, b]).status().is_ok_and(|status| status.success())
    };
    match (holds("lt"), holds("gt")) {
        (true, _) => Ordering::Less,
        (_, true) => Ordering::Greater,
        _ => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_first_mirror_that_is_not_for_security() {
        let text = "# x\ndeb http://s/debian-security a main\ndeb [arch=amd64] http://m/debian trixie main\n";
        assert_eq!(parse_mirror(text).as_deref(), Some("http://m/debian"));
        assert_eq!(parse_mirror("# nothing\n"), None);
    }

    #[test]
    fn reads_offers() {
        let text =
            "Package: p\nVersion: 7.3.4-1~bpo13+1\nSHA256: ab\n\nPackage: p\nVersion: 7.3~rc7-1~exp1\nSHA256: cd\n";
        let offers = parse_offers(text);
        assert_eq!(offers.iter().map(Offer::upstream).collect::<Vec<_>>(), ["7.3.4", "7.3~rc7"]);
        assert_eq!(offers[1].sha256, "cd");
    }

    #[test]
    fn a_version_without_revision_is_its_own_upstream() {
        assert_eq!(upstream("7.3.4"), "7.3.4");
    }
}
