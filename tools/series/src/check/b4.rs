//! What b4 makes of the series, offline: as a maintainer who gets it, and as the person who sends it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use super::{Subject, text_of};
use crate::b4_config;
use crate::mbox;
use crate::scratch::Scratch;

/// `b4 am` of the series as mail must find all patches and say that they apply to the base.
pub fn am(subject: &Subject) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let mail = folder.path().join("series.mbox");
    fs::write(&mail, mbox::render(&subject.project)?)?;
    let base = Scratch::new(&subject.git, &subject.base)?;
    let mut command = b4(subject, &base, folder.path());
    command.args(["am", "--no-add-trailers", "--outdir"]).arg(folder.path()).arg("--use-local-mbox").arg(&mail);
    let (good, text) = text_of(&mut command)?;
    let all = format!("Total patches: {}", subject.patches.len());
    let wanted = ["applies clean", all.as_str()];
    let mut found: Vec<String> = wanted
        .iter()
        .filter(|words| !text.contains(**words))
        .map(|words| format!("b4 does not say \"{words}\""))
        .collect();
    if !good || !found.is_empty() {
        found.push(text.trim_end().to_owned());
    }
    Ok(found)
}

/// `b4 prep` takes the commits, and `b4 send` makes mail of them with the addressees of `b4.toml`.
pub fn prep(subject: &Subject) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let scratch = Scratch::new(&subject.git, &subject.tip)?;
    let branches = Branches::new(&scratch, subject)?;
    let said = run(b4(subject, &scratch, folder.path()).args(["prep", "--enroll", BASE]));
    let said = said.and_then(|()| {
        run(b4(subject, &scratch, folder.path())
            .args(["send", "--no-sign", "--output-dir"])
            .arg(folder.path().join("out")))
    });
    branches.remove()?;
    said?;
    letters(subject, &folder.path().join("out"))
}

/// The cover letter and every patch, each to the lists. A single patch has its cover letter inside.
fn letters(subject: &Subject, folder: &Path) -> Result<Vec<String>> {
    let mut letters = Vec::new();
    for entry in fs::read_dir(folder)? {
        letters.push(fs::read_to_string(entry?.path())?);
    }
    let mut found = Vec::new();
    let patches = subject.patches.len();
    let wanted = if patches == 1 { 1 } else { patches + 1 };
    if letters.len() != wanted {
        found.push(format!("b4 makes {} letters of {patches} patches and a cover", letters.len()));
    }
    let to = b4_config::value(&subject.project, "b4", "send-series-to")?.unwrap_or_default();
    for address in to.split(',').map(str::trim) {
        if letters.iter().any(|letter| !letter.contains(address)) {
            found.push(format!("b4 does not send every letter to \"{address}\", which b4.toml names"));
        }
    }
    Ok(found)
}

const BASE: &str = "refpage-b4-base";
const TIP: &str = "refpage-b4-tip";

/// b4 wants the series on a branch, and another branch that holds its base.
struct Branches<'a>(&'a Scratch<'a>);

impl<'a> Branches<'a> {
    fn new(scratch: &'a Scratch, subject: &Subject) -> Result<Self> {
        scratch.run(&["branch", "--force", BASE, &subject.base])?;
        scratch.run(&["switch", "--quiet", "--force-create", TIP])?;
        Ok(Self(scratch))
    }

    fn remove(self) -> Result<()> {
        self.0.run(&["switch", "--quiet", "--detach"])?;
        self.0.run(&["branch", "--quiet", "-D", BASE, TIP]).map(drop)
    }
}

fn run(command: &mut Command) -> Result<()> {
    let (good, text) = text_of(command)?;
    if !good {
        bail!("{} fails: {}", common::cmd::shown(command), text.trim_end());
    }
    Ok(())
}

/// b4 with the settings of `b4.toml` and with nobody's own.
fn b4(subject: &Subject, scratch: &Scratch, home: &Path) -> Command {
    let settings = subject.project.path("b4.toml").display().to_string();
    let settings = [
        ("safe.directory", "*"),
        ("core.sparseCheckout", "true"),
        ("core.sparseCheckoutCone", "false"),
        ("user.name", "series"),
        ("user.email", "series@localhost"),
        ("include.path", &settings),
    ];
    let mut command = Command::new("b4");
    command.current_dir(scratch.dir()).env("HOME", home).env("GIT_CONFIG_COUNT", settings.len().to_string());
    for (index, (key, value)) in settings.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{index}"), key).env(format!("GIT_CONFIG_VALUE_{index}"), value);
    }
    command.args(["--offline-mode", "--no-interactive"]);
    command
}
