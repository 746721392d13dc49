//! The terminal as indicatif draws on it. indicatif decides when something is drawn; here is how: a
//! frame is one write that replaces the last one line by line, and that is left out if it shows the
//! same, so that nothing flickers. Every line ends with a line feed, so that a terminal that was
//! resized does not join them; the rows that its lines take then are counted again. The last line of
//! a frame has no line feed, so a frame that replaces nothing begins below it.

use std::io;
use std::sync::Mutex;

use console::{Term, measure_text_width};
use indicatif::TermLike;

use crate::base::sync::lock;

/// Removes the rest of the line.
const TO_LINE_END: &str = "\u{1b}[K";
/// Removes everything below the cursor.
const BELOW: &str = "\u{1b}[J";

/// stderr, for indicatif.
#[derive(Debug)]
pub(super) struct LiveScreen {
    terminal: Term,
    canvas: Mutex<Canvas>,
}

impl LiveScreen {
    pub(super) fn stderr() -> Self {
        Self {
            terminal: Term::stderr(),
            canvas: Mutex::default(),
        }
    }
}

/// What is drawn, and the frame that replaces it.
#[derive(Debug, Default)]
struct Canvas {
    /// The lines on the screen; the last rows of them belong to the next frame.
    drawn: Vec<String>,
    /// How wide the terminal was.
    columns: usize,
    /// How wide indicatif took it to be for what is drawn, and for the next frame. It differs if the
    /// terminal was resized while a frame was made.
    counted: usize,
    measured: usize,
    /// The lines of the next frame.
    lines: Vec<String>,
    /// How many rows of what is drawn the next frame replaces.
    replaced: usize,
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

    /// What draws the frame; none if it is on the screen already.
    fn frame(&mut self, columns: usize) -> Option<String> {
        let columns = columns.max(1);
        let lines = std::mem::take(&mut self.lines);
        let was_drawn = !self.drawn.is_empty();
        let old = self.take_replaced();
        // The cursor is at the end of a line that stays: one that was printed before the table was
        // drawn for the first time.
        let begins_below = was_drawn && old.is_empty();
        self.expects_filler = false;
        let rows: usize = old.iter().map(|line| rows_of(line, columns)).sum();
        // Its lines may also be too long for a terminal that was resized while they were made.
        let is_resized = columns != self.columns && !old.is_empty() || rows > old.len();
        let is_same = lines == old && !is_resized && !begins_below;
        self.drawn.clone_from(&lines);
        self.columns = columns;
        self.counted = self.measured;
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
            frame += BELOW;
        }
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
        frame += BELOW;
        Some(frame)
    }

    /// The lines of the last frame that the next one replaces: those of its last rows, as many as
    /// indicatif has counted then.
    fn take_replaced(&mut self) -> Vec<String> {
        let mut left = std::mem::take(&mut self.replaced);
        let mut old = std::mem::take(&mut self.drawn);
        let kept = old.iter().rposition(|line| {
            let is_kept = left == 0;
            left = left.saturating_sub(rows_of(line, self.counted));
            is_kept
        });
        old.split_off(kept.map_or(0, |at| at + 1))
    }
}

/// How many rows a line takes.
fn rows_of(line: &str, columns: usize) -> usize {
    measure_text_width(line).div_ceil(columns.max(1)).max(1)
}

impl TermLike for LiveScreen {
    fn width(&self) -> u16 {
        let columns = self.terminal.size().1;
        lock(&self.canvas).measured = usize::from(columns);
        columns
    }

    fn height(&self) -> u16 {
        self.terminal.size().0
    }

    // The frame moves the cursor itself.
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

    fn write_line(&self, text: &str) -> io::Result<()> {
        lock(&self.canvas).lines.push(text.to_owned());
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        lock(&self.canvas).write(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        lock(&self.canvas).replaced += 1;
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let columns = usize::from(self.terminal.size().1);
        let frame = lock(&self.canvas).frame(columns);
        match frame {
            Some(frame) => {
                self.terminal.write_str(&frame)?;
                self.terminal.flush()
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(
        canvas: &mut Canvas,
        replaced: usize,
        columns: usize,
        lines: &[&str],
    ) -> Option<String> {
        canvas.replaced = replaced;
        canvas.measured = columns;
        for line in lines {
            canvas.write(line);
            canvas.write("   ");
        }
        canvas.frame(columns)
    }

    #[test]
    fn a_frame_replaces_the_last_one_and_is_left_out_if_it_shows_the_same() {
        let mut canvas = Canvas::default();
        let first = draw(&mut canvas, 0, 80, &["one", "two"]).unwrap();
        assert_eq!(first, "\rone\u{1b}[K\r\ntwo\u{1b}[K\u{1b}[J");
        assert_eq!(draw(&mut canvas, 2, 80, &["one", "two"]), None);
        // A line above the table scrolls: two rows are replaced by three.
        let line = draw(&mut canvas, 2, 80, &["above", "one", "two"]).unwrap();
        assert!(line.starts_with("\u{1b}[1A\rabove"), "{line:?}");
        let next = draw(&mut canvas, 2, 80, &["one", "three"]).unwrap();
        assert!(next.starts_with("\u{1b}[1A\rone"), "{next:?}");
        // Removed: nothing is left, and the next frame begins where the cursor is.
        assert_eq!(
            draw(&mut canvas, 2, 80, &[]).unwrap(),
            "\u{1b}[1A\r\u{1b}[J"
        );
        assert!(
            draw(&mut canvas, 0, 80, &["one"])
                .unwrap()
                .starts_with("\rone")
        );
    }

    #[test]
    fn a_frame_that_was_made_for_a_wider_terminal_is_replaced_whole() {
        let mut canvas = Canvas::default();
        draw(&mut canvas, 0, 20, &["head of twelve", "row of twelve"]).unwrap();
        // The terminal becomes narrower after indicatif has counted two rows.
        canvas.measured = 20;
        canvas.replaced = 2;
        for line in ["head of twelve", "row of twelve"] {
            canvas.write(line);
            canvas.write("");
        }
        canvas.frame(10).unwrap();
        let next = draw(&mut canvas, 2, 10, &["head", "row"]).unwrap();
        assert!(next.starts_with("\u{1b}[3A\r\u{1b}[J"), "{next:?}");
    }

    #[test]
    fn a_line_that_is_printed_before_the_table_is_drawn_stays() {
        let shown = |next: &[&str], rest: &str| {
            let mut canvas = Canvas::default();
            let mut terminal = vt100::Parser::new(24, 80, 0);
            // indicatif counts only the rows of the table for the next frame: here there are none.
            for lines in [&["[1/8] copy-environments"][..], next] {
                let frame = draw(&mut canvas, 0, 80, lines).unwrap_or_default();
                terminal.process(frame.as_bytes());
            }
            terminal.process(rest.as_bytes());
            terminal.screen().contents()
        };
        let line = "[1/8] copy-environments\n";
        assert_eq!(shown(&["", "table"], ""), format!("{line}\ntable"));
        assert_eq!(shown(&["[2/8]"], ""), format!("{line}[2/8]"));
        // No frame, but what is written next without one.
        assert_eq!(shown(&[], "another"), format!("{line}another"));
    }

    #[test]
    fn a_narrower_terminal_has_broken_the_lines_and_no_row_is_left_behind() {
        let mut canvas = Canvas::default();
        let wide = "x".repeat(60);
        draw(&mut canvas, 0, 80, &[&wide, "two"]);
        let narrow = draw(&mut canvas, 2, 40, &["one", "two"]).unwrap();
        assert!(narrow.starts_with("\u{1b}[2A\r\u{1b}[Jone"), "{narrow:?}");
        let again = draw(&mut canvas, 2, 40, &["one", "three"]).unwrap();
        assert!(again.starts_with("\u{1b}[1A\rone"), "{again:?}");
        // A line as wide as the terminal keeps its last character.
        let full = "x".repeat(40);
        let full = draw(&mut canvas, 2, 40, &[&full]).unwrap();
        assert!(full.ends_with("xx\u{1b}[J"), "{full:?}");
    }
}
