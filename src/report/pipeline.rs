//! The commands that a pipeline reads in a program's output: to annotate, to fold, to summarize, to
//! mask, to hand values to later steps; and how all other output is kept from being taken for a command.
//!
//! GitHub acts on a line that begins with `::`. Azure Pipelines acts on `##vso[` and `##[` anywhere
//! in a line, and so does GitHub on the latter, in its older form. Text from a server may contain
//! any of them.

use std::borrow::Cow;
use std::path::Path;

use crate::base::text::escape;
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
    pub fn reads_stdout(self) -> bool {
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

    /// The command that hides a secret in the rest of the job's log. Takes one line of it.
    pub(super) fn mask(self, secret: &str) -> String {
        match self {
            Self::GitHub => format!("::add-mask::{}", github_data(secret)),
            Self::Azure => format!("##vso[task.setsecret]{}", azure_data(secret)),
        }
    }

    /// The command that shows how much is done, in percent. None if the pipeline cannot show it.
    pub(super) fn progress(self, percent: usize, text: &str) -> Option<String> {
        match self {
            Self::GitHub => None,
            Self::Azure => Some(format!(
                "##vso[task.setprogress value={percent};]{}",
                azure_data(text)
            )),
        }
    }

    /// What makes a value an output that later steps and jobs read: a line for the file that
    /// `GITHUB_OUTPUT` names, or a command for Azure Pipelines. Takes the output's name in
    /// kebab-case; in Azure Pipelines `state-file` is the variable `iomStateFile`.
    pub fn output(self, name: &str, value: &str) -> String {
        match self {
            // A value of one line cannot begin another output.
            Self::GitHub => format!("{name}={}", escape(value)),
            Self::Azure => format!(
                "##vso[task.setvariable variable={};isoutput=true;]{}",
                azure_variable(name),
                azure_data(value)
            ),
        }
    }

    /// The command that adds a `JUnit` file to the results of the run. None if the pipeline takes
    /// such files only in a separate step.
    pub fn test_results(self, file: &Path) -> Option<String> {
        match self {
            Self::GitHub => None,
            Self::Azure => Some(format!(
                "##vso[results.publish type=JUnit;mergeResults=true;runTitle=iomcopy;resultFiles={};]",
                azure_property(&file.display().to_string())
            )),
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

/// The variable of an output: `state-file` is `iomStateFile`.
fn azure_variable(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{}{rest}", first.to_ascii_uppercase())
    });
    format!("iom{}", words.collect::<String>())
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
    fn a_secret_is_masked_and_progress_is_shown() {
        let (github, azure) = (Pipeline::GitHub, Pipeline::Azure);
        assert_eq!(github.mask("a%b:c"), "::add-mask::a%25b:c");
        assert_eq!(azure.mask("a%b]c"), "##vso[task.setsecret]a%AZP25b]c");
        assert_eq!(github.progress(25, "x"), None);
        assert_eq!(
            azure.progress(25, "Step 3 of 8: activate-flows").as_deref(),
            Some("##vso[task.setprogress value=25;]Step 3 of 8: activate-flows")
        );
    }

    #[test]
    fn an_output_is_one_line_and_cannot_begin_another() {
        let (github, azure) = (Pipeline::GitHub, Pipeline::Azure);
        assert_eq!(
            github.output("state-file", "/tmp/50%.jsonl"),
            "state-file=/tmp/50%.jsonl"
        );
        assert_eq!(
            github.output("waiting-task", "a\nrun=x"),
            "waiting-task=a\\nrun=x"
        );
        assert_eq!(
            azure.output("state-file", "/tmp/50%.jsonl"),
            "##vso[task.setvariable variable=iomStateFile;isoutput=true;]/tmp/50%AZP25.jsonl"
        );
        assert_eq!(
            azure.output("run", "a\nb"),
            "##vso[task.setvariable variable=iomRun;isoutput=true;]a%0Ab"
        );
        let file = Path::new("/tmp/a;b.xml");
        assert_eq!(github.test_results(file), None);
        assert_eq!(
            azure.test_results(file).as_deref(),
            Some(
                "##vso[results.publish type=JUnit;mergeResults=true;runTitle=iomcopy;\
                 resultFiles=/tmp/a%3Bb.xml;]"
            )
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
