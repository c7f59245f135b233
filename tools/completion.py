"""
The completion of a program's command line in bash, zsh and fish. No I/O.

Owns what each shell is told: commands, flags, the values of a flag that has a choice, and where files are
expected. The scripts need nothing beside their shell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from tools.programs import Flag, Program

HELP = "help"


def bash(program: Program) -> str:
    """Write the script for bash."""
    values = _flags_with_values(program)
    files = [name for name, flag in values.items() if flag.is_file]
    choices = {name: flag for name, flag in values.items() if flag.words}
    others = [name for name in values if name not in files and name not in choices]
    lines = [
        *(f"        {name}) words='{' '.join(flag.words)}' ;;" for name, flag in choices.items()),
        *([f"        {'|'.join(others)}) return ;;"] if others else []),
    ]
    commands = []
    for path, following in _tree(program).items():
        flags = "" if path else f" {_names(program.requests)}"
        shown = f"''|{HELP}" if not path else f"'{path}'|'{HELP} {path}'"
        commands.append(f"                {shown}) words='{' '.join(following)}{flags}' ;;")
    for command in program.commands:
        has_files = any(each.is_file for each in command.arguments)
        commands += [
            f"                '{command.words}'|'{command.words} '*)",
            f"                    words='{_names(command.flags)} '$common",
            *(["                    [[ $current == -* ]] || files=1"] if has_files else []),
            "                    ;;",
        ]
    return _BASH.format(
        name=program.name,
        function=f"_{program.name.replace('-', '_')}",
        common=_names(program.common),
        files="|".join(files),
        values="\n".join(lines),
        commands="\n".join(commands),
    )


_BASH = """\
# Completion of {name} in bash; made from its options.

{function}() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} flag=${{COMP_WORDS[COMP_CWORD-1]}}
    local common='{common}'
    local command='' word='' words='' files=''
    # Bash takes `--flag=value` for three words.
    if [[ $current == = ]]; then
        current=''
    elif [[ $flag == = ]]; then
        flag=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    case $flag in
        {files}) files=1 ;;
{values}
        *)
            for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
                [[ $word == -* ]] && break
                command+="${{command:+ }}$word"
            done
            case $command in
{commands}
            esac
            ;;
    esac
    if [[ $files ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
        # The value follows.
        [[ ${{#COMPREPLY[@]}} == 1 && ${{COMPREPLY[0]}} == *= ]] && compopt -o nospace
    fi
}}

complete -F {function} {name}
"""


def zsh(program: Program) -> str:
    """Write the script for zsh."""
    cases = []
    for path, following in _tree(program).items():
        shown = f"''|{HELP}" if not path else f"'{path}'|'{HELP} {path}'"
        listed = " ".join(_quoted(f"{word}:{_colons(text)}") for word, text in following.items())
        cases += [
            f"        {shown})",
            f"            commands=({listed})",
            "            _describe command commands",
            *([] if path else [f"            _arguments {' '.join(_zsh_flags(program.requests))}"]),
            "            ;;",
        ]
    for command in program.commands:
        specifications = [
            *(f"'{number}: :'" for number in range(1, len(command.words.split()) + 1)),
            *("': :_files'" for each in command.arguments if each.is_file),
            *_zsh_flags(command.flags),
            "$common",
        ]
        cases += [
            f"        '{command.words}'|'{command.words} '*)",
            "            _arguments \\",
            " \\\n".join(f"                {each}" for each in specifications),
            "            ;;",
        ]
    return _ZSH.format(
        name=program.name,
        common="\n".join(f"    {each}" for each in _zsh_flags(program.common)),
        cases="\n".join(cases),
    )


_ZSH = """\
#compdef {name}
# Completion of {name} in zsh; made from its options.

local command='' word
local -a commands common=(
{common}
)
for word in ${{words[2,CURRENT-1]}}; do
    [[ $word == -* ]] && break
    command+="${{command:+ }}$word"
done
case $command in
{cases}
esac
"""


def _zsh_flags(flags: Sequence[Flag]) -> Iterator[str]:
    for flag in flags:
        for name in flag.names:
            text = f"*{name}{'=' if name.startswith('--') and flag.placeholder else ''}"
            text += f"[{_colons(_first_sentence(flag.help)).replace('[', '(').replace(']', ')')}]"
            if flag.placeholder:
                action = f"({' '.join(flag.words)})" if flag.words else " "
                text += f":{_colons(flag.placeholder)}:{'_files' if flag.is_file else action}"
            yield _quoted(text)


def fish(program: Program) -> str:
    """Write the script for fish."""
    lines = [f"# Completion of {program.name} in fish; made from its options.", ""]
    begin = f"complete -c {program.name}"
    lines.append(f"{begin} -f")
    for path, following in _tree(program).items():
        where = _fish_seen(path, *following) if path else "__fish_use_subcommand"
        lines += [
            f"{begin} -n {_fish(where)} -a {word} -d {_fish(_first_sentence(text))}"
            for word, text in following.items()
        ]
    first = " ".join(_tree(program)[""])
    lines.append(f"{begin} -n '__fish_seen_subcommand_from {HELP}' -a {_fish(first)}")
    for command in program.commands:
        where = _fish(_fish_seen(command.words))
        lines += [f"{begin} -n {where} {_fish_flag(flag)}" for flag in command.flags]
        lines += [f"{begin} -n {where} -F" for each in command.arguments if each.is_file]
    for _, flags in program.shared:
        lines += [f"{begin} -n 'not __fish_use_subcommand' {_fish_flag(flag)}" for flag in flags]
    lines += [f"{begin} {_fish_flag(flag)}" for flag in program.requests]
    return "\n".join([*lines, ""])


def _fish_seen(path: str, *without: str) -> str:
    """A condition: these words have been typed, and none of the others."""
    seen = [f"__fish_seen_subcommand_from {word}" for word in path.split()]
    unseen = [f"not __fish_seen_subcommand_from {' '.join(without)}"] if without else []
    return "; and ".join([*seen, *unseen])


def _fish_flag(flag: Flag) -> str:
    names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names]
    values = []
    if flag.placeholder:
        values = ["-r -F"] if flag.is_file else ["-x"]
    if flag.words:
        values.append(f"-a {_fish(' '.join(flag.words))}")
    return " ".join([*names, *values, f"-d {_fish(_first_sentence(flag.help))}"])


def _tree(program: Program) -> Mapping[str, Mapping[str, str]]:
    """Map the beginning of a command line to the words that may follow, each with its help."""
    tree: dict[str, dict[str, str]] = {"": {}}
    for command in program.commands:
        words = command.words.split()
        for number, word in enumerate(words):
            last = number == len(words) - 1
            following = tree.setdefault(" ".join(words[:number]), {})
            following.setdefault(word, command.help if last else f"Commands for the {word}.")
    tree[""][HELP] = "List the commands, or the options of a command."
    return tree


def _flags_with_values(program: Program) -> Mapping[str, Flag]:
    """Map the names of all flags that take a value to one of the flags of that name."""
    return {
        name: flag
        for command in program.commands
        for flag in (*command.flags, *program.common)
        if flag.placeholder
        for name in flag.names
    }


def _names(flags: Sequence[Flag]) -> str:
    """List the names as they are typed; those of long ones with a value end with `=`."""
    return " ".join(
        f"{name}=" if flag.placeholder and name.startswith("--") else name
        for flag in flags
        for name in flag.names
    )


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[^.])\. |; ", text)[0].removesuffix(".")


def _colons(text: str) -> str:
    return text.replace(":", "\\:")


def _quoted(text: str) -> str:
    """Quote for bash and zsh."""
    return "'" + text.replace("'", "'\\''") + "'"


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
