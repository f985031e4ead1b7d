# summary: the median and the quartiles of a few samples.
#
# SPDX-License-Identifier: Apache-2.0

import statistics


class Summary:
    """What is said about samples: nobody's best run, and how far they lie apart."""

    def __init__(self, samples):
        self.count = len(samples)
        if self.count == 1:
            self.q1 = self.median = self.q3 = samples[0]
        else:
            self.q1, self.median, self.q3 = statistics.quantiles(samples, n=4, method="inclusive")

    def json(self):
        return {"median": self.median, "q1": self.q1, "q3": self.q3, "count": self.count}


def paired_ratios(numerators, denominators):
    """The ratio in each round in which both were measured. What disturbs a round disturbs both of its samples."""
    return [above / below for above, below in zip(numerators, denominators) if above is not None and below]
