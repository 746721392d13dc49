"""Microsoft's PowerPlatform-Dataverse-Client 1.1.0 against the rehearsal tenant, over TLS.

Arguments: the origin of the authority, and the origin of an environment's Dataverse. The
environment variables REQUESTS_CA_BUNDLE, TENANT, CLIENT and SECRET are set by the caller.
"""

import os
import sys
import uuid

from azure.identity import ClientSecretCredential
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError

TABLE = "connectionreference"


def credential(authority):
    """The tenant's application, by Microsoft's own credential."""
    return ClientSecretCredential(
        os.environ["TENANT"],
        os.environ["CLIENT"],
        os.environ["SECRET"],
        authority=authority,
        disable_instance_discovery=True,
    )


def row(name):
    """A connection reference that no flow uses."""
    return {
        "connectionreferencelogicalname": f"client_{name}",
        "connectionreferencedisplayname": f"Client {name}",
        "connectorid": "/providers/Microsoft.PowerApps/apis/shared_office365",
    }


def refused(call, status, code):
    """The call is refused with this status and service code."""
    try:
        call()
    except HttpError as error:
        found = (error.status_code, error.details.get("service_error_code"))
        assert found == (status, code), f"{found} {error}"
        return
    raise AssertionError(f"not refused with {status} {code}")


def reads(client):
    """List, pages, a single row, metadata."""
    flows = list(client.records.list("workflow", select=["name", "statecode"], filter="category eq 5"))
    assert len(flows) > 2, flows
    pages = [list(page) for page in client.records.list_pages("workflow", select=["name"], page_size=2)]
    assert len(pages) > 1 and all(len(page) == 2 for page in pages[:-1]), pages
    seen = [flow["workflowid"] for page in pages for flow in page]
    assert len(seen) == len(set(seen)), "each row once"
    first = flows[0]
    one = client.records.retrieve("workflow", first["workflowid"], select=["name", "statecode"])
    assert one["name"] == first["name"], one
    assert client.records.retrieve("workflow", str(uuid.uuid4()), select=["name"]) is None
    refused(lambda: list(client.records.list("workflow", select=["nothing"])), 400, "0x80060888")
    table = client.tables.get(TABLE)
    assert table["entity_set_name"] == "connectionreferences", table
    keys = client.tables.get_alternate_keys(TABLE)
    assert [key.key_attributes for key in keys] == [["connectionreferencelogicalname"]], keys
    columns = client.tables.list_columns(TABLE, select=["LogicalName", "AttributeType"])
    assert "connectionid" in [column["LogicalName"] for column in columns], columns


def writes(client):
    """Create, update, delete, one and many."""
    one = client.records.create(TABLE, row("one"))
    client.records.update(TABLE, one, {"description": "first", "promptingbehavior": "Skip prompting"})
    found = client.records.retrieve(TABLE, one, select=["description", "promptingbehavior"])
    assert (found["description"], found["promptingbehavior"]) == ("first", 1), found
    refused(lambda: client.records.update(TABLE, str(uuid.uuid4()), {"description": "x"}), 404, "0x80040217")
    refused(lambda: client.records.update(TABLE, one, {"nothing": 1}), 400, "0x80048d19")
    many = client.records.create(TABLE, [row("two"), row("three")])
    assert len(many) == 2, many
    client.records.update(TABLE, many, {"description": "all"})
    client.records.update(TABLE, many, [{"description": "second"}, {"description": "third"}])
    found = client.records.retrieve(TABLE, many[1], select=["description"])
    assert found["description"] == "third", found
    # All or nothing: the second row is invalid.
    refused(lambda: client.records.create(TABLE, [row("four"), {"nothing": 1}]), 400, "0x80048d19")
    assert not list(client.records.list(TABLE, filter="connectionreferencelogicalname eq 'client_four'"))
    refused(lambda: client.records.create("workflow", [{"name": "a"}, {"name": "b"}]), 404, "0x80060888")
    key = {"connectionreferencelogicalname": "client_two"}
    client.records.upsert(TABLE, [{"alternate_key": key, "record": {"description": "by key"}}])
    items = [
        {"alternate_key": {"connectionreferencelogicalname": f"client_{name}"}, "record": {"description": "upserted"}}
        for name in ["three", "five"]
    ]
    client.records.upsert(TABLE, items)
    found = list(client.records.list(TABLE, select=["connectionreferencelogicalname"], filter="description eq 'upserted'"))
    assert len(found) == 2, found
    for reference in [one, *many, *(item["connectionreferenceid"] for item in found)]:
        if client.records.retrieve(TABLE, reference, select=["description"]):
            client.records.delete(TABLE, reference)


def batches(client):
    """Parts in order, errors, change sets."""
    missing = str(uuid.uuid4())
    one = client.records.create(TABLE, row("batch"))

    batch = client.batch.new()
    batch.records.list("workflow", select=["name"], top=1)
    batch.records.update(TABLE, missing, {"description": "x"})
    batch.records.update(TABLE, one, {"description": "after the error"})
    answers = batch.execute(continue_on_error=True).responses
    assert [answer.status_code for answer in answers] == [200, 404, 204], answers
    assert answers[1].error_code == "0x80040217" and len(answers[0].data["value"]) == 1, answers

    # Without the preference the batch ends at the error: the later part is missing.
    batch = client.batch.new()
    batch.records.update(TABLE, one, {"description": "kept"})
    batch.records.update(TABLE, missing, {"description": "x"})
    batch.records.update(TABLE, one, {"description": "not reached"})
    answers = batch.execute().responses
    assert [answer.status_code for answer in answers] == [204, 404], answers
    assert client.records.retrieve(TABLE, one, select=["description"])["description"] == "kept"

    # A change set: a later part refers to the created row; content ids come back.
    batch = client.batch.new()
    with batch.changeset() as changes:
        created = changes.records.create(TABLE, row("set"))
        changes.records.update(TABLE, created, {"description": "in one set"})
    answers = batch.execute().responses
    assert [answer.status_code for answer in answers] == [204, 204], answers
    assert [answer.content_id for answer in answers] == ["1", "2"], answers
    assert client.records.retrieve(TABLE, answers[0].entity_id, select=["description"])["description"] == "in one set"

    # A change set is all or nothing; the rest of the batch is not.
    batch = client.batch.new()
    with batch.changeset() as changes:
        changes.records.update(TABLE, one, {"description": "undone"})
        changes.records.update(TABLE, missing, {"description": "x"})
    batch.records.retrieve(TABLE, one, select=["description"])
    answers = batch.execute(continue_on_error=True).responses
    assert [answer.status_code for answer in answers] == [404, 200], answers
    assert answers[1].data["description"] == "kept", answers
    for reference in [one, client_set(client)]:
        client.records.delete(TABLE, reference)


def client_set(client):
    """The row that the change set created."""
    found = list(client.records.list(TABLE, filter="connectionreferencelogicalname eq 'client_set'"))
    return found[0]["connectionreferenceid"]


def main():
    authority, dataverse = sys.argv[1:3]
    with DataverseClient(dataverse, credential(authority)) as client:
        for part in [reads, writes, batches]:
            part(client)
            print(f"PowerPlatform-Dataverse-Client: {part.__name__} passed")


main()
