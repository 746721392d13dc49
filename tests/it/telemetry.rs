//! A collector receives the trace of a whole rehearsal (cargo feature `opentelemetry`):
//! `cargo test --features opentelemetry --test it telemetry::`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::harness::{CommandOutput, Stage, thin_text};

const RUN: [&str; 4] = ["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"];

/// A collector that takes batches of spans as JSON.
struct Collector {
    origin: String,
    spans: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let origin = format!(
            "http://{}",
            listener.local_addr().expect("it has an address")
        );
        let spans = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&spans);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    while let Some(batch) = read_batch(&mut reader) {
                        collect(&batch, &mut shared.lock().expect("no thread panicked"));
                        let reply = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                                     content-length: 2\r\n\r\n{}";
                        if reader.get_mut().write_all(reply.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { origin, spans }
    }
}

/// The body of the next request.
fn read_batch(reader: &mut BufReader<std::net::TcpStream>) -> Option<Value> {
    let mut length = 0;
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    assert!(first.starts_with("POST /v1/traces "), "{first}");
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length is a number");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(serde_json::from_slice(&body).expect("a batch is JSON"))
}

fn collect(batch: &Value, spans: &mut Vec<Value>) {
    let items = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    for resource in items(batch, "resourceSpans") {
        let name = attribute(&resource["resource"], "service.name");
        assert_eq!(name.as_deref(), Some("iomcopy"));
        for scope in items(&resource, "scopeSpans") {
            spans.extend(items(&scope, "spans"));
        }
    }
}

/// An attribute of a span, as text.
fn attribute(span: &Value, key: &str) -> Option<String> {
    let attributes = span["attributes"].as_array()?;
    let found = attributes
        .iter()
        .find(|attribute| attribute["key"] == key)?;
    let value = found["value"].as_object()?.values().next()?;
    Some(
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned),
    )
}

#[test]
fn a_collector_receives_a_span_for_every_step_and_every_request() {
    let collector = Collector::start();
    let stage = Stage::new();
    let _tenant = stage.start_tenant(&thin_text(), &["--seed", "thin"]);
    let mut command = stage.command(&RUN);
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.origin)
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .env(
            "OTEL_EXPORTER_OTLP_HEADERS",
            "api-key=s3cr3t-of-the-collector",
        );
    let output = CommandOutput::of(&mut command).exits(0);
    assert!(!output.stderr.contains("s3cr3t"), "{}", output.stderr);

    let spans = collector.spans.lock().expect("no thread panicked");
    let traces: BTreeSet<&str> = spans
        .iter()
        .filter_map(|it| it["traceId"].as_str())
        .collect();
    assert_eq!(traces.len(), 1, "one process is one trace");
    let roots: Vec<&Value> = spans
        .iter()
        .filter(|span| span["parentSpanId"].as_str().unwrap_or_default().is_empty())
        .collect();
    assert_eq!(roots.len(), 1, "{roots:?}");
    assert_eq!(roots[0]["name"], "iomcopy run");
    let run = stage.records()[0]["run"].as_str().map(str::to_owned);
    assert_eq!(attribute(roots[0], "iomcopy.run"), run);

    let names: BTreeSet<&str> = spans
        .iter()
        .filter_map(|span| span["name"].as_str())
        .collect();
    for step in iomcopy::steps::names() {
        assert!(names.contains(step), "{step}: {names:?}");
    }
    let phases = spans
        .iter()
        .filter(|it| attribute(it, "iomcopy.phase").is_some());
    assert!(phases.count() > 20, "{names:?}");
    let changes = spans
        .iter()
        .filter(|it| attribute(it, "iomcopy.key").is_some());
    let done = stage
        .records()
        .iter()
        .filter(|it| it["type"] == "done")
        .count();
    assert!(changes.count() >= done, "{done}");

    // Every request that the tenant logged, and no other.
    let mut sent: BTreeMap<String, i64> = BTreeMap::new();
    for span in spans.iter() {
        if let (Some(method), Some(path), Some(status)) = (
            attribute(span, "http.request.method"),
            attribute(span, "url.path"),
            attribute(span, "http.response.status_code"),
        ) {
            // The tenant logs paths decoded.
            let path = percent_encoding::percent_decode_str(&path).decode_utf8_lossy();
            *sent.entry(format!("{method} {path} {status}")).or_default() += 1;
        }
    }
    for request in &stage.world().requests {
        let text = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
        let path = text("path");
        let path = path.split('?').next().unwrap_or_default();
        let status = request["status"].as_u64().unwrap_or_default();
        *sent
            .entry(format!("{} {path} {status}", text("method")))
            .or_default() -= 1;
    }
    sent.retain(|_, difference| *difference != 0);
    assert!(
        sent.is_empty(),
        "spans without a request, or requests without a span: {sent:?}"
    );
}

#[test]
fn a_collector_that_refuses_or_hangs_changes_nothing() {
    // It accepts connections and never replies.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let silent = format!("http://{}", silent.local_addr().expect("it has an address"));
    for origin in [silent.as_str(), "http://127.0.0.1:9"] {
        let stage = Stage::new();
        let mut command = stage.command(&["plan", "rehearsal.yaml"]);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", origin);
        let output = CommandOutput::of(&mut command).exits(0);
        assert!(
            output.stdout.contains("activate-flows"),
            "{}",
            output.stdout
        );
        output.warns(&["the trace is incomplete: the collector did not take all of it"]);
    }
}
