//! Finds many forms of hidden values in a text at once.

use std::cmp::Reverse;
use std::sync::Arc;

use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Input, Match, MatchKind};

/// A registered value, and what is shown in its place.
pub(super) struct HiddenValue {
    pub(super) value: String,
    pub(super) replacement: String,
    pub(super) whole_word_only: bool,
}

/// Searches a text for many forms at once.
pub(super) struct Matcher {
    automaton: NFA,
    /// The form and its value, indexed by the number of the pattern.
    pub(super) hidden: Vec<(String, Arc<HiddenValue>)>,
}

impl Matcher {
    pub(super) fn new(hidden: Vec<(String, Arc<HiddenValue>)>) -> Option<Arc<Self>> {
        let automaton = NFA::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(hidden.iter().map(|(form, _)| form))
            .ok()?;
        Some(Arc::new(Self { automaton, hidden }))
    }

    /// The first form in this part of a text.
    fn find(&self, text: &Input<'_>) -> Option<Match> {
        // It fails only for an anchored search, and this one is not.
        self.automaton.try_find(text).ok().flatten()
    }
}

/// Where registered values occur in a text, in order and without overlaps. Of two that begin at the
/// same character, the longer one counts. The places are those that one matcher of all forms finds:
/// after each place, every matcher continues from its end.
pub(super) fn places(
    matchers: &[Arc<Matcher>],
    text: &str,
) -> Vec<(usize, usize, Arc<HiddenValue>)> {
    let mut places = Vec::new();
    let mut next: Vec<Option<Match>> = matchers
        .iter()
        .map(|matcher| matcher.find(&Input::new(text)))
        .collect();
    while let Some((index, found)) = first_match(&next) {
        let (start, end) = (found.start(), found.end());
        let (_, hidden) = &matchers[index].hidden[found.pattern().as_usize()];
        if !hidden.whole_word_only || is_word(text, start, end) {
            places.push((start, end, Arc::clone(hidden)));
        }
        for (matcher, next) in std::iter::zip(matchers, &mut next) {
            if next.is_some_and(|next| next.start() < end) {
                *next = matcher.find(&Input::new(text).range(end..));
            }
        }
    }
    places
}

/// The leftmost of the matches, of those the longest, and whose matcher found it.
fn first_match(next: &[Option<Match>]) -> Option<(usize, Match)> {
    let found = next.iter().enumerate();
    found
        .filter_map(|(index, found)| Some((index, (*found)?)))
        .min_by_key(|(_, found)| (found.start(), Reverse(found.end())))
}

/// Is this part of a text a whole word?
fn is_word(text: &str, start: usize, end: usize) -> bool {
    let mut back = text[..start].chars().rev();
    let before = back.next();
    // The letter of an escape such as `\n` is not part of the word after it.
    let escaped = back.next() == Some('\\');
    let after = text[end..].chars().next();
    let is_part = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    (!is_part(before) || escaped) && !is_part(after)
}
