//! The series as a mailbox, as a list archive would hold it: for tools that read mail.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};

use crate::b4_config;
use crate::list;
use crate::project::Project;

const COVER: &str = "patches/cover-letter.txt";
const FROM: &str = "From mboxrd@z Thu Jan  1 00:00:00 1970";

/// Cover letter and patches as one thread.
pub fn render(project: &Project) -> Result<String> {
    let version = b4_config::value(project, "series", "version")?.unwrap_or_else(|| "1".into());
    let text = project.read("patches/series")?;
    let names = list::names(&text);
    let tag =
        |number: usize| format!("[PATCH v{version} {number:0width$}/{}]", names.len(), width = digits(names.len()));
    let mut mbox = cover(&project.read(COVER)?, &tag(0))?;
    for (index, name) in names.iter().enumerate() {
        let number = index + 1;
        let patch = project.read(&format!("patches/{name}"))?;
        writeln!(mbox, "{FROM}\nMessage-ID: <{number}@series.localhost>\nIn-Reply-To: <0@series.localhost>")?;
        writeln!(mbox, "{}", message(&patch, &tag(number)).with_context(|| format!("{name} is not a patch"))?)?;
    }
    Ok(mbox)
}

fn digits(count: usize) -> usize {
    count.to_string().len()
}

/// First line: the subject; then an empty line; then the text.
fn cover(text: &str, tag: &str) -> Result<String> {
    let Some((subject, body)) = text.split_once("\n\n") else {
        bail!("{COVER} needs a subject, an empty line and a text");
    };
    let head =
        "From: series <series@localhost>\nDate: Thu, 1 Jan 1970 00:00:00 +0000\nMessage-ID: <0@series.localhost>";
    Ok(format!("{FROM}\n{head}\nSubject: {tag} {}\n\n{}\n", subject.trim(), escape(body)))
}

/// The patch without its own "From " line, numbered.
fn message(patch: &str, tag: &str) -> Option<String> {
    let (_, mail) = patch.split_once('\n')?;
    Some(escape(&mail.replacen("Subject: [PATCH]", &format!("Subject: {tag}"), 1)))
}

/// A line that starts with "From " would begin the next message.
fn escape(text: &str) -> String {
    text.lines().fold(String::new(), |mut all, line| {
        if line.trim_start_matches('>').starts_with("From ") {
            all.push('>');
        }
        all.push_str(line);
        all.push('\n');
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_the_subject() {
        let mail =
            message("From 0\nFrom: A <a@b>\nSubject: [PATCH] mm: x\n\nFrom here on.\n", "[PATCH v2 03/12]").unwrap();
        assert_eq!(mail, "From: A <a@b>\nSubject: [PATCH v2 03/12] mm: x\n\n>From here on.\n");
    }

    #[test]
    fn a_cover_needs_a_subject() {
        assert!(cover("text", "[PATCH 0/1]").is_err());
        assert!(
            cover("A title\n\nText.\n", "[PATCH 0/1]").unwrap().contains("Subject: [PATCH 0/1] A title\n\nText.\n")
        );
    }
}
