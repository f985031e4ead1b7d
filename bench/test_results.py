# test_results: what the tables say of samples: above all that nothing counts as reached that wasn't measured; and what
# a sample of perf counts for.
#
# SPDX-License-Identifier: Apache-2.0

import json
import unittest
import xml.dom.minidom

import cpu_profile
import picture
import report
from figures import IdleMemory, Names, NamesLoading, Rate, Target, Threads, at_least, at_most
from peers import PEERS
from plan import FIGURES, GROUPS
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


class Plan(unittest.TestCase):
    def test_subjects_are_peers(self):
        for figure in FIGURES:
            if isinstance(figure, (Rate, IdleMemory)):
                self.assertEqual(set(figure.subjects) - {"in_memory"} - set(PEERS), set(), figure.name)

    def test_targets_are_about_what_is_measured(self):
        for figure in FIGURES:
            for target in figure.targets:
                named = {target.of or figure.subjects[0], *target.over}
                self.assertEqual(named - set(figure.subjects), set(), figure.name)

    def test_every_figure_has_a_name_and_a_group(self):
        self.assertEqual(len({figure.name for figure in FIGURES}), len(FIGURES))
        self.assertEqual({figure.group for figure in FIGURES}, set(GROUPS))

    def test_the_qt_module_has_to_surpass_qt(self):
        bounds = {figure.name: [(target.bound, target.over) for target in figure.targets]
                  for figure in FIGURES if figure.group == "qt" and figure.targets}
        self.assertEqual(bounds, {"qt-handshake": [(1.8, ("qt_echo",))], "qt-echo-64": [(1.2, ("qt_echo",))]})


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

    def test_targets_tell_apart_the_same_title_in_several_groups(self):
        figures = [Rate("figure", "Echoes", UNIT, group, ("ours", "qt_echo"), (at_least(1.2, "qt_echo"),))
                   for group in ("library", "forward", "qt")]
        text = report.markdown(document(*(judged(figure, samples(ours=[3], qt_echo=[2])) for figure in figures)))
        for title in ("Echoes", "`forward`: Echoes", "Qt module: Echoes"):
            self.assertIn(f"| {title} | ours | qt_echo | at least 1.2 | 1.50 | met |", text)
        self.assertIn("### The Qt module", text)

    def test_share_of_the_kernel_is_of_all_samples(self):
        ticks = [{"value": 1, "user_ticks": 1, "kernel_ticks": 0}, None,
                 {"value": 1, "user_ticks": 1, "kernel_ticks": 6}]
        figure = judged(rate(), {"ours": ticks, **samples(nginx=[1, 1, 1])})
        self.assertEqual(figure["subjects"]["ours"]["kernel_share"], 0.75)
        self.assertNotIn("kernel_share", figure["subjects"]["nginx"])
        lines = report.markdown(document(figure)).splitlines()
        self.assertIn("| ours | 1.00 | 75% |  |", lines)
        self.assertIn("| nginx | 1.00 |  | 1.00 (1.00 to 1.00) |", lines)

    def test_older_results_have_no_share_of_the_kernel(self):
        self.assertNotIn("in the kernel", report.markdown(document(self.figure())))

    def threads(self):
        figure = Threads("threads", "Threads", "µs of CPU per operation", "cores",
                         ("1 thread", "2 threads", "2 processes"), (at_most(1.08, "2 threads", ("1 thread",)),))
        values = {"1 thread": 10, "2 threads": 12, "2 processes": 11}
        return judged(figure, {name: [{"value": value}] for name, value in values.items()})

    def test_threads_are_compared_with_one_and_with_processes(self):
        figure = self.threads()
        self.assertIs(figure["targets"][0]["met"], False)  # whatever the control says
        lines = report.markdown(document(figure)).splitlines()
        self.assertIn("| | µs of CPU per operation | this / 1 thread | threads / processes |", lines)
        self.assertIn("| 2 threads | 12.0 | 1.20 | 1.09 |", lines)
        self.assertIn("| 2 processes (a control) | 11.0 | 1.10 |  |", lines)

    def test_a_control_is_drawn_as_no_result_of_ours(self):
        self.assertEqual(picture._kind(self.threads(), "2 processes"), "peer")
        self.assertEqual(picture._kind(self.threads(), "2 threads"), "ours")

    def test_many_names_are_compared_with_one(self):
        target = Target(0.95, ("1 identity",), "9 identities")
        figure = judged(Names("names", "Names", UNIT, "names", ("1 identity", "9 identities"), (target,)),
                        samples(**{"1 identity": [100, 200], "9 identities": [90, 180]}))
        self.assertIs(figure["targets"][0]["met"], False)
        lines = report.markdown(document(figure)).splitlines()
        self.assertIn("| | things per CPU second | this / 1 identity |", lines)
        self.assertIn("| 9 identities | 135 | 0.90 (0.90 to 0.90) |", lines)
        self.assertIn("### Many names", lines)

    def test_loading_tells_time_and_memory_and_compares_nothing(self):
        figure = judged(NamesLoading("load", "Loading", "seconds", "names", ("files", "context")),
                        {"files": [{"value": 2.0, "kib_each": 12.0}, {"value": 4.0, "kib_each": 12.0}],
                         "context": [{"value": 0.5, "kib_each": 1.0}, None]})
        lines = report.markdown(document(figure)).splitlines()
        self.assertIn("| | seconds | KiB of memory per identity |", lines)
        self.assertIn("| files | 3.00 | 12.0 |", lines)
        self.assertIn("| context | 0.50 | 1.00 |", lines)
        xml.dom.minidom.parseString(picture.svg(document(figure)))

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


class Profiles(unittest.TestCase):
    """As `perf script -F time,ip,sym,dso --ns` prints them."""

    SEND = """ffffffff8201f2c5 tcp_data_queue ([kernel.kallsyms])
ffffffff81e2ea8e sock_sendmsg ([kernel.kallsyms])
ffffffff81e2ec07 __x64_sys_sendto ([kernel.kallsyms])
ffffffff821ed511 do_syscall_64 ([kernel.kallsyms])
ffffffff81000130 entry_SYSCALL_64_after_hwframe ([kernel.kallsyms])
          10aba4 __send (/usr/lib/x86_64-linux-gnu/libc.so.6)"""

    def rows(self, *samples):
        script = "\n\n".join(f"12.{index:09}: \n{sample}" for index, sample in enumerate(samples))
        return dict(cpu_profile.count_rows(script + "\n\n", (12e9, 13e9)))

    def test_kernel_by_the_outermost_call(self):
        within = "ffffffff81e2ec00 __x64_sys_close ([kernel.kallsyms])\n" + self.SEND
        self.assertEqual(self.rows(self.SEND, within), {"send": 2})

    def test_kernel_names_without_tail_calls(self):
        write = "ffffffff81600000 vfs_write ([k])\nffffffff815f0cb8 ksys_write ([k])"
        accept = "ffffffff81e2ec07 __sys_accept4 ([kernel.kallsyms])"
        self.assertEqual(self.rows(write, accept), {"send": 1, "accept, close": 1})

    def test_at_the_door_libc_tells_the_call(self):
        self.assertEqual(self.rows("ffffffff81000130 entry_SYSCALL_64_after_hwframe ([kernel.kallsyms])\n"
                                   "          10a974 __libc_recv (/usr/lib/libc.so.6)"), {"receive": 1})

    def test_page_faults_and_interrupts_are_the_rest(self):
        self.assertEqual(self.rows("ffffffff81000c82 asm_exc_page_fault ([kernel.kallsyms])\n"
                                   "          16e0ba __memset_avx512 (/usr/lib/libc.so.6)"), {"the rest": 1})

    def test_user_time_by_the_innermost_object(self):
        ssl = "  45771 SSL_read (/usr/lib/libssl.so.3)"
        self.assertEqual(self.rows("  1d0fd4 [unknown] (/usr/lib/libcrypto.so.3)\n" + ssl, ssl,
                                   "  979bb _int_malloc (/usr/lib/libc.so.6)", "  7ffd1 __vdso_clock_gettime ([vdso])",
                                   "  f190 boost::f(std::tuple<int, char>) (/build/bench/asio stream)"),
                         {"libcrypto": 1, "libssl": 1, "libc and malloc": 2, "the program, Boost, libstdc++": 1})
        self.assertEqual(self.rows("  2d1fd4 QObject::event(QEvent*) (/usr/lib/libQt6Core.so.6.4.2)",
                                   "   97ba g_main_context_check (/usr/lib/libglib-2.0.so.0.7400.6)"), {"Qt, GLib": 2})

    def test_only_the_interval_counts(self):
        script = "\n\n".join(f"{seconds}: \n{self.SEND}" for seconds in ("11.999999999", "12.5", "13.000000001"))
        self.assertEqual(dict(cpu_profile.count_rows(script, (12e9, 13e9))), {"send": 1})

    def test_shares_of_the_time_of_a_varying_machine(self):
        ours, other, limit = cpu_profile.Profile(), cpu_profile.Profile(), cpu_profile.Profile()
        for speed in (1, 2, 4):
            ours.add(100 * speed, {"send": 3, "libcrypto": 1})
            other.add(50 * speed, {"libcrypto": 2})
            limit.add(25 * speed, {})
        lines = cpu_profile.table(rate(), {"ours": ours, "other": other, "limit": limit}, {"nginx": "not there"}, 3)
        self.assertIn("| **in all** | **200** | **100** |", lines)
        self.assertIn("| **the kernel** | **150** (75%) | **0.00** (0%) |", lines)
        self.assertIn("| kernel: send | 150 | 0.00 |", lines)
        self.assertIn("| libcrypto | 50.0 | 100 |", lines)
        self.assertIn("3 rounds, at least 6 samples each. The limit, limit, which has neither kernel nor program: "
                      "50.0 µs.", lines)
        self.assertIn("Not measured: nginx, not there.", lines)


if __name__ == "__main__":
    unittest.main()
