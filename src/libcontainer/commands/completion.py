# SPDX-License-Identifier: Apache-2.0
"""``libcontainer completion``: what a shell completes the command's words by.

The script is made of the parsers, so it knows what this version knows. Ids of
containers are asked for when they are wanted.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from libcontainer.commands.argparsed import full_parser
from libcontainer.commands.options import Arguments, UsageError

SHELLS: Final = ("bash", "zsh", "fish")
_WITH_ID: Final = "id"


@frozen
class Verb:
    """One command: its name, what it does, its options, whether it takes an id."""

    name: str
    what: str
    options: tuple[str, ...]
    takes_id: bool


def completion(arguments: Arguments) -> int:
    """Print the script of a shell."""
    if arguments.shell not in SHELLS:
        message = f"completion: one of {', '.join(SHELLS)}, not {arguments.shell!r}"
        raise UsageError(message)
    print(render(full_parser(), arguments.shell), end="")
    return 0


def render(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script for *shell*, one of `SHELLS`; pure."""
    verbs = tuple(_verbs(parser))
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](parser.prog, verbs)


def _verbs(parser: argparse.ArgumentParser) -> Iterator[Verb]:
    for action in parser._actions:  # noqa: SLF001 - argparse tells it nowhere else
        if not isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            continue
        helps = {choice.dest: choice.help for choice in action._choices_actions}  # noqa: SLF001
        for name, below in action.choices.items():
            options = [
                word
                for option in below._actions  # noqa: SLF001
                if option.help != argparse.SUPPRESS
                for word in option.option_strings
                if word.startswith("--")
            ]
            takes_id = any(option.dest == _WITH_ID for option in below._actions)  # noqa: SLF001
            yield Verb(name, helps.get(name) or "", tuple(options), takes_id)


def _bash(program: str, verbs: tuple[Verb, ...]) -> str:
    cases = "\n".join(
        f"        {verb.name}) options='{' '.join(verb.options)}'"
        f" ids={'1' if verb.takes_id else ''} ;;"
        for verb in verbs
    )
    names = " ".join(verb.name for verb in verbs)
    return f"""\
# bash completion of {program}: {program} completion bash >
# /etc/bash_completion.d/{program}
_{program}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} verb= options= ids= other
    for other in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case " {names} " in *" $other "*) verb=$other; break ;; esac
    done
    case $verb in
        '') COMPREPLY=($(compgen -W '{names}' -- "$word")); return ;;
{cases}
    esac
    case $word in
        -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
        *) [ -n "$ids" ] &&
            COMPREPLY=($(compgen -W "$({program} list -q 2>/dev/null)" -- "$word")) ;;
    esac
}}
complete -o default -F _{program} {program}
"""


def _zsh(program: str, verbs: tuple[Verb, ...]) -> str:
    names = "\n".join(f"        {_quoted(f'{v.name}:{v.what}')}" for v in verbs)
    cases = "\n".join(
        f"        {verb.name}) compadd -- {' '.join(verb.options)};"
        + (" _libcontainer_ids ;;" if verb.takes_id else " _files ;;")
        for verb in verbs
    )
    return f"""\
#compdef {program}
# zsh completion of {program}: put it into a directory of $fpath as _{program}
_libcontainer_ids() {{ compadd -- ${{(f)"$({program} list -q 2>/dev/null)"}} }}
_{program}() {{
    local -a commands
    commands=(
{names}
    )
    local verb=${{words[(r)({"|".join(v.name for v in verbs)})]}}
    if [[ -z $verb || $verb == $words[CURRENT] ]]; then
        _describe command commands
        return
    fi
    case $verb in
{cases}
    esac
}}
_{program} "$@"
"""


def _fish(program: str, verbs: tuple[Verb, ...]) -> str:
    lines = [
        f"# fish completion of {program}: {program} completion fish >",
        f"# ~/.config/fish/completions/{program}.fish",
        f"complete -c {program} -f",
    ]
    names = " ".join(verb.name for verb in verbs)
    for verb in verbs:
        lines.append(
            f"complete -c {program} -n 'not __fish_seen_subcommand_from {names}'"
            f" -a {verb.name} -d {_quoted(verb.what)}"
        )
        seen = f"-n '__fish_seen_subcommand_from {verb.name}'"
        lines += [
            f"complete -c {program} {seen} -l {option.removeprefix('--')}"
            for option in verb.options
        ]
        if verb.takes_id:
            lines.append(f"complete -c {program} {seen} -a '({program} list -q)'")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
