//! The meaning of a runbook, without its places: digests, and the differences of two meanings.

use serde_json::{Value, json};

use super::model::Runbook;
use crate::base::text;

/// One key whose value differs between two versions of a runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key with those above it, with dots: `steps.activate-flows.options.except`.
    pub key: String,
    /// The earlier value; nothing if the key is absent.
    pub before: Option<Value>,
    /// The later value.
    pub after: Option<Value>,
}

impl Runbook {
    /// Everything the runbook means, defaults included, as one JSON value whose keys are sorted.
    /// It holds the places of secrets, never their values. The journal keeps it, to find later edits.
    #[expect(
        clippy::missing_panics_doc,
        reason = "a bound runbook always has a JSON form"
    )]
    pub fn meaning(&self) -> Value {
        let mut meaning = serde_json::to_value(self)
            .expect("every key of a bound runbook is a text, and every path came from UTF-8 text");
        meaning.sort_all_objects();
        meaning
    }

    /// SHA-256 of the whole meaning, in 64 lower-case hexadecimal digits. Comments, the order of
    /// keys and the way a value is written do not change it.
    pub fn digest(&self) -> String {
        text::sha256(self.meaning().to_string().as_bytes())
    }

    /// SHA-256 of what must not change during a run: tenant, cloud, source, target, `lcs`, and the
    /// options of the copy.
    pub fn pinned_digest(&self) -> String {
        let mut pinned = json!({
            "tenant": self.identity.as_ref().map(|identity| &identity.tenant),
            "cloud": self.cloud,
            "source": self.source,
            "target": self.target,
            "lcs": self.lcs,
            "copy-environments": self.steps.copy_environments.options,
        });
        pinned.sort_all_objects();
        text::sha256(pinned.to_string().as_bytes())
    }

    /// The differences from an earlier runbook, whose [`meaning`](Self::meaning) is given.
    pub fn differences(&self, earlier: &Value) -> Vec<Difference> {
        let mut differences = Vec::new();
        collect_differences("", Some(earlier), Some(&self.meaning()), &mut differences);
        differences
    }
}

fn collect_differences(
    key: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    differences: &mut Vec<Difference>,
) {
    if before == after {
        return;
    }
    if let (Some(Value::Object(before)), Some(Value::Object(after))) = (before, after) {
        let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let key = match key {
                "" => name.clone(),
                above => format!("{above}.{name}"),
            };
            collect_differences(&key, before.get(name), after.get(name), differences);
        }
        return;
    }
    differences.push(Difference {
        key: key.to_owned(),
        before: before.cloned(),
        after: after.cloned(),
    });
}
