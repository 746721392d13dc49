//! The example pipelines under `runbooks/pipelines/`: each is YAML, and each command in them is one
//! that this program has.

use std::path::{Path, PathBuf};

use clap::Parser as _;

use super::arguments::Arguments;
use super::exit_code::{DONE, exit_meaning};
use crate::runbook::{read_file, texts_in_yaml};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/pipelines")
}

/// The texts of each document of a file, with the keys that lead to them.
fn texts(name: &str) -> Vec<(Vec<String>, String)> {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    let documents = text.split("\n---\n");
    let texts = documents.enumerate().flat_map(|(at, document)| {
        let texts = texts_in_yaml(document).unwrap_or_else(|error| panic!("{name}: {error}"));
        texts.into_iter().map(move |(mut path, text)| {
            path.insert(0, at.to_string());
            (path, text)
        })
    });
    texts.collect()
}

/// The words of each command of this program in a shell script.
fn commands_in(script: &str) -> Vec<Vec<String>> {
    let script = script.replace("\\\n", " ");
    let mut commands = Vec::new();
    for line in script.lines() {
        let mut words = words_in(line).into_iter();
        while words.by_ref().any(|word| word == "iomcopy") {
            let is_end = |word: &String| ["||", "&&", ";", "|"].contains(&word.as_str());
            commands.push(words.by_ref().take_while(|word| !is_end(word)).collect());
        }
    }
    commands
}

/// The words of a line; a text in double quotes belongs to one word.
fn words_in(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for sign in line.chars() {
        match sign {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            sign => words.last_mut().unwrap().push(sign),
        }
    }
    assert!(!is_quoted, "{line}");
    words.retain(|word| !word.is_empty());
    words
}

/// Every command of this program in a file: in scripts, and as the arguments of a container.
fn commands_of(name: &str) -> Vec<Vec<String>> {
    let texts = texts(name);
    let mut commands = Vec::new();
    for (path, text) in &texts {
        let key = path.last().unwrap().as_str();
        if ["run", "script", "bash"].contains(&key) {
            commands.extend(commands_in(text));
        }
    }
    let mut arguments: Vec<(&[String], Vec<String>)> = Vec::new();
    for (path, text) in &texts {
        let (_, above) = path.split_last().unwrap();
        if above.last().is_none_or(|key| key != "args") {
            continue;
        }
        match arguments.last_mut() {
            Some((of, words)) if *of == above => words.push(text.clone()),
            _ => arguments.push((above, vec![text.clone()])),
        }
    }
    commands.extend(arguments.into_iter().map(|(_, words)| words));
    commands
}

#[test]
fn every_command_of_the_example_pipelines_is_valid() {
    for (name, expected) in [
        ("github-refresh.yml", 0),
        ("github-refresh-one.yml", 5),
        ("azure-refresh.yml", 5),
        ("kubernetes.yaml", 0),
        ("kubernetes-uat.yaml", 1),
        ("kubernetes-test.yaml", 1),
        ("kubernetes-uat-cronjob.yaml", 1),
    ] {
        let commands = commands_of(name);
        assert_eq!(commands.len(), expected, "{name}: {commands:?}");
        for command in commands {
            let words = std::iter::once("iomcopy").chain(command.iter().map(String::as_str));
            let parsed = Arguments::try_parse_from(words);
            assert!(parsed.is_ok(), "{name}: {command:?}: {:?}", parsed.err());
        }
    }
}

/// The texts of the part of a file that contains this command: the job of a workflow, or of a stage.
/// `depth` is the number of keys that lead to a job.
fn job_with(name: &str, command: &str, depth: usize) -> Vec<(Vec<String>, String)> {
    let texts = texts(name);
    let is_command = |text: &str| commands_in(text).iter().any(|it| it[0] == command);
    let scripts = texts.iter().filter(|(path, text)| {
        let key = path.last().unwrap().as_str();
        ["run", "script", "bash"].contains(&key) && is_command(text)
    });
    let jobs: Vec<&[String]> = scripts.map(|(path, _)| &path[..depth]).collect();
    assert_eq!(jobs.len(), 1, "{name}: one job has `{command}`: {jobs:?}");
    let job = jobs[0];
    let of_job = texts.iter().filter(|(path, _)| path.starts_with(job));
    of_job.cloned().collect()
}

/// A run that finishes without a person is verified too: the job depends on the run itself, and its
/// condition accepts what the program says of exit 0.
#[test]
fn a_finished_run_is_verified_whether_or_not_a_person_had_to_act() {
    let done = format!("'{}'", exit_meaning(DONE));
    for (name, depth, needs, condition, person) in [
        (
            "github-refresh-one.yml",
            3,
            "needs",
            "if",
            "needs.resume.result == 'success'",
        ),
        (
            "azure-refresh.yml",
            7,
            "dependsOn",
            "condition",
            "in(dependencies.resume.result, 'Succeeded'",
        ),
    ] {
        let job = job_with(name, "verify", depth);
        let at = |key: &str| -> Vec<&str> {
            let below = job
                .iter()
                .filter(|(path, _)| path.get(depth).is_some_and(|it| it == key));
            below.map(|(_, text)| text.as_str()).collect()
        };
        assert_eq!(at(needs), ["run", "resume"], "{name}");
        let condition = at(condition).concat();
        for part in [done.as_str(), person] {
            assert!(condition.contains(part), "{name}: {part}: {condition}");
        }
    }
}

/// The command that starts a Job again must not touch another target.
#[test]
fn each_file_for_kubernetes_has_one_object_and_names_itself() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if !name.starts_with("kubernetes") {
            continue;
        }
        let text = std::fs::read_to_string(folder().join(&name)).unwrap();
        assert_eq!(text.matches("\nkind: ").count(), 1, "{name}");
        let mut replaced = text.lines().filter(|line| line.contains("kubectl replace"));
        let suffix = format!("--filename {name}");
        assert!(replaced.all(|line| line.ends_with(&suffix)), "{name}");
    }
}

/// Where the workflows expect the runbook and the values, the instructions say to copy them.
#[test]
fn the_instructions_say_where_the_runbook_belongs() {
    for (name, workflow) in [
        ("github-refresh.yml", "github-refresh-one.yml"),
        ("azure-refresh.yml", "azure-refresh.yml"),
    ] {
        let texts = texts(workflow);
        let has = |wanted: &str| texts.iter().any(|(_, text)| text == wanted);
        assert!(has("runbooks/refresh.yaml"), "{workflow}");
        let text = std::fs::read_to_string(folder().join(name)).unwrap();
        let head: Vec<&str> = text
            .lines()
            .take_while(|line| line.starts_with('#'))
            .collect();
        let head = head.join(" ").replace("# ", "");
        let copied = "refresh.yaml, uat.values.yaml and test.values.yaml to the folder runbooks";
        assert!(head.contains(copied), "{name}: {head}");
    }
}

#[test]
fn the_runbook_of_the_example_pipelines_is_valid_with_each_file_of_values() {
    let runbook = folder().join("refresh.yaml");
    let text = std::fs::read_to_string(&runbook).unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(short) = file.strip_suffix(".values.yaml") else {
            continue;
        };
        let read = read_file(&runbook, Some(&path)).unwrap_or_else(|error| panic!("{error}"));
        let target = read.target.name.value.clone();
        // Both matrices name the file and the target.
        for pipeline in ["github-refresh.yml", "azure-refresh.yml"] {
            let texts = texts(pipeline);
            let has = |wanted: &str| texts.iter().any(|(_, text)| text == wanted);
            assert!(has(short) && has(&target), "{pipeline}: {short}, {target}");
        }
        names.push(read.name.value.clone());
    }
    names.sort();
    names.dedup();
    assert_eq!(
        names.len(),
        2,
        "each target has its own state file: {names:?}"
    );
    // The other ways to sign in that the runbook shows are valid too.
    let github = "    github-oidc: { client: 0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f }\n";
    let others = text.lines().filter_map(|line| {
        let rest = line.trim().strip_prefix("#   default: { ")?;
        rest.strip_suffix(" }")
    });
    let others: Vec<&str> = others.collect();
    assert_eq!(others.len(), 2, "{others:?}");
    for other in others {
        let changed = text.replace(github, &format!("    {other}\n"));
        assert_ne!(changed, text);
        let parsed = crate::runbook::parse("refresh.yaml", &changed);
        assert!(parsed.is_ok(), "{other}");
    }
}
