//! `b4.toml` is TOML for people and git configuration for b4: both readers must see the same.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::Result;
use common::cmd;
use toml::{Table, Value};

use crate::project::Project;
use crate::sync::Finding;

const FILE: &str = "b4.toml";
const LINK: &str = ".b4-config";

/// The file parses equally in both languages, and b4 finds it.
pub fn check(project: &Project) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let link = project.path(LINK).canonicalize().ok();
    if link.is_none() || link != project.path(FILE).canonicalize().ok() {
        findings.push(Finding::new(
            format!("{LINK} does not lead to {FILE}"),
            format!("`ln -sf {FILE} {LINK}` makes b4 read it"),
        ));
    }
    if !project.path(FILE).exists() {
        return Ok(findings);
    }
    let as_toml = match from_toml(&project.read(FILE)?) {
        Ok(values) => values,
        Err(problem) => {
            return Ok(vec![Finding::new(format!("{FILE}: {problem}"), "write [table] and key = \"value\" only")]);
        }
    };
    let mut command = Command::new("git");
    command.args(["config", "--list", "--null", "--file"]).arg(project.path(FILE));
    match cmd::output(&mut command) {
        Ok(text) if from_git(&text) == as_toml => {}
        Ok(_) => findings.push(Finding::new(
            format!("{FILE} says one thing as TOML and another to git"),
            "write [table] and key = \"value\" only",
        )),
        Err(error) => findings.push(Finding::new(format!("{FILE}: {error}"), "write [table] and key = \"value\" only")),
    }
    Ok(findings)
}

/// One value of `b4.toml`.
pub fn value(project: &Project, table: &str, key: &str) -> Result<Option<String>> {
    let table: Option<Table> = project.read(FILE)?.parse::<Table>()?.get(table).and_then(Value::as_table).cloned();
    Ok(table.and_then(|table| table.get(key).and_then(Value::as_str).map(str::to_owned)))
}

fn from_toml(text: &str) -> Result<BTreeMap<String, String>, String> {
    let root: Table = text.parse().map_err(|error: toml::de::Error| format!("not TOML: {}", error.message()))?;
    let mut values = BTreeMap::new();
    for (section, table) in &root {
        let table = table.as_table().ok_or_else(|| format!("{section} stands outside of a table"))?;
        for (key, value) in table {
            let value = value.as_str().ok_or_else(|| format!("{section}.{key} is not a string"))?;
            values.insert(format!("{section}.{key}").to_ascii_lowercase(), value.to_owned());
        }
    }
    Ok(values)
}

/// `git config --list --null`: key, newline, value, NUL.
fn from_git(text: &str) -> BTreeMap<String, String> {
    text.split('\0')
        .filter_map(|entry| entry.split_once('\n'))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_readers_agree() {
        let toml = from_toml("[b4]\nsend-series-to = \"a@b\"\n").unwrap();
        assert_eq!(toml, from_git("b4.send-series-to\na@b\0"));
    }

    #[test]
    fn refuses_what_git_would_read_differently() {
        assert!(from_toml("[b4]\nkey = [\"a\"]\n").is_err());
        assert!(from_toml("[b4]\nkey = 1\n").is_err());
        assert!(from_toml("key = \"a\"\n").is_err());
        assert!(from_toml("[b4]\nkey = \"a\"\nkey = \"b\"\n").is_err());
    }
}
