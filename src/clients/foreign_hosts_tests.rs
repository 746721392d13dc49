//! Every kind of place where a response may name another host, each with deceptive links: no token
//! reaches the host that they lead to.

use serde_json::json;
use uuid::Uuid;

use super::testing::{Listener, Reply, Setup, application, copy_request};
use super::{
    Bap, Condition, DataverseWriter, FinanceOperations, GithubOidc, Identity, MachineEndpoint,
    ManagedIdentity, OperationHandle, PowerPlatform, Query, Tokens,
};

const ID: Uuid = Uuid::from_u128(0x2222);

/// Links to a thief's port, in the forms that a hostile response could use.
fn links(thief: &Listener, own: &str) -> Vec<String> {
    let port = thief.url.rsplit(':').next().unwrap();
    let own_host = own.trim_start_matches("http://");
    vec![
        format!("{}/x/operations/1", thief.url),
        format!("//127.0.0.1:{port}/x/operations/1"),
        format!("http://localhost:{port}/x/operations/1"),
        format!("http://{own_host}@127.0.0.1:{port}/x/operations/1"),
        format!("http://user@127.0.0.1:{port}/x/operations/1"),
        format!("\\\\127.0.0.1:{port}\\x\\operations\\1"),
    ]
}

/// A service that puts one link in every place for a link, with this status.
async fn hostile(status: u16, link: &str) -> Listener {
    let link = link.to_owned();
    Listener::start(move |_, _| {
        let body = json!({
            "value": [],
            "collection": [],
            "@odata.nextLink": link,
            "@odata.nextlink": link,
            "nextLink": link,
        });
        Reply::json(status, body)
            .with("location", link.clone())
            .with("operation-location", link.clone())
            .with("azure-asyncoperation", link.clone())
            .with("odata-entityid", link.clone())
    })
    .await
}

/// Sends each kind of request once. The results do not matter here.
async fn send_every_request(setup: &Setup, url: &str, stored: &str) {
    let handle = || OperationHandle {
        service: "it".to_owned(),
        url: stored.to_owned(),
        id: None,
    };
    let bap = Bap::new(setup.service(url));
    drop(bap.environment(ID).await);
    drop(bap.operations(ID).await);
    drop(bap.set_runtime_state(ID, "Enabled", "Enabled").await);
    drop(bap.copy_to(ID, &copy_request()).await);
    drop(bap.operation(&handle()).await);
    let platform = PowerPlatform::new(setup.service(url));
    drop(platform.copy(ID, &copy_request()).await);
    drop(platform.operations(ID).await);
    drop(platform.copy_candidates(ID).await);
    drop(platform.packages(ID).await);
    drop(platform.connections(ID).await);
    drop(platform.poll(&handle()).await);
    let dataverse = DataverseWriter::new(setup.service(url));
    drop(dataverse.who_am_i().await);
    drop(dataverse.list("accounts", &Query::new()).await);
    drop(dataverse.get("accounts", ID, &["name"]).await);
    let body = json!({"name": "x"});
    drop(
        dataverse
            .update("accounts", ID, &body, Condition::None)
            .await,
    );
    drop(
        FinanceOperations::new(setup.service(url))
            .reachability()
            .await,
    );
}

#[tokio::test]
async fn no_response_leads_a_token_to_a_foreign_host() {
    let thief = Listener::replying(vec![Reply::json(200, "{}")]).await;
    for status in [200, 202, 302, 307] {
        let setup = Setup::new(100_000.0);
        for link in links(&thief, "http://127.0.0.1") {
            let service = hostile(status, &link).await;
            send_every_request(&setup, &service.url, &link).await;
            assert!(
                service.count() >= 14,
                "{status} {link}: {}",
                service.count()
            );
            assert_eq!(thief.count(), 0, "{status} {link}");
        }
    }
}

/// The same for issuers of tokens and assertions: no redirect forwards a secret of a request.
#[tokio::test]
async fn no_response_leads_a_secret_to_a_foreign_host() {
    let thief = Listener::replying(vec![Reply::json(200, "{}")]).await;
    let setup = Setup::new(100_000.0);
    for link in links(&thief, "http://127.0.0.1") {
        let hostile = hostile(307, &link).await;
        let job = Identity::GithubOidc(GithubOidc {
            tenant: "contoso.onmicrosoft.com".to_owned(),
            client: "c".to_owned(),
            audience: "a".to_owned(),
            request_url: hostile.url.clone(),
            request_token: "a-secret".to_owned().into(),
        });
        let machine = Identity::ManagedIdentity(ManagedIdentity {
            client: None,
            endpoint: MachineEndpoint::Metadata(Some(hostile.url.clone())),
        });
        for identity in [application(), job, machine] {
            let tokens = Tokens::new(&setup.http, &hostile.url).unwrap();
            let sign_in = tokens.sign_in(&identity, "https://x/.default");
            assert!(sign_in.facts().await.is_err());
        }
        assert_eq!(hostile.count(), 3, "{link}");
        assert_eq!(thief.count(), 0, "{link}");
    }
}
