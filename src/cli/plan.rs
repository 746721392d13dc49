//! `iomcopy plan`: what a run would do now. Except for token requests, it sends only GET.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::common_arguments::{Output, RunFiles};
use super::connect::{self, Connected};
use super::exit_code::{CHANGES, DONE};
use super::expectations::{Expectations, left_of_last_run};
use super::job_summary::JobSummary;
use super::new_refresh::NewRefreshArguments;
use super::report::outline;
use super::run::run_binding::{require_same_binding, require_same_runbook};
use super::run::{archive, reopen, repair};
use super::session::Session;
use super::{plan_file, plan_notes};
use crate::base::clock::Clock;
use crate::base::shell::quote_argument;
use crate::domain::current_orchestrations::CurrentOrchestrations;
use crate::domain::{RefreshContext, keys, own_settings};
use crate::engine::{Failure, FailureKind, JournalView, Plan};
use crate::journal::{self, LostRecords, State};
use crate::report::{
    GraphPicture, PlanDocument, PlanFacts, PlanReport, document, expected_steps,
    plan_markdown_within, plan_page, plan_text,
};
use crate::steps::{custom_step_runner, repair_command};

/// The arguments of `plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    pub(super) files: RunFiles,
    /// Exit with 2 if the plan has changes
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
    /// Save the plan for approval and for `run --plan`; an existing file is replaced only if it is a
    /// plan
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Output format [default: text, and json with --output json]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) format: Option<PlanFormat>,
    /// From `run --dry-run --again`: the provider's definition
    #[arg(skip)]
    pub(super) provider: Option<String>,
    /// From `run --dry-run --only`
    #[arg(skip)]
    pub(super) only: Option<String>,
    #[command(flatten)]
    pub(super) new_refresh: NewRefreshArguments,
    /// From `run --dry-run --abandon-captures`
    #[arg(skip)]
    pub(super) abandon_captures: bool,
    /// From `run --dry-run --plan`: the approved plan
    #[arg(skip)]
    pub(super) approved: Option<PathBuf>,
}

/// The form of a plan.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum PlanFormat {
    /// For a terminal; -v adds each value before and after
    Text,
    /// A single page for those who approve the plan
    Html,
    /// For programs
    Json,
}

/// Surveys every step and shows what is still to do.
pub(super) async fn plan(session: &Session, arguments: &PlanArguments) -> Result<u8, Failure> {
    let format = choose_format(session, arguments)?;
    let (runbook, path) = arguments.files.read_state()?;
    let earlier = if journal::exists(&path) {
        let contents = journal::read_state_file(&path)?;
        session.warn_of_lost_records(&contents);
        Some(contents)
    } else {
        None
    };
    let earlier_state = earlier.as_ref().map(|contents| &contents.state);
    let now = Clock::new(1.0).time_of_day();
    let decision = arguments.new_refresh.decide(earlier_state, now);
    // As `run` does.
    match earlier_state {
        Some(state) if decision.is_new() => {
            archive::require_replaceable(state, arguments.abandon_captures)?;
        }
        // The plan would be that of another refresh.
        Some(state) => require_same_runbook(state, &runbook)?,
        None => {}
    }
    let (state, lost) = earlier
        .map(|contents| (contents.state, contents.lost))
        .unzip();
    // A new run does not use the journal of the run that it replaces.
    let state = state.filter(|_| !decision.is_new()).map(Arc::new);
    let shown = connect::with_services(session, runbook, async |connected| {
        if let Some(state) = &state {
            require_same_binding(state, connected)?;
        }
        let view = PlanView {
            session,
            arguments,
            connected,
            format,
            expectations: Expectations::of(&path),
            folder: path.parent().unwrap_or(&path),
            lost: lost.flatten(),
            reason_to_keep: decision.reason_to_keep(),
        };
        view.show(state).await
    });
    Box::pin(shown).await
}

/// The format of the plan. `--output json` allows only JSON.
fn choose_format(session: &Session, arguments: &PlanArguments) -> Result<PlanFormat, Failure> {
    match (session.output, arguments.format) {
        (Output::Json, None | Some(PlanFormat::Json)) => Ok(PlanFormat::Json),
        (Output::Json, Some(_)) => Err(Failure::new(
            FailureKind::InvalidInput,
            "--output json and --format name different formats",
        )
        .with_help("remove one of the two flags")),
        (Output::Human, format) => Ok(format.unwrap_or(PlanFormat::Text)),
    }
}

/// What a plan is made and shown with.
struct PlanView<'a> {
    session: &'a Session,
    arguments: &'a PlanArguments,
    connected: &'a Connected,
    format: PlanFormat,
    expectations: Expectations,
    /// The folder of the state file.
    folder: &'a Path,
    /// What the state file lacks of its run.
    lost: Option<LostRecords>,
    /// Why `--fresh-after` begins no new refresh.
    reason_to_keep: Option<&'a str>,
}

impl PlanView<'_> {
    /// Makes the plan and shows it. Takes the state of the run, if it has begun.
    async fn show(&self, state: Option<Arc<State>>) -> Result<u8, Failure> {
        let (session, arguments) = (self.session, self.arguments);
        let refresh = &self.connected.refresh;
        let is_resumed = state.is_some();
        let last_run = self.time_known(state.as_deref());
        let has_finished = state.as_ref().is_some_and(|state| state.finished.is_some());
        let journal = match &state {
            Some(state) => JournalView::from_journal(Arc::clone(state)).for_planning(),
            None => JournalView::empty(),
        };
        let plan = if let Some(step) = &arguments.only {
            repair::plan(self.connected, state, step).await?
        } else {
            let provider = arguments.provider.as_deref();
            let journal = journal_of_next_run(refresh, state, provider).await?;
            Plan::make(&self.connected.steps, journal).await?
        };
        let digest = plan.digest(&refresh.runbook.pinned_digest());
        if let Some(path) = &arguments.out {
            plan_file::save(path, &plan, &digest)?;
            session.printer.info(&format!("saved: {}", path.display()));
        }
        // The same guard as in `run`.
        let approval = match &arguments.approved {
            None => Ok(()),
            Some(approved) if is_resumed => plan_file::require_covered(approved, &plan),
            Some(approved) => plan_file::require_approved(approved, &plan, &digest),
        };
        let mut report = self.report(&plan, &last_run);
        if own_settings::are_lost(refresh, Some(&journal)).await? {
            let note = plan_notes::uncaptured(&refresh.runbook, is_resumed);
            report.unknowns.insert(0, note);
        }
        let facts = self.facts(&digest, has_finished);
        if approval.is_ok() {
            self.write_summary(&report, &facts);
        }
        match self.format {
            PlanFormat::Text => {
                let text = plan_text(&report, session.data_palette(), session.verbose);
                session.printer.text(text.trim_end());
                approval?;
                self.suggest_next(&plan, has_finished);
            }
            PlanFormat::Html => {
                approval?;
                let facts = PlanFacts {
                    graphs: self.graphs(&plan, &journal).await?,
                    ..facts
                };
                session.printer.data(&plan_page(&report, &facts));
            }
            PlanFormat::Json => {
                // The failure is the only document then.
                approval?;
                let json = document(&PlanDocument::new(&report, &digest));
                session.printer.data(&json);
            }
        }
        if let Some(approved) = &arguments.approved {
            let approved = approved.display();
            session
                .printer
                .info(&format!("{approved} approves what a run would do now"));
        }
        Ok(if arguments.detailed_exitcode && !plan.is_empty() {
            CHANGES
        } else {
            DONE
        })
    }

    /// Says below the plan which command follows. A plan for one step or one provider follows from
    /// the command that the user knows already.
    fn suggest_next(&self, plan: &Plan, has_finished: bool) {
        let arguments = self.arguments;
        if arguments.only.is_some() || arguments.provider.is_some() {
            return;
        }
        if let Some(next) = self.next_line(plan, has_finished) {
            self.session.printer.info(&format!("\n{next}"));
        }
        if let Some(reason) = self.reason_to_keep {
            self.session.printer.info(&format!("note: {reason}"));
        }
    }

    fn next_line(&self, plan: &Plan, has_finished: bool) -> Option<String> {
        if self.lost.is_some() || !has_finished {
            return Some(format!("next: {}", self.next()));
        }
        let files = self.arguments.files.as_arguments();
        if plan.is_empty() {
            return Some(format!(
                "This run has finished; a new refresh begins with: iomcopy run {files} --fresh\n\
                 Its plan: iomcopy plan {files} --fresh"
            ));
        }
        let commands = repairs(plan, &files);
        (!commands.is_empty()).then(|| {
            let commands = commands.join("; ");
            format!("This run has finished; these changes are made by: {commands}")
        })
    }

    /// The command that makes this plan's changes; that checks the state file, if a run would be
    /// refused.
    fn next(&self) -> String {
        if let Some(lost) = &self.lost {
            return lost.check().to_owned();
        }
        let out = self.arguments.out.as_ref();
        let approved = out.or(self.arguments.approved.as_ref()).map(|path| {
            let path = quote_argument(&path.display().to_string());
            format!(" --plan {path}")
        });
        format!(
            "iomcopy run {}{}{}",
            self.arguments.files.as_arguments(),
            approved.unwrap_or_default(),
            self.arguments.new_refresh.as_flag()
        )
    }

    /// Shows the plan next to the job's log, if there is a pipeline. Azure Pipelines reads its command
    /// from stdout, which another format has for itself.
    fn write_summary(&self, report: &PlanReport<'_>, facts: &PlanFacts<'_>) {
        let Some(pipeline) = self.session.pipeline else {
            return;
        };
        if pipeline.reads_stdout() && self.format != PlanFormat::Text {
            return;
        }
        let summary = JobSummary {
            file_name: &format!("iomcopy-plan-{}.md", facts.runbook),
            folder: self.folder,
            render: |bytes| plan_markdown_within(report, facts, pipeline, bytes),
        };
        summary.show(self.session);
    }

    /// How long steps should take by the last finished run. Takes the run that the plan continues.
    fn time_known(&self, run: Option<&State>) -> BTreeMap<String, Duration> {
        let arguments = self.arguments;
        match run {
            _ if arguments.only.is_some() || arguments.provider.is_some() => BTreeMap::new(),
            Some(run) => left_of_last_run(run),
            None => self.expectations.steps_of_last_run(),
        }
    }

    /// The plan with what its reader should know. `last_run` is how long each step took in the last
    /// finished run.
    fn report<'p>(
        &'p self,
        plan: &'p Plan,
        last_run: &BTreeMap<String, Duration>,
    ) -> PlanReport<'p> {
        let refresh = &self.connected.refresh;
        let runbook = &refresh.runbook;
        PlanReport {
            replacing_step: plan_notes::replacing_step(runbook),
            lost_providers: plan_notes::lost_providers(plan),
            left_off: plan_notes::left_off(plan, runbook),
            differences: plan_notes::differences(plan, runbook),
            unknowns: plan_notes::unknowns(plan, runbook, |step, is_forecast| {
                custom_step_runner(refresh, step).unknown_in_plan(is_forecast)
            }),
            expected: expected_steps(plan, last_run),
            names: refresh.known_names.all(),
            ..PlanReport::of(plan, &runbook.target.name.value)
        }
    }

    /// What a document says in addition to the changes. `has_finished`: the plan is that of a finished
    /// run.
    fn facts<'p>(&'p self, digest: &'p str, has_finished: bool) -> PlanFacts<'p> {
        let finished = || {
            "this run has finished, so the plan has only what has changed since; \
             the plan of a new refresh: plan --fresh"
        };
        let note = self.reason_to_keep.or_else(|| has_finished.then(finished));
        let runbook = &self.connected.refresh.runbook;
        PlanFacts {
            runbook: &runbook.name.value,
            target_id: runbook.target.environment.value.to_string(),
            source_id: runbook.source.value.to_string(),
            digest,
            made: Clock::new(1.0).time_of_day(),
            next: self.next(),
            note: note.map(str::to_owned),
            graphs: Vec::new(),
        }
    }

    /// The graphs that the plan edits. Takes the journal that says where they are read.
    async fn graphs(
        &self,
        plan: &Plan,
        journal: &JournalView,
    ) -> Result<Vec<GraphPicture>, Failure> {
        let changes = || plan.steps.iter().flat_map(|step| &step.changes);
        let change = |key: String| changes().find(|change| change.key == key);
        if !changes().any(|change| change.key.starts_with("orchestration/")) {
            return Ok(Vec::new());
        }
        let graphs = CurrentOrchestrations::read(&self.connected.refresh, journal).await?;
        let drawn = graphs.all().iter().filter_map(|graph| {
            let clear = change(keys::orchestration_clear(graph.id))?;
            let restore = change(keys::orchestration_restore(graph.id));
            let outline = outline(&graph.text)?;
            Some(GraphPicture::of_plan(&graph.name, &outline, clear, restore))
        });
        Ok(drawn.collect())
    }
}

/// The commands that repair the steps of a finished run which have changes. Takes the arguments that
/// name the run's files.
fn repairs(plan: &Plan, arguments: &str) -> Vec<String> {
    let changed = plan.steps.iter().filter(|step| !step.changes.is_empty());
    changed
        .filter_map(|step| repair_command(arguments, &step.name))
        .collect()
}

/// The journal that a run would start with: empty before its first record; with a provider, as it is
/// after the record that reopens the run.
async fn journal_of_next_run(
    refresh: &Arc<RefreshContext>,
    state: Option<Arc<State>>,
    provider: Option<&str>,
) -> Result<JournalView, Failure> {
    let state = match (state, provider) {
        (None, None) => return Ok(JournalView::empty()),
        (None, Some(_)) => return Err(reopen::not_finished()),
        (Some(state), None) => state,
        (Some(state), Some(provider)) => match reopen::reopen(refresh, &state, provider).await? {
            Some(reopened) => reopen::state_after(&state, &reopened)?,
            None => state,
        },
    };
    Ok(JournalView::from_journal(state).for_planning())
}
