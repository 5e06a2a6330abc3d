//! Progress of long work: a bar on a terminal, plain lines elsewhere. All of it goes to the error output.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

const PLAIN_INTERVAL: Duration = Duration::from_secs(30);

/// One piece of work that is shown while it lasts.
pub struct Step {
    title: String,
    bar: Option<ProgressBar>,
    start: Instant,
    shown: Instant,
}

impl Step {
    /// Begins a step. With a total, the bar shows the share that is done.
    pub fn begin(title: impl Into<String>, total: Option<u64>) -> Self {
        let title = title.into();
        let bar = std::io::stderr().is_terminal().then(|| bar(&title, total));
        if bar.is_none() {
            eprintln!("{title} ...");
        }
        let now = Instant::now();
        Self { title, bar, start: now, shown: now }
    }

    /// Says how far the work is.
    pub fn set(&mut self, done: u64, note: &str) {
        match &self.bar {
            Some(bar) => {
                if bar.length().is_some_and(|length| done > length) {
                    bar.set_length(done);
                }
                bar.set_position(done);
                bar.set_message(note.to_owned());
            }
            None if self.shown.elapsed() >= PLAIN_INTERVAL => {
                self.shown = Instant::now();
                eprintln!("{}: {done} {note} ({} s)", self.title, self.start.elapsed().as_secs());
            }
            None => {}
        }
    }

    /// Ends the step with a line that stays.
    pub fn done(self, result: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let gap = if result.is_empty() { "" } else { ": " };
        eprintln!("{}{gap}{result} ({:.1} s)", self.title, self.start.elapsed().as_secs_f64());
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(title: &str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{prefix} [{bar:30}] {percent:>3} % {elapsed} {wide_msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {prefix} {elapsed} {pos} {wide_msg}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    bar.set_prefix(title.to_owned());
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
