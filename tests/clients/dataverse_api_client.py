"""dataverse-api 1.4.3 against the rehearsal tenant, over plain HTTP.

Arguments: the origin of the authority, and the origin of an environment's Dataverse. The
environment variables TENANT, CLIENT and SECRET are set by the caller.
"""

import os
import sys
import uuid

import requests
from dataverse_api import DataverseClient
from dataverse_api.errors import DataverseAPIError

KEY = "connectionreferencelogicalname"


def session(authority, dataverse):
    """A session with a token of the tenant's application."""
    form = {
        "grant_type": "client_credentials",
        "client_id": os.environ["CLIENT"],
        "client_secret": os.environ["SECRET"],
        "scope": f"{dataverse}/.default",
    }
    signed_in = requests.Session()
    signed_in.trust_env = False
    answer = signed_in.post(f"{authority}/{os.environ['TENANT']}/oauth2/v2.0/token", data=form)
    answer.raise_for_status()
    signed_in.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return signed_in


def row(name):
    """A connection reference that no flow uses."""
    return {
        KEY: f"client_{name}",
        "connectionreferencedisplayname": f"Client {name}",
        "connectorid": "/providers/Microsoft.PowerApps/apis/shared_office365",
    }


def parts(response):
    """The statuses of a batch's parts."""
    assert response.headers["Content-Type"].startswith("multipart/mixed"), response.headers
    lines = response.text.splitlines()
    return [int(line.split()[1]) for line in lines if line.startswith("HTTP/1.1 ")]


def reads(client):
    """Metadata, list, pages, formatted values."""
    flows = client.entity(logical_name="workflow")
    assert (flows.entity_set_name, flows.primary_id_attr) == ("workflows", "workflowid")
    assert not flows.supports_create_multiple and not flows.supports_update_multiple
    references = client.entity(logical_name="connectionreference")
    assert references.supports_create_multiple and references.supports_update_multiple
    assert list(references.alternate_keys.values()) == [[KEY]], references.alternate_keys
    everything = flows.read(select=["name", "statecode"])
    pages = flows.read(select=["name"], page_size=2, return_responses=True)
    assert len(pages) > 1, pages
    assert sum(len(page.json()["value"]) for page in pages) == len(everything)
    named = flows.read(select=["statecode"], filter="category eq 5", top=1, return_formatted_values=True)
    assert named[0]["statecode@OData.Community.Display.V1.FormattedValue"] in ["Draft", "Activated"], named
    try:
        flows.read(select=["nothing"])
    except DataverseAPIError as error:
        assert error.response.json()["error"]["code"] == "0x80060888", error.response.text
    else:
        raise AssertionError("an unknown column is refused")


def writes(client):
    """Create in each way, upsert, delete."""
    references = client.entity(logical_name="connectionreference")
    made = [
        *references.create([row("one")], mode="individual"),
        *references.create([row("two"), row("three")], mode="multiple"),
    ]
    assert [answer.status_code for answer in made] == [204, 200], [answer.text for answer in made]
    assert len(made[1].json()["Ids"]) == 2, made[1].text
    answers = references.create([row("four"), row("five")], mode="batch")
    assert parts(answers[0]) == [204, 204], answers[0].text
    changes = [{KEY: f"client_{name}", "description": "upserted"} for name in ["one", "six"]]
    key = next(iter(references.alternate_keys))
    assert [a.status_code for a in references.upsert(changes, altkey_name=key)] == [204, 204]
    changes = [{KEY: f"client_{name}", "description": "upserted"} for name in ["two", "seven"]]
    answers = references.upsert(changes, mode="batch", altkey_name=key)
    assert parts(answers[0]) == [204, 204], answers[0].text
    found = references.read(select=[KEY], filter="description eq 'upserted'", order_by=KEY)
    assert [reference[KEY] for reference in found] == [f"client_{name}" for name in ["one", "seven", "six", "two"]]
    mine = references.read(select=[KEY], filter=f"startswith({KEY},'client_')")
    ids = [reference["connectionreferenceid"] for reference in mine]
    assert len(ids) == 7, mine
    assert [a.status_code for a in references.delete(ids=ids[:1])] == [204]
    answers = references.delete(mode="batch", ids=ids[1:])
    assert parts(answers[0]) == [204] * 6, answers[0].text
    assert not references.read(filter=f"startswith({KEY},'client_')")


def errors(client):
    """A refused row is its response; a batch with a refused part is an outer 400."""
    references = client.entity(logical_name="connectionreference")
    answers = references.delete(ids=[str(uuid.uuid4())])
    assert answers[0].status_code == 404 and answers[0].json()["error"]["code"] == "0x80040217"
    # This client reads an error's body as JSON; a multipart body is not JSON.
    try:
        references.delete(mode="batch", ids=[str(uuid.uuid4())])
    except requests.exceptions.JSONDecodeError:
        return
    raise AssertionError("the outer status is 400 and the body is multipart")


def main():
    authority, dataverse = sys.argv[1:3]
    client = DataverseClient(session=session(authority, dataverse), environment_url=f"{dataverse}/")
    for part in [reads, writes, errors]:
        part(client)
        print(f"dataverse-api: {part.__name__} passed")


main()
