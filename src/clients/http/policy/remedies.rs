//! What a person can do about a refusal, by the service's code, if the code is unambiguous. The
//! codes of refused requests are in `refusal_codes`; here are those of sign-in and tokens, and
//! errors that have only a message.

use super::refusal_codes;
use crate::clients::error::ErrorKind;
use crate::clients::http::parsing::ServiceError;

/// Codes of sign-in and tokens, and remedies: those of the sign-in service are in Microsoft Learn,
/// *Microsoft Entra authentication and authorization error codes*.
const REMEDIES: &[(&str, &str)] = rows! {
    // Sign-in.
    "AADSTS7000215" =>
        "invalid client secret: write its value, not its id; create a new one if it was deleted";
    "AADSTS7000222" => "the client secret has expired: create a new one";
    "AADSTS7000218" =>
        "the application must send a secret or an assertion: check its credential under `identity`";
    "AADSTS7000112" =>
        "the application is disabled: enable its enterprise application, or use another one";
    "AADSTS700016" =>
        "the application is not in this tenant: check `tenant` and `client` under `identity`, and `cloud`";
    "AADSTS90002" => "the tenant does not exist: check `tenant` under `identity`, and `cloud`";
    "AADSTS500011" =>
        "the resource is unknown in the tenant: check the `scope` of the service under `endpoints`, and `cloud`";
    "AADSTS500014" => "the resource is disabled in this tenant: enable its enterprise application";
    "AADSTS65001" =>
        "nobody has consented to the application in this tenant: an administrator must consent";
    "AADSTS65002" =>
        "this program cannot get tokens of that service for a person: get one with the service's own client, and use `token` or `token-command`";
    // Sign-in by assertion.
    "AADSTS700024" =>
        "the assertion has expired, or this machine's clock is wrong: an assertion is valid for minutes only, so its issuer must renew it; check the clock too";
    "AADSTS700211" => ISSUER;
    "AADSTS700212" => AUDIENCE;
    "AADSTS700213" => SUBJECT;
    "AADSTS7002138" =>
        "the federated credential's subject differs only in upper and lower case: write it exactly as in the assertion";
    "AADSTS70021" =>
        "the application does not trust this assertion: compare issuer, subject and audience of its federated credential with those in the message";
    "AADSTS50013" =>
        "the assertion was not signed by its issuer, or was altered: check the file or the job's issuer";
    "AADSTS700027" =>
        "the assertion's signature is not its issuer's: check the file or the job's issuer";
    // Sign-in of people.
    "AADSTS50076" =>
        "a second factor is required, which a program cannot provide: sign in with `az login` and use `azure-cli`, or use an exempt account";
    "AADSTS50079" =>
        "the account must register a second factor: sign in with a browser once, then use `azure-cli`";
    "AADSTS50126" => "invalid user name or password";
    "AADSTS50034" => "the tenant does not have this account: check its name and `tenant`";
    "AADSTS50057" => "the account is disabled: enable it, or use another one";
    "AADSTS50173" =>
        "the sign-in was revoked, by a changed password or an administrator: sign in again";
    "AADSTS700082" => "the sign-in has expired because it was not used: sign in again";
    // Policies.
    "AADSTS53003" => POLICY;
    "AADSTS53000" =>
        "a conditional access policy requires a compliant device: run it on one, or ask the administrator of the policies";
    // Tokens that a service refuses.
    "InvalidAuthenticationAudience" =>
        "the token is for another service: check the `scope` of this service under `endpoints`, and `cloud`; a `token` needs the audience that the message names";
    "ExpiredAuthenticationToken" =>
        "the token has expired: provide a new one, or use a credential kind that is renewed";
};

const ISSUER: &str = "the application does not trust this issuer: add a federated credential to it, with \
                      issuer, subject and audience of the assertion";

const SUBJECT: &str = "the application trusts this issuer, but not this subject: write the subject of the \
                       message into its federated credential; the subject of a GitHub job differs by \
                       branch, environment and pull request";

const AUDIENCE: &str = "the application's federated credential names another audience: it must be \
                        api://AzureADTokenExchange, unless `audience` under `identity` says otherwise";

const POLICY: &str = "a conditional access policy forbids it: an administrator finds the policy in the \
                      sign-in logs by the request id; policies for workload identities apply to \
                      applications and often require a known address";

const UNREGISTERED: &str = "register the application as a management application: a Power Platform \
                            administrator runs `pac admin application register`; being System \
                            Administrator in the environments is not enough";

const NO_ADMINISTRATOR: &str = "give the account the role Power Platform Administrator or Dynamics 365 \
                                Administrator, and sign in again";

/// What to do about a claims challenge: the service wants a token that proves more, and the header
/// says so whatever the body says.
pub(super) const CHALLENGED: &str = "the tenant requires more than this credential proves (continuous access \
                          evaluation): ask the administrator of the conditional access policies";

/// The remedy of a refusal, if one is known.
pub(super) fn remedy(kind: ErrorKind, error: &ServiceError) -> Option<String> {
    let code = error.code.as_deref().unwrap_or_default();
    let known = REMEDIES.iter().find(|(known, _)| *known == code);
    known
        .map(|(_, remedy)| (*remedy).to_owned())
        .or_else(|| refusal_codes::advice(error))
        .or_else(|| by_message(kind, &error.message).map(str::to_owned))
}

/// Errors of the admin APIs without a specific code (microsoft/powerplatform-build-tools issue
/// 1112, microsoft/PowerAppsCodeApps issue 440, MicrosoftDocs/power-platform issue 1848).
fn by_message(kind: ErrorKind, message: &str) -> Option<&'static str> {
    let is_denied = kind == ErrorKind::Forbidden && message.contains("does not have permission");
    let is_person =
        message.contains("The user with object id") || message.contains("The token with tenant id");
    if is_denied && message.contains("The service principal with id") {
        return Some(UNREGISTERED);
    }
    if is_denied && is_person {
        return Some(NO_ADMINISTRATOR);
    }
    // A challenge of continuous access evaluation: the same credential would be refused again.
    message
        .contains("insufficient_claims")
        .then_some(CHALLENGED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The remedy for a response with this body.
    fn help(kind: ErrorKind, body: &Value) -> Option<String> {
        remedy(kind, &ServiceError::parse(Some(body), &[]))
    }

    fn error(code: &str, message: &str) -> Value {
        json!({"error": {"code": code, "message": message}})
    }

    /// Responses of 403 and 401, in the services' own words, and the remedy of each.
    #[test]
    fn a_403_and_a_401_have_a_remedy() {
        let forbidden = |code, message| (ErrorKind::Forbidden, error(code, message));
        let path = "'https://10.0.6.48:20014/providers/Microsoft.BusinessAppPlatform/environments/1/copyTo?api-version=2020-08-01'";
        let unregistered = format!(
            "The service principal with id '1' for application 2 does not have permission to access the path {path} in tenant 3."
        );
        let checked = "The service principal with id '1' for application '2' does not have permission to access the environment checkAccess endpoint in tenant '3'.";
        let person = "The user with object id '5' does not have permission to access this.";
        let token = "The token with tenant id '1' and object id '2' does not have permission to access the path '/providers/x'.";
        for ((kind, body), expected) in [
            // The role is missing.
            (
                forbidden(
                    "0x80042F09",
                    "The user with id 1 has not been assigned any roles.",
                ),
                "no security role",
            ),
            (
                forbidden(
                    "0x80040220",
                    "Principal user (Id=1) is missing prvReadWorkflow privilege.",
                ),
                "lack a privilege",
            ),
            (
                forbidden("Forbidden", person),
                "Power Platform Administrator",
            ),
            (
                forbidden("Forbidden", token),
                "Power Platform Administrator",
            ),
            // The principal is not registered.
            (
                forbidden("Forbidden", &unregistered),
                "pac admin application register",
            ),
            (
                forbidden("BusinessAppPlatformRequestFailed", checked),
                "pac admin application register",
            ),
            // The caller is not provisioned yet, or no user at all.
            (
                forbidden(
                    "0x80072560",
                    "The user is not a member of the organization.",
                ),
                "right after a copy, wait some minutes",
            ),
            // Administration mode.
            (
                forbidden(
                    "0x8004A113",
                    "The user does not have permissions to access the org when it is in Admin Only mode.",
                ),
                "administration mode",
            ),
            // The audience is wrong.
            (
                (
                    ErrorKind::NotSignedIn,
                    error(
                        "InvalidAuthenticationAudience",
                        "The received access token has been obtained from wrong audience or resource 'https://xxx.crm4.dynamics.com/'. It should exactly match (including forward slash) with one of the allowed audiences 'https://service.powerapps.com/'.",
                    ),
                ),
                "for another service",
            ),
            // Conditional access, at the service.
            (
                (
                    ErrorKind::NotSignedIn,
                    json!({"message": "Bearer realm=\"\", error=\"insufficient_claims\", claims=\"e30=\""}),
                ),
                "continuous access evaluation",
            ),
        ] {
            let help = help(kind, &body).unwrap_or_else(|| panic!("no help against {body}"));
            assert!(help.contains(expected), "{body}: {help}");
        }
        assert_eq!(help(ErrorKind::Forbidden, &error("Forbidden", "no")), None);
        // The same words about something that does not exist are not about permissions.
        let (_, body) = forbidden("X", person);
        assert_eq!(help(ErrorKind::NotFound, &body), None);
    }

    /// Errors of the sign-in service, in its own words, and the remedy of each.
    #[test]
    fn a_sign_in_error_has_a_remedy() {
        for (text, expected) in [
            (
                "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '1'.",
                "its value, not its id",
            ),
            (
                "AADSTS7000222: The provided client secret keys for app '1' are expired.",
                "create a new one",
            ),
            (
                "AADSTS700016: Application with identifier '1' was not found in the directory 'Contoso'.",
                "`client` under `identity`",
            ),
            (
                "AADSTS700024: Client assertion is not within its valid time range. Current time: 2026-01-01T00:10:00Z, expiry time of assertion 2026-01-01T00:05:00Z.",
                "valid for minutes",
            ),
            (
                "AADSTS700211: No matching federated identity record found for presented assertion issuer 'https://token.actions.githubusercontent.com/'.",
                "this issuer",
            ),
            (
                "AADSTS700213: No matching federated identity record found for presented assertion subject 'repo:contoso/refresh:ref:refs/heads/main'. Please check your federated identity credential Subject, Audience and Issuer against the presented assertion.",
                "not this subject",
            ),
            (
                "AADSTS7002138: No matching federated identity record found for presented assertion subject 'repo:contoso/Refresh:environment:Production'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison.",
                "upper and lower case",
            ),
            (
                "AADSTS50076: Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access '1'.",
                "second factor",
            ),
            (
                "AADSTS65002: Consent between first party application '1' and first party resource '2' must be configured via preauthorization.",
                "`token-command`",
            ),
            (
                "AADSTS53003: Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
                "conditional access policy",
            ),
        ] {
            let body = json!({"error": "invalid_client", "error_description": text});
            let by_response = help(ErrorKind::NotSignedIn, &body);
            let by_response = by_response.unwrap_or_else(|| panic!("no help against {text}"));
            assert!(by_response.contains(expected), "{text}: {by_response}");
            // The same in the output of a program.
            let refusal = ServiceError::from_text(&format!("ERROR: {text} Trace ID: 1"));
            assert_eq!(remedy(ErrorKind::NotSignedIn, &refusal), Some(by_response));
        }
    }

    #[test]
    fn each_code_is_there_once() {
        let codes: std::collections::BTreeSet<&str> =
            REMEDIES.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes.len(), REMEDIES.len());
    }
}
