//! A text at a terminal that is drawn again in place: `status --follow`.

use console::measure_text_width;

/// Moves the cursor to the beginning, and removes everything: the first row by itself, because tmux
/// keeps what is removed from there on at once (seen in 3.3a).
const CLEAR: &str = "\u{1b}[H\u{1b}[2K\u{1b}[1B\u{1b}[J\u{1b}[1A";
/// Removes the rest of the line.
const TO_LINE_END: &str = "\u{1b}[K";
/// Removes everything below the cursor.
const BELOW: &str = "\u{1b}[J";

/// What is drawn now.
#[derive(Debug, Default)]
pub struct Screen {
    /// How many rows of the terminal it takes.
    rows: usize,
    /// How wide the terminal was.
    columns: usize,
}

impl Screen {
    /// What draws this text in place of the earlier one, in one piece, so that nothing flickers. No
    /// line feed follows the text. A text that is higher than the terminal loses its end: the
    /// cursor cannot go back above the first row.
    pub(super) fn frame(&mut self, text: &str, rows: usize, columns: usize) -> String {
        let columns = columns.max(1);
        let mut frame = if self.rows == 0 {
            String::new()
        } else if self.columns == columns {
            format!("\u{1b}[{}A\r", self.rows)
        } else {
            // The terminal has broken the earlier lines in another way.
            CLEAR.to_owned()
        };
        let lines: Vec<&str> = text.lines().collect();
        let mut used = 0;
        for (index, line) in lines.iter().enumerate() {
            let height = measure_text_width(line).div_ceil(columns).max(1);
            // Two rows stay free: one for the note below, one for the cursor.
            if used + height + 2 > rows {
                let left = lines.len() - index;
                frame.push_str(&format!("… {left} more lines{TO_LINE_END}\n"));
                used += 1;
                break;
            }
            frame.push_str(&format!("{line}{TO_LINE_END}\n"));
            used += height;
        }
        // The caller's line feed ends the last line.
        if frame.ends_with('\n') {
            frame.pop();
        }
        self.rows = used;
        self.columns = columns;
        format!("{frame}{BELOW}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_replaces_the_one_before_it() {
        let mut screen = Screen::default();
        assert_eq!(
            screen.frame("one\ntwo", 24, 80),
            "one\u{1b}[K\ntwo\u{1b}[K\u{1b}[J"
        );
        // The line feed after the first frame left the cursor two rows below its beginning.
        assert_eq!(
            screen.frame("three", 24, 80),
            "\u{1b}[2A\rthree\u{1b}[K\u{1b}[J"
        );
        // A wide line takes two rows.
        screen.frame(&"x".repeat(100), 24, 80);
        assert!(screen.frame("four", 24, 80).starts_with("\u{1b}[2A"));
        // After a resize everything is drawn again.
        assert!(screen.frame("four", 24, 60).starts_with(CLEAR));
    }

    #[test]
    fn a_text_that_is_higher_than_the_terminal_loses_its_end() {
        let mut screen = Screen::default();
        let text: Vec<String> = (1..=30).map(|line| line.to_string()).collect();
        let frame = screen.frame(&text.join("\n"), 10, 80);
        assert_eq!(frame.lines().count(), 9);
        assert!(frame.contains("… 22 more lines"), "{frame}");
    }
}
