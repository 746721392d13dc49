//! A person who works in the portal: follows one line of a worksheet, using only the names in that
//! line, and sends the requests that the clicks would send.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::harness::{Stage, token_request};

/// A person who has signed in to the target.
pub(crate) struct Person<'a> {
    stage: &'a Stage,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    root: String,
    /// The token endpoint, and the body of a token request.
    sign_in: (String, String),
    token: RefCell<String>,
    /// The directory object of the signed-in user.
    user: RefCell<Option<String>>,
    /// The captures of each seal that was looked at: the files are large.
    captures: RefCell<BTreeMap<String, Vec<Value>>>,
}

impl<'a> Person<'a> {
    /// Signs in. Takes the tenant's `endpoints:` line.
    pub(crate) fn of(stage: &'a Stage, endpoints: &str) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client can be made");
        let address = |key: &str| {
            let rest = endpoints
                .split(&format!("{key}: {{ url: \""))
                .nth(1)
                .unwrap_or_default();
            rest.split('"').next().unwrap_or_default().to_owned()
        };
        let environment = target_environment(stage);
        let metadata = &environment["properties"]["linkedEnvironmentMetadata"];
        let root = text(&metadata["instanceUrl"])
            .trim_end_matches('/')
            .to_owned();
        let form = token_request(&root);
        let url = format!(
            "{}/{}/oauth2/v2.0/token",
            address("authority"),
            iomcopy::rehearsal::TENANT
        );
        let person = Self {
            stage,
            runtime,
            client,
            root,
            sign_in: (url, form),
            token: RefCell::default(),
            user: RefCell::default(),
            captures: RefCell::default(),
        };
        person.sign_in();
        person
    }

    fn sign_in(&self) {
        let (url, form) = &self.sign_in;
        let request = self
            .client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.clone());
        let answer: Value = self.runtime.block_on(async {
            let answer = request.send().await.expect("the authority answers");
            answer.json().await.expect("it is JSON")
        });
        self.token.replace(text(&answer["access_token"]));
    }

    /// Follows one line. Headings, and lines that only say to save, need nothing.
    pub(crate) fn follow(&self, line: &str) {
        let line = without_link(line);
        let names = quoted(line);
        let name = |at: usize| names[at].as_str();
        let says = |words: &str| line.contains(words);
        let signs_in = line.strip_prefix("sign in as ");
        if let Some(user) = signs_in.filter(|user| user.contains('@')) {
            let user = text(&self.user(user)["azureactivedirectoryobjectid"]);
            self.user.replace(Some(user));
            return;
        }
        match line {
            _ if !is_work(line) => {}
            _ if says("press 'Activate system'") => self.press("rehearsal_ActivateSystem"),
            _ if line.starts_with("open '") && says("the connection URL ") => {
                self.connect("iomplatformconnectionreference", line, |row| {
                    is(row, name(0))
                });
            }
            _ if says("Flows >") && says("stop it") => {
                let state = json!({"statecode": 0, "statuscode": 1});
                self.patch("iomdesigner", &self.one("iomdesigner", name(0)), &state);
            }
            _ if says("remove the provider action") => {
                self.edit_tiles(name(0), name(1), &|_| Value::Null);
            }
            _ if says("choose the newly created provider action") => {
                let provider = id_of(&self.one("iomprovider", name(3)), "iomprovider");
                let action = self
                    .rows("iomprovideraction")
                    .into_iter()
                    .find(|row| is(row, name(2)) && row["_msdyn_providerid_value"] == provider)
                    .unwrap_or_else(|| panic!("no such action: {line}"));
                let id = id_of(&action, "iomprovideraction");
                self.edit_tiles(name(0), name(1), &|member| match member {
                    Part::Id => id.clone(),
                    Part::Name => action["msdyn_name"].clone(),
                });
            }
            _ if says("Flows >") && says("publish it") => {
                self.press_on_row("iomdesigner", name(0), "rehearsal_PublishOrchestration");
            }
            _ if says("Policies >") => {
                self.press_on_row("iompolicy", name(0), "rehearsal_PublishPolicy");
            }
            _ if says("Library >") => {
                let definition = self.one("iomproviderdefinition", name(0));
                let body = json!({
                    "ProviderId": uuid::Uuid::new_v4(),
                    "ProviderDefinitionId": id_of(&definition, "iomproviderdefinition"),
                });
                self.send("POST", "rehearsal_InstallProvider", Some(&body));
            }
            _ if says("> connection '") => self.follow_connection_line(line, name(0), name(1)),
            _ if says("> parameters >") => {
                self.set_from_capture("iomproviderparameter", "msdyn_value", line);
            }
            _ if says("> transformations >") => {
                self.set_from_capture("iomprovidertransformation", "msdyn_transformation", line);
            }
            _ if says("Installed >") => self.follow_provider_line(line, name(0)),
            _ if says("warehouse mapping") => {
                let provider = id_of(&self.one("iomprovider", name(1)), "iomprovider");
                let bind = format!("msdyn_iomproviders({})", text(&provider));
                let body = json!({"msdyn_ProviderId@odata.bind": bind});
                let row = self.one("iomwarehousemapping", name(0));
                self.patch("iomwarehousemapping", &row, &body);
            }
            other => panic!("unknown instruction: {other}"),
        }
    }

    fn follow_provider_line(&self, line: &str, name: &str) {
        let row = || self.one("iomprovider", name);
        if line.ends_with(": deactivate it") {
            let state = json!({"statecode": 1, "statuscode": 2});
            self.patch("iomprovider", &row(), &state);
        } else if line.ends_with(": delete it") {
            let path = format!(
                "msdyn_iomproviders({})",
                text(&id_of(&row(), "iomprovider"))
            );
            self.send("DELETE", &path, None);
        } else if line.ends_with(": activate it") {
            self.press_on_row("iomprovider", name, "rehearsal_ActivateProvider");
        } else {
            let new = quoted(line).pop().unwrap_or_default();
            assert!(line.contains(": rename it to '"), "{line}");
            self.patch("iomprovider", &row(), &json!({"msdyn_name": new}));
        }
    }

    fn follow_connection_line(&self, line: &str, provider: &str, title: &str) {
        let table = "iomproviderconnectionreference";
        let provider = id_of(&self.one("iomprovider", provider), "iomprovider");
        let fits = |row: &Value| is(row, title) && row["_msdyn_providerid_value"] == provider;
        if line.ends_with(": activate it") {
            let row = self.rows(table).into_iter().find(|row| fits(row));
            let row = row.unwrap_or_else(|| panic!("no such connection: {line}"));
            self.patch(table, &row, &json!({"statecode": 0, "statuscode": 1}));
        } else {
            self.connect(table, line, fits);
        }
    }

    /// Sets the URL and owner of the one matching row to those in the line.
    fn connect(&self, table: &str, line: &str, fits: impl Fn(&Value) -> bool) {
        let after = |words: &str, end: &str| {
            let rest = line.split(words).nth(1).unwrap_or_default();
            rest.split(end).next().unwrap_or_default().to_owned()
        };
        let url = after("URL ", " ");
        let owner = after("the owner ", " and the ");
        let bind = format!("systemusers({})", text(&self.user(&owner)["systemuserid"]));
        let row = self.rows(table).into_iter().find(|row| fits(row));
        let row = row.unwrap_or_else(|| panic!("no such reference: {line}"));
        self.patch(
            table,
            &row,
            &json!({"msdyn_connectionurl": url, "ownerid@odata.bind": bind}),
        );
    }

    /// Sets a parameter or a transformation to the captured value that the line names.
    fn set_from_capture(&self, table: &str, column: &str, line: &str) {
        let names = quoted(line);
        let key = line.split('`').nth(1).unwrap_or_default();
        let value = self.captured(&names[2], key)[column].clone();
        let provider = id_of(&self.one("iomprovider", &names[0]), "iomprovider");
        let row = self
            .rows(table)
            .into_iter()
            .find(|row| is(row, &names[1]) && row["_msdyn_providerid_value"] == provider)
            .unwrap_or_else(|| panic!("no such row: {line}"));
        self.patch(table, &row, &json!({ column: value }));
    }

    /// A capture from the copy of a seal next to the state file.
    fn captured(&self, seal: &str, key: &str) -> Value {
        let mut captures = self.captures.borrow_mut();
        let rows = captures
            .entry(seal.to_owned())
            .or_insert_with(|| self.captures_of(seal));
        let row = rows
            .iter()
            .find(|line| line["data"]["key"] == key)
            .unwrap_or_else(|| panic!("no capture {key} in {seal}"));
        serde_json::from_str(&text(&row["data"]["text"])).expect("a capture is JSON")
    }

    fn captures_of(&self, seal: &str) -> Vec<Value> {
        let records = self.stage.records();
        let verified = records
            .iter()
            .find(|record| record["type"] == "seal-verified" && record["data"]["seal"] == seal);
        let copy = text(&verified.expect("the seal is verified")["data"]["copy"]);
        let lines = fs::read_to_string(self.stage.path(&copy)).expect("the copy can be read");
        lines
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Edits the provider action of each tile with this name, in any dialect.
    fn edit_tiles(&self, orchestration: &str, tile: &str, part: &dyn Fn(Part) -> Value) {
        let row = self.one("iomdesigner", orchestration);
        let mut graph: Value =
            serde_json::from_str(&text(&row["msdyn_graph"])).expect("a graph is JSON");
        assert!(
            edit(&mut graph, tile, part),
            "'{orchestration}' has no tile '{tile}'"
        );
        self.patch(
            "iomdesigner",
            &row,
            &json!({"msdyn_graph": graph.to_string()}),
        );
    }

    /// Presses the button of a row.
    fn press_on_row(&self, table: &str, name: &str, action: &str) {
        let id = text(&id_of(&self.one(table, name), table));
        let set = set_of(table);
        self.press(&format!("{set}({id})/Microsoft.Dynamics.CRM.{action}"));
    }

    fn press(&self, path: &str) {
        self.send("POST", path, Some(&json!({})));
    }

    fn user(&self, name: &str) -> Value {
        let path = format!("systemusers?$filter=domainname%20eq%20'{name}'");
        let found = self.read(&path).pop();
        found.unwrap_or_else(|| panic!("there is no user {name}"))
    }

    fn one(&self, table: &str, name: &str) -> Value {
        let mut rows = self.rows(table);
        rows.retain(|row| is(row, name));
        assert_eq!(rows.len(), 1, "one {table} is called '{name}'");
        rows.remove(0)
    }

    fn rows(&self, table: &str) -> Vec<Value> {
        self.read(&set_of(table))
    }

    fn read(&self, path: &str) -> Vec<Value> {
        let answer = self.send("GET", path, None);
        answer["value"].as_array().cloned().unwrap_or_default()
    }

    fn patch(&self, table: &str, row: &Value, body: &Value) {
        let path = format!("{}({})", set_of(table), text(&id_of(row, table)));
        self.send("PATCH", &path, Some(body));
    }

    /// Sends a request; once more with a new token if the old one has expired.
    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (mut status, mut said) = self.once(method, path, body);
        if status == 401 {
            self.sign_in();
            (status, said) = self.once(method, path, body);
        }
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {said}"
        );
        serde_json::from_str(&said).unwrap_or(Value::Null)
    }

    fn once(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let url = format!("{}/api/data/v9.2/{path}", self.root);
        let verb = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.client.request(verb, url);
        request = request.bearer_auth(self.token.borrow().as_str());
        if let Some(user) = self.user.borrow().as_ref() {
            request = request.header("CallerObjectId", user);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.runtime.block_on(async {
            let answer = request.send().await.expect("the tenant answers");
            let status = answer.status().as_u16();
            (status, answer.text().await.unwrap_or_default())
        })
    }
}

/// The target's environment, from the last line of the world that sets it: the whole file is large.
fn target_environment(stage: &Stage) -> Value {
    let key = format!("environment/{}", iomcopy::rehearsal::TARGET_ENVIRONMENT);
    let world = fs::read_to_string(stage.path("world.jsonl")).expect("the world can be read");
    let sets_it = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        line["put"].get(&key).cloned()
    };
    let quoted = format!("\"{key}\":");
    let mut lines = world.lines().rev().filter(|line| line.contains(&quoted));
    lines.find_map(sets_it).expect("the world has the target")
}

/// Does a line describe work? Other lines only give a place, or say to save.
pub(crate) fn is_work(line: &str) -> bool {
    !line.starts_with("save '")
        && (line.contains(": ") || line.contains("', set ") || line.starts_with("press"))
}

/// A part of a provider action.
#[derive(Clone, Copy)]
enum Part {
    Id,
    Name,
}

/// Edits the tiles with a name, in any dialect. Returns whether there was one.
fn edit(value: &mut Value, tile: &str, part: &dyn Fn(Part) -> Value) -> bool {
    let found = match value {
        Value::Object(members) => {
            let is_tile = ["name", "Name"]
                .iter()
                .any(|key| members.get(*key).is_some_and(|name| name == tile));
            is_tile && fill(members, part)
        }
        Value::String(inner) => {
            let Ok(mut document) = serde_json::from_str::<Value>(inner) else {
                return false;
            };
            let found = !document.is_number() && edit(&mut document, tile, part);
            if found {
                *inner = document.to_string();
            }
            return found;
        }
        _ => false,
    };
    let children: Vec<&mut Value> = match value {
        Value::Object(members) => members.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => Vec::new(),
    };
    children
        .into_iter()
        .fold(found, |found, child| edit(child, tile, part) || found)
}

/// Puts a provider action into a tile: a lookup, an id with its name next to it, or an item. Ids
/// are written in the tile's own form, with or without braces.
fn fill(tile: &mut serde_json::Map<String, Value>, part: &dyn Fn(Part) -> Value) -> bool {
    let braced = |id: Value| id.as_str().map(|id| json!(format!("{{{id}}}")));
    if tile.contains_key("providerAction") {
        let of_type = tile.get("actionType").map(|kind| text(&kind["id"]));
        let mut id = part(Part::Id);
        if of_type.is_some_and(|other| other.starts_with('{')) {
            id = braced(id).unwrap_or_default();
        }
        let lookup = json!({"id": id, "name": part(Part::Name)});
        let lookup = if id.is_null() { id } else { lookup };
        tile.insert("providerAction".to_owned(), lookup);
        return true;
    }
    if let Some(parameters) = tile.get_mut("parameters").and_then(Value::as_object_mut)
        && parameters.contains_key("providerActionId")
    {
        let id = json!(braced(part(Part::Id)));
        parameters.insert("providerActionId".to_owned(), id);
        parameters.insert("providerActionName".to_owned(), part(Part::Name));
        return true;
    }
    let items = tile.get_mut("Items").and_then(Value::as_array_mut);
    let item = items
        .into_iter()
        .flatten()
        .find(|item| item["ActivityTypeId"] == "ProviderAction");
    let found = item.is_some();
    if let Some(item) = item {
        item["ItemId"] = part(Part::Id);
        item["Name"] = part(Part::Name);
    }
    found
}

fn set_of(table: &str) -> String {
    let table = format!("msdyn_{table}");
    match table.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{table}s"),
    }
}

fn id_of(row: &Value, table: &str) -> Value {
    row[format!("msdyn_{table}id")].clone()
}

fn is(row: &Value, name: &str) -> bool {
    row["msdyn_name"] == name
}

/// The texts in single quotes, in order.
fn quoted(line: &str) -> Vec<String> {
    line.split('\'')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The lines of a worksheet that a person follows, as a text shows them: which user to sign in as, the
/// boxes, and the lines below a box.
pub(crate) fn worksheet_lines(text: &str) -> Vec<String> {
    let lines = with_links(text);
    let lines = lines.iter().filter_map(|line| {
        let sign_in = line
            .strip_prefix("  ")
            .filter(|it| it.starts_with("sign in as "));
        let of_box = line.strip_prefix("  [ ] ");
        of_box.or(sign_in).or_else(|| line.strip_prefix("      "))
    });
    lines.map(str::to_owned).collect()
}

/// The lines of a text, each with the link that the program prints below it.
pub(crate) fn with_links(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let link = line.trim_start();
        match lines.last_mut() {
            Some(last) if link.starts_with("http") && link != line => {
                *last += &format!(" (open {link})");
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

/// A line without the link to its record, which is for a browser.
pub(crate) fn without_link(line: &str) -> &str {
    line.split(" (open http").next().unwrap_or_default()
}
