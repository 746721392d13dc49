//! What a release consists of: the package's files exist, and the SBOM lists what is locked.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).expect("the file can be read")
}

/// The output of a script of `.ci`.
fn script(name: &str, arguments: &[&str]) -> String {
    let path = Path::new(ROOT).join(".ci").join(name);
    let output = Command::new(path).args(arguments).output();
    let output = output.expect("the script can be started");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {error}");
    String::from_utf8(output.stdout).expect("it is text")
}

/// The names in a folder that match a pattern with at most one `*`.
fn matches(folder: &Path, pattern: &str) -> usize {
    let (start, end) = pattern.split_once('*').unwrap_or((pattern, ""));
    let fits = |name: &str| {
        name == pattern || (pattern.contains('*') && name.starts_with(start) && name.ends_with(end))
    };
    let names = std::fs::read_dir(folder).expect("the folder can be read");
    let names = names.flatten().map(|entry| entry.file_name());
    names.filter(|name| name.to_str().is_some_and(fits)).count()
}

#[test]
fn every_file_of_the_debian_package_exists() {
    let made = tempfile::tempdir().expect("a folder can be made");
    let folder = made.path().to_str().expect("it is text");
    script("packaging-files", &[env!("CARGO_BIN_EXE_iomcopy"), folder]);
    let manifest = file("Cargo.toml");
    let (_, assets) = manifest
        .split_once("\nassets = [\n")
        .expect("there are assets");
    let (assets, _) = assets.split_once("\n]").expect("the list ends");
    let mut found = 0;
    for line in assets.lines() {
        let source = line
            .split('"')
            .nth(1)
            .expect("an asset begins with its source");
        let (at, name) = source.rsplit_once('/').unwrap_or(("", source));
        let folder = match at {
            "target/release" => continue,
            "target/packaging" => made.path().to_owned(),
            at => Path::new(ROOT).join(at),
        };
        assert!(matches(&folder, name) > 0, "{source} does not exist");
        found += 1;
    }
    assert!(found >= 6, "{assets}");
    // The program's page, and one for each command.
    assert!(matches(made.path(), "*.1.gz") > 10);
    assert_eq!(matches(made.path(), "iomcopy-run.1.gz"), 1);
    for name in ["iomcopy.bash", "_iomcopy", "iomcopy.fish"] {
        let text = std::fs::read_to_string(made.path().join(name)).expect("it was written");
        assert!(text.contains("iomcopy"), "{name}");
    }
}

#[test]
fn the_image_is_small_and_its_user_has_no_rights() {
    let text = file(".container/Containerfile");
    let lines = |word: &str| -> Vec<String> {
        let rest = text.lines().filter_map(|line| line.strip_prefix(word));
        rest.map(|rest| rest.trim().to_owned()).collect()
    };
    // Each base image has a tag that is not `latest`, and an argument replaces it by a digest.
    let images = lines("ARG ").into_iter().filter_map(|argument| {
        let (name, image) = argument.split_once("_IMAGE=")?;
        Some((name.to_owned(), image.to_owned()))
    });
    let images: Vec<(String, String)> = images.collect();
    for (name, image) in &images {
        let (_, tag) = image.rsplit_once(':').expect("it has a tag");
        assert!(!tag.contains("latest"), "{name}: {image}");
    }
    assert_eq!(images.len(), 2, "{images:?}");
    assert_eq!(
        lines("FROM "),
        ["${BUILD_IMAGE} AS build", "${RUNTIME_IMAGE}"]
    );
    let version = env!("CARGO_PKG_RUST_VERSION");
    assert!(images[0].1.contains(&format!(":{version}-")), "{images:?}");
    // Kubernetes compares numbers only.
    let user = lines("USER ");
    let user = user.last().expect("it has a user");
    let ids: Vec<u32> = user.split(':').flat_map(str::parse).collect();
    assert!(ids.len() == 2 && !ids.contains(&0), "{user}");
    assert_eq!(lines("ENTRYPOINT "), ["[\"/usr/bin/iomcopy\"]"]);
    // What is built from, and what is copied, is part of what the engine gets.
    let sent = file(".dockerignore");
    for needed in ["Cargo.lock", "Cargo.toml", "LICENSE", "src", "runbooks"] {
        assert!(
            sent.lines().any(|line| line == format!("!{needed}")),
            "{needed}"
        );
    }
}

/// The packages in `Cargo.lock`: name and version.
fn locked() -> BTreeSet<(String, String)> {
    let lock = file("Cargo.lock");
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key));
        line.map(|line| line.trim_matches([' ', '=', '"']).to_owned())
    };
    let packages = lock.split("[[package]]").skip(1);
    let packages = packages.filter_map(|it| Some((value(it, "name")?, value(it, "version")?)));
    packages.collect()
}

#[test]
#[ignore = "it needs Python and every locked package; `.ci/run` runs it"]
fn the_sbom_lists_what_is_locked() {
    let sbom: Value = serde_json::from_str(&script("sbom", &[])).expect("it is JSON");
    assert_eq!(sbom["bomFormat"], "CycloneDX");
    let components = sbom["components"].as_array().expect("there are components");
    let root = &sbom["metadata"]["component"];
    let listed = components.iter().chain([root]).map(|component| {
        let text = |key: &str| component[key].as_str().unwrap_or_default().to_owned();
        (text("name"), text("version"))
    });
    assert_eq!(listed.collect::<BTreeSet<_>>(), locked());
    let find = |name: &str| {
        components
            .iter()
            .find(|component| component["name"] == name)
    };
    assert_eq!(find("tokio").expect("it is locked")["scope"], "required");
    assert_eq!(find("insta").expect("it is locked")["scope"], "excluded");
    for component in components {
        let checksum = component["hashes"][0]["content"]
            .as_str()
            .unwrap_or_default();
        assert_eq!(checksum.len(), 64, "{component}");
    }
    let refs: BTreeSet<&str> = components
        .iter()
        .chain([root])
        .filter_map(|component| component["bom-ref"].as_str())
        .collect();
    for dependency in sbom["dependencies"]
        .as_array()
        .expect("there are dependencies")
    {
        let needs = dependency["dependsOn"].as_array().into_iter().flatten();
        for name in needs.chain([&dependency["ref"]]) {
            let name = name.as_str().unwrap_or_default();
            assert!(refs.contains(name), "{name} is not a component");
        }
    }
}
