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
            let is_end = |word: &String| ["||", "&&", ";", ";;", "|", ">"].contains(&word.as_str());
            let command = words.by_ref().take_while(|word| !is_end(word));
            // The further arguments of the pipeline's input.
            commands.push(command.filter(|word| word != "${more[@]}").collect());
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

/// The age that the pipelines ask for if nobody gives another.
const DEFAULT_AGE: &str = "12h";

#[test]
fn every_command_of_the_example_pipelines_is_valid() {
    for (name, key) in [
        ("github-refresh.yml", "inputs"),
        ("azure-refresh.yml", "parameters"),
    ] {
        let of = |path: &[String]| path.iter().any(|it| it == key);
        let is_default = |path: &[String]| path.last().is_some_and(|it| it == "default");
        let mut texts = texts(name).into_iter();
        let default =
            texts.find(|(path, text)| of(path) && is_default(path) && text == DEFAULT_AGE);
        assert!(default.is_some(), "{name}");
    }
    for (name, expected) in [
        ("github-refresh.yml", 0),
        ("github-refresh-one.yml", 4),
        ("github-refresh-attempt.yml", 1),
        ("azure-refresh.yml", 7),
        ("kubernetes.yaml", 0),
        ("kubernetes-uat.yaml", 1),
        ("kubernetes-test.yaml", 1),
        ("kubernetes-uat-cronjob.yaml", 1),
    ] {
        let commands = commands_of(name);
        assert_eq!(commands.len(), expected, "{name}: {commands:?}");
        for command in commands {
            let words = command.iter().map(|word| match word.as_str() {
                "$FRESH_AFTER" => DEFAULT_AGE,
                word => word,
            });
            let words = std::iter::once("iomcopy").chain(words);
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

/// The page of a run is kept however the run ended.
#[test]
fn each_report_of_a_run_is_an_artifact() {
    for (name, kept) in [
        ("github-refresh-attempt.yml", ("if", "always()")),
        ("azure-refresh.yml", ("condition", "always()")),
    ] {
        let writers = commands_of(name).into_iter();
        let writers = writers.filter(|words| words.iter().any(|word| word == "refresh.html"));
        let texts = texts(name);
        let kept = texts
            .iter()
            .filter(|(path, text)| path.last().is_some_and(|key| key == kept.0) && text == kept.1);
        assert_eq!(writers.count(), kept.count(), "{name}");
    }
}

/// An editor finds the schema where the runbook is copied to.
#[test]
fn the_runbook_says_how_to_write_the_schema_that_it_names() {
    let text = std::fs::read_to_string(folder().join("refresh.yaml")).unwrap();
    let first = text.lines().next().unwrap();
    let (_, schema) = first.split_once("$schema=").unwrap();
    assert!(!schema.contains('/'), "{first}");
    assert!(
        text.contains(&format!("iomcopy schema > {schema}")),
        "{text}"
    );
}

/// The second month begins a second refresh, and all attempts of one start are one refresh: each
/// command that plans or runs names the same age.
#[test]
fn every_plan_and_run_of_the_example_pipelines_can_begin_a_later_refresh() {
    for name in [
        "github-refresh-one.yml",
        "github-refresh-attempt.yml",
        "azure-refresh.yml",
        "kubernetes-uat.yaml",
        "kubernetes-test.yaml",
        "kubernetes-uat-cronjob.yaml",
    ] {
        let commands = commands_of(name).into_iter();
        let begin = commands.filter(|words| words[0] == "run" || words[0] == "plan");
        let ages = begin.map(|words| {
            let at = words.iter().position(|word| word == "--fresh-after");
            at.and_then(|at| words.get(at + 1).cloned())
                .unwrap_or_else(|| panic!("{name}: {words:?}"))
        });
        let ages: std::collections::BTreeSet<String> = ages.collect();
        assert_eq!(ages.len(), 1, "{name}: {ages:?}");
    }
}

/// No text that a person types for a pipeline is part of a script: the shell would run it.
#[test]
fn no_input_of_a_pipeline_is_part_of_a_script() {
    for name in [
        "github-refresh.yml",
        "github-refresh-one.yml",
        "github-refresh-attempt.yml",
        "azure-refresh.yml",
    ] {
        for (path, text) in texts(name) {
            let key = path.last().unwrap().as_str();
            if ["run", "script", "bash"].contains(&key) {
                for input in ["inputs.", "parameters.", "needs.", "github."] {
                    let found = text.contains(&format!("${{{{ {input}"));
                    assert!(!found, "{name}: {path:?}: {text}");
                }
            }
        }
    }
}

/// An attempt follows one that was interrupted or lost, and no other.
#[test]
fn an_attempt_follows_only_an_interrupted_or_a_lost_one() {
    let (temporary, interrupted) = (exit_meaning(75), exit_meaning(130));
    let all = texts("github-refresh-one.yml");
    for number in 2..=4 {
        let before = number - 1;
        let job = [format!("attempt{number}"), "if".to_owned()];
        let condition = all.iter().find(|(path, _)| path.ends_with(&job));
        let (_, condition) = condition.unwrap_or_else(|| panic!("{job:?}"));
        for part in [
            format!("fromJSON('[\"\", \"{temporary}\", \"{interrupted}\"]')"),
            format!("needs.attempt{before}.outputs.meaning"),
            format!("needs.attempt{before}.result != 'skipped'"),
        ] {
            assert!(condition.contains(&part), "{part}: {condition}");
        }
    }
    let all = texts("azure-refresh.yml");
    let found = format!("'lost', '{temporary}', '{interrupted}'");
    let conditions = all.iter().filter(|(_, text)| text.contains(&found));
    assert_eq!(conditions.count(), 1);
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
        ("github-refresh.yml", "github-refresh-attempt.yml"),
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
        // Both pipelines name the file and the target.
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
