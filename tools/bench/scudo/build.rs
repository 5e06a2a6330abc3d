// SPDX-License-Identifier: GPL-2.0

//! Makes `libscudo.so` from the source of Scudo that the crate `scudo-sys` brings, our patch to it, and `fresh.cpp`.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const CRATE: &str = "scudo-sys";
const OURS: [&str; 7] =
    ["environment.cpp", "environment.h", "fresh.cpp", "fresh.h", "scudo.patch", "tags.cpp", "tags.h"];
/// Other systems' parts, and wrappers for other C libraries.
const LEFT_OUT: [&str; 3] = ["fuchsia.cpp", "trusty.cpp", "wrappers_c_bionic.cpp"];
/// The one file that may use instructions that not every processor has; it is called where there are some.
const CHECKSUM: &str = "crc32_hw.cpp";
/// As Scudo's own build does it.
const FLAGS: [&str; 9] = [
    "-O3",
    "-std=c++17",
    "-fPIC",
    "-fno-exceptions",
    "-fno-rtti",
    "-fvisibility=hidden",
    "-nostdinc++",
    "-pthread",
    "-Iinclude",
];
const LINK: [&str; 4] = ["-shared", "-nostdlib++", "-Wl,-z,defs,-z,now,-z,relro", "-olibscudo.so"];

fn main() -> Result<()> {
    println!("cargo::rerun-if-env-changed=CXX");
    for file in OURS {
        println!("cargo::rerun-if-changed={file}");
    }
    let folder = PathBuf::from(env::var("OUT_DIR")?).join("scudo");
    unpack(&source()?, &folder)?;
    compile(&folder)?;
    println!("cargo::rustc-env=REFSCUDO_FOLDER={}", folder.display());
    Ok(())
}

/// The folder that cargo unpacked the crate into.
fn source() -> Result<PathBuf> {
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo.args(["metadata", "--format-version=1", "--locked"]);
    let metadata: Value = serde_json::from_slice(&output(cargo)?)?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let found = packages.iter().find(|package| package["name"] == CRATE);
    let manifest = found.and_then(|package| package["manifest_path"].as_str());
    let manifest = manifest.with_context(|| format!("{CRATE} is not among the packages: check Cargo.toml"))?;
    Ok(Path::new(manifest).with_file_name("scudo-standalone"))
}

fn unpack(source: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    copy_files(source, folder)?;
    copy_files(&source.join("include/scudo"), &folder.join("include/scudo"))?;
    for name in OURS {
        fs::copy(name, folder.join(name))?;
    }
    output(at("patch", folder, ["--quiet", "-p1", "--input=scudo.patch"])).context("scudo.patch does not fit")?;
    Ok(())
}

fn copy_files(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn compile(folder: &Path) -> Result<()> {
    let compiler = env::var("CXX").unwrap_or_else(|_| "clang++".into());
    let (target, extra) = match env::var("CARGO_CFG_TARGET_ARCH")?.as_str() {
        "x86_64" => ("--target=x86_64-linux-gnu", "-msse4.2"),
        "aarch64" => ("--target=aarch64-linux-gnu", "-march=armv8-a+crc"),
        other => anyhow::bail!("Scudo is not built for {other} here: add the flag for its checksum"),
    };
    let common = || FLAGS.into_iter().chain([target]);
    output(at(&compiler, folder, common().chain([extra, "-c", CHECKSUM, "-ochecksum.o"])))?;
    let sources = sources(folder)?;
    let words = common().chain(LINK).chain(["checksum.o"]).chain(sources.iter().map(String::as_str));
    output(at(&compiler, folder, words))?;
    Ok(())
}

fn sources(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        if name.ends_with(".cpp") && name != CHECKSUM && !LEFT_OUT.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn at<W: AsRef<OsStr>>(program: &str, folder: &Path, words: impl IntoIterator<Item = W>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).args(words);
    command
}

fn output(mut command: Command) -> Result<Vec<u8>> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{program} cannot be started: install it"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} failed: {}{said}", String::from_utf8_lossy(&output.stdout));
    Ok(output.stdout)
}
