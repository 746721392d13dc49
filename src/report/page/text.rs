//! Texts of a tenant and of the program as markup.

use maud::{Markup, html};

use crate::base::text::escape;
use crate::report::run_report::ValueChange;

/// A word that is at most this long stays whole.
const WORD: usize = 24;

/// The maximum number of characters of a longer word in one part.
const PART: usize = 40;

/// A text with its control characters shown.
pub(crate) fn safe(text: &str) -> String {
    escape(text).into_owned()
}

/// A cell of text.
pub(crate) fn cell(text: &str) -> Markup {
    breakable(text)
}

/// A text whose long words may continue in the next line, but only after a sign, and only if they do
/// not fit into one: a narrow column or a phone then breaks no word.
pub(crate) fn breakable(text: &str) -> Markup {
    let text = safe(text);
    html! { @for word in text.split_inclusive(' ') { (breakable_word(word)) } }
}

/// A word with the space after it. The space is outside of what stays together, because a line may
/// end there.
fn breakable_word(word: &str) -> Markup {
    let (plain, space) = match word.strip_suffix(' ') {
        Some(plain) => (plain, " "),
        None => (word, ""),
    };
    let length = plain.chars().count();
    let parts = parts(plain, PART);
    let shown = html! {
        @for (at, part) in parts.iter().enumerate() { @if at > 0 { wbr; } (part) }
    };
    html! {
        @if length > PART || parts.len() == 1 { (shown) }
        @else if length > WORD { span.whole { (shown) } }
        // A browser would part a short word after its hyphen.
        @else if plain.trim_start_matches('-').contains('-') { span.whole { (plain) } }
        @else { (plain) }
        (space)
    }
}

/// The parts between which a line may end: after a space or a sign of an address or a name, and
/// within a part of this length.
pub(crate) fn parts(text: &str, longest: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut length = 0;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if let Some(last) = parts.last_mut() {
            last.push(character);
        }
        length += 1;
        // The `//` of an address stays together.
        let is_pair = character == '/' && characters.peek() == Some(&'/');
        if (" /_-.?&=".contains(character) && !is_pair) || length == longest {
            parts.push(String::new());
            length = 0;
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// A time of a record, RFC 3339 in UTC, as a person reads it.
pub(crate) fn time(text: &str) -> Markup {
    let plain = safe(text);
    let parts = plain.strip_suffix('Z').and_then(|it| it.split_once('T'));
    if let Some((date, clock)) = parts {
        html! { time datetime=(plain) { span.whole { (date) } " " span.whole { (clock) " UTC" } } }
    } else {
        html! { (plain) }
    }
}

/// The values that a change changes. The sign between them says the order, not the style alone.
pub(crate) fn values(values: &[ValueChange]) -> Markup {
    let shown = |value: Option<&str>| breakable(value.unwrap_or("nothing"));
    html! {
        @if !values.is_empty() {
            ul.plain.value {
                @for value in values {
                    li {
                        @if !value.name.is_empty() { span.faint { (breakable(&value.name)) ": " } }
                        (shown(value.before.as_deref())) " → " ins { (shown(value.after.as_deref())) }
                    }
                }
            }
        }
    }
}

/// A part of an instruction.
#[derive(Debug, PartialEq)]
pub(crate) enum InstructionPart<'a> {
    Text(&'a str),
    /// An address to copy.
    Address(&'a str),
    /// An address to open.
    Link(&'a str),
}

/// An instruction of a worksheet: its text, the addresses in it, and the link at its end.
pub(crate) fn instruction_parts(line: &str) -> Vec<InstructionPart<'_>> {
    // `engine::with_link` writes the link.
    let record = line
        .strip_suffix(')')
        .and_then(|line| line.rsplit_once(" (open "))
        .filter(|(_, address)| is_address(address));
    let mut rest = record.map_or(line, |(text, _)| text);
    let mut parts = Vec::new();
    while let Some(at) = rest.find("https://").or_else(|| rest.find("http://")) {
        let (text, address) = rest.split_at(at);
        let end = address.find([' ', '\'', '"', '`', '<', '>', ')']);
        let (address, after) = address.split_at(end.unwrap_or(address.len()));
        // Punctuation at the end of a sentence does not belong to the address.
        let plain = address.trim_end_matches([',', ';', '.', ':']);
        parts.push(InstructionPart::Text(text));
        parts.push(InstructionPart::Address(plain));
        let ending = address.len() - plain.len();
        let from = rest.len() - after.len() - ending;
        rest = &rest[from..];
    }
    parts.push(InstructionPart::Text(rest));
    parts.retain(|part| *part != InstructionPart::Text(""));
    parts.extend(record.map(|(_, address)| InstructionPart::Link(address)));
    parts
}

/// Is it the address of a record's form, with nothing in it that could end it early? Only such an
/// address becomes a link, because a name in a line could hold any other.
fn is_address(text: &str) -> bool {
    let is_web = text.starts_with("https://") || text.starts_with("http://127.0.0.1:");
    is_web
        && text.contains("/main.aspx?pagetype=entityrecord&")
        && text
            .chars()
            .all(|c| c.is_ascii_graphic() && !"<>\"'`\\#|".contains(c))
}

/// An instruction of a worksheet.
pub(crate) fn instruction(line: &str) -> Markup {
    html! {
        @for part in instruction_parts(line) {
            @match part {
                InstructionPart::Text(text) => (breakable(text)),
                InstructionPart::Address(address) => code { (breakable(address)) },
                InstructionPart::Link(address) => {
                    " " a href=(address) rel="noreferrer" { "open the record" }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_word_may_be_parted_after_a_sign_and_a_short_one_may_not() {
        let shown = |text: &str| breakable(text).into_string();
        assert_eq!(
            shown("Contoso - Notify the shop"),
            "Contoso - Notify the shop"
        );
        assert_eq!(shown("msdyn_iom_bigcommerce"), "msdyn_iom_bigcommerce");
        assert_eq!(
            shown("as svc-iom@contoso.com"),
            "as <span class=\"whole\">svc-iom@contoso.com</span>"
        );
        assert_eq!(
            shown("msdyn_bigcommerce/msdyn_bigcommerce_update"),
            "msdyn_<wbr>bigcommerce/<wbr>msdyn_<wbr>bigcommerce_<wbr>update"
        );
        assert_eq!(
            shown("or send e-mail - at once"),
            "or send <span class=\"whole\">e-mail</span> - at once"
        );
        assert_eq!(
            shown("run --again 3f6d0c5a9b7e4d21a8c4e0f1b2a39d55"),
            "run --again 3f6d0c5a9b7e4d21a8c4e0f1b2a39d55"
        );
        assert_eq!(
            shown("call https://shop.contoso.com/orders"),
            "call <span class=\"whole\">https://<wbr>shop.<wbr>contoso.<wbr>com/<wbr>orders</span>"
        );
        assert_eq!(shown("<b>"), "&lt;b&gt;");
    }

    #[test]
    fn an_address_to_copy_is_code_and_the_record_is_a_link() {
        let line = "set the URL to https://x.example/a?b=1, save it (open https://org.example/main.aspx?pagetype=entityrecord&id=1)";
        assert_eq!(
            instruction_parts(line),
            [
                InstructionPart::Text("set the URL to "),
                InstructionPart::Address("https://x.example/a?b=1"),
                InstructionPart::Text(", save it"),
                InstructionPart::Link("https://org.example/main.aspx?pagetype=entityrecord&id=1"),
            ]
        );
        let html = instruction(line).into_string();
        let anchor = "<a href=\"https://org.example/main.aspx?pagetype=entityrecord&amp;id=1\"";
        assert!(html.contains(anchor), "{html}");
        for odd in [
            "x (open javascript:alert(1))",
            "x (open https://a/main.aspx?pagetype=entityrecord&\"onclick=b)",
            "x (open https://evil.example/)",
        ] {
            assert!(!instruction(odd).into_string().contains("href"), "{odd}");
        }
        let plain = "sign in as svc@contoso.com";
        assert_eq!(instruction_parts(plain), [InstructionPart::Text(plain)]);
    }

    #[test]
    fn a_time_is_read_by_people_and_by_programs() {
        let shown = time("2026-11-29T13:41:36Z").into_string();
        let expected = "<time datetime=\"2026-11-29T13:41:36Z\"><span class=\"whole\">2026-11-29</span> \
                        <span class=\"whole\">13:41:36 UTC</span></time>";
        assert_eq!(shown, expected);
        assert_eq!(time("-").into_string(), "-");
    }
}
