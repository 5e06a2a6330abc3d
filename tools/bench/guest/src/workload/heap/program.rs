// SPDX-License-Identifier: GPL-2.0

use super::word;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

/// CPython's tests that run: of containers, sorting and text, which allocate, and not of the system.
const TESTS: [&str; 4] = ["test_list", "test_csv", "test_dict", "test_sort"];
/// What Scudo itself is compiled with, so that its source is a program that compiles.
const FLAGS: [&str; 6] = ["-O2", "-std=c++17", "-fno-exceptions", "-fno-rtti", "-nostdinc++", "-c"];

/// A program to run.
pub struct Program {
    /// The name in tables.
    pub name: &'static str,
    /// How much of it: pages, tests or rounds.
    pub size: usize,
    /// It takes long, so that it runs in fewer ways.
    pub long: bool,
    /// The command.
    pub words: Vec<String>,
    /// Its environment.
    pub variables: Vec<(&'static str, String)>,
    /// Finds out from what it printed, and from its folder, what it computed. An error where that is wrong.
    pub product: fn(&[u8], &Path) -> Result<String>,
}

/// All programs, the documents first.
pub fn all(programs: &Path, inputs: &Path, source: &Path, quick: bool) -> Vec<Program> {
    let mut all = vec![
        pages("PDF, manual of R", "document.pdf", 100, programs, inputs),
        pages("PDF, manual of LilyPond", "music.pdf", 100, programs, inputs),
        Program { long: quick, ..clang(source) },
        Program { long: quick, ..python(inputs, &TESTS[..if quick { 2 } else { TESTS.len() }]) },
        threads(programs, if quick { 20_000 } else { 100_000 }),
    ];
    if !quick {
        all.push(pages("PDF, manual of LilyPond", "music.pdf", 930, programs, inputs));
        all.push(pages("PDF, manual of R", "document.pdf", 2486, programs, inputs));
    }
    all
}

fn pages(name: &'static str, document: &str, pages: usize, programs: &Path, inputs: &Path) -> Program {
    let library = inputs.join("libpdfium.so");
    Program {
        name,
        size: pages,
        long: pages > 100,
        words: vec![
            word(&programs.join("pdfbench")),
            format!("--library={}", library.display()),
            format!("--pages={pages}"),
            word(&inputs.join(document)),
        ],
        variables: Vec::new(),
        product: rendered,
    }
}

fn rendered(printed: &[u8], _: &Path) -> Result<String> {
    let line: Value = serde_json::from_slice(printed).context("pdfbench printed no figures")?;
    ensure!(line["fresh_memory_holds"] == true, "fresh memory did not hold what it must: {line}");
    let hash = line["hash"].as_str().with_context(|| format!("pdfbench printed no hash: {line}"))?;
    Ok(format!("pixels {hash} of {} pages", line["pages"]))
}

fn clang(source: &Path) -> Program {
    let include = format!("-I{}", source.join("include").display());
    let mut words = vec!["/usr/bin/clang++".to_owned(), include];
    words.extend(FLAGS.map(str::to_owned));
    words.extend([word(&source.join("wrappers_c.cpp")), "-oout.o".into()]);
    Program { name: "clang++ -O2", size: 0, long: false, words, variables: Vec::new(), product: compiled }
}

fn compiled(_: &[u8], folder: &Path) -> Result<String> {
    let object = fs::read(folder.join("out.o")).context("the compiler wrote nothing")?;
    Ok(format!("object {:016x}", xxh3_64(&object)))
}

fn python(inputs: &Path, tests: &[&str]) -> Program {
    let words = ["/usr/bin/python3", "-m", "test", "--randseed=2020"].iter().chain(tests);
    Program {
        name: "tests of CPython",
        size: tests.len(),
        long: false,
        words: words.map(|&word| word.to_owned()).collect(),
        variables: vec![
            ("PYTHONPATH", word(&inputs.join("python"))),
            // Without this, Python has small objects in an allocator of its own.
            ("PYTHONMALLOC", "malloc".into()),
            ("PYTHONHASHSEED", "0".into()),
            ("PYTHONDONTWRITEBYTECODE", "1".into()),
        ],
        product: tested,
    }
}

fn tested(printed: &[u8], _: &Path) -> Result<String> {
    let text = String::from_utf8_lossy(printed);
    let result = text.lines().filter_map(|line| line.strip_prefix("Result: ")).next_back();
    match (result, text.lines().find(|line| line.starts_with("Total tests: "))) {
        (Some("SUCCESS"), Some(count)) => Ok(count.to_owned()),
        _ => bail!("tests failed: {}", result.unwrap_or("no result")),
    }
}

fn threads(programs: &Path, rounds: usize) -> Program {
    Program {
        name: "four threads",
        size: rounds,
        long: false,
        words: vec![word(&programs.join("heapload")), "threads".into(), rounds.to_string()],
        variables: Vec::new(),
        product: |_, _| Ok("blocks that held what was written".into()),
    }
}

/// A folder for what a program writes.
pub fn scratch() -> Result<TempDir> {
    tempfile::tempdir().context("there is no room for files of the program")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_count_only_if_fresh_memory_held_its_content() {
        let line = |holds| format!("{{\"fresh_memory_holds\":{holds},\"hash\":\"ab\",\"pages\":3}}");
        assert_eq!(rendered(line(true).as_bytes(), Path::new("/")).unwrap(), "pixels ab of 3 pages");
        assert!(rendered(line(false).as_bytes(), Path::new("/")).is_err());
        assert!(rendered(b"", Path::new("/")).is_err());
    }

    #[test]
    fn failed_tests_are_an_error() {
        let count = "Total tests: run=5\n";
        assert_eq!(tested(format!("{count}Result: SUCCESS\n").as_bytes(), Path::new("/")).unwrap(), count.trim());
        assert!(tested(format!("{count}Result: FAILURE\n").as_bytes(), Path::new("/")).is_err());
        assert!(tested(b"", Path::new("/")).is_err());
    }

    #[test]
    fn only_full_runs_render_everything() {
        let count = |quick| all(Path::new("/p"), Path::new("/i"), Path::new("/s"), quick).len();
        assert_eq!((count(true), count(false)), (5, 7));
    }
}
