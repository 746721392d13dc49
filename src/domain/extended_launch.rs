//! A launch that adds to the request or to the proof of another launch.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::engine::{
    Action, Change, Failure, Found, Launch, Progress, Proof, Repeat, Started, TargetComparison,
    WriteError,
};

/// The parts of a launch that differ from the launch that it extends.
#[async_trait]
pub(crate) trait LaunchExtension: Send + Sync {
    /// Sends the request, and may add members to its handle.
    async fn request(&self, launch: &dyn Launch) -> Result<Started, WriteError>;

    /// Proves the end.
    async fn verify(&self, launch: &dyn Launch, handle: &Value) -> Result<Proof, Failure>;
}

/// The change with its launch extended. A change that is not a launch stays as it is.
pub(crate) fn extend_launch(change: Change, extension: impl LaunchExtension + 'static) -> Change {
    let action = match change.action {
        Action::Launch(launch) => Action::Launch(Arc::new(ExtendedLaunch {
            launch,
            extension: Box::new(extension),
        })),
        other => other,
    };
    Change { action, ..change }
}

struct ExtendedLaunch {
    launch: Arc<dyn Launch>,
    extension: Box<dyn LaunchExtension>,
}

#[async_trait]
impl Launch for ExtendedLaunch {
    async fn request(&self) -> Result<Started, WriteError> {
        self.extension.request(self.launch.as_ref()).await
    }

    async fn verify(&self, handle: &Value) -> Result<Proof, Failure> {
        self.extension.verify(self.launch.as_ref(), handle).await
    }

    fn repeat(&self) -> Repeat {
        self.launch.repeat()
    }

    fn is_destructive(&self) -> bool {
        self.launch.is_destructive()
    }

    fn awaits(&self) -> Option<&str> {
        self.launch.awaits()
    }

    async fn probe(&self) -> Result<Value, Failure> {
        self.launch.probe().await
    }

    async fn find(&self, probed: &Value) -> Result<Found, Failure> {
        self.launch.find(probed).await
    }

    fn probed_with(&self, probed: &Value, handle: &Value) -> Option<Value> {
        self.launch.probed_with(probed, handle)
    }

    async fn compare_target(&self, probed: &Value) -> Result<TargetComparison, Failure> {
        self.launch.compare_target(probed).await
    }

    fn has_operation(&self) -> bool {
        self.launch.has_operation()
    }

    async fn aftermath(&self) -> Option<String> {
        self.launch.aftermath().await
    }

    async fn poll(&self, handle: &Value) -> Result<Progress, Failure> {
        self.launch.poll(handle).await
    }

    fn service_duration(&self, reported: &Value, observed: &Value) -> Option<Duration> {
        self.launch.service_duration(reported, observed)
    }

    fn expected_duration(&self) -> Duration {
        self.launch.expected_duration()
    }

    fn timeout(&self) -> Duration {
        self.launch.timeout()
    }

    fn settle_timeout(&self) -> Duration {
        self.launch.settle_timeout()
    }
}
