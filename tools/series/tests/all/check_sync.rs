//! `series check-sync`: every way in which two copies can differ is found, and the mend is named.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::toy::{Toy, write};

const FIRST: &str = "patches/0001-mm-add-refpage.patch";
const SECOND: &str = "patches/0002-selftests-test-refpage.patch";

/// Makes one change to an exported toy and gives what check-sync says about it.
fn after(change: impl FnOnce(&dyn Fn(&str) -> PathBuf)) -> String {
    let toy = Toy::exported();
    change(&|path| toy.project().join(path));
    toy.refused(&["check-sync"])
}

fn replace(path: PathBuf, from: &str, to: &str) {
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{} lacks {from}", path.display());
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[track_caller]
fn says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "no \"{word}\" in: {said}");
    }
}

#[test]
fn is_content_after_an_export() {
    let said = Toy::exported().ok(&["check-sync"]);
    says(&said, &["2 patches, 2 views: all agree"]);
}

#[test]
fn finds_an_edited_view() {
    let said = after(|at| write(&at("rust-mm/refpage/page.rs"), "// Mine.\n"));
    says(&said, &["rust-mm/refpage/page.rs is not", "make fold"]);
}

#[test]
fn finds_a_missing_and_a_stray_view() {
    let said = after(|at| {
        fs::remove_file(at("rust-mm/refpage/page.rs")).unwrap();
        write(&at("rust-mm/notes"), "x");
    });
    says(
        &said,
        &[
            "the view of mm/refpage/page.rs, is missing",
            "rust-mm/notes is in a folder of views",
            "2 not as they should be",
        ],
    );
}

#[test]
fn finds_a_lost_executable_bit() {
    let said =
        after(|at| fs::set_permissions(at("tools/testing/refpage.sh"), fs::Permissions::from_mode(0o644)).unwrap());
    says(&said, &["who may execute"]);
}

#[test]
fn finds_files_that_series_does_not_name_and_the_reverse() {
    let said = after(|at| fs::rename(at(SECOND), at("patches/0003-other.patch")).unwrap());
    says(
        &said,
        &[
            "names 0002-selftests-test-refpage.patch, which is not there",
            "patches/0003-other.patch is not in patches/series",
        ],
    );
}

#[test]
fn finds_a_wrong_order() {
    let said = after(|at| {
        write(&at("patches/series"), "# Mechanism\n0002-selftests-test-refpage.patch\n0001-mm-add-refpage.patch\n")
    });
    says(&said, &["should have the number 0001", "does not start where"]);
}

#[test]
fn finds_a_lost_section() {
    let said = after(|at| replace(at("patches/series"), "# Mechanism\n", ""));
    says(&said, &["patches/sections.toml", "make export"]);
    let said = after(|at| replace(at("patches/sections.toml"), "mm: add", "mm: subtract"));
    says(&said, &["mm: subtract refpage"]);
}

#[test]
fn finds_a_broken_chain() {
    let said = after(|at| {
        let text = fs::read_to_string(at(SECOND)).unwrap();
        let index = text.lines().find(|line| line.starts_with("index ") && !line.contains("index 0000")).unwrap();
        let old = &index["index ".len().."index ".len() + 40];
        replace(at(SECOND), old, &"1".repeat(40));
    });
    says(
        &said,
        &["mm/refpage/page.rs: 0002-selftests-test-refpage.patch does not start where 0001-mm-add-refpage.patch ends"],
    );
}

#[test]
fn finds_another_base() {
    let said = after(|at| {
        write(&at("patches/base.blobs"), &format!("{} mm/Makefile\n{} mm/mmap.c\n", "1".repeat(40), "2".repeat(40)))
    });
    says(&said, &["mm/Makefile: the series starts from", "mm/mmap.c, which no patch touches"]);
}

#[test]
fn finds_trailers_and_long_lines() {
    let wide = "w".repeat(76);
    let said = after(|at| {
        replace(at(FIRST), "Pages read as another page.\n", &format!("{wide}\n\nSigned-off-by: A <a@b>\n"));
        replace(at("patches/cover-letter.txt"), "Text.\n", "Assisted-by: x\n");
    });
    says(&said, &[&wide, "Signed-off-by: A", "Assisted-by: x", "3 not as they should be"]);
}

#[test]
fn finds_a_b4_file_that_reads_in_two_ways() {
    says(
        &after(|at| write(&at("b4.toml"), "[b4]\nsend-prefixes = [\"RFC\"]\n")),
        &["b4.send-prefixes is not a string"],
    );
    says(
        &after(|at| write(&at("b4.toml"), "[b4]\nsend-prefixes = 'R#C'\n")),
        &["one thing as TOML and another to git"],
    );
    says(&after(|at| fs::remove_file(at(".b4-config")).unwrap()), &["ln -sf b4.toml .b4-config"]);
}

#[test]
fn says_what_to_do_without_a_series() {
    says(&Toy::new().refused(&["check-sync"]), &["patches/series"]);
}
