"""Routes beside that of answers, and the document that tells of all."""

import httpx2
import openai
import pytest

from scripts.serving.upstreams.servers import Upstreams


def test_other_models_and_paths_are_not_there(served, refuse, write_body):
    error = refuse(write_body(model="gpt-4o"), 404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    for path, status in {"/v1/embeddings": 404, "/docs": 404, "/v1/chat/completions": 405}.items():
        response = httpx2.get(f"{served.address}{path}")
        assert response.status_code == status
        error = response.json()["error"]
        assert error["type"] == "invalid_request_error"
        assert error["message"] == (
            f"there is no 'GET {path}' here; GET /openapi.json lists what there is"
        )


def test_the_model_is_listed(served):
    [model] = served.client.models.list().data
    assert (model.id, model.object) == ("m3", "model")
    assert served.client.models.retrieve("m3").id == "m3"
    with pytest.raises(openai.NotFoundError):
        served.client.models.retrieve("other")
    assert httpx2.get(f"{served.address}/healthz").json() == {"status": "ok"}
    assert httpx2.get(f"{served.address}/readyz").json() == {"status": "ok"}


def test_the_document_tells_what_is_understood_and_what_errors_look_like(served):
    document = httpx2.get(f"{served.address}/openapi.json").json()
    schemas = document["components"]["schemas"]
    asked = schemas["ChatRequest"]
    assert asked["additionalProperties"] is False
    assert {"messages", "m3scale", "stream_options"} <= set(asked["properties"])
    assert asked["required"] == ["model", "messages"]
    assert "lambda" in schemas["AskedKnob"]["properties"]
    assert {"type": "string"} in schemas["Message"]["properties"]["content"]["anyOf"]
    assert set(schemas["ErrorInfo"]["properties"]) == {"message", "type", "param", "code"}
    told = document["paths"]["/v1/chat/completions"]["post"]["responses"]
    assert set(told) == {"200", "4XX", "5XX"}
    assert set(told["200"]["content"]) == {"application/json", "text/event-stream"}


def test_readiness_says_what_is_missing(serving_fake):
    upstreams = Upstreams(["http://127.0.0.1:9"], None, 1)
    with serving_fake(upstreams=upstreams) as running:
        response = httpx2.get(f"{running.address}/readyz")
        assert response.status_code == 503
        assert response.json()["error"]["message"] == "no upstream is up"
        upstreams.servers[0].up = True
        assert httpx2.get(f"{running.address}/readyz").status_code == 200
