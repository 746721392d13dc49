//! A launch whose end is read from the rows that it changes, because the service lists no operation.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::reader::Reader;
use super::request::{MakeRequest, Request};
use crate::base::sync::lock;
use crate::clients::Error;
use crate::domain::RefreshContext;
use crate::domain::failure::launch_error;
use crate::engine::{
    Failure, Found, Launch, Proof, Reading, Repeat, Started, TargetComparison, WriteError,
};

/// What was read last, until it is used.
#[derive(Default)]
pub(crate) struct LatestReading(Mutex<Option<Reading>>);

impl LatestReading {
    fn set(&self, reading: Reading) {
        *lock(&self.0) = Some(reading);
    }

    fn take(&self) -> Option<Reading> {
        lock(&self.0).take()
    }
}

/// Sends the request of a launch, which the service receives at most once.
async fn launch(refresh: &RefreshContext, request: &Request) -> Result<Option<String>, Error> {
    let acting = request
        .acting_as
        .map(|user| refresh.target.dataverse.acting_as(user));
    let target = acting.as_ref().unwrap_or(&refresh.target.dataverse);
    let sent = target
        .launch(&request.path, request.body.as_deref())
        .await
        .map_err(|error| request.explain(error))?;
    Ok(sent.service_date)
}

/// A launch whose end is read from the rows it changes, because the service lists no operation.
pub(crate) struct TenantLaunch {
    pub(crate) refresh: Arc<RefreshContext>,
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) request: MakeRequest,
    pub(crate) after: Value,
    pub(crate) repeat: Repeat,
    pub(crate) timeout: Duration,
    /// What the probe has read, for the request that follows it.
    pub(crate) probed: LatestReading,
}

#[async_trait]
impl Launch for TenantLaunch {
    fn repeat(&self) -> Repeat {
        self.repeat
    }

    async fn probe(&self) -> Result<Value, Failure> {
        let reading = self.reader.read_before().await?;
        let before = json!({ "before": reading.value });
        self.probed.set(reading);
        Ok(before)
    }

    async fn request(&self) -> Result<Started, WriteError> {
        // A second request starts from the state at that time.
        let reading = match self.probed.take() {
            Some(reading) => reading,
            None => self.reader.read().await.map_err(WriteError::Refused)?,
        };
        let request = (self.request)(&reading).map_err(WriteError::Refused)?;
        let sent = launch(&self.refresh, &request).await;
        let refused = |error| request.explain_refusal(launch_error(error));
        let service_date = sent.map_err(refused)?;
        Ok(Started {
            handle: json!({ "requested": request.path }),
            service_date,
        })
    }

    async fn find(&self, _probed: &Value) -> Result<Found, Failure> {
        let reading = self.reader.read().await?;
        if reading.value == self.after {
            return Ok(Found::Operation(json!({ "found": reading.value })));
        }
        Ok(Found::Absent)
    }

    async fn compare_target(&self, probed: &Value) -> Result<TargetComparison, Failure> {
        let reading = self.reader.read().await?;
        Ok(if probed.get("before") == Some(&reading.value) {
            TargetComparison::Same
        } else {
            TargetComparison::Changed(described(&reading))
        })
    }

    fn has_operation(&self) -> bool {
        false
    }

    async fn verify(&self, _handle: &Value) -> Result<Proof, Failure> {
        let reading = self.reader.read().await?;
        if reading.value == self.after {
            return Ok(Proof::Proved(reading.value));
        }
        if let Some(why) = self.reader.refusal().await? {
            return Ok(Proof::Disproved(why));
        }
        Ok(Proof::NotYet(described(&reading)))
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn settle_timeout(&self) -> Duration {
        self.timeout
    }
}

/// A reading in words.
fn described(reading: &Reading) -> String {
    match &reading.basis {
        Value::String(reason) => reason.clone(),
        _ => format!("it reads {}", reading.value),
    }
}
