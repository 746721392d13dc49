//! Suggestions for a name that does not exist: the one that was probably meant, and those that exist.

/// The longest name that is compared. A longer one is not a typing error.
const LONGEST: usize = 200;

/// How many names a suggestion lists.
const LISTED: usize = 30;

/// Advice about a name that is not among these. `list` introduces the names that exist.
pub fn advice(given: &str, names: &[&str], list: &str) -> String {
    let meant = nearest(given, names).map(|name| format!("did you mean '{name}'? "));
    format!("{}{}", meant.unwrap_or_default(), listed(names, list))
}

/// The names that exist, after the words that introduce them.
pub fn listed(names: &[&str], list: &str) -> String {
    let mut shown = names.iter().take(LISTED).copied().collect::<Vec<_>>();
    if names.len() > LISTED {
        shown.push("…");
    }
    let shown = if shown.is_empty() {
        "none".to_owned()
    } else {
        shown.join(", ")
    };
    format!("{list}: {shown}")
}

/// The name that was probably meant: it differs by few characters, or one contains the other. None
/// if two are equally near: a wrong suggestion is worse than none.
pub fn nearest<'a>(given: &str, names: &[&'a str]) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace(['_', ' '], "-");
    let given = plain(given);
    let length = given.chars().count();
    if length > LONGEST || length == 0 {
        return None;
    }
    let distance = |whole: &str| {
        // People leave out a publisher's prefix: `fedex` is `msdyn_fedex`.
        let rest = whole.split_once('_').map(|(_, rest)| plain(rest));
        let name = rest
            .filter(|rest| strsim::damerau_levenshtein(&given, rest) <= (length / 3).max(1))
            .unwrap_or_else(|| plain(whole));
        let shorter = length.min(name.chars().count());
        let is_part = shorter >= 3 && (name.contains(&given) || given.contains(&name));
        let distance = strsim::damerau_levenshtein(&given, &name);
        (distance <= (length / 3).max(1) || is_part).then_some((!is_part, distance))
    };
    let near = names
        .iter()
        .filter_map(|name| Some((distance(name)?, *name)));
    let mut near: Vec<_> = near.collect();
    near.sort_unstable();
    match near.as_slice() {
        [] => None,
        [(first, _), (second, _), ..] if first == second => None,
        [(_, name), ..] => Some(name),
    }
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
        // Equally near to two: neither is suggested.
        assert_eq!(nearest("cat", &["bat", "hat"]), None);
        assert_eq!(super::advice("x", &[], "installed"), "installed: none");
    }
}
