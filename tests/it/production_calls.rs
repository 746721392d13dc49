//! Nothing of production acts from the copy. The rehearsal tenant records each call to the outside;
//! these tests read that record, and look for every place where production is named.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::harness::{CommandOutput, Stage, World, runbook_text, sample};

const SOURCE: &str = "11111111-1111-1111-1111-111111111111";
const TARGET: &str = "22222222-2222-2222-2222-222222222222";

/// The hosts that belong to production, or are reached on its behalf.
const PRODUCTION: [&str; 20] = [
    "11111111-1111-1111-1111-111111111111.flow.example",
    "audit.contoso.com",
    "carrier.contoso.com",
    "chat.contoso.com",
    "contoso-events.eastus-1.eventgrid.azure.net",
    "contoso-prod.servicebus.windows.net",
    "contoso-prod.vault.azure.net",
    "contoso-prod-vault",
    "contoso.sharepoint.com",
    "contosolake.dfs.core.windows.net",
    "erp.contoso.com",
    "hooks.contoso.com",
    "loyalty.contoso.com",
    "mail.contoso.com",
    "pop.contoso.com",
    "requestbin.contoso.com",
    "returns.contoso.com",
    "sftp.contoso.com",
    "shop.contoso.com",
    "smtp.contoso.com",
];

/// The host that the rehearsal's runbook allows.
const ALLOWED: &str = "requestbin.contoso.com";

/// What only production has: a secret parameter, a parameter, the place of a secret variable, and a
/// line of a transformation.
const ONLY_IN_PRODUCTION: [&str; 4] = [
    "rehearsal-only-prod-signature",
    "warehouse@contoso.com",
    "contoso-prod-vault",
    "Table.FromRecords({Payload})",
];

/// Does a text name this host, and not a longer one?
fn names_host(text: &str, host: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
    text.match_indices(host)
        .any(|(at, _)| !text[..at].ends_with(is_part))
}

fn names_production(text: &str) -> bool {
    PRODUCTION.iter().any(|host| names_host(text, host))
}

fn text<'row>(row: &'row Value, column: &str) -> &'row str {
    row[column].as_str().unwrap_or_default()
}

/// The values of the parameters that one side had before the first request.
fn parameters(world: &World, side: &str) -> BTreeSet<String> {
    let rows = world.seeded(side, "msdyn_iomproviderparameter").into_iter();
    rows.filter_map(|row| row["msdyn_value"].as_str().map(str::to_owned))
        .collect()
}

/// The calls from the target that act as production, as lines.
fn calls_to_production(world: &World) -> Vec<String> {
    let own = parameters(world, "target");
    let mut accounts = parameters(world, "source");
    accounts.retain(|value| !own.contains(value));
    let calls = world.calls().into_iter();
    calls
        .filter(|call| call["environment"] == TARGET)
        .filter(|call| {
            let host = text(call, "host");
            host != ALLOWED && names_production(host) || accounts.contains(text(call, "with"))
        })
        .map(|call| {
            format!(
                "{} -> {}: {}",
                text(call, "by"),
                text(call, "host"),
                text(call, "why")
            )
        })
        .collect()
}

/// A place where production can act from a copy, or is named.
#[derive(Debug)]
struct Place {
    table: String,
    /// The key of its row below the environment: `sharepointsite/<id>`.
    key: String,
    name: String,
}

/// The text of a row; scripts are decoded.
fn row_text(row: &Value) -> String {
    let content = STANDARD.decode(text(row, "content")).unwrap_or_default();
    format!("{row} {}", String::from_utf8_lossy(&content)).to_lowercase()
}

/// Whether a row acts without naming a host.
fn acts(table: &str, row: &Value) -> bool {
    let is = |column: &str, values: &[i64]| {
        row[column]
            .as_i64()
            .is_some_and(|value| values.contains(&value))
    };
    match table {
        "mailbox" | "queue" => {
            is("incomingemaildeliverymethod", &[2, 3]) || is("outgoingemaildeliverymethod", &[2])
        }
        "email" => is("statuscode", &[6, 7]),
        "asyncoperation" => is("statecode", &[0, 1]) && is("operationtype", &[1, 2, 10]),
        "callbackregistration" => true,
        "workflow" => text(row, "xaml").contains("SendEmail"),
        "sla" => is("statecode", &[1]),
        _ => false,
    }
}

/// The places that the seed has below one prefix of keys.
fn places(world: &World, prefix: &str) -> Vec<Place> {
    let rows = world.seed.iter().filter_map(|(key, row)| {
        let key = key.strip_prefix(prefix)?;
        let (table, _) = key.split_once('/')?;
        let named = [
            "name",
            "msdyn_name",
            "subject",
            "schemaname",
            "JobDescription",
            "Name",
        ];
        let name = named
            .iter()
            .map(|column| text(row, column))
            .find(|name| !name.is_empty());
        (acts(table, row) || names_production(&row_text(row))).then(|| Place {
            table: table.to_owned(),
            key: key.to_owned(),
            name: name.unwrap_or(key).to_owned(),
        })
    });
    rows.collect()
}

/// Whether a row of the target cannot act any more.
fn is_closed(world: &World, place: &Place, row: &Value) -> bool {
    match place.table.as_str() {
        "sdkmessageprocessingstep" | "emailserverprofile" => row["statecode"] == 1,
        "workflow" | "sla" => row["statecode"] == 0,
        "asyncoperation" => row["statecode"] == 3 && row["statuscode"] == 32,
        "mailbox" => !acts("mailbox", row) && row["actdeliverymethod"] == 2,
        "queue" => !acts("queue", row),
        // It is sent when its sender's mailbox sends.
        "email" => row["statuscode"] == 6,
        "serviceendpoint" => {
            let uses =
                |step: &&Value| step["eventhandler"]["serviceendpoint"] == row["serviceendpointid"];
            let steps = world.rows("sdkmessageprocessingstep").into_iter();
            steps.filter(uses).all(|step| step["statecode"] == 1)
        }
        "BatchJobs" => row["Status"] == "Hold",
        _ => false,
    }
}

/// The places that are neither closed nor replaced, and that no output names.
fn unsettled(world: &World, places: &[Place], prefix: &str, output: &str) -> Vec<String> {
    let left = places.iter().filter(|place| {
        let Some(row) = world.objects.get(&format!("{prefix}{}", place.key)) else {
            return false;
        };
        let acts = acts(&place.table, row) || names_production(&row_text(row));
        acts && !is_closed(world, place, row) && !output.contains(&place.name)
    });
    left.map(|place| format!("{} '{}'", place.key, place.name))
        .collect()
}

/// The report, which lists every surface. The target passes `verify`.
fn listed(stage: &Stage) -> String {
    drop(stage.call(&["verify", "rehearsal.yaml"]).exits(0));
    stage
        .call(&["report", "rehearsal.yaml", "--output", "json"])
        .exits(0)
        .stdout
}

/// A copy for tests calls nothing of production, and every place is settled. Takes the run, and the
/// world afterwards.
pub(crate) fn assert_nothing_calls_production(stage: &Stage, run: &CommandOutput, world: &World) {
    assert!(run.stdout.contains("contained: "), "{}", run.stdout);
    assert_eq!(calls_to_production(world), Vec::<String>::new());
    assert!(!world.calls().is_empty(), "what is the target's own acts");

    let output = listed(stage);
    let seeded = world.seeded("source", "organization")[0]["organizationid"].clone();
    let from = format!(
        "row/{}/",
        seeded.as_str().expect("the organization has an id")
    );
    let mut found = places(world, &from);
    let target = format!("row/{}/", world.organization("target"));
    let mut left = unsettled(world, &found, &target, &output);
    let finance = places(world, &format!("finance-operations/{SOURCE}/"));
    let target_finance = format!("finance-operations/{TARGET}/");
    left.extend(unsettled(world, &finance, &target_finance, &output));
    found.extend(finance);
    assert_eq!(left, Vec::<String>::new(), "{output}");
    let kinds: BTreeSet<&str> = found.iter().map(|place| place.table.as_str()).collect();
    assert!(
        found.len() >= 25 && kinds.len() >= 12,
        "{} {kinds:?}",
        found.len()
    );

    // No row of the target holds a value that only production had.
    for only in ONLY_IN_PRODUCTION {
        let holds = |prefix: &str| {
            let objects = world.objects.iter();
            let rows = objects
                .filter(|(key, row)| key.starts_with(prefix) && row.to_string().contains(only));
            rows.map(|(key, _)| key.clone()).collect::<Vec<_>>()
        };
        assert!(!holds(&from).is_empty(), "{only} is in the source");
        for prefix in [&target, &target_finance] {
            assert_eq!(holds(prefix), Vec::<String>::new(), "{only}");
        }
    }
}

/// Kills the program once the state file has this many records, and resumes it to the end.
#[expect(clippy::print_stdout, reason = "a failed test shows what it printed")]
fn kill_after(records: u64) {
    println!("killed after record {records}");
    let stage = Stage::new();
    let _tenant = stage.whole_tenant(&[]);
    let mut child = stage.start();
    let _reached = stage.wait_for(&mut child, |record| {
        record["n"].as_u64().is_some_and(|n| n >= records)
    });
    drop(child.kill());
    drop(child.wait());
    let run = stage.run_again().exits(0);
    assert!(
        run.stdout.contains("contained: ") && run.stdout.contains(", 0 open"),
        "{}",
        run.stdout
    );
    assert_eq!(
        calls_to_production(&stage.world()),
        Vec::<String>::new(),
        "{records}"
    );
}

#[test]
fn nothing_of_production_acts_when_the_program_is_killed_and_resumed() {
    // A whole run writes about 1400 records.
    let moments: Vec<u64> = (0..100).map(|number| 5 + number * 14).collect();
    for records in sample(&moments, 2) {
        kill_after(records);
    }
}

#[test]
fn for_disaster_recovery_everything_acts_and_is_listed() {
    let text = runbook_text();
    let (before, rest) = text
        .split_once("purpose: test\n")
        .expect("the purpose is written");
    let (_, after) = rest
        .split_once("\n\n")
        .expect("an empty line ends the containment");
    let stage = Stage::new();
    stage.write_runbook(&format!("{before}purpose: disaster-recovery\n\n{after}"));
    drop(stage.run().exits(0));
    let world = stage.in_process_world();
    let calls = calls_to_production(&world);
    let output = listed(&stage);
    for (by, listed) in [
        ("plug-in step 'Contoso audit: ", "Contoso audit: Update"),
        (
            "plug-in step 'Contoso order hub: ",
            "Contoso order hub: Update",
        ),
        (
            "plug-in step 'Contoso.Plugins.NotifyShop: ",
            "Contoso.Plugins.NotifyShop",
        ),
        ("mailbox 'orders@contoso.com'", "Orders"),
        ("mailbox 'forward@contoso.com'", "Forwarded mail"),
        ("system job 'Spring newsletter'", "Spring newsletter"),
        (
            "workflow 'Contoso - Order confirmation'",
            "Contoso - Order confirmation",
        ),
        (
            "cloud flow 'Contoso - Book the carrier'",
            "Contoso - Book the carrier",
        ),
        ("provider 'FedEx'", "FedEx"),
    ] {
        assert!(
            calls.iter().any(|call| call.starts_with(by)),
            "{by}: {calls:#?}"
        );
        assert!(output.contains(listed), "{listed}: {output}");
    }
    // Nothing was turned off.
    let rows = |side: &str, table: &str, column: &str| -> Vec<Value> {
        let rows = world.rows_of(side, table).into_iter();
        rows.map(|row| row[column].clone()).collect()
    };
    for (table, column) in [
        ("sdkmessageprocessingstep", "statecode"),
        ("emailserverprofile", "statecode"),
        ("sla", "statecode"),
        ("mailbox", "outgoingemaildeliverymethod"),
        ("serviceendpoint", "url"),
        ("sharepointsite", "absoluteurl"),
        ("callbackregistration", "name"),
    ] {
        let (source, target) = (rows("source", table, column), rows("target", table, column));
        assert!(target.len() >= source.len(), "{table}");
        for value in source {
            assert!(target.contains(&value), "{table} {value}");
        }
    }
}

#[test]
fn a_step_that_refuses_to_be_disabled_ends_the_run_with_a_finding_that_names_it() {
    let stage = Stage::new();
    let mut tenant = stage.whole_tenant(&[]);
    tenant.kill();
    let world = stage.world();
    let name = "Contoso orders (Service Bus): Create of salesorder";
    let key = crate::edits::row(&world, "source", "sdkmessageprocessingstep", "name", name);
    let mut step = world.objects[&key].clone();
    step["ismanaged"] = json!(true);
    step["iscustomizable"] = json!({"Value": false, "CanBeChanged": false});
    let mut puts = Map::new();
    puts.insert(key, step);
    stage.edit_world(&puts);
    let text = std::fs::read_to_string(stage.runbook()).expect("the runbook is there");
    let _tenant = stage.start_tenant(&text, &[]);
    let preflight = stage.call(&["preflight", "rehearsal.yaml"]);
    for part in [
        &format!("'{name}'"),
        "(managed, and not customizable)",
        "warning",
        "(0x8004F026)",
        "under `containment.allow`",
    ] {
        assert!(
            preflight.stdout.contains(part),
            "{part}: {}",
            preflight.stdout
        );
    }
    let run = stage.run();
    assert_ne!(run.code, Some(0), "{}", run.stdout);
    assert!(
        run.stderr.contains(name) || run.stdout.contains(name),
        "{}",
        run.stderr
    );
    let verify = stage.call(&["verify", "rehearsal.yaml"]);
    assert_ne!(verify.code, Some(0), "{}", verify.stdout);
    assert!(verify.stdout.contains(name), "{}", verify.stdout);
    assert_eq!(calls_to_production(&stage.world()), Vec::<String>::new());
}

#[test]
fn entities_left_on_in_finance_and_operations_are_a_task_before_the_target_opens() {
    let stage = Stage::new();
    let mut tenant = stage.whole_tenant(&[]);
    tenant.kill();
    let mut puts = Map::new();
    puts.insert("quirk/unified-copy-keeps-finance".to_owned(), json!(true));
    stage.edit_world(&puts);
    let runbook = std::fs::read_to_string(stage.runbook()).expect("the runbook is there");
    let _tenant = stage.start_tenant(&runbook, &[]);
    let run = stage.run().exits(10);
    let output = format!("{}{}", run.stdout, run.stderr);
    for named in ["batch jobs", "e-mail parameters", "ContosoEvents"] {
        assert!(
            output.contains(&format!("'{named}' could act")),
            "{named}: {output}"
        );
    }
    let world = stage.world();
    let target = &world.environment("Contoso UAT")["properties"]["states"]["runtime"]["id"];
    assert_eq!(target, "AdminMode");
    assert_eq!(calls_to_production(&world), Vec::<String>::new());
}
