//! The registered values of this process, and the matchers of their forms.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use super::encoded_forms::encoded_forms;
use super::matcher::{HiddenValue, Matcher};
use crate::base::text::fingerprint_of;

/// Shorter values are not hidden.
const SHORTEST: usize = 6;

/// A value of this length or more is hidden inside a longer word too.
pub(super) const LONG: usize = 12;

/// Longer values are hidden line by line, so that the search stays small.
const LONGEST: usize = 4096;

/// Shorter lines of a long value are not hidden: they are brackets and ordinary words.
const SHORTEST_LINE: usize = 16;

#[cfg(not(test))]
fn shared_registry() -> &'static RwLock<Option<Registry>> {
    static REGISTRY: RwLock<Option<Registry>> = RwLock::new(None);
    &REGISTRY
}

/// Each test has its own registry, or the made-up secrets of one would be hidden in the texts of
/// another.
#[cfg(test)]
fn shared_registry() -> &'static RwLock<Option<Registry>> {
    thread_local! {
        static REGISTRY: &'static RwLock<Option<Registry>> = Box::leak(Box::default());
    }
    REGISTRY.with(|registry| *registry)
}

fn write_registry() -> RwLockWriteGuard<'static, Option<Registry>> {
    let registry = shared_registry().write();
    registry.unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Registry {
    /// Each encoded form of a value, and what replaces it.
    forms: HashMap<String, Arc<HiddenValue>>,
    /// Values that are known not to be secret.
    public: HashSet<String>,
    /// The lines of the values that are certainly secret.
    certain: HashSet<String>,
    /// Those of them that no pipeline was asked to mask yet.
    unmasked: Vec<String>,
    /// Forms that were registered since `matchers` was last brought up to date.
    added: Vec<String>,
    /// What searches a text for the forms, the largest matcher first. A run registers values
    /// between any two texts, and building one matcher of all forms each time took most of a run's
    /// time, so a small matcher holds the newest forms until it is as large as the one before it.
    matchers: Vec<Arc<Matcher>>,
}

/// Registers a value that is certainly secret.
pub fn register_secret(value: &str) {
    register(value, true);
    let mut registry = write_registry();
    let registry = registry.get_or_insert_default();
    for line in value.lines().map(str::trim) {
        if line.chars().count() >= SHORTEST && registry.certain.insert(line.to_owned()) {
            registry.unmasked.push(line.to_owned());
        }
    }
}

/// The lines of the values that [`register_secret`] has registered since the last call, for a
/// pipeline that masks them in everything that a job prints. Values that are too short to be hidden
/// are not among them, nor tokens: they do not leave the process.
pub fn take_unmasked() -> Vec<String> {
    let registry = shared_registry().read();
    let registry = registry.unwrap_or_else(PoisonError::into_inner);
    if registry
        .as_ref()
        .is_none_or(|registry| registry.unmasked.is_empty())
    {
        return Vec::new();
    }
    drop(registry);
    let mut registry = write_registry();
    let registry = registry.get_or_insert_default();
    let unmasked = std::mem::take(&mut registry.unmasked);
    let is_secret = |line: &String| !registry.public.contains(line);
    unmasked.into_iter().filter(is_secret).collect()
}

/// Registers a token. It is always sent verbatim, so its other forms are not searched.
pub fn register_token(value: &str) {
    if value.len() < LONG {
        return register(value, true);
    }
    let mut registry = write_registry();
    let registry = registry.get_or_insert_default();
    registry.add(value, [value.to_owned()]);
}

/// Registers a value that may be secret, such as a provider's parameter.
pub fn register_possible_secret(value: &str) {
    if !is_clearly_public(value) {
        register(value, false);
    }
}

/// Registers a value that is not secret, even if it was registered as one: an id or a name in the
/// runbook.
pub fn register_public(value: &str) {
    let mut registry = write_registry();
    let registry = registry.get_or_insert_default();
    if registry.public.insert(value.to_owned()) && registry.forms.contains_key(value) {
        registry.matchers.clear();
        registry.added = registry.forms.keys().cloned().collect();
    }
}

fn register(value: &str, certain: bool) {
    let value = value.trim();
    if value.chars().count() < SHORTEST {
        return;
    }
    let mut registry = write_registry();
    let registry = registry.get_or_insert_default();
    if value.len() <= LONGEST {
        registry.add(value, encoded_forms(value));
    }
    if value.len() > LONGEST || value.contains('\n') {
        for line in value.lines().map(str::trim) {
            if (SHORTEST_LINE..=LONGEST).contains(&line.len())
                && (certain || !is_clearly_public(line))
            {
                registry.add(line, encoded_forms(line));
            }
        }
    }
}

impl Registry {
    fn add(&mut self, value: &str, forms: impl IntoIterator<Item = String>) {
        if self.forms.contains_key(value) {
            return;
        }
        let hidden = Arc::new(HiddenValue {
            value: value.to_owned(),
            replacement: fingerprint_of(value),
            whole_word_only: value.chars().count() < LONG,
        });
        for form in forms {
            if !self.forms.contains_key(&form) {
                self.added.push(form.clone());
                self.forms.insert(form, Arc::clone(&hidden));
            }
        }
    }

    /// The matchers of all forms. Builds those for forms that were added since the last call.
    fn matchers(&mut self) -> Vec<Arc<Matcher>> {
        let mut newest: Vec<(String, Arc<HiddenValue>)> = std::mem::take(&mut self.added)
            .into_iter()
            .filter_map(|form| {
                let hidden = Arc::clone(self.forms.get(&form)?);
                (!self.public.contains(&hidden.value)).then_some((form, hidden))
            })
            .collect();
        if newest.is_empty() {
            return self.matchers.clone();
        }
        // Each matcher stays at least twice as large as the next, so there are few of them.
        while let Some(last) = self.matchers.pop() {
            if last.hidden.len() >= 2 * newest.len() {
                self.matchers.push(last);
                break;
            }
            newest.extend(last.hidden.iter().cloned());
        }
        self.matchers.extend(Matcher::new(newest));
        self.matchers.clone()
    }
}

pub(super) fn current_matchers() -> Vec<Arc<Matcher>> {
    {
        let registry = shared_registry()
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        match registry.as_ref() {
            None => return Vec::new(),
            Some(registry) if registry.added.is_empty() => return registry.matchers.clone(),
            Some(_) => {}
        }
    }
    let mut registry = write_registry();
    registry
        .as_mut()
        .map(Registry::matchers)
        .unwrap_or_default()
}

/// Is it clearly not a secret? Words, short numbers, and the address of a service.
fn is_clearly_public(value: &str) -> bool {
    let value = value.trim();
    let is_words = value.len() < 20 && value.chars().all(|c| c.is_alphabetic() || c == ' ');
    let is_number = value.len() < 9 && value.chars().all(|c| c.is_ascii_digit() || c == '.');
    let host = ["https://", "http://"]
        .iter()
        .find_map(|scheme| value.strip_prefix(scheme));
    let is_origin = host.is_some_and(|host| {
        !host
            .trim_end_matches('/')
            .contains(['/', '?', '#', '@', ' '])
    });
    is_words || is_number || is_origin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_a_secret_is_masked_once() {
        register_public("contoso-public");
        register_secret("a-secret-of-the-shop\nshort\nanother-line");
        register_secret("a-secret-of-the-shop");
        register_secret("contoso-public");
        register_token("a-token-stays-in-the-process");
        assert_eq!(take_unmasked(), ["a-secret-of-the-shop", "another-line"]);
        assert_eq!(take_unmasked(), [""; 0]);
    }
}
