#!/usr/bin/env python3
"""A sample agent: commits a patch to a branch of its own, and reports it as a pull request.

    [agents.patch]
    command = ["python3", "/path/to/patch.py", "/path/to/repository", "https://git.example/compare/{branch}"]

Springline gives it SPRINGLINE_URL, JOB_ID and JOB_TOKEN, and on standard input the snapshot of the cluster:

    {"title": "…", "body": "…", "patch": "a unified diff, if there is one"}

Without a patch it writes title and body into FEEDBACK/<job>.md. It works in a git worktree in its own folder, so that
whatever is checked out in the repository stays as it is; a second attempt begins the branch anew. A real agent differs
in what it does between the first report and the last.
"""

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

JOB = os.environ["JOB_ID"]
URL = f"{os.environ['SPRINGLINE_URL']}/v1/jobs/{JOB}"
HEADERS = {"Authorization": f"Bearer {os.environ['JOB_TOKEN']}", "Content-Type": "application/json"}


def report(**fields):
    """Tells how it goes. What the server refuses (409: the job was called off) ends the agent; a server that is away
    for a moment does not."""
    for pause in (0.2, 1, 3, 0):
        request = urllib.request.Request(URL, json.dumps(fields).encode(), HEADERS, method="PATCH")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                answer.read()
            return
        except urllib.error.HTTPError as error:
            if error.code < 500 or not pause:
                sys.exit(f"refused: {error.code} {error.read().decode(errors='replace')}")
        except OSError as error:
            if not pause:
                sys.exit(f"the server can't be reached: {error}")
        time.sleep(pause)


def git(*arguments, within=".", **options):
    print("git", *arguments, flush=True)
    subprocess.run(["git", "-C", within, *arguments], check=True, **options)


def main(repository, pr_url):
    snapshot = json.load(sys.stdin) or {}
    title = str(snapshot.get("title") or "Feedback").splitlines()[0][:80]
    branch = f"fix/{JOB}"
    report(progress="making the patch", branch=branch)

    git("worktree", "prune", within=repository)
    git("worktree", "add", "--force", "-B", branch, os.path.abspath("tree"), "HEAD", within=repository)
    if snapshot.get("patch"):
        git("apply", "--index", "-", within="tree", input=str(snapshot["patch"]).encode())
    else:
        note = pathlib.Path("tree/FEEDBACK") / f"{JOB}.md"
        note.parent.mkdir(exist_ok=True)
        note.write_text(f"# {title}\n\n{snapshot.get('body') or ''}\n")
        git("add", "--all", within="tree")
    author = ("-c", "user.name=Springline agent", "-c", "user.email=agent@springline.invalid")
    git(*author, "commit", "--quiet", "--message", title, within="tree")
    git("worktree", "remove", "--force", os.path.abspath("tree"), within=repository)

    report(progress="done", pr_url=pr_url.replace("{branch}", branch), state="success")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: patch.py REPOSITORY PR_URL")
    try:
        main(*sys.argv[1:])
    except (subprocess.CalledProcessError, ValueError) as error:
        report(state="failed", reason=str(error)[:1000])
