//! Command lines that a user copies into a shell.

/// Quotes an argument if a shell would split or expand it. Double quotes suit every shell,
/// `cmd.exe` included; text that a POSIX shell expands inside them gets single quotes.
#[must_use]
pub fn quote_argument(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@\\".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        argument.to_owned()
    } else if argument.contains(['"', '$', '`', '!']) {
        format!("'{}'", argument.replace('\'', r"'\''"))
    } else {
        format!("\"{argument}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_quoted_if_a_shell_would_split_or_expand_it() {
        for (argument, expected) in [
            ("uat.yaml", "uat.yaml"),
            (r"C:\books\uat.yaml", r"C:\books\uat.yaml"),
            ("Contoso UAT", "\"Contoso UAT\""),
            ("it's", "\"it's\""),
            ("$HOME", "'$HOME'"),
            ("it's \"new\"", r#"'it'\''s "new"'"#),
            ("", "\"\""),
        ] {
            assert_eq!(quote_argument(argument), expected);
        }
    }
}
