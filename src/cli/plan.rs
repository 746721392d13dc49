//! `iomcopy plan`: what a run would do now. Token requests apart, it sends nothing but GET.

use super::arguments::{Output, PlanArguments};
use super::exit::{CHANGES, DONE};
use super::session::Session;
use super::{connect, document, saved};
use crate::engine::{Failure, Known, Narrator, Plan};
use crate::journal;
use crate::report::{PlanDocument, document as written, plan_text};
use crate::steps;

/// Surveys every step and shows what is still to do.
pub(super) async fn plan(session: &Session, arguments: &PlanArguments) -> Result<u8, Failure> {
    let runbook = document::read(&arguments.runbook)?;
    document::require_supported(&runbook)?;
    let path = session.state_path(&arguments.runbook, &runbook.name.value);
    let known = if journal::exists(&path) {
        Known::from_journal(std::sync::Arc::new(journal::read(&path)?.state)).for_planning()
    } else {
        Known::nothing()
    };
    let connected =
        connect::connect(session, runbook, |clock| Narrator::new(clock, Vec::new())).await?;
    let refresh = &connected.refresh;
    let plan = Plan::make(&steps::all(refresh), known).await?;
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
