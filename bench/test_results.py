# test_results: what the tables say of samples: above all that nothing counts as reached that wasn't measured.
#
# SPDX-License-Identifier: Apache-2.0

import json
import unittest
import xml.dom.minidom

import picture
import report
from figures import Rate, Target, at_least, at_most
from results import result, to_json
from summary import Summary, paired_ratios

UNIT = "things per CPU second"


def rate(*targets):
    return Rate("figure", "A figure", UNIT, "forward", ("ours", "nginx", "hitch"), targets)


def samples(**values):
    return {name: [None if value is None else {"value": value} for value in rounds] for name, rounds in values.items()}


def judged(figure, taken, missing=None, failed=None):
    return result(figure, "somewhere", taken, missing or {}, failed or {})


def document(*figures):
    noise = {"others_of_a_core": 0.5, "steal_of_all_cores": 0.0, "calibration_spread": 0.01,
             "remark": "this machine is noisy: other processes took 50% of a core"}
    machine = {"cpu": "A <CPU>", "cores": 4, "kernel": "6", "openssl": "3"}
    return {"date": "2026-01-01", "quick": False, "rounds": 3, "machine": machine, "versions": {"nginx": "1"},
            "remarks": [], "noise": noise, "figures": list(figures)}


class Summaries(unittest.TestCase):
    def test_one_sample_is_its_own_median(self):
        self.assertEqual(Summary([3.0]).json(), {"median": 3.0, "q1": 3.0, "q3": 3.0, "count": 1})

    def test_quartiles(self):
        figures = Summary([1, 2, 3, 4, 5])
        self.assertEqual((figures.q1, figures.median, figures.q3), (2, 3, 4))

    def test_ratios_are_of_the_same_round(self):
        self.assertEqual(paired_ratios([10, None, 30], [5, 5, 10]), [2, 3])


class Targets(unittest.TestCase):
    def test_is_judged_against_the_best_rival(self):
        figure = judged(rate(at_least(1.0, "nginx", "hitch")), samples(ours=[10, 10], nginx=[8, 8], hitch=[11, 11]))
        target = figure["targets"][0]
        self.assertEqual(target["best"], "hitch")
        self.assertIs(target["met"], False)
        self.assertAlmostEqual(target["median"], 10 / 11)

    def test_is_met_at_its_bound(self):
        figure = judged(rate(at_least(0.8, "nginx")), samples(ours=[8], nginx=[10]))
        self.assertIs(figure["targets"][0]["met"], True)

    def test_a_missing_rival_is_not_a_beaten_one(self):
        figure = judged(rate(at_least(1.0, "nginx", "hitch")), samples(ours=[10], nginx=[8], hitch=[None]),
                        missing={"hitch": "hitch isn't installed"})
        self.assertIsNone(figure["targets"][0]["met"])
        self.assertEqual(figure["targets"][0]["why"], "hitch isn't installed")

    def test_a_failed_rival_is_not_a_beaten_one(self):
        figure = judged(rate(at_least(1.0, "nginx")), samples(ours=[10], nginx=[None]), failed={"nginx": "it broke"})
        self.assertIsNone(figure["targets"][0]["met"])

    def test_never_in_the_same_round(self):
        figure = judged(rate(at_least(1.0, "nginx")), samples(ours=[10, None], nginx=[None, 8]))
        self.assertIsNone(figure["targets"][0]["met"])

    def test_a_value_of_its_own(self):
        self.assertIs(judged(rate(at_most(16)), samples(ours=[16.1]))["targets"][0]["met"], False)
        self.assertIs(judged(rate(at_most(16)), samples(ours=[15.9]))["targets"][0]["met"], True)


class Reports(unittest.TestCase):
    def figure(self):
        return judged(rate(at_least(1.0, "nginx", "hitch"), Target(0.5, ("nginx",))),
                      samples(ours=[1234.5], nginx=[1000.0], hitch=[None]), missing={"hitch": "hitch isn't installed"})

    def test_table_says_what_is_missing_and_that_it_was_noisy(self):
        text = report.markdown(document(self.figure()))
        self.assertIn("| hitch isn't installed | not measured |", text)
        self.assertIn("| 1.23 | met |", text)
        self.assertIn("This machine is noisy", text)
        self.assertIn("| ours | 1 230 |", text)

    def test_picture_is_xml_and_says_so_too(self):
        drawing = picture.svg(document(self.figure()))
        xml.dom.minidom.parseString(drawing)
        self.assertIn("not measured", drawing)
        self.assertIn("noisy", drawing)
        self.assertNotIn("<script", drawing)

    def test_a_limit_far_beyond_is_cut(self):
        figure = judged(Rate("figure", "A figure", UNIT, "library", ("ours", "in_memory")),
                        samples(ours=[10.0], in_memory=[100.0]))
        self.assertEqual(picture.scale(figure), 15.0)

    def test_json_is_read_back(self):
        data = {"figures": [{"samples": [1.23456789, None], "text": "a, b"}], "met": None}
        text = to_json(data)
        self.assertEqual(json.loads(text), {"figures": [{"samples": [1.2346, None], "text": "a, b"}], "met": None})
        self.assertEqual(text.count("\n"), 9)

    def test_numbers(self):
        self.assertEqual([report.number(value) for value in (0.1234, 12.34, 123.4, 1234.0, 123456.0)],
                         ["0.12", "12.3", "123", "1 230", "123 000"])


if __name__ == "__main__":
    unittest.main()
