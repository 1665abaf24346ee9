# SPDX-License-Identifier: GPL-2.0-only
"""What KCIDB's I/O schema v5.3 asks of a report, as a JSON schema: written anew from its documentation, without its prose."""

ORIGIN = "^[a-z0-9_]+$"
ID = r"^[a-z0-9_]+:[^\0]*$"
PATH = r"^([a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*)?$"
TEXT = {"type": "string", "pattern": r"^[^\0]*$"}
TIME = {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
URI = {"type": "string", "format": "uri", "pattern": "^[a-z][a-z0-9+.-]*:"}
NAME = {"type": "string", "pattern": ID}
FILES = {"type": "array", "items": {"type": "object", "additionalProperties": False, "required": ["name", "url"],
                                    "properties": {"name": {"type": "string", "pattern": r"^[^/\0]+$"}, "url": URI}}}
STATUS = {"enum": ["FAIL", "ERROR", "MISS", "PASS", "DONE", "SKIP"]}
EXCERPT = TEXT | {"maxLength": 16384}
COUNT = {"type": "integer", "minimum": 0}
BASE = {"id": NAME, "origin": {"type": "string", "pattern": ORIGIN}, "comment": TEXT, "misc": {"type": "object"}}
RUN = {"start_time": TIME, "log_url": URI, "log_excerpt": EXCERPT}


def rows(required: list[str], **properties) -> dict:
    """A list of objects that hold nothing else."""
    return {"type": "array", "items": {"type": "object", "additionalProperties": False, "required": ["id", "origin", *required],
                                       "properties": BASE | properties}}


SCHEMA = {
    "type": "object", "additionalProperties": False, "required": ["version"],
    "properties": {
        "version": {"type": "object", "additionalProperties": False, "required": ["major"],
                    "properties": {"major": {"const": 5}, "minor": {"type": "integer", "minimum": 0, "maximum": 3}}},
        "checkouts": rows([], **RUN, tree_name=TEXT, git_repository_url=URI,
                          git_commit_hash={"type": "string", "pattern": "^([0-9a-f]{40}|[0-9a-f]{64})$"}, git_commit_name=TEXT,
                          git_commit_tags={"type": "array", "items": TEXT}, git_commit_message=TEXT, git_repository_branch=TEXT,
                          git_repository_branch_tip={"type": "boolean"}, patchset_files=FILES,
                          patchset_hash={"type": "string", "pattern": "^([0-9a-f]{64})?$"}, message_id={"type": "string"},
                          origin_builds_finish_time=TIME, origin_tests_finish_time=TIME, valid={"type": "boolean"}),
        "builds": rows(["checkout_id"], **RUN, checkout_id=NAME, duration={"type": "number"},
                       architecture={"type": "string", "pattern": "^[a-z0-9_]*$"}, command=TEXT, compiler=TEXT, input_files=FILES,
                       output_files=FILES, config_name=TEXT, config_url=URI, status=STATUS),
        "tests": rows(["build_id"], **RUN, build_id=NAME, path={"type": "string", "pattern": PATH}, status=STATUS, duration={"type": "number"},
                      input_files=FILES, output_files=FILES,
                      environment={"type": "object", "additionalProperties": False,
                                   "properties": {"comment": TEXT, "misc": {"type": "object"},
                                                  "compatible": {"type": "array", "items": {"type": "string"}}}},
                      number={"type": "object", "additionalProperties": False, "required": ["value"],
                              "properties": {"value": {"type": "number"}, "unit": TEXT, "prefix": {"enum": ["metric", "binary"]}}}),
        "issues": rows(["version"], version=COUNT, categories={"type": "array", "items": {"type": "string", "pattern": PATH}},
                       report_url=URI, report_subject=TEXT,
                       culprit={"type": "object", "additionalProperties": False,
                                "properties": dict.fromkeys(("code", "tool", "harness"), {"type": "boolean"})}),
        "incidents": rows(["issue_id", "issue_version"], issue_id=NAME, issue_version=COUNT, build_id=NAME, test_id=NAME,
                          present={"type": "boolean"}),
    },
}
