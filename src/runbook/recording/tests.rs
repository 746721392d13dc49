use serde_json::{Value, json};

use super::*;
use crate::runbook::{IomRequest, Keyword as _, Placeholder, RequestBinding, parse};

const ROW: &str = "66666666-6666-6666-6666-666666666666";
const OTHER: &str = "77777777-7777-7777-7777-777777777777";
const ROOT: &str = "https://contoso-uat.crm4.dynamics.com/api/data/v9.2";

/// A recording as Chromium writes it, with what must not come out of it.
fn recording(requests: &[Value]) -> String {
    let entries: Vec<Value> = requests
        .iter()
        .map(|request| {
            let mut request = request.clone();
            let response = request["response"].take();
            request["headers"] = json!([
                { "name": "authorization", "value": "Bearer hunter2.token" },
                { "name": "cookie", "value": "CrmOwinAuth=hunter2" },
            ]);
            request["cookies"] = json!([{ "name": "CrmOwinAuth", "value": "hunter2" }]);
            let response = if response.is_null() { json!({ "status": 204 }) } else { response };
            json!({ "startedDateTime": "2026-03-02T10:00:00Z", "request": request, "response": response })
        })
        .collect();
    json!({ "log": { "version": "1.2", "creator": {}, "entries": entries } }).to_string()
}

fn request(method: &str, url: &str, body: &str) -> Value {
    json!({ "method": method, "url": url, "postData": { "mimeType": "application/json", "text": body } })
}

/// The drafts of a recording of these requests.
fn drafts(requests: &[Value], request: Option<IomRequest>) -> Vec<Draft> {
    let recorded = read_writes(&recording(requests)).unwrap();
    recorded
        .iter()
        .map(|it| Draft::from_recorded(it, request))
        .collect()
}

fn only(requests: &[Value], request: IomRequest) -> Draft {
    let mut drafts = drafts(requests, Some(request));
    assert_eq!(drafts.len(), 1, "{drafts:#?}");
    drafts.remove(0)
}

fn was(draft: &Draft, placeholder: Placeholder) -> Option<&str> {
    let found = draft
        .replaced
        .iter()
        .find(|it| it.placeholder == placeholder);
    found.map(|it| it.was.as_str())
}

/// Writes the entries into a runbook, confirmed by a person, and returns what that runbook binds.
fn bound(drafts: &[Draft], request: IomRequest) -> RequestBinding {
    let text = format_entries("recording.har", drafts);
    assert!(
        !text.contains("hunter2") && !text.contains("contoso-uat"),
        "{text}"
    );
    let smallest = include_str!("../../../tests/runbooks/valid/smallest.yaml");
    let unconfirmed = format!("{smallest}act-as: svc-iom@contoso.com\n{text}\n");
    let refused = parse("a.yaml", &unconfirmed).unwrap_err();
    assert!(
        refused
            .iter()
            .all(|it| it.message() == "`confirmed` is empty"),
        "{refused}"
    );
    let confirmed = unconfirmed.replace("confirmed: \"\"", "confirmed: A. Jensen");
    let runbook = parse("a.yaml", &confirmed).unwrap_or_else(|invalid| panic!("{invalid}"));
    runbook.iom.request(request).clone()
}

fn template(binding: &RequestBinding) -> String {
    let RequestBinding::Request(template) = binding else {
        panic!("{binding:?}");
    };
    format!(
        "{template} {}",
        template.body.as_deref().unwrap_or_default()
    )
}

#[test]
fn only_writes_below_the_root_are_kept() {
    let drafts = drafts(
        &[
            request("GET", &format!("{ROOT}/msdyn_iomproviders({ROW})"), ""),
            request(
                "POST",
                "https://browser.events.data.microsoft.com/OneCollector/1.0/",
                "{}",
            ),
            request(
                "POST",
                "https://contoso-uat.crm4.dynamics.com/AppWebServices/x.ashx",
                "{}",
            ),
            request("DELETE", &format!("{ROOT}/msdyn_iomproviders({ROW})"), ""),
        ],
        Some(IomRequest::DeleteProvider),
    );
    assert_eq!(drafts.len(), 1);
    assert_eq!(was(&drafts[0], Placeholder::Id), Some(ROW));
    assert_eq!(
        template(&bound(&drafts, IomRequest::DeleteProvider)),
        "DELETE msdyn_iomproviders(<id>) "
    );
}

#[test]
fn the_one_text_of_a_body_becomes_the_value_and_is_not_shown() {
    let body = "{\n \"msdyn_value\": \"hunter2\",\n \"msdyn_order\": 1.50,\n \"row\": \"66666666-6666-6666-6666-666666666666\" }";
    let url = format!("{ROOT}/msdyn_iomproviderparameters({})", ROW.to_uppercase());
    let draft = only(
        &[request("PATCH", &url, body)],
        IomRequest::SetProviderParameter,
    );
    assert!(was(&draft, Placeholder::Value).is_some_and(|it| it.starts_with("sha256:")));
    assert!(draft.notes.is_empty(), "{:?}", draft.notes);
    assert_eq!(
        template(&bound(&[draft], IomRequest::SetProviderParameter)),
        "PATCH msdyn_iomproviderparameters(<id>) {  \"msdyn_value\": \"<value>\",  \"msdyn_order\": 1.50,  \"row\": \"<id>\" }"
    );
}

#[test]
fn owner_and_graph_are_recognised_by_their_form() {
    let owner = json!({
        "msdyn_connectionurl": "https://x/?a='b'",
        "ownerid@odata.bind": format!("/systemusers({OTHER})"),
    });
    let url = format!("{ROOT}/msdyn_iomproviderconnectionreferences({ROW})");
    let asked = IomRequest::SaveProviderConnectionReference;
    let draft = only(&[request("PATCH", &url, &owner.to_string())], asked);
    assert_eq!(
        was(&draft, Placeholder::Owner),
        Some(format!("systemusers({OTHER})").as_str())
    );
    assert_eq!(
        template(&bound(&[draft], asked)),
        "PATCH msdyn_iomproviderconnectionreferences(<id>) \
         {\"msdyn_connectionurl\":\"<value>\",\"ownerid@odata.bind\":\"<owner>\"}"
    );
    let graph = json!({ "msdyn_graph": "{\"tiles\":[]}", "statuscode": 1 }).to_string();
    let url = format!("{ROOT}/msdyn_iomdesigners({ROW})");
    let draft = only(
        &[request("PATCH", &url, &graph)],
        IomRequest::EditOrchestration,
    );
    assert_eq!(
        template(&bound(&[draft], IomRequest::EditOrchestration)),
        "PATCH msdyn_iomdesigners(<id>) {\"msdyn_graph\":\"<graph>\",\"statuscode\":1}"
    );
}

#[test]
fn the_created_row_is_recognised_by_the_response() {
    let body = json!({ "Definition": ROW, "Provider": OTHER }).to_string();
    let mut install = request("POST", &format!("{ROOT}/msdyn_InstallProvider"), &body);
    let url = format!("{ROOT}/msdyn_iomproviders({OTHER})");
    install["response"] =
        json!({ "status": 201, "headers": [{ "name": "OData-EntityId", "value": url }] });
    let draft = only(&[install], IomRequest::InstallProvider);
    assert_eq!(was(&draft, Placeholder::NewId), Some(OTHER));
    assert_eq!(
        template(&bound(&[draft], IomRequest::InstallProvider)),
        "POST msdyn_InstallProvider {\"Definition\":\"<id>\",\"Provider\":\"<new-id>\"}"
    );
}

#[test]
fn texts_that_are_not_recognised_are_kept_and_noted() {
    let body = json!({ "A": ROW, "B": OTHER }).to_string();
    let draft = only(
        &[request(
            "POST",
            &format!("{ROOT}/msdyn_ActivateProvider"),
            &body,
        )],
        IomRequest::ActivateProvider,
    );
    assert_eq!(draft.body.as_deref(), Some(body.as_str()));
    assert!(
        draft.notes[0].contains("which of these ids is the row's"),
        "{:?}",
        draft.notes
    );
    let text = format_entries("a.har", &[draft]);
    assert!(
        text.contains("# still invalid: the request for `activate-provider` does not use `<id>`"),
        "{text}"
    );

    let url = format!("{ROOT}/things({ROW})/run");
    let draft = only(
        &[request("POST", &url, "a=b")],
        IomRequest::ActivateProvider,
    );
    assert!(draft.body.is_none() && draft.notes[0].contains("not JSON"));
}

#[test]
fn writes_inside_a_batch_are_found() {
    let batch = format!(
        "--batch_1\r\nContent-Type: multipart/mixed;boundary=changeset_2\r\n\r\n--changeset_2\r\n\
         Content-Type: application/http\r\nContent-ID: 1\r\n\r\n\
         PATCH /api/data/v9.0/msdyn_iomproviders({ROW}) HTTP/1.1\r\nContent-Type: application/json\r\n\r\n\
         {{\"statecode\":1,\r\n\"statuscode\":2}}\r\n--changeset_2--\r\n--batch_1\r\n\r\n\
         GET accounts HTTP/1.1\r\nAccept: application/json\r\n\r\n\r\n--batch_1--\r\n"
    );
    let draft = only(
        &[request("POST", &format!("{ROOT}/$batch"), &batch)],
        IomRequest::DeactivateProvider,
    );
    assert_eq!(
        template(&bound(&[draft], IomRequest::DeactivateProvider)),
        "PATCH msdyn_iomproviders(<id>) {\"statecode\":1, \"statuscode\":2}"
    );
}

#[test]
fn entries_are_named_by_table_and_verb() {
    let at = |rest: &str| format!("{ROOT}/{rest}");
    let row = |set: &str| at(&format!("{set}({ROW})"));
    let action = |set: &str, name: &str| at(&format!("{set}({ROW})/Microsoft.Dynamics.CRM.{name}"));
    let name = |method: &str, url: String, body: &str| {
        let draft = drafts(&[request(method, &url, body)], None).remove(0);
        (draft.request, draft.candidates)
    };
    let clear = [
        (
            "DELETE",
            row("msdyn_iomproviders"),
            "",
            IomRequest::DeleteProvider,
        ),
        (
            "PATCH",
            row("msdyn_iomproviders"),
            "{\"statecode\":1}",
            IomRequest::DeactivateProvider,
        ),
        (
            "PATCH",
            row("msdyn_iomproviders"),
            "{\"msdyn_name\":\"a\"}",
            IomRequest::RenameProvider,
        ),
        (
            "PATCH",
            row("msdyn_iomdesigners"),
            "{\"msdyn_graph\":\"{}\"}",
            IomRequest::EditOrchestration,
        ),
        (
            "PATCH",
            row("msdyn_iomproviderparameters"),
            "{\"msdyn_value\":\"a\"}",
            IomRequest::SetProviderParameter,
        ),
        (
            "PATCH",
            row("msdyn_iomproviderconnectionreferences"),
            "{\"statecode\":0}",
            IomRequest::ActivateProviderConnectionReference,
        ),
        (
            "POST",
            action("msdyn_iomproviders", "new_ActivateProvider"),
            "{}",
            IomRequest::ActivateProvider,
        ),
        (
            "POST",
            action("msdyn_iompolicies", "new_Publish"),
            "{}",
            IomRequest::PublishPolicy,
        ),
        (
            "POST",
            at("new_ActivateSystem"),
            "{}",
            IomRequest::ActivateSystem,
        ),
        (
            "POST",
            at("new_InstallProvider"),
            "{}",
            IomRequest::InstallProvider,
        ),
    ];
    for (method, url, body, request) in clear {
        assert_eq!(name(method, url, body), (Some(request), vec![]));
    }
    let (request, candidates) = name("PATCH", row("msdyn_iomdesigners"), "{\"statecode\":0}");
    assert_eq!((request, candidates.len()), (None, 2));
    assert_eq!(name("PATCH", row("accounts"), "{}"), (None, vec![]));
}

#[test]
fn a_bind_becomes_a_placeholder_inside_its_text() {
    let body = json!({
        "d@odata.bind": format!("/msdyn_iomproviderdefinitions({ROW})"),
        "absolute@odata.bind": format!("{ROOT}/msdyn_iomproviderdefinitions({ROW})"),
        "@odata.type": "#Microsoft.Dynamics.CRM.msdyn_iomprovider",
        "msdyn_iomproviderid": OTHER,
    });
    let url = format!("{ROOT}/msdyn_InstallProvider");
    let mut install = request("POST", &url, &body.to_string());
    let created = format!("{ROOT}/msdyn_iomproviders({OTHER})");
    install["response"] =
        json!({ "status": 201, "headers": [{ "name": "OData-EntityId", "value": created }] });
    let mut found = drafts(&[install], None);
    // Without a whole id of the definition, the bind is where the row is.
    let draft = found.remove(0);
    assert_eq!(draft.request, Some(IomRequest::InstallProvider));
    let shown = draft.body.clone().unwrap();
    assert_eq!(
        shown.matches("/msdyn_iomproviderdefinitions(<id>)").count(),
        2,
        "{shown}"
    );
    assert!(
        shown.contains("<new-id>") && shown.contains("#Microsoft.Dynamics.CRM.msdyn_iomprovider"),
        "{shown}"
    );
    let bound = bound(&[draft], IomRequest::InstallProvider);
    assert!(template(&bound).starts_with("POST msdyn_InstallProvider"));
}

#[test]
fn no_recorded_value_is_printed() {
    let row = format!("{ROOT}/msdyn_iomproviderparameters({ROW})");
    let bodies = [
        json!({ "msdyn_value": "hunter2" }),
        json!({ "other": "hunter2", "msdyn_value": "hunter2b" }),
        json!({ "a": { "b": ["hunter2", { "c": format!("{ROW} hunter2") }] }, "d": "x" }),
        json!({ "@odata.type": "hunter2 !", "bind": format!("/hunter2 ({ROW})") }),
        json!({ "json": "{\"key\":\"hunter2\"}" }),
    ];
    let paths = [
        row.clone(),
        format!("{ROOT}/new_Set(value='hunter2',id={ROW})?@p=%27hunter2%27&x=hunter2"),
        format!("{ROOT}/things(name=%27hunter2%27)"),
    ];
    for asked in IomRequest::ALL.iter().copied().map(Some).chain([None]) {
        for (body, path) in bodies
            .iter()
            .flat_map(|body| paths.iter().map(move |it| (body, it)))
        {
            let found = drafts(&[request("PATCH", path, &body.to_string())], asked);
            let text = format_entries("a.har", &found);
            let json = serde_json::to_string(&found).unwrap();
            assert!(
                !text.contains("hunter2") && !json.contains("hunter2"),
                "{text}\n{json}"
            );
        }
    }
    let two = json!({ "other": "hunter2", "msdyn_value": "hunter2b" }).to_string();
    let text = format_entries("a.har", &drafts(&[request("PATCH", &row, &two)], None));
    assert!(text.contains("\"msdyn_value\":\"<value>\""), "{text}");
    assert!(text.contains("\"other\":\"<fill-in>\""), "{text}");
    assert!(
        text.contains("still invalid: `<fill-in>` is not a placeholder"),
        "{text}"
    );
}

#[test]
fn an_entry_without_a_name_asks_for_one() {
    let url = format!("{ROOT}/msdyn_iomproviders({ROW})");
    let both = [
        request("PATCH", &format!("{ROOT}/accounts({ROW})"), "{\"a\":1}"),
        request("DELETE", &url, ""),
        request("DELETE", &url, ""),
    ];
    let text = format_entries("a\u{1b}.har", &drafts(&both, None));
    assert!(
        text.contains("3 writes") && text.contains("    request-1:"),
        "{text}"
    );
    assert!(
        text.contains("`publish-policy`") && !text.contains('\u{1b}'),
        "{text}"
    );
    assert!(text.contains("\n    delete-provider:"), "{text}");
    assert!(text.contains("    # delete-provider:"), "{text}");
}

#[test]
fn a_file_that_is_not_a_recording_is_reported() {
    for text in ["", "[]", "{}", "{\"log\":{}}", "<html>"] {
        assert!(
            read_writes(text)
                .unwrap_err()
                .to_string()
                .contains("not a HAR file"),
            "{text}"
        );
    }
    assert!(
        read_writes("{\"log\":{\"entries\":[]}}")
            .unwrap()
            .is_empty()
    );
}
