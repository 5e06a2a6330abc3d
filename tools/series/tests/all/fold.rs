//! `series fold`: an edited view ends up in the commit that made it, and nowhere else.

use std::fs;

use crate::toy::{Toy, git, snapshot, write};

#[test]
fn takes_edits_into_the_commits_that_touched_the_files() {
    let toy = Toy::exported();
    let project = toy.project();
    write(&project.join("rust-mm/refpage/page.rs"), "// Mine.\n// Two.\n");
    write(&project.join("tools/testing/refpage.sh"), "#!/bin/bash\n");
    let said = toy.ok(&["fold"]);
    assert!(said.contains("folded 2 views") && said.contains("all agree"), "{said}");
    let tree = toy.tree();
    assert_eq!(
        git(&tree, &["log", "--format=%an %s", "base..series"]),
        "Toy selftests: test refpage\nToy mm: add refpage"
    );
    assert_eq!(git(&tree, &["show", "series:mm/refpage/page.rs"]), "// Mine.\n// Two.");
    assert_eq!(git(&tree, &["show", "series~1:mm/refpage/page.rs"]), "// One.");
    assert_eq!(fs::read_to_string(tree.join("tools/testing/refpage.sh")).unwrap(), "#!/bin/bash\n");
    assert_eq!(git(&tree, &["status", "--porcelain"]), "");
    assert_eq!(git(&tree, &["worktree", "list"]).lines().count(), 1);
}

#[test]
fn leaves_unedited_files_of_the_tree_alone() {
    let toy = Toy::exported();
    let makefile = toy.tree().join("mm/Makefile");
    let before = fs::metadata(&makefile).unwrap().modified().unwrap();
    write(&toy.project().join("rust-mm/refpage/page.rs"), "// Mine.\n");
    toy.ok(&["fold"]);
    assert_eq!(fs::metadata(&makefile).unwrap().modified().unwrap(), before);
}

#[test]
fn has_nothing_to_do_without_an_edit() {
    let toy = Toy::exported();
    let tip = git(&toy.tree(), &["rev-parse", "series"]);
    assert!(toy.ok(&["fold"]).contains("folded 0 views"));
    assert_eq!(git(&toy.tree(), &["rev-parse", "series"]), tip);
}

/// Folding must refuse with these words and change neither tree nor repository.
#[track_caller]
fn refuses(toy: &Toy, words: &str) {
    let before = (snapshot(&toy.project()), snapshot(&toy.tree()), git(&toy.tree(), &["rev-parse", "series"]));
    let said = toy.refused(&["fold"]);
    assert!(said.contains(words), "{said}");
    assert_eq!((snapshot(&toy.project()), snapshot(&toy.tree()), git(&toy.tree(), &["rev-parse", "series"])), before);
}

/// As after a pull of patches that somebody else made.
#[test]
fn refuses_a_tree_that_is_older_than_the_patches() {
    let toy = Toy::exported();
    let (tree, view) = (toy.tree(), toy.project().join("rust-mm/refpage/page.rs"));
    let old = git(&tree, &["rev-parse", "series"]);
    write(&view, "// Theirs.\n");
    toy.ok(&["fold"]);
    git(&tree, &["reset", "--quiet", "--hard", &old]);
    git(&tree, &["reflog", "expire", "--expire=now", "--all"]);
    git(&tree, &["gc", "--quiet", "--prune=now"]);
    let patches = snapshot(&toy.project());
    assert!(toy.refused(&["export"]).contains("make tree"));
    assert_eq!(snapshot(&toy.project()), patches);
    write(&view, "// Mine.\n");
    refuses(&toy, "never had");
}

#[test]
fn refuses_what_it_cannot_place() {
    let toy = Toy::exported();
    let view = toy.project().join("rust-mm/refpage/page.rs");
    write(&view, "// Mine.\n");
    write(&toy.tree().join("README"), "half done\n");
    refuses(&toy, "not committed");
    git(&toy.tree(), &["checkout", "-q", "README"]);
    write(&toy.tree().join("mm/refpage/page.rs"), "// Theirs.\n");
    toy.commit("mm: edit\n\nWhy.");
    refuses(&toy, "differently");
    fs::remove_file(&view).unwrap();
    refuses(&toy, "is gone");
    write(&toy.project().join("rust-mm/new.rs"), "");
    refuses(&toy, "view of nothing yet");
}
