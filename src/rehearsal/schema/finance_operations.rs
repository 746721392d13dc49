//! The entity sets of Finance and Operations, as data: their keys and fields, and which of them
//! belong to a company. The names are those that public clients use (d365bap.tools, d365fo-client).

use serde_json::Value;

#[derive(Clone, Copy, Debug)]
pub(crate) struct EntitySet {
    /// Its name in addresses.
    pub(crate) name: &'static str,
    /// The fields that make its key.
    pub(crate) keys: &'static [&'static str],
    /// The fields with their types.
    pub(crate) fields: &'static [(&'static str, Field)],
    /// Whether it has an address. Requests to other sets can change the rows of sets without one.
    pub(crate) public: bool,
}

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field {
    Text,
    /// Yes or no.
    Boolean,
    /// A whole number.
    Number,
    /// One of these words.
    Word(&'static [&'static str]),
}

use Field::{Boolean, Number, Text, Word};

/// The field with the company of a row that belongs to one.
pub(crate) const COMPANY: &str = "dataAreaId";

const NO_YES: Field = Word(&["No", "Yes"]);

/// The states of a batch job (enumeration `BatchStatus`); people see `Hold` as *Withhold*.
const BATCH_STATUS: Field = Word(&[
    "Hold",
    "Waiting",
    "Executing",
    "Error",
    "Finished",
    "Ready",
    "NotRun",
    "Cancelling",
    "Canceled",
    "Scheduled",
]);

const SETS: [EntitySet; 12] = [
    EntitySet {
        name: "SystemUsers",
        keys: &["UserID"],
        fields: &[
            ("UserID", Text),
            ("UserName", Text),
            ("Alias", Text),
            ("Enabled", Boolean),
            ("Company", Text),
        ],
        public: true,
    },
    EntitySet {
        name: "SysAADClients",
        keys: &["AADClientId"],
        fields: &[("AADClientId", Text), ("UserId", Text), ("Name", Text)],
        public: true,
    },
    EntitySet {
        name: "SecurityUserRoles",
        keys: &["UserId", "SecurityRoleIdentifier"],
        fields: &[
            ("UserId", Text),
            ("SecurityRoleIdentifier", Text),
            ("SecurityRoleName", Text),
            ("UserLicenseType", Text),
        ],
        public: true,
    },
    EntitySet {
        name: "LegalEntities",
        keys: &["LegalEntityId"],
        fields: &[("LegalEntityId", Text), ("Name", Text)],
        public: true,
    },
    EntitySet {
        name: "Warehouses",
        keys: &[COMPANY, "WarehouseId"],
        fields: &[
            (COMPANY, Text),
            ("WarehouseId", Text),
            ("WarehouseName", Text),
        ],
        public: true,
    },
    EntitySet {
        name: "DualWriteProjectConfigurations",
        keys: &["ProjectName"],
        fields: &[
            ("ProjectName", Text),
            ("InternalEntityName", Text),
            ("ExternalEntityName", Text),
            ("ExternalLogicalEntityName", Text),
            ("ExternalEnvironmentUrl", Text),
            ("Status", Word(&["Enabled", "Disabled", "Queueing"])),
            ("IsDebugMode", NO_YES),
            ("IsDelete", NO_YES),
            ("IntegrationKey", Text),
            ("PartitionMap", Text),
            ("FieldMap", Text),
            ("QueryFilterExpression", Text),
            (
                "AsyncMode",
                Word(&["RequiredSync", "RequiredAsync", "PreferredSync", "None"]),
            ),
        ],
        public: true,
    },
    EntitySet {
        name: "BatchJobs",
        keys: &["BatchJobRecId"],
        fields: &[
            ("BatchJobRecId", Number),
            ("JobDescription", Text),
            ("Status", BATCH_STATUS),
            ("StartDateTime", Text),
            ("ExecutingBy", Text),
        ],
        public: true,
    },
    EntitySet {
        name: "EmailParameters",
        keys: &["ID"],
        fields: &[
            ("ID", Number),
            ("SMTPRelayServerName", Text),
            ("SMTPUserName", Text),
            ("MailerNonInteractive", Text),
        ],
        public: true,
    },
    EntitySet {
        name: "BusinessEventsEndpoints",
        keys: &["Name"],
        fields: &[
            ("Name", Text),
            ("Type", Text),
            ("EventGridEndpointURL", Text),
            ("KeyVaultDnsName", Text),
            ("DecryptedAzureAppSecret", Text),
        ],
        public: true,
    },
    EntitySet {
        name: "BusinessEventsConfigurations",
        keys: &[
            "BusinessEventsTable",
            "LegalEntity",
            "BusinessEventsEndpoint_Name",
        ],
        fields: &[
            ("BusinessEventsTable", Text),
            ("LegalEntity", Text),
            ("BusinessEventsEndpoint_Name", Text),
            ("Disabled", NO_YES),
        ],
        public: true,
    },
    // No public entity of these two is known. A reset of the link clears them too.
    EntitySet {
        name: "DualWriteProjectFieldConfigurations",
        keys: &["ProjectName", "FieldName"],
        fields: &[("ProjectName", Text), ("FieldName", Text)],
        public: false,
    },
    EntitySet {
        name: "BusinessEventsDefinitions",
        keys: &["EventId"],
        fields: &[("EventId", Text), ("RefTableName", Text)],
        public: false,
    },
];

/// The entity sets that have an address.
pub(crate) fn public() -> impl Iterator<Item = &'static EntitySet> {
    SETS.iter().filter(|set| set.public)
}

/// The entity set with this name and an address.
pub(crate) fn set(name: &str) -> Option<&'static EntitySet> {
    public().find(|set| set.name == name)
}

impl EntitySet {
    /// The type of a field, if the set has it.
    pub(crate) fn field(&self, name: &str) -> Option<Field> {
        let found = self.fields.iter().find(|(field, _)| *field == name);
        found.map(|(_, kind)| *kind)
    }

    /// Whether its rows belong to a company.
    pub(crate) fn belongs_to_company(&self) -> bool {
        self.keys.contains(&COMPANY)
    }
}

impl Field {
    pub(crate) fn accepts(self, value: &Value) -> bool {
        match self {
            Text => value.is_string(),
            Boolean => value.is_boolean(),
            Number => value.is_i64(),
            Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_fields_and_words_are_checked() {
        for set in &SETS {
            assert!(set.keys.iter().all(|key| set.field(key).is_some()));
        }
        let maps = set("DualWriteProjectConfigurations").unwrap();
        assert!(maps.field("Status").unwrap().accepts(&json!("Queueing")));
        assert!(!maps.field("Status").unwrap().accepts(&json!("Paused")));
        assert!(set("BusinessEventsDefinitions").is_none());
    }
}
