//! What each request of the runbook would send for one real row: a person compares it with the
//! recording before the copy, and a request that cannot be filled is found before it is needed.
//!
//! Whether a tenant accepts a request cannot be tried without sending it, so no check predicts that.

use uuid::Uuid;

use super::snapshot::Snapshot;
use crate::base::redaction::redact;
use crate::base::text::fingerprint_of;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{ReadResult, Rows, available, iom_rows};
use crate::domain::RefreshContext;
use crate::domain::failure::unless_interrupted;
use crate::domain::iom_change::table_of;
use crate::domain::names::{Fields, Names, text};
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::{
    IomColumn, IomRequest, IomTable, Keyword as _, Placeholders, RequestBinding, RequestTemplate,
    StepName,
};

/// Shows each bound request, filled for one row of the source.
pub(super) async fn run_checks(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
) -> Result<Vec<CheckResult>, Failure> {
    let view = View::AsIs(&refresh.source.dataverse);
    let mut results = Vec::new();
    for request in IomRequest::ALL {
        let RequestBinding::Request(template) = refresh.runbook.iom.request(*request) else {
            continue;
        };
        let check = Check::protecting(
            step_of(*request),
            format!("the request for `{request}` can be filled for a row"),
            format!("the request for `{request}` does not fit the tenant"),
            format!(
                "compare it with the recording of the click; correct `{request}` under \
                 `iom.requests`, or write `guided` there"
            ),
        )
        .invalid_input();
        let Some(table) = table_of(*request) else {
            results.push(judge(&check, template, None, None));
            continue;
        };
        let read = read_sample(refresh, snapshot, view, table).await?;
        let set = view.table(refresh.names.table(table)).await;
        let set = unless_interrupted(set)?.map(|table| table.entity_set.clone());
        let answer = match (read, set) {
            (Ok(sample), Ok(set)) => {
                let sample = sample.map(|row| row.filling(*request, &refresh.names));
                Ok(judge(&check, template, sample.as_ref(), Some(&set)))
            }
            (Err(failure), _) | (_, Err(failure)) => Err(failure),
        };
        results.push(check.settle(answer));
    }
    Ok(results)
}

/// The first step that sends a request.
fn step_of(request: IomRequest) -> StepName {
    match request {
        IomRequest::ActivateSystem | IomRequest::SavePlatformConnectionReference => {
            StepName::ReconfigureConnections
        }
        IomRequest::StopOrchestration | IomRequest::EditOrchestration => {
            StepName::DetachProviderActions
        }
        IomRequest::PublishOrchestration | IomRequest::PublishPolicy => {
            StepName::RestoreProviderActions
        }
        _ => StepName::ReinstallProviders,
    }
}

/// The column of what a request sets.
fn column_of(request: IomRequest) -> Option<IomColumn> {
    match request {
        IomRequest::EditOrchestration => Some(IomColumn::OrchestrationGraph),
        other => other.value_column(),
    }
}

/// One row of the source.
struct Row {
    id: Uuid,
    title: String,
    fields: Fields,
}

/// A row, and what fills a request for it.
struct Sample {
    row: Row,
    /// The fingerprint of what is set: it may be a secret.
    value: String,
    owner: String,
}

impl Row {
    fn filling(self, request: IomRequest, names: &Names) -> Sample {
        let column = column_of(request).and_then(|column| names.column(column).ok());
        let value = column.and_then(|column| text(&self.fields, column));
        let owner = text(&self.fields, "_ownerid_value");
        let owner = owner.unwrap_or_else(|| Uuid::nil().to_string());
        Sample {
            value: fingerprint_of(value.as_ref().unwrap_or(&self.title)),
            owner: format!("systemusers({owner})"),
            row: self,
        }
    }
}

async fn read_sample(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
    view: View<'_>,
    table: IomTable,
) -> Result<ReadResult<Option<Row>>, Failure> {
    let names = &refresh.names;
    let first = |rows: &Rows| {
        rows.iter().next().map(|(id, fields)| Row {
            id: *id,
            title: names.title(table, fields, *id),
            fields: fields.clone(),
        })
    };
    let known = match table {
        IomTable::Provider => {
            return Ok(available(&snapshot.catalogue).map(|catalogue| {
                let all = catalogue.providers.values();
                first_active(all.map(|it| (it.active, it.id, it.name.as_str())))
            }));
        }
        IomTable::ProviderDefinition => {
            return Ok(available(&snapshot.catalogue).map(|catalogue| {
                let all = catalogue.definitions.values();
                first_active(all.map(|it| (it.active, it.id, it.name.as_str())))
            }));
        }
        IomTable::PlatformConnectionReference => &snapshot.system,
        IomTable::Orchestration => &snapshot.orchestrations,
        IomTable::Policy => &snapshot.policies,
        IomTable::ProviderConnectionReference => &snapshot.provider_references,
        other => {
            let rows = iom_rows(view, names, other).await?;
            return Ok(rows.map(|rows| first(&rows)));
        }
    };
    Ok(available(known).map(first))
}

/// The first row that is active, else the first: of each, whether it is active, its id and title.
fn first_active<'a>(mut rows: impl Iterator<Item = (bool, Uuid, &'a str)> + Clone) -> Option<Row> {
    let first = rows.clone().next();
    let (_, id, title) = rows.find(|row| row.0).or(first)?;
    Some(Row {
        id,
        title: title.to_owned(),
        fields: Fields::new(),
    })
}

/// The request as it would be sent for the sample. Takes the entity set of the row's table.
fn judge(
    check: &Check,
    template: &RequestTemplate,
    sample: Option<&Sample>,
    set: Option<&str>,
) -> CheckResult {
    let body = |body: Option<&str>| body.map_or_else(String::new, |body| format!(" {body}"));
    if sample.is_none() && set.is_some() {
        return check.pass(format!(
            "the source has no row to fill it with: {template}{}",
            redact(&body(template.body.as_deref()))
        ));
    }
    let filled = template.fill(&Placeholders {
        id: sample.map(|sample| sample.row.id),
        // The program makes a new id for each row.
        new_id: Some(Uuid::nil()),
        value: sample.map(|sample| sample.value.as_str()),
        owner: sample.map(|sample| sample.owner.as_str()),
        graph: sample.map(|sample| sample.value.as_str()),
    });
    let filled = match filled {
        Ok(filled) => filled,
        Err(missing) => return check.fail(missing.to_string()),
    };
    let row = sample.map_or_else(String::new, |it| format!("'{}': ", it.row.title));
    let shown = format!(
        "{row}{} {}{}",
        filled.method,
        filled.path,
        body(filled.body.as_deref())
    );
    let shown = redact(&shown).into_owned();
    // An action that is bound to no row takes the id in its body.
    let written = template.path.split_once("(<id>)").map(|(set, _)| set);
    match (written, set) {
        (Some(written), Some(set)) if !written.eq_ignore_ascii_case(set) => check.warn(format!(
            "the path is of `{written}`, the row's table is `{set}`: {shown}"
        )),
        _ => check.pass(shown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;
    use crate::runbook::Method;

    fn template(path: &str, body: Option<&str>) -> RequestTemplate {
        RequestTemplate {
            method: Method::Patch,
            path: path.to_owned(),
            body: body.map(str::to_owned),
            confirmed: "test".to_owned(),
        }
    }

    fn check() -> Check {
        Check::new("it can be filled", "it does not fit", "compare it").invalid_input()
    }

    fn sample() -> Sample {
        let mut fields = Fields::new();
        fields.insert("msdyn_value".to_owned(), "hunter2".into());
        let row = Row {
            id: Uuid::from_u128(1),
            title: "API key".to_owned(),
            fields,
        };
        row.filling(
            IomRequest::SetProviderParameter,
            &Names::unchecked(&crate::runbook::Iom::default()),
        )
    }

    #[test]
    fn a_request_is_shown_for_one_row_with_its_value_as_a_fingerprint() {
        let request = template("parameters(<id>)", Some(r#"{"msdyn_value":"<value>"}"#));
        let result = judge(&check(), &request, Some(&sample()), Some("parameters"));
        assert_eq!(result.verdict, Verdict::Pass);
        let id = Uuid::from_u128(1);
        let print = fingerprint_of("hunter2");
        assert_eq!(
            result.found,
            format!("'API key': PATCH parameters({id}) {{\"msdyn_value\":\"{print}\"}}")
        );
    }

    #[test]
    fn a_path_of_another_table_is_a_warning() {
        let request = template("others(<id>)", Some("{}"));
        let result = judge(&check(), &request, Some(&sample()), Some("parameters"));
        assert_eq!(result.label(), "warning");
        assert!(result.found.contains("`others`"), "{}", result.found);
    }

    #[test]
    fn a_table_without_rows_shows_the_template() {
        let request = template("parameters(<id>)", None);
        let result = judge(&check(), &request, None, Some("parameters"));
        assert_eq!(result.verdict, Verdict::Pass);
        assert!(
            result.found.contains("PATCH parameters(<id>)"),
            "{}",
            result.found
        );
    }
}
