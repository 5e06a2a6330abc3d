//! `series mutate` and `series bisect`, beside a stand-in for `lab` that builds and tests the toy tree.

use std::fs;
use std::process::Command;

use crate::toy::{Toy, git, write};

/// Builds whatever lacks the word BROKEN; its one test wants `// Two.` in page.rs.
const LAB: &str = r#"#!/bin/sh
shift 2 # --inside lab
tree=$REFPAGE_STATE/linux
page=$tree/mm/refpage/page.rs
case $1 in
tree) rm -rf "$tree" && git -c safe.directory='*' clone -q "$TOY" "$tree" -b series && git -C "$tree" branch base origin/base ;;
build | boot) echo "$1 $3 $(git -C "$tree" log -1 --format=%s)" >>"$REFPAGE_STATE/calls"; ! grep -rqs BROKEN "$tree/mm" ;;
test) grep -q '// Two' "$page" && exit 0; printf 'failed:\n  %s: page two: page.rs:2: no two\n\n' "$2"; exit 1 ;;
esac
"#;

struct Bench {
    toy: Toy,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { toy: Toy::exported(), folder: tempfile::tempdir().unwrap() };
        write(&bench.toy.project().join("tools/bootstrap"), LAB);
        for config in ["small", "demo"] {
            write(&bench.toy.project().join(format!("tools/configs/{config}.config")), "");
        }
        bench
    }

    fn mutation(&self, name: &str, find: &str, replace: &str, more: &str) {
        let text = format!(
            "breaks = 'It.'\nfile = 'mm/refpage/page.rs'\nfind = '{find}'\nreplace = '{replace}'\nsuites = ['kselftest']\n{more}\n"
        );
        write(&self.toy.project().join(format!("tools/mutations/{name}.toml")), &text);
    }

    fn run(&self, args: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_series"));
        command.arg("--project").arg(self.toy.project()).args(args).env("TOY", self.toy.tree());
        command.env("REFPAGE_SRC", self.toy.project());
        command.env("REFPAGE_CACHE", self.folder.path()).env("REFPAGE_STATE", self.folder.path().join("state"));
        let output = command.output().unwrap();
        (
            output.status.success(),
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        )
    }

    #[track_caller]
    fn refuses(&self, args: &[&str], words: &[&str]) {
        let (good, said) = self.run(args);
        assert!(!good && words.iter().all(|word| said.contains(word)), "{said}");
    }

    #[track_caller]
    fn accepts(&self, args: &[&str], words: &[&str]) {
        let (good, said) = self.run(args);
        assert!(good && words.iter().all(|word| said.contains(word)), "{said}");
    }
}

#[test]
fn a_caught_mutation_names_its_test() {
    let bench = Bench::new();
    bench.mutation("two-gone", "Two", "Three", "");
    bench.accepts(&["mutate"], &["two-gone  page two", "1 caught, 0 survived, 0 not tried"]);
    bench.accepts(&["mutate", "--only", "two-gone"], &["1 caught"]);
}

#[test]
fn a_survivor_is_a_failure() {
    let bench = Bench::new();
    bench.mutation("one-gone", "One", "Zero", "");
    bench.mutation("two-gone", "Two", "Three", "");
    bench.refuses(&["mutate"], &["one-gone  SURVIVED", "two-gone  page two", "1 caught, 1 survived"]);
}

#[test]
fn only_the_expected_test_counts() {
    let bench = Bench::new();
    bench.mutation("two-gone", "Two", "Three", "caught-by = ['fork']");
    bench.refuses(&["mutate"], &["SURVIVED"]);
}

#[test]
fn a_mutation_that_tests_nothing_is_an_error() {
    let bench = Bench::new();
    bench.refuses(&["mutate"], &["tools/mutations"]);
    bench.mutation("broken", "Two", "BROKEN", "");
    bench.refuses(&["mutate"], &["broken    NOT TRIED", "wrong, not broken"]);
    bench.mutation("broken", "// ", "/// ", "");
    bench.refuses(&["mutate"], &["broken.toml", "occurs 2 times", "not once"]);
    let tree = bench.toy.tree().display().to_string();
    bench.refuses(&["mutate", "--fit", "--tree", &tree], &["not once"]);
    bench.refuses(&["mutate", "--only", "gone"], &["gone.toml"]);
}

#[test]
fn tests_that_fail_anyway_prove_nothing() {
    let bench = Bench::new();
    bench.mutation("one-gone", "One", "Zero", "");
    write(&bench.toy.tree().join("mm/refpage/page.rs"), "// One.\n");
    bench.toy.commit("mm: forget two\n\nWhy.");
    bench.refuses(&["mutate"], &["without any mutation", "page two"]);
}

#[test]
fn bisect_boots_every_patch_and_remembers() {
    let bench = Bench::new();
    bench.accepts(&["bisect"], &["0001 on=-", "off=ok", "2 patches, 2 boots ok, 0 failed"]);
    let calls = bench.folder.path().join("state/bisect/calls");
    let first = fs::read_to_string(&calls).unwrap();
    assert_eq!(first, "boot small-off mm: add refpage\nboot small-off selftests: test refpage\n");
    bench.accepts(&["bisect"], &["2 boots ok, 0 failed"]);
    assert_eq!(fs::read_to_string(&calls).unwrap(), first);
}

#[test]
fn bisect_does_not_repeat_what_no_kernel_is_built_from() {
    let bench = Bench::new();
    write(&bench.toy.tree().join("Documentation/refpage.rst"), "Text.\n");
    bench.toy.commit("Documentation: describe it\n\nWhy.");
    bench.accepts(&["bisect"], &["0003 on=-      off=ok", "3 boots ok"]);
    let calls = fs::read_to_string(bench.folder.path().join("state/bisect/calls")).unwrap();
    assert_eq!(calls.lines().count(), 2, "{calls}");
}

#[test]
fn bisect_without_a_boot_is_no_success() {
    Bench::new().refuses(&["bisect", "--config", "on"], &["0 boots ok, 0 failed"]);
}

#[test]
fn bisect_boots_with_the_option_once_it_is_there() {
    let bench = Bench::new();
    write(&bench.toy.tree().join("mm/Kconfig"), "config REFPAGE\n");
    write(&bench.toy.tree().join("mm/refpage/page.rs"), "// BROKEN\n");
    bench.toy.commit("mm: break it\n\nWhy.");
    bench.refuses(&["bisect", "--config", "on"], &["0002 on=-", "0003 on=FAILED mm: break it", "0 boots ok, 1 failed"]);
    assert_eq!(git(&bench.toy.tree(), &["status", "--porcelain"]), "");
}
