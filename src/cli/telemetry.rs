//! The trace of a process for an OpenTelemetry collector, configured by the standard variables:
//! `OTEL_EXPORTER_OTLP_ENDPOINT` (or `OTEL_TRACES_EXPORTER=otlp`) turns it on, `OTEL_SDK_DISABLED`
//! turns it off. <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>
//!
//! The spans are those of `tracing`: the command, each step, phase, change and request. A collector
//! that does not respond costs spans, never a run: it delays the end by [`LIMIT`] at most.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use opentelemetry::trace::{Status, TracerProvider as _};
use opentelemetry::{KeyValue, Value};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::WithHttpConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter,
};
use tokio::runtime::Runtime;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;

use super::process_environment::environment_variable;
use crate::base::redaction::redact;
use crate::base::secrets::register_secret;
use crate::clients::is_local_to_machine;
use crate::report::Printer;

/// How long the end of a process waits for the collector.
const LIMIT: Duration = Duration::from_secs(3);
/// How long one batch may take.
const BATCH_LIMIT: Duration = Duration::from_secs(10);
/// How many spans wait for the collector before new ones are dropped. A rehearsal makes some
/// thousands within seconds.
const QUEUE: usize = 16 * 1024;
/// A collector's reply is a few bytes.
const LONGEST_REPLY: usize = 64 * 1024;

/// Sends the spans of this process to a collector.
pub(super) struct Telemetry {
    provider: SdkTracerProvider,
    printer: Arc<Printer>,
    /// Did the collector not take a batch?
    has_lost: Arc<AtomicBool>,
}

impl Telemetry {
    /// Starts if the variables ask for it. A wrong configuration is a warning.
    pub(super) fn start(printer: &Arc<Printer>) -> Option<Self> {
        if !is_wanted(environment_variable) {
            return None;
        }
        hide_headers();
        let has_lost = Arc::new(AtomicBool::new(false));
        match build(&has_lost) {
            Ok(provider) => Some(Self {
                provider,
                printer: Arc::clone(printer),
                has_lost,
            }),
            Err(why) => {
                printer.error(&format!("warning: no trace is sent: {why}"));
                None
            }
        }
    }

    /// What collects the spans.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let spans = filter_fn(|metadata| {
            metadata.is_span() && metadata.target().starts_with(env!("CARGO_PKG_NAME"))
        });
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(env!("CARGO_PKG_NAME")))
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_level(false)
            .with_filter(spans.with_max_level_hint(LevelFilter::DEBUG))
    }

    /// Sends the spans that are left. Spans that the collector did not take are a warning.
    pub(super) fn finish(&self) {
        let ended = self.provider.shutdown_with_timeout(LIMIT);
        if ended.is_err() || self.has_lost.load(Ordering::SeqCst) {
            let warning = "warning: the trace is incomplete: the collector did not take all of it";
            self.printer.error(warning);
        }
    }
}

/// Do the variables ask for a trace?
fn is_wanted(variable: impl Fn(&str) -> Option<String>) -> bool {
    let read = |name: &str| variable(name).filter(|value| !value.is_empty());
    if read("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true")) {
        return false;
    }
    match read("OTEL_TRACES_EXPORTER").as_deref() {
        Some(exporter) => exporter == "otlp",
        None => {
            read("OTEL_EXPORTER_OTLP_ENDPOINT").is_some()
                || read("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").is_some()
        }
    }
}

/// The headers for a collector hold its key.
fn hide_headers() {
    for name in [
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    ] {
        let headers = environment_variable(name).unwrap_or_default();
        for (_, value) in headers
            .split(',')
            .filter_map(|header| header.split_once('='))
        {
            register_secret(value);
        }
    }
}

fn build(has_lost: &Arc<AtomicBool>) -> Result<SdkTracerProvider, String> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new()?)
        .build()
        .map_err(|error| error.to_string())?;
    let mut config = BatchConfigBuilder::default();
    if environment_variable("OTEL_BSP_MAX_QUEUE_SIZE").is_none() {
        config = config.with_max_queue_size(QUEUE);
    }
    let exporter = Redacting {
        exporter,
        has_lost: Arc::clone(has_lost),
    };
    let processor = BatchSpanProcessor::builder(exporter)
        .with_batch_config(config.build())
        .build();
    let mut resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let is_named = environment_variable("OTEL_SERVICE_NAME").is_some()
        || environment_variable("OTEL_RESOURCE_ATTRIBUTES")
            .is_some_and(|attributes| attributes.contains("service.name="));
    if !is_named {
        resource = resource.with_service_name(env!("CARGO_PKG_NAME"));
    }
    Ok(SdkTracerProvider::builder()
        .with_resource(resource.build())
        .with_span_processor(processor)
        .build())
}

/// Removes secrets from the spans before they leave the process.
#[derive(Debug)]
struct Redacting {
    exporter: opentelemetry_otlp::SpanExporter,
    has_lost: Arc<AtomicBool>,
}

impl SpanExporter for Redacting {
    fn export(&self, mut batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        for span in &mut batch {
            if let Cow::Owned(name) = redact(&span.name) {
                span.name = name.into();
            }
            for attribute in &mut span.attributes {
                if let Value::String(text) = &attribute.value
                    && let Cow::Owned(clean) = redact(text.as_str())
                {
                    attribute.value = clean.into();
                }
            }
            if let Status::Error { description } = &mut span.status
                && let Cow::Owned(clean) = redact(description)
            {
                *description = clean.into();
            }
        }
        let sent = self.exporter.export(batch);
        async move {
            let result = sent.await;
            if result.is_err() {
                self.has_lost.store(true, Ordering::SeqCst);
            }
            result
        }
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Sends batches on a separate runtime: the last one leaves after the run's runtime has ended.
#[derive(Debug)]
struct Client {
    remote: reqwest::Client,
    loopback: reqwest::Client,
    runtime: Runtime,
}

impl Client {
    fn new() -> Result<Self, String> {
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("iomcopy/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(LIMIT)
                .timeout(BATCH_LIMIT)
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry")
            .enable_all()
            .build();
        Ok(Self {
            remote: builder().build().map_err(|error| error.to_string())?,
            loopback: builder()
                .no_proxy()
                .build()
                .map_err(|error| error.to_string())?,
            runtime: runtime.map_err(|error| error.to_string())?,
        })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let client = if is_local_to_machine(request.url()) {
            self.loopback.clone()
        } else {
            self.remote.clone()
        };
        let exchange = self.runtime.spawn(async move {
            let mut response = client.execute(request).await?;
            let mut body = BytesMut::new();
            while let Some(chunk) = response.chunk().await? {
                if body.len() + chunk.len() > LONGEST_REPLY {
                    break;
                }
                body.extend_from_slice(&chunk);
            }
            Ok::<_, reqwest::Error>((response.status(), response.headers().clone(), body))
        });
        let (status, headers, body) = exchange.await?.map_err(reqwest::Error::without_url)?;
        let mut response = Response::new(body.freeze());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_variables_turn_a_trace_on_and_off() {
        let wanted = |variables: &[(&str, &str)]| {
            is_wanted(|name| {
                let found = variables.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        assert!(!wanted(&[]));
        assert!(wanted(&[endpoint]));
        assert!(wanted(&[("OTEL_TRACES_EXPORTER", "otlp")]));
        assert!(!wanted(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]));
        assert!(!wanted(&[endpoint, ("OTEL_SDK_DISABLED", "true")]));
        assert!(!wanted(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]));
    }
}
