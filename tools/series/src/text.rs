//! What every changelog must keep to.

use anyhow::Result;

use crate::patch::Patch;
use crate::project::Project;
use crate::sync::Finding;

const WIDTH: usize = 75;
/// Whoever reviews and sends the series adds these.
const TRAILERS: &[&str] = &["signed-off-by:", "co-developed-by:", "assisted-by:"];

/// Subject, width of lines, trailers.
pub fn check_patch(patch: &Patch) -> Vec<Finding> {
    let file = &patch.file;
    let mend = "reword the commit in the tree and run `make export`";
    let mut findings = Vec::new();
    if patch.subject.chars().count() > WIDTH {
        findings.push(Finding::new(format!("{file}: the subject has more than {WIDTH} columns"), mend));
    }
    if patch.message.iter().all(|line| line.trim().is_empty()) {
        findings.push(Finding::new(format!("{file}: there is no changelog"), mend));
    }
    for line in patch.message.iter().filter(|line| is_too_wide(line)) {
        findings.push(Finding::new(format!("{file}: the line \"{line}\" has more than {WIDTH} columns"), mend));
    }
    for line in patch.message.iter().filter(|line| is_trailer(line)) {
        findings.push(Finding::new(format!("{file}: \"{line}\" is for the person who sends the series to add"), mend));
    }
    findings
}

/// The cover letter takes no trailer either.
pub fn check_cover(project: &Project) -> Result<Vec<Finding>> {
    let path = "patches/cover-letter.txt";
    if !project.path(path).exists() {
        return Ok(vec![Finding::new(
            format!("{path} is missing"),
            "write it: first line the subject, then an empty line, then the text",
        )]);
    }
    let cover = project.read(path)?;
    let trailers = cover.lines().filter(|line| is_trailer(line));
    Ok(trailers
        .map(|line| {
            Finding::new(format!("{path}: \"{line}\" is for the person who sends the series to add"), "delete the line")
        })
        .collect())
}

/// Quotes are indented, and an address cannot be folded.
fn is_too_wide(line: &str) -> bool {
    line.chars().count() > WIDTH && !line.starts_with([' ', '\t']) && !line.contains("://")
}

fn is_trailer(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    TRAILERS.iter().any(|trailer| line.starts_with(trailer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(subject: &str, message: &[&str]) -> usize {
        let message = message.iter().map(|line| (*line).to_owned()).collect();
        check_patch(&Patch { file: "f".into(), subject: subject.into(), message, changes: Vec::new() }).len()
    }

    #[test]
    fn accepts_what_is_right() {
        assert_eq!(
            findings(
                &"s".repeat(75),
                &["Why.", &"x".repeat(75), &format!("    {}", "q".repeat(90)), &format!("https://{}", "u".repeat(90))]
            ),
            0
        );
    }

    #[test]
    fn finds_each_fault() {
        assert_eq!(findings(&"s".repeat(76), &["Why."]), 1);
        assert_eq!(findings("s", &["", " "]), 1);
        assert_eq!(findings("s", &["Why.", &"x".repeat(76)]), 1);
        assert_eq!(findings("s", &["Why.", "Signed-off-by: A <a@b>", "assisted-by: x"]), 2);
    }
}
