//! Complaints of compilers and checkers, told apart from those that the base has already.

use std::collections::BTreeMap;
use std::path::Path;

/// A complaint without its place in the file, and one line that shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Complaint {
    key: String,
    pub shown: String,
}

/// Finds the complaints in a log. Paths below `tree` are made relative, so that two trees can be compared.
pub fn find(log: &str, tree: &Path) -> Vec<Complaint> {
    let root = format!("{}/", tree.display());
    let lines: Vec<String> = log.lines().map(|line| line.replace(&root, "").replace("../", "")).collect();
    let complains = |line: &str| {
        let line = line.to_ascii_lowercase();
        line.contains("warning:") || line.contains("error:") || line.starts_with("error[")
    };
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| complains(line)) {
        let place = lines.get(index + 1).and_then(|next| next.trim_start().strip_prefix("--> "));
        let shown = place.map_or_else(|| line.trim().to_owned(), |place| format!("{place}: {line}"));
        found.push(Complaint { key: without_lines(&shown), shown });
    }
    found
}

/// Those that `new` has more often than `old`.
pub fn added(old: &[Complaint], new: &[Complaint]) -> Vec<String> {
    let mut known = BTreeMap::<&str, usize>::new();
    for complaint in old {
        *known.entry(&complaint.key).or_default() += 1;
    }
    let mut added = Vec::new();
    for complaint in new {
        match known.get_mut(complaint.key.as_str()) {
            Some(left) if *left > 0 => *left -= 1,
            _ => added.push(complaint.shown.clone()),
        }
    }
    added
}

/// `mm/x.c:12:3: warning: y` becomes `mm/x.c: warning: y`.
fn without_lines(text: &str) -> String {
    let mut parts = text.split(':');
    let mut key = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        if rest.len() == part.len() {
            key.push(':');
        }
        key.push_str(rest);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(log: &str) -> Vec<Complaint> {
        find(log, Path::new("/k"))
    }

    #[test]
    fn finds_those_of_c_rust_and_kernel_doc() {
        let log = "CC x.o\n/k/mm/x.c:3:4: warning: unused\nwarning: needless\n   --> ../mm/y.rs:7:1\nWarning: mm/z.h:9 no doc\nerror[E1]: no\n";
        let shown: Vec<String> = find_in(log).into_iter().map(|complaint| complaint.shown).collect();
        assert_eq!(
            shown,
            [
                "mm/x.c:3:4: warning: unused",
                "mm/y.rs:7:1: warning: needless",
                "Warning: mm/z.h:9 no doc",
                "error[E1]: no"
            ]
        );
    }

    #[test]
    fn a_complaint_that_moved_is_not_added() {
        let old = find_in("mm/x.c:3:4: warning: unused\nWarning: mm/z.h:9 no doc\n");
        let new = find_in("mm/x.c:30:4: warning: unused\nmm/x.c:31:4: warning: unused\nWarning: mm/z.h:10 no doc\n");
        assert_eq!(added(&old, &new), ["mm/x.c:31:4: warning: unused"]);
        assert_eq!(added(&[], &old).len(), 2);
    }
}
