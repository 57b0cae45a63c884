from __future__ import annotations

import io
import json

import pytest
from benchmarks.probe import Channel, Probe, ProbeError


def test_a_channel_counts_rounds_and_reports_each() -> None:
    out = io.StringIO()
    channel = Channel(io.StringIO("go\ngo\n"), out)
    for number in channel.rounds():
        channel.report(seconds=number, peak_memory_mb=1)
    assert [json.loads(line.split("\t")[1]) for line in out.getvalue().splitlines()] == [
        {"seconds": 0, "peak_memory_mb": 1},
        {"seconds": 1, "peak_memory_mb": 1},
    ]


def test_a_report_waits_for_the_task_to_be_idle() -> None:
    out = io.StringIO()
    channel = Channel(io.StringIO("go\n"), out)
    channel.report(seconds=1)
    assert out.getvalue() == ""
    assert channel.wait()
    assert out.getvalue().count("\n") == 1
    assert not channel.wait()
    assert out.getvalue().count("\n") == 1


def test_a_report_has_the_peak_memory() -> None:
    out = io.StringIO()
    channel = Channel(io.StringIO(), out)
    channel.report(seconds=1)
    channel.flush()
    assert json.loads(out.getvalue().split("\t")[1])["peak_memory_mb"] > 10


@pytest.mark.slow
def test_a_failing_task_says_why() -> None:
    options = {"processor": "/nowhere", "pictures": "/nowhere", "limit": 1, "cache": ""}
    with Probe("images:load", options) as probe, pytest.raises(ProbeError, match="nowhere"):
        probe.round()
