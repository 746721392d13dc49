//! What a copy of an environment is asked for, in the words of both admin APIs.

use serde_json::{Value, json};
use uuid::Uuid;

/// What a copy is asked for. Every member is always sent: the services' own defaults are not
/// published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CopyRequest {
    /// The environment that is copied. The one that is overwritten stands in the path.
    pub source: Uuid,
    /// Everything, or without data.
    pub copy_type: CopyType,
    /// The display name that the target has afterwards.
    pub name: String,
    /// The id of the security group that the target has afterwards; `None` opens it to all users,
    /// which is asked for by the zero id.
    pub security_group: Option<String>,
    /// Leaves the audit logs out.
    pub skip_audit_data: bool,
    /// Leaves the transactions of Finance and Operations out.
    pub transactionless: bool,
}

/// How much is copied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CopyType {
    /// Everything.
    Full,
    /// Customizations and schemas only.
    Minimal,
}

impl CopyRequest {
    /// The body for the Power Platform API (Microsoft Learn, *Copy Environment*, api-version
    /// 2024-10-01).
    pub(super) fn for_power_platform(&self) -> Value {
        json!({
            "copyType": match self.copy_type {
                CopyType::Full => "Full",
                CopyType::Minimal => "Minimal",
            },
            "sourceEnvironmentId": self.source,
            "copyOptions": {
                "environmentNameToOverride": self.name,
                "securityGroupIdToOverride": self.group(),
                "skipAuditData": self.skip_audit_data,
                "executeAdvancedCopyForFinanceAndOperations": self.transactionless,
            },
        })
    }

    /// The body for BAP (Microsoft's PowerShell module, `Copy-PowerAppEnvironment`, api-version
    /// 2019-05-01).
    pub(super) fn for_bap(&self) -> Value {
        json!({
            "SourceEnvironmentId": self.source,
            "TargetEnvironmentName": self.name,
            "TargetSecurityGroupId": self.group(),
            "CopyType": match self.copy_type {
                CopyType::Full => "FullCopy",
                CopyType::Minimal => "MinimalCopy",
            },
            "SkipAuditData": self.skip_audit_data,
            "ExecuteAdvancedCopyForFinanceAndOperations": self.transactionless,
        })
    }

    fn group(&self) -> String {
        let group = self
            .security_group
            .clone()
            .filter(|group| !group.is_empty());
        group.unwrap_or_else(|| Uuid::nil().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pitfall_18_each_api_has_its_own_words_and_both_bodies_send_every_member() {
        let request = CopyRequest {
            source: Uuid::from_u128(1),
            copy_type: CopyType::Full,
            name: "Contoso UAT".to_owned(),
            security_group: None,
            skip_audit_data: true,
            transactionless: false,
        };
        assert_eq!(
            request.for_power_platform(),
            json!({
                "copyType": "Full",
                "sourceEnvironmentId": "00000000-0000-0000-0000-000000000001",
                "copyOptions": {
                    "environmentNameToOverride": "Contoso UAT",
                    "securityGroupIdToOverride": "00000000-0000-0000-0000-000000000000",
                    "skipAuditData": true,
                    "executeAdvancedCopyForFinanceAndOperations": false,
                },
            })
        );
        let bap = request.for_bap();
        assert_eq!(bap["CopyType"], "FullCopy");
        assert_eq!(bap.as_object().unwrap().len(), 6);
    }
}
