//! Colour, or none. Nothing is told by colour alone.

/// What `--color` asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ColorChoice {
    /// At a terminal that can, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The colours in use; all empty where there are none.
#[derive(Clone, Copy, Debug)]
pub struct Palette {
    on: bool,
}

impl Palette {
    /// Decides, in this order: the flag; `NO_COLOR` (present and not empty: off); `CLICOLOR_FORCE`
    /// (not empty, not `0`: on); `CLICOLOR=0` or `TERM=dumb`: off; else on at a terminal. Takes what
    /// the environment variables hold.
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

    /// Text in bold.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Text of what went well.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Text of what went wrong.
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
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
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
