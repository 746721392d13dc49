//! Phase `connection-references`: Dataverse's own references, which cloud flows use.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::{join, try_join};
use uuid::Uuid;

use super::compared_fields;
use super::unconnected_references::{Recorded, empty_again};
use crate::base::sync::lock;
use crate::clients::{Query, Row, Table};
use crate::domain::connections::choices::{Choices, ChosenConnection};
use crate::domain::connections::core_references::{CoreReference, core_references};
use crate::domain::connections::{
    OwnerRow, connector_name, find_acting_user, find_choice, find_owner, reference_key,
};
use crate::domain::flows::rules::wanted_definitions;
use crate::domain::iom_change::sign_in_instruction;
use crate::domain::names::{Fields, text};
use crate::domain::refused_change::by_hand_where_refused;
use crate::domain::row_changes::{Request, surveyed_row_set, surveyed_version};
use crate::domain::{RefreshContext, keys};
use crate::engine::{Action, Barrier, Change, Failure, JournalView, ManualTask, Note, Survey};

/// The prefix of a connector's id (Dataverse, `connectionreference.connectorid`).
const CONNECTOR_ID_PREFIX: &str = "/providers/Microsoft.PowerApps/apis/";

/// Finds the references that have another connection or owner than they should.
pub(super) struct References {
    refresh: Arc<RefreshContext>,
    end: Mutex<End>,
}

/// What the end of the phase needs. A survey that follows changes is likely to find nothing left, so
/// it reads that at the same time.
#[derive(Default)]
struct End {
    /// Has the last survey found changes, which are made now?
    is_expected: bool,
    /// How many jobs had not ended, for the barrier.
    jobs: Option<usize>,
    /// For the notes.
    read: Option<Read>,
}

/// What the notes are made of.
struct Read {
    choices: Choices,
    references: Vec<CoreReference>,
    users: Users,
}

/// The names of the flows that should be on, by each reference that they use (lower case).
type Users = BTreeMap<String, Vec<String>>;

/// Reads which references the flows use that should be on.
async fn read_users(refresh: &RefreshContext, journal: &JournalView) -> Result<Users, Failure> {
    let used = wanted_definitions(refresh, journal, |_, row, definition| {
        let name = text(row, "name").unwrap_or_default();
        (name, definition.references())
    });
    let mut users = Users::new();
    for (name, references) in used.await? {
        for reference in references {
            users.entry(reference).or_default().push(name.clone());
        }
    }
    Ok(users)
}

impl References {
    pub(super) fn new(refresh: &Arc<RefreshContext>) -> Self {
        Self {
            refresh: Arc::clone(refresh),
            end: Mutex::default(),
        }
    }

    /// How many jobs have not ended that refresh the flows which use a reference.
    async fn jobs(&self) -> Result<usize, Failure> {
        let query = Query::new()
            .select(&["asyncoperationid", "statecode"])
            .filter("operationtype eq 101 and statecode ne 3".to_owned());
        let target = &self.refresh.target.dataverse;
        Ok(target.list("asyncoperations", &query).await?.len())
    }

    /// Reads ahead what the end of the phase needs. What cannot be read now is read then.
    async fn read_ahead(&self, journal: &JournalView) -> (Option<Users>, Option<usize>) {
        let (users, jobs) = join!(read_users(&self.refresh, journal), self.jobs());
        (users.ok(), jobs.ok())
    }
}

/// What every change of a reference needs.
struct Writes<'a> {
    refresh: &'a Arc<RefreshContext>,
    journal: &'a JournalView,
    table: Arc<Table>,
    owner: Option<OwnerRow>,
    acting_as: Option<Uuid>,
}

impl Writes<'_> {
    /// The change of a reference to the chosen connection; none if it has that already.
    fn change(&self, reference: &CoreReference, chosen: &ChosenConnection) -> Option<Change> {
        let CoreReference {
            id,
            logical_name,
            connector,
            connection,
            owner: current_owner,
            etag,
        } = reference;
        let moved = chosen.connector != *connector;
        let compared = move |row: &Fields| {
            let mut value = compared_fields(row, "connectionid");
            if moved {
                let connector = text(row, "connectorid").unwrap_or_default();
                value["connector"] = json!(connector_name(&connector));
            }
            value
        };
        let mut before = json!({ "connection": connection, "owner": current_owner });
        if moved {
            before["connector"] = json!(connector);
        }
        let owner = self.owner.as_ref();
        let wanted_owner = OwnerRow::id_or(owner, current_owner.clone());
        let mut after = json!({ "connection": chosen.connection, "owner": wanted_owner });
        if moved {
            after["connector"] = json!(chosen.connector);
        }
        if before == after {
            return None;
        }
        let body = body(chosen, moved, owner);
        let surveyed = surveyed_version(&self.table, &before, etag.clone());
        let set = &self.table.entity_set;
        let request = Request::patch(set, *id, &body)
            .showing(&["connectionid", "connectorid", "_ownerid_value"])
            .acting_as(self.acting_as);
        let change = Change {
            key: keys::connection_reference(logical_name),
            name: format!("connect connection reference '{logical_name}'"),
            before: before.into(),
            after: after.into(),
            follows: Vec::new(),
            action: Action::Set(surveyed_row_set(
                self.refresh,
                set,
                (*id, surveyed),
                move |row: Option<&Row>| row.map_or(Value::Null, |row| compared(&row.value)),
                request,
                Duration::from_mins(1),
            )),
        };
        Some(if moved {
            let by_hand = by_hand(self.refresh, logical_name, chosen, owner);
            by_hand_where_refused(change, self.journal, by_hand)
        } else {
            change
        })
    }
}

#[async_trait]
impl Survey for References {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.refresh;
        let view = refresh.view(journal);
        let is_last = mem::take(&mut *lock(&self.end)).is_expected;
        let ahead = Box::pin(async {
            if is_last && !journal.is_planning() {
                return Ok::<_, Failure>(self.read_ahead(journal).await);
            }
            Ok((None, None))
        });
        let (owner, table, acting_as, choices, references, (users, jobs)) = try_join!(
            find_owner(refresh, view),
            view.table("connectionreference"),
            find_acting_user(refresh, view),
            Choices::read(refresh, journal),
            core_references(view),
            ahead,
        )?;
        let writes = Writes {
            refresh,
            journal,
            table,
            owner,
            acting_as,
        };
        let mut changes = Vec::new();
        let recorded = journal.derived::<Recorded>(());
        for reference in &references {
            let CoreReference {
                logical_name,
                connector,
                ..
            } = reference;
            changes.extend(
                match choices.find(refresh, None, logical_name, connector)? {
                    Some(chosen) => writes.change(reference, &chosen),
                    None => empty_again(refresh, &writes.table, reference, &recorded, acting_as),
                },
            );
        }
        let is_end = changes.is_empty();
        let read = |users| Read {
            choices,
            references,
            users,
        };
        *lock(&self.end) = End {
            is_expected: !is_end && !journal.is_planning(),
            jobs: jobs.filter(|_| is_end),
            read: users.filter(|_| is_end).map(read),
        };
        Ok(changes)
    }

    async fn barrier(&self, _journal: &JournalView) -> Result<Barrier, Failure> {
        let jobs = lock(&self.end).jobs.take();
        let jobs = match jobs {
            Some(jobs) => jobs,
            None => self.jobs().await?,
        };
        if jobs == 0 {
            return Ok(Barrier::Passed);
        }
        Ok(Barrier::Holds(format!(
            "Dataverse is refreshing the flows that use the references ({jobs} left)"
        )))
    }

    async fn notes(&self, journal: &JournalView) -> Result<Vec<Note>, Failure> {
        let refresh = &self.refresh;
        let view = refresh.view(journal);
        let read = lock(&self.end).read.take();
        let read = async {
            if let Some(read) = read {
                return Ok(read);
            }
            let (choices, references, users) = try_join!(
                Choices::read(refresh, journal),
                core_references(view),
                read_users(refresh, journal),
            )?;
            Ok::<_, Failure>(Read {
                choices,
                references,
                users,
            })
        };
        let Read {
            choices,
            references,
            mut users,
        } = Box::pin(read).await?;
        let mut notes = Vec::new();
        for reference in references {
            let logical_name = reference.logical_name.to_ascii_lowercase();
            let used_by = users.remove(&logical_name).unwrap_or_default();
            let (name, connector) = (&reference.logical_name, &reference.connector);
            let choice = find_choice(&refresh.runbook, &choices.custom, None, name, connector);
            let connection = reference.connection.as_deref();
            if choice.is_none() && !used_by.is_empty() && !choices.has(connection) {
                let connector = choices.custom.in_target(connector);
                notes.push(describe_unconnected(name, &connector, &used_by));
            }
        }
        notes.extend(users.iter().map(|(reference, used_by)| {
            Note::from(format!(
                "connection reference '{reference}' is not in the environment, but cloud flows that \
                 should be on use it: {}",
                used_by.join(", ")
            ))
        }));
        Ok(notes)
    }
}

/// The columns that connect a reference. A connection is of the target's connector, so the reference
/// must be too. Its lookup `customconnectorid` stays right: it names the connector's row, whose id
/// survives the copy.
fn body(chosen: &ChosenConnection, moved: bool, owner: Option<&OwnerRow>) -> Value {
    let mut body = json!({ "connectionid": chosen.connection });
    if moved {
        body["connectorid"] = json!(format!("{CONNECTOR_ID_PREFIX}{}", chosen.connector));
    }
    if let Some(owner) = owner {
        body["ownerid@odata.bind"] = json!(owner.bind());
    }
    body
}

/// What a person does if the service refuses the connector of the target's connection.
fn by_hand(
    refresh: &RefreshContext,
    logical_name: &str,
    chosen: &ChosenConnection,
    owner: Option<&OwnerRow>,
) -> ManualTask {
    ManualTask {
        advice: vec![sign_in_instruction(refresh)],
        instructions: vec![format!(
            "Power Apps > Solutions > Default Solution > Connection references > '{logical_name}' > \
             Edit: save it with {}the connection of custom connector {} with the id {}",
            OwnerRow::instruction(owner),
            chosen.connector,
            chosen.connection
        )],
        evidence:
            "the connection reference has the target's connection, its connector and the owner"
                .to_owned(),
        ..ManualTask::default()
    }
}

/// A reference without a connection that the runbook does not name, with the flows that cannot be
/// turned on because of it.
fn describe_unconnected(logical_name: &str, connector: &str, used_by: &[String]) -> Note {
    let by_connector = match reference_key(logical_name, connector) {
        key if key == logical_name => String::new(),
        key => format!(" or `{key}: <connection id>`"),
    };
    Note::new(
        format!(
            "no connection is chosen for connection reference '{logical_name}', but cloud flows that \
             should be on use it: {}",
            used_by.join(", ")
        ),
        format!(
            "add `{logical_name}: <connection id>`{by_connector} under `connections` of \
             reconfigure-connections"
        ),
    )
}
