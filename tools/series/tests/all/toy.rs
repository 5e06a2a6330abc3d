//! A small kernel tree and a repository for its series.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

pub const BASE_TOML: &str = r#"
view-folders = ["rust-mm", "tools/testing"]
[base]
name = "Toy 1.0"
version = "1.0"
[views]
"mm/refpage/" = "rust-mm/refpage/"
"tools/testing/" = "tools/testing/"
"#;

/// A repository in `project` and a tree in `tree` with branches `base` and `series` (two commits).
pub struct Toy {
    folder: TempDir,
}

impl Toy {
    pub fn new() -> Self {
        let toy = Self { folder: tempfile::tempdir().unwrap() };
        toy.make_project();
        toy.make_tree();
        toy
    }

    /// A toy whose series is exported.
    pub fn exported() -> Self {
        let toy = Self::new();
        toy.ok(&["export"]);
        toy
    }

    pub fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    fn make_project(&self) {
        let project = self.project();
        write(&project.join("patches/base.toml"), BASE_TOML);
        write(&project.join("patches/cover-letter.txt"), "Toy\n\nText.\n");
        write(
            &project.join("patches/sections.toml"),
            "[[section]]\nname = \"Mechanism\"\nfirst = \"mm: add refpage\"\n",
        );
        write(&project.join("b4.toml"), "[b4]\nsend-prefixes = \"RFC\"\n[series]\nversion = \"1\"\n");
        symlink("b4.toml", project.join(".b4-config")).unwrap();
    }

    fn make_tree(&self) {
        let tree = self.tree();
        fs::create_dir_all(&tree).unwrap();
        git(&tree, &["init", "-q", "-b", "base"]);
        write(&tree.join("mm/Makefile"), "obj-y += mm.o\n");
        write(&tree.join("README"), "toy\n");
        self.commit("Toy 1.0");
        git(&tree, &["switch", "-q", "-c", "series"]);
        write(&tree.join("mm/refpage/page.rs"), "// One.\n");
        write(&tree.join("mm/Makefile"), "obj-y += mm.o\nobj-y += refpage/\n");
        self.commit("mm: add refpage\n\nPages read as another page.");
        write(&tree.join("mm/refpage/page.rs"), "// One.\n// Two.\n");
        let script = tree.join("tools/testing/refpage.sh");
        write(&script, "#!/bin/sh\n");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        self.commit("selftests: test refpage\n\nA test.");
    }

    /// Commits everything in the tree.
    pub fn commit(&self, message: &str) {
        git(&self.tree(), &["add", "--all"]);
        git(&self.tree(), &["commit", "-q", "-m", message]);
    }

    /// Commits nothing under a message.
    pub fn commit_empty(&self, message: &str) {
        git(&self.tree(), &["commit", "-q", "--allow-empty", "-m", message]);
    }

    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_series"));
        command.arg("--project").arg(self.project()).args(args);
        if matches!(args[0], "export" | "fold") {
            command.arg("--tree").arg(self.tree());
        }
        command.output().unwrap()
    }

    /// Runs what must work and gives what it says.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        said(&output)
    }

    /// Runs what must be refused and gives what it says.
    pub fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", said(&output));
        said(&output)
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Every file below a folder with its text, `.git` left out.
pub fn snapshot(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with(".git") => {}
                true => folders.push(path),
                false => files.push((path.clone(), fs::read_to_string(&path).unwrap())),
            }
        }
    }
    files.sort();
    files
}

/// Runs git as a named person and gives its output.
pub fn git(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").arg("-C").arg(dir);
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "Toy").env(format!("GIT_{role}_EMAIL"), "toy@localhost");
    }
    let output = command.args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}
