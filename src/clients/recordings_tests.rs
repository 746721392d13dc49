//! The recorded answers in `tests/fixtures` go through the clients: nothing that the program uses is
//! lost. Environments and operations are in `tests/it/recordings.rs`.

use serde_json::{Value, json};
use uuid::Uuid;

use super::http::Limits;
use super::testing::{Listener, Reply, Setup};
use super::{Dataverse, ErrorKind, Operation, OperationState, PowerPlatform, Query};

const ID: Uuid = Uuid::from_u128(1);

/// A file of `tests/fixtures`: its text.
macro_rules! recorded {
    ($file:literal) => {
        include_str!(concat!("../../tests/fixtures/", $file))
    };
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn items(list: &Value) -> &Vec<Value> {
    list["value"].as_array().unwrap()
}

/// The text at a pointer; an empty text counts as none.
fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.filter(|text| !text.is_empty())
}

#[tokio::test]
async fn every_recorded_package_keeps_what_the_program_uses() {
    let body = recorded!("application/packages.json");
    let setup = Setup::with_limits(1_000.0, Limits::default());
    let listener = Listener::replying(vec![Reply::json(200, body)]).await;
    let platform = PowerPlatform::new(setup.service(&listener.url));
    let found = platform.packages(ID).await.unwrap();
    let raw = parse(body);
    assert_eq!(found.len(), items(&raw).len());
    for (package, raw) in found.iter().zip(items(&raw)) {
        assert_eq!(&package.raw, raw);
        assert_eq!(Some(package.unique_name.as_str()), text(raw, "/uniqueName"));
        assert_eq!(package.name.as_deref(), text(raw, "/localizedName"));
        assert_eq!(package.version.as_deref(), text(raw, "/version"));
        assert_eq!(package.state.as_deref(), text(raw, "/state"));
        assert_eq!(package.is_installed(), raw["state"] == "Installed");
    }
}

#[tokio::test]
async fn every_recorded_connection_keeps_what_the_program_uses() {
    let created = json!({"value": [parse(recorded!("connection/created.json"))]});
    for raw in [parse(recorded!("connection/list.json")), created] {
        let setup = Setup::with_limits(1_000.0, Limits::default());
        let listener = Listener::replying(vec![Reply::json(200, &raw)]).await;
        let platform = PowerPlatform::new(setup.service(&listener.url));
        let found = platform.connections(ID).await.unwrap();
        assert_eq!(found.len(), items(&raw).len());
        for (connection, raw) in found.iter().zip(items(&raw)) {
            assert_eq!(&connection.raw, raw);
            assert_eq!(Some(connection.id.as_str()), text(raw, "/name"));
            let connector = connection.connector.as_deref().unwrap();
            assert!(text(raw, "/properties/apiId").unwrap().ends_with(connector));
            let name = text(raw, "/properties/displayName");
            assert_eq!(connection.display_name.as_deref(), name);
            let statuses = raw["properties"]["statuses"].as_array().unwrap();
            assert_eq!(connection.statuses.len(), statuses.len());
            let is_connected = statuses
                .iter()
                .all(|status| status["status"] == "Connected");
            assert_eq!(connection.is_connected(), is_connected);
            assert!(connection.account.is_some());
        }
    }
}

#[test]
fn the_recorded_operation_of_an_installation_has_ended() {
    let raw = parse(recorded!("application/install-operation.json"));
    let operation = Operation::from_value(&raw).unwrap();
    assert_eq!(Some(operation.id.as_str()), text(&raw, "/operationId"));
    assert_eq!(operation.state, OperationState::Succeeded);
    assert_eq!(operation.started.as_deref(), text(&raw, "/createdDateTime"));
    assert_eq!(
        operation.ended.as_deref(),
        text(&raw, "/lastActionDateTime")
    );
}

#[tokio::test]
async fn every_recorded_error_keeps_its_code_and_has_a_remedy() {
    for (status, body) in [
        (404, recorded!("error/environment-not-visible.json")),
        (400, recorded!("error/insufficient-capacity.json")),
        (409, recorded!("error/operation-not-startable.json")),
    ] {
        let setup = Setup::with_limits(1_000.0, Limits::default());
        let listener = Listener::replying(vec![Reply::json(status, body)]).await;
        let platform = PowerPlatform::new(setup.service(&listener.url));
        let error = platform.packages(ID).await.unwrap_err();
        let raw = parse(body);
        assert_eq!(error.code.as_deref(), text(&raw, "/error/code"));
        assert!(
            error
                .to_string()
                .contains(text(&raw, "/error/message").unwrap()),
            "{error}"
        );
        assert!(error.known_refusal().is_some(), "{error}");
        assert_ne!(error.kind, ErrorKind::Malformed);
    }
}

#[tokio::test]
async fn every_recorded_row_keeps_every_member_and_its_bytes() {
    for (set, key, body) in [
        ("roles", "roleid", recorded!("dataverse/roles.json")),
        (
            "systemusers",
            "systemuserid",
            recorded!("dataverse/systemusers.json"),
        ),
        (
            "systemusers",
            "applicationid",
            recorded!("dataverse/application-users.json"),
        ),
    ] {
        let setup = Setup::with_limits(1_000.0, Limits::default());
        let listener = Listener::replying(vec![Reply::json(200, body)]).await;
        let dataverse = Dataverse::new(setup.service(&listener.url));
        let rows = dataverse.list(set, &Query::new()).await.unwrap();
        let raw = parse(body);
        assert_eq!(rows.len(), items(&raw).len(), "{set}");
        for (row, raw) in rows.iter().zip(items(&raw)) {
            assert_eq!(&Value::Object(row.value.clone()), raw, "{set}");
            assert_eq!(&parse(&row.text), raw, "{set}");
            assert!(body.contains(&row.text), "the exact bytes");
            assert_eq!(row.etag.as_deref(), text(raw, "/@odata.etag"), "{set}");
            assert_eq!(
                row.id(key).map(|id| id.to_string()).as_deref(),
                text(raw, &format!("/{key}"))
            );
        }
    }
}

#[tokio::test]
async fn the_recorded_table_definition_keeps_what_the_program_uses() {
    let body = recorded!("dataverse/entity-definition-account.json");
    let setup = Setup::with_limits(1_000.0, Limits::default());
    let list = json!({"value": [parse(body)]});
    let listener = Listener::replying(vec![Reply::json(200, &list)]).await;
    let dataverse = Dataverse::new(setup.service(&listener.url));
    let tables = dataverse.tables().await.unwrap();
    let (table, raw) = (&tables[0], &list["value"][0]);
    assert_eq!(Some(table.logical_name.as_str()), text(raw, "/LogicalName"));
    assert_eq!(Some(table.entity_set.as_str()), text(raw, "/EntitySetName"));
    assert_eq!(
        Some(table.primary_id.as_str()),
        text(raw, "/PrimaryIdAttribute")
    );
    assert_eq!(
        table.primary_name.as_deref(),
        text(raw, "/PrimaryNameAttribute")
    );
    let label = text(raw, "/DisplayName/UserLocalizedLabel/Label");
    assert_eq!(table.display_name.as_deref(), label);
    assert_eq!(
        table.optimistic_concurrency,
        raw["IsOptimisticConcurrencyEnabled"] == true
    );

    // The recording has no columns; the program asks for them in the same request.
    let mut single = parse(body);
    single["Attributes"] = json!([]);
    let listener = Listener::replying(vec![Reply::json(200, &single)]).await;
    let dataverse = Dataverse::new(setup.service(&listener.url));
    let table = dataverse.table("account").await.unwrap().unwrap();
    let relationships = single["ManyToOneRelationships"].as_array().unwrap();
    assert_eq!(table.lookups.len(), relationships.len());
    for (lookup, raw) in table.lookups.iter().zip(relationships) {
        let navigation = text(raw, "/ReferencingEntityNavigationPropertyName");
        assert_eq!(
            Some(lookup.column.as_str()),
            text(raw, "/ReferencingAttribute")
        );
        assert_eq!(Some(lookup.table.as_str()), text(raw, "/ReferencedEntity"));
        assert_eq!(Some(lookup.navigation.as_str()), navigation);
    }
}
