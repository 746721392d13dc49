//! Batch jobs that are not withheld.

use async_trait::async_trait;

use super::reading::{EntityRead, EntityRows, rows, unread};
use super::{Acting, judged, off};
use crate::base::text::{count, list_first};
use crate::clients::Row;
use crate::domain::containment::kind::SurfaceKind;
use crate::domain::containment::{Scope, Surface};
use crate::domain::names::text;
use crate::engine::Failure;

/// The kind.
pub(crate) struct BatchJobs;

const NAME: &str = "batch jobs";

const ENTITY: EntityRead = EntityRead {
    set: "BatchJobs",
    fields: &["BatchJobRecId", "JobDescription", "Status"],
};

/// The states of a batch job that neither runs nor will run (enumeration `BatchStatus`; people see
/// `Hold` as *Withhold*). Microsoft's script for a copied database withholds those that wait,
/// execute, are ready or are being canceled. A job in any other state, or in one that is not known,
/// can run.
const IDLE: [&str; 5] = ["Hold", "Error", "Finished", "NotRun", "Canceled"];

const REMEDY: &str = "withhold what must not run (System administration > Inquiries > Batch jobs), or \
                      write `batch jobs` under `containment.allow`";

/// Can this job run?
fn can_run(job: &Row) -> bool {
    let status = job.string("Status").unwrap_or_default();
    !IDLE.iter().any(|idle| status.eq_ignore_ascii_case(idle))
}

#[async_trait]
impl SurfaceKind for BatchJobs {
    fn key(&self) -> &'static str {
        "batch-job"
    }

    fn title(&self) -> &'static str {
        "batch jobs of Finance and Operations"
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let jobs = match rows(scope, &ENTITY).await? {
            EntityRows::NoFinance => return Ok(Vec::new()),
            EntityRows::NotRead(why) => return Ok(unread(scope, self.key(), NAME, why)),
            EntityRows::Read(jobs) => jobs,
        };
        let names: Vec<String> = jobs
            .iter()
            .filter(|job| can_run(job))
            .map(|job| text(&job.value, "JobDescription").unwrap_or_default())
            .map(|name| format!("'{name}'"))
            .collect();
        if names.is_empty() {
            let how = match jobs.len() {
                0 => "no job is listed".to_owned(),
                read => format!("{} read, and none can run", count(read, "job")),
            };
            return Ok(off(scope, self.key(), NAME, ("run on a schedule", how)));
        }
        let reach = format!(
            "{} can run: {}",
            count(names.len(), "job"),
            list_first(&names, 5, ", ")
        );
        let acting = Acting {
            kind: self.key(),
            name: NAME,
            reach,
            hosts: &[],
            remedy: REMEDY,
        };
        Ok(vec![judged(scope, acting)])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_in_a_state_that_is_not_known_can_run() {
        let with = |status: serde_json::Value| {
            let value = json!({ "Status": status });
            can_run(&Row {
                etag: None,
                text: String::new(),
                value: value.as_object().unwrap().clone(),
            })
        };
        for status in [
            "Hold", "Error", "Finished", "NotRun", "Canceled", "canceled",
        ] {
            assert!(!with(json!(status)), "{status}");
        }
        for status in [
            "Waiting",
            "Executing",
            "Ready",
            "Cancelling",
            "Scheduled",
            "?",
        ] {
            assert!(with(json!(status)), "{status}");
        }
        assert!(with(serde_json::Value::Null));
    }
}
