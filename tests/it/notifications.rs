//! Webhooks receive what happens to a run, and no receiver changes how it ends or learns a secret.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::{CommandOutput, Stage, thin_text};
use crate::report::by_hand;

/// A part of each address that only its owner may know.
const KEY: &str = "s3cr3t-key-of-the-webhook";

/// A receiver of webhooks: it takes a message, or refuses it, redirects it, or never replies.
struct Receiver {
    origin: String,
    received: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let origin = format!(
            "http://{}",
            listener.local_addr().expect("it has an address")
        );
        let received = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { origin, received }
    }

    /// The address of a webhook.
    fn address(&self, kind: &str) -> String {
        format!("{}/{kind}/{KEY}", self.origin)
    }

    /// What arrived at this webhook.
    fn received(&self, kind: &str) -> Vec<Value> {
        let all = self.received.lock().expect("no receiver panicked");
        let path = format!("/{kind}/{KEY}");
        let of_kind = all.iter().filter(|(at, _)| *at == path);
        of_kind.map(|(_, body)| body.clone()).collect()
    }
}

fn serve(stream: TcpStream, received: &Mutex<Vec<(String, Value)>>) {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or_default() == 0 {
            return;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let path = head[0].split(' ').nth(1).unwrap_or_default().to_owned();
    let length = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or_default()];
    reader.read_exact(&mut body).expect("the body arrives");
    let body = serde_json::from_slice(&body).unwrap_or_default();
    received
        .lock()
        .expect("no receiver panicked")
        .push((path.clone(), body));
    let mut stream = reader.into_inner();
    let response = match path.split('/').nth(1).unwrap_or_default() {
        // It keeps the connection, and never replies.
        "hang" => {
            drop(stream.read(&mut [0; 1]));
            return;
        }
        "refuse" => format!(
            "403 Forbidden\r\ncontent-length: {}\r\n\r\n{KEY}",
            KEY.len()
        ),
        "redirect" => format!(
            "307 Temporary Redirect\r\nlocation: /elsewhere/{KEY}\r\ncontent-length: 0\r\n\r\n"
        ),
        _ => "202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned(),
    };
    drop(stream.write_all(format!("HTTP/1.1 {response}").as_bytes()));
}

/// All texts in a value, one a line.
fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        Value::Array(items) => items.iter().map(texts).collect(),
        Value::Object(members) => members.values().map(texts).collect(),
        _ => String::new(),
    }
}

fn require_no_key(stage: &Stage, output: &CommandOutput) {
    assert!(!output.stderr.contains(KEY), "{}", output.stderr);
    assert!(!output.stdout.contains(KEY), "{}", output.stdout);
    for file in [stage.state(), stage.path("rehearsal.iomcopy.jsonl.stages")] {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(!text.contains(KEY), "{}", file.display());
    }
}

#[test]
fn a_run_that_waits_notifies_every_webhook_even_if_one_fails() {
    let receiver = Receiver::start();
    let stage = Stage::new();
    let notify = format!(
        "notify:\n\
         \x20 - {{ url: {{ env: TEAMS }}, form: teams, on: [waiting] }}\n\
         \x20 - {{ url: {{ env: SLACK }}, form: slack }}\n\
         \x20 - {{ url: {{ env: HANG }}, form: json }}\n\
         \x20 - {{ url: {{ env: REFUSE }}, form: json }}\n\
         \x20 - {{ url: {{ env: REDIRECT }}, form: json }}\n\
         \x20 - {{ url: {{ env: FINISHED }}, form: json, on: [finished] }}\n\
         \x20 - {{ url: {{ env: MISSING }}, form: json }}\n\
         \x20 - {{ url: \"{}\", form: json }}\n",
        receiver.address("literal"),
    );
    let text = format!("{}\n{notify}", by_hand(&thin_text()));
    let _tenant = stage.start_tenant(&text, &["--seed", "thin"]);
    let run = ["run", "rehearsal.yaml", "--confirm-target", "Contoso UAT"];
    let webhooks = ["teams", "slack", "hang", "refuse", "redirect", "finished"];
    let variables = webhooks.map(|kind| (kind.to_uppercase(), receiver.address(kind)));
    let mut command = stage.command(&run);
    command.envs(variables.clone());
    let output = CommandOutput::of(&mut command).exits(10);
    output.warns(&[
        "nothing is sent to it: the environment variable `MISSING` is not set",
        "the notification was not sent: the receiver did not reply in time",
        "the notification was not sent: the receiver refused it (status 403)",
        "the notification was not sent: the receiver redirects (status 307), and a redirect is \
         not followed",
    ]);
    assert_eq!(
        output
            .stderr
            .matches("the notification was not sent")
            .count(),
        3
    );
    require_no_key(&stage, &output);

    for kind in ["hang", "refuse", "redirect"] {
        assert_eq!(receiver.received(kind).len(), 1, "{kind}");
    }
    for kind in ["elsewhere", "finished"] {
        assert!(receiver.received(kind).is_empty(), "{kind}");
    }
    let task = "reconfigure-connections/activate-system";
    let headline = format!("Contoso UAT: the refresh waits for a person in {task}");
    let [notice] = &receiver.received("literal")[..] else {
        panic!("one message: {:?}", receiver.received("literal"));
    };
    assert_eq!(notice["on"], "waiting");
    assert_eq!(notice["headline"], headline);
    assert_eq!(notice["step"], task);
    assert_eq!(notice["what"], json!([format!("1 thing to do: {task}")]));
    assert_eq!(notice["next"], "iomcopy run rehearsal.yaml");
    let waiting = stage
        .records()
        .into_iter()
        .find(|it| it["type"] == "waiting");
    let waiting = waiting.expect("the task is recorded");
    assert_eq!(
        notice["to-do"],
        waiting["data"]["worksheet"]["instructions"]
    );
    let since = notice["since"]
        .as_str()
        .unwrap_or_default()
        .trim_end_matches('Z');
    let recorded = waiting["time"].as_str().unwrap_or_default();
    assert!(recorded.starts_with(&since[..16]), "{since} {recorded}");
    for kind in ["teams", "slack"] {
        let [message] = &receiver.received(kind)[..] else {
            panic!("one message: {:?}", receiver.received(kind));
        };
        let texts = texts(message);
        for part in [&headline, task, "iomcopy run rehearsal.yaml"] {
            assert!(texts.contains(part), "{kind}: {texts}");
        }
        assert!(!texts.contains(KEY), "{kind}: {texts}");
    }

    // Refused before anything begins: nobody is at a terminal to read it.
    let mut command = stage.command(&["run", "rehearsal.yaml", "--confirm-repeat", "0-1"]);
    command.envs(variables);
    let output = CommandOutput::of(&mut command).exits(5);
    require_no_key(&stage, &output);
    let posts = receiver.received("literal");
    assert_eq!(posts.len(), 2, "{posts:?}");
    assert_eq!(posts[1]["on"], "failed");
    assert_eq!(
        receiver.received("teams").len(),
        1,
        "it receives waits only"
    );
}

#[test]
fn a_run_that_succeeds_says_what_it_did() {
    let receiver = Receiver::start();
    let stage = Stage::new();
    let address = receiver.address("literal");
    let text = format!(
        "{}\nnotify: [{{ url: \"{address}\", form: json }}]\n",
        thin_text()
    );
    let _tenant = stage.start_tenant(&text, &["--seed", "thin"]);
    let output = stage.run().exits(0);
    require_no_key(&stage, &output);
    let [notice] = &receiver.received("literal")[..] else {
        panic!("one message: {:?}", receiver.received("literal"));
    };
    assert_eq!(notice["headline"], "Contoso UAT: the refresh is finished");
    assert_eq!(notice["next"], "iomcopy verify rehearsal.yaml");
    let what = texts(&notice["what"]);
    assert!(what.contains("1 provider reinstalled\n"), "{what}");
    // A second survey finds nothing new, so nothing is sent.
    require_no_key(&stage, &stage.run().exits(0));
    assert_eq!(receiver.received("literal").len(), 1);
}
