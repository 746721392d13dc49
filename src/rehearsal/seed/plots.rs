//! What differs between the two environments before the copy.

use super::ids::id;
use crate::rehearsal::listeners::Side;

/// One environment of the seed.
#[derive(Debug)]
pub(super) struct Plot {
    /// Source or target.
    pub(super) side: Side,
    /// The name that people see.
    pub(super) name: &'static str,
    /// What kind of environment it is.
    pub(super) sku: &'static str,
    /// The domain of its Dataverse.
    pub(super) domain: &'static str,
    /// The organization's id.
    pub(super) organization: &'static str,
    /// The organization's unique name.
    pub(super) unique_name: &'static str,
    /// The security group that lets people in.
    pub(super) security_group: &'static str,
    /// What is added to numbers of ids that the two environments do not share.
    offset: u32,
    /// The connection to Dataverse.
    pub(super) dataverse: &'static str,
    /// The connection to BigCommerce.
    pub(super) bigcommerce: &'static str,
    /// The store's hash.
    pub(super) store_hash: &'static str,
    /// The shop's address.
    pub(super) shop: &'static str,
}

/// Contoso Prod.
pub(super) const SOURCE: Plot = Plot {
    side: Side::Source,
    name: "Contoso Prod",
    sku: "Production",
    domain: "contoso-prod",
    organization: "0a110000-0000-4000-8000-000000000001",
    unique_name: "unq0a11000000004000800000000001",
    security_group: "5ec00000-0000-4000-8000-000000000001",
    offset: 0,
    dataverse: "11d0a1b2c3d4e5f60718293a4b5c6d7e",
    bigcommerce: "11b0a1b2c3d4e5f60718293a4b5c6d7e",
    store_hash: "prod-store-hash",
    shop: "https://shop.contoso.com",
};

/// Contoso UAT, before it is refreshed.
pub(super) const TARGET: Plot = Plot {
    side: Side::Target,
    name: "Contoso UAT",
    sku: "Sandbox",
    domain: "contoso-uat",
    organization: "0a220000-0000-4000-8000-000000000001",
    unique_name: "unq0a22000000004000800000000001",
    security_group: "5ec00000-0000-4000-8000-000000000002",
    offset: 900_000,
    dataverse: "3f6d0c5a9b7e4d21a8c4e0f1b2a39d55",
    bigcommerce: "91ab7c3e52d84f60b1f7d9c8e6a4b3f0",
    store_hash: "uat-store-hash",
    shop: "https://uat-shop.contoso.com",
};

impl Plot {
    /// The id of a thing that each environment has made for itself.
    pub(super) fn own(&self, kind: &str, number: u32) -> String {
        id(kind, self.offset + number)
    }

    /// The id of a user: organizations give their own.
    pub(super) fn user(&self, number: u32) -> String {
        self.own("a5", number)
    }

    /// Whether this is the environment that is copied.
    pub(super) fn is_source(&self) -> bool {
        self.side == Side::Source
    }

    /// The address of a connection as Power Automate's page of it has it, which is what people
    /// paste into the forms of Intelligent Order Management.
    pub(super) fn connection_url(&self, connector: &str, connection: &str) -> String {
        format!(
            "https://unitedstates.flow.microsoft.com/manage/environments/{}/connections?apiName={connector}&connectionName={connection}",
            self.side.environment()
        )
    }
}
