"""Screen frames as they come: `singlehit screen SOURCE --model model.onnx --purity 0.95 --out run/`.

run/screening.json      what screens what: model, table, threshold, policy; a run goes on only with the same
run/ledger/             every frame's record while screening runs
run/decisions.parquet   the same at its end; columns: `screen.stream.ledger`
"""

import argparse
import contextlib
import ctypes
import gc
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from frames.files import read_json, sha256, write_json
from frames.formats.masks import MASK_HELP, MASK_MEANS
from screen.network.asked import Asking
from screen.network.network import Network
from screen.network.networks import load_network
from screen.network.threshold import threshold_of
from screen.sinks import open as outputs
from screen.sources import open as sources
from screen.stream.ledger import Ledger
from screen.stream.policy import Policy, WhenFull
from screen.stream.screening import Screening
from screen.stream.sinks import Sink
from screen.stream.status import Status
from train.inference.shipped import MODEL

SWITCH_S = 5e-4
"""How long a thread keeps Python's lock while others wait for it: by default ten times this, as a frame would, too"""
KEPT_BYTES = 2**30
"""Of freed memory, that is not given back to the system: batches of frames come again, and each page of theirs would be
asked for anew, which takes longer than to copy it"""
MAPPED_BYTES = 2**25
"""From which on memory is mapped alone, and given back when it is freed; the most that the C library allows"""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
SAID_EVERY = 10.0
"""[s] between lines that tell how it stands"""
LIVE_DEADLINE = 1.0
"""[s] after which a frame of a stream is kept unanswered, where nothing else is asked for"""
INTERRUPTED = 130
AGAIN_S = 1.0
"""[s] after the first signal, from which on one more is a second Ctrl-C: `timeout`, and shells, send the first twice"""


def arguments_of() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="singlehit screen",
        description="Keep or veto frames as they come, by a trained network; nothing is lost silently.",
        epilog="example: singlehit screen karabo://10.253.0.52:45000 --model polar.onnx --table pixels.npz "
        "--purity 0.95 --out run0042/\n"
        "or: singlehit screen results/demo/datasets/noise_free "
        "--model results/demo/models/noise_free/polar/seed0/model.pt "
        f"--threshold 0.5 --out run0042/\n\n{sources.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SOURCE", help="a file, a folder that grows, or a stream; see below")
    parser.add_argument(
        "--model",
        type=Path,
        default=MODEL,
        help="model.onnx of `singlehit onnx`, a run's model.pt, of `singlehit virus --network` (default: what ships)",
    )
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FOLDER", help="to write to; one that is there goes on"
    )
    parser.add_argument("--table", type=Path, metavar="FILE.npz", help="of `singlehit tabulate`, to fold frames by")
    parser.add_argument(
        "--frame-shape", type=int, nargs=2, metavar=("NY", "NX"), help="of frames, for a network that takes any size"
    )
    parser.add_argument("--nan-is-masked", action="store_true", help="pixels that are no numbers add nothing")

    threshold = parser.add_argument_group("from which probability on a frame is kept (one of these)")
    threshold.add_argument("--purity", type=float, help="of the frames kept, by the run's tables/selection.csv")
    threshold.add_argument("--yield", dest="yield_", type=float, help="share of the single hits that are kept")
    threshold.add_argument("--threshold", type=float, help="the probability itself")

    policy = parser.add_argument_group("policy")
    policy.add_argument(
        "--keep-vetoes", type=float, default=0.01, metavar="SHARE", help="kept at random (default: 0.01)"
    )
    policy.add_argument("--seed", type=int, default=0, help="of which vetoes are kept (default: 0)")
    policy.add_argument(
        "--when-full",
        choices=("block", "skip-oldest"),
        help="where frames come faster than answers (default: block, of a source that waits; else skip-oldest)",
    )
    policy.add_argument(
        "--deadline", type=float, metavar="S", help=f"unanswered, kept (default: {LIVE_DEADLINE:g}, live)"
    )
    policy.add_argument(
        "--domain-share", type=float, default=0.125, metavar="SHARE", help="of frames compared with the training's"
    )

    labels = parser.add_argument_group("of a twin network")
    labels.add_argument("--labels", type=Path, help="CSV with columns frame (from 0) and single (1 or 0)")
    labels.add_argument("--labelled", type=Path, metavar="FILE", help="the frames that these are of")

    source = parser.add_argument_group("source")
    source.add_argument("--run", default="", help="name of the run, of a stream that does not say")
    source.add_argument("--dataset", metavar="NAME", help="of the frames in a file")
    source.add_argument("--mask-means", choices=tuple(MASK_MEANS), help=MASK_HELP)
    source.add_argument("--lossy", action="store_true", help="agree to a source that loses frames unseen (PUB/SUB)")
    source.add_argument(
        "--until-idle", type=float, metavar="S", help="end where a folder has grown no more for so long"
    )
    outputs.add_arguments(parser)
    parser.add_argument("--workers", type=int, default=1, help="threads that ask the network (default: 1)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Command line: screen a source to its end, or until it is interrupted."""
    arguments = arguments_of().parse_args(argv)
    try:
        screening = prepared(arguments)
    except ModuleNotFoundError as error:
        print(outputs.absent(error), file=sys.stderr)
        return 2
    except (OSError, ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 2
    return run(screening)


def prepared(arguments: argparse.Namespace, sinks: Sequence[Sink] = ()) -> Screening:
    """A screening as the command line has it. All that may be wrong is said before the first frame."""
    from frames.pixels.table import load

    table = None if arguments.table is None else load(arguments.table)
    shape = arguments.frame_shape if table is None else (table.n_pixels, table.n_pixels)
    network = load_network(arguments.model, None if shape is None else (shape[0], shape[1]))
    threshold = threshold_of(
        arguments.model, given=arguments.threshold, purity=arguments.purity, yield_=arguments.yield_
    )
    asking = Asking(_labelled(network, arguments), table, nan_is_masked=arguments.nan_is_masked)
    wishes = sources.Wishes(
        run=arguments.run,
        dataset=arguments.dataset,
        mask_means=arguments.mask_means,
        folded=table is not None,
        frame_shape=asking.shape,
        lossy=arguments.lossy,
        until_idle=arguments.until_idle,
    )
    source = sources.open_source(arguments.source, wishes)
    deadline = arguments.deadline or (None if source.lossless else LIVE_DEADLINE)
    when_full: WhenFull = arguments.when_full or ("block" if source.lossless else "skip-oldest")
    policy = Policy(threshold.value, arguments.keep_vetoes, arguments.seed, when_full, deadline, arguments.domain_share)
    says = {
        "source": arguments.source,
        "model": {"file": str(arguments.model), "name": network.name, "sha256": network.digest},
        "table": None if table is None else {"file": str(arguments.table), "sha256": sha256(arguments.table)},
        "labels": None if arguments.labels is None else sha256(arguments.labels),
        "threshold": {"value": threshold.value, "from": threshold.said},
        "policy": asdict(policy),
    }
    ledger = Ledger(arguments.out)
    try:
        must_go_on(arguments.out / "screening.json", says, started=ledger.resumed > 0)
        given = outputs.opened(arguments)
        if ledger.resumed:
            print(f"{arguments.out} goes on after {ledger.resumed} frames")
            outputs.recover(arguments.out, source, asking, given)
    except BaseException:
        ledger.leave()
        raise
    print(f"{arguments.source}: kept from {threshold.value:.4g} on ({threshold.said})")
    screening = Screening(source, asking, policy, ledger, [*sinks, *given], workers=arguments.workers)
    outputs.watch(given, screening.status)
    return screening


def must_go_on(path: Path, says: dict[str, Any], *, started: bool) -> None:
    """Write what screens what; ValueError where a run that has begun was screened in another way."""
    if started and path.exists():
        before = read_json(path)
        if differing := [key for key in says if before.get(key) != says[key]]:
            told = "; ".join(f"{key} was {before.get(key)}, is now {says[key]}" for key in differing)
            raise ValueError(f"{path.parent} was screened in another way ({told}); choose another --out")
        return
    write_json(path, says)


def _labelled(network: Network, arguments: argparse.Namespace) -> Network:
    from frames.formats.open import open_frames
    from frames.formats.spi.labels import read_labels
    from frames.pixels.folding import open_folded
    from frames.pixels.table import load

    if arguments.labels is None and arguments.labelled is None:
        return network
    if arguments.labels is None or arguments.labelled is None:
        raise ValueError("--labels says which frames of --labelled are single hits: give both, or neither")
    if arguments.table is None:
        frames = open_frames(arguments.labelled, arguments.dataset, arguments.mask_means)
    else:
        frames = open_folded(arguments.labelled, load(arguments.table), arguments.dataset, arguments.mask_means)
    network.must_take(frames.shape[1:], f"frames of {arguments.labelled}")
    labels = read_labels(arguments.labels, len(frames))
    images = np.concatenate([frames.read(slice(at, at + 1)) for at in labels.frames])
    return network.adapted(images, labels.is_single)


def run(screening: Screening) -> int:
    """Screen, telling now and then how it stands; the status of the process. Ctrl-C and SIGTERM end it in order."""
    import threading

    hurry()
    signals: list[float] = []

    def end(number: int, frame: object) -> None:
        is_first = not signals  # of two that come at once, one within the other, both may be: it is stopped twice
        signals.append(time.monotonic())
        if is_first:
            threading.Thread(target=screening.stop, daemon=True).start()
        elif signals[-1] - signals[0] > AGAIN_S:  # the second time: at once
            raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(SAID_EVERY):
            print(in_a_line(screening.status()), flush=True)

    threading.Thread(target=tell, daemon=True).start()
    try:
        status = screening.run()
    except (OSError, ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        ended.set()
        for number, handler in before.items():
            # The same Ctrl-C may come again when all is written already, and would tell of a death that was none.
            signal.signal(number, signal.SIG_IGN if signals else handler)
    print(in_a_line(status))
    print(f"{screening.ledger.folder / 'decisions.parquet'}: {sum(status.counts.values())} frames")
    return INTERRUPTED if signals else 0


def hurry() -> None:
    """Set Python's process for frames that may not wait: threads take turns sooner, memory is kept, and what is there
    already is not searched for garbage again.

    Called once all is loaded. Of another C library than glibc memory is left as it is.
    """
    sys.setswitchinterval(SWITCH_S)
    # A full collection looks at every object of every library, and everything waits meanwhile.
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, MAPPED_BYTES)


def in_a_line(status: Status) -> str:
    """How it stands, in a line."""
    counts = ", ".join(f"{n} {decision}" for decision, n in status.counts.items() if n)
    return (
        f"{time.strftime('%H:%M:%S', time.localtime(status.time))} {counts or 'nothing yet'}; "
        f"{status.frames_per_s:.0f} frames/s, {status.queue} trains wait, "
        f"delay {status.delay_p50_ms:.1f} ms (p99 {status.delay_p99_ms:.1f})"
        + (f"; {status.repeated} came again" if status.repeated else "")
        + (f"; {status.alarms[-1]}" if status.alarms else "")
    )
