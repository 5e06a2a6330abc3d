//! `series export`: the same commits give the same bytes, and nothing is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::toy::{Toy, git, snapshot, write};

#[test]
fn writes_patches_list_blobs_and_views() {
    let toy = Toy::exported();
    let project = toy.project();
    assert_eq!(
        fs::read_to_string(project.join("patches/series")).unwrap(),
        "# Mechanism\n0001-mm-add-refpage.patch\n0002-selftests-test-refpage.patch\n"
    );
    let blob = git(&toy.tree(), &["rev-parse", "base:mm/Makefile"]);
    assert_eq!(fs::read_to_string(project.join("patches/base.blobs")).unwrap(), format!("{blob} mm/Makefile\n"));
    assert_eq!(fs::read_to_string(project.join("rust-mm/refpage/page.rs")).unwrap(), "// One.\n// Two.\n");
    let script = fs::metadata(project.join("tools/testing/refpage.sh")).unwrap();
    assert_eq!(script.permissions().mode() & 0o111, 0o111);
}

#[test]
fn is_reproducible_after_a_new_am() {
    let toy = Toy::exported();
    let before = snapshot(&toy.project());
    let tree = toy.tree();
    git(&tree, &["switch", "-q", "-c", "again", "base"]);
    let patches: Vec<String> = ["0001-mm-add-refpage.patch", "0002-selftests-test-refpage.patch"]
        .map(|name| toy.project().join("patches").join(name).display().to_string())
        .into();
    git(&tree, &["am", "-q", &patches[0], &patches[1]]);
    for setting in
        [["diff.noprefix", "true"], ["diff.context", "9"], ["format.signOff", "true"], ["format.numbered", "true"]]
    {
        git(&tree, &["config", setting[0], setting[1]]);
    }
    toy.ok(&["export", "--tip", "again"]);
    assert_eq!(snapshot(&toy.project()), before);
}

#[test]
fn removes_what_the_series_no_longer_has() {
    let toy = Toy::exported();
    git(&toy.tree(), &["reset", "-q", "--hard", "series~1"]);
    toy.ok(&["export"]);
    assert!(!toy.project().join("patches/0002-selftests-test-refpage.patch").exists());
    assert!(!toy.project().join("tools").exists());
    assert_eq!(fs::read_to_string(toy.project().join("rust-mm/refpage/page.rs")).unwrap(), "// One.\n");
}

#[test]
fn keeps_an_edited_view() {
    let toy = Toy::exported();
    let view = toy.project().join("rust-mm/refpage/page.rs");
    write(&view, "// Mine.\n");
    let said = toy.refused(&["export"]);
    assert!(said.contains("page.rs") && said.contains("make fold"), "{said}");
    assert_eq!(fs::read_to_string(&view).unwrap(), "// Mine.\n");
    toy.ok(&["export", "--discard-views"]);
    assert_eq!(fs::read_to_string(&view).unwrap(), "// One.\n// Two.\n");
}

#[test]
fn changes_nothing_when_a_file_has_no_view() {
    let toy = Toy::exported();
    write(&toy.tree().join("fs/new.c"), "int x;\n");
    toy.commit("fs: add a file\n\nWhy.");
    let before = snapshot(&toy.project());
    let said = toy.refused(&["export"]);
    assert!(said.contains("fs/new.c") && said.contains("patches/base.toml"), "{said}");
    assert_eq!(snapshot(&toy.project()), before);
}

#[test]
fn refuses_commits_that_are_no_series() {
    let toy = Toy::new();
    for (args, word) in [
        (["export", "--tip", "base"], "no commit in"),
        (["export", "--base", "nowhere"], "nowhere"),
        (["export", "--tip", "base~0"], "no commit in"),
    ] {
        let said = toy.refused(&args);
        assert!(said.contains(word), "{said}");
    }
    toy.commit_empty("fixup! mm: add refpage");
    assert!(toy.refused(&["export"]).contains("autosquash"));
    assert!(!toy.project().join("patches/series").exists());
}

#[test]
fn reports_faults_of_what_it_wrote() {
    let toy = Toy::new();
    write(&toy.tree().join("README"), "toy 2\n");
    toy.commit("toy: say more\n\nWhy.\n\nSigned-off-by: Toy <toy@localhost>");
    let said = toy.refused(&["export"]);
    assert!(said.contains("exported 3 patches") && said.contains("Signed-off-by"), "{said}");
}

#[test]
fn tells_of_a_file_that_was_not_committed() {
    let toy = Toy::new();
    write(&toy.tree().join(".git/info/exclude"), "/*\n");
    write(&toy.tree().join("mm/refpage/new.rs"), "");
    write(&toy.tree().join("mm/refpage/new.o"), "");
    let said = toy.ok(&["export"]);
    assert!(said.contains("git add --force mm/refpage/new.rs") && !said.contains("new.o"), "{said}");
}
