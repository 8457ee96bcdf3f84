"""Programs that tests start from a process with their imports do as those that start by themselves."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.programs import warm

PROGRAMS = {
    "what it is given": "import os, sys; print(sys.argv[1:], os.getcwd(), os.environ['GIVEN'], __name__)",
    "its own modules": "import sys; print(sorted(m for m in sys.modules if m.split('.')[0] in ('train', 'evaluate')))",
    "a status": "import sys; sys.exit(3)",
    "a reason": "import sys; sys.exit('no such thing')",
    "an error": "raise ValueError('here')",
    "what comes last": "import atexit, threading, time; atexit.register(print, 'end'); "
    "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()",
    "both outputs": "import sys; print('out'); print('error', file=sys.stderr)",
    "no input": "import sys; print(repr(sys.stdin.read()))",
    "its children": "import subprocess, sys; print(subprocess.run([sys.executable, '-c', 'raise SystemExit(4)']))",
    "a kill": "import os, signal; print('first', flush=True); os.kill(os.getpid(), signal.SIGKILL)",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_does_as_by_itself(name: str, server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "program.py").write_text(PROGRAMS[name])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIVEN", "by the test")
    arguments = ["program.py", "a", "b c"]
    alone = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    found = warm.run(server, arguments)
    assert (found.returncode, found.stdout) == (alone.returncode, alone.stdout)
    # A traceback has the lines of what ran it, too.
    assert found.stderr.splitlines()[-1:] == alone.stderr.splitlines()[-1:]


def test_what_a_program_changes_no_other_sees(server: Path, tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("import numpy, os; numpy.pi = 3; os.environ['LEFT'] = 'behind'")
    (tmp_path / "other.py").write_text("import numpy, os; print(numpy.pi > 3.1, 'LEFT' in os.environ)")
    assert warm.run(server, [str(tmp_path / "one.py")]).returncode == 0
    assert warm.run(server, [str(tmp_path / "other.py")]).stdout == "True False\n"
