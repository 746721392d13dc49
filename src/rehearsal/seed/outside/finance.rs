//! Finance and Operations: batch jobs, the mail relay, end points of business events.

use serde_json::{Value, json};

use super::super::Seeder;
use crate::rehearsal::behaviour::finance_operations::rows_key;

pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    let environment = seeder.side.environment();
    let draft = &mut *seeder.organization.draft;
    let mut put = |set: &str, key: &str, row: Value| {
        draft.put(format!("{}{key}", rows_key(environment, set)), row);
    };
    for (number, description) in [
        (5_637_144_576_i64, "Email distributor batch"),
        (
            5_637_144_577,
            "Export orders to sftp://sftp.contoso.com/orders",
        ),
        (5_637_144_578, "Business event processing"),
    ] {
        let row = json!({
            "BatchJobRecId": number, "JobDescription": description, "Status": "Waiting",
            "StartDateTime": "2026-03-06T02:00:00Z", "ExecutingBy": "Admin",
        });
        put("BatchJobs", &number.to_string(), row);
    }
    let parameters = json!({
        "ID": 0, "SMTPRelayServerName": "smtp.contoso.com", "SMTPUserName": "erp@contoso.com",
        "MailerNonInteractive": "SMTP",
    });
    put("EmailParameters", "0", parameters);
    let endpoint = json!({
        "Name": "ContosoEvents", "Type": "Azure Event Grid",
        "EventGridEndpointURL": "https://contoso-events.eastus-1.eventgrid.azure.net/api/events",
        "KeyVaultDnsName": "https://contoso-prod.vault.azure.net/",
        "DecryptedAzureAppSecret": "rehearsal-only-app-secret",
    });
    put("BusinessEventsEndpoints", "ContosoEvents", endpoint);
    let event = json!({
        "BusinessEventsTable": "SalesOrderConfirmedBusinessEvent", "LegalEntity": "usmf",
        "BusinessEventsEndpoint_Name": "ContosoEvents", "Disabled": "No",
    });
    let key = "SalesOrderConfirmedBusinessEvent,usmf,ContosoEvents";
    put("BusinessEventsConfigurations", key, event);
}
