"""The command line: one command for each kind of job, made from the job's parameters, and `run` and `serve`."""

from __future__ import annotations

import inspect
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from lossseg import __version__
from lossseg.cli.execute import Output, execute, run_file, serve
from lossseg.cli.options import parameters
from lossseg.jobs.action import Action
from lossseg.jobs.actions import ACTIONS

_DESCRIPTION = "Segmentation of small lesions in large volumes: train, combine, segment, evaluate."
_EXAMPLES = (
    "lossseg phantom tof data/aneurysms --cases 16",
    "lossseg phantom tof data/unseen --cases 4 --seed 1",
    "lossseg train data/aneurysms models/first --minutes 10",
    "lossseg predict models/first data/unseen/imagesTr results",
    "lossseg evaluate results data/unseen/labelsTr --out evaluation",
)
_OUTPUT = "Output"
_JSON = typer.Option(
    "--json",
    help="Write events as JSON lines on stdout, and watch stdin for the line `cancel`.",
    rich_help_panel=_OUTPUT,
)
_DEBUG = typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=_OUTPUT)


def make_app(actions: dict[str, Action] = ACTIONS) -> typer.Typer:
    """The application with a command for each of `actions`."""
    app = typer.Typer(
        name="lossseg",
        help=_help(_DESCRIPTION, "", _EXAMPLES),
        rich_markup_mode=None,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    app.callback()(_top)
    for action in actions.values():
        _add(app, action)
    _add_run(app, actions)
    _add_serve(app, actions)
    return app


def _top(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=lambda asked: _version(asked))
    ] = False,
) -> None:
    pass


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


def _add(app: typer.Typer, action: Action) -> None:
    def command(**typed: Any) -> None:
        output = Output(json=typed.pop("json"), debug=typed.pop("debug"))
        raise typer.Exit(execute(action, typed, output))

    shared = [
        inspect.Parameter("json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, _JSON]),
        inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, _DEBUG]),
    ]
    wanted = [*parameters(action.params), *shared]
    command.__signature__ = inspect.Signature(wanted)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in wanted}
    _register(app, command_name(action), action.title, action.details, action.examples)(command)


def _add_run(app: typer.Typer, actions: dict[str, Action]) -> None:
    def run(
        job: Annotated[Path, typer.Argument(help="File with one job as JSON; paths in it are relative to it.")],
        debug: Annotated[bool, _DEBUG] = False,
    ) -> None:
        raise typer.Exit(run_file(job, actions, Output(json=True, debug=debug)))

    details = (
        'A job is {"job": "predict", "params": {"model": "models/first", ...}}: a command and its options, _ for -. '
        "Every event is one line of JSON on stdout; the line `cancel` on stdin stops the job. "
        "Exit code 0 with the event `finished` is success, 2 bad input, 130 cancelled, 1 anything else, with "
        "`finished` where a part of it failed and the summary says which."
    )
    _register(app, "run", "Do the job in a file, with events as JSON lines.", details, ("lossseg run job.json",))(run)


def _add_serve(app: typer.Typer, actions: dict[str, Action]) -> None:
    def serve_jobs(
        preload: Annotated[
            bool, typer.Option("--preload/--no-preload", help="Load torch before the first job comes.")
        ] = True,
    ) -> None:
        raise typer.Exit(serve(actions, preload))

    details = (
        "Each line on stdin is a job with an id, each event on stdout carries its job's id. The line `cancel` stops "
        'the running job, {"cancel": ID} a certain one. The end of stdin ends the process after the last job.'
    )
    example = 'echo \'{"id": 1, "job": "doctor"}\' | lossseg serve'
    _register(app, "serve", "Stay ready and do jobs as they come on stdin.", details, (example,))(serve_jobs)


def _register(app: typer.Typer, name: str, title: str, details: str, examples: tuple[str, ...]) -> Any:
    return app.command(name, help=_help(title, details, examples), short_help=title)


def _help(title: str, details: str, examples: tuple[str, ...]) -> str:
    """Help text in which each example keeps its line: \\b tells click not to wrap the paragraph."""
    shown = "\n".join(["\b", "Examples:", *(f"  {line}" for line in examples)])
    return "\n\n".join(part for part in (title, details, shown) if part)


def command_name(action: Action) -> str:
    """The command of a kind of job: `next_case` is `lossseg next-case`."""
    return action.kind.replace("_", "-")


def as_command(action: Action, line: str) -> list[str]:
    """The arguments in an example of `action`, without the program's name and the command."""
    words = shlex.split(line)
    return words[2:] if words[:2] == ["lossseg", command_name(action)] else words
