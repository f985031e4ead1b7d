# report: the results as Markdown tables, and the part of docs/performance.md that is made of them.
#
# SPDX-License-Identifier: Apache-2.0

import re

from plan import CONTROLS, GROUPS, LIMITS
from results import to_json

BEGIN = "<!-- results: written by scripts/bench --write-docs -->"
END = "<!-- end of results -->"

# Of the figures that other groups have, too, where the groups aren't told apart.
TITLE_BEGINNINGS = {"forward": "`forward`: ", "qt": "Qt module: "}


def number(value):
    """Three digits that mean something."""
    if value >= 1000:
        digits = len(str(int(value)))
        return f"{round(value, 3 - digits):,.0f}".replace(",", " ")
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(summary):
    """A ratio with its quartiles."""
    if summary["count"] == 1:
        return f"{summary['median']:.2f}"
    return f"{summary['median']:.2f} ({summary['q1']:.2f} to {summary['q3']:.2f})"


def bound(target):
    return f"{'at least' if target['at_least'] else 'at most'} {target['bound']:g}"


def verdict(target):
    if target["met"] is None:
        return "not measured"
    return "met" if target["met"] else "**not met**"


def against(target):
    if not target["over"]:
        return "itself"
    if "best" in target and len(target["over"]) > 1:
        return f"{target['best']}, the best of {', '.join(target['over'])}"
    return " or ".join(target["over"])


def machine_lines(data, how="Medians of {rounds}{quick}. In parentheses the quartiles."):
    machine = data["machine"]
    cores = f"{machine['cores']} cores"
    lines = [f"{data['date']}; {machine['cpu']}, {cores}, Linux {machine['kernel']}, OpenSSL {machine['openssl']}"]
    if data["versions"]:
        lines[0] += "; " + ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    rounds = f"{data['rounds']} round{'' if data['rounds'] == 1 else 's'}"
    quick = ", a quick run: for a look, not for a verdict" if data["quick"] else ""
    lines.append(how.format(rounds=rounds, quick=quick))
    lines += data["remarks"]
    noise = data["noise"]
    measured = (f"other processes took {noise['others_of_a_core']:.0%} of a core, the hypervisor "
                f"{noise['steal_of_all_cores']:.1%} of all; the same piece of work varied by "
                f"{noise['calibration_spread']:.1%}")
    if noise["remark"]:
        lines.append(f"**{noise['remark'][0].upper()}{noise['remark'][1:]}.** In all, {measured}.")
    else:
        lines.append(f"The machine was quiet: {measured}.")
    return lines


def targets_table(data):
    rows = []
    for figure in data["figures"]:
        for target in figure["targets"]:
            if target["met"] is None:
                value = target["why"]
            elif target["over"]:
                value = spread(target)
            else:
                value = f"{target['median']:.1f} {figure['unit'].split()[0]}"
            where = TITLE_BEGINNINGS.get(figure["group"], "")
            rows.append(f"| {where}{figure['title']} | {target['of']} | {against(target)} | {bound(target)} | {value} "
                        f"| {verdict(target)} |")
    if not rows:
        return []
    return ["| figure | of | against | has to be | is | |", "|---|---|---|---|---|---|", *rows]


def figure_table(figure):
    subjects = figure["subjects"]
    first = next(iter(subjects), None)
    controlled = {ratio["of"]: ratio for ratio in figure["ratios"] if ratio["over"] in CONTROLS}
    compared = [ratio for ratio in figure["ratios"] if ratio not in controlled.values()]
    first_is_ours = {ratio["of"] for ratio in compared} <= {first}
    ratios = {ratio["over" if first_is_ours else "of"]: ratio for ratio in compared}

    columns = [(figure["unit"], lambda name, subject: number(subject["value"]["median"]))]

    def optional(title, key, form):
        if any(key in subject for subject in subjects.values()):
            columns.append((title, lambda name, subject: form(subject[key]) if key in subject else ""))

    # Beside handshakes the server's time isn't the echoes' alone.
    if figure["group"] not in ("cores", "fairness"):
        optional("CPU per operation, µs", "cpu_ns", lambda value: number(value / 1000))
    if figure["group"] == "fairness":
        optional("median, µs", "latency_us", lambda value: number(value["p50"]))
        optional("longest, µs", "latency_us", lambda value: number(value["max"]))
    optional("measured per second", "rate", number)
    optional("cores used", "cores_used", lambda value: f"{value:.2f}")
    optional("in the kernel", "kernel_share", lambda value: f"{value:.0%}")
    optional("handshakes per second", "handshakes", number)
    optional("KiB of memory per identity", "kib_each", number)
    if ratios:
        title = f"{first} / this" if first_is_ours else f"this / {first}"
        columns.append((title, lambda name, subject: spread(ratios[name]) if name in ratios else ""))
    if controlled:
        columns.append(("threads / processes",
                        lambda name, subject: spread(controlled[name]) if name in controlled else ""))

    lines = [f"#### {figure['title']} (`{figure['name']}`)", "", figure["setup"][0].upper() + figure["setup"][1:] + ".",
             "", "| | " + " | ".join(title for title, _ in columns) + " |", "|---|" + "---|" * len(columns)]
    for name, subject in subjects.items():
        shown = f"{name} (a limit)" if name in LIMITS else f"{name} (a control)" if name in CONTROLS else name
        lines.append(f"| {shown} | " + " | ".join(form(name, subject) for _, form in columns) + " |")
    for reasons, what in ((figure["missing"], "Missing"), (figure["failed"], "Failed")):
        lines += ["", *(f"{what}: {name}, {reason}." for name, reason in reasons.items())] if reasons else []
    return lines + [""]


def markdown(data):
    lines = [line for paragraph in machine_lines(data) for line in (paragraph, "")]
    lines += targets_table(data) + [""]
    for group, title in GROUPS.items():
        figures = [figure for figure in data["figures"] if figure["group"] == group]
        if figures:
            lines += [f"### {title}", ""]
            for figure in figures:
                lines += figure_table(figure)
    return "\n".join(lines).rstrip() + "\n"


def replace_results(page, text):
    """Replaces what stands between the markers."""
    old = page.read_text()
    if BEGIN not in old or END not in old:
        raise SystemExit(f"bench: {page.name} has no markers for the results")
    between = f"{BEGIN}\n\n{text}\n{END}"
    page.write_text(re.sub(re.escape(BEGIN) + ".*" + re.escape(END), lambda _: between, old, flags=re.DOTALL))


def write_docs(docs, text, drawing, data):
    """Replaces what stands between the markers, and what it refers to."""
    replace_results(docs / "performance.md", f"![The results as bars](performance.svg)\n\n{text}")
    (docs / "performance.svg").write_text(drawing)
    (docs / "performance.json").write_text(to_json(data))
