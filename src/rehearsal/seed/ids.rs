//! The ids of the seed's objects. The first two digits are the kind, the last ones the number.

/// The user who created most of the seed's objects.
pub(super) const ADA: u32 = 3;
/// The user of the program's application.
pub(super) const APPLICATION: u32 = 1;
/// The service account.
pub(super) const SERVICE: u32 = 2;
/// A user without administrative rights.
pub(super) const CLERK: u32 = 4;

/// The number of BigCommerce: its provider definition, its provider and their children.
pub(super) const BIGCOMMERCE: u32 = 100;
/// The number of the action *Update BigCommerce Sales Order Status*, and its logic definition.
pub(super) const UPDATE_STATUS: u32 = 101;
/// The number of the logic definition *Pull BigCommerce Sales Orders*.
pub(super) const PULL_ORDERS: u32 = 102;

/// The policy that is published.
pub(super) const HEADER_POLICY: u32 = 100;
/// The policy that is not published, and that a published orchestration uses.
pub(super) const FILTER_POLICY: u32 = 600;

/// The id of the object with this kind and number.
pub(crate) fn id(kind: &str, number: u32) -> String {
    format!("{kind}000000-0000-4000-8000-{number:012}")
}
