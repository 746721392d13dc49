//! The terminal as indicatif draws on it. indicatif decides when something is drawn; here is how: a
//! frame is one write that replaces the last one line by line, and that is left out if it shows the
//! same, so that nothing flickers. The size of the terminal is measured once for a frame: for that
//! size the table is made, its rows are counted, and it is written. So indicatif draws a mark in
//! place of the table, which it would make earlier. Every line ends with a line feed, so that a
//! terminal that was resized does not join them; the rows that its lines take then are counted again.
//! The last line of a frame has no line feed, so a frame that replaces nothing begins below it.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use console::{Term, measure_text_width};
use indicatif::TermLike;

use crate::base::sync::lock;

/// What indicatif draws in place of the table. No text for people contains it.
pub(super) const TABLE_MARK: &str = "\u{1}table";

/// Removes the rest of the line.
const TO_LINE_END: &str = "\u{1b}[K";
/// Removes everything below the cursor.
const BELOW: &str = "\u{1b}[J";

/// How often a frame is made again because the terminal was resized meanwhile.
const ATTEMPTS: usize = 5;

/// Makes the lines of the table for a terminal of so many rows and columns.
type MakeTable = Arc<dyn Fn(usize, usize) -> Vec<String> + Send + Sync>;

/// stderr, for indicatif. Clones are the same screen.
#[derive(Clone)]
pub(super) struct LiveScreen {
    inner: Arc<Inner>,
}

struct Inner {
    terminal: Term,
    canvas: Mutex<Canvas>,
    table: Mutex<Option<MakeTable>>,
}

impl LiveScreen {
    pub(super) fn stderr() -> Self {
        Self {
            inner: Arc::new(Inner {
                terminal: Term::stderr(),
                canvas: Mutex::default(),
                table: Mutex::default(),
            }),
        }
    }

    /// From now on, the mark stands for this table.
    pub(super) fn set_table(
        &self,
        table: impl Fn(usize, usize) -> Vec<String> + Send + Sync + 'static,
    ) {
        *lock(&self.inner.table) = Some(Arc::new(table));
    }

    /// The lines of the table, and the size for which they are made.
    fn make_table(&self) -> (Vec<String>, usize) {
        let table = lock(&self.inner.table).clone();
        let make = |(rows, columns): (u16, u16)| {
            let (rows, columns) = (usize::from(rows), usize::from(columns));
            table
                .as_ref()
                .map_or_else(Vec::new, |table| table(rows, columns))
        };
        make_for_size(|| self.inner.terminal.size(), make)
    }
}

/// What `make` makes for the size of the terminal, and how many columns it has; made again if the
/// terminal was resized meanwhile.
fn make_for_size(
    measure: impl Fn() -> (u16, u16),
    make: impl Fn((u16, u16)) -> Vec<String>,
) -> (Vec<String>, usize) {
    let mut size = measure();
    let mut lines = make(size);
    for _ in 1..ATTEMPTS {
        let now = measure();
        if now == size {
            break;
        }
        size = now;
        lines = make(size);
    }
    (lines, usize::from(size.1))
}

impl fmt::Debug for LiveScreen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveScreen").finish_non_exhaustive()
    }
}

/// What is drawn, and the frame that replaces it.
#[derive(Debug, Default)]
struct Canvas {
    /// The lines of the table that is on the screen, at its end.
    table: Vec<String>,
    /// How wide the terminal was for them.
    columns: usize,
    /// Is the cursor at the end of a line that stays?
    is_after_line: bool,
    /// The lines of the next frame, with the mark of the table.
    lines: Vec<String>,
    /// Is the next text the filler after a line?
    expects_filler: bool,
}

impl Canvas {
    /// A line, or the spaces after it; indicatif writes them in turn.
    fn write(&mut self, text: &str) {
        if !self.expects_filler {
            self.lines.push(text.to_owned());
        }
        self.expects_filler = !self.expects_filler;
    }

    /// The lines of the next frame above the table, and whether it has a table.
    fn take_lines(&mut self) -> (Vec<String>, bool) {
        self.expects_filler = false;
        let mut lines = std::mem::take(&mut self.lines);
        let all = lines.len();
        lines.retain(|line| line != TABLE_MARK);
        let has_table = lines.len() < all;
        (lines, has_table)
    }

    /// What draws these lines, which stay, and the table below them in place of the last one; none if
    /// it is on the screen already.
    fn frame(
        &mut self,
        mut lines: Vec<String>,
        table: Vec<String>,
        columns: usize,
    ) -> Option<String> {
        let columns = columns.max(1);
        let old = std::mem::take(&mut self.table);
        // A line was printed before the table was drawn for the first time.
        let begins_below = self.is_after_line && old.is_empty();
        let rows: usize = old.iter().map(|line| rows_of(line, columns)).sum();
        let is_resized = columns != self.columns && !old.is_empty();
        let is_same = lines.is_empty() && table == old && !is_resized && !begins_below;
        self.is_after_line = table.is_empty() && !lines.is_empty();
        self.table.clone_from(&table);
        self.columns = columns;
        if is_same {
            return None;
        }
        let mut frame = String::new();
        if rows > 1 {
            frame += &format!("\u{1b}[{}A", rows - 1);
        }
        frame.push('\r');
        if begins_below {
            frame.push('\n');
        }
        if is_resized {
            // A row that the terminal has broken stays joined to the next one when it is only
            // written over (seen in tmux 3.3a): a wider terminal would then take both for one row.
            frame += clear_rows(rows);
        }
        lines.extend(table);
        for (at, line) in lines.iter().enumerate() {
            if at > 0 {
                frame += "\r\n";
            }
            frame += line;
            // In the last column, it would remove the last character.
            let width = measure_text_width(line);
            if width == 0 || !width.is_multiple_of(columns) {
                frame += TO_LINE_END;
            }
        }
        frame += if lines.is_empty() {
            clear_rows(rows)
        } else {
            BELOW
        };
        Some(frame)
    }
}

/// Removes a table of so many rows, from the beginning of its first row. That row is removed by
/// itself: if everything from the first row of the screen on is removed at once, tmux keeps it above
/// the screen (seen in 3.3a), and an old table stays there.
fn clear_rows(rows: usize) -> &'static str {
    if rows > 1 {
        "\u{1b}[2K\u{1b}[1B\u{1b}[J\u{1b}[1A"
    } else {
        BELOW
    }
}

/// How many rows a line takes.
fn rows_of(line: &str, columns: usize) -> usize {
    measure_text_width(line).div_ceil(columns.max(1)).max(1)
}

impl TermLike for LiveScreen {
    fn width(&self) -> u16 {
        self.inner.terminal.size().1
    }

    fn height(&self) -> u16 {
        self.inner.terminal.size().0
    }

    // The frame moves the cursor itself, and replaces the table whole.
    fn move_cursor_up(&self, _rows: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _rows: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _columns: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _columns: usize) -> io::Result<()> {
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        lock(&self.inner.canvas).lines.push(text.to_owned());
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        lock(&self.inner.canvas).write(text);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let (lines, has_table) = lock(&self.inner.canvas).take_lines();
        let (table, columns) = if has_table {
            self.make_table()
        } else {
            (Vec::new(), usize::from(self.width()))
        };
        let frame = lock(&self.inner.canvas).frame(lines, table, columns);
        match frame {
            Some(frame) => {
                self.inner.terminal.write_str(&frame)?;
                self.inner.terminal.flush()
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A frame as indicatif draws it: printed lines, and the mark if there is a table.
    fn draw(
        canvas: &mut Canvas,
        columns: usize,
        printed: &[&str],
        table: &[&str],
    ) -> Option<String> {
        let mark = (!table.is_empty()).then_some(&TABLE_MARK);
        for line in printed.iter().chain(mark) {
            canvas.write(line);
            canvas.write("   ");
        }
        let (lines, has_table) = canvas.take_lines();
        assert_eq!(has_table, !table.is_empty());
        let table = table.iter().map(|line| (*line).to_owned());
        canvas.frame(lines, table.collect(), columns)
    }

    #[test]
    fn a_frame_replaces_the_last_one_and_is_left_out_if_it_shows_the_same() {
        let mut canvas = Canvas::default();
        let first = draw(&mut canvas, 80, &[], &["one", "two"]).unwrap();
        assert_eq!(first, "\rone\u{1b}[K\r\ntwo\u{1b}[K\u{1b}[J");
        assert_eq!(draw(&mut canvas, 80, &[], &["one", "two"]), None);
        // A line above the table scrolls: two rows are replaced by three.
        let line = draw(&mut canvas, 80, &["above"], &["one", "two"]).unwrap();
        assert!(line.starts_with("\u{1b}[1A\rabove"), "{line:?}");
        let next = draw(&mut canvas, 80, &[], &["one", "three"]).unwrap();
        assert!(next.starts_with("\u{1b}[1A\rone"), "{next:?}");
        // Removed: nothing is left, and the next frame begins where the cursor is.
        assert_eq!(
            draw(&mut canvas, 80, &[], &[]).unwrap(),
            "\u{1b}[1A\r\u{1b}[2K\u{1b}[1B\u{1b}[J\u{1b}[1A"
        );
        assert!(
            draw(&mut canvas, 80, &[], &["one"])
                .unwrap()
                .starts_with("\rone")
        );
    }

    #[test]
    fn a_table_is_made_for_the_size_at_which_it_is_written() {
        // The terminal becomes narrower while the first table is made.
        let columns = Cell::new(20);
        let made = Cell::new(0);
        let (lines, written_for) = make_for_size(
            || (24, columns.get()),
            |(_, width)| {
                columns.set(10);
                made.set(made.get() + 1);
                vec![format!("table of {width}")]
            },
        );
        assert_eq!(lines, ["table of 10"]);
        assert_eq!((written_for, made.get()), (10, 2));
    }

    #[test]
    fn a_line_that_is_printed_before_the_table_is_drawn_stays() {
        let shown = |printed: &[&str], table: &[&str], rest: &str| {
            let mut canvas = Canvas::default();
            let mut terminal = vt100::Parser::new(24, 80, 0);
            let first = draw(&mut canvas, 80, &["[1/8] copy-environments"], &[]);
            let next = draw(&mut canvas, 80, printed, table);
            for frame in [first, next] {
                terminal.process(frame.unwrap_or_default().as_bytes());
            }
            terminal.process(rest.as_bytes());
            terminal.screen().contents()
        };
        let line = "[1/8] copy-environments\n";
        assert_eq!(shown(&[], &["", "table"], ""), format!("{line}\ntable"));
        assert_eq!(shown(&["[2/8]"], &[], ""), format!("{line}[2/8]"));
        // No frame, but what is written next without one.
        assert_eq!(shown(&[], &[], "another"), format!("{line}another"));
    }

    #[test]
    fn a_narrower_terminal_has_broken_the_lines_and_no_row_is_left_behind() {
        let mut canvas = Canvas::default();
        let wide = "x".repeat(60);
        draw(&mut canvas, 80, &[], &[&wide, "two"]);
        let narrow = draw(&mut canvas, 40, &[], &["one", "two"]).unwrap();
        let cleared = "\u{1b}[2A\r\u{1b}[2K\u{1b}[1B\u{1b}[J\u{1b}[1Aone";
        assert!(narrow.starts_with(cleared), "{narrow:?}");
        let again = draw(&mut canvas, 40, &[], &["one", "three"]).unwrap();
        assert!(again.starts_with("\u{1b}[1A\rone"), "{again:?}");
        // A line as wide as the terminal keeps its last character.
        let full = "x".repeat(40);
        let full = draw(&mut canvas, 40, &[], &[&full]).unwrap();
        assert!(full.ends_with("xx\u{1b}[J"), "{full:?}");
    }
}
