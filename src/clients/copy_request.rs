//! The request to copy an environment, as body of either admin API.

use serde_json::{Value, json};
use uuid::Uuid;

/// The request to copy an environment. Every member is always sent, because the services' defaults
/// are not published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CopyRequest {
    /// The environment to copy. The target, which is overwritten, is in the path.
    pub source: Uuid,
    /// Everything, or without data.
    pub copy_type: CopyType,
    /// The target's display name after the copy.
    pub name: String,
    /// The id of the target's security group after the copy; `None` opens it to all users and is
    /// sent as the zero id.
    pub security_group: Option<String>,
    /// Whether to leave out the audit logs.
    pub skip_audit_data: bool,
    /// Whether to leave out the transactions of Finance and Operations.
    pub transactionless: bool,
}

/// The extent of a copy.
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
    use crate::clients::testing::copy_request;

    #[test]
    fn pitfall_18_each_api_has_its_own_words_and_every_member_is_sent() {
        let request = copy_request();
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
