//! Tells the runbook's webhooks that a run waits for a person, failed or finished.
//!
//! A notification never fails a run: if it cannot be sent, that is a warning. At a terminal, a manual
//! task is sent when it begins; otherwise when the process ends, with all tasks in one message.
//! At the end, all receivers together delay the process by [`LIMIT`] at most.
//!
//! `ended` is how the process ended, and what a notification says of that.

mod ended;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::Instrument as _;
use url::Url;

use self::ended::{Ended, occasion_of};
use super::suggested_commands;
use crate::base::platform;
use crate::base::sync::lock;
use crate::base::text::count;
use crate::cli::common_arguments::RunFiles;
use crate::cli::process_environment::environment_variable;
use crate::cli::session::Session;
use crate::clients::WebhookClient;
use crate::engine::{Event, EventKind, Failure, Listener, OpenWorksheet};
use crate::journal::{self, Occupancy, State, StateFileContents};
use crate::report::{Notice, Printer, TaskCommands, notification, pipeline_page};
use crate::runbook::{NotificationForm, Occasion, Runbook};

/// How long receivers may delay the end of a process.
const LIMIT: Duration = Duration::from_secs(5);

/// Sends the notifications of a process.
pub(super) struct Notifier {
    receivers: Arc<Vec<Receiver>>,
    printer: Arc<Printer>,
    /// Is a person at the terminal? Then a run waits for a manual task instead of ending.
    attended: bool,
    /// What every notice of this process says.
    known: Notice,
    /// The arguments that name the runbook and its state file.
    arguments: String,
    seen: Mutex<Seen>,
}

/// A webhook whose address could be read.
struct Receiver {
    /// The webhook's place in the runbook.
    place: String,
    url: Url,
    form: NotificationForm,
    on: Vec<Occasion>,
}

/// What the events of this process have shown.
#[derive(Default)]
struct Seen {
    run: Option<String>,
    ended: Option<Ended>,
    sent_waiting: bool,
    sending: Vec<JoinHandle<()>>,
}

impl Notifier {
    /// Reads the addresses of the webhooks. One that cannot be read is a warning.
    pub(super) fn new(
        session: &Session,
        files: &RunFiles,
        runbook: &Runbook,
        state_file: &Path,
    ) -> Arc<Self> {
        let folder = runbook.folder();
        let mut receivers = Vec::new();
        for webhook in &runbook.notify {
            let place = runbook.place(webhook.url.span);
            match webhook
                .url
                .value
                .read(folder, &|name| std::env::var_os(name))
            {
                Ok(url) => receivers.push(Receiver {
                    place,
                    url,
                    form: webhook.form.value,
                    on: webhook.on.value.clone(),
                }),
                Err(why) => session.warn(&[format!("{place}: nothing is sent to it: {why}")]),
            }
        }
        let pipeline = session.pipeline;
        let path = std::path::absolute(state_file).unwrap_or_else(|_| state_file.to_owned());
        Arc::new(Self {
            receivers: Arc::new(receivers),
            printer: Arc::clone(&session.printer),
            attended: Session::can_prompt(),
            known: Notice {
                target: runbook.target.name.value.clone(),
                environment: runbook.target.environment.value.to_string(),
                runbook: runbook.name.value.clone(),
                page: pipeline.and_then(|it| pipeline_page(it, environment_variable)),
                host: platform::host_name(),
                state_file: path.display().to_string(),
                ..Notice::default()
            },
            arguments: files.as_arguments(),
            seen: Mutex::default(),
        })
    }

    /// Tells how this process's part of the run ended. `result` is the end of the command: a failure
    /// before the run began had no event.
    pub(super) async fn send_end(
        &self,
        session: &Session,
        files: &RunFiles,
        state_file: &Path,
        result: &Result<u8, Failure>,
    ) {
        if self.receivers.is_empty() {
            return;
        }
        let (ended, sending, sent_waiting) = {
            let mut seen = lock(&self.seen);
            let ended = seen.ended.take();
            let sending = std::mem::take(&mut seen.sending);
            (ended, sending, seen.sent_waiting)
        };
        // A person at the terminal reads why nothing began.
        let refused = result.as_ref().err().filter(|_| !self.attended);
        let ended = ended.or_else(|| refused.map(|it| Ended::of(it, session.exit_code(it.kind))));
        let contents = journal::exists(state_file)
            .then(|| journal::read_state_file(state_file).ok())
            .flatten();
        let works_elsewhere = |contents: &StateFileContents| contents.occupancy != Occupancy::Free;
        let delivered = async {
            if let Some(ended) = ended
                && let Some(occasion) = ended.occasion
                && !(occasion == Occasion::Waiting && sent_waiting)
                // Another process holds the state file: that process notifies.
                && !contents.as_ref().is_some_and(works_elsewhere)
            {
                let notice = self.describe_end(files, occasion, &ended, contents.as_ref());
                deliver(&self.receivers, &self.printer, occasion, &notice).await;
            }
            join_all(sending).await;
        };
        tokio::select! {
            // A message has its own limit, and one that is already on its way must not add to it.
            _ = timeout(LIMIT, delivered) => {}
            () = session.cancellation.wait_for_immediate_stop() => {}
        }
    }

    fn describe_end(
        &self,
        files: &RunFiles,
        occasion: Occasion,
        ended: &Ended,
        contents: Option<&StateFileContents>,
    ) -> Notice {
        let state = contents.map(|contents| &contents.state);
        let run = state.map(|state| state.run.to_string());
        let mut notice = Notice {
            run: lock(&self.seen).run.clone().or(run),
            since: Some(ended.time.clone()),
            next: Some(match contents {
                _ if occasion == Occasion::Finished => {
                    format!("iomcopy verify {}", files.as_arguments())
                }
                Some(contents) => suggested_commands(files, contents).next,
                None => format!("iomcopy run {}", files.as_arguments()),
            }),
            ..self.known.clone()
        };
        let tasks: Vec<_> = state.into_iter().flat_map(State::waiting).collect();
        match occasion {
            Occasion::Waiting if !tasks.is_empty() => {
                let since = tasks.iter().map(|task| task.waiting.time).min();
                notice.since = since.map(|since| format!("{since:.0}"));
                notice.step = tasks.first().map(|task| task.waiting.task.clone());
                for task in tasks {
                    let Some(state) = state else { break };
                    let sheet = OpenWorksheet::of(state, task);
                    let name = &task.waiting.task;
                    let what = format!("{} to do: {name}", count(sheet.things.len(), "thing"));
                    notice.what.push(what);
                    notice.to_do.extend(sheet.instructions());
                }
            }
            Occasion::Waiting | Occasion::Failed => {
                ended.describe_failures(&mut notice);
                let failures = state.into_iter().flat_map(|state| &state.failures);
                let first = failures.map(|failure| failure.time).min();
                notice.since = first.map(|first| format!("{first:.0}")).or(notice.since);
            }
            Occasion::Finished => {
                let began = state.map(|state| format!("began {:.0}", state.began.time));
                notice.what = began.into_iter().chain(ended.results()).collect();
            }
        }
        notice
    }

    /// Tells of a manual task while the run waits for it. Takes what follows when it is done.
    fn tell_task(
        &self,
        time: &str,
        task: &str,
        (things, instructions): (usize, &[String]),
        commands: &TaskCommands,
    ) {
        let next = if commands.needs_waiver() {
            commands.next().to_owned()
        } else {
            format!("iomcopy status {} --follow", self.arguments)
        };
        let mut seen = lock(&self.seen);
        seen.sent_waiting = true;
        let notice = Notice {
            run: seen.run.clone(),
            step: Some(task.to_owned()),
            what: vec![format!(
                "{} to do; then {}",
                count(things, "thing"),
                commands.while_waiting()
            )],
            to_do: instructions.to_vec(),
            since: Some(whole_seconds(time)),
            next: Some(next),
            ..self.known.clone()
        };
        let (receivers, printer) = (Arc::clone(&self.receivers), Arc::clone(&self.printer));
        seen.sending.retain(|sending| !sending.is_finished());
        let sending = async move {
            deliver(&receivers, &printer, Occasion::Waiting, &notice).await;
        };
        seen.sending.push(tokio::spawn(sending.in_current_span()));
    }
}

impl Listener for Notifier {
    fn on_event(&self, event: &Event) {
        if self.receivers.is_empty() {
            return;
        }
        match &event.kind {
            EventKind::RunBegan { run, .. } => lock(&self.seen).run = Some(run.clone()),
            EventKind::ManualTask {
                task,
                things,
                instructions,
                needs_waiver,
                ..
            } if self.attended => {
                let commands = TaskCommands::new(&self.arguments, task, *needs_waiver);
                self.tell_task(&event.time, task, (*things, instructions), &commands);
            }
            EventKind::RunEnded {
                outcome,
                exit,
                message,
                help,
                kind,
                failures,
                summary,
                ..
            } => {
                let ended = Ended {
                    occasion: occasion_of(outcome, *exit, *kind),
                    time: whole_seconds(&event.time),
                    message: message.clone(),
                    help: help.clone(),
                    failures: failures.clone(),
                    summary: summary.clone(),
                };
                let mut seen = lock(&self.seen);
                // A finished run that is only surveyed again sends nothing.
                seen.ended = seen.run.is_some().then_some(ended);
            }
            _ => {}
        }
    }
}

/// A time of an event, as the state file's times are shown.
fn whole_seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => time.to_owned(),
    }
}

/// Sends a notice to the receivers of this occasion. A notice that does not arrive is a warning.
async fn deliver(receivers: &[Receiver], printer: &Printer, occasion: Occasion, notice: &Notice) {
    let wanted: Vec<_> = receivers
        .iter()
        .filter(|it| it.on.contains(&occasion))
        .collect();
    if wanted.is_empty() {
        return;
    }
    let warn = |receiver: &Receiver, why: String| {
        let place = &receiver.place;
        printer.error(&format!(
            "warning: {place}: the notification was not sent: {why}"
        ));
    };
    let client = match WebhookClient::new() {
        Ok(client) => client,
        Err(error) => {
            for receiver in &wanted {
                warn(receiver, error.to_string());
            }
            return;
        }
    };
    let (client, warn) = (&client, &warn);
    let posts = wanted.into_iter().map(|receiver| async move {
        let message = notification(occasion, notice, receiver.form);
        // The limit of a message leaves time to report it.
        let limit = LIMIT.saturating_sub(Duration::from_millis(500));
        if let Err(error) = client.post(&receiver.url, &message, limit).await {
            warn(receiver, error.to_string());
        }
    });
    join_all(posts).await;
}
