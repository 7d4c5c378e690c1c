import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import typer

from components.paths import Workspace
from flows import cli

ROOT = Path(__file__).parents[2]
TOP: dict[str, click.Command] = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
COMMANDS = TOP | {
    f"{name} {below}": command
    for name, group in TOP.items()
    for below, command in getattr(group, "commands", {}).items()
}
HEAVY = ("torch", "mlflow", "prefect", "great_expectations", "pandas", "pydantic_settings")

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_environment: None
) -> Call:
    """Run the command line in this process: its exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["beholder", *arguments])
        monkeypatch.setenv("COLUMNS", "200")
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
        else:
            code = 0
        assert isinstance(code, int)
        return code, *capsys.readouterr()

    return run


# What a person can read of it


@pytest.mark.parametrize("name", COMMANDS)
def test_command_and_everything_it_takes_is_explained(name: str):
    command = COMMANDS[name]
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", ""), f"{name}: {parameter.name} has no help text"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_all_that_a_command_takes(call: Call, name: str):
    code, out, _ = call(*name.split(), "--help")
    assert code == 0
    assert f"beholder {name}" in out
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[0] in out


def test_command_is_mentioned_where_people_read():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    text = "\n".join(page.read_text() for page in pages)
    assert [name for name in COMMANDS if f"beholder {name}" not in text] == []


def test_no_arguments_show_the_commands(call: Call):
    _, out, _ = call()
    assert all(name in out for name in TOP)


def test_help_imports_nothing_heavy():
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('heavy:', [n for n in {HEAVY!r} if n in sys.modules]))\n"
        "sys.argv = ['beholder', '--help']\n"
        "from flows.cli import main\n"
        "main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines()[-1] == "heavy: []"


# Failures


def refuse(call: Call, *arguments: str) -> str:
    """Run a command that fails in an expected way, and return its one line.

    Where it draws its steps, the one that failed is drawn as well.
    """
    code, _, err = call(*arguments)
    assert code == 1
    (line,) = [line for line in err.splitlines() if not line.startswith("  ✗ ")]
    assert line.startswith("beholder: ")
    return line


IN_A_WORKSPACE = [
    *(["ingest"], ["fetch"], ["withdraw", "x"], ["retrain"], ["status"], ["serve"]),
    *(["recommend", "somebody"], ["down"], ["ledger"], ["ledger", "verify"]),
    *(["rollback", "--reason", "odd lists"], ["feedback"], ["feedback", "export"]),
    *(["keys", "list"], ["keys", "revoke", "x"], ["keys", "make", "x", "--scopes", "feedback"]),
    *(["review", "list"], ["review", "show", "1"], ["review", "approve", "1"]),
    *(["review", "reject", "1", "--reason", "ugly"], ["review", "serve"]),
    *(["monitor"], ["monitor", "show"], ["up"], ["trigger"], ["trigger", "--dry-run"]),
    *(["pool"], ["pool", "gpu"], ["pool", "--leave"]),
]


@pytest.mark.parametrize("arguments", IN_A_WORKSPACE, ids=" ".join)
def test_outside_a_workspace_the_next_command_is_named(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
):
    monkeypatch.chdir(tmp_path)
    line = refuse(call, *arguments)
    assert f"no workspace in {tmp_path}" in line
    assert "beholder init" in line


@pytest.mark.parametrize("content", ["train: [", "train: 1", "", "- 1"])
def test_broken_parameters_are_named(call: Call, workspace: Workspace, content: str):
    workspace.params.write_text(content)
    line = refuse(call, "ingest", "-w", str(workspace.root), "--ratings", "r.csv")
    assert str(workspace.params) in line


@pytest.mark.parametrize(
    "arguments",
    [["recommend", "u1"], ["serve"], ["rollback", "--reason", "odd lists"]],
    ids=lambda a: a[0],
)
def test_without_a_champion_retrain_is_named(
    call: Call, workspace: Workspace, arguments: list[str]
):
    line = refuse(call, *arguments, "--workspace", str(workspace.root))
    assert f"{workspace.root} has no champion yet; run 'beholder retrain'" in line


def test_unknown_ending_of_a_list_is_refused(call: Call, workspace: Workspace):
    arguments = ["--all-users", "--out", "lists.txt", "-w", str(workspace.root)]
    assert "'.txt'; name a .csv or a .parquet file" in refuse(call, "recommend", *arguments)


def test_environment_that_makes_no_sense_is_named(
    call: Call, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("BEHOLDER_ENDPOINT_PORT", "many")
    line = refuse(call, "serve", "-w", str(workspace.root))
    assert "BEHOLDER_ENDPOINT_PORT" in line
    assert "'many'" in line


def test_retrain_of_nothing_names_ingest_before_any_server_starts(call: Call, workspace: Workspace):
    assert "run 'beholder ingest" in refuse(call, "retrain", "-w", str(workspace.root))
    assert not (workspace.run / "services").exists()


def test_without_a_look_or_a_champion_the_next_command_is_named(call: Call, workspace: Workspace):
    place = ["-w", str(workspace.root)]
    assert "run 'beholder monitor'" in refuse(call, "monitor", "show", *place)
    code, out, _ = call("monitor", *place)
    assert code == 0
    assert "no champion yet; run 'beholder retrain'" in out
    assert not (workspace.run / "services").exists()


def test_batch_that_is_not_listed_is_named(call: Call, workspace: Workspace):
    assert "feed" in refuse(call, "withdraw", "feed", "-w", str(workspace.root))
    assert "feed" in refuse(call, "fetch", "feed", "-w", str(workspace.root))


@pytest.mark.parametrize(
    "arguments",
    [
        ["recommend"],
        ["recommend", "u1", "--all-users", "--out", "x.csv"],
        ["recommend", "u1", "--out", "x.csv"],
        ["recommend", "--all-users"],
        ["recommend", "u1", "-k", "0"],
        ["serve", "--port", "65536"],
        ["init"],
        ["withdraw"],
        ["rollback"],
        ["rollback", "--reason", "odd lists", "--to", "0"],
        ["review", "reject", "1"],
        ["review", "approve"],
        ["review", "show", "0"],
        ["ledger", "all"],
        ["pool", "gpu", "--leave"],
        ["ledger", "-n", "0"],
        ["no-such-command"],
        ["status", "--no-such-option"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(call: Call, arguments: list[str]):
    code, _, err = call(*arguments)
    assert code == 2
    assert "Traceback" not in err


# What works without data


def test_init_names_the_next_command(call: Call, tmp_path: Path):
    code, out, _ = call("init", str(tmp_path / "here"))
    assert code == 0
    assert f"workspace {tmp_path / 'here'}" in out
    assert "beholder ingest" in out


def test_workspace_is_found_from_the_environment_and_from_below(
    call: Call, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("BEHOLDER_WORKSPACE", str(workspace.root))
    assert call("down") == (0, "nothing was running\n", "")
    monkeypatch.delenv("BEHOLDER_WORKSPACE")
    monkeypatch.chdir(workspace.batches)
    assert call("down") == (0, "nothing was running\n", "")


def test_status_of_an_empty_workspace_says_what_to_do(call: Call, workspace: Workspace):
    code, out, _ = call("status", "-w", str(workspace.root))
    assert code == 0
    assert "nothing yet; run 'beholder ingest'" in out
    assert "none yet; run 'beholder retrain'" in out


def test_ledger_of_an_empty_workspace_says_what_to_do(call: Call, workspace: Workspace):
    line = refuse(call, "ledger", "-w", str(workspace.root))
    assert "holds nothing yet; run 'beholder retrain'" in line
    code, out, _ = call("ledger", "verify", "-w", str(workspace.root))
    assert code == 0
    assert "0 entries, unbroken" in out


def test_rollback_without_words_for_a_reason_is_refused(call: Call, workspace: Workspace):
    line = refuse(call, "rollback", "--reason", " ", "-w", str(workspace.root))
    assert "the ledger wants a reason" in line


def test_review_of_an_empty_workspace_says_so_and_names_a_version_that_is_not_there(
    call: Call, workspace: Workspace
):
    place = ["-w", str(workspace.root)]
    code, out, _ = call("review", "list", *place)
    assert (code, out) == (
        *(0, "nothing awaits review; 'beholder review list --all' shows every version\n"),
    )
    assert call("review", "list", "--json", *place)[1] == "[]\n"
    assert "no version 7" in refuse(call, "review", "show", "7", *place)
    assert "no version 7" in refuse(call, "review", "approve", "7", *place)
    long = ["reject", "7", "--reason", "x" * 3000]
    assert "too long for the ledger" in refuse(call, "review", *long, *place)
    assert not (workspace.run / "services").exists()


def test_path_with_brackets_is_no_markup(call: Call, workspace: Workspace):
    workspace.root.rename(workspace.root.with_name("[red] [0]"))
    place = Workspace(workspace.root.with_name("[red] [0]"))
    code, out, _ = call("status", "-w", str(place.root))
    assert code == 0
    assert str(place.root) in out.splitlines()[0]


def test_interrupt_ends_with_130(call: Call, workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.services.Services.stop", interrupt)
    code, _, err = call("down", "-w", str(workspace.root))
    assert code == 130
    assert "Traceback" not in err
