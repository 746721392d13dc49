//! One write to the target's Web API, and how it is sent.

use serde_json::Value;
use uuid::Uuid;

use crate::clients::{Condition, DataverseWriter, Error, Row};
use crate::domain::RefreshContext;
use crate::domain::failure::or_by_hand;
use crate::engine::{Failure, FailureKind, Reading, WriteError};
use crate::runbook::{IomRequest, Method};

/// One write to the target's Web API, ready to send.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Relative to the Web API's root.
    pub(crate) path: String,
    pub(crate) body: Option<String>,
    /// Does it create a row with an id that the program chose, which must not exist yet?
    pub(crate) creates: bool,
    /// The directory object of the user that it is sent as, if it is not the caller.
    pub(crate) acting_as: Option<Uuid>,
    /// The name of the runbook's request, if the runbook binds it; a documented write has none.
    pub(crate) binding: Option<IomRequest>,
    /// The columns that the response to a PATCH shows, if not all.
    pub(crate) shown: &'static [&'static str],
}

impl Request {
    /// A documented PATCH of one row.
    pub(crate) fn patch(entity_set: &str, id: Uuid, body: &Value) -> Self {
        Self {
            method: Method::Patch,
            path: format!("{entity_set}({id})"),
            body: Some(body.to_string()),
            creates: false,
            acting_as: None,
            binding: None,
            shown: &[],
        }
    }

    /// The creation of one row with an id from this program, so that a lost response cannot lead to
    /// a second row.
    pub(crate) fn create(entity_set: &str, id: Uuid, body: &Value) -> Self {
        Self {
            creates: true,
            ..Self::patch(entity_set, id, body)
        }
    }

    /// The deletion of one row.
    pub(crate) fn delete(entity_set: &str, id: Uuid) -> Self {
        Self {
            method: Method::Delete,
            path: format!("{entity_set}({id})"),
            body: None,
            creates: false,
            acting_as: None,
            binding: None,
            shown: &[],
        }
    }

    /// An error of this request: what does not fit is corrected where the request is written.
    pub(super) fn explain(&self, mut error: Error) -> Error {
        if let Some(request) = self.binding.filter(|_| error.is_unfit_request()) {
            error.help = Some(format!(
                "the request does not fit the table: correct the request under `iom.requests` \
                 ({request})"
            ));
        }
        error
    }

    /// What came of this request. A person can make a change of order management that the caller
    /// may not make, also one that the program makes by a launch.
    pub(super) fn explain_refusal(&self, error: WriteError) -> WriteError {
        let (WriteError::Refused(failure), Some(request)) = (&error, self.binding) else {
            return error;
        };
        let failure = or_by_hand(failure.clone());
        if failure.kind != FailureKind::NotAllowed || failure.ends_the_run() {
            return error;
        }
        let help = failure.help.clone().unwrap_or_default();
        WriteError::Refused(failure.with_help(format!(
            "{help}; with `{request}: guided` under `iom.requests`, it is a manual task that says \
             what to click"
        )))
    }

    /// The same PATCH; its response shows only these columns, which must be all that are compared: a
    /// row can be many times as large (Microsoft Learn, *Update and delete table rows using the Web
    /// API*: update with data returned).
    pub(crate) fn showing(self, columns: &'static [&'static str]) -> Self {
        Self {
            shown: columns,
            ..self
        }
    }

    /// The same, sent as this user of the directory, if there is one.
    pub(crate) fn acting_as(self, user: Option<Uuid>) -> Self {
        Self {
            acting_as: user,
            ..self
        }
    }
}

/// Makes the request from what was read.
pub(crate) type MakeRequest = Box<dyn Fn(&Reading) -> Result<Request, Failure> + Send + Sync>;

/// Sends one request to the target's Web API. Takes the version that was read, if any. Returns the
/// row that a PATCH changed, if the service shows it.
pub(crate) async fn send(
    refresh: &RefreshContext,
    request: &Request,
    etag: Option<&str>,
) -> Result<Option<Row>, Error> {
    send_to(&refresh.target.dataverse, request, etag).await
}

pub(super) async fn send_to(
    target: &DataverseWriter,
    request: &Request,
    etag: Option<&str>,
) -> Result<Option<Row>, Error> {
    let condition = match (request.method, etag) {
        _ if request.creates => Condition::Create,
        (Method::Patch | Method::Delete | Method::Put, Some(etag)) => {
            Condition::Etag(etag.to_owned())
        }
        (Method::Patch | Method::Put, None) => Condition::Exists,
        _ => Condition::None,
    };
    let acting = request.acting_as.map(|user| target.acting_as(user));
    let target = acting.as_ref().unwrap_or(target);
    let (path, body) = (&request.path, request.body.as_deref());
    let sent = if request.method == Method::Patch {
        let columns = request.shown.join(",");
        let path = match columns.as_str() {
            "" => path.clone(),
            columns => format!("{path}?$select={columns}"),
        };
        target.patch(&path, body, condition).await
    } else {
        let method = request.method.to_string();
        let sent = target.send(&method, path, body, condition).await;
        sent.map(|_| None)
    };
    sent.map_err(|error| request.explain(error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clients::testing::{Listener, Reply, Setup};
    use crate::engine::Failure;

    /// A table without the column that a write names. Only a request of the runbook can be corrected
    /// there.
    #[tokio::test]
    async fn a_request_that_does_not_fit_is_corrected_where_it_is_written() {
        let refusal = r#"{"error":{"code":"0x80048d19","message":"Undeclared property 'x'"}}"#;
        let listener =
            Listener::replying(vec![Reply::json(400, refusal), Reply::json(400, refusal)]).await;
        let setup = Setup::new(1_000.0);
        let target = DataverseWriter::new(setup.service(&listener.url));
        let documented = Request::patch("connectionreferences", Uuid::from_u128(1), &json!({}));
        let bound = Request {
            binding: Some(IomRequest::RenameProvider),
            ..documented.clone()
        };
        for (request, is_bound) in [(documented, false), (bound, true)] {
            let result = send_to(&target, &request, None).await;
            let help = result.unwrap_err().help.unwrap_or_default();
            assert!(help.contains("does not fit the table"), "{help}");
            assert_eq!(help.contains("`iom.requests`"), is_bound, "{help}");
            assert_eq!(help.contains("rename-provider"), is_bound, "{help}");
        }
    }

    /// A flow's definition is most of its row, and its change compares two columns.
    #[tokio::test]
    async fn a_response_shows_only_the_columns_that_are_asked_for() {
        let row = json!({ "@odata.etag": "W/\"8\"", "statecode": 1 });
        let listener = Listener::replying(vec![Reply::json(200, &row)]).await;
        let setup = Setup::new(1_000.0);
        let target = DataverseWriter::new(setup.service(&listener.url));
        let request = Request::patch("workflows", Uuid::from_u128(1), &json!({ "statecode": 1 }));
        let request = request.showing(&["statecode", "_ownerid_value"]);
        let shown = send_to(&target, &request, None).await.unwrap().unwrap();
        assert_eq!(shown.etag.as_deref(), Some("W/\"8\""));
        let sent = listener.received().pop().unwrap();
        let asked = "?$select=statecode,_ownerid_value";
        assert!(sent.path.ends_with(asked), "{}", sent.path);
    }

    #[test]
    fn a_change_of_order_management_that_is_not_allowed_can_be_made_by_hand() {
        let documented = Request::patch("providers", Uuid::from_u128(1), &json!({}));
        let bound = Request {
            binding: Some(IomRequest::DeactivateProvider),
            ..documented.clone()
        };
        let forbidden = Failure::new(FailureKind::NotAllowed, "missing prvWriteprovider");
        let forbidden = forbidden.with_help("give it a role");
        let failed = Failure::failed("no").with_help("correct it").permanent();
        for (request, failure, is_by_hand) in [
            (&bound, forbidden.clone().of_one_change(), true),
            (&documented, forbidden.clone().of_one_change(), false),
            (&bound, forbidden, false),
            (&bound, failed, false),
        ] {
            let explained = request.explain_refusal(WriteError::Refused(failure.clone()));
            let WriteError::Refused(explained) = explained else {
                panic!("it stays refused");
            };
            let help = explained.help.unwrap_or_default();
            assert!(help.starts_with(failure.help.as_deref().unwrap_or_default()));
            for part in ["by hand", "`deactivate-provider: guided`"] {
                assert_eq!(help.contains(part), is_by_hand, "{help}");
            }
        }
    }
}
