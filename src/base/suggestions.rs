//! Suggestions for a name that does not exist: the one that was probably meant, and those that exist.

use super::text::list_first;

/// The longest name that is compared. A longer one is not a typing error.
const LONGEST: usize = 200;

/// How many names a suggestion lists.
const LISTED: usize = 30;

/// Fewer characters are a part of too many names.
const SHORTEST_PART: usize = 3;

/// Advice about a name that is not among these. `list` introduces the names that exist.
pub fn advice(given: &str, names: &[&str], list: &str) -> String {
    let meant = nearest(given, names.iter().copied());
    let meant = meant.map(|name| format!("did you mean '{name}'? "));
    format!("{}{}", meant.unwrap_or_default(), listed(names, list))
}

/// The names that exist, after the words that introduce them.
pub fn listed(names: &[&str], list: &str) -> String {
    let shown = match names {
        [] => "none".to_owned(),
        names => list_first(names, LISTED, ", "),
    };
    format!("{list}: {shown}")
}

/// The name that was probably meant: it differs by few characters, else it contains what was given,
/// or is one of the words of what was given. None if two are equally near: a wrong suggestion is worse
/// than none.
///
/// This is for a message. What the program itself concludes from a name needs [`misspelled`].
pub fn nearest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = names
        .into_iter()
        .filter_map(|name| Some((nearness(given, name)?, name)));
    let mut near: Vec<_> = near.collect();
    near.sort_unstable();
    match near.as_slice() {
        [] => None,
        [(first, _), (second, _), ..] if first == second => None,
        [(_, name), ..] => Some(name),
    }
}

/// The name that this is a misspelling of: it differs by few characters. None if two are equally
/// near.
pub fn misspelled<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let is_misspelling = |name: &&str| {
        let near = nearness(given, name);
        near.is_some_and(|near| matches!(near, Nearness::Misspelling(_)))
    };
    nearest(given, names).filter(is_misspelling)
}

/// How near two names are; the nearest is the least. The numbers count the characters that differ.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Nearness {
    /// At most a third of the characters.
    Misspelling(usize),
    /// More, but one is a part of the other.
    Part(usize),
}

fn nearness(given: &str, name: &str) -> Option<Nearness> {
    let plain = |name: &str| name.to_lowercase().replace(['_', ' '], "-");
    let given = plain(given);
    let length = given.chars().count();
    if length > LONGEST || length == 0 {
        return None;
    }
    let is_misspelling = |distance: usize| distance <= (length / 3).max(1);
    // People leave out a publisher's prefix: `fedex` is `msdyn_fedex`.
    if let Some((_, rest)) = name.split_once('_') {
        let distance = strsim::damerau_levenshtein(&given, &plain(rest));
        if is_misspelling(distance) {
            return Some(Nearness::Misspelling(distance));
        }
    }
    let name = plain(name);
    let distance = strsim::damerau_levenshtein(&given, &name);
    if is_misspelling(distance) {
        return Some(Nearness::Misspelling(distance));
    }
    let is_long_enough = length.min(name.chars().count()) >= SHORTEST_PART;
    // `AzureUSGovernment` is not the cloud `UsGov`, but `client-id` is probably `client`.
    let is_word = || format!("-{given}-").contains(&format!("-{name}-"));
    let is_part = is_long_enough && (name.contains(&given) || is_word());
    is_part.then_some(Nearness::Part(distance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_was_probably_meant_comes_first() {
        let providers = ["msdyn_fedex", "msdyn_flexe", "msdyn_bigcommerce"];
        let advice = |given| advice(given, &providers, "installed");
        let all = "installed: msdyn_fedex, msdyn_flexe, msdyn_bigcommerce";
        assert_eq!(
            advice("BigCommerce"),
            format!("did you mean 'msdyn_bigcommerce'? {all}")
        );
        assert_eq!(
            advice("msdyn_fedx"),
            format!("did you mean 'msdyn_fedex'? {all}")
        );
        assert_eq!(advice("fedx"), format!("did you mean 'msdyn_fedex'? {all}"));
        assert_eq!(advice("shopify"), all);
        assert_eq!(super::advice("x", &[], "installed"), "installed: none");
    }

    #[test]
    fn the_nearest_name_is_near_and_the_only_one() {
        let keys = [
            "source",
            "target",
            "skip-audit-data",
            "client",
            "client-secret",
        ];
        for (given, meant) in [
            ("sorce", Some("source")),
            ("skip_audit_data", Some("skip-audit-data")),
            ("Target", Some("target")),
            // A misspelling is nearer than a part.
            ("client-secrt", Some("client-secret")),
            ("target-environment", Some("target")),
            ("targeted-system", None),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, keys), meant, "{given}");
        }
        // Equally near to two: neither is suggested.
        assert_eq!(nearest("cat", ["bat", "hat"]), None);
    }

    /// A key that contains another is not that key: its value may be a secret.
    #[test]
    fn a_part_of_a_name_is_not_a_misspelling_of_it() {
        assert_eq!(nearest("file-hunter2", ["env", "file"]), Some("file"));
        assert_eq!(misspelled("file-hunter2", ["env", "file"]), None);
        assert_eq!(misspelled("flie", ["env", "file"]), Some("file"));
    }

    #[test]
    fn of_many_names_the_first_are_listed_and_the_rest_counted() {
        let names: Vec<String> = (0..LISTED + 2).map(|n| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let listed = listed(&names, "installed");
        assert!(listed.ends_with(", 29, and 2 more"), "{listed}");
    }
}
