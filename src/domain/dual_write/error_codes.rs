//! What Microsoft's messages about dual-write mean, and what to do: a table.
//!
//! Codes, forms and remedies as Microsoft Learn has them: *Dual-write health check*, *Dual-write
//! error codes*, *Troubleshoot live synchronization issues*, *Troubleshoot issues during initial
//! synchronization*, *Copy environments that use Intelligent Order Management*.

use std::borrow::Cow;

/// How a message is recognised.
#[derive(Clone, Copy, Debug)]
enum Pattern {
    /// A code that it contains as a word.
    Code(&'static str),
    /// One of the codes with this prefix from the first number to the last.
    Codes(&'static str, u32, u32),
    /// Words that it contains, in upper or lower case.
    Words(&'static str),
}

/// A message that is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownError {
    pattern: Pattern,
    /// What it means.
    pub(crate) meaning: &'static str,
    /// What to do.
    pub(crate) remedy: &'static str,
}

const fn known(pattern: Pattern, meaning: &'static str, remedy: &'static str) -> KnownError {
    KnownError {
        pattern,
        meaning,
        remedy,
    }
}

const RESET: &str = "Data management > Dual-write: Reset link, then Health check";
const REFRESH: &str = "open the map and press Refresh tables, then start it again";
const STALE: &str = "delete every row of Dual Write Runtime Configurations in Dataverse, with the \
                     maps stopped";

/// Every known message, the most specific first.
const TABLE: [KnownError; 27] = [
    known(
        Pattern::Words("SecureConfig Organization"),
        "the runtime configuration is another organization's; every write to a mapped table is refused",
        STALE,
    ),
    known(
        Pattern::Words("prvReadcol_"),
        "the team that owns the row has no role that reads the table",
        "give the default team of the root business unit, and each company's owning team, the roles \
         Dual-write runtime user and Dual-write app user",
    ),
    known(
        Pattern::Words("0x80072560"),
        "an application of dual-write is not a user of the organization",
        "add the application users 00000015-0000-0000-c000-000000000000 and \
         2e49aa60-1bd3-43b6-8ab6-03ada3d9f08b to the environment",
    ),
    known(
        Pattern::Words("user is not a member of the organization"),
        "an application of dual-write is not a user of the organization",
        "add the application users 00000015-0000-0000-c000-000000000000 and \
         2e49aa60-1bd3-43b6-8ab6-03ada3d9f08b to the environment",
    ),
    known(
        Pattern::Words("Exceeds the maximum partitions"),
        "more than 40 legal entities are linked",
        "reset the link with at most 40 legal entities",
    ),
    known(
        Pattern::Words("Unable to get partition map"),
        "the map's project has no legal entities, or more than 40",
        "Data management > Dual-write: look at the legal entities of the link; with none or more than \
         40, reset it with the right ones",
    ),
    known(
        Pattern::Code("DW9003"),
        "the two halves cannot connect to each other: a service principal lacks its permission",
        "look at the application users in Dataverse and at Microsoft Entra ID applications in Finance \
         and Operations, whose user must be enabled",
    ),
    known(
        Pattern::Words("AX export encountered an error"),
        "Dynamics Data Integration has no access to Finance and Operations",
        "register 2e49aa60-1bd3-43b6-8ab6-03ada3d9f08b in Microsoft Entra ID applications again, for an \
         enabled user",
    ),
    known(
        Pattern::Words("Couldn't resolve the guid for the field: owning"),
        "the team or business unit that owns the rows is not found by its name: a copy renames it",
        RESET,
    ),
    known(
        Pattern::Words("Couldn't resolve the guid"),
        "a row that is referred to does not exist on the other side",
        "synchronize the map of the table that is referred to first",
    ),
    known(
        Pattern::Words("lookup value was not found"),
        "a row that is referred to does not exist on the other side",
        "synchronize the map of the table that is referred to first",
    ),
    known(
        Pattern::Words("Unable to generate payload"),
        "the environment was changed under dual-write",
        STALE,
    ),
    known(
        Pattern::Words("Invalid URI: The URI is empty"),
        "the environment was changed under dual-write",
        STALE,
    ),
    known(
        Pattern::Code("DWDVEV1001"),
        "the connection to Dataverse is missing",
        RESET,
    ),
    known(
        Pattern::Code("DWFOEV1001"),
        "the connection to Finance and Operations is missing",
        RESET,
    ),
    known(
        Pattern::Code("DWDVEV1002"),
        "the connector is deprecated",
        "ask Microsoft Support",
    ),
    known(
        Pattern::Code("DWDVEV1003"),
        "the legal entities of dual-write are not those of Dataverse",
        "remove the companies that do not match, or reset the link with the right legal entities",
    ),
    known(
        Pattern::Code("DWFOEV1003"),
        "the legal entities of dual-write are not those of Finance and Operations",
        "remove the companies that do not match, or reset the link with the right legal entities",
    ),
    known(
        Pattern::Code("DWDVEV1004"),
        "Dataverse holds stale runtime configuration",
        STALE,
    ),
    known(
        Pattern::Code("DWFOEV1004"),
        "Finance and Operations holds stale runtime configuration",
        "delete the rows of DualWriteProjectConfiguration with the maps stopped, or reset the link",
    ),
    known(
        Pattern::Code("DWFOEV1005"),
        "the connection to Finance and Operations is missing",
        "ask Microsoft Support",
    ),
    known(
        Pattern::Code("DWFOEV1006"),
        "the default team does not have the name that dual-write expects",
        RESET,
    ),
    known(
        Pattern::Code("DWDVEV1007"),
        "a company has no default owning team",
        "set Default owning team on the company, and give the team both dual-write roles",
    ),
    known(
        Pattern::Code("DIPV1003"),
        "the integration key of the table is missing",
        "Data management > Dual-write > Integration key: set it, then start the map again",
    ),
    known(
        Pattern::Code("DIPV1008"),
        "a partition is not valid: its business unit or legal entity was renamed or deleted",
        "rename it back or make it again, then start the map",
    ),
    known(
        Pattern::Codes("DIPV", 1018, 1025),
        "a schema is stale or missing",
        REFRESH,
    ),
    known(
        Pattern::Codes("DIPV", 1000, 1031),
        "the map or its link is not valid",
        "look the code up in Microsoft Learn, Dual-write error codes; 1005, 1016 and 1017 are repaired \
         by Reset link, 1010, 1011 and 1030 in the map itself",
    ),
];

/// Does the message say that the schema of a table is stale or missing, which *Refresh tables*
/// cures?
pub(crate) fn is_stale_schema(message: &str) -> bool {
    decoded(message).is_some_and(|known| known.remedy == REFRESH)
}

/// What a message is known to mean; none if it is not known.
pub(crate) fn decoded(message: &str) -> Option<&'static KnownError> {
    let upper = message.to_ascii_uppercase();
    TABLE.iter().find(|known| match known.pattern {
        Pattern::Code(code) => has_word(&upper, code),
        Pattern::Codes(prefix, first, last) => {
            (first..=last).any(|n| has_word(&upper, &format!("{prefix}{n}")))
        }
        Pattern::Words(words) => upper.contains(&words.to_ascii_uppercase()),
    })
}

/// A message, and in brackets what it means and what to do, if that is known.
pub(crate) fn explained(message: &str) -> String {
    match decoded(message) {
        Some(known) => format!("{message} ({}: {})", known.meaning, known.remedy),
        None => message.to_owned(),
    }
}

/// The remedy of a code of the table.
pub(crate) fn remedy(code: &str) -> Cow<'static, str> {
    decoded(code).map_or(
        Cow::Borrowed("look the code up in Microsoft Learn"),
        |known| Cow::Borrowed(known.remedy),
    )
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        !is_part(before) && !is_part(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_codes_of_a_stale_schema_ask_for_a_refresh_of_tables() {
        assert!(is_stale_schema(
            "DIPV1018: The schema of the entity accounts is stale."
        ));
        assert!(is_stale_schema("failed with DIPV1025"));
        for other in ["DIPV1003: the key is missing", "DIPV1026", "no code"] {
            assert!(!is_stale_schema(other), "{other}");
        }
    }

    #[test]
    fn the_texts_of_the_services_are_known() {
        for (text, means, helps) in [
            (
                "SecureConfig Organization (orgprod) does not match actual CRM Organization (org6459f7a8)",
                "another organization",
                "Dual Write Runtime Configurations",
            ),
            (
                "Unable to write data to table salesorders. Principal team (Id=…, is missing prvReadcol_salesorder privilege (Id=…) on OTC=1088.",
                "no role",
                "Dual-write app user",
            ),
            (
                "Couldn't resolve the guid for the field: owningteam.name. The lookup value was not found: orgprod. Try this URL(s)…",
                "renames it",
                "Reset link",
            ),
            (
                "Couldn't resolve the guid for the field: msdyn_siteid. The lookup value was not found: 1.",
                "other side",
                "first",
            ),
            (
                "DWFOEV1006 Default Team name mismatch for Dataverse and dual-write.",
                "default team",
                "Reset link",
            ),
            (
                "DW9003 Failed to connect to AX. Ensure that the service principal has the correct permissions to access AX.",
                "service principal",
                "enabled",
            ),
            (
                "0x80072560 The user is not a member of the organization",
                "is not a user",
                "00000015",
            ),
            (
                "Dual-write failure - Plugin registration failed: [(Unable to get partition map for project DWM-1ae35e60)], One or more errors occurred.",
                "legal entities",
                "reset it",
            ),
            (
                "Plugin registration failed: [(Unable to get partition map for project DWM-1. Exceeds the maximum partitions allowed",
                "more than 40",
                "at most 40",
            ),
            ("dipv1003: the integration key", "missing", "set it"),
            ("DIPV1020", "stale or missing", "Refresh tables"),
            ("DIPV1000 connection invalid", "not valid", "1005"),
            ("DIPV1031", "not valid", "error codes"),
            (
                "DWDVEV1007",
                "no default owning team",
                "both dual-write roles",
            ),
        ] {
            let known = decoded(text).unwrap_or_else(|| panic!("{text}"));
            assert!(known.meaning.contains(means), "{text}: {}", known.meaning);
            assert!(known.remedy.contains(helps), "{text}: {}", known.remedy);
        }
    }

    #[test]
    fn every_published_code_is_decoded_and_no_other() {
        for number in 1000..=1031 {
            assert!(
                decoded(&format!("Error DIPV{number}: x")).is_some(),
                "{number}"
            );
        }
        for code in [
            "DWDVEV1001",
            "DWDVEV1003",
            "DWDVEV1004",
            "DWDVEV1007",
            "DWFOEV1001",
            "DWFOEV1003",
            "DWFOEV1004",
            "DWFOEV1006",
        ] {
            let found = decoded(code).unwrap();
            assert!(
                matches!(found.pattern, Pattern::Code(known) if known == code),
                "{code}"
            );
        }
        for other in [
            "DIPV1032",
            "DIPV10031",
            "XDIPV1003",
            "DW90031",
            "all is well",
            "",
        ] {
            assert!(decoded(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_message_is_shown_with_its_remedy() {
        let shown = explained("DIPV1003: the integration key is missing");
        assert!(
            shown.starts_with("DIPV1003: ") && shown.contains("Integration key: set it"),
            "{shown}"
        );
        assert_eq!(explained("something new"), "something new");
    }
}
