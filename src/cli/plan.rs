//! `iomcopy plan`: what a run would do now. Except for token requests, it sends only GET.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::common_arguments::{Output, RunFiles};
use super::connect::{self, Connected};
use super::exit_code::{CHANGES, DONE};
use super::plan_file;
use super::run::reopen;
use super::session::Session;
use crate::domain::RefreshContext;
use crate::engine::{Failure, JournalView, Plan};
use crate::journal::{self, State};
use crate::report::{PlanDocument, document, plan_text};

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
    /// From `run --dry-run --again`: the provider's definition
    #[arg(skip)]
    pub(super) provider: Option<String>,
    /// From `run --dry-run --fresh`
    #[arg(skip)]
    pub(super) fresh: bool,
    /// From `run --dry-run --plan`: the approved plan
    #[arg(skip)]
    pub(super) approved: Option<PathBuf>,
}

/// Surveys every step and shows what is still to do.
pub(super) async fn plan(session: &Session, arguments: &PlanArguments) -> Result<u8, Failure> {
    let (runbook, path) = arguments.files.read()?;
    // A new run does not use the journal of the run that it replaces.
    let state = if journal::exists(&path) && !arguments.fresh {
        Some(Arc::new(journal::read_state_file(&path)?.state))
    } else {
        None
    };
    connect::with_services(session, runbook, async |connected| {
        show_plan(session, arguments, connected, state).await
    })
    .await
}

async fn show_plan(
    session: &Session,
    arguments: &PlanArguments,
    connected: &Connected,
    state: Option<Arc<State>>,
) -> Result<u8, Failure> {
    let refresh = &connected.refresh;
    let is_resumed = state.is_some();
    let journal = journal_of_next_run(refresh, state, arguments.provider.as_deref()).await?;
    let plan = Plan::make(&connected.steps, journal).await?;
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
    match session.output {
        Output::Human => {
            let target = &refresh.runbook.target.name.value;
            let text = plan_text(&plan, target, session.data_palette());
            session.printer.text(text.trim_end());
            approval?;
        }
        Output::Json => {
            // The failure is the only document then.
            approval?;
            session
                .printer
                .data(&document(&PlanDocument::new(&plan, &digest)));
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
