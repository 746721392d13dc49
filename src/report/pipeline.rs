//! The commands that a pipeline reads in a program's output: to annotate, to fold, to summarize;
//! and how all other output is kept from being taken for a command.
//!
//! GitHub acts on a line that begins with `::`. Azure Pipelines acts on `##vso[` and `##[` anywhere
//! in a line, and so does GitHub on the latter, in its older form. Text from a server may contain
//! any of them.

use std::borrow::Cow;
use std::path::Path;

use crate::engine::RunbookPlace;

/// The kind of pipeline in which this process runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pipeline {
    /// GitHub Actions.
    GitHub,
    /// Azure Pipelines.
    Azure,
}

/// How severe an annotation is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Level {
    /// Something failed.
    Error,
    /// A person should look at something.
    Warning,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl Pipeline {
    /// The pipeline in which this process runs, detected by the variables that it sets. Takes a
    /// function that reads an environment variable.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let is_true =
            |name: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if is_true("GITHUB_ACTIONS") {
            return Some(Self::GitHub);
        }
        is_true("TF_BUILD").then_some(Self::Azure)
    }

    /// Does it read commands only on stdout? GitHub reads both streams, Azure Pipelines only
    /// stdout.
    pub(super) fn reads_stdout(self) -> bool {
        self == Self::Azure
    }

    /// The command that begins a folded group with a title.
    pub(super) fn group(self, title: &str) -> String {
        match self {
            Self::GitHub => format!("::group::{}", github_data(title)),
            Self::Azure => format!("##[group]{}", one_line(title)),
        }
    }

    /// The command that ends a folded group.
    pub(super) fn end_group(self) -> &'static str {
        match self {
            Self::GitHub => "::endgroup::",
            Self::Azure => "##[endgroup]",
        }
    }

    /// The command that adds an annotation. Takes its title, the place in a file that it is about,
    /// and its message.
    pub(super) fn annotation(
        self,
        level: Level,
        title: &str,
        place: Option<&RunbookPlace>,
        message: &str,
    ) -> String {
        let level = level.as_str();
        match self {
            Self::GitHub => {
                let mut properties = Vec::new();
                if let Some(place) = place {
                    properties.push(format!("file={}", github_property(&place.file)));
                    properties.push(format!("line={}", place.line));
                    properties.push(format!("endLine={}", place.end_line));
                    // It accepts columns only for a place within one line.
                    if place.line == place.end_line {
                        properties.push(format!("col={}", place.column));
                        properties.push(format!("endColumn={}", place.end_column));
                    }
                }
                properties.push(format!("title={}", github_property(title)));
                format!(
                    "::{level} {}::{}",
                    properties.join(","),
                    github_data(message)
                )
            }
            Self::Azure => {
                let place = place.map(|place| {
                    format!(
                        "sourcepath={};linenumber={};columnnumber={};",
                        azure_property(&place.file),
                        place.line,
                        place.column
                    )
                });
                let message = format!("{title}: {message}");
                format!(
                    "##vso[task.logissue type={level};{}]{}",
                    place.unwrap_or_default(),
                    azure_data(&message)
                )
            }
        }
    }

    /// The command that shows a Markdown file next to the run. None if the pipeline reads such
    /// files without a command.
    pub fn summary(self, file: &Path) -> Option<String> {
        match self {
            Self::GitHub => None,
            Self::Azure => Some(format!(
                "##vso[task.uploadsummary]{}",
                azure_data(&file.display().to_string())
            )),
        }
    }
}

fn github_data(text: &str) -> String {
    data(text, "%25")
}

fn github_property(text: &str) -> String {
    github_data(text).replace(':', "%3A").replace(',', "%2C")
}

fn azure_data(text: &str) -> String {
    data(text, "%AZP25")
}

fn azure_property(text: &str) -> String {
    azure_data(text).replace(']', "%5D").replace(';', "%3B")
}

fn data(text: &str, percent: &str) -> String {
    let text = text.replace('%', percent);
    text.replace('\r', "%0D").replace('\n', "%0A")
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

/// Text in which no pipeline finds a command: `##vso[` and `##[` are broken everywhere, `::` at the
/// beginning of a line. All other text stays as it is.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains("##") && !text.contains("::") {
        return Cow::Borrowed(text);
    }
    // A runner also treats a carriage return as the end of a line.
    let lines = text.split_inclusive(['\n', '\r']);
    Cow::Owned(lines.map(harmless_line).collect())
}

fn harmless_line(line: &str) -> String {
    let mut safe = String::with_capacity(line.len() + 2);
    let mut rest = line;
    while let Some(at) = rest.find("##") {
        let after = &rest[at + 2..];
        let vso = after
            .get(..4)
            .is_some_and(|word| word.eq_ignore_ascii_case("vso["));
        // Continue after one character, because `###[` contains a command too.
        let broken = if vso || after.starts_with('[') {
            "# "
        } else {
            "#"
        };
        safe.push_str(&rest[..at]);
        safe.push_str(broken);
        rest = &rest[at + 1..];
    }
    safe.push_str(rest);
    let blank = safe.len() - safe.trim_start().len();
    if safe[blank..].starts_with("::") {
        safe.insert(blank + 1, ' ');
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> RunbookPlace {
        RunbookPlace {
            file: "a,b:c]d;e.yaml".to_owned(),
            line: 3,
            column: 8,
            end_line: 3,
            end_column: 16,
            severity: "error".to_owned(),
            message: "x".to_owned(),
            help: None,
        }
    }

    #[test]
    fn a_pipeline_is_detected_by_its_variable() {
        let detect = |name: &'static str, value: &'static str| {
            Pipeline::detect(|asked| (asked == name).then(|| value.to_owned()))
        };
        assert_eq!(detect("GITHUB_ACTIONS", "true"), Some(Pipeline::GitHub));
        assert_eq!(detect("TF_BUILD", "True"), Some(Pipeline::Azure));
        assert_eq!(detect("GITHUB_ACTIONS", "false"), None);
        assert_eq!(detect("CI", "true"), None);
    }

    #[test]
    fn github_commands_use_github_escapes() {
        let command = Pipeline::GitHub.annotation(
            Level::Error,
            "50%: a, b",
            Some(&mark()),
            "100%\r\n::error::no: a, b",
        );
        assert_eq!(
            command,
            "::error file=a%2Cb%3Ac]d;e.yaml,line=3,endLine=3,col=8,endColumn=16,\
             title=50%25%3A a%2C b::100%25%0D%0A::error::no: a, b"
        );
        let command = Pipeline::GitHub.annotation(Level::Warning, "t", None, "m");
        assert_eq!(command, "::warning title=t::m");
        assert_eq!(Pipeline::GitHub.group("a\nb"), "::group::a%0Ab");
    }

    #[test]
    fn azure_commands_use_azure_escapes() {
        let command = Pipeline::Azure.annotation(Level::Error, "t", Some(&mark()), "100%\nb;]");
        assert_eq!(
            command,
            "##vso[task.logissue type=error;sourcepath=a,b:c%5Dd%3Be.yaml;linenumber=3;\
             columnnumber=8;]t: 100%AZP25%0Ab;]"
        );
        assert_eq!(Pipeline::Azure.group("a\r\nb"), "##[group]a  b");
        let summary = Pipeline::Azure.summary(Path::new("/tmp/50%.md"));
        assert_eq!(
            summary.as_deref(),
            Some("##vso[task.uploadsummary]/tmp/50%AZP25.md")
        );
    }

    #[test]
    fn no_text_is_taken_for_a_command() {
        for (text, safe) in [
            ("::error::x", ": :error::x"),
            ("a ::error::x", "a ::error::x"),
            ("a\n \t::set-output::x", "a\n \t: :set-output::x"),
            ("a\r::stop-commands::x", "a\r: :stop-commands::x"),
            ("a ##vso[task.complete]", "a # #vso[task.complete]"),
            ("##VSO[task.complete]", "# #VSO[task.complete]"),
            ("x ###[group]y ##[error]z", "x ## #[group]y # #[error]z"),
            ("## a heading", "## a heading"),
            ("a::b ## c", "a::b ## c"),
            ("##ä", "##ä"),
        ] {
            assert_eq!(harmless(text), safe);
            assert_eq!(harmless(safe), safe, "harmless text stays as it is");
        }
    }
}
