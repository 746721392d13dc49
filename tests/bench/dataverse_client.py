"""The work of steps 3 and 4 by Microsoft's PowerPlatform-Dataverse-Client, one request after another.

It lists the references for Dataverse and the flows that the tenant has besides its seed, binds each
reference to its connection and owner, gives each flow its owner and turns it on, and lists them again
as the proof.
Arguments: the origin of the authority, that of the target's Dataverse, and the connection's id. The
caller sets REQUESTS_CA_BUNDLE, TENANT, CLIENT and SECRET. Prints the seconds and the number of changes.
"""

import json
import os
import sys
import time

from azure.identity import ClientSecretCredential
from PowerPlatform.Dataverse.client import DataverseClient

CONNECTOR = "/providers/Microsoft.PowerApps/apis/shared_commondataserviceforapps"
OWNER = "domainname eq 'svc-iom@contoso.com'"


def rows(client):
    """The references and flows of the measurement, and what is left to do with each."""
    references = client.records.list(
        "connectionreference",
        select=["connectionid", "_ownerid_value"],
        filter=f"connectorid eq '{CONNECTOR}'",
    )
    flows = client.records.list(
        "workflow",
        select=["statecode", "_ownerid_value"],
        filter="category eq 5 and startswith(name,'Contoso - Flow ')",
    )
    return list(references), list(flows)


def main():
    authority, dataverse, connection = sys.argv[1:4]
    credential = ClientSecretCredential(
        os.environ["TENANT"],
        os.environ["CLIENT"],
        os.environ["SECRET"],
        authority=authority,
        disable_instance_discovery=True,
    )
    with DataverseClient(dataverse, credential) as client:
        began = time.monotonic()
        owner = list(client.records.list("systemuser", select=["systemuserid"], filter=OWNER))[0]["systemuserid"]
        references, flows = rows(client)
        bind = f"/systemusers({owner})"
        for reference in references:
            changes = {"connectionid": connection, "ownerid@odata.bind": bind}
            client.records.update("connectionreference", reference["connectionreferenceid"], changes)
        for flow in flows:
            changes = {"ownerid@odata.bind": bind, "statecode": 1, "statuscode": 2}
            client.records.update("workflow", flow["workflowid"], changes)
        references, flows = rows(client)
        seconds = time.monotonic() - began
    assert all(row["connectionid"] == connection for row in references)
    assert all(row["statecode"] == 1 and row["_ownerid_value"] == owner for row in flows)
    print(json.dumps({"seconds": seconds, "changes": len(references) + len(flows)}))


main()
