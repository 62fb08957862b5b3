//! Progress while waiting: one line that changes at a terminal, else a line per change.

use super::output;
use super::text::printable;
use std::time::Duration;
use unicode_width::UnicodeWidthStr as _;

const FRAMES: [char; 8] = ['⣾', '⣽', '⣻', '⢿', '⡿', '⣟', '⣯', '⣷'];

/// How often the line at a terminal moves.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// Tells how far something is.
#[derive(Debug)]
pub(super) struct Progress {
    terminal: bool,
    text: String,
    frame: usize,
}

impl Progress {
    pub(super) fn start() -> Self {
        Self { terminal: output::progress_on_terminal(), text: String::new(), frame: 0 }
    }

    /// Tells a new state.
    pub(super) fn tell(&mut self, text: &str) {
        let text = printable(text);
        if text == self.text {
            return;
        }
        self.text = text;
        if self.terminal { self.draw() } else { output::remark(&self.text) }
    }

    /// Moves the line at a terminal.
    pub(super) fn tick(&mut self) {
        if self.terminal && !self.text.is_empty() {
            self.frame += 1;
            self.draw();
        }
    }

    /// Takes the line away.
    pub(super) fn done(&mut self) {
        if self.terminal && !self.text.is_empty() {
            output::part("\r\u{1b}[2K");
            self.text.clear();
        }
    }

    fn draw(&self) {
        let frame = FRAMES.iter().cycle().nth(self.frame % FRAMES.len()).unwrap_or(&' ');
        let mut line = format!("{frame} {}", self.text);
        while line.width() >= output::columns() {
            line.pop();
        }
        output::part(&format!("\r\u{1b}[2K{line}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done();
    }
}
