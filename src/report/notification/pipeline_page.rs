//! The page of the pipeline run that this process is a part of.

use crate::base::encoding::{ALL_BUT_UNRESERVED, percent_encode};
use crate::report::Pipeline;

/// The address of the page. Takes a function that reads an environment variable. None if a variable
/// is missing, or the address is not `https`.
///
/// Sources: <https://docs.github.com/en/actions/reference/workflows-and-actions/variables> and
/// <https://learn.microsoft.com/azure/devops/pipelines/build/variables>.
pub fn pipeline_page(
    pipeline: Pipeline,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let read = |name: &str| variable(name).filter(|value| !value.is_empty());
    let page = match pipeline {
        Pipeline::GitHub => format!(
            "{}/{}/actions/runs/{}",
            read("GITHUB_SERVER_URL")?,
            read("GITHUB_REPOSITORY")?,
            read("GITHUB_RUN_ID")?,
        ),
        Pipeline::Azure => format!(
            "{}{}/_build/results?buildId={}",
            read("SYSTEM_COLLECTIONURI")?,
            percent_encode(&read("SYSTEM_TEAMPROJECT")?, ALL_BUT_UNRESERVED),
            read("BUILD_BUILDID")?,
        ),
    };
    let is_plain = page
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"<>|\"".contains(&byte));
    (is_plain && page.starts_with("https://")).then_some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(pipeline: Pipeline, variables: &[(&str, &str)]) -> Option<String> {
        pipeline_page(pipeline, |name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn each_pipeline_has_a_page() {
        let github = [
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "contoso/refresh"),
            ("GITHUB_RUN_ID", "4711"),
        ];
        assert_eq!(
            page(Pipeline::GitHub, &github).as_deref(),
            Some("https://github.com/contoso/refresh/actions/runs/4711")
        );
        assert_eq!(page(Pipeline::GitHub, &github[..2]), None);
        let azure = [
            ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/contoso/"),
            ("SYSTEM_TEAMPROJECT", "Order Management"),
            ("BUILD_BUILDID", "42"),
        ];
        assert_eq!(
            page(Pipeline::Azure, &azure).as_deref(),
            Some("https://dev.azure.com/contoso/Order%20Management/_build/results?buildId=42")
        );
        let forged = [azure[0], azure[1], ("BUILD_BUILDID", "1|>x")];
        assert_eq!(page(Pipeline::Azure, &forged), None);
    }
}
