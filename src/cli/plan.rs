//! `iomcopy plan`: what a run would do now. Token requests apart, it sends nothing but GET.

use std::sync::Arc;

use super::arguments::{Output, PlanArguments};
use super::exit::{CHANGES, DONE};
use super::session::Session;
use super::{again, connect, document, saved};
use crate::domain::Refresh;
use crate::engine::{Failure, Known, Narrator, Plan};
use crate::journal::{self, State};
use crate::report::{PlanDocument, document as written, plan_text};
use crate::steps;

/// Surveys every step and shows what is still to do.
pub(super) async fn plan(session: &Session, arguments: &PlanArguments) -> Result<u8, Failure> {
    let runbook = document::read(&arguments.runbook)?;
    let path = session.state_path(&arguments.runbook, &runbook.name.value);
    // A new run knows nothing of the one that it replaces.
    let state = if journal::exists(&path) && !arguments.fresh {
        Some(Arc::new(journal::read(&path)?.state))
    } else {
        None
    };
    let connected =
        connect::connect(session, runbook, |clock| Narrator::new(clock, Vec::new())).await?;
    let refresh = &connected.refresh;
    let known = known(refresh, state, arguments.provider.as_deref()).await?;
    let plan = Plan::make(&steps::all(refresh, crate::checks::questions), known).await?;
    let digest = plan.digest(&refresh.runbook.pinned_digest());
    if let Some(path) = &arguments.out {
        saved::save(path, &plan, &digest)?;
        session
            .printer
            .remark(&format!("saved: {}", path.display()));
    }
    let text = match session.output {
        Output::Human => plan_text(
            &plan,
            &refresh.runbook.target.name.value,
            session.data_palette(),
        ),
        Output::Json => written(&PlanDocument::new(&plan, &digest)),
    };
    session.printer.data(text.trim_end());
    connected.stop().await;
    Ok(if arguments.detailed_exitcode && !plan.is_empty() {
        CHANGES
    } else {
        DONE
    })
}

/// What a run would know: nothing before its first record; with a provider that is installed again,
/// what it will know once that is recorded.
async fn known(
    refresh: &Arc<Refresh>,
    state: Option<Arc<State>>,
    provider: Option<&str>,
) -> Result<Known, Failure> {
    let state = match (state, provider) {
        (None, None) => return Ok(Known::nothing()),
        (None, Some(_)) => return Err(again::not_finished()),
        (Some(state), None) => state,
        (Some(state), Some(provider)) => match again::reopened(refresh, &state, provider).await? {
            Some(reopened) => again::as_reopened(&state, &reopened)?,
            None => state,
        },
    };
    Ok(Known::from_journal(state).for_planning())
}
