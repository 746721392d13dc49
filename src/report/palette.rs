//! Colour, or none. Colour never carries information that the text does not carry too.
//!
//! A painted text does not contain the terminal's escape sequences yet: it contains marks that only
//! this process can write, because they begin with a random word. The printer escapes every control
//! character of its text, and then [`styled`] turns the marks into sequences. So no caller can
//! forget to escape a name, and no name can inject a sequence.

use std::sync::LazyLock;

use uuid::Uuid;

use crate::base::text::escape_in_lines;

/// The beginning of a mark. It contains a random word, so that no text from elsewhere can contain
/// it.
static MARK: LazyLock<String> = LazyLock::new(|| format!("<{}:", Uuid::new_v4().simple()));

/// The codes of *Select Graphic Rendition* (ECMA-48, 8.3.117) that are used; `0` resets them.
const CODES: [&str; 6] = ["0", "1", "2", "31", "32", "33"];

/// A text in a form that is safe for a terminal: text from a service or a person is escaped, line
/// breaks and tabs stay, and the marks become colour.
pub(super) fn styled(text: &str) -> String {
    let safe = escape_in_lines(text);
    let mut parts = safe.split(MARK.as_str());
    let mut styled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('>') {
            Some((code, rest)) if CODES.contains(&code) => {
                styled.push_str(&format!("\u{1b}[{code}m{rest}"));
            }
            _ => styled.push_str(part),
        }
    }
    styled
}

/// The value of `--color`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ColorChoice {
    /// At a terminal that supports it, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The colours in use, or none.
#[derive(Clone, Copy, Debug)]
pub struct Palette {
    on: bool,
}

impl Palette {
    /// Decides, in this order: the flag; `NO_COLOR` (present and not empty: off); `CLICOLOR_FORCE`
    /// (not empty, not `0`: on); `CLICOLOR=0` or `TERM=dumb`: off; else on at a terminal. Takes a
    /// function that reads an environment variable.
    pub fn decide(
        choice: ColorChoice,
        is_terminal: bool,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let is = |name: &str, value: &str| variable(name).as_deref() == Some(value);
        let on = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if set("NO_COLOR") => false,
            ColorChoice::Auto if set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0") => true,
            ColorChoice::Auto if is("CLICOLOR", "0") || is("TERM", "dumb") => false,
            ColorChoice::Auto => is_terminal,
        };
        Self { on }
    }

    /// No colours.
    pub fn plain() -> Self {
        Self { on: false }
    }

    /// Text in bold.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Text about success.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Text about a failure.
    pub fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// Text that asks for attention.
    pub fn notable(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// Text of lesser weight.
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.on {
            let mark = MARK.as_str();
            format!("{mark}{code}>{text}{mark}0>")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(choice: ColorChoice, terminal: bool, variables: &[(&str, &str)]) -> bool {
        let find = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Palette::decide(choice, terminal, find).on
    }

    #[test]
    fn only_our_own_styling_reaches_the_terminal() {
        let always = Palette { on: true };
        let name = "a\u{1b}[32mb\u{1b}]8;;http://x\u{7}\u{202e}\rc";
        let painted = format!("{}:\n\t{name}", always.bold(name));
        let shown = "a\\u{1b}[32mb\\u{1b}]8;;http://x\\u{7}\\u{202e}\\rc";
        assert_eq!(
            styled(&painted),
            format!("\u{1b}[1m{shown}\u{1b}[0m:\n\t{shown}")
        );
        let none = Palette { on: false };
        assert_eq!(styled(&none.bad("a\u{9b}31m")), "a\\u{9b}31m");
    }

    #[test]
    fn flag_then_no_color_then_force_then_terminal() {
        assert!(on(ColorChoice::Auto, true, &[]));
        assert!(!on(ColorChoice::Auto, false, &[]));
        assert!(!on(
            ColorChoice::Auto,
            true,
            &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]
        ));
        assert!(on(ColorChoice::Auto, true, &[("NO_COLOR", "")]));
        assert!(on(ColorChoice::Auto, false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!on(ColorChoice::Auto, false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!on(ColorChoice::Auto, true, &[("CLICOLOR", "0")]));
        assert!(!on(ColorChoice::Auto, true, &[("TERM", "dumb")]));
        assert!(on(ColorChoice::Always, false, &[("NO_COLOR", "1")]));
        assert!(!on(ColorChoice::Never, true, &[("CLICOLOR_FORCE", "1")]));
    }
}
