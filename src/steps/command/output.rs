//! What a program wrote, kept in a private file without secrets.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use crate::base::platform::create_private;
use crate::base::program::ProgramOutput;
use crate::base::redaction::redact;
use crate::engine::Failure;

/// Appends how a program ended and what it wrote. Takes the program as it may be shown, and how long
/// it ran.
pub(super) fn keep(
    path: &Path,
    shown: &str,
    output: &ProgramOutput,
    seconds: u64,
) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    create_private(options.append(true).create(true));
    let file = options.open(path);
    let written = file.and_then(|mut file| file.write_all(text(shown, output, seconds).as_bytes()));
    written.map_err(|error| {
        let path = path.display();
        let message = format!("the output of {shown} cannot be kept in {path}: {error}");
        Failure::failed(message).permanent()
    })
}

fn text(shown: &str, output: &ProgramOutput, seconds: u64) -> String {
    let ending = match output.status {
        Some(status) => format!("{status} after {seconds} s"),
        None => format!("stopped after {seconds} s"),
    };
    let mut text = format!("{shown}: {ending}\n");
    for (stream, written) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let written = String::from_utf8_lossy(written);
        for line in written.lines() {
            text += stream;
            text += ": ";
            text += &redact(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secrets;

    #[test]
    fn the_output_is_kept_without_secrets() {
        secrets::register_secret("a-secret-of-the-shop");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.prepare.output.txt");
        let output = ProgramOutput {
            status: None,
            stdout: b"key a-secret-of-the-shop\nready".to_vec(),
            stderr: b"slow".to_vec(),
        };
        keep(&path, "`./prepare.sh`", &output, 7).unwrap();
        keep(&path, "`./prepare.sh`", &output, 8).unwrap();
        let kept = std::fs::read_to_string(&path).unwrap();
        assert!(!kept.contains("a-secret-of-the-shop"), "{kept}");
        assert!(kept.contains("stopped after 7 s\nstdout: key "), "{kept}");
        assert!(kept.ends_with("stdout: ready\nstderr: slow\n"), "{kept}");
        assert_eq!(kept.matches("stopped after").count(), 2);
        crate::base::platform::testing::assert_mode(&path, 0o600);
    }
}
