//! The actor: the name that the state file records for a confirmation, a completed or waived task,
//! and a reopened step.

use super::process_environment::environment_variable;
use crate::base::platform;
use crate::report::Pipeline;

/// The current actor and the source of the name: `octocat (GitHub Actions)`. A name without a
/// source is the account on this computer.
pub(super) fn current_actor() -> String {
    find_actor(environment_variable)
}

/// Finds the actor in these environment variables.
fn find_actor(variable: impl Fn(&str) -> Option<String>) -> String {
    let first = |names: &[&str]| {
        let mut values = names.iter().filter_map(|name| variable(name));
        values
            .find(|value| !value.trim().is_empty())
            .map(|value| value.trim().to_owned())
    };
    let account = || first(&["USER", "LOGNAME", "USERNAME"]);
    match Pipeline::detect(&variable) {
        // When a workflow is run again, the second name is the actor of the first run.
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
    .unwrap_or_else(platform::account_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor_in(variables: &[(&str, &str)]) -> String {
        find_actor(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_pipelines_actor_takes_precedence_over_the_account() {
        let user = ("USER", "runner");
        let github = ("GITHUB_ACTIONS", "true");
        let azure = ("TF_BUILD", "True");
        assert_eq!(actor_in(&[user]), "runner");
        assert_eq!(actor_in(&[("USER", " "), ("USERNAME", "ada")]), "ada");
        assert_eq!(
            actor_in(&[user, github, ("GITHUB_ACTOR", "octocat")]),
            "octocat (GitHub Actions)"
        );
        let again = [
            user,
            github,
            ("GITHUB_ACTOR", "octocat"),
            ("GITHUB_TRIGGERING_ACTOR", "mona"),
        ];
        assert_eq!(actor_in(&again), "mona (GitHub Actions)");
        let name = ("BUILD_REQUESTEDFOR", "Ada Lovelace");
        let email = ("BUILD_REQUESTEDFOREMAIL", "ada@contoso.com");
        assert_eq!(
            actor_in(&[user, azure, name, email]),
            "Ada Lovelace <ada@contoso.com> (Azure Pipelines)"
        );
        let release = ("RELEASE_REQUESTEDFOR", "Grace Hopper");
        assert_eq!(
            actor_in(&[azure, release]),
            "Grace Hopper (Azure Pipelines)"
        );
        // Without an actor of the pipeline, the account counts; the actor variable alone is not a
        // pipeline.
        assert_eq!(actor_in(&[user, github]), "runner");
        assert_eq!(actor_in(&[user, ("GITHUB_ACTOR", "octocat")]), "runner");
        // In a container, no variable names the account.
        let account = actor_in(&[]);
        assert_eq!(account, platform::account_name());
        assert!(!account.is_empty());
    }
}
