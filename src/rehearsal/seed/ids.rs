//! The ids of what the seed holds. The first two digits tell what a thing is, the last ones which.

/// The user who has made most of what there is.
pub(super) const ADA: u32 = 3;
/// The user of the program's application.
pub(super) const APPLICATION: u32 = 1;
/// The service account.
pub(super) const SERVICE: u32 = 2;
/// A user without administrative rights.
pub(super) const CLERK: u32 = 4;

/// Which BigCommerce things are meant, after the numbering of Intelligent Order Management's
/// providers in this tenant.
pub(super) const BIGCOMMERCE: u32 = 100;
/// The action *Update BigCommerce Sales Order Status*, and its logic definition.
pub(super) const UPDATE_STATUS: u32 = 101;
/// The logic definition *Pull BigCommerce Sales Orders*.
pub(super) const PULL_ORDERS: u32 = 102;

/// The policy that is published.
pub(super) const HEADER_POLICY: u32 = 100;
/// The policy that is not published, and that a published orchestration uses.
pub(super) const FILTER_POLICY: u32 = 600;

/// An id: what kind of thing, and which.
pub(crate) fn id(kind: &str, number: u32) -> String {
    format!("{kind}000000-0000-4000-8000-{number:012}")
}
