//! Tables without borders, as kubectl prints them.

use super::text::printable;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Blanks between two columns.
const GAP: usize = 2;
/// No column is cut below this width.
const NARROWEST: usize = 6;

/// How a cell is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Neither good nor bad.
    Plain,
    /// As it should be.
    Good,
    /// On its way.
    Waiting,
    /// Somebody should look.
    Bad,
}

/// One cell.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell with a meaning.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: printable(&text.into()), tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// A table with a head.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(head: impl IntoIterator<Item = &'static str>) -> Self {
        Self { rows: vec![head.into_iter().map(Cell::from).collect()] }
    }

    /// One more row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as text; cut to `columns` when they are given.
    pub fn render(&self, columns: Option<usize>, colour: bool) -> String {
        let widths = self.widths(columns);
        let mut out = String::new();
        for row in &self.rows {
            let mut line = String::new();
            let mut owed = 0;
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&" ".repeat(owed));
                let text = elide(&cell.text, *width);
                owed = GAP + width.saturating_sub(text.width());
                line.push_str(&painted(&text, cell.tone, colour));
            }
            out.push_str(&line);
            out.push('\n');
        }
        out
    }

    fn widths(&self, columns: Option<usize>) -> Vec<usize> {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let widest =
            |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.width()).max();
        let mut widths: Vec<usize> = (0..count).map(|column| widest(column).unwrap_or_default()).collect();
        let Some(columns) = columns else { return widths };
        let room = columns.saturating_sub(GAP * count.saturating_sub(1));
        while widths.iter().sum::<usize>() > room {
            match widths.iter_mut().max() {
                Some(width) if *width > NARROWEST => *width -= 1,
                _ => break,
            }
        }
        widths
    }
}

fn elide(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let kept = text.chars().take_while(|c| {
        used += c.width().unwrap_or_default();
        used <= width
    });
    kept.chain(['…']).collect()
}

fn painted(text: &str, tone: Tone, colour: bool) -> String {
    let code = match tone {
        Tone::Plain => return text.to_owned(),
        _ if !colour => return text.to_owned(),
        Tone::Good => 32,
        Tone::Waiting => 33,
        Tone::Bad => 31,
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["NAME", "READY", "URL"]);
        table.row(["a".into(), Cell::toned("True", Tone::Good), "http://fronthaimaz.int.localhost:8080/".into()]);
        table.row(["日本".into(), Cell::toned("False", Tone::Bad), "-".into()]);
        table
    }

    #[test]
    fn columns_line_up_and_lines_end_without_blanks() {
        let wanted = "NAME  READY  URL\na     True   http://fronthaimaz.int.localhost:8080/\n日本  False  -\n";
        assert_eq!(table().render(None, false), wanted);
    }

    #[test]
    fn the_widest_column_is_cut_to_fit() {
        let text = table().render(Some(30), false);
        assert!(text.lines().all(|line| line.width() <= 30), "{text}");
        assert!(text.contains("http://fronthaim…"), "{text}");
    }

    #[test]
    fn colour_is_for_the_tones_alone() {
        assert_eq!(table().render(None, true).matches("\u{1b}[").count(), 4);
    }
}
