//! The `Prefer` header.

/// The preferences of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    /// The number of rows per page.
    pub(crate) page_size: Option<usize>,
    /// Whether the response to a write has the row.
    pub(crate) representation: bool,
    /// Whether a batch continues after a part that fails.
    pub(crate) continue_on_error: bool,
    annotations: Vec<String>,
}

impl Preferences {
    /// Parses a header: preferences separated by commas, values with or without quotes.
    pub(crate) fn parse(header: &str) -> Self {
        let mut preferences = Self::default();
        for preference in split_outside_quotes(header) {
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "odata.maxpagesize" => preferences.page_size = value.parse().ok(),
                "odata.continue-on-error" => preferences.continue_on_error = value != "false",
                "return" => preferences.representation = value == "representation",
                "odata.include-annotations" => {
                    preferences.annotations = value.split(',').map(str::to_owned).collect();
                }
                _ => {}
            }
        }
        preferences
    }

    /// Whether the request prefers any annotation.
    pub(crate) fn wants_any(&self) -> bool {
        !self.annotations.is_empty()
    }

    /// Whether the request prefers an annotation.
    pub(crate) fn wants(&self, annotation: &str) -> bool {
        self.annotations.iter().any(|wanted| {
            let wanted = wanted.trim();
            wanted == annotation
                || wanted
                    .strip_suffix('*')
                    .is_some_and(|prefix| annotation.starts_with(prefix))
        })
    }

    /// The value of `Preference-Applied`.
    pub(crate) fn applied(&self) -> Option<String> {
        let mut applied = Vec::new();
        if let Some(size) = self.page_size {
            applied.push(format!("odata.maxpagesize={size}"));
        }
        if !self.annotations.is_empty() {
            let annotations = self.annotations.join(",");
            applied.push(format!("odata.include-annotations=\"{annotations}\""));
        }
        if self.representation {
            applied.push("return=representation".to_owned());
        }
        if self.continue_on_error {
            applied.push("odata.continue-on-error".to_owned());
        }
        (!applied.is_empty()).then(|| applied.join(","))
    }
}

fn split_outside_quotes(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut from, mut quoted) = (0, false);
    for (index, letter) in text.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                pieces.push(text[from..index].trim());
                from = index + 1;
            }
            _ => {}
        }
    }
    pieces.push(text[from..].trim());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_parsed_with_and_without_quotes() {
        let header =
            "odata.include-annotations=\"a.b,c.*\",odata.maxpagesize=2, return=representation";
        let preferences = Preferences::parse(header);
        assert_eq!(preferences.page_size, Some(2));
        assert!(preferences.representation);
        assert!(preferences.wants("a.b") && preferences.wants("c.d") && !preferences.wants("a.x"));
        assert!(Preferences::parse("odata.include-annotations=*").wants("anything"));
        assert!(Preferences::parse("odata.continue-on-error").continue_on_error);
        assert!(!Preferences::parse("odata.continue-on-error=false").continue_on_error);
    }
}
