//! Customers: rows that hold personal data.
//!
//! The target has two of the source's customers, under the same customer numbers, with addresses of
//! its own and other ids.

use serde_json::json;

use super::Seeder;

/// Customers of the source: number, first name, last name, e-mail address.
const SOURCE: [(u32, &str, &str, &str); 4] = [
    (1, "Grace", "Ito", "grace.ito@fabrikam.com"),
    (2, "Ravi", "Menon", "ravi.menon@northwind.com"),
    (3, "Lena", "Vogel", "lena.vogel@adatum.com"),
    (4, "Omar", "Haddad", "omar.haddad@tailspin.com"),
];

/// Customers of the target.
const TARGET: [(u32, &str, &str, &str); 2] = [
    (1, "Grace", "Ito", "uat-orders@contoso.com"),
    (2, "Ravi", "Menon", "uat-returns@contoso.com"),
];

/// Inserts these rows.
pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    let customers: &[(u32, &str, &str, &str)] = if seeder.side.is_source() {
        &SOURCE
    } else {
        &TARGET
    };
    for (number, first, last, address) in customers {
        let row = json!({
            "fullname": format!("{first} {last}"),
            "firstname": first,
            "lastname": last,
            "emailaddress1": address,
            "externaluseridentifier": format!("C-{number:04}"),
            "donotbulkemail": false,
        });
        let id = seeder.side.own("ca", *number);
        seeder.insert("contact", &id, row);
    }
}
