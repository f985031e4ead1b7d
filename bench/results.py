# results: what was measured of a figure, in the form that report, picture and the JSON file take it in.
#
# SPDX-License-Identifier: Apache-2.0

import json
import re

from summary import Summary, paired_ratios


def to_json(data):
    """With few digits, and what has no parts of its own on one line."""
    def rounded(value):
        if isinstance(value, dict):
            return {key: rounded(part) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [rounded(part) for part in value]
        return float(f"{value:.5g}") if isinstance(value, float) else value

    text = json.dumps(rounded(data), indent=1, ensure_ascii=False)
    return re.sub(r"[\[{][^][{}]*[]}]", lambda found: re.sub(r"\n\s*", " ", found.group()), text) + "\n"


def result(figure, setup, samples, missing, failed):
    """`samples`: for each subject one measurement per round, None where there is none."""
    values = {name: [sample and sample["value"] for sample in rounds] for name, rounds in samples.items()}
    subjects = {}
    for name in figure.subjects:
        good = [sample for sample in samples.get(name, []) if sample]
        if not good:
            continue
        subjects[name] = {"value": Summary([sample["value"] for sample in good]).json()}
        for key in ("rate", "cores_used", "cpu_ns", "handshakes", "kib_each"):
            numbers = [sample[key] for sample in good if key in sample]
            if numbers:
                subjects[name][key] = Summary(numbers).median
        ticks = {key: sum(sample.get(key, 0) for sample in good) for key in ("user_ticks", "kernel_ticks")}
        if sum(ticks.values()):
            # One share of all samples: a single one has few ticks.
            subjects[name]["kernel_share"] = ticks["kernel_ticks"] / sum(ticks.values())
        latencies = [sample["latency_us"] for sample in good if "latency_us" in sample]
        if latencies:
            subjects[name]["latency_us"] = {key: Summary([latency[key] for latency in latencies]).median
                                            for key in latencies[0]}
        if any("saturated" in sample for sample in good):
            subjects[name]["saturated"] = sum(sample.get("saturated", False) for sample in good) / len(good)
        subjects[name]["samples"] = [sample and sample["value"] for sample in samples[name]]
    ratios = []
    for above, below in figure.comparisons:
        ratio = _ratio(values, above, below)
        if ratio:
            ratios.append({"of": above, "over": below, **ratio.json()})
    return {
        "name": figure.name,
        "title": figure.title,
        "group": figure.group,
        "unit": figure.unit,
        "higher_is_better": figure.higher_is_better,
        "setup": setup,
        "subjects": subjects,
        "ratios": ratios,
        "targets": [_judge(figure, target, values, subjects, missing, failed) for target in figure.targets],
        "missing": missing,
        "failed": failed,
    }


def _ratio(values, above, below):
    ratios = paired_ratios(values.get(above, []), values.get(below, []))
    return Summary(ratios) if ratios else None


def _judge(figure, target, values, subjects, missing, failed):
    """Met only if everything that it is about was measured."""
    of = target.of or figure.subjects[0]
    verdict = {"of": of, "over": list(target.over), "bound": target.bound, "at_least": target.at_least, "met": None}
    for name in (of, *target.over):
        if name not in subjects:
            verdict["why"] = missing.get(name) or failed.get(name) or f"{name} wasn't measured"
            return verdict
    if target.over:
        best = max if figure.higher_is_better else min
        rival = best(target.over, key=lambda name: subjects[name]["value"]["median"])
        measured = _ratio(values, of, rival)
        if measured is None:
            verdict["why"] = f"{of} and {rival} were never measured in the same round"
            return verdict
        verdict["best"] = rival
        verdict.update(measured.json())
    else:
        verdict.update(subjects[of]["value"])
    verdict["met"] = target.is_met(verdict["median"])
    return verdict
