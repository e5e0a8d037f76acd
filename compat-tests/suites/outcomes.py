"""A pytest plugin: writes each test and its outcome, divided by a tab, to the file $OUTCOMES."""

import os

# Now: a test may replace the environment.
_path = os.environ["OUTCOMES"]
_reports = {}


def pytest_runtest_logreport(report):
    _reports.setdefault(report.nodeid, []).append(report)


def pytest_runtest_logfinish(nodeid):
    # At once, so that a run that is ended early has told what it came to.
    with open(_path, "a", encoding="utf-8") as file:
        file.write(f"{nodeid}\t{_outcome(_reports.pop(nodeid, []))}\n")


def _outcome(reports):
    for report in reports:
        if report.failed:
            # Around the test, it is an error of what the test needs.
            return "failed" if report.when == "call" else f"failed in {report.when}"
        if hasattr(report, "wasxfail"):
            return "failed as expected" if report.skipped else "passed unexpectedly"
        if report.skipped:
            return "skipped"
    return "passed" if reports else "absent"
