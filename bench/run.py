# run: measures the figures that are asked for, round by round, and tells what came out. scripts/bench starts it.
#
# SPDX-License-Identifier: Apache-2.0

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import signal
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "support"))

import cpu_profile
import machine
import picture
import report
import results
from certificates import Certificates
from figures import Bench
from peers import PEERS
from plan import FIGURES
from server import Failure, Missing, adopt_orphans

# Rounds, after which a figure's servers are started anew: where its memory happens to lie makes a process some percent
# faster or slower for all its life.
LIFETIME = 3


def arguments():
    names = ", ".join(figure.name for figure in FIGURES)
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measures the library and `sallyport forward` beside their peers.",
        epilog=f"Figures: {names}. A name's beginning followed by * takes all that begin so.")
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help="what to measure [everything]")
    parser.add_argument("--quick", action="store_true", help="three short rounds: to see that it works")
    parser.add_argument("--rounds", type=int, help="how often each peer of a figure is measured [12, --quick: 3]")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build" / "bench" / "results", metavar="DIR",
                        help="for results.json, results.svg and results.md [build/bench/results]")
    parser.add_argument("--programs", type=pathlib.Path, default=ROOT / "build" / "bench", metavar="DIR",
                        help="where the programs were built [build/bench]")
    parser.add_argument("--write-docs", action="store_true",
                        help="put table and picture into docs/performance.md, .svg and .json, too; of --profile, the "
                             "tables into docs/profile.md")
    parser.add_argument("--profile", action="store_true",
                        help="tell instead where the CPU time of an operation goes, by samples of perf; "
                             "profile.md is in --output, too")
    parser.add_argument("--from", type=pathlib.Path, dest="source", metavar="FILE",
                        help="measure nothing: take the results.json of another run")
    options = parser.parse_args()
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds: at least 1")
    if options.profile and options.source:
        parser.error("--profile: --from has no samples of perf")
    if options.write_docs and not options.profile and (options.figures or options.quick) and not options.source:
        parser.error("--write-docs: the documents show a whole run, not --quick and not single figures")
    return parser, options


def chosen_figures(parser, names):
    chosen = []
    for name in names:
        found = [figure for figure in FIGURES
                 if figure.name == name or name.endswith("*") and figure.name.startswith(name[:-1])]
        if not found:
            parser.error(f"there is no figure '{name}'; there are: {', '.join(figure.name for figure in FIGURES)}")
        chosen += [figure for figure in found if figure not in chosen]
    return chosen or list(FIGURES)


def profiled_figures(parser, names):
    chosen = chosen_figures(parser, names)
    for figure in chosen:
        if names and not figure.profiled:
            parser.error(f"--profile: '{figure.name}' isn't about CPU time")
    return [figure for figure in chosen if figure.profiled]


def progress(text):
    print(text, file=sys.stderr, flush=True)


def open_subjects(figure, bench, stack, missing, failed):
    opened = {}
    for subject in figure.subjects:
        if subject in missing or subject in failed:
            continue
        try:
            opened[subject] = figure.open(bench, subject, stack)
        except Missing as reason:
            missing[subject] = str(reason)
        except Failure as reason:
            failed[subject] = str(reason)
    return opened


def measure_figure(figure, bench, noise, rounds):
    """All rounds of one figure: in each every subject once, every time beginning with another one."""
    missing, failed = {}, {}
    samples = {subject: [] for subject in figure.subjects}
    rounds = min(rounds, figure.most_rounds or rounds)
    with noise.watch(figure.name):
        for first in range(0, rounds, LIFETIME):
            with contextlib.ExitStack() as stack:
                opened = open_subjects(figure, bench, stack, missing, failed)
                for index in range(first, min(first + LIFETIME, rounds)):
                    noise.calibrate()
                    start = index % len(figure.subjects)
                    for subject in figure.subjects[start:] + figure.subjects[:start]:
                        samples[subject].append(measure_once(figure, bench, opened, subject, missing, failed))
    for subject, reason in {**missing, **failed}.items():
        progress(f"  {subject}: {reason}")
    return results.result(figure, figure.setup(bench), samples, missing, failed)


def measure_once(figure, bench, opened, subject, missing, failed):
    """A sample, or None. Who fails twice in a row isn't asked again."""
    if subject not in opened or subject in missing or subject in failed:
        return None
    for attempt in range(2):
        try:
            return figure.measure(bench, opened[subject], subject)
        except Missing as reason:
            missing[subject] = str(reason)
            return None
        except Failure as reason:
            if attempt == 1:
                failed[subject] = str(reason)
            else:
                progress(f"  {subject}, tried again: {reason}")
    return None


@contextlib.contextmanager
def prepared(options):
    """What all measurements of a run have in common."""
    machine.raise_descriptor_limit()
    adopt_orphans()
    cores = machine.Cores()
    # We only wait; but not on the server's core.
    os.sched_setaffinity(0, cores.others)
    certificates = Certificates()
    try:
        with tempfile.TemporaryDirectory(prefix="sallyport-bench-") as directory:
            identities = {"ecdsa": certificates.ecdsa, "rsa": certificates.rsa}
            yield Bench(options.programs.resolve(), identities, cores, directory, options.quick)
    finally:
        certificates.remove()


def versions_of(subjects):
    versions = ((name, PEERS[name].version()) for name in subjects if name in PEERS)
    return {name: version for name, version in versions if version}


def today():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")


def measure_all(options, figures):
    rounds = options.rounds or (3 if options.quick else 12)
    measured = []
    with prepared(options) as bench:
        cores = bench.cores
        noise = machine.Noise(cores.server[0])
        for figure in figures:
            progress(f"{figure.name} ({len(measured) + 1} of {len(figures)})")
            measured.append(measure_figure(figure, bench, noise, rounds))
    return {
        "date": today(),
        "quick": options.quick,
        "rounds": rounds,
        "machine": machine.description(),
        "versions": versions_of(dict.fromkeys(name for result in measured for name in result["subjects"])),
        "remarks": cores.remarks(),
        "noise": noise.report(),
        "figures": measured,
    }


def profile_all(options, figures):
    """Prints the tables."""
    try:
        cpu_profile.check_perf()
    except Missing as reason:
        print(f"bench: {reason}", file=sys.stderr)
        return 1
    rounds = options.rounds or (2 if options.quick else 12)
    parts, noise = [], None
    with prepared(options) as bench:
        bench.seconds = 0.5 if options.quick else 1.0
        noise = machine.Noise(bench.cores.server[0])
        for figure in figures:
            progress(f"{figure.name} ({len(parts) + 1} of {len(figures)})")
            with noise.watch(figure.name):
                parts.append(cpu_profile.profile_figure(figure, bench, rounds, noise))
    data = {"date": today(), "quick": options.quick, "rounds": rounds, "machine": machine.description(),
            "versions": versions_of(dict.fromkeys(name for figure in figures for name in figure.profiled)),
            "remarks": bench.cores.remarks(), "noise": noise.report()}
    text = "\n".join([*(part for line in report.machine_lines(data, cpu_profile.HOW) for part in (line, "")), *parts])
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "profile.md").write_text(text)
    print(text)
    if options.write_docs:
        report.replace_results(ROOT / "docs" / "profile.md", text)
    return 0


def main():
    parser, options = arguments()
    figures = (profiled_figures if options.profile else chosen_figures)(parser, options.figures)
    # Ends like Ctrl-C does: with everything stopped and removed that was started and made.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    try:
        if options.profile:
            return profile_all(options, figures)
        data = json.loads(options.source.read_text()) if options.source else measure_all(options, figures)
    except KeyboardInterrupt:
        return 130
    text = report.markdown(data)
    drawing = picture.svg(data)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "results.json").write_text(results.to_json(data))
    (options.output / "results.md").write_text(text)
    (options.output / "results.svg").write_text(drawing)
    print(text)
    progress(f"results.json, results.md and results.svg are in {os.path.relpath(options.output)}")
    if options.write_docs:
        report.write_docs(ROOT / "docs", text, drawing, data)
    return 1 if any(figure["failed"] for figure in data["figures"]) else 0


if __name__ == "__main__":
    sys.exit(main())
