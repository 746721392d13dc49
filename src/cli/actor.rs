//! Who acts: the name that the record keeps for a confirmation, a completed task, a waiver, a reopened
//! step and everything else that a person answers for.

use super::session::variable;
use crate::report::Pipeline;

/// Who acts, and where that name comes from: `octocat (GitHub Actions)`. A name without a source is
/// the account on this computer.
pub(super) fn who() -> String {
    actor(variable)
}

/// The same. Takes what the environment variables hold.
fn actor(variable: impl Fn(&str) -> Option<String>) -> String {
    let first = |names: &[&str]| {
        let mut values = names.iter().filter_map(|name| variable(name));
        values
            .find(|value| !value.trim().is_empty())
            .map(|value| value.trim().to_owned())
    };
    let account = || first(&["USER", "LOGNAME", "USERNAME"]);
    match Pipeline::decide(&variable) {
        // Of a workflow that somebody runs again, the second name is who ran it first.
        // https://docs.github.com/en/actions/reference/workflows-and-actions/variables
        Some(Pipeline::GitHub) => first(&["GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR"])
            .map(|actor| format!("{actor} (GitHub Actions)")),
        // https://learn.microsoft.com/azure/devops/pipelines/build/variables and
        // https://learn.microsoft.com/azure/devops/pipelines/release/variables
        Some(Pipeline::Azure) => {
            let name = first(&["RELEASE_REQUESTEDFOR", "BUILD_REQUESTEDFOR"]);
            let email = first(&["RELEASE_REQUESTEDFOREMAIL", "BUILD_REQUESTEDFOREMAIL"]);
            let actor = match (name, email) {
                (Some(name), Some(email)) => Some(format!("{name} <{email}>")),
                (name, email) => name.or(email),
            };
            actor.map(|actor| format!("{actor} (Azure Pipelines)"))
        }
        None => None,
    }
    .or_else(account)
    .unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> String {
        actor(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_pipeline_s_actor_comes_before_the_account() {
        let user = ("USER", "runner");
        let github = ("GITHUB_ACTIONS", "true");
        let azure = ("TF_BUILD", "True");
        assert_eq!(of(&[user]), "runner");
        assert_eq!(of(&[("USER", " "), ("USERNAME", "ada")]), "ada");
        assert_eq!(
            of(&[user, github, ("GITHUB_ACTOR", "octocat")]),
            "octocat (GitHub Actions)"
        );
        let again = [
            user,
            github,
            ("GITHUB_ACTOR", "octocat"),
            ("GITHUB_TRIGGERING_ACTOR", "mona"),
        ];
        assert_eq!(of(&again), "mona (GitHub Actions)");
        let name = ("BUILD_REQUESTEDFOR", "Ada Lovelace");
        let email = ("BUILD_REQUESTEDFOREMAIL", "ada@contoso.com");
        assert_eq!(
            of(&[user, azure, name, email]),
            "Ada Lovelace <ada@contoso.com> (Azure Pipelines)"
        );
        let release = ("RELEASE_REQUESTEDFOR", "Grace Hopper");
        assert_eq!(of(&[azure, release]), "Grace Hopper (Azure Pipelines)");
        // A pipeline that names nobody leaves the account; a variable alone is no pipeline.
        assert_eq!(of(&[user, github]), "runner");
        assert_eq!(of(&[user, ("GITHUB_ACTOR", "octocat")]), "runner");
        assert_eq!(of(&[]), "unknown");
    }
}
