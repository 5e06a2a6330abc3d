//! KUnit suites and Rust doctests, run by the kernel at boot.

use crate::config::Config;
use crate::guest::Guest;
use crate::outcome::Case;
use crate::{complaints, kernel, kvm, tap};
use anyhow::{Result, bail};
use common::cmd;
use common::paths::Paths;
use common::progress::Step;
use regex::Regex;
use std::fs;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(600);

/// Boots the kernel with KUnit on and reads the results from the kernel's log.
pub fn run(paths: &Paths, config: Config) -> Result<Vec<Case>> {
    let kernel = kernel::ensure(paths, config)?;
    let log = paths.logs()?.join(paths.arch.named("kunit.log"));
    let guest = Guest {
        kvm: kvm::usable(paths, &kernel.image)?,
        append: vec!["kunit.enable=1".into()],
        limit: Some(LIMIT),
        ..Guest::new(paths, &kernel.image, &log)
    };
    let step = Step::begin("running KUnit in a guest", None);
    let status = guest.run("true", |_| {})?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if status != 0 {
        bail!("the guest ended with status {status}; {}: {}", paths.shown(&log).display(), cmd::tail(&text, 8));
    }
    let mut cases = tap::parse(messages(&text).iter().map(String::as_str));
    step.done(&format!("{} tests", cases.len()));
    let complaints = complaints::find(&text);
    cases.extend(complaints.into_iter().map(|complaint| Case::failed("kernel log", complaint)));
    Ok(cases)
}

/// The kernel's messages from the first KTAP line on, without their time.
fn messages(log: &str) -> Vec<String> {
    let stamp = Regex::new(r"^\[ *\d+\.\d+\](\[[^\]]*\])? ?").expect("the pattern is a constant that a test compiles");
    let lines = log.lines().map(|line| stamp.replace(line.trim_end_matches('\r'), "").into_owned());
    lines.skip_while(|line| !line.starts_with("KTAP version")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_found_among_other_messages() {
        let log = "[    0.1] ok 1 not yet\n[    0.2] KTAP version 1\r\n[    0.2] 1..1\n[    0.2][    T1]     KTAP version 1\n\
            [    0.2]     # Subtest: s\n[    0.2]     1..1\n[    0.3] random: crng init done\n[    0.3]     ok 1 a\n[    0.3] ok 1 s\n";
        let cases = tap::parse(messages(log).iter().map(String::as_str));
        assert_eq!(cases, [Case::passed("a")]);
    }
}
