//! Who the credentials belong to, which service they are for, and whether they last for a refresh.

use std::time::Duration;

use crate::base::text::duration;
use crate::checks::check::{Check, named};
use crate::checks::check_result::CheckResult;
use crate::clients::{CredentialLifetime, Error, ErrorKind, SignIn, TokenFacts, TokenHolder};
use crate::domain::RefreshContext;
use crate::engine::Failure;
use crate::runbook::{ServiceKey, StepName};

/// How long a copy may take (Microsoft Learn, *Copy an environment*: up to eight hours, a day with
/// much data).
const COPY: Duration = Duration::from_hours(8);

/// How long the steps after the copy may take, if there is no copy to wait for.
const REST: Duration = Duration::from_hours(1);

/// How long a job may run that its runner ends by itself: on GitHub's own runners (GitHub Docs,
/// *Usage limits*: job execution time), and in Azure Pipelines if its `timeoutInMinutes` is not
/// written (Microsoft Learn, *Jobs: timeouts*).
const JOB_OF_GITHUB: Duration = Duration::from_hours(6);
const JOB_OF_PIPELINES: Duration = Duration::from_hours(1);

/// The services that take a user's token only: Microsoft Learn says so of Lifecycle Services
/// (*Dynamics Lifecycle Services API: authentication*); of the dual-write gateway its users do.
const PEOPLES: [ServiceKey; 2] = [ServiceKey::Lcs, ServiceKey::DualWrite];

/// Checks every credential.
pub(super) async fn run_checks(refresh: &RefreshContext) -> Result<Vec<CheckResult>, Failure> {
    let mut results = Vec::new();
    let sign_ins = &checked(&refresh.caller.sign_ins, refresh.runbook.identity.is_none());
    for (key, sign_in) in sign_ins.iter().filter(|(key, _)| PEOPLES.contains(key)) {
        let facts = token_facts(sign_in).await?;
        results.push(of_a_person(*key, sign_in, facts));
    }
    let expected = expected(refresh);
    for (number, (_, sign_in)) in sign_ins.iter().enumerate() {
        let earlier = &sign_ins[..number];
        if earlier
            .iter()
            .any(|(_, one)| one.has_same_credential(sign_in))
        {
            continue;
        }
        let same: Vec<&(ServiceKey, SignIn)> = sign_ins
            .iter()
            .filter(|(_, one)| one.has_same_credential(sign_in))
            .collect();
        let keys = services(&same);
        if sign_in.lifetime() == CredentialLifetime::SingleToken {
            let facts = token_facts(sign_in).await?;
            results.push(for_one_service(&keys, &same, &facts));
            results.push(lasts(&keys, sign_in, facts, expected));
        } else {
            let facts = Ok(TokenFacts::default());
            results.push(lasts(&keys, sign_in, facts, expected));
        }
    }
    Ok(results)
}

/// The sign-ins to check. A runbook without `identity` uses the rehearsal tenant's own: its tokens for
/// people's services show nothing, do not end, and have no place where they could be corrected.
fn checked(sign_ins: &[(ServiceKey, SignIn)], are_built_in: bool) -> Vec<(ServiceKey, SignIn)> {
    let is_checked =
        |sign_in: &SignIn| !are_built_in || sign_in.lifetime() != CredentialLifetime::SingleToken;
    let checked = sign_ins.iter().filter(|(_, sign_in)| is_checked(sign_in));
    checked.cloned().collect()
}

/// The facts that a token shows; only a request to stop ends the checks.
async fn token_facts(sign_in: &SignIn) -> Result<Result<TokenFacts, Error>, Failure> {
    match sign_in.facts().await {
        Err(error) if error.kind == ErrorKind::Cancelled => Err(error.into()),
        facts => Ok(facts),
    }
}

/// The services that one credential serves, each once.
fn services(same: &[&(ServiceKey, SignIn)]) -> String {
    let mut keys: Vec<String> = same.iter().map(|(key, _)| format!("`{key}`")).collect();
    keys.sort();
    keys.dedup();
    keys.join(", ")
}

/// How long a credential must last: until the longest wait may end.
fn expected(refresh: &RefreshContext) -> Duration {
    let copy = &refresh.runbook.steps.copy_environments;
    if copy.skip.is_some() {
        return REST;
    }
    copy.common
        .timeout
        .map_or(COPY, |timeout| timeout.min(COPY))
}

/// Is the credential of a service that takes a user's token only a person's?
fn of_a_person(key: ServiceKey, sign_in: &SignIn, facts: Result<TokenFacts, Error>) -> CheckResult {
    let kind = sign_in.kind();
    let step = match key {
        ServiceKey::DualWrite => StepName::ReconfigureDualWrite,
        _ => StepName::CopyEnvironments,
    };
    let check = Check::protecting(
        step,
        format!("the credential of `{key}`, {kind}, is a person's"), format!("the credential of `{key}`, {kind}, is not a person's"),
        format!(
            "this service refuses applications: write `{key}: {{ token-command: [./token.sh] }}` or \
             `{key}: {{ azure-cli: {{}} }}` under `identity`, signed in as a person who may use it"
        ),
    )
    .not_allowed();
    if sign_in.holder() == Some(TokenHolder::Application) {
        return check.fail(format!("{kind} signs in as an application"));
    }
    match facts {
        Ok(facts) => match facts.holder {
            Some(TokenHolder::Person) => {
                check.pass(facts.person.unwrap_or_else(|| "a user's token".to_owned()))
            }
            Some(TokenHolder::Application) => {
                let id = facts.application.unwrap_or_default();
                check.fail(format!("its token is an application's: {id}"))
            }
            None => check.unknown("its token does not show who it belongs to"),
        },
        Err(error) => check.refused(&error),
    }
}

/// Is a given token for the one service that it is written for?
fn for_one_service(
    keys: &str,
    same: &[&(ServiceKey, SignIn)],
    facts: &Result<TokenFacts, Error>,
) -> CheckResult {
    let check = Check::protecting(
        StepName::CopyEnvironments,
        format!("the `token` of {keys} is for that service"),
        format!("the `token` of {keys} is for another service"),
        "a token is for one service: write a separate credential for each, or a kind that fetches \
         tokens",
    )
    .not_allowed();
    let audience = facts.as_ref().ok().and_then(|facts| facts.audience.clone());
    let mut wanted: Vec<String> = same.iter().map(|(_, one)| one.scope().to_owned()).collect();
    wanted.sort();
    wanted.dedup();
    if wanted.len() > 1 {
        return check.fail(format!("it is used for {}", named(&wanted)));
    }
    match audience {
        None => check.unknown("the token does not show which service it is for"),
        // An audience may also be the resource's id.
        Some(audience) if !audience.contains("://") => check.unknown(audience),
        Some(audience) => {
            let fits = same.iter().all(|(_, one)| one.accepts_audience(&audience));
            check.pass_if(fits, audience)
        }
    }
}

/// Does a credential last as long as a refresh may take? If it may not, nothing is lost: the run
/// stops, and resumes with another credential.
fn lasts(
    keys: &str,
    sign_in: &SignIn,
    facts: Result<TokenFacts, Error>,
    expected: Duration,
) -> CheckResult {
    let kind = sign_in.kind();
    let until = duration(expected);
    let check = |remedy: &str| {
        let name = format!("the {kind} credential of {keys} lasts as long as a refresh may take");
        Check::protecting(
            StepName::ExitAdministrationMode,
            name,
            format!("the {kind} credential of {keys} may end before a refresh does"),
            remedy,
        )
        .not_allowed()
    };
    match sign_in.lifetime() {
        CredentialLifetime::Renewable => {
            check("").pass("each token is requested when it is needed")
        }
        CredentialLifetime::PipelineJob => {
            let job = if kind == "azure-pipelines" {
                JOB_OF_PIPELINES
            } else {
                JOB_OF_GITHUB
            };
            let check = check(
                "let the job run that long (GitHub: `timeout-minutes` on a runner of your own; Azure \
                 Pipelines: `timeoutInMinutes`); if it ends earlier, run the same command in a new \
                 job: it resumes",
            );
            let read = format!(
                "it ends with the job, after {} unless that is set otherwise; a refresh may take {until}",
                duration(job)
            );
            if job >= expected {
                check.pass(read)
            } else {
                check.warn(read)
            }
        }
        CredentialLifetime::SingleToken => {
            let check = check(
                "it cannot be renewed: use a kind that fetches tokens, such as `client-secret` or \
                 `token-command`; or, when it has ended and the run has stopped with exit 4, give a \
                 new token and run again: it resumes",
            );
            match facts.map(|facts| facts.lifetime) {
                Err(error) => check.refused(&error),
                Ok(None) => check.unknown("the token does not show when it expires"),
                Ok(Some(life)) if life.is_zero() => check.fail("it has expired"),
                Ok(Some(life)) => {
                    // Whole minutes, so that the same token reads the same for a while.
                    let left = if life < Duration::from_mins(1) {
                        life
                    } else {
                        Duration::from_mins(life.as_secs() / 60)
                    };
                    let read = format!("{} are left; a refresh may take {until}", duration(left));
                    if life >= expected {
                        check.pass(read)
                    } else {
                        check.warn(read)
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::cancellation::Cancellation;
    use crate::base::clock::Clock;
    use crate::clients::{
        AzureCli, ClientSecret, GithubOidc, GivenToken, Http, Identity, Silent, Tokens,
    };
    use crate::domain::verdict::Verdict;

    const SCOPE: &str = "https://lcsapi.lcs.dynamics.com//.default";

    fn sign_in(identity: &Identity, scope: &str) -> SignIn {
        let (clock, silent) = (Clock::new(1.0), Arc::new(Silent));
        let http = Http::new(clock, silent, Cancellation::new()).unwrap();
        let tokens = Tokens::new(&http, "https://login.microsoftonline.com").unwrap();
        tokens.sign_in(identity, scope)
    }

    fn application() -> Identity {
        Identity::ClientSecret(ClientSecret {
            tenant: "contoso.onmicrosoft.com".to_owned(),
            client: "c11e".to_owned(),
            secret: "x".to_owned().into(),
        })
    }

    fn given() -> Identity {
        Identity::Token(GivenToken("opaque".to_owned().into()))
    }

    fn cli() -> Identity {
        Identity::AzureCli(AzureCli {
            tenant: Some("contoso.onmicrosoft.com".to_owned()),
        })
    }

    fn job() -> Identity {
        Identity::GithubOidc(GithubOidc {
            tenant: "t".to_owned(),
            client: "c".to_owned(),
            audience: "a".to_owned(),
            request_url: "https://x".to_owned(),
            request_token: "x".to_owned().into(),
        })
    }

    #[test]
    fn the_rehearsals_own_tokens_are_not_checked_and_those_of_a_runbook_are() {
        let sign_ins = [
            (ServiceKey::Bap, sign_in(&application(), SCOPE)),
            (ServiceKey::Lcs, sign_in(&given(), SCOPE)),
        ];
        let keys = |are_built_in| -> Vec<ServiceKey> {
            let checked = checked(&sign_ins, are_built_in).into_iter();
            checked.map(|(key, _)| key).collect()
        };
        assert_eq!(keys(true), [ServiceKey::Bap]);
        assert_eq!(keys(false), [ServiceKey::Bap, ServiceKey::Lcs]);
    }

    #[test]
    fn pitfall_3_an_application_cannot_speak_to_what_takes_people_only() {
        let verdict = |identity: &Identity, holder: Option<TokenHolder>| {
            let facts = TokenFacts {
                holder,
                person: Some("ada@contoso.com".to_owned()),
                ..TokenFacts::default()
            };
            of_a_person(ServiceKey::Lcs, &sign_in(identity, SCOPE), Ok(facts))
        };
        let result = verdict(&application(), None);
        assert_eq!(result.verdict, Verdict::Fail);
        assert!(result.remedy.unwrap().contains("`lcs: { token-command:"));
        assert_eq!(verdict(&job(), None).verdict, Verdict::Fail);
        let person = verdict(&cli(), Some(TokenHolder::Person));
        assert_eq!(
            (person.verdict, person.found.as_str()),
            (Verdict::Pass, "ada@contoso.com")
        );
        let principal = verdict(&cli(), Some(TokenHolder::Application));
        assert_eq!(principal.verdict, Verdict::Fail);
        assert_eq!(verdict(&given(), None).verdict, Verdict::Unknown);
    }

    #[test]
    fn a_token_is_for_one_service() {
        let verdict = |scopes: &[&str], audience: Option<&str>| {
            let owned: Vec<(ServiceKey, SignIn)> = scopes
                .iter()
                .map(|scope| (ServiceKey::Lcs, sign_in(&given(), scope)))
                .collect();
            let same: Vec<&(ServiceKey, SignIn)> = owned.iter().collect();
            let facts = TokenFacts {
                audience: audience.map(str::to_owned),
                ..TokenFacts::default()
            };
            for_one_service("`lcs`", &same, &Ok(facts)).verdict
        };
        let own = Some("https://lcsapi.lcs.dynamics.com");
        assert_eq!(verdict(&[SCOPE], own), Verdict::Pass);
        assert_eq!(verdict(&[SCOPE, SCOPE], own), Verdict::Pass);
        assert_eq!(verdict(&[SCOPE], Some("https://x")), Verdict::Fail);
        assert_eq!(verdict(&[SCOPE, "https://x/.default"], own), Verdict::Fail);
        assert_eq!(verdict(&[SCOPE], None), Verdict::Unknown);
        assert_eq!(verdict(&[SCOPE], Some("913c6de4-2a4a")), Verdict::Unknown);
    }

    #[test]
    fn a_credential_that_may_end_before_the_run_does_not_pass() {
        let verdict = |identity: &Identity, life: Option<u64>, hours: u64| {
            let facts = TokenFacts {
                lifetime: life.map(Duration::from_mins),
                ..TokenFacts::default()
            };
            let expected = Duration::from_hours(hours);
            lasts("`bap`", &sign_in(identity, SCOPE), Ok(facts), expected)
        };
        assert_eq!(verdict(&application(), None, 8).verdict, Verdict::Pass);
        let short = verdict(&given(), Some(70), 8);
        assert_eq!(short.verdict, Verdict::Unknown);
        assert_eq!(short.found, "1 h 10 min are left; a refresh may take 8 h");
        assert!(short.remedy.unwrap().contains("exit 4"));
        assert_eq!(verdict(&given(), Some(600), 8).verdict, Verdict::Pass);
        assert_eq!(verdict(&given(), Some(0), 8).verdict, Verdict::Fail);
        assert_eq!(verdict(&given(), None, 8).verdict, Verdict::Unknown);
        assert_eq!(verdict(&job(), None, 8).verdict, Verdict::Unknown);
        assert_eq!(verdict(&job(), None, 5).verdict, Verdict::Pass);
    }
}
