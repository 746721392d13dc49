//! `iomcopy graph`: one orchestration's graph, from the state file, else from the services with
//! reads only.

use std::path::Path;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde_json::Value;
use uuid::Uuid;

use super::common_arguments::{Output, RunFiles};
use super::connect::{self, Connected};
use super::did_you_mean;
use super::exit_code::DONE;
use super::report::outline;
use super::session::Session;
use crate::domain::Names;
use crate::domain::current_orchestrations::CurrentOrchestrations;
use crate::engine::{Failure, FailureKind, JournalView};
use crate::journal::{self, State};
use crate::report::{GraphDocument, GraphPicture, document, graph_pictures};
use crate::runbook::{IomTable, Runbook};

/// The arguments of `graph`.
#[derive(Debug, Args)]
pub(super) struct GraphArguments {
    #[command(flatten)]
    pub(super) files: RunFiles,
    /// The orchestration's name
    orchestration: String,
    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "mermaid")]
    format: GraphFormat,
}

/// The form of a graph.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum GraphFormat {
    /// Text that GitHub, Azure DevOps and editors draw
    Mermaid,
    /// A picture
    Svg,
}

impl GraphFormat {
    fn name(self) -> &'static str {
        match self {
            Self::Mermaid => "mermaid",
            Self::Svg => "svg",
        }
    }

    fn render(self, picture: &GraphPicture) -> String {
        match self {
            Self::Mermaid => picture.to_mermaid(),
            Self::Svg => picture.to_svg(),
        }
    }
}

/// Writes the graph before, detached and after, as far as the run is; before step 5 has recorded the
/// orchestrations, the graph as it is now.
pub(super) async fn graph(session: &Session, arguments: &GraphArguments) -> Result<u8, Failure> {
    let (runbook, path) = arguments.files.read_state()?;
    let name = &arguments.orchestration;
    let mut state = None;
    if journal::exists(&path) {
        let recorded = recorded(session, &runbook, &path)?;
        if !recorded.pictures.is_empty() {
            let pictures = recorded.pictures.iter();
            let names: Vec<&str> = pictures.map(GraphPicture::name).collect();
            let at = find(name, &names)?;
            show(session, arguments.format, &recorded.pictures[at]);
            return Ok(DONE);
        }
        state = Some(recorded.state);
    }
    let picture = connect::with_services(session, runbook, async |connected| {
        present(session, connected, state, name).await
    });
    let picture = Box::pin(picture).await?;
    show(session, arguments.format, &picture);
    Ok(DONE)
}

fn show(session: &Session, format: GraphFormat, picture: &GraphPicture) {
    let text = format.render(picture);
    let printer = &session.printer;
    match session.output {
        Output::Human => printer.data(&text),
        Output::Json => {
            let graph = GraphDocument::new(picture, format.name(), text);
            printer.data(&document(&graph));
        }
    }
}

/// What a state file holds of the orchestrations.
struct Recorded {
    pictures: Vec<GraphPicture>,
    state: State,
}

fn recorded(session: &Session, runbook: &Runbook, path: &Path) -> Result<Recorded, Failure> {
    let contents = journal::read_state_file(path)?;
    session.warn_of_lost_records(&contents);
    // Offline, the tenant's names are those of the runbook.
    let names = Names::unchecked(&runbook.iom);
    let title = |row: &Value| {
        let title = names.title(IomTable::Orchestration, row.as_object()?, Uuid::nil());
        Some(title).filter(|title| *title != Uuid::nil().to_string())
    };
    Ok(Recorded {
        pictures: graph_pictures(&contents, outline, title),
        state: contents.state,
    })
}

/// The graph as the services hold it now.
async fn present(
    session: &Session,
    connected: &Connected,
    state: Option<State>,
    name: &str,
) -> Result<GraphPicture, Failure> {
    let refresh = &connected.refresh;
    let journal = match state {
        Some(state) => JournalView::from_journal(Arc::new(state)).for_planning(),
        None => JournalView::empty(),
    };
    let graphs = CurrentOrchestrations::read(refresh, &journal).await?;
    let names: Vec<&str> = graphs.all().iter().map(|it| it.name.as_str()).collect();
    let found = &graphs.all()[find(name, &names)?];
    let values = graphs.values(found)?;
    let name = &found.name;
    let drawn = outline(&found.text).map(|it| GraphPicture::of_present(name, &it, &values));
    session
        .printer
        .info("the run has not recorded the orchestrations yet: this is the graph as it is now");
    drawn.ok_or_else(|| {
        Failure::failed(format!(
            "the graph of orchestration '{name}' cannot be drawn"
        ))
        .with_help("the program does not know its form; a run can edit it nevertheless")
    })
}

/// Which of these orchestrations is meant: the one with this name, else the only one with it in
/// other capitals.
fn find(name: &str, names: &[&str]) -> Result<usize, Failure> {
    let exact = names.iter().position(|own| *own == name);
    let mut similar =
        (0..names.len()).filter(|at| names[*at].to_lowercase() == name.to_lowercase());
    let similar = similar.next().filter(|_| similar.next().is_none());
    exact.or(similar).ok_or_else(|| {
        Failure::new(
            FailureKind::InvalidInput,
            format!("there is no orchestration '{name}'"),
        )
        .with_help(did_you_mean::advice(name, names, "orchestrations"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orchestration_is_found_by_its_name_and_a_wrong_name_gets_suggestions() {
        let names = ["Order flow", "Returns", "returns"];
        assert_eq!(find("order FLOW", &names).unwrap(), 0);
        assert_eq!(find("returns", &names).unwrap(), 2);
        assert!(find("RETURNS", &names).is_err(), "two are meant");
        let failure = find("Order flwo", &names).unwrap_err();
        assert_eq!(failure.kind, FailureKind::InvalidInput);
        assert_eq!(
            failure.help.as_deref(),
            Some("did you mean 'Order flow'? orchestrations: Order flow, Returns, returns")
        );
    }
}
