# picture: the results as bars, in one SVG that works without scripts and in light and dark.
#
# SPDX-License-Identifier: Apache-2.0

from xml.sax.saxutils import escape

from plan import CONTROLS, GROUPS, LIMITS
from report import bound, number

WIDTH = 980
MARGIN = 20
GAP = 30
PANEL = (WIDTH - 2 * MARGIN - GAP) // 2
LABELS = 200  # of a panel's width, before its bars
VALUES = 74  # after them
BAR = 12
STEP = 19

STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 20px; font-weight: 600 } .group { font-size: 16px; font-weight: 600 } .panel { font-weight: 600 }
.faint { fill: #59636e } .warning { fill: #9a6700; font-weight: 600 } .bad { fill: #cf222e }
.background { fill: #ffffff } .rule { stroke: #d1d9e0 } .spread { stroke: #1f2328; opacity: .55 }
.ours { fill: #0969da } .peer { fill: #9aa4af } .limit { fill: none; stroke: #9aa4af; stroke-dasharray: 3 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .faint { fill: #9198a1 } .warning { fill: #d29922 } .bad { fill: #f85149 }
  .background { fill: #0d1117 } .rule { stroke: #3d444d } .spread { stroke: #f0f6fc }
  .ours { fill: #4493f8 } .peer { fill: #656c76 } .limit { stroke: #656c76 }
}
"""


class Drawing:
    """Shapes, from the top down."""

    def __init__(self):
        self.shapes = []

    def text(self, x, y, text, kind="", anchor="start"):
        self.shapes.append(f'<text x="{x:.0f}" y="{y:.0f}"{_class(kind)} text-anchor="{anchor}">{escape(text)}</text>')

    def bar(self, x, y, width, kind):
        self.shapes.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(1, width):.1f}" height="{BAR}" rx="2"'
                           f'{_class(kind)}/>')

    def line(self, x1, y1, x2, y2, kind):
        self.shapes.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{_class(kind)}/>')


def _class(kind):
    return f' class="{kind}"' if kind else ""


def _kind(figure, name):
    if name in LIMITS:
        return "limit"
    # Where all subjects are ours, what they are compared with is the first.
    ours = name.startswith("sallyport") or figure["group"] in ("names", "cores", "fairness") and name not in CONTROLS
    return "ours" if ours else "peer"


def target_text(target):
    """One line below a panel, and whether it is bad news."""
    over = f" / {target.get('best') or ' or '.join(target['over'])}" if target["over"] else ""
    if target["met"] is None:
        return f"{target['of']}{over}: not measured", True
    verdict = "" if target["met"] else ", not met"
    return f"{target['of']}{over}: {number(target['median'])} ({bound(target)}{verdict})", not target["met"]


def panel_height(figure):
    return 44 + STEP * len(figure["subjects"]) + 16 * len(figure["targets"]) + 22


def scale(figure):
    """What a whole bar stands for. A limit far beyond everybody would leave nothing of the others, and is cut."""
    ends = {name: subject["value"]["q3"] for name, subject in figure["subjects"].items()}
    peers = max((end for name, end in ends.items() if name not in LIMITS), default=0)
    limits = max((end for name, end in ends.items() if name in LIMITS), default=0)
    return (max(peers, min(limits, 1.5 * peers)) if peers else limits) or 1


def draw_panel(drawing, figure, x, y):
    drawing.text(x, y + 14, figure["title"], "panel")
    better = "more is better" if figure["higher_is_better"] else "less is better"
    drawing.text(x, y + 30, f"{figure['unit']}; {better}", "faint")
    y += 40
    left, length = x + LABELS, PANEL - LABELS - VALUES
    largest = scale(figure)
    for name, subject in figure["subjects"].items():
        value = subject["value"]
        middle = y + BAR / 2
        first, median, third = (left + min(1, value[key] / largest) * length for key in ("q1", "median", "q3"))
        drawing.text(left - 8, y + BAR - 2, name, anchor="end")
        drawing.bar(left, y, median - left, _kind(figure, name))
        if value["count"] > 1 and third > first:
            drawing.line(first, middle, third, middle, "spread")
        cut = "… " if value["median"] > largest else ""
        drawing.text(max(median, third) + 6, y + BAR - 2, cut + number(value["median"]))
        y += STEP
    y += 10
    for target in figure["targets"]:
        text, bad = target_text(target)
        drawing.text(x, y, text, "bad" if bad else "faint")
        y += 16


def header(drawing, data):
    machine = data["machine"]
    drawing.text(MARGIN, 36, "Sallyport beside its peers", "title")
    lines = [(f"{data['date']}: {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, "
              f"OpenSSL {machine['openssl']}", "faint")]
    if data["versions"]:
        lines.append((", ".join(f"{name} {version}" for name, version in data["versions"].items()), "faint"))
    lines.append((f"Medians of {data['rounds']} rounds; the thin lines are the quartiles. Dashed: limits, not peers; "
                  "cut where far beyond. One core for the server unless said.", "faint"))
    lines += [(remark, "faint") for remark in data["remarks"]]
    if data["noise"]["remark"]:
        lines.append((data["noise"]["remark"], "warning"))
    if data["quick"]:
        lines.append(("A quick run: for a look, not for a verdict.", "warning"))
    y = 58
    for line, kind in lines:
        drawing.text(MARGIN, y, line, kind)
        y += 18
    return y


def svg(data):
    drawing = Drawing()
    y = header(drawing, data) + 8
    for group, title in GROUPS.items():
        figures = [figure for figure in data["figures"] if figure["group"] == group and figure["subjects"]]
        if not figures:
            continue
        drawing.line(MARGIN, y, WIDTH - MARGIN, y, "rule")
        drawing.text(MARGIN, y + 26, title.replace("`", ""), "group")
        y += 44
        for row in range(0, len(figures), 2):
            pair = figures[row:row + 2]
            for column, figure in enumerate(pair):
                draw_panel(drawing, figure, MARGIN + column * (PANEL + GAP), y)
            y += max(panel_height(figure) for figure in pair)
    height = y + 10
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            f'role="img">\n<title>Sallyport beside its peers, measured on {escape(data["date"])}</title>\n'
            f'<style>{STYLE}</style>\n<rect class="background" width="{WIDTH}" height="{height}"/>\n'
            + "\n".join(drawing.shapes) + "\n</svg>\n")
