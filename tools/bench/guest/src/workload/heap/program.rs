// SPDX-License-Identifier: GPL-2.0

use super::{FEW, WAYS};
use anyhow::{Context, Result, bail, ensure};
use record::Way;
use serde_json::Value;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

/// CPython's tests that run: of containers, sorting and text, which allocate, and not of the system.
const TESTS: [&str; 4] = ["test_list", "test_csv", "test_dict", "test_sort"];
/// Blocks that each thread allocates.
const ROUNDS: usize = 20_000;
/// What Scudo itself is compiled with, so that its source is a program that compiles.
const FLAGS: [&str; 6] = ["-O2", "-std=c++17", "-fno-exceptions", "-fno-rtti", "-nostdinc++", "-c"];

/// A program to run.
pub struct Program {
    /// The name in tables.
    pub name: &'static str,
    /// How much of it: pages, tests or rounds.
    pub size: usize,
    /// The ways in which it runs, plain memory first.
    pub ways: &'static [Way],
    /// How often it runs in each way.
    pub rounds: usize,
    /// It runs once before it is measured.
    pub rehearsed: bool,
    /// The command.
    pub words: Vec<String>,
    /// Its environment.
    pub variables: Vec<(&'static str, String)>,
    /// Finds out from what it printed, and from its folder, what it computed. An error where that is wrong.
    pub product: fn(&[u8], &Path) -> Result<String>,
}

impl Program {
    /// The name, with how much of it there is.
    pub fn title(&self) -> String {
        if self.size > 0 { format!("{} ({})", self.name, self.size) } else { self.name.to_owned() }
    }

    /// Reads the program, its libraries and the files that its command names. How much of a file is in memory decides how
    /// much of it a page fault maps, and that must not depend on who runs first.
    pub fn read_files(&self) -> Result<()> {
        let listed = Command::new("ldd").arg(&self.words[0]).output().context("ldd cannot be started")?;
        let listed = String::from_utf8(listed.stdout)?;
        let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
        for path in self.words.iter().map(String::as_str).chain(libraries).filter(|path| Path::new(path).is_file()) {
            let copied = File::open(path).and_then(|mut file| io::copy(&mut file, &mut io::sink()));
            copied.with_context(|| format!("{path} cannot be read"))?;
        }
        Ok(())
    }

    fn new(name: &'static str, size: usize, words: Vec<String>, product: fn(&[u8], &Path) -> Result<String>) -> Self {
        Self { name, size, ways: &WAYS, rounds: 1, rehearsed: true, words, variables: Vec::new(), product }
    }
}

/// All programs, the documents first. What takes long is left out of a quick run, or runs in fewer ways.
pub fn all(programs: &Path, inputs: &Path, source: &Path, quick: bool) -> Vec<Program> {
    let document = |name, file, count| pages(name, file, count, programs, inputs);
    let (r, music) = ("PDF, manual of R", "PDF, manual of LilyPond");
    let mut all = vec![document(r, "document.pdf", 100), document(music, "music.pdf", 100)];
    all.extend([clang(source), python(inputs, if quick { &TESTS[..2] } else { &TESTS }), threads(programs)]);
    if quick {
        all[2..4].iter_mut().for_each(|program| program.ways = FEW);
        return all;
    }
    all.iter_mut().for_each(|program| program.rounds = 3);
    let whole = [document(music, "music.pdf", 930), document(r, "document.pdf", 2486)];
    all.extend(whole.map(|program| Program { ways: FEW, rehearsed: false, ..program }));
    all
}

fn pages(name: &'static str, document: &str, pages: usize, programs: &Path, inputs: &Path) -> Program {
    let words = vec![
        word(&programs.join("pdfbench")),
        "--library".into(),
        word(&inputs.join("libpdfium.so")),
        format!("--pages={pages}"),
        word(&inputs.join(document)),
    ];
    Program::new(name, pages, words, rendered)
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
    Program::new("clang++ -O2", 0, words, compiled)
}

fn compiled(_: &[u8], folder: &Path) -> Result<String> {
    let object = fs::read(folder.join("out.o")).context("the compiler wrote nothing")?;
    Ok(format!("object {:016x}", xxh3_64(&object)))
}

fn python(inputs: &Path, tests: &[&str]) -> Program {
    let words = ["/usr/bin/python3", "-m", "test", "--randseed=2020"].iter().chain(tests);
    let words = words.map(|&word| word.to_owned()).collect();
    Program {
        variables: vec![
            ("PYTHONPATH", word(&inputs.join("python"))),
            // Without this, Python has small objects in an allocator of its own.
            ("PYTHONMALLOC", "malloc".into()),
            ("PYTHONHASHSEED", "0".into()),
            ("PYTHONDONTWRITEBYTECODE", "1".into()),
        ],
        ..Program::new("tests of CPython", tests.len(), words, tested)
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

fn threads(programs: &Path) -> Program {
    let words = vec![word(&programs.join("heapload")), "threads".into(), ROUNDS.to_string()];
    Program::new("four threads", ROUNDS, words, |_, _| Ok("blocks that held what was written".into()))
}

/// A path as a word of a command.
fn word(path: &Path) -> String {
    path.display().to_string()
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
        let titles = |quick| {
            let all = all(Path::new("/p"), Path::new("/i"), Path::new("/s"), quick);
            all.iter().map(Program::title).collect::<Vec<_>>()
        };
        let whole = "PDF, manual of R (2486)".to_owned();
        assert!(titles(false).contains(&whole) && !titles(true).contains(&whole), "{:?}", titles(true));
    }
}
