//! What differs between source and target before the copy.

use super::ids::id;
use crate::rehearsal::listeners::Side;

/// Source or target, as the seed describes it.
#[derive(Debug)]
pub(super) struct SeedSide {
    /// Source or target.
    pub(super) kind: Side,
    /// The display name.
    pub(super) name: &'static str,
    /// The environment's type.
    pub(super) sku: &'static str,
    /// The domain of its Dataverse.
    pub(super) domain: &'static str,
    /// The organization's id.
    pub(super) organization: &'static str,
    /// The organization's unique name.
    pub(super) unique_name: &'static str,
    /// The security group whose members have access.
    pub(super) security_group: &'static str,
    /// Added to the numbers of ids that the two environments do not share.
    offset: u32,
    /// The shop's address.
    pub(super) shop: &'static str,
}

/// Contoso Prod.
pub(super) const SOURCE: SeedSide = SeedSide {
    kind: Side::Source,
    name: "Contoso Prod",
    sku: "Production",
    domain: "contoso-prod",
    organization: "0a110000-0000-4000-8000-000000000001",
    unique_name: "unq0a11000000004000800000000001",
    security_group: "5ec00000-0000-4000-8000-000000000001",
    offset: 0,
    shop: "https://shop.contoso.com",
};

/// Contoso UAT, before it is refreshed.
pub(super) const TARGET: SeedSide = SeedSide {
    kind: Side::Target,
    name: "Contoso UAT",
    sku: "Sandbox",
    domain: "contoso-uat",
    organization: "0a220000-0000-4000-8000-000000000001",
    unique_name: "unq0a22000000004000800000000001",
    security_group: "5ec00000-0000-4000-8000-000000000002",
    offset: 900_000,
    shop: "https://uat-shop.contoso.com",
};

/// Declares the other targets by their numbers: each like Contoso UAT, with its own ids.
macro_rules! other_targets {
    ($($number:literal)+) => {
        &[$(SeedSide {
            kind: Side::AnotherTarget($number),
            name: concat!("Contoso UAT ", $number),
            domain: concat!("contoso-uat-", $number),
            organization: concat!("0a220000-0000-4000-8000-00000000000", $number),
            unique_name: concat!("unq0a2200000000400080000000000", $number),
            security_group: concat!("5ec00000-0000-4000-8000-00000000001", $number),
            offset: 900_000 + $number * 1_000_000,
            ..TARGET
        },)+]
    };
}

/// The targets other than Contoso UAT, from number 2 on.
pub(super) const OTHER_TARGETS: &[SeedSide] = other_targets!(2 3 4 5 6 7 8);

impl SeedSide {
    /// The environment's id.
    pub(super) fn environment(&self) -> &'static str {
        self.kind.environment()
    }

    /// The id of an object that each environment created for itself.
    pub(super) fn own(&self, kind: &str, number: u32) -> String {
        id(kind, self.offset + number)
    }

    /// The id of a user: each organization has its own.
    pub(super) fn user(&self, number: u32) -> String {
        self.own("a5", number)
    }

    /// Is it the source or the first target? Lifecycle Services and dual-write know only these.
    pub(super) fn is_of_the_pair(&self) -> bool {
        matches!(self.kind, Side::Source | Side::Target)
    }

    pub(super) fn is_source(&self) -> bool {
        self.kind == Side::Source
    }

    /// The address of a connection's page in Power Automate, which users paste into the forms of
    /// Intelligent Order Management.
    pub(super) fn connection_url(&self, connector: &str, connection: &str) -> String {
        format!(
            "https://unitedstates.flow.microsoft.com/manage/environments/{}/connections?apiName={connector}&connectionName={connection}",
            self.environment()
        )
    }
}
