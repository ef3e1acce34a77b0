#!/usr/bin/env python3
"""Opens the report of `seldon-report report` in a real browser, and uses it: by mouse, by keyboard, at the widths of a
phone and of a desk, in light and dark colours.

    browser_test.py --build build [--store STORE] [--pictures DIR]

Needs Debian's chromium and chromium-driver, and from PyPI selenium and a package that ships axe-core. The store is made
by running configs/quickstart.toml, which takes seconds, or is the one given.
"""

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

PROJECT = Path(__file__).resolve().parents[2]
WIDTHS = {"phone": 360, "desk": 1280}
SCHEMES = ("light", "dark")
GRAVE = {"serious", "critical"}
AXE_FOLDERS = ("axe_playwright_python", "axe_core_python", "axe_selenium_python")
# A headline that would run a script, load a picture and end the page's own script, were it not escaped.
HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>\u2028 & \"quotes\" 'too'"


def program(build, name):
    path = Path(build).resolve() / "bin" / name
    if not path.is_file():
        sys.exit(f"browser_test: there is no {path}; build it, or name a store with --store")
    return str(path)


def command(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        sys.exit(f"browser_test: {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def chromium():
    for name in (os.environ.get("SELDON_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        found = name and shutil.which(name)
        if found:
            return found
    sys.exit("browser_test: no Chromium found; install it (Debian: apt-get install chromium chromium-driver)")


def axe_source():
    """The newest axe-core that an installed package ships: (version, text)."""
    found = []
    for package in AXE_FOLDERS:
        spec = importlib.util.find_spec(package)
        for folder in spec.submodule_search_locations if spec else []:
            for path in Path(folder).rglob("axe.min.js"):
                text = path.read_text(encoding="utf-8")
                version = re.search(r'(?:axe\.version|\.version)\s*=\s*"(\d+)\.(\d+)\.(\d+)"', text)
                if version:
                    found.append((tuple(map(int, version.groups())), text))
    if not found:
        sys.exit("browser_test: no axe-core found; install axe-playwright-python or axe-core-python from PyPI")
    return max(found, key=lambda entry: entry[0])


class Report:
    """The files under test, made once."""

    def __init__(self, arguments, folder):
        self.store = arguments.store
        if not self.store:
            self.store = str(folder / "quickstart.h5")
            command(program(arguments.build, "seldon"), "run", str(PROJECT / "configs/quickstart.toml"), "--store", self.store)
        report = self.program = program(arguments.build, "seldon-report")
        start = time.monotonic()
        command(report, "report", self.store, "--out", str(folder / "plain"))
        self.seconds = time.monotonic() - start
        start = time.monotonic()
        command(report, "report", self.store, "--out", str(folder / "hostile"), "--formats", "html", "--title", HOSTILE)
        self.html_seconds = time.monotonic() - start
        self.html, self.pdf = folder / "plain/report.html", folder / "plain/report.pdf"
        self.hostile = folder / "hostile/report.html"
        self.pictures = arguments.pictures


REPORT = None


def start_browser():
    options = webdriver.ChromeOptions()
    options.binary_location = chromium()
    for option in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--force-device-scale-factor=1", "--window-size=2400,1400"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = shutil.which("chromedriver")
    if not driver:
        sys.exit("browser_test: no chromedriver found; install it (Debian: apt-get install chromium-driver)")
    browser = webdriver.Chrome(options=options, service=Service(driver))
    browser.set_script_timeout(300)  # axe-core looks at every cell of every table
    return browser


class BrowserTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = start_browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.quit()

    def setUp(self):
        self.open(REPORT.html)

    def open(self, path, width=1280, scheme="light"):
        # What an earlier page left in the logs is not this page's.
        self.browser.get("about:blank")
        self.browser.get_log("performance")
        self.browser.get_log("browser")
        cdp = self.browser.execute_cdp_cmd
        cdp("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]})
        cdp("Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False})
        self.browser.get(Path(path).as_uri())

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def script(self, text, *arguments):
        return self.browser.execute_script(text, *arguments)

    def open_details(self):
        self.script("document.querySelectorAll('details').forEach(d => d.open = true)")

    def column(self, table, index):
        """What is shown in a column, top down: numbers of data-v, None for what has none."""
        values = self.script(
            "return [...document.querySelector(arguments[0]).tBodies[0].rows].map(r => { const c = r.cells[arguments[1]];"
            " return c.dataset.v ?? (c.classList.contains('n') ? null : c.textContent.trim()); })", table, index)
        return [None if v is None else float(v) if re.fullmatch(r"-?[\d.]+(e[-+]?\d+)?", v) else v for v in values]

    def numbers_table(self):
        self.open_details()
        return "#table-three_plots table"

    # ---- tables

    def assert_sorted(self, values, descending):
        known = [v for v in values if v is not None]
        self.assertEqual(known, sorted(known, reverse=descending))
        self.assertEqual(values[len(known):], [None] * (len(values) - len(known)), "what has no value stays last")

    def test_sorts_by_click(self):
        table = self.numbers_table()
        heads = self.find_all(f"{table} thead th")
        index = next(i for i, head in enumerate(heads) if "Solution rate" in head.text)
        before = self.column(table, index)
        button = heads[index].find_element(By.TAG_NAME, "button")
        button.click()
        self.assertEqual(heads[index].get_attribute("aria-sort"), "ascending")
        self.assert_sorted(self.column(table, index), descending=False)
        button.click()
        self.assertEqual(heads[index].get_attribute("aria-sort"), "descending")
        self.assert_sorted(self.column(table, index), descending=True)
        self.assertNotEqual(before, self.column(table, index))
        self.assertEqual(sorted(before, key=str), sorted(self.column(table, index), key=str), "no row is lost")
        self.assertEqual([head.get_attribute("aria-sort") for head in heads].count("none"), len(heads) - 1)

    def test_sorts_by_keyboard(self):
        table = self.numbers_table()
        button = self.find(f"{table} thead th:nth-child(4) button")  # the performance, which has cells without a number
        self.script("arguments[0].focus()", button)
        ActionChains(self.browser).send_keys(Keys.ENTER).perform()
        values = self.column(table, 3)
        self.assertIn(None, values)
        self.assert_sorted(values, descending=False)
        ActionChains(self.browser).send_keys(Keys.SPACE).perform()
        self.assert_sorted(self.column(table, 3), descending=True)
        self.assertEqual(self.script("return document.activeElement"), button)
        self.assertIn("descending", self.find("#live").get_attribute("textContent"))
        ActionChains(self.browser).send_keys(Keys.TAB).perform()
        self.assertEqual(self.script("return document.activeElement.closest('th').cellIndex"), 4, "Tab goes to the next column")

    def test_filters(self):
        self.open_details()
        figure = "#table-three_plots"
        rows = len(self.find_all(f"{figure} tbody tr"))
        name = self.find(f"{figure} tbody th").text
        self.find(f"{figure} input[type=search]").send_keys(name)
        shown = [row for row in self.find_all(f"{figure} tbody tr") if row.is_displayed()]
        self.assertTrue(0 < len(shown) < rows)
        self.assertTrue(all(name in row.text for row in shown))
        self.assertEqual(self.find(f"{figure} .found").text, f"{len(shown)} of {rows} rows")
        self.find(f"{figure} input[type=search]").send_keys(" nothing has this name")
        self.assertFalse(any(row.is_displayed() for row in self.find_all(f"{figure} tbody tr")))

    # ---- charts

    def centre(self, element):
        self.script("arguments[0].scrollIntoView({block: 'center'})", element)
        return self.script("const b = arguments[0].getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2]", element)

    def hover(self, x, y):
        actions = ActionChains(self.browser)
        actions.w3c_actions.pointer_action.move_to_location(round(x), round(y))
        actions.perform()

    def test_tells_a_point_that_is_pointed_at(self):
        tip = self.find("#tip")
        self.assertFalse(tip.is_displayed())
        point = self.find("#three-plots .plot").find_elements(By.CSS_SELECTOR, ".pt")[-1]
        self.hover(*self.centre(point))
        WebDriverWait(self.browser, 5).until(lambda _: tip.is_displayed())
        self.assertEqual(tip.get_attribute("textContent"), point.get_attribute("data-tip"))
        self.assertRegex(tip.text, r"n = [\d,]+")
        self.assertEqual(len(self.find_all(".halo")), 1)
        # The number that is told is the one in the table.
        told = tip.text.split("\n")
        self.open_details()
        row = next(r for r in self.find_all("#table-three_plots tbody tr") if r.text.startswith(told[0] + " " + told[1].removeprefix("n = ") + " "))
        self.assertIn(re.search(r"([−\d.]+) \[", told[2]).group(1), row.text)
        self.hover(5, 5)
        WebDriverWait(self.browser, 5).until(lambda _: not tip.is_displayed())

    def test_walks_along_the_points_by_keyboard(self):
        tip = self.find("#tip")
        view = self.find("#three-plots .plot-view")
        self.script("arguments[0].focus()", view)
        told = []
        for _ in range(3):
            ActionChains(self.browser).send_keys(Keys.ARROW_RIGHT).perform()
            told.append(tip.get_attribute("textContent"))
        self.assertTrue(tip.is_displayed())
        self.assertEqual(len(set(told)), 3)
        self.assertEqual(self.find("#live").get_attribute("textContent"), told[-1])
        ActionChains(self.browser).send_keys(Keys.ARROW_LEFT).perform()
        self.assertEqual(tip.get_attribute("textContent"), told[1])
        ActionChains(self.browser).send_keys(Keys.ESCAPE).perform()
        self.assertFalse(tip.is_displayed())

    def test_shows_and_hides_models(self):
        curve = self.find("#three-plots .chart .line.m1")
        box = self.find("#three-plots .legend input[data-series='1']")
        self.assertTrue(curve.is_displayed())
        box.click()
        self.assertFalse(curve.is_displayed())
        self.assertFalse(self.find("#trials .legend input[data-series='1']").is_selected(), "legends agree")
        box.send_keys(Keys.SPACE)
        self.assertTrue(curve.is_displayed())

    def test_heat_map_shows_the_numbers_of_the_table(self):
        if not self.find_all("#heat"):
            self.skipTest("this store has no subgroups")
        self.open_details()
        Select(self.find("#heat-view")).select_by_index(1)
        Select(self.find("#heat-fraction")).select_by_index(len(Select(self.find("#heat-fraction")).options) - 1)
        self.find("#heat-intervals").click()
        read = "return [...document.querySelectorAll(arguments[0] + ' tr')].map(r => [...r.cells].map(c => c.textContent.replace(/ flagged|[↕↑↓]/g, '').trim()))"
        table = self.script(read, "figure[id^=table-subgroups]")
        head = table[0]
        compared = 0
        for measure in Select(self.find("#heat-column")).options:
            title = measure.text
            Select(self.find("#heat-column")).select_by_visible_text(title)
            rows = self.script(read, "#heat")
            column = head.index(title)
            expected = {(r[head.index("Subgroup")], r[head.index("Model")]): r[column].replace(" ", "") for r in table[1:]}
            for row in rows[1:]:
                for model, shown in zip(rows[0][1:], row[1:]):
                    if shown != "–":
                        self.assertEqual(shown.replace(" ", ""), expected[row[0], model], (title, row[0], model))
                        compared += 1
        self.assertGreater(compared, 50)

    def test_heat_map_shows_what_is_chosen(self):
        if not self.find_all("#heat"):
            self.skipTest("this store has no subgroups")
        caption = self.find("#heat caption")
        first = caption.text
        measure = Select(self.find("#heat-column"))
        measure.select_by_index(2)
        self.assertNotEqual(caption.text, first)
        self.assertIn(measure.first_selected_option.text, caption.text)
        cell = self.find_all("#heat td[data-v]")[-1]
        self.hover(*self.centre(cell))
        tip = self.find("#tip")
        WebDriverWait(self.browser, 5).until(lambda _: tip.is_displayed())
        self.assertIn(cell.text.split("\n")[0].rstrip("!"), tip.text)
        self.assertIn("[", tip.text)
        # By keyboard: the first field is reached by Tab, the others by arrow keys.
        self.hover(5, 5)  # or what scrolls below a resting mouse is told
        field = self.find("#heat tbody td[tabindex='0']")
        self.script("arguments[0].focus()", field)
        self.assertEqual(tip.get_attribute("textContent"), field.get_attribute("data-tip"))
        ActionChains(self.browser).send_keys(Keys.ARROW_DOWN).perform()
        below = self.script("return document.activeElement")
        self.assertEqual(below, self.find("#heat tbody tr:nth-child(2) td"))
        self.assertEqual(tip.get_attribute("textContent"), below.get_attribute("data-tip"))
        self.assertEqual(len(self.find_all("#heat td[tabindex='0']")), 1)
        self.assertFalse(self.find_all("#heat td .ci"))
        self.find("#heat-intervals").click()
        self.assertTrue(self.find_all("#heat td .ci"))
        Select(self.find("#heat-view")).select_by_index(1)
        heads = [head.text for head in self.find_all("#heat thead th")]
        self.assertEqual(heads[1:], [label.text for label in self.find_all("#three-plots .legend label")])
        self.find("#heat thead th:nth-child(2) button").click()
        self.assert_sorted(self.column("#heat table", 1), descending=False)

    # ---- the page

    def test_changes_its_colours(self):
        background = "return getComputedStyle(document.body).backgroundColor"
        light = self.script(background)
        self.find("#theme").click()
        dark = self.script(background)
        self.assertNotEqual(light, dark)
        self.find("#theme").send_keys(Keys.ENTER)
        self.assertEqual(self.script(background), light)
        self.open(REPORT.html, scheme="dark")
        self.assertEqual(self.script(background), dark, "the system's choice counts without the button")

    def test_never_scrolls_sideways(self):
        for width in (320, 360, 768, 1280, 2200):
            self.open(REPORT.html, width=width)
            self.open_details()
            with self.subTest(width=width):
                self.assertLessEqual(self.script("return document.documentElement.scrollWidth"), width)

    def test_skips_to_the_content(self):
        ActionChains(self.browser).send_keys(Keys.TAB).perform()
        self.assertEqual(self.script("return document.activeElement.className"), "skip")
        self.assertGreaterEqual(self.script("return document.activeElement.getBoundingClientRect().top"), 0)
        ActionChains(self.browser).send_keys(Keys.ENTER).perform()
        self.assertEqual(self.script("return document.activeElement.id"), "content")

    def test_loads_nothing_and_logs_nothing(self):
        import json
        for path in (REPORT.html, REPORT.hostile):
            self.open(path)
            self.open_details()
            self.script("dispatchEvent(new Event('beforeprint')); dispatchEvent(new Event('afterprint'))")
            time.sleep(0.3)
            messages = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
            asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
            self.assertIn(path.as_uri(), asked, "requests are seen at all")
            self.assertEqual(set(asked), {path.as_uri()})
            self.assertEqual(self.browser.get_log("browser"), [])

    def test_hostile_words_stay_words(self):
        self.open(REPORT.hostile)
        self.assertIsNone(self.script("return window.hacked ?? null"))
        self.assertIn("</script><script>window.hacked=1</script>", self.find("h1").text)
        self.assertEqual(self.find_all("img"), [])
        self.assertEqual(len(self.find_all("script:not([type])")), 1)

    def test_is_whole_without_javascript(self):
        text = REPORT.html.read_text(encoding="utf-8")
        self.assertEqual(len(re.findall(r"<h1[ >]", text)), 1)
        body = re.sub(r"<script.*?</script>", "", text, flags=re.S)
        self.assertIn("<svg class=\"chart\"", body)
        self.assertGreater(len(re.findall(r"<tr>", body)), 40)
        outside = re.findall(r"(?:src|href|action|data|poster)\s*=\s*[\"']?(?!#|data:)[a-z]*:?//[^\"' >]*|url\(\s*[\"']?(?!#)[^)]*|@import[^;]*", text)
        self.assertEqual(outside, [])

    def test_accessibility(self):
        version, source = axe_source()
        print(f"axe-core {'.'.join(map(str, version))}", file=sys.stderr)
        milder = set()
        # Contrast depends on the colours alone, and the rest on the width alone: each once is enough.
        for scheme, name in zip(SCHEMES, WIDTHS):
            width = WIDTHS[name]
            self.open(REPORT.html, width=width, scheme=scheme)
            self.open_details()
            self.script(source)
            result = self.browser.execute_async_script(
                "const done = arguments[arguments.length - 1];"
                "axe.run(document, {resultTypes: ['violations']}).then(done, e => done({error: String(e)}))")
            self.assertNotIn("error", result)
            grave = [f"{v['id']} ({v['impact']}): {v['help']}; {len(v['nodes'])} times, first {v['nodes'][0]['html'][:200]}"
                     for v in result["violations"] if v["impact"] in GRAVE]
            milder |= {f"{v['id']} ({v['impact']})" for v in result["violations"] if v["impact"] not in GRAVE}
            with self.subTest(scheme=scheme, width=name):
                self.assertGreater(len(result["passes"]), 10)
                self.assertEqual(grave, [])
        if milder:
            print("milder: " + ", ".join(sorted(milder)), file=sys.stderr)

    def test_pdf(self):
        data = REPORT.pdf.read_bytes()
        self.assertTrue(data.startswith(b"%PDF-"))
        self.assertGreater(len(re.findall(rb"/Type\s*/Page\b", data)), 2)

    def test_without_a_chromium_the_html_is_written_all_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "PATH": folder, "SELDON_CHROMIUM": ""}
            done = subprocess.run([REPORT.program, "report", REPORT.store, "--out", folder], env=environment, capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn("apt-get install chromium", done.stderr)
            self.assertIn("--formats html", done.stderr)
            self.assertTrue((Path(folder) / "report.html").is_file())
            self.assertFalse((Path(folder) / "report.pdf").exists())
            done = subprocess.run([REPORT.program, "report", REPORT.store, "--out", folder, "--formats", "html"], env=environment, capture_output=True)
            self.assertEqual(done.returncode, 0)

    def test_bad_input_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            wrong = Path(folder) / "wrong.h5"
            wrong.write_text("no store")
            for words in ([str(wrong)], [REPORT.store, "--models", "nobody"], [REPORT.store, "--truth", "none"], [REPORT.store, "--rule", "none"],
                          [REPORT.store, "--measure", "none"], [REPORT.store, "--min-n", "-1"], [REPORT.store, "--formats", "doc"], [str(wrong) + "x"]):
                with self.subTest(words=words[1:] or words):
                    done = subprocess.run([REPORT.program, "report", *words, "--out", folder + "/out"], capture_output=True, text=True)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertTrue(done.stderr.startswith("seldon-report: error: "), done.stderr)
                    self.assertFalse((Path(folder) / "out/report.html").exists())

    def test_is_written_in_time(self):
        self.assertLess(REPORT.html_seconds, 5)
        self.assertLess(REPORT.seconds, 60, "most of it is Chromium's start, which a busy machine makes slow")

    def test_pictures(self):
        if not REPORT.pictures:
            self.skipTest("no --pictures DIR")
        folder = Path(REPORT.pictures)
        folder.mkdir(parents=True, exist_ok=True)
        for scheme in SCHEMES:
            for name, width in WIDTHS.items():
                self.open(REPORT.html, width=width, scheme=scheme)
                height = self.script("return document.documentElement.scrollHeight")
                self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": min(height, 16000), "deviceScaleFactor": 1, "mobile": False})
                time.sleep(0.2)
                picture = folder / f"report-{scheme}-{name}.png"
                self.browser.save_screenshot(str(picture))
                self.assertGreater(picture.stat().st_size, 10_000)


def main():
    global REPORT
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(PROJECT / "build"), help="the build folder (default: build)")
    parser.add_argument("--store", help="a finished store; default: configs/quickstart.toml is run")
    parser.add_argument("--pictures", help="a folder for screenshots at two widths in both colour schemes")
    arguments, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="seldon-browser-") as folder:
        REPORT = Report(arguments, Path(folder))
        print(f"report.html {REPORT.html.stat().st_size / 1e6:.2f} MB, report.pdf {REPORT.pdf.stat().st_size / 1e6:.2f} MB, {REPORT.seconds:.1f} s, without PDF {REPORT.html_seconds:.1f} s")
        unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
