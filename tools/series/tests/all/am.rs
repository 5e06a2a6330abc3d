//! `series am`: applies to a tree of the user's own, or leaves it as it was.

use std::fs;
use std::process::Command;

use crate::toy::{Toy, git, snapshot, write};

/// Applies to the toy's own tree, on its branch `base`.
fn toy_on_base() -> Toy {
    let toy = Toy::exported();
    for (key, value) in [("user.name", "U"), ("user.email", "u@localhost")] {
        git(&toy.tree(), &["config", key, value]);
    }
    git(&toy.tree(), &["switch", "-q", "base"]);
    toy
}

fn am(toy: &Toy, more: &[&str]) -> (bool, String) {
    let tree = toy.tree().display().to_string();
    let output = toy.run(&[&["am", &tree], more].concat());
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

#[test]
fn applies_on_a_new_branch() {
    let toy = toy_on_base();
    let (applied, said) = am(&toy, &[]);
    assert!(applied && said.contains("2 patches are on the branch refpage"), "{said}");
    assert_eq!(git(&toy.tree(), &["rev-parse", "refpage^{tree}"]), git(&toy.tree(), &["rev-parse", "series^{tree}"]));
}

/// Applying must be refused with these words and leave branch, files and state alone.
#[track_caller]
fn refuses(toy: &Toy, words: &[&str]) {
    let state = || (snapshot(&toy.tree()), git(&toy.tree(), &["branch"]), git(&toy.tree(), &["status"]));
    let before = state();
    let (applied, said) = am(toy, &[]);
    assert!(!applied && words.iter().all(|word| said.contains(word)), "{said}");
    assert_eq!(state(), before);
}

#[test]
fn restores_a_tree_that_it_does_not_apply_to() {
    let toy = toy_on_base();
    write(&toy.tree().join("mm/Makefile"), "obj-y += other.o\n");
    toy.commit("another base");
    refuses(&toy, &["Toy 1.0", "patches/base.toml", "git am -3", "mm/Makefile", "0001 mm: add refpage"]);
    git(&toy.tree(), &["switch", "-q", "--detach"]);
    refuses(&toy, &["Toy 1.0"]);
}

#[test]
fn refuses_a_tree_that_is_not_ready() {
    let toy = toy_on_base();
    git(&toy.tree(), &["branch", "refpage"]);
    refuses(&toy, &["branch refpage already", "--branch"]);
    git(&toy.tree(), &["branch", "-D", "refpage"]);
    write(&toy.tree().join("README"), "half done\n");
    refuses(&toy, &["not committed"]);
}

#[test]
fn refuses_a_tree_in_the_middle_of_an_am() {
    let toy = toy_on_base();
    fs::create_dir(toy.tree().join(".git/rebase-apply")).unwrap();
    let (applied, said) = am(&toy, &[]);
    assert!(!applied && said.contains("in the middle"), "{said}");
}

#[test]
fn refuses_a_folder_without_git() {
    let toy = toy_on_base();
    let status = Command::new("rm").arg("-rf").arg(toy.tree().join(".git")).status().unwrap();
    assert!(status.success());
    let (applied, said) = am(&toy, &[]);
    assert!(!applied && said.contains("not a git repository"), "{said}");
}
