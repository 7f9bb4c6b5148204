"""Counts and times of requests that were made."""

import httpx2
import openai
import pytest


def test_metrics_count_what_happened(served, ask):
    def read():
        lines = httpx2.get(f"{served.address}/metrics").text.splitlines()
        return {
            name: float(value)
            for name, _, value in (x.rpartition(" ") for x in lines if x[0] != "#")
        }

    before = read()
    ask()
    ask("strange")
    ask(extra_body={"m3scale": {"scale": 1}})
    with pytest.raises(openai.BadRequestError):
        ask("impossible")
    after = read()
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    assert grown['m3scale_responses_total{status="200"}'] == 3
    assert grown['m3scale_responses_total{status="400"}'] == 1
    # One answer each at 9, 36 and 1; buckets hold the smaller ones too.
    assert [grown[f'm3scale_scale_bucket{{le="{k}.0"}}'] for k in (1, 9, 36)] == [1, 2, 3]
    assert grown["m3scale_visual_tokens_total"] == 46
    assert grown["m3scale_visual_tokens_saved_total"] == 27 + 0 + 35
    assert grown["m3scale_unfamiliar_total"] == 1
    assert grown['m3scale_stage_seconds_sum{stage="encode"}'] == pytest.approx(0.012)
    assert grown['m3scale_stage_seconds_count{stage="total"}'] == 3
    # Only the first was at the server's own operating point and familiar: half are missing at 36.
    assert grown["m3scale_scale_drift_answers"] == 1
    assert after["m3scale_scale_drift"] == 0.5
    assert after["m3scale_requests_in_progress"] == 0
    assert after["process_resident_memory_bytes"] > 1e6
