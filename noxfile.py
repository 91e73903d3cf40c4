"""The commands of tools/ as nox sessions: `nox -s tests`. They set themselves up, so nox makes no environments."""

import nox

nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "none"


def _run(session: nox.Session, command: str) -> None:
    session.run(command, *session.posargs, external=True)


@nox.session
def tests(session: nox.Session) -> None:
    """Every check, as CI runs it; arguments go to pytest."""
    _run(session, "./tools/test")


@nox.session
def wheels(session: nox.Session) -> None:
    """An sdist and a wheel for each Python that is here."""
    _run(session, "./tools/build-wheel")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, in build/docs."""
    _run(session, "./tools/build-docs")


@nox.session
def bench(session: nox.Session) -> None:
    """Speed and accuracy beside other packages."""
    _run(session, "./tools/bench")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Rough handling by chance, for ten minutes."""
    _run(session, "./tools/fuzz")
